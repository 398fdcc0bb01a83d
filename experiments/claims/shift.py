"""What a shift by one pixel does to pooling and convolution: C17."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.claim import Claim, Finding, Number, Picture, Table
from resnets import data
from resnets.models.layers import Conv, average_pool, max_pool

_SIDE, _CHANNELS = 16, 8


def equivariance_gap(strides: int = 1) -> float:
    """Largest difference between convolving a shifted image and shifting the convolved one.

    Whole numbers as inputs and weights make every sum exact, so equal means equal; the margin that
    the padding reaches is left out.
    """
    conv = Conv(_CHANNELS, (3, 3), strides)
    key, other = jax.random.split(jax.random.key(0))
    images = _whole(key, (4, _SIDE, _SIDE, _CHANNELS))
    shapes = jax.eval_shape(conv.init, key, images)
    kernel = _whole(other, shapes["params"]["kernel"].shape)

    def convolved(images: jax.Array) -> np.ndarray:
        return np.asarray(conv.apply({"params": {"kernel": kernel}}, images))

    moved = convolved(jnp.roll(images, 1, axis=2))
    back = np.roll(convolved(images), 1, axis=2)
    return float(np.abs(moved - back)[:, 2:-2, 2:-2].max())


def _whole(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.randint(key, shape, -8, 9).astype(jnp.float32)


def digits() -> np.ndarray:
    """The test images of digits from 0 to 1 amid an empty margin, `[images, 16, 16, 1]`."""
    images, _ = data.load("digits", train="").split("test")
    return np.pad(np.asarray(images, np.float32) / 255.0, ((0, 0), (4, 4), (4, 4), (0, 0)))


@dataclasses.dataclass(frozen=True)
class Change:
    """What a shift by one pixel to the right does to maps, beside maps of the unshifted image.

    Attributes:
      share: of the values that are not zero in both, those that differ, in percent.
      size: sum of all differences over the sum of all values, in percent.
    """

    share: float
    size: float


def change(of: Callable[[jax.Array], jax.Array], images: np.ndarray) -> Change:
    """Compare maps of images with those of the same images shifted."""
    before = np.asarray(of(jnp.asarray(images)))
    after = np.asarray(of(jnp.asarray(np.roll(images, 1, axis=2))))
    lit = (before != 0) | (after != 0)
    return Change(
        float(100 * (before != after).sum() / lit.sum()),
        float(100 * np.abs(before - after).sum() / np.abs(before).sum()),
    )


HALF = 0.5
"""Our reading of `nearly invariant`: the change of the image shrinks to less than this."""


def _shifted() -> Finding:
    images = digits()
    changes = {
        "the image itself": change(lambda x: x, images),
        "maximum over 2x2, stride 2": change(lambda x: max_pool(x, 2, 2), images),
        "maximum over 3x3, stride 1": change(lambda x: max_pool(x, 3, 1), images),
        "maximum over 3x3, stride 3": change(lambda x: max_pool(x, 3, 3), images),
        "mean over 3x3, stride 1": change(lambda x: average_pool(x, 3, 1), images),
        "maximum over everything": change(lambda x: x.max((1, 2)), images),
    }
    image, mean = changes["the image itself"], changes["mean over 3x3, stride 1"]
    local = {
        name: c
        for name, c in changes.items()
        if name.startswith("maximum over") and "x" in name[8:]
    }
    halved = {name: c.size < HALF * image.size for name, c in local.items()}
    rows = [(name, f"{c.share:.1f}", f"{c.size:.1f}") for name, c in changes.items()]
    gaps = {strides: equivariance_gap(strides) for strides in (1, 2)}
    return Finding(
        (
            Number("convolution of the shifted image, less the shifted result", "0", gaps[1]),
            *(
                Number(f"{name} takes more than half of the change away", "yes", half)
                for name, half in halved.items()
            ),
        ),
        f"The convolution is exact, away from the padding (with stride 2 it is off by up to "
        f"{gaps[2]:.0f}). Of the image's values {image.share:.0f} % differ after a shift, by "
        f"{image.size:.0f} % of their sum; of the pooled ones "
        + "; ".join(f"{c.share:.0f} % by {c.size:.0f} % ({name})" for name, c in local.items())
        + f", of means over 3x3 {mean.share:.0f} % by {mean.size:.0f} %. `Nearly invariant` is "
        "read, generously, as: less than half of the change is left, by every one of the poolings.",
        (
            Table(
                f"{len(images)} digits shifted by one pixel, beside the unshifted ones",
                ("maps", "values that differ, %", "sum of differences, % of the values"),
                rows,
            ),
        ),
        charts=(
            Picture(
                "shift",
                "Change of maps when the image moves by one pixel",
                "",
                "Sum of differences, % of the values",
                [("", name, c.size) for name, c in changes.items()],
            ),
        ),
    )


CLAIMS = (
    Claim(
        "C17",
        "Max pooling is nearly invariant to a shift by one pixel; convolution is equivariant to it",
        _shifted,
        "./launch.sh study claims --only=C17",
    ),
)
