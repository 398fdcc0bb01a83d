"""Batch normalisation (Ioffe and Szegedy 2015), with the gradients written out.

Training keeps one array of the images' size for the gradients and a few numbers a channel; what JAX
derives keeps more beside it, and passes over the images more often. In float32 that array is the
centred input. Of bfloat16 it is the input itself, which takes half of the memory.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "batch height width channels"]
Channels = Float[Array, " channels"]
_OVER = (0, 1, 2)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(
    x: Images, scale: Channels, bias: Channels, epsilon: float, dtype: str
) -> tuple[Images, Channels, Channels]:
    """Normalise each channel by its own mean and biased variance over batch and positions.

    Args:
      x: images, `[batch, height, width, channels]`, of any float; the arithmetic is in float32.
      scale: factor after the normalisation, float32.
      bias: added last, float32.
      epsilon: added to the variance.
      dtype: of the result.

    Returns:
      The normalised images in `dtype`, and mean and variance in float32, for running statistics:
      no gradient flows through these two.
    """
    return _forward(x, scale, bias, epsilon, dtype)[0]


def _forward(
    x: Images, scale: Channels, bias: Channels, epsilon: float, dtype: str
) -> tuple[tuple[Images, Channels, Channels], tuple[Array, ...]]:
    wide = x.astype(jnp.float32)
    mean = jnp.mean(wide, axis=_OVER)
    var = jnp.maximum(0.0, jnp.mean(jnp.square(wide), axis=_OVER) - jnp.square(mean))
    inverse = jax.lax.rsqrt(var + epsilon)
    centred = wide - mean
    y = (centred * (scale * inverse) + bias).astype(dtype)
    return (y, mean, var), (centred if x.dtype == wide.dtype else x, mean, scale, inverse)


def _backward(
    epsilon: float, dtype: str, kept: tuple[Array, ...], gradients: tuple[Array, Array, Array]
) -> tuple[Images, Channels, Channels]:
    images, mean, scale, inverse = kept
    centred = images if images.dtype == jnp.float32 else images.astype(jnp.float32) - mean
    dy = gradients[0].astype(jnp.float32)
    dbias = jnp.sum(dy, axis=_OVER)
    dscale = jnp.sum(dy * centred, axis=_OVER) * inverse
    positions = dy.size // dy.shape[-1]
    shared = dbias / positions, inverse * dscale / positions
    dx = (dy - shared[0] - centred * shared[1]) * (scale * inverse)
    return dx.astype(images.dtype), dscale, dbias


normalise.defvjp(_forward, _backward)


class BatchNorm(nn.Module):
    """Batch normalisation with float32 parameters and statistics.

    In training it normalises by the mean and the biased variance of the whole batch, over all
    devices, and moves the running statistics; in evaluation it normalises by those.

    Attributes:
      momentum: share of the running statistics that one step keeps.
      dtype: of the result, a name in `layers.DTYPES`.
      epsilon: added to the variance.
      use_scale: learn a factor per channel; without it the factor is one (Keras's `scale=False`).
      zero_scale: the factors begin at zero in place of one (Goyal et al. 2017, arXiv 1706.02677).
    """

    momentum: float = 0.9
    dtype: str = "float32"
    epsilon: float = 1e-5
    use_scale: bool = True
    zero_scale: bool = False

    @nn.compact
    def __call__(self, x: Images, train: bool) -> Images:
        """Normalise each channel of `[batch, height, width, channels]`."""
        shape = (x.shape[-1],)
        scale: Array | float = 1.0
        if self.use_scale:
            start = jax.nn.initializers.zeros if self.zero_scale else jax.nn.initializers.ones
            scale = self.param("scale", start, shape)
        bias = self.param("bias", jax.nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            mean, var = running_mean.value, running_var.value
            y = (x.astype(jnp.float32) - mean) * (scale * jax.lax.rsqrt(var + self.epsilon)) + bias
            return y.astype(self.dtype)
        factor = jnp.broadcast_to(scale, shape)
        y, mean, var = normalise(x, factor, bias, self.epsilon, self.dtype)
        if not self.is_initializing():
            keep = self.momentum
            running_mean.value = keep * running_mean.value + (1.0 - keep) * mean
            running_var.value = keep * running_var.value + (1.0 - keep) * var
        return y
