"""Network in network: Lin, Chen and Yan 2013 (arXiv 1312.4400)."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register


@dataclasses.dataclass(frozen=True)
class MlpConvDesign:
    """A convolution and the two 1x1 convolutions after it.

    Attributes:
      widths: output channels of the three.
      size: height and width of the first one's window.
      strides: step of that window.
      padding: zeros on each side of the image.
    """

    widths: tuple[int, int, int]
    size: int
    strides: int = 1
    padding: int = 0


class MlpConv(nn.Module):
    """A small perceptron slid over the image: a convolution, two 1x1 convolutions, three ReLUs.

    Attributes:
      design: sizes.
      initializer: a name in `layers.INITIALIZERS`.
      dtype: a name in `layers.DTYPES`.
    """

    design: MlpConvDesign
    initializer: str
    dtype: str

    @nn.compact
    def __call__(self, x: Images) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to `[batch, out_height, out_width, features]`."""
        design = self.design
        kernels = ((design.size, design.strides, design.padding), (1, 1, 0), (1, 1, 0))
        for index, (features, kernel) in enumerate(zip(design.widths, kernels, strict=True), 1):
            size, strides, padding = kernel
            x = layers.Conv(
                features,
                (size, size),
                strides,
                (padding, padding),
                use_bias=True,
                initializer=self.initializer,
                dtype=self.dtype,
                name=f"conv{index}",
            )(x)
            x = jax.nn.relu(x)
        return x


class NiN(nn.Module):
    """Mlpconv layers, max pooling between them, and global average pooling of one map a class.

    There is no dense layer. Each layer ends in a ReLU, the last one too (the paper's equation 2),
    so no logit is negative. Pooling is 3x3 with stride 2 and keeps the window that hangs over the
    end, as the authors' software did: 32 -> 16 -> 8.

    Attributes:
      blocks: the mlpconv layers `mlpconv1`, ...; the last width is the number of classes.
      dropped: how many poolings, counted from the last, dropout follows.
      smallest: layers in order, with the size of image that gives each its first window.
      dropout_rate: share of the values that dropout zeroes.
      initializer: a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    blocks: tuple[MlpConvDesign, ...]
    dropped: int
    smallest: tuple[tuple[str, int], ...]
    dropout_rate: float = 0.5
    initializer: str = "he_normal_fan_in"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_choice("initializer", self.initializer, layers.INITIALIZERS)
        layers.check_choice("dtype", self.dtype, layers.DTYPES)
        if not 0.0 <= self.dropout_rate < 1.0:
            raise ValueError(f"dropout_rate={self.dropout_rate} is not in [0, 1)")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        self._check_size(images)
        x = images.astype(self.dtype)
        last = len(self.blocks)
        for index, design in enumerate(self.blocks, 1):
            x = MlpConv(design, self.initializer, self.dtype, name=f"mlpconv{index}")(x)
            if index == last:
                break
            x = layers.max_pool(x, 3, 2, ceil=True)
            if last - index <= self.dropped:
                x = layers.dropout(x, self.dropout_rate, train)
        return layers.global_average_pool(x.astype(jnp.float32))

    def _check_size(self, images: Images) -> None:
        height, width = images.shape[1:3]
        least = self.smallest[-1][1]
        for layer, size in self.smallest:
            if min(height, width) < size:
                raise ValueError(
                    f"{layer}: no window fits in images of {height}x{width}; "
                    f"the smallest valid size is {least}x{least}"
                )


_PAPER = "Lin et al. 2013"
_FIELDS = ("dropout_rate", "initializer", "dtype")


@register("nin", ("nin",), _PAPER)
def nin(name: str, num_classes: int | None, **overrides: Any) -> NiN:
    """The ImageNet network: 96, 256, 384 channels, then as many as there are classes."""
    check_fields(name, overrides, _FIELDS)
    classes = num_classes or 1000
    blocks = (
        MlpConvDesign((96, 96, 96), 11, 4),
        MlpConvDesign((256, 256, 256), 5, padding=2),
        MlpConvDesign((384, 384, 384), 3, padding=1),
        MlpConvDesign((classes, classes, classes), 3, padding=1),
    )
    smallest = (("mlpconv1", 11), ("pool1", 15), ("pool2", 23), ("pool3", 39))
    return NiN(blocks, 1, smallest, **overrides)


@register("nin_cifar", ("nin_cifar",), _PAPER, (32, 32, 3))
def nin_cifar(name: str, num_classes: int | None, **overrides: Any) -> NiN:
    """The CIFAR network: 192-160-96, 192-192-192, 192-192-classes; dropout after each pooling."""
    check_fields(name, overrides, _FIELDS)
    blocks = (
        MlpConvDesign((192, 160, 96), 5, padding=2),
        MlpConvDesign((192, 192, 192), 5, padding=2),
        MlpConvDesign((192, 192, num_classes or 10), 3, padding=1),
    )
    return NiN(blocks, 2, (("pool1", 2), ("pool2", 4)), **overrides)
