"""A compiled program for a target, by layer, beside the projection of the same layers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class TargetLayer:
    """What a device's compiler spends on one layer in one phase.

    Attributes:
      name: of the layer; of a function for what has none.
      phase: `forward`, `backward`, `optimizer` or `other`.
      named: whether a layer or named scope stands behind it.
      kernels: that work for it.
      cycles: by the compiler's estimate.
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
    read_bytes: float
    written_bytes: float
    near_bytes: float
    copies: int
    collective_bytes: float


def by_layer(
    found: Mapping[str, Any], named: Sequence[str] | None = None, depth: int = 0
) -> list[TargetLayer]:
    """Add up the parts of all kernels by layer and phase, names folded to `depth` parts.

    Args:
      found: what `program.compiled` gives.
      named: names of rows that are layers; None if all are taken for such.
      depth: 0 for whole names.
    """
    sums: dict[tuple[str, str], list[float]] = {}
    known = set(named or ())
    is_named: dict[tuple[str, str], bool] = {}
    for kernel in found["kernels"]:
        runs = kernel["runs"] or 0
        for part in kernel["parts"]:
            name = "/".join(part["layer"].split("/")[: depth or None])
            key = name, part["phase"]
            share = part["share"] * runs
            row = sums.setdefault(key, [0.0] * 7)
            values = (
                1 / part["share"] if part["share"] and runs else 0,
                kernel["cycles"] or 0,
                kernel["read_bytes"],
                kernel["written_bytes"],
                kernel["near_bytes"],
                (kernel["category"] == "copy") / part["share"] if part["share"] and runs else 0,
                kernel["written_bytes"] if kernel["category"] == "collective" else 0,
            )
            for place, value in enumerate(values):
                row[place] += share * value
            is_named[key] = is_named.get(key, False) or named is None or part["layer"] in known
    return [
        TargetLayer(
            name,
            phase,
            is_named[name, phase],
            round(row[0]),
            row[1],
            row[2],
            row[3],
            row[4],
            round(row[5]),
            row[6],
        )
        for (name, phase), row in sums.items()
    ]


def cycles(found: Mapping[str, Any]) -> int:
    """Estimated cycles of all runs of all kernels."""
    return sum((kernel["cycles"] or 0) * (kernel["runs"] or 0) for kernel in found["kernels"])
