"""Three ways of ending a network: Goodfellow, Bengio and Courville, Deep Learning (2016), 9.11.

The figure gives 256x256x3 images, 64 channels, pooling with stride 4 and 1,000 classes. It leaves
the windows open: here convolutions are 3x3 and keep the size, pooling takes the maximum of 4x4.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_choice, check_image_size
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

ENDINGS = ("fixed", "grid", "conv")


class Goodfellow(nn.Module):
    """Two convolutions of 64 channels, each followed by pooling, and one of three endings.

    Attributes:
      num_classes: number of logits.
      ending: `fixed` flattens all positions for a dense layer (16x16x64 = 16,384 units at
        256x256), so the weights fit one size of image; `grid` replaces the second pooling by
        averages over 3x3 cells (576 units), whatever the size; `conv` has a convolution with one
        map a class and takes its mean over all positions, so nothing is flattened.
      initializer: of the convolutions' kernels, a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    num_classes: int
    ending: str
    initializer: str = "he_normal_fan_in"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_choice("ending", self.ending, ENDINGS)
        layers.check_names(self)
        super().__post_init__()

    @property
    def head(self) -> str:
        """The module that makes the logits."""
        return "conv3" if self.ending == "conv" else "classifier"

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        pools = [Step(f"pool{n}", 4, 4) for n in ((1,) if self.ending == "grid" else (1, 2))]
        check_image_size(images, pools)
        x = images.astype(self.dtype)
        x = layers.max_pool(layers.relu(self._conv("conv1", 64, x)), 4, 4, name="pool1")
        x = layers.relu(self._conv("conv2", 64, x))
        if self.ending == "grid":
            x = layers.adaptive_average_pool(x, 3)
        else:
            x = layers.max_pool(x, 4, 4, name="pool2")
        if self.ending == "conv":
            x = self._conv("conv3", self.num_classes, x)
            return layers.global_average_pool(x.astype(jnp.float32))
        return layers.classifier(x.reshape(x.shape[0], -1), self.num_classes, self.dtype)

    def _conv(self, name: str, features: int, x: Images) -> FeatureMaps:
        return layers.Conv(
            features,
            (3, 3),
            use_bias=True,
            initializer=self.initializer,
            dtype=self.dtype,
            name=name,
        )(x)


@register(
    "goodfellow_(fixed|grid|conv)",
    tuple(f"goodfellow_{ending}" for ending in ENDINGS),
    paper="Goodfellow et al. 2016",
    image_shape=(256, 256, 3),
)
def goodfellow(name: str, num_classes: int | None, **overrides: Any) -> Goodfellow:
    """The left, the middle and the right network of the figure."""
    check_fields(name, overrides, ("initializer", "dtype"))
    return Goodfellow(num_classes or 1000, name.removeprefix("goodfellow_"), **overrides)
