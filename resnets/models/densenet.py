"""Densely connected networks: Huang et al. 2017 (arXiv 1608.06993)."""

import dataclasses
import re
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_at_least, check_image_size, check_shares
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

_PAPER = "Huang et al. 2017"


@dataclasses.dataclass(frozen=True)
class DenseDesign:
    """What every layer of a network has in common.

    Attributes:
      growth: channels that a layer adds, the paper's k.
      bottleneck: a 1x1 convolution to 4k channels goes before the 3x3 one (DenseNet-B).
      compression: share of the channels that a transition keeps (DenseNet-C: 0.5).
      dropout: share of the values zeroed after each convolution but the stem's.
      initializer: a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    growth: int
    bottleneck: bool
    compression: float
    dropout: float = 0.0
    initializer: str = "he_normal_fan_out"
    bn_momentum: float = 0.9
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_at_least(1, self, "growth")
        if not 0.0 < self.compression <= 1.0:
            raise ValueError(f"compression={self.compression} is not in (0, 1]")
        check_shares(self, "dropout", "bn_momentum")
        layers.check_names(self)

    def conv(self, name: str, features: int, size: int, strides: int = 1) -> layers.Conv:
        """A convolution without bias."""
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


class DenseLayer(nn.Module):
    """New feature maps of all earlier ones, concatenated to them.

    Attributes:
      design: what all layers share.
    """

    design: DenseDesign

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Append `growth` channels to `[batch, height, width, channels]`."""
        design, y = self.design, x
        units = [(design.growth, 3)]
        if design.bottleneck:
            units.insert(0, (4 * design.growth, 1))
        for index, (features, size) in enumerate(units, 1):
            y = layers.relu(design.norm(f"bn{index}")(y, train))
            y = design.conv(f"conv{index}", features, size)(y)
            y = layers.dropout(y, design.dropout, train)
        return jnp.concatenate((x, y), axis=-1)


class DenseBlock(nn.Module):
    """Layers of one size, each reading all those before it.

    Attributes:
      layers: how many.
      design: what all layers share.
    """

    layers: int
    design: DenseDesign

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Append `layers` times `growth` channels to `[batch, height, width, channels]`."""
        for index in range(1, self.layers + 1):
            x = DenseLayer(self.design, name=f"layer{index}")(x, train)
        return x


class Transition(nn.Module):
    """Between blocks: fewer channels, half the size; an odd last row or column is left out.

    Attributes:
      design: what all layers share.
    """

    design: DenseDesign

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to half of each, channels by `compression`."""
        design = self.design
        features = int(x.shape[-1] * design.compression)
        x = layers.relu(design.norm("bn")(x, train))
        x = layers.dropout(design.conv("conv", features, 1)(x), design.dropout, train)
        return layers.average_pool(x, 2, 2)


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, global average pooling, a classifier.

    Attributes:
      num_classes: number of logits.
      block_sizes: layers in each dense block.
      stem: `cifar` (3x3) or `imagenet` (7x7 stride 2, then 3x3 max pooling stride 2).
      width: channels of the stem.
      design: what all layers share.
    """

    num_classes: int
    block_sizes: tuple[int, ...]
    stem: str
    width: int
    design: DenseDesign

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        check_image_size(images, self._steps())
        design = self.design
        x = self._stem(images.astype(design.dtype), train)
        for index, size in enumerate(self.block_sizes, 1):
            x = DenseBlock(size, design, name=f"block{index}")(x, train)
            if index < len(self.block_sizes):
                x = Transition(design, name=f"transition{index}")(x, train)
        x = layers.relu(design.norm("final_bn")(x, train))
        return layers.classifier(layers.global_average_pool(x), self.num_classes, design.dtype)

    def _stem(self, x: Images, train: bool) -> FeatureMaps:
        if self.stem == "cifar":
            return self.design.conv("stem_conv", self.width, 3)(x)
        x = self.design.conv("stem_conv", self.width, 7, 2)(x)
        x = layers.relu(self.design.norm("stem_bn")(x, train))
        return layers.max_pool(x, 3, 2, 1, name="stem_pool")

    def _steps(self) -> list[Step]:
        """The layers that shrink the image."""
        stem = [Step("stem_conv", 7, 2, 3), Step("stem_pool", 3, 2, 1)]
        transitions = range(1, len(self.block_sizes))
        halves = [Step(f"transition{index}", 2, 2) for index in transitions]
        return halves if self.stem == "cifar" else stem + halves


_FIELDS = ("compression", "dropout", "initializer", "bn_momentum", "dtype")

_IMAGENET = {
    121: (32, 64, (6, 12, 24, 16)),
    161: (48, 96, (6, 12, 36, 24)),
    169: (32, 64, (6, 12, 32, 32)),
    201: (32, 64, (6, 12, 48, 32)),
}
"""Growth, width and block sizes by depth: table 1; 161 as published with the code (k=48)."""


@register(
    r"densenet(121|161|169|201)",
    tuple(f"densenet{depth}" for depth in _IMAGENET),
    paper=_PAPER,
    image_shape=(224, 224, 3),
)
def imagenet_densenet(name: str, num_classes: int | None, **overrides: Any) -> DenseNet:
    """Huang et al. 2017, table 1: bottlenecks and compression 0.5."""
    check_fields(name, overrides, _FIELDS)
    growth, width, block_sizes = _IMAGENET[int(name.removeprefix("densenet"))]
    options = {"compression": 0.5} | overrides
    design = DenseDesign(growth, True, **options)
    return DenseNet(num_classes or 1000, block_sizes, "imagenet", width, design)


@register(
    r"densenet_(cifar|bc)\d+_\d+",
    ("densenet_cifar40_12", "densenet_cifar100_12", "densenet_bc100_12"),
    paper=_PAPER,
    image_shape=(32, 32, 3),
)
def cifar_densenet(name: str, num_classes: int | None, **overrides: Any) -> DenseNet:
    """Three equal blocks: depth, then growth; `bc` has bottlenecks and compression 0.5.

    The stem has 16 channels, in the `bc` form twice the growth (section 4.2). The paper's dropout
    is 0.2 where images are not augmented.
    """
    check_fields(name, overrides, _FIELDS)
    depth, growth = (int(digits) for digits in re.findall(r"\d+", name))
    bottleneck = name.startswith("densenet_bc")
    step = 6 if bottleneck else 3
    if depth < 4 + step or (depth - 4) % step:
        below = max(4 + step, (depth - 4) // step * step + 4)
        raise ValueError(
            f"{name}: the depth must be {step}n+4 ({4 + step}, {4 + 2 * step}, ..., 40, 100); "
            f"nearest: {below} and {below + step}"
        )
    options = {"compression": 0.5 if bottleneck else 1.0} | overrides
    design = DenseDesign(growth, bottleneck, **options)
    width = 2 * growth if bottleneck else 16
    return DenseNet(num_classes or 10, ((depth - 4) // step,) * 3, "cifar", width, design)
