"""How fast a compute unit runs a kind of work: its peak, less what a shape leaves idle."""

import functools
import math

from resnets.analysis.hardware import Sample, Unit
from resnets.analysis.nests import LoopNest
from resnets.analysis.schedule import Product

_WIDER = {
    "bool": ("int8", "int32", "float32"),
    "int8": ("bfloat16", "float16", "float32"),
    "uint8": ("int8", "int32", "float32"),
    "bfloat16": ("float16", "float32"),
    "float16": ("bfloat16", "float32"),
    "float32": ("float64",),
}
"""Where a unit has no peak for a dtype: the next ones that it could compute in."""

_FLOATING = ("int8", "bfloat16", "float16", "float32", "float64")

_NEIGHBOURS = 4


def rate(
    unit: Unit, kind: str, dtype: str, product: Product | None
) -> tuple[float, tuple[str, ...]]:
    """Operations a second that a unit reaches, and what had to be assumed.

    Args:
      unit: that runs the work.
      kind: of work.
      dtype: of its operands.
      product: the loops of a convolution or matrix product, where known.
    """
    peak, assumed = _peak(unit, dtype)
    if kind not in ("convolution", "product") or product is None:
        return peak, assumed
    nest = product.nest
    if unit.samples:
        return _sampled(unit.samples, nest), assumed
    return peak * (_fill(unit.granule, nest) if unit.granule else 1.0), assumed


def _peak(unit: Unit, dtype: str) -> tuple[float, tuple[str, ...]]:
    if dtype in unit.peak:
        return unit.peak[dtype], ()
    for wider in (*_WIDER.get(dtype, ("int32", "float32")), *unit.peak):
        if wider in unit.peak:
            if dtype not in _FLOATING:  # masks and indices: no file lists them
                return unit.peak[wider], ()
            return unit.peak[wider], (f"{unit.name} has no {dtype} peak: taken as {wider}",)
    raise AssertionError(f"{unit.name} has no peak")


def _fill(granule: tuple[int, int, int], nest: LoopNest) -> float:
    """Share of a matrix unit's positions that a product fills."""
    contracted = nest.channels * nest.kernel_rows * nest.kernel_columns
    sizes = (nest.images * nest.rows * nest.columns, contracted, nest.features)
    share = 1.0
    for size, block in zip(sizes, granule, strict=True):
        share *= size / (math.ceil(size / block) * block)
    return share


def _sampled(samples: tuple[Sample, ...], nest: LoopNest) -> float:
    """Interpolate measured rates: the nearest shapes, weighted by inverse squared distance."""
    wanted = (
        math.log2(nest.images * nest.rows * nest.columns),
        math.log2(nest.channels),
        math.log2(nest.features),
        math.log2(nest.kernel_rows * nest.kernel_columns),
    )
    near = sorted((math.dist(wanted, _place(sample)), sample.rate) for sample in samples)
    near = near[:_NEIGHBOURS]
    weights = [1 / (distance**2 + 1e-2) for distance, _ in near]
    logs = sum(w * math.log(reached) for w, (_, reached) in zip(weights, near, strict=True))
    return math.exp(logs / sum(weights))


@functools.cache
def _place(sample: Sample) -> tuple[float, float, float, float]:
    sizes = (sample.rows, sample.channels, sample.columns, sample.taps)
    return tuple(map(math.log2, sizes))  # type: ignore[return-value]
