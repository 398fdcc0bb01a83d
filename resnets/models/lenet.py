"""LeNet-5: LeCun, Bottou, Bengio and Haffner, Gradient-based learning (Proc. IEEE, 1998)."""

from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from resnets.models import layers
from resnets.models.checks import Step, check_at_least, check_choice, check_image_size
from resnets.models.layers import FeatureMaps, Images
from resnets.models.registry import check_fields, register

POOLINGS = {"average": layers.average_pool, "max": layers.max_pool}
"""2x2 pooling by name."""


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
        layers.check_names(self)
        check_choice("pooling", self.pooling, POOLINGS)
        check_at_least(0, self, "padding")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Images, train: bool) -> Float[Array, "batch classes"]:
        """Return float32 logits `[batch, classes]` of images `[batch, height, width, channels]`.

        Images of 32x32 leave one position for fc6, larger ones leave more, and more weights.

        Raises:
          ValueError: the images are too small; names the layer and the smallest valid size.
        """
        check_image_size(images, self._steps())
        activate = jax.named_scope("activation")(layers.ACTIVATIONS[self.activation])
        pool = POOLINGS[self.pooling]
        x = images.astype(self.dtype)
        x = pool(activate(self._conv("conv1", 6, self.padding, x)), 2, 2, name="pool2")
        x = pool(activate(self._conv("conv3", 16, 0, x)), 2, 2, name="pool4")
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

    def _steps(self) -> tuple[Step, ...]:
        """The layers that shrink the image."""
        return (
            Step("conv1", 5, 1, self.padding),
            Step("pool2", 2, 2),
            Step("conv3", 5, 1),
            Step("pool4", 2, 2),
            Step("conv5", 5, 1),
        )


@register("lenet5", ("lenet5",), paper="LeCun et al. 1998", image_shape=(32, 32, 1))
def lenet(name: str, num_classes: int | None, **overrides: Any) -> LeNet:
    """LeNet-5 for 32x32x1 images; tanh and average pooling unless said otherwise."""
    fields = ("activation", "pooling", "padding", "initializer", "dtype")
    check_fields(name, overrides, fields)
    return LeNet(num_classes or 10, **overrides)
