"""A hardware file from what a target's compiler estimates for chains of layers of many shapes.

It is to a compiler's cost model what `calibration.fit` is to a machine. Memories are as fast as
passes over large arrays that lie in them: an array in main memory passes through the on-chip memory
as well, and its rate is of both. Rates of products are of whole layers with their normalisation and
activation, so that the small kernels and copies around a convolution are in them; a layer that its
memory holds up says nothing of the product.
"""

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from resnets.analysis.hardware import Hardware, Sample, Unit
from resnets.analysis.targets.layers import by_layer, joined

_LARGE = 4e6  # bytes of a pass
_HELD_UP = 1.25  # times what memory takes: a layer that takes longer waits for its product
_LEAST_NET = 0.1  # of a layer's time is left when its kernel's overhead is taken off
_POOLING = "pooling"


class _Rates(NamedTuple):
    """Bytes a second of passes over what lies on chip and in main memory; seconds of a kernel."""

    near: float
    far: float
    overhead: float


class _Layer(NamedTuple):
    """A layer with what rides on it: seconds net of a kernel's overhead, and bytes."""

    name: str
    net: float
    near: float
    far: float


def fitted(programs: Sequence[Mapping[str, Any]], machine: Hardware, clock: float) -> Hardware:
    """Replace the rates and the overhead of a machine by a compiler's estimates.

    Args:
      programs: chains, as `program.compiled` and `projected.described` give them.
      machine: that they are compiled for, as its vendor describes it; of two memories.
      clock: cycles a second.
    """
    rates = _rates([kernel for found in programs for kernel in found["kernels"]], clock)
    products: dict[tuple[int, int, int, int], list[float]] = {}
    pools: list[tuple[int, float]] = []
    for found in programs:
        for layer in _layers(found, clock, rates.overhead):
            if layer.name in found["shapes"]:
                rows, channels, columns, taps, flops = found["shapes"][layer.name]
                if layer.net > _HELD_UP * max(layer.near / rates.near, layer.far / rates.far):
                    shape = rows, channels, columns, taps
                    products.setdefault(shape, []).append(flops / layer.net)
            elif found["work"].get(layer.name, [""])[0] == _POOLING:
                pools.append((found["work"][layer.name][1], layer.net))
    samples = tuple(
        Sample(*shape, statistics.harmonic_mean(several))
        for shape, several in sorted(products.items())
    )
    pooling = sum(count for count, _ in pools) / sum(net for _, net in pools)
    return _with(machine, rates, samples, pooling)


def _with(
    machine: Hardware, rates: _Rates, samples: tuple[Sample, ...], pooling: float
) -> Hardware:
    """The machine with these rates in place of its vendor's."""
    inner, outer = machine.memories
    matrix = machine.unit_for("convolution")
    peaks = dict.fromkeys(("float32", "bfloat16"), pooling)
    return dataclasses.replace(
        machine,
        overhead=rates.overhead,
        memories=(
            dataclasses.replace(inner, read=rates.near, write=rates.near),
            dataclasses.replace(outer, read=rates.far, write=rates.far),
        ),
        units=(
            dataclasses.replace(matrix, samples=samples, granule=None),
            *(unit for unit in machine.units if unit is not matrix),
            Unit(_POOLING, (_POOLING,), peaks),
        ),
    )


def _rates(kernels: Sequence[Mapping[str, Any]], clock: float) -> _Rates:
    """What passes over large arrays reach, and what the smallest kernel takes."""
    timed = [k for k in kernels if k["cycles"] and k["category"] in ("product", "elementwise")]
    near, far = [], []
    for kernel in timed:
        moved = kernel["read_bytes"] + kernel["written_bytes"]
        if kernel["category"] == "elementwise" and moved + kernel["near_bytes"] > _LARGE:
            seconds = kernel["cycles"] / clock
            if not moved:
                near.append(kernel["near_bytes"] / seconds)
            elif moved > kernel["near_bytes"]:
                far.append(moved / seconds)
    overhead = min(kernel["cycles"] for kernel in timed) / clock
    return _Rates(statistics.median(near), statistics.median(far), overhead)


def _layers(found: Mapping[str, Any], clock: float, overhead: float) -> Iterator[_Layer]:
    rows = {(row.name, row.phase): row for row in by_layer(found)}

    def whole(amount: str) -> dict[tuple[str, str], float]:
        return joined({key: getattr(row, amount) for key, row in rows.items()}, found["hosts"])

    seconds = {key: cycles / clock for key, cycles in whole("cycles").items()}
    near, read, written = whole("near_bytes"), whole("read_bytes"), whole("written_bytes")
    for key, taken in seconds.items():
        if taken:
            net = max(taken - overhead, _LEAST_NET * taken)
            yield _Layer(key[0], net, near[key], read[key] + written[key])
