"""Plain and residual networks: He et al. 2015 (arXiv 1512.03385) and 2016 (arXiv 1603.05027).

One implementation serves both arms of the comparison. The plain network is the residual network
with `shortcut="none"`: the same modules, so the same parameters and initial values.
"""

import dataclasses
import re
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

SHORTCUTS = ("A", "B", "C", "none")
SPANS = (1, 2, 3)
STRIDED = ("1x1", "3x3")
BLOCKS = ("basic", "bottleneck")


@dataclasses.dataclass(frozen=True)
class BlockDesign:
    """What every block of a network has in common.

    Attributes:
      shortcut: `A` identity, zero-padded where channels grow; `B` 1x1 projection where shapes
        change; `C` 1x1 projection always; `none` plain network (He et al. 2015, section 3.3).
      block: `basic` (3x3 layers) or `bottleneck` (1x1, 3x3, 1x1).
      span: how many 3x3 layers one shortcut of basic blocks skips.
      strided: the bottleneck layer that halves the size: first `1x1` (the paper) or `3x3`.
      preactivation: normalise and activate before each convolution (He et al. 2016).
      residual_scale: factor on the branch before the addition.
      activation: a name in `layers.ACTIVATIONS`.
      initializer: a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    shortcut: str = "B"
    block: str = "basic"
    span: int = 2
    strided: str = "3x3"
    preactivation: bool = False
    residual_scale: float = 1.0
    activation: str = "relu"
    initializer: str = "he_normal_fan_out"
    bn_momentum: float = 0.9
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_choice("shortcut", self.shortcut, SHORTCUTS)
        layers.check_choice("block", self.block, BLOCKS)
        if self.block == "bottleneck" and self.span != 2:
            raise ValueError(f"span={self.span} needs basic blocks; these are bottlenecks")
        layers.check_choice("span", self.span, SPANS)
        layers.check_choice("strided", self.strided, STRIDED)
        layers.check_choice("activation", self.activation, layers.ACTIVATIONS)
        layers.check_choice("initializer", self.initializer, layers.INITIALIZERS)
        layers.check_choice("dtype", self.dtype, layers.DTYPES)
        if not 0.0 <= self.bn_momentum < 1.0:
            raise ValueError(f"bn_momentum={self.bn_momentum} is not in [0, 1)")

    def conv(self, name: str, features: int, size: int, strides: int = 1) -> layers.Conv:
        """A convolution without bias: batch normalisation follows."""
        return layers.Conv(
            features,
            (size, size),
            strides,
            initializer=self.initializer,
            dtype=self.dtype,
            name=name,
        )

    def norm(self, name: str) -> layers.BatchNorm:
        """A batch normalisation."""
        return layers.BatchNorm(self.bn_momentum, self.dtype, name=name)

    def activate(self, x: Array) -> Array:
        """The nonlinearity."""
        return layers.ACTIVATIONS[self.activation](x)


class Block(nn.Module):
    """A residual function and the shortcut around it.

    Attributes:
      features: output channels.
      strides: step of the layer that changes the size.
      design: what all blocks share.
    """

    features: int
    strides: int
    design: BlockDesign

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the same with `features` channels."""
        design = self.design
        if not design.preactivation:
            y = self._branch(x, train) * design.residual_scale
            if design.shortcut != "none":
                y += self._shortcut(x, x, train)
            return design.activate(y)
        first = design.activate(design.norm("bn1")(x, train))
        y = self._branch(first, train) * design.residual_scale
        return y if design.shortcut == "none" else y + self._shortcut(x, first, train)

    def _layers(self) -> tuple[tuple[int, int, int], ...]:
        """Features, kernel size and strides of each convolution of the branch."""
        if self.design.block == "bottleneck":
            inner = self.features // 4
            first, second = (self.strides, 1) if self.design.strided == "1x1" else (1, self.strides)
            return (inner, 1, first), (inner, 3, second), (self.features, 1, 1)
        return ((self.features, 3, self.strides),) + ((self.features, 3, 1),) * (
            self.design.span - 1
        )

    def _branch(self, x: Images, train: bool) -> FeatureMaps:
        """The residual function; in the pre-activation form `x` has been through bn1."""
        design = self.design
        for index, (features, size, strides) in enumerate(self._layers(), 1):
            if design.preactivation and index > 1:
                x = design.activate(design.norm(f"bn{index}")(x, train))
            x = design.conv(f"conv{index}", features, size, strides)(x)
            if not design.preactivation:
                x = design.norm(f"bn{index}")(x, train)
                if index < len(self._layers()):
                    x = design.activate(x)
        return x

    def _shortcut(self, x: Images, preactivated: Images, train: bool) -> FeatureMaps:
        """Identity, zero-padding or projection; a projection reads the pre-activated input."""
        design = self.design
        changes = self.strides != 1 or x.shape[-1] != self.features
        if design.shortcut == "C" or (design.shortcut == "B" and changes):
            y = design.conv("projection", self.features, 1, self.strides)(preactivated)
            return y if design.preactivation else design.norm("projection_bn")(y, train)
        if changes:
            x = x[:, :: self.strides, :: self.strides]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.features - x.shape[-1])))
        return x


class ResNet(nn.Module):
    """A stem, stages of blocks at constant size, global average pooling, and a classifier.

    Attributes:
      num_classes: number of logits.
      stage_sizes: blocks in each stage.
      stem: `cifar` (3x3) or `imagenet` (7x7 stride 2, then 3x3 max pooling stride 2).
      width: channels of the stem and of the first stage's 3x3 layers; doubles each stage.
      design: what all blocks share.
      scan_blocks: run the equal blocks of a stage as one loop: `stageN/blocks` holds their stacked
        parameters in place of `stageN/block1`, ...; the program no longer grows with depth.
    """

    num_classes: int
    stage_sizes: tuple[int, ...]
    stem: str
    width: int
    design: BlockDesign
    scan_blocks: bool = False

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        x = self._stem(images.astype(self.design.dtype), train)
        for index, blocks in enumerate(self.stage_sizes, 1):
            expansion = 4 if self.design.block == "bottleneck" else 1
            x = Stage(
                features=self.width * 2 ** (index - 1) * expansion,
                strides=1 if index == 1 else 2,
                blocks=blocks,
                design=self.design,
                scan_blocks=self.scan_blocks,
                name=f"stage{index}",
            )(x, train)
        if self.design.preactivation:
            x = self.design.activate(self.design.norm("final_bn")(x, train))
        return layers.classifier(layers.global_average_pool(x), self.num_classes, self.design.dtype)

    def _stem(self, x: Images, train: bool) -> FeatureMaps:
        design = self.design
        large = self.stem == "imagenet"
        x = design.conv("stem_conv", self.width, 7 if large else 3, 2 if large else 1)(x)
        if not design.preactivation:
            x = design.activate(design.norm("stem_bn")(x, train))
        return layers.max_pool(x, 3, 2, 1) if large else x


class Stage(nn.Module):
    """Blocks of one size: the first may change the shape, the others are equal."""

    features: int
    strides: int
    blocks: int
    design: BlockDesign
    scan_blocks: bool

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the stage's size and channels."""
        x = Block(self.features, self.strides, self.design, name="block0")(x, train)
        if self.scan_blocks and self.blocks > 2:
            return self._scanned(x, train)
        for index in range(1, self.blocks):
            x = Block(self.features, 1, self.design, name=f"block{index}")(x, train)
        return x

    def _scanned(self, x: Images, train: bool) -> FeatureMaps:
        def step(block: Block, x: Images, _: None) -> tuple[Images, None]:
            return block(x, train), None

        loop = nn.scan(
            step,
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True},
            length=self.blocks - 1,
        )
        return loop(Block(self.features, 1, self.design, name="blocks"), x, None)[0]


_DESIGN_FIELDS = tuple(field.name for field in dataclasses.fields(BlockDesign))
_FIELDS = (*(f for f in _DESIGN_FIELDS if f != "block"), "scan_blocks")


def _build(
    name: str,
    defaults: dict[str, Any],
    overrides: dict[str, Any],
    network: dict[str, Any],
) -> ResNet:
    check_fields(name, overrides, _FIELDS)
    options = defaults | overrides
    plain = "plain" in name
    if plain and options.setdefault("shortcut", "none") != "none":
        resnet = name.replace("plain", "resnet")
        raise ValueError(f"{name} has no shortcuts; for shortcut={options['shortcut']!r}: {resnet}")
    scan_blocks = options.pop("scan_blocks", False)
    return ResNet(design=BlockDesign(**options), scan_blocks=scan_blocks, **network)


@register(
    r"cifar_(plain|resnet)\d+",
    tuple(f"cifar_{arm}{d}" for arm in ("plain", "resnet") for d in (20, 32, 44, 56, 110, 1202)),
)
def cifar_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """6n+2 layers in three stages of 16, 32 and 64 channels; shortcut A unless said otherwise."""
    depth = int(re.sub(r"\D", "", name))
    if depth < 8 or depth % 6 != 2:
        below = max(8, (depth - 2) // 6 * 6 + 2)
        raise ValueError(
            f"{name}: the depth must be 6n+2 (8, 14, 20, ...); nearest: {below} and {below + 6}"
        )
    defaults = {} if "plain" in name else {"shortcut": "A"}
    span = overrides.get("span", 2)
    layers_per_stage = (depth - 2) // 3
    if span in SPANS and layers_per_stage % span:
        raise ValueError(
            f"{name}: span={span} does not divide the {layers_per_stage} layers of a stage; "
            f"take a depth of {6 * span}n+2 or another span"
        )
    blocks = layers_per_stage // span if span in SPANS else 1
    network = {
        "num_classes": num_classes or 10,
        "stage_sizes": (blocks,) * 3,
        "stem": "cifar",
        "width": 16,
    }
    return _build(name, defaults, overrides, network)


_IMAGENET = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}


@register(
    r"plain(18|34)|resnet(18|34|50|101|152)",
    ("plain18", "plain34", *(f"resnet{depth}" for depth in _IMAGENET)),
)
def imagenet_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """He et al. 2015, table 1; shortcut B; bottlenecks from 50 layers on."""
    block, stage_sizes = _IMAGENET[int(re.sub(r"\D", "", name))]
    network = {
        "num_classes": num_classes or 1000,
        "stage_sizes": stage_sizes,
        "stem": "imagenet",
        "width": 64,
    }
    return _build(name, {"block": block}, overrides, network)
