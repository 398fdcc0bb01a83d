"""How fast a compute unit runs a kind of work: its peak, less what a shape leaves idle."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

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

_REACH = (1.5, 1.5, 1.5, 1.0)
"""Doublings of rows, channels, columns and taps over which what a sample says fades."""

_TRUST = 0.02  # variance of a sample's own error against that of the smooth model
_PLAIN = 0.1  # how strongly small sizes are held to make no difference, where samples are few


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
        return _sampled(unit, nest), assumed
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


def _sampled(unit: Unit, nest: LoopNest) -> float:
    rows = nest.images * nest.rows * nest.columns
    taps = nest.kernel_rows * nest.kernel_columns
    return at_shape(unit, (rows, nest.channels, nest.features, taps))


def at_shape(unit: Unit, sizes: tuple[int, int, int, int]) -> float:
    """Operations a second of one float32 product: rows, channels, columns and taps of a group."""
    return _surface(unit.samples).at(sizes) if unit.samples else max(unit.peak.values())


@functools.lru_cache(maxsize=64)
def _surface(samples: tuple[Sample, ...]) -> "_Surface":
    return _Surface(samples)


class _Surface:
    """Rates between samples: a smooth model, and near samples what they say beyond it.

    The model is the time of an operation: a constant, and shares that fade with the rows, the
    columns, the contracted size and the products of them, none negative, so that larger products
    never get slower. The logarithm of what is left is interpolated as a Gaussian process; far from
    all samples it is nothing.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        sizes = np.array([(s.rows, s.channels, s.columns, s.taps) for s in samples], float)
        rates = np.array([sample.rate for sample in samples])
        self._most = float(rates.max())
        terms = self._terms(sizes) * rates[:, None] / self._most
        held = _PLAIN * np.diag(terms.mean(0))[1:]
        wanted = np.append(np.ones(len(rates)), np.zeros(len(held)))
        self._shares, _ = nnls(np.concatenate([terms, held]), wanted)
        self._places = np.log2(sizes) / _REACH
        left = np.log(rates / self._smooth(sizes))
        near = self._likeness(self._places)
        self._weights = np.linalg.solve(near + _TRUST * np.eye(len(near)), left)
        self._known: dict[tuple[int, int, int, int], float] = {}

    def at(self, sizes: tuple[int, int, int, int]) -> float:
        """The rate of one shape: rows, channels, columns, taps."""
        if sizes not in self._known:
            asked = np.array([sizes], float)
            [near] = self._likeness(np.log2(asked) / _REACH)
            beyond = math.exp(float(near @ self._weights))
            self._known[sizes] = min(self._most, float(self._smooth(asked)[0]) * beyond)
        return self._known[sizes]

    def _smooth(self, sizes: np.ndarray) -> np.ndarray:
        return self._most / np.maximum(self._terms(sizes) @ self._shares, 1e-9)

    @staticmethod
    def _terms(sizes: np.ndarray) -> np.ndarray:
        rows, channels, columns, taps = sizes.T
        one, deep = np.ones(len(sizes)), channels * taps
        small = [one, 1 / rows, 1 / columns, 1 / deep, 1 / channels]
        return np.stack([*small, 1 / (rows * columns), 1 / (columns * deep), 1 / (rows * deep)], 1)

    def _likeness(self, places: np.ndarray) -> np.ndarray:
        """How alike shapes are to the samples, from 1 to 0: it falls with their distance."""
        distance = np.sqrt(((places[:, None] - self._places) ** 2).sum(-1))
        return np.exp(-distance)
