"""What a shift of the image by some pixels does to predictions, logits and feature maps.

A convolution commutes with shifts of the image, but for the border and for its stride; global
pooling forgets the place. So predictions should hardly change. How far that is so is what Zhang
2019 (arXiv 1904.11486) and Azulay and Weiss 2019 (arXiv 1805.12177) measure.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int

from resnets.errors import UserError
from resnets.probes.evaluation import batches, error_pct
from resnets.probes.taps import tapped

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]

DIRECTIONS = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1)}
"""Rows and columns that a shift of one pixel moves the image by."""


@dataclasses.dataclass(frozen=True)
class Shift:
    """What came of a shift.

    Attributes:
      pixels: how far.
      direction: one of `DIRECTIONS`.
      error_pct: percent of wrong predictions.
      consistency_pct: percent of predictions that are the same as without the shift.
      logits_change: norm of the logits' change over the norm of the logits, mean over images.
      map_change: the same of each tapped module's feature maps, place by place.
      moved_map_change: the same after the maps have been moved back, over the places that both
        have; only for shifts by whole steps of the module.
    """

    pixels: int
    direction: str
    error_pct: float
    consistency_pct: float
    logits_change: float
    map_change: Mapping[str, float]
    moved_map_change: Mapping[str, float]


def moved(images: Images, rows: int, columns: int) -> Images:
    """Move images down and right by whole pixels; zeros enter, which are the mean colour."""
    height, width = images.shape[1:3]
    frame = jnp.pad(images, ((0, 0), (abs(rows),) * 2, (abs(columns),) * 2, (0, 0)))
    top, left = abs(rows) - rows, abs(columns) - columns
    return frame[:, top : top + height, left : left + width]


def _common(maps: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts of maps: where they were before a move that stays inside, and where that is after."""
    height, width = maps.shape[1:3]
    before = maps[
        :, max(0, -rows) : height - max(0, rows), max(0, -columns) : width - max(0, columns)
    ]
    after = maps[:, max(0, rows) : height + min(0, rows), max(0, columns) : width + min(0, columns)]
    return before, after


def relative_change(before: np.ndarray, after: np.ndarray) -> Float[np.ndarray, " batch"]:
    """Norm of the difference over the norm before, image by image; NaN where that is zero."""
    axes = tuple(range(1, before.ndim))
    change = np.sqrt(np.sum(np.square(after - before), axis=axes))
    size = np.sqrt(np.sum(np.square(before), axis=axes))
    return np.divide(change, size, out=np.full_like(size, np.nan), where=size > 0)


def _mean(values: np.ndarray) -> float:
    """Mean of what there is; NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _seen(
    model: nn.Module, names: tuple[str, ...], variables: Variables, images: Images
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    parts = [
        ({name: np.asarray(m)[:count] for name, m in maps.items()}, np.asarray(logits)[:count])
        for batch, count in batches(images)
        for maps, logits in [tapped(model, names, variables, batch)]
    ]
    maps = {name: np.concatenate([part[name] for part, _ in parts]) for name in names}
    return maps, np.concatenate([logits for _, logits in parts])


def shifts(
    model: nn.Module,
    variables: Variables,
    images: Images,
    labels: Int[Array, " batch"],
    pixels: Iterable[int],
    names: Sequence[str] = (),
) -> list[Shift]:
    """Shift images by each number of pixels, down, up, right and left.

    Args:
      model: a network.
      variables: its variables.
      images: `[batch, height, width, channels]`, normalised: zero is the mean colour.
      labels: `[batch]`.
      pixels: how far; 0 is a control that changes nothing.
      names: modules whose feature maps are compared; their number of rows and columns must divide
        the image's for their step to be known.

    Raises:
      UserError: a shift that leaves nothing of the image.
    """
    height, width = images.shape[1:3]
    distances = tuple(pixels)
    for distance in distances:
        if not 0 <= distance < min(height, width):
            raise UserError(
                f"a shift of {distance} pixels; images of {height}x{width} take "
                f"0 to {min(height, width) - 1}"
            )
    maps, logits = _seen(model, tuple(names), variables, images)
    predicted = np.argmax(logits, -1)
    found = []
    for distance in distances:
        for direction, (down, right) in DIRECTIONS.items():
            rows, columns = distance * down, distance * right
            after, shifted = _seen(model, tuple(names), variables, moved(images, rows, columns))
            found.append(
                Shift(
                    distance,
                    direction,
                    error_pct(shifted, labels),
                    float(100.0 * np.mean(np.argmax(shifted, -1) == predicted)),
                    _mean(relative_change(logits, shifted)),
                    {name: _mean(relative_change(maps[name], after[name])) for name in names},
                    dict(_moved_back(maps, after, (height, width), (rows, columns))),
                )
            )
    return found


def _moved_back(
    maps: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    image: tuple[int, int],
    move: tuple[int, int],
) -> Iterable[tuple[str, float]]:
    for name, before in maps.items():
        steps = [size // places for size, places in zip(image, before.shape[1:3], strict=True)]
        whole = all(
            size % places == 0 and pixels % step == 0 and abs(pixels) // step < places
            for size, places, pixels, step in zip(
                image, before.shape[1:3], move, steps, strict=True
            )
        )
        if whole:
            rows, columns = (pixels // step for pixels, step in zip(move, steps, strict=True))
            kept = _common(before, rows, columns)[0], _common(after[name], rows, columns)[1]
            yield name, _mean(relative_change(*kept))
