"""A compiled program for a target, by layer, beside the projection of the same layers."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from resnets.analysis.hardware import Interconnect
from resnets.analysis.scaling import all_reduce_seconds

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
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    known = set(named or ())
    is_named: dict[tuple[str, str], bool] = {}
    for kernel in found["kernels"]:
        counted, shared = _counted(kernel), _shared(kernel, peaks)
        for part in kernel["parts"]:
            name = "/".join(part["layer"].split("/")[: depth or None])
            key = name, part["phase"]
            row = sums.setdefault(key, dict.fromkeys([*counted, *shared], 0))
            for field, count in counted.items():
                row[field] += count
            for field, value in shared.items():
                row[field] += value * part["share"]
            is_named[key] = is_named.get(key, False) or named is None or part["layer"] in known
    return [TargetLayer(*key, is_named[key], **row) for key, row in sums.items()]


def joined(
    amounts: Mapping[tuple[str, str], float], hosts: Sequence[Sequence[str]]
) -> dict[tuple[str, str], float]:
    """Give what belongs to layers without a kernel of ours to those on whose kernels they ride.

    Args:
      amounts: by name and phase.
      hosts: a name, a phase and the name of the layer that it rides on, each.
    """
    ridden = {(name, phase): host for name, phase, host in hosts}
    found: dict[tuple[str, str], float] = {}
    for (name, phase), amount in amounts.items():
        key = ridden.get((name, phase), name), phase
        found[key] = found.get(key, 0.0) + amount
    return found


def _computes(kernel: Mapping[str, Any]) -> bool:
    return kernel["category"] in ("product", "elementwise")


def _unknown(kernel: Mapping[str, Any]) -> bool:
    return _computes(kernel) and kernel["cycles"] is None and kernel["seconds"] is None


def _counted(kernel: Mapping[str, Any]) -> dict[str, int]:
    """What a kernel counts for in each of its layers."""
    runs = bool(kernel["runs"])
    return {
        "kernels": int(runs),
        "unestimated": int(runs and _unknown(kernel)),
        "copies": int(runs and kernel["category"] == "copy"),
    }


def _shared(kernel: Mapping[str, Any], peaks: Peaks) -> dict[str, float]:
    """What all runs of a kernel take, which its layers share."""
    collective = kernel["category"] == "collective"
    of_one = {
        "cycles": kernel["cycles"] or 0,
        "seconds": kernel["seconds"] or 0.0,
        "roofline_seconds": roofline(kernel, peaks) if _unknown(kernel) else 0.0,
        "flops": kernel["flops"],
        "read_bytes": kernel["read_bytes"],
        "written_bytes": kernel["written_bytes"],
        "near_bytes": kernel["near_bytes"],
        "collective_bytes": _summed(kernel) if collective else 0,
    }
    return {field: (kernel["runs"] or 0) * value for field, value in of_one.items()}


def _summed(kernel: Mapping[str, Any]) -> float:
    """Bytes of the results of a collective, wherever they lie."""
    return kernel["written_bytes"] + kernel["near_bytes"] / 2


def waiting(found: Mapping[str, Any], devices: int, links: Interconnect | None) -> float | None:
    """Seconds that computing waits for collectives, at the rate of the machine's links.

    Those that the compiler itself estimates are in its time already, and those that it lets run
    beside kernels cost nothing here.

    Returns:
      None where the machine's links are not known.
    """
    if devices == 1:
        return 0.0
    if links is None:
        return None
    return sum(
        (kernel["runs"] or 0) * all_reduce_seconds(_summed(kernel), devices, links)
        for kernel in found["kernels"]
        if kernel["category"] == "collective"
        and kernel["cycles"] is None
        and kernel["seconds"] is None
        and not kernel["kind"].endswith("-start")
    )


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
