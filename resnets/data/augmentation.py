"""Augmentation and normalisation on the device, inside the jitted step."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt8


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How bytes become the network's input.

    Attributes:
      mean: per channel, of images scaled to [0, 1].
      std: per channel, of images scaled to [0, 1].
      shift: training images move by up to this many pixels each way: pad by `shift`, crop at random
        (He et al. 2015, section 4.2, take 4).
      flip: mirror half of the training images left to right.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shift: int = 0
    flip: bool = False


def normalise(
    images: UInt8[Array, "batch height width channels"], preprocessing: Preprocessing
) -> Float[Array, "batch height width channels"]:
    """Scale bytes to mean 0 and standard deviation 1 per channel, float32."""
    scaled = images.astype(jnp.float32) / 255.0
    mean = jnp.asarray(preprocessing.mean, jnp.float32)
    return (scaled - mean) / jnp.asarray(preprocessing.std, jnp.float32)


def augment(
    images: UInt8[Array, "batch height width channels"],
    preprocessing: Preprocessing,
    key: PRNGKeyArray,
) -> Float[Array, "batch height width channels"]:
    """Normalise, then shift (zeros enter, the mean colour) and flip each image at random."""
    x = normalise(images, preprocessing)
    shift_key, flip_key = jax.random.split(key)
    if preprocessing.shift:
        x = random_shift(x, preprocessing.shift, shift_key)
    if preprocessing.flip:
        flipped = jax.random.bernoulli(flip_key, 0.5, (x.shape[0], 1, 1, 1))
        x = jnp.where(flipped, x[:, :, ::-1], x)
    return x


def random_shift(
    images: Float[Array, "batch height width channels"], shift: int, key: PRNGKeyArray
) -> Float[Array, "batch height width channels"]:
    """Move each image by its own uniform offset in [-shift, shift], zeros entering."""
    batch, height, width, channels = images.shape
    padded = jnp.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    corners = jax.random.randint(key, (batch, 2), 0, 2 * shift + 1)

    def crop(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (height, width, channels))

    return jax.vmap(crop)(padded, corners)
