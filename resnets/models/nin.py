"""Network in network: Lin, Chen and Yan 2013 (arXiv 1312.4400)."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_image_size, check_shares
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
            x = layers.relu(x)
        return x


class NiN(nn.Module):
    """Mlpconv layers, max pooling between them, and global average pooling of one map a class.

    There is no dense layer. Each layer ends in a ReLU, the last one too (the paper's equation 2),
    so no logit is negative. Pooling is 3x3 with stride 2 and keeps the window that hangs over the
    end, as the authors' software did: 32 -> 16 -> 8.

    Attributes:
      blocks: the mlpconv layers `mlpconv1`, ...; the last width is the number of classes.
      dropped: how many poolings, counted from the last, dropout follows.
      dropout_rate: share of the values that dropout zeroes.
      initializer: a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    blocks: tuple[MlpConvDesign, ...]
    dropped: int
    dropout_rate: float = 0.5
    initializer: str = "he_normal_fan_in"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_shares(self, "dropout_rate")
        super().__post_init__()

    @property
    def head(self) -> str:
        """The module that makes the logits."""
        return f"mlpconv{len(self.blocks)}"

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        check_image_size(images, self._steps())
        x = images.astype(self.dtype)
        last = len(self.blocks)
        for index, design in enumerate(self.blocks, 1):
            x = MlpConv(design, self.initializer, self.dtype, name=f"mlpconv{index}")(x)
            if index == last:
                break
            x = layers.max_pool(x, 3, 2, ceil=True, name=f"pool{index}")
            if last - index <= self.dropped:
                x = layers.dropout(x, self.dropout_rate, train)
        return layers.global_average_pool(x.astype(jnp.float32))

    def _steps(self) -> list[Step]:
        """The layers that shrink the image."""
        steps = []
        for index, design in enumerate(self.blocks, 1):
            steps.append(Step(f"mlpconv{index}", design.size, design.strides, design.padding))
            if index < len(self.blocks):
                steps.append(Step(f"pool{index}", 3, 2, ceil=True))
        return steps


_PAPER = "Lin et al. 2013"
_FIELDS = ("dropout_rate", "initializer", "dtype")


@register("nin", ("nin",), paper=_PAPER, image_shape=(224, 224, 3))
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
    return NiN(blocks, 1, **overrides)


@register("nin_cifar", ("nin_cifar",), paper=_PAPER, image_shape=(32, 32, 3))
def nin_cifar(name: str, num_classes: int | None, **overrides: Any) -> NiN:
    """The CIFAR network: 192-160-96, 192-192-192, 192-192-classes; dropout after each pooling."""
    check_fields(name, overrides, _FIELDS)
    blocks = (
        MlpConvDesign((192, 160, 96), 5, padding=2),
        MlpConvDesign((192, 192, 192), 5, padding=2),
        MlpConvDesign((192, 192, num_classes or 10), 3, padding=1),
    )
    return NiN(blocks, 2, **overrides)
