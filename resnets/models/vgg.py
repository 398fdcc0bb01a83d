"""VGG networks: Simonyan and Zisserman 2014 (arXiv 1409.1556), in torchvision's form."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_at_least, check_image_size, check_shares
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each closed by 2x2 max pooling, and three dense layers.

    Adaptive average pooling to `grid` x `grid` positions before fc6 admits any size of image; at
    224x224 there are 7x7 already, and it changes nothing.

    Attributes:
      num_classes: number of logits.
      stage_sizes: convolutions in each stage; conv2_1 is the first of the second.
      batch_norm: normalise after each convolution, which keeps its bias.
      width: channels of the first stage; they double each stage, up to eight times.
      grid: rows and columns of positions that fc6 sees.
      hidden: units of fc6 and of fc7.
      dropout_rate: share of the outputs of fc6 and fc7 that dropout zeroes.
      initializer: of all kernels but the dense layers', a name in `layers.INITIALIZERS`.
      bn_momentum: share of the running statistics that one step keeps.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    num_classes: int
    stage_sizes: tuple[int, ...]
    batch_norm: bool
    width: int = 64
    grid: int = 7
    hidden: int = 4096
    dropout_rate: float = 0.5
    initializer: str = "he_normal_fan_in"
    bn_momentum: float = 0.9
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_names(self)
        check_at_least(1, self, "width", "grid", "hidden")
        check_shares(self, "dropout_rate", "bn_momentum")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        stages = range(1, len(self.stage_sizes) + 1)
        check_image_size(images, [Step(f"pool{stage}", 2, 2) for stage in stages])
        x = images.astype(self.dtype)
        for stage, convolutions in enumerate(self.stage_sizes, 1):
            features = self.width * min(2 ** (stage - 1), 8)
            for index in range(1, convolutions + 1):
                x = self._layer(f"{stage}_{index}", features, x, train)
            x = layers.max_pool(x, 2, 2, name=f"pool{stage}")
        x = layers.adaptive_average_pool(x, self.grid)
        x = x.reshape(x.shape[0], -1)
        for name in ("fc6", "fc7"):
            x = layers.Dense(self.hidden, "he_normal_fan_in", self.dtype, name=name)(x)
            x = layers.dropout(layers.relu(x), self.dropout_rate, train)
        return layers.classifier(x, self.num_classes, self.dtype)

    def _layer(self, place: str, features: int, x: Images, train: bool) -> FeatureMaps:
        """Convolve, normalise where asked to, activate."""
        x = layers.Conv(
            features,
            (3, 3),
            use_bias=True,
            initializer=self.initializer,
            dtype=self.dtype,
            name=f"conv{place}",
        )(x)
        if self.batch_norm:
            x = layers.BatchNorm(self.bn_momentum, self.dtype, name=f"bn{place}")(x, train)
        return layers.relu(x)


_STAGE_SIZES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Columns A, B, D and E of the paper's table 1."""


@register(
    r"vgg(11|13|16|19)(_bn)?",
    tuple(f"vgg{depth}{suffix}" for depth in _STAGE_SIZES for suffix in ("", "_bn")),
    paper="Simonyan and Zisserman 2014",
    image_shape=(224, 224, 3),
)
def vgg(name: str, num_classes: int | None, **overrides: Any) -> VGG:
    """Simonyan and Zisserman 2014, table 1; `_bn` with batch normalisation."""
    depth, _, suffix = name.removeprefix("vgg").partition("_")
    fields = ("width", "grid", "hidden", "dropout_rate", "initializer", "dtype")
    check_fields(name, overrides, (*fields, "bn_momentum") if suffix else fields)
    return VGG(num_classes or 1000, _STAGE_SIZES[int(depth)], bool(suffix), **overrides)
