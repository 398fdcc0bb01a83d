"""What the families share: convolution, normalisation, activations, initialisers, pooling."""

from collections.abc import Callable, Collection

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models.convolution import Pair, convolve

Images = Float[Array, "batch height width channels"]
FeatureMaps = Float[Array, "batch out_height out_width features"]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "gelu": jax.nn.gelu,
    "swish": jax.nn.swish,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "identity": lambda x: x,
}
"""Activation functions by name."""

INITIALIZERS: dict[str, jax.nn.initializers.Initializer] = {
    "he_normal_fan_out": jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
    "he_normal_fan_in": jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal"),
    "glorot_uniform": jax.nn.initializers.glorot_uniform(),
    "truncated_normal": jax.nn.initializers.truncated_normal(0.02),
}
"""Kernel initialisers by name. He et al. 2015 (arXiv 1502.01852); Glorot and Bengio 2010."""

DTYPES = ("float32", "bfloat16")
"""Compute dtypes. Parameters and batch statistics are float32 always."""


def check_choice(field: str, value: object, valid: Collection[object]) -> None:
    """Refuse a value that is not among the valid ones.

    Raises:
      ValueError: naming the field and the valid values.
    """
    if value not in valid:
        raise ValueError(f"{field}={value!r} is not one of {', '.join(map(repr, valid))}")


class Conv(nn.Module):
    """Convolution with float32 weights, computed in `dtype`.

    Attributes:
      features: output channels.
      kernel_size: height and width of the window.
      strides: step of the window.
      padding: zeros on each side, vertical and horizontal; None keeps the size at stride 1.
      groups: channel groups (Krizhevsky et al. 2012; Xie et al. 2017).
      use_bias: add a bias per output channel.
      initializer: a name in `INITIALIZERS`.
      dtype: a name in `DTYPES`.
    """

    features: int
    kernel_size: Pair
    strides: int = 1
    padding: Pair | None = None
    groups: int = 1
    use_bias: bool = False
    initializer: str = "he_normal_fan_out"
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Images) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to `[batch, out_height, out_width, features]`."""
        channels = x.shape[-1]
        if channels % self.groups or self.features % self.groups:
            raise ValueError(
                f"{'/'.join(self.path)}: groups={self.groups} must divide "
                f"the channels in ({channels}) and out ({self.features})"
            )
        check_choice("initializer", self.initializer, INITIALIZERS)
        kernel = self.param(
            "kernel",
            INITIALIZERS[self.initializer],
            (*self.kernel_size, channels // self.groups, self.features),
        )
        pad = self.padding or ((self.kernel_size[0] - 1) // 2, (self.kernel_size[1] - 1) // 2)
        y = convolve(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            (self.strides, self.strides),
            ((pad[0], pad[0]), (pad[1], pad[1])),
            (1, 1),
            self.groups,
        )
        if self.use_bias:
            bias = self.param("bias", jax.nn.initializers.zeros, (self.features,))
            y += bias.astype(self.dtype)
        return y


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) with float32 parameters and statistics.

    In training it normalises by the mean and the biased variance of the whole batch, over all
    devices, and moves the running statistics; in evaluation it normalises by those.

    Attributes:
      momentum: share of the running statistics that one step keeps.
      dtype: of the result, a name in `DTYPES`.
      epsilon: added to the variance.
    """

    momentum: float = 0.9
    dtype: str = "float32"
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Images:
        """Normalise each channel of `[batch, height, width, channels]`."""
        shape = (x.shape[-1],)
        scale = self.param("scale", jax.nn.initializers.ones, shape)
        bias = self.param("bias", jax.nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        x = x.astype(jnp.float32)
        if train:
            mean = jnp.mean(x, axis=(0, 1, 2))
            var = jnp.maximum(0.0, jnp.mean(jnp.square(x), axis=(0, 1, 2)) - jnp.square(mean))
            if not self.is_initializing():
                keep = self.momentum
                running_mean.value = keep * running_mean.value + (1.0 - keep) * mean
                running_var.value = keep * running_var.value + (1.0 - keep) * var
        else:
            mean, var = running_mean.value, running_var.value
        y = (x - mean) * (scale * jax.lax.rsqrt(var + self.epsilon)) + bias
        return y.astype(self.dtype)


def max_pool(x: Images, window: int, strides: int, padding: int) -> FeatureMaps:
    """Maximum over square windows; the padding never wins."""
    pad = ((padding, padding), (padding, padding))
    return nn.max_pool(x, (window, window), (strides, strides), pad)


def global_average_pool(x: Images) -> Float[Array, "batch channels"]:
    """Mean over all positions (Lin et al. 2013)."""
    return jnp.mean(x, axis=(1, 2))


def classifier(features: Float[Array, "batch channels"], classes: int, dtype: str) -> Array:
    """The last dense layer, named `classifier`; returns float32 logits `[batch, classes]`."""
    logits = nn.Dense(classes, dtype=jnp.dtype(dtype), name="classifier")(features)
    return logits.astype(jnp.float32)
