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
      crop: height and width that the network sees: a random square of the padded image in training,
        the centre in evaluation; 0 for the whole image.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    shift: int = 0
    flip: bool = False
    crop: int = 0


def normalise(
    images: UInt8[Array, "batch height width channels"], preprocessing: Preprocessing
) -> Float[Array, "batch height width channels"]:
    """Scale bytes to mean 0 and standard deviation 1 per channel, float32."""
    scaled = images.astype(jnp.float32) / 255.0
    mean = jnp.asarray(preprocessing.mean, jnp.float32)
    return (scaled - mean) / jnp.asarray(preprocessing.std, jnp.float32)


def evaluation_view(
    images: UInt8[Array, "batch height width channels"], preprocessing: Preprocessing
) -> Float[Array, "batch rows columns channels"]:
    """Normalise, and take the centre where the network sees less than the image."""
    x = normalise(images, preprocessing)
    size = preprocessing.crop
    if size:
        top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
        x = x[:, top : top + size, left : left + size]
    return x


def augment(
    images: UInt8[Array, "batch height width channels"],
    preprocessing: Preprocessing,
    key: PRNGKeyArray,
) -> Float[Array, "batch rows columns channels"]:
    """Normalise, then shift (zeros enter, the mean colour), crop and flip each image at random."""
    x = normalise(images, preprocessing)
    shift_key, flip_key = jax.random.split(key)
    if preprocessing.crop:
        shape = (preprocessing.crop, preprocessing.crop)
        x = random_crop(_framed(x, preprocessing.shift), shape, shift_key)
    elif preprocessing.shift:
        x = random_shift(x, preprocessing.shift, shift_key)
    if preprocessing.flip:
        flipped = jax.random.bernoulli(flip_key, 0.5, (x.shape[0], 1, 1, 1))
        x = jnp.where(flipped, x[:, :, ::-1], x)
    return x


def random_shift(
    images: Float[Array, "batch height width channels"], shift: int, key: PRNGKeyArray
) -> Float[Array, "batch height width channels"]:
    """Move each image by its own uniform offset in [-shift, shift], zeros entering."""
    return random_crop(_framed(images, shift), images.shape[1:3], key)


def _framed(images: Array, margin: int) -> Array:
    return jnp.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def random_crop(
    images: Float[Array, "batch height width channels"], shape: tuple[int, ...], key: PRNGKeyArray
) -> Float[Array, "batch rows columns channels"]:
    """Cut a window of `shape` out of each image, at its own place of all that there are."""
    batch, height, width, channels = images.shape
    rows, columns = shape
    places = jnp.array([height - rows + 1, width - columns + 1])
    corners = jax.random.randint(key, (batch, 2), 0, places)

    def crop(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (rows, columns, channels))

    return jax.vmap(crop)(images, corners)
