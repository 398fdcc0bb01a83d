"""AlexNet in two columns (Krizhevsky et al. 2012) and in one (Krizhevsky 2014, arXiv 1404.5997)."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_at_least, check_image_size, check_shares
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

_KERNELS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
"""Size, strides and padding of each convolution."""

_POOLED = (1, 2, 5)  # convolutions that max pooling follows
_DIVIDED = (2, 4, 5)  # convolutions that see their own column only


class AlexNet(nn.Module):
    """Five convolutions with overlapping 3x3 stride-2 max pooling, and three dense layers.

    Adaptive average pooling to `grid` x `grid` positions before fc6 admits any size of image; at
    224x224 and 227x227 there are 6x6 already, and it changes nothing.

    Attributes:
      num_classes: number of logits.
      channels: output channels of each convolution.
      two_columns: the form of 2012: groups of 2 in conv2, conv4 and conv5, local response
        normalisation after conv1 and conv2, and dropout after fc6 and fc7, not before.
      grid: rows and columns of positions that fc6 sees.
      hidden: units of fc6 and of fc7.
      dropout_rate: share of the values that dropout zeroes.
      initializer: of all kernels but the dense layers', a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    num_classes: int
    channels: tuple[int, ...]
    two_columns: bool
    grid: int = 6
    hidden: int = 4096
    dropout_rate: float = 0.5
    initializer: str = "he_normal_fan_in"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_at_least(1, self, "grid", "hidden")
        check_shares(self, "dropout_rate")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        check_image_size(images, _steps())
        x = images.astype(self.dtype)
        for index in range(1, len(_KERNELS) + 1):
            x = layers.relu(self._conv(index, x))
            if self.two_columns and index <= 2:
                x = layers.local_response_normalise(x)
            if index in _POOLED:
                x = layers.max_pool(x, 3, 2, name=f"pool{index}")
        x = layers.adaptive_average_pool(x, self.grid)
        x = x.reshape(x.shape[0], -1)
        for name in ("fc6", "fc7"):
            if not self.two_columns:
                x = layers.dropout(x, self.dropout_rate, train)
            x = layers.Dense(self.hidden, "he_normal_fan_in", self.dtype, name=name)(x)
            x = layers.relu(x)
            if self.two_columns:
                x = layers.dropout(x, self.dropout_rate, train)
        return layers.classifier(x, self.num_classes, self.dtype)

    def _conv(self, index: int, x: Images) -> FeatureMaps:
        size, strides, padding = _KERNELS[index - 1]
        return layers.Conv(
            self.channels[index - 1],
            (size, size),
            strides,
            (padding, padding),
            groups=2 if self.two_columns and index in _DIVIDED else 1,
            use_bias=True,
            initializer=self.initializer,
            dtype=self.dtype,
            name=f"conv{index}",
        )(x)


def _steps() -> list[Step]:
    """The layers that shrink the image."""
    steps = []
    for index, kernel in enumerate(_KERNELS, 1):
        steps.append(Step(f"conv{index}", *kernel))
        if index in _POOLED:
            steps.append(Step(f"pool{index}", 3, 2))
    return steps


_SHAPE = (224, 224, 3)


@register("alexnet_lrn", ("alexnet_lrn",), paper="Krizhevsky et al. 2012", image_shape=_SHAPE)
@register("alexnet", ("alexnet",), paper="Krizhevsky 2014", image_shape=_SHAPE)
def alexnet(name: str, num_classes: int | None, **overrides: Any) -> AlexNet:
    """`alexnet` is torchvision's single column, `alexnet_lrn` the two columns of 2012."""
    check_fields(name, overrides, ("grid", "hidden", "dropout_rate", "initializer", "dtype"))
    two_columns = name == "alexnet_lrn"
    channels = (96, 256, 384, 384, 256) if two_columns else (64, 192, 384, 256, 256)
    return AlexNet(num_classes or 1000, channels, two_columns, **overrides)
