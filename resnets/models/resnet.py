"""Plain and residual networks: He et al. 2015 (arXiv 1512.03385) and 2016 (arXiv 1603.05027).

One implementation serves both arms of the comparison. The plain network is the residual network
with `shortcut="none"`: the same modules, so the same parameters and initial values.
"""

import dataclasses
import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import check_at_least, check_choice
from resnets.models.layers import FeatureMaps, Images
from resnets.models.observation import COLLECTION
from resnets.models.registry import check_fields, register
from resnets.models.residual_block import SPANS, Block, BlockDesign

REMAT = ("none", "block", "stage")


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
      remat: what the backward pass computes again instead of keeping it: `none`, all but the inputs
        of each `block`, or of each `stage` (Chen et al. 2016, arXiv 1604.06174).
      width_factor: how many times the first stage is wider than the stem.
      early_activation: in the pre-activation form, normalise and activate right after the stem's
        convolution: the first block and its shortcut both read that (He et al. 2016, section 4).
      auxiliary: a classifier on the pooled output of every stage but the last, which exists in
        training only; their logits are sown as `head1`, ... into the collection `auxiliary`
        (after Szegedy et al. 2014, arXiv 1409.4842; here without layers of its own).
      auxiliary_weight: of each head's loss in the training loss.
    """

    num_classes: int
    stage_sizes: tuple[int, ...]
    stem: str
    width: int
    design: BlockDesign
    scan_blocks: bool = False
    remat: str = "none"
    width_factor: int = 1
    early_activation: bool = False
    auxiliary: bool = False
    auxiliary_weight: float = 0.3

    def __post_init__(self) -> None:
        check_choice("remat", self.remat, REMAT)
        check_choice("auxiliary", self.auxiliary, (False, True))
        check_at_least(1, self, "width")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        x = self._stem(images.astype(self.design.dtype), train)
        for index, blocks in enumerate(self.stage_sizes, 1):
            expansion = 4 if self.design.block == "bottleneck" else 1
            last_stage = index == len(self.stage_sizes)
            stage = nn.remat(Stage, static_argnums=(2,)) if self.remat == "stage" else Stage
            x = stage(
                features=self.width * self.width_factor * 2 ** (index - 1) * expansion,
                strides=1 if index == 1 or self.design.keras else 2,
                last_strides=2 if self.design.keras and not last_stage else 1,
                blocks=blocks,
                design=self.design,
                scan_blocks=self.scan_blocks,
                remat_blocks=self.remat == "block",
                activated=self.early_activation and index == 1,
                before=sum(self.stage_sizes[: index - 1]),
                of=sum(self.stage_sizes),
                name=f"stage{index}",
            )(x, train)
            if self.auxiliary and not last_stage and (train or self.is_initializing()):
                head = self._logits(x, f"auxiliary{index}")
                if train:
                    self.sow("auxiliary", f"head{index}", head)
        if self.design.preactivation:
            x = self.design.activate(self.design.normalisation("final_bn")(x, train))
        return self._logits(self._shifted(x, "classifier_bias"), "classifier")

    def _logits(self, x: FeatureMaps, name: str) -> Float[Array, "batch classes"]:
        """Global average pooling and a dense layer, which begins with zeros in the `fixup` form."""
        gain = 0.0 if self.design.norm == "fixup" else 1.0
        pooled = layers.global_average_pool(x)
        return layers.classifier(pooled, self.num_classes, self.design.dtype, gain, name)

    def _shifted(self, x: FeatureMaps, name: str) -> FeatureMaps:
        """Plus a learnt scalar in the form of `fixup`."""
        if self.design.norm != "fixup":
            return x
        return x + self.param(name, jax.nn.initializers.zeros, ()).astype(x.dtype)

    def _stem(self, x: Images, train: bool) -> FeatureMaps:
        design = self.design
        large = self.stem == "imagenet"
        normalised = self.early_activation or not design.preactivation
        size, strides = (7, 2) if large else (3, 1)
        x = design.conv("stem_conv", self.width, size, strides, 1, normalised)(x)
        x = self._shifted(x, "stem_bias")
        if normalised:
            x = design.activate(design.normalisation("stem_bn")(x, train))
        if large and design.keras:
            return layers.max_pool(
                jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2, name="stem_pool"
            )
        return layers.max_pool(x, 3, 2, 1, name="stem_pool") if large else x


def _drop_rate(design: BlockDesign, index: int, of: int) -> float:
    """How often training leaves out the branch of a block, from 0 on, of so many."""
    return design.drop_rate * (index + 1) / of


class Stage(nn.Module):
    """Blocks of one size: the first may change the shape, the others are equal.

    Attributes:
      features: output channels.
      strides: step of the first block.
      last_strides: step of the last block; of an only block both steps.
      blocks: how many.
      design: what all blocks share.
      scan_blocks: run the equal blocks as one loop.
      remat_blocks: the backward pass computes each block again from its input.
      activated: the input of the first block is activated already.
      before: blocks of the stages before.
      of: blocks of the whole network.
    """

    features: int
    strides: int
    last_strides: int
    blocks: int
    design: BlockDesign
    scan_blocks: bool
    remat_blocks: bool = False
    activated: bool = False
    before: int = 0
    of: int = 1

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the stage's size and channels."""
        last = self.blocks - 1
        equal = last - (self.last_strides > 1)
        chained = self.design.chains
        block = nn.remat(Block, static_argnums=(2,)) if self.remat_blocks else Block

        def run(index: int, strides: int, x: Images) -> FeatureMaps:
            activated, name = self.activated and index == 0, f"block{index}"
            made = block(
                *(self.features, strides, self.design, activated, self.of),
                chained=chained and 0 < index <= equal,
                name=name,
            )
            rate = _drop_rate(self.design, self.before + index, self.of)
            return made(x, train) if rate == 0.0 else made(x, train, rate)

        x = run(0, self.strides if last else self.strides * self.last_strides, x)
        if self.scan_blocks and equal > 1:
            x = self._scanned(equal, x, train)
        else:
            for index in range(1, equal + 1):
                x = run(index, 1, x)
        if chained and equal > 0:
            with jax.named_scope(f"block{equal}"):
                x = layers.gate(x)
        return run(last, self.last_strides, x) if 0 <= equal < last else x

    def _scanned(self, length: int, x: Images, train: bool) -> FeatureMaps:
        rates = None
        if self.design.drop_rate:
            first = self.before + 1
            rates = jnp.asarray(
                [_drop_rate(self.design, first + index, self.of) for index in range(length)]
            )

        def step(block: Block, x: Images, rate: Array | None) -> tuple[Images, None]:
            return (block(x, train) if rate is None else block(x, train, rate)), None

        if self.remat_blocks:  # in a loop XLA cannot undo it by sharing what is computed twice
            step = nn.remat(step, prevent_cse=False)
        random = self.design.drop_rate or self.design.dropout
        keys = ("params", "dropout") if random else ("params",)
        loop = nn.scan(
            step,
            variable_axes={"params": 0, "batch_stats": 0, COLLECTION: 0},
            split_rngs=dict.fromkeys(keys, True),
            length=length,
        )
        block = Block(
            *(self.features, 1, self.design),
            blocks=self.of,
            chained=self.design.chains,
            name="blocks",
        )
        return loop(block, x, rates)[0]


_DESIGN_FIELDS = tuple(field.name for field in dataclasses.fields(BlockDesign))
_FIXED = ("block", "groups", "base_width")
_NETWORK = ("scan_blocks", "remat", "width", "auxiliary")
_FIELDS = (*(f for f in _DESIGN_FIELDS if f not in _FIXED), *_NETWORK)


def build(
    name: str, defaults: dict[str, Any], overrides: dict[str, Any], network: dict[str, Any]
) -> ResNet:
    """Create a `ResNet` with the fields `network`; its design has the defaults and overrides.

    An override of a field of the network, such as its `width`, goes before that of `network`.
    """
    check_fields(name, overrides, _FIELDS)
    options = defaults | overrides
    plain = "plain" in name
    if plain and options.setdefault("shortcut", "none") != "none":
        resnet = name.replace("plain", "resnet")
        raise ValueError(f"{name} has no shortcuts; for shortcut={options['shortcut']!r}: {resnet}")
    chosen = {field: options.pop(field) for field in _NETWORK if field in options}
    return ResNet(design=BlockDesign(**options), **(network | chosen))


@register(
    r"cifar_(plain|resnet)\d+",
    tuple(f"cifar_{arm}{d}" for arm in ("plain", "resnet") for d in (20, 32, 44, 56, 110, 1202)),
    paper="He et al. 2015",
    image_shape=(32, 32, 3),
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
    return build(name, defaults, overrides, network)


IMAGENET = {
    18: ("basic", (2, 2, 2, 2)),
    26: ("basic", (3, 3, 3, 3)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}
"""Block and stage sizes by depth: He et al. 2015, table 1; 200 layers: 2016, section 4.

26 layers are of no paper: the smallest network whose stages spans of 1, 2 and 3 all divide.
"""


@register(
    r"plain(18|26|34)|resnet(18|26|34|50|101|152|200)",
    ("plain18", "plain34", *(f"resnet{depth}" for depth in IMAGENET if depth != 26)),
    paper="He et al. 2015",
    image_shape=(224, 224, 3),
)
def imagenet_resnet(name: str, num_classes: int | None, **overrides: Any) -> ResNet:
    """He et al. 2015, table 1; shortcut B; bottlenecks from 50 layers on."""
    block, stage_sizes = IMAGENET[int(re.sub(r"\D", "", name))]
    span = overrides.get("span", 2)
    if block == "basic" and span in SPANS:  # the same layers, in more or fewer blocks
        if any(2 * blocks % span for blocks in stage_sizes):
            raise ValueError(
                f"{name}: span={span} does not divide the layers of its stages, "
                f"{', '.join(str(2 * blocks) for blocks in stage_sizes)}; take resnet26"
            )
        stage_sizes = tuple(2 * blocks // span for blocks in stage_sizes)
    network = {
        "num_classes": num_classes or 1000,
        "stage_sizes": stage_sizes,
        "stem": "imagenet",
        "width": 64,
    }
    return build(name, {"block": block}, overrides, network)
