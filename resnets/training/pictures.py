"""Histograms and pictures of a diagnosis for TensorBoard: some kilobytes of each."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import histogram, image

from resnets.diagnostics.readings import Readings, by_layer, evenly

BINS, LAYERS, SHOWN = 24, 60, 4
"""Bins of a histogram; most layers that have one, and most modules whose maps are shown."""

_TILE, _SMALLEST, _MOST = 48, 24, 64
"""Pixels of a tile: at most, unless the picture is larger, and at least; tiles of a picture."""


def summaries(readings: Readings) -> list[Summary]:
    """Histograms of responses, the first filters, and feature maps of one training image."""
    found = []
    samples = by_layer(readings.samples, readings.order)
    for layer in evenly(samples, LAYERS):
        if np.isfinite(samples[layer]).all():
            found.append(histogram(f"responses/{layer}", samples[layer], BINS))
    for layer, kernel in readings.filters.items():
        found.append(_picture(f"filters/{layer}", filter_tiles(np.asarray(kernel))))
    for layer in evenly(readings.maps, SHOWN):
        maps = np.moveaxis(np.asarray(readings.maps[layer]), 2, 0)
        found.append(_picture(f"feature_maps/{layer}", [stretched(m)[..., None] for m in maps]))
    return found


def filter_tiles(
    kernel: Float[np.ndarray, "height width channels features"],
) -> list[Float[np.ndarray, "height width shades"]]:
    """Each filter from 0 (its most negative weight) to 1; in colour if there are three channels."""
    features = np.moveaxis(kernel, 3, 0)
    if kernel.shape[2] == 3:
        return [stretched(one) for one in features]
    return [stretched(one.mean(axis=2, keepdims=True)) for one in features]


def stretched(values: np.ndarray) -> np.ndarray:
    """Values moved and scaled to [0, 1]; 0.5 everywhere if they are equal or not finite."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)) or low == high:
        return np.full_like(values, 0.5)
    return (values - low) / (high - low)


def grid(tiles: Sequence[np.ndarray]) -> UInt8[np.ndarray, "height width shades"]:
    """Tiles side by side, white lines between, enlarged or thinned out to a size for the eye."""
    tiles = [_sized(tile) for tile in tiles[:_MOST]]
    height, width, shades = tiles[0].shape
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    sheet = np.ones((rows * (height + 1) + 1, columns * (width + 1) + 1, shades))
    for index, tile in enumerate(tiles):
        top, left = divmod(index, columns)
        y, x = top * (height + 1) + 1, left * (width + 1) + 1
        sheet[y : y + height, x : x + width] = tile
    return (255 * sheet).round().astype(np.uint8)


def _sized(tile: np.ndarray) -> np.ndarray:
    size = max(tile.shape[:2])
    if size > _TILE:
        step = math.ceil(size / _TILE)
        return tile[::step, ::step]
    times = math.ceil(_SMALLEST / size)
    return tile.repeat(times, axis=0).repeat(times, axis=1)


def _picture(tag: str, tiles: Sequence[np.ndarray]) -> Summary:
    return image(tag, grid(tiles), dataformats="HWC")
