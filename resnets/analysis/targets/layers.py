"""A compiled program for a target, by layer, beside the projection of the same layers."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

Peaks = tuple[float, float]
"""Operations a second of a machine's matrix unit, and bytes a second of its main memory."""


@dataclasses.dataclass(frozen=True)
class TargetLayer:
    """What a device's compiler spends on one layer in one phase.

    Attributes:
      name: of the layer; of a function for what has none.
      phase: `forward`, `backward`, `optimizer` or `other`.
      named: whether a layer or named scope stands behind it.
      kernels: that work for it.
      cycles: by the compiler's estimate.
      seconds: likewise, where it estimates times.
      unestimated: kernels that compute and have no estimate.
      roofline_seconds: of those, the longer of computing and moving at the machine's peaks.
      flops: of the products among the kernels, a multiply-add being two.
      read_bytes: from the device's main memory.
      written_bytes: to it.
      near_bytes: of operands and results that stay in on-chip memory.
      copies: kernels that only move or lay out anew.
      collective_bytes: of results of collectives.
    """

    name: str
    phase: str
    named: bool
    kernels: int
    cycles: float
    seconds: float
    unestimated: int
    roofline_seconds: float
    flops: float
    read_bytes: float
    written_bytes: float
    near_bytes: float
    copies: int
    collective_bytes: float


def by_layer(
    found: Mapping[str, Any],
    named: Sequence[str] | None = None,
    depth: int = 0,
    peaks: Peaks = (math.inf, math.inf),
) -> list[TargetLayer]:
    """Add up the parts of all kernels by layer and phase, names folded to `depth` parts.

    Args:
      found: what `program.compiled` gives.
      named: names of rows that are layers; None if all are taken for such.
      depth: 0 for whole names.
      peaks: of the machine, for kernels that have no estimate.
    """
    sums: dict[tuple[str, str], list[float]] = {}
    known = set(named or ())
    is_named: dict[tuple[str, str], bool] = {}
    for kernel in found["kernels"]:
        numbers = _numbers(kernel, peaks)
        for part in kernel["parts"]:
            name = "/".join(part["layer"].split("/")[: depth or None])
            key = name, part["phase"]
            row = sums.setdefault(key, [0.0] * len(numbers))
            for place, (value, divided) in enumerate(numbers):
                row[place] += value * (part["share"] if divided else 1)
            is_named[key] = is_named.get(key, False) or named is None or part["layer"] in known
    return [
        TargetLayer(
            name,
            phase,
            is_named[name, phase],
            round(row[0]),
            row[1],
            row[2],
            round(row[3]),
            *row[4:9],
            round(row[9]),
            row[10],
        )
        for (name, phase), row in sums.items()
    ]


def _numbers(kernel: Mapping[str, Any], peaks: Peaks) -> list[tuple[float, bool]]:
    """What a kernel adds to its layers in all runs, and whether they share it."""
    runs = kernel["runs"] or 0
    computes = kernel["category"] in ("product", "elementwise")
    unknown = computes and kernel["cycles"] is None and kernel["seconds"] is None
    collective = kernel["category"] == "collective"
    written = kernel["written_bytes"] + (kernel["near_bytes"] / 2 if collective else 0)
    return [
        (1 if runs else 0, False),
        (runs * (kernel["cycles"] or 0), True),
        (runs * (kernel["seconds"] or 0.0), True),
        (1 if runs and unknown else 0, False),
        (runs * roofline(kernel, peaks) if unknown else 0.0, True),
        (runs * kernel["flops"], True),
        (runs * kernel["read_bytes"], True),
        (runs * kernel["written_bytes"], True),
        (runs * kernel["near_bytes"], True),
        (1 if kernel["category"] == "copy" and runs else 0, False),
        (runs * written if collective else 0, True),
    ]


def roofline(kernel: Mapping[str, Any], peaks: Peaks) -> float:
    """Seconds of one run of a kernel at the machine's peaks (Williams et al. 2009)."""
    flops, bandwidth = peaks
    return max(
        kernel["flops"] / flops, (kernel["read_bytes"] + kernel["written_bytes"]) / bandwidth
    )


def cycles(found: Mapping[str, Any]) -> int:
    """Estimated cycles of all runs of all kernels."""
    return sum((kernel["cycles"] or 0) * (kernel["runs"] or 0) for kernel in found["kernels"])


def seconds(found: Mapping[str, Any]) -> float:
    """Estimated seconds of all runs of the kernels whose estimate is a time."""
    return sum((kernel["seconds"] or 0.0) * (kernel["runs"] or 0) for kernel in found["kernels"])
