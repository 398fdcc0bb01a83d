"""Deepnet: a small Inception-ResNet for images of 28x28 (blocks of Szegedy et al. 2016).

Convolutions have a bias, batch normalisation no scale; both pad as Keras does with `same`: on an
even side, stride 2 puts the only zero at the end. Normalisation has Keras's epsilon and momentum.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import check_shares
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

_EPSILON = 1e-3  # Keras's default

Branch = tuple[tuple[int, int, int], ...]
"""Features, kernel size and strides of each convolution."""


@dataclasses.dataclass(frozen=True)
class DeepnetDesign:
    """What every layer of the network has in common.

    Attributes:
      dropout: share of the features zeroed before the classifier; the source has 0 and 0.3.
      initializer: a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    dropout: float = 0.0
    initializer: str = "glorot_uniform"
    bn_momentum: float = 0.99
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_shares(self, "dropout", "bn_momentum")
        layers.check_names(self)


def _pad_same(x: Images, size: int, strides: int, value: float) -> FeatureMaps:
    """Pad height and width to ceil(n / strides) windows; an odd one out goes to the end."""
    totals = [max(0, (-(-n // strides) - 1) * strides + size - n) for n in x.shape[1:3]]
    pads = [(total // 2, total - total // 2) for total in totals]
    return jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


class ConvUnit(nn.Module):
    """Convolution with bias, batch normalisation without scale, and ReLU unless told otherwise.

    Attributes:
      features: output channels.
      size: height and width of the window.
      strides: step of the window.
      design: what all layers share.
      activate: end with ReLU.
    """

    features: int
    size: int
    strides: int
    design: DeepnetDesign
    activate: bool = True

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to `[batch, out_height, out_width, features]`."""
        design = self.design
        x = layers.Conv(
            self.features,
            (self.size, self.size),
            self.strides,
            padding=(0, 0),
            use_bias=True,
            initializer=design.initializer,
            dtype=design.dtype,
            name="conv",
        )(_pad_same(x, self.size, self.strides, 0.0))
        norm = layers.BatchNorm(design.bn_momentum, design.dtype, _EPSILON, False, name="bn")
        x = norm(x, train)
        return layers.relu(x) if self.activate else x


def _branches(
    x: Images, branches: tuple[Branch, ...], design: DeepnetDesign, train: bool
) -> list[FeatureMaps]:
    """Apply the branches to one input; their layers are named `branch1_conv1`, ..."""
    outputs = []
    for number, branch in enumerate(branches, 1):
        y = x
        for index, (features, size, strides) in enumerate(branch, 1):
            name = f"branch{number}_conv{index}"
            y = ConvUnit(features, size, strides, design, name=name)(y, train)
        outputs.append(y)
    return outputs


class Inception(nn.Module):
    """Branches side by side, with a pooled one, concatenated.

    Attributes:
      branches: the convolutions of each branch.
      design: what all layers share.
      pool_features: channels of the 1x1 layer `pool_conv` after an average pooling that keeps the
        size; None for a maximum pooling with stride 2 and no layer.
    """

    branches: tuple[Branch, ...]
    design: DeepnetDesign
    pool_features: int | None = None

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the branches' channels, one after another."""
        outputs = _branches(x, self.branches, self.design, train)
        if self.pool_features is None:
            pooled = layers.max_pool(_pad_same(x, 3, 2, -jnp.inf), 3, 2)
        else:
            mean = layers.average_pool(x, 3, 1, 1, count_padding=False)
            pooled = ConvUnit(self.pool_features, 1, 1, self.design, name="pool_conv")(mean, train)
        return jnp.concatenate((*outputs, pooled), axis=-1)


class InceptionResidual(nn.Module):
    """Block35: three branches to 112 channels, a 1x1 layer back, scaled and added to the input.

    Attributes:
      scale: factor on the branches before the addition.
      design: what all layers share.
      activate: end with ReLU.
    """

    scale: float
    design: DeepnetDesign
    activate: bool = True

    @nn.compact
    def __call__(self, x: Images, train: bool) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to the same shape."""
        branches: tuple[Branch, ...] = (
            ((32, 1, 1),),
            ((32, 1, 1), (32, 3, 1)),
            ((32, 1, 1), (32, 3, 1), (48, 3, 1)),
        )
        y = jnp.concatenate(_branches(x, branches, self.design, train), axis=-1)
        y = ConvUnit(x.shape[-1], 1, 1, self.design, activate=False, name="merge")(y, train)
        x = x + self.scale * y
        return layers.relu(x) if self.activate else x


_INCEPTIONS: tuple[tuple[Branch, ...], ...] = (
    (((32, 1, 1),), ((32, 1, 1), (48, 3, 1)), ((32, 1, 1), (32, 3, 1), (48, 3, 1))),
    (((32, 3, 2),), ((32, 1, 1), (32, 3, 1), (48, 3, 2))),
    (
        ((32, 1, 1), (32, 3, 2)),
        ((32, 1, 1), (48, 3, 2)),
        ((32, 1, 1), (32, 3, 1), (48, 3, 2)),
    ),
)
_POOL_FEATURES = (48, None, None)
_SCALES = ((0.17, 0.17), (0.1, 0.1), (0.2, 0.2, 1.0))


class Deepnet(nn.Module):
    """Stem, three Inception blocks with residual blocks after each, 1x1 layer, classifier.

    Attributes:
      num_classes: number of logits.
      design: what all layers share.
    """

    num_classes: int
    design: DeepnetDesign

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`."""
        design = self.design
        x = ConvUnit(32, 3, 1, design, name="stem")(images.astype(design.dtype), train)
        count = 0
        for index, branches in enumerate(_INCEPTIONS):
            pool = _POOL_FEATURES[index]
            x = Inception(branches, design, pool, name=f"inception{index + 1}")(x, train)
            for scale in _SCALES[index]:
                count += 1
                last = count == sum(map(len, _SCALES))
                x = InceptionResidual(scale, design, not last, name=f"residual{count}")(x, train)
        x = ConvUnit(512, 1, 1, design, name="head")(x, train)
        features = layers.dropout(layers.global_average_pool(x), design.dropout, train)
        return layers.classifier(features, self.num_classes, design.dtype)


@register("deepnet", ("deepnet",), paper="after Szegedy et al. 2016", image_shape=(28, 28, 3))
def deepnet(name: str, num_classes: int | None, **overrides: Any) -> Deepnet:
    """The network of 28x28x3 images and 10 classes; `dropout` 0 or 0.3 before the classifier."""
    check_fields(name, overrides, tuple(f.name for f in dataclasses.fields(DeepnetDesign)))
    return Deepnet(num_classes or 10, DeepnetDesign(**overrides))
