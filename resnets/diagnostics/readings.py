"""What a diagnosis gives: an array a layer on the device, a number a layer on the host."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import flax.struct
import numpy as np
from jaxtyping import Array

from resnets.models.stacking import LOOP

QUANTITIES = (
    "gradient_norm",
    "update_to_weight",
    "response_std",
    "branch_to_shortcut",
    "dead_relu_share",
)
"""What there is by layer; a network has those for which it has layers."""


@flax.struct.dataclass
class Readings:
    """Arrays by the name of the layer; a stage that runs as a loop has a row a block.

    Attributes:
      quantities: of each quantity a number a layer, `[]` or `[blocks]`.
      samples: some responses of each layer, `[values]` or `[blocks, values]`.
      maps: activations of one image, `[height, width, channels]`.
      filters: kernel of the first convolution, `[height, width, channels, features]`.
      order: names in the order in which the network calls them.
    """

    quantities: dict[str, dict[str, Array]]
    samples: dict[str, Array]
    maps: dict[str, Array]
    filters: dict[str, Array]
    order: tuple[str, ...] = flax.struct.field(pytree_node=False)


def in_loop(layer: str) -> bool:
    """Whether a layer's arrays have a leading axis of blocks."""
    return LOOP in layer.split("/")


def by_layer(arrays: Mapping[str, Array], order: Sequence[str]) -> dict[str, Any]:
    """Give each block of a loop its own entry, with the name that it has without the loop.

    Args:
      arrays: by layer, with a leading axis of blocks in loops.
      order: names in the order of the network.

    Returns:
      Arrays, or Python floats of single numbers, in the order of the network.
    """
    entries = [entry for layer, array in arrays.items() for entry in _entries(layer, array, order)]
    return {name: value for _, name, value in sorted(entries, key=lambda entry: entry[0])}


def _entries(
    layer: str, array: Array, order: Sequence[str]
) -> Iterator[tuple[tuple[int, int, int], str, Any]]:
    values, place = np.asarray(array), order.index(layer)
    if not in_loop(layer):
        yield (place, 0, 0), layer, _plain(values)
        return
    stage = layer.split("/")[: layer.split("/").index(LOOP) + 1]
    prefix = "/".join(stage)
    start = next(n for n, name in enumerate(order) if f"{name}/".startswith(f"{prefix}/"))
    for index, value in enumerate(values):
        name = layer.replace(prefix, "/".join([*stage[:-1], f"block{index + 1}"]), 1)
        yield (start, index, place), name, _plain(value)


def _plain(value: np.ndarray) -> Any:
    return value if value.ndim else float(value)


def numbers(readings: Readings) -> dict[str, dict[str, float | None]]:
    """The quantities that the network has, by layer, to six digits; None: it is not finite."""
    found: dict[str, dict[str, float | None]] = {}
    for quantity in QUANTITIES:
        layers = by_layer(readings.quantities.get(quantity, {}), readings.order)
        if layers:
            found[quantity] = {layer: _rounded(value) for layer, value in layers.items()}
    return found


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def evenly(names: Iterable[str], most: int) -> list[str]:
    """At most so many of the names, the first and the last among them."""
    every = list(names)
    if len(every) <= most:
        return every
    return [every[round(i * (len(every) - 1) / (most - 1))] for i in range(most)]
