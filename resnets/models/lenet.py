"""LeNet-5: LeCun, Bottou, Bengio and Haffner, Gradient-based learning (Proc. IEEE, 1998)."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

POOLINGS = {"average": layers.average_pool, "max": layers.max_pool}
"""2x2 pooling by name."""

_SMALLEST = (("conv1", 5), ("pool2", 6), ("conv3", 14), ("pool4", 16), ("conv5", 32))
"""Layers in order, with the size of image and padding that gives each its first window."""


class LeNet(nn.Module):
    """Three 5x5 convolutions, pooling after the first two, and two dense layers.

    Layers carry the paper's numbers. The paper's connection table of C3, its trainable pooling
    coefficients and its radial outputs are left out, as in every later description.

    Attributes:
      num_classes: number of logits.
      activation: a name in `layers.ACTIVATIONS`; the paper has a scaled `tanh`.
      pooling: a name in `POOLINGS`; the paper has `average`.
      padding: zeros around the image; 2 for the 28x28 images of MNIST.
      initializer: of all kernels but the last layer's, a name in `layers.INITIALIZERS`.
      dtype: compute dtype, a name in `layers.DTYPES`.

    Raises:
      ValueError: a value out of range; names the field and the valid values.
    """

    num_classes: int
    activation: str = "tanh"
    pooling: str = "average"
    padding: int = 0
    initializer: str = "glorot_uniform"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        layers.check_choice("activation", self.activation, layers.ACTIVATIONS)
        layers.check_choice("pooling", self.pooling, POOLINGS)
        layers.check_choice("initializer", self.initializer, layers.INITIALIZERS)
        layers.check_choice("dtype", self.dtype, layers.DTYPES)
        if self.padding < 0:
            raise ValueError(f"padding={self.padding} must be at least 0")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Images of 32x32 leave one position for fc6, larger ones leave more, and more weights.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        self._check_size(images)
        activate, pool = layers.ACTIVATIONS[self.activation], POOLINGS[self.pooling]
        x = images.astype(self.dtype)
        x = pool(activate(self._conv("conv1", 6, self.padding, x)), 2, 2)
        x = pool(activate(self._conv("conv3", 16, 0, x)), 2, 2)
        x = activate(self._conv("conv5", 120, 0, x))
        x = x.reshape(x.shape[0], -1)
        x = activate(layers.Dense(84, self.initializer, self.dtype, name="fc6")(x))
        return layers.classifier(x, self.num_classes, self.dtype)

    def _conv(self, name: str, features: int, padding: int, x: Images) -> FeatureMaps:
        return layers.Conv(
            features,
            (5, 5),
            padding=(padding, padding),
            use_bias=True,
            initializer=self.initializer,
            dtype=self.dtype,
            name=name,
        )(x)

    def _check_size(self, images: Images) -> None:
        height, width = images.shape[1:3]
        frame = 2 * self.padding
        least = _SMALLEST[-1][1] - frame
        for layer, size in _SMALLEST:
            if min(height, width) + frame < size:
                raise ValueError(
                    f"{layer}: no window fits in images of {height}x{width}; "
                    f"the smallest valid size is {least}x{least}"
                )


@register("lenet5", ("lenet5",), "LeCun et al. 1998", (32, 32, 1))
def lenet(name: str, num_classes: int | None, **overrides: Any) -> LeNet:
    """LeNet-5 for 32x32x1 images; tanh and average pooling unless said otherwise."""
    fields = ("activation", "pooling", "padding", "initializer", "dtype")
    check_fields(name, overrides, fields)
    return LeNet(num_classes or 10, **overrides)
