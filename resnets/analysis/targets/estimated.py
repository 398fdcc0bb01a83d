"""A hardware file from what a target's compiler estimates for chains of layers of many shapes.

It is to a compiler's cost model what `calibration.fit` is to a machine. The two memories are roofs:
nine layers of ten take at least what their bytes take, those of main memory among the layers that
mostly work on it. Layers that take longer than that give the rate of their shape: that of a whole
layer with its normalisation and activation, so that the small kernels and copies around a
convolution are in it. What memory holds up says nothing of the product. Copies that run beside the
kernels have no estimate: the machine fetches ahead.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from resnets.analysis.hardware import Hardware, Sample, Unit
from resnets.analysis.targets.layers import by_layer, joined

_HELD_UP = 1.25  # times what memory takes: a layer that takes longer waits for its product
_LEAST_NET = 0.1  # of a layer's time is left when its kernel's overhead is taken off
_ROOF = 0.9  # of the layers reach no more
_POOLING = "pooling"


class _Layer(NamedTuple):
    """A layer with what rides on it: seconds net of a kernel's overhead, and bytes.

    Attributes:
      net: seconds.
      near: bytes that pass through the on-chip memory: all of them.
      far: bytes of the main memory.
      shape: rows, channels, columns and taps of its product; none for other layers.
      operations: of that, or of its own kind of work.
    """

    net: float
    near: float
    far: float
    shape: tuple[int, int, int, int] | None
    operations: int


class _Memories(NamedTuple):
    """Bytes a second of what lies on chip and of what comes from main memory."""

    near: float
    far: float

    def seconds(self, layer: _Layer) -> float:
        """What they take for a layer."""
        return max(layer.near / self.near, layer.far / self.far)


def fitted(programs: Sequence[Mapping[str, Any]], machine: Hardware, clock: float) -> Hardware:
    """Replace the rates and the overhead of a machine by a compiler's estimates.

    Args:
      programs: chains, as `program.compiled` and `projected.described` give them.
      machine: that they are compiled for, as its vendor describes it; of two memories.
      clock: cycles a second.
    """
    overhead = _overhead(programs) / clock
    layers = [layer for found in programs for layer in _layers(found, clock, overhead)]
    memories = _memories([layer for layer in layers if layer.shape])
    memories = memories._replace(far=min(memories.far, machine.memories[-1].read))
    products: dict[tuple[int, int, int, int], list[float]] = {}
    for layer in layers:
        if layer.shape and layer.net > _HELD_UP * memories.seconds(layer):
            products.setdefault(layer.shape, []).append(layer.operations / layer.net)
    samples = tuple(
        Sample(*shape, statistics.harmonic_mean(several))
        for shape, several in sorted(products.items())
    )
    pools = [layer for layer in layers if not layer.shape]
    pooling = sum(pool.operations for pool in pools) / sum(pool.net for pool in pools)
    return _with(machine, overhead, memories, samples, pooling)


def _overhead(programs: Sequence[Mapping[str, Any]]) -> int:
    """Cycles of the smallest kernel that computes."""
    kernels = [kernel for found in programs for kernel in found["kernels"] if kernel["cycles"]]
    return min(k["cycles"] for k in kernels if k["category"] in ("product", "elementwise"))


def _with(
    machine: Hardware,
    overhead: float,
    memories: _Memories,
    samples: tuple[Sample, ...],
    pooling: float,
) -> Hardware:
    """The machine with these rates in place of its vendor's."""
    inner, outer = machine.memories
    matrix = machine.unit_for("convolution")
    peaks = dict.fromkeys(("float32", "bfloat16"), pooling)
    return dataclasses.replace(
        machine,
        overhead=overhead,
        prefetch=True,
        memories=(
            dataclasses.replace(inner, read=memories.near, write=memories.near),
            dataclasses.replace(outer, read=memories.far, write=memories.far),
        ),
        units=(
            dataclasses.replace(matrix, samples=samples, granule=None),
            *(unit for unit in machine.units if unit is not matrix),
            Unit(_POOLING, (_POOLING,), peaks),
        ),
    )


def _memories(layers: Sequence[_Layer]) -> _Memories:
    """The rates that most layers do not exceed."""
    near = [layer.near / layer.net for layer in layers if layer.near]
    far = [layer.far / layer.net for layer in layers if layer.far > layer.near / 2]
    roofs = (float(np.quantile(rates, _ROOF)) if rates else math.inf for rates in (near, far))
    return _Memories(*roofs)


def _layers(found: Mapping[str, Any], clock: float, overhead: float) -> Iterator[_Layer]:
    """Layers with one product, and pooling."""
    kernels = [kernel for kernel in found["kernels"] if kernel["category"] != "copy"]
    rows = {(row.name, row.phase): row for row in by_layer({"kernels": kernels})}

    def whole(amount: str) -> dict[tuple[str, str], float]:
        return joined({key: getattr(row, amount) for key, row in rows.items()}, found["hosts"])

    near, read, written = whole("near_bytes"), whole("read_bytes"), whole("written_bytes")
    for key, cycles in whole("cycles").items():
        seconds, far = cycles / clock, read[key] + written[key]
        net = max(seconds - overhead, _LEAST_NET * seconds)
        kind, operations = found["work"].get(key[0], ("", 0))
        if seconds and key[0] in found["shapes"]:
            a, b, c, d, flops = found["shapes"][key[0]]
            yield _Layer(net, near[key] + far, far, (a, b, c, d), flops)
        elif seconds and kind == _POOLING:
            yield _Layer(net, near[key] + far, far, None, operations)
