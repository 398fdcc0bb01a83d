"""What the families share: convolution, normalisation, activations, initialisers, pooling."""

from collections.abc import Callable, Collection

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models.checks import check_choice
from resnets.models.convolution import Pair, convolve
from resnets.models.normalisation import BatchNorm as BatchNorm

Images = Float[Array, "batch height width channels"]
FeatureMaps = Float[Array, "batch out_height out_width features"]


@jax.custom_vjp
def relu(x: Array) -> Array:
    """The larger of x and zero; its gradient is zero at zero.

    The result, which the next layer keeps anyway, says where the gradient passes. JAX's own keeps a
    mask beside it, which costs memory, and on CPU more time to read than the result itself.
    """
    return jax.nn.relu(x)


def _relu_forward(x: Array) -> tuple[Array, Array]:
    y = jax.nn.relu(x)
    return y, y


def _relu_backward(y: Array, dy: Array) -> tuple[Array]:
    return (jnp.where(y > 0, dy, jnp.zeros_like(dy)),)


relu.defvjp(_relu_forward, _relu_backward)

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
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


def check_names(network: object) -> None:
    """Refuse an unknown activation, initialiser or dtype, where a network has such fields.

    Raises:
      ValueError: naming the field and the valid values.
    """
    choices: dict[str, Collection[object]] = {
        "activation": ACTIVATIONS,
        "initializer": INITIALIZERS,
        "dtype": DTYPES,
    }
    for field, valid in choices.items():
        if hasattr(network, field):
            check_choice(field, getattr(network, field), valid)


def _scaled(start: jax.nn.initializers.Initializer, gain: float) -> jax.nn.initializers.Initializer:
    """An initialiser whose values are multiplied by `gain`; the same one for 1."""
    return start if gain == 1.0 else lambda *arguments: gain * start(*arguments)


class Conv(nn.Module):
    """Convolution with float32 weights, computed in `dtype`.

    Attributes:
      features: output channels.
      kernel_size: height and width of the window.
      strides: step of the window.
      padding: zeros on each side, vertical and horizontal; None keeps the size at stride 1, which
        only a kernel with a middle can do.
      groups: channel groups (Krizhevsky et al. 2012; Xie et al. 2017).
      use_bias: add a bias per output channel.
      initializer: a name in `INITIALIZERS`.
      dtype: a name in `DTYPES`.
      gain: factor on the initial kernel; 0 for a kernel of zeros.
    """

    features: int
    kernel_size: Pair
    strides: int = 1
    padding: Pair | None = None
    groups: int = 1
    use_bias: bool = False
    initializer: str = "he_normal_fan_out"
    dtype: str = "float32"
    gain: float = 1.0

    @nn.compact
    def __call__(self, x: Images) -> FeatureMaps:
        """Map `[batch, height, width, channels]` to `[batch, out_height, out_width, features]`."""
        check_names(self)
        channels = x.shape[-1]
        if channels % self.groups or self.features % self.groups:
            raise ValueError(
                f"{'/'.join(self.path)}: groups={self.groups} must divide "
                f"the channels in ({channels}) and out ({self.features})"
            )
        if self.padding is None and not all(size % 2 for size in self.kernel_size):
            raise ValueError(
                f"{'/'.join(self.path)}: kernel_size={self.kernel_size} is even and has no middle; "
                f"give the padding"
            )
        kernel = self.param(
            "kernel",
            _scaled(INITIALIZERS[self.initializer], self.gain),
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


def _pool_padding(size: int, window: int, strides: int, padding: int, ceil: bool) -> Pair:
    """Padding before and after; with `ceil` a last window may hang over, as in Caffe."""
    extra = 0
    if ceil:
        outputs = -(-(size + 2 * padding - window) // strides) + 1
        if (outputs - 1) * strides >= size + padding:  # a window must begin inside
            outputs -= 1
        extra = max(0, (outputs - 1) * strides + window - size - 2 * padding)
    return padding, padding + extra


def max_pool(
    x: Images,
    window: int,
    strides: int,
    padding: int = 0,
    ceil: bool = False,
    name: str = "max_pool",
) -> FeatureMaps:
    """Maximum over square windows; the padding never wins.

    Args:
      x: images, `[batch, height, width, channels]`.
      window: height and width of the window.
      strides: step of the window.
      padding: on each side.
      ceil: keep the window that hangs over the end, as Caffe does.
      name: of its row in tables of layers.
    """
    pads = [_pool_padding(n, window, strides, padding, ceil) for n in x.shape[1:3]]
    with jax.named_scope(name):
        return nn.max_pool(x, (window, window), (strides, strides), pads)


def average_pool(
    x: Images,
    window: int,
    strides: int,
    padding: int = 0,
    count_padding: bool = True,
    name: str = "average_pool",
) -> FeatureMaps:
    """Mean over square windows, summed in float32; zeros of the padding counted or not.

    Args:
      x: images, `[batch, height, width, channels]`.
      window: height and width of the window.
      strides: step of the window.
      padding: on each side.
      count_padding: divide by the window's size everywhere, by what it covers otherwise.
      name: of its row in tables of layers.
    """
    pad = ((padding, padding), (padding, padding))

    def pool(values: Array) -> Array:
        return nn.pool(values, 0.0, jax.lax.add, (window, window), (strides, strides), pad)

    with jax.named_scope(name):
        wide = x.astype(jnp.float32)
        covered = pool(jnp.ones_like(wide[:1])) if padding and not count_padding else window**2
        return (pool(wide) / covered).astype(x.dtype)


@jax.named_scope("adaptive_average_pool")
def adaptive_average_pool(x: Images, size: int) -> FeatureMaps:
    """Mean over `size` x `size` nearly equal cells that cover the image, whatever its size.

    Cell i of an axis of n covers positions floor(i n / size) to ceil((i + 1) n / size) - 1, as in
    PyTorch's layer of that name.
    """
    for axis in (1, 2):
        n = x.shape[axis]
        cells = [
            jnp.mean(
                jax.lax.slice_in_dim(x, i * n // size, -(-(i + 1) * n // size), axis=axis),
                axis=axis,
                keepdims=True,
            )
            for i in range(size)
        ]
        x = jnp.concatenate(cells, axis)
    return x


@jax.named_scope("local_response_normalise")
def local_response_normalise(
    x: Images, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, bias: float = 2.0
) -> Images:
    """Divide by (bias + alpha * sum of squares over `size` channels)^beta (Krizhevsky et al. 2012).

    The paper's alpha multiplies the sum; PyTorch's and Caffe's divide it by `size` first.
    """
    wide = x.astype(jnp.float32)
    half = size // 2
    window, ones = (1, 1, 1, size), (1, 1, 1, 1)
    padding = ((0, 0), (0, 0), (0, 0), (half, size - 1 - half))
    sums = jax.lax.reduce_window(jnp.square(wide), 0.0, jax.lax.add, window, ones, padding)
    return (wide / jnp.power(bias + alpha * sums, beta)).astype(x.dtype)


class Dense(nn.Module):
    """Dense layer with float32 weights and bias, computed in `dtype`.

    Attributes:
      features: outputs.
      initializer: a name in `INITIALIZERS`; None for LeCun normal.
      dtype: a name in `DTYPES`.
      gain: factor on the initial kernel; 0 for a kernel of zeros.
    """

    features: int
    initializer: str | None = None
    dtype: str = "float32"
    gain: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "batch inputs"]) -> Float[Array, "batch features"]:
        """Map `[batch, inputs]` to `[batch, features]`."""
        check_choice("dtype", self.dtype, DTYPES)
        start = jax.nn.initializers.lecun_normal()
        if self.initializer is not None:
            check_choice("initializer", self.initializer, INITIALIZERS)
            start = INITIALIZERS[self.initializer]
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", _scaled(start, self.gain), shape)
        bias = self.param("bias", jax.nn.initializers.zeros, (self.features,))
        return x.astype(self.dtype) @ kernel.astype(self.dtype) + bias.astype(self.dtype)


def dropout(x: Array, rate: float, train: bool) -> Array:
    """Zero a share `rate` of the values in training and scale up the rest (Srivastava 2014)."""
    return nn.Dropout(rate, deterministic=not train)(x)


@jax.named_scope("global_average_pool")
def global_average_pool(x: Images) -> Float[Array, "batch channels"]:
    """Mean over all positions (Lin et al. 2013)."""
    return jnp.mean(x, axis=(1, 2))


def classifier(
    features: Float[Array, "batch channels"],
    classes: int,
    dtype: str,
    gain: float = 1.0,
    name: str = "classifier",
) -> Array:
    """The last dense layer; returns float32 logits `[batch, classes]`."""
    return Dense(classes, dtype=dtype, gain=gain, name=name)(features).astype(jnp.float32)
