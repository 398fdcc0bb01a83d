"""How far our projection is from what a device's compiler estimates, over many programs."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import spearmanr

from resnets.analysis.targets.layers import joined
from resnets.columns import aligned


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Two estimates of the same programs, compared.

    Attributes:
      programs: how many.
      error_pct: mean absolute percentage error of the totals.
      bias_pct: median of the signed errors of the totals.
      rank: Spearman's correlation of the totals.
      layer_rank: median over programs of Spearman's correlation of their layers.
      ranked: programs of which three layers or more can be compared.
      pooled_rank: of the layers of all programs together.
    """

    programs: int
    error_pct: float
    bias_pct: float
    rank: float
    layer_rank: float
    ranked: int
    pooled_rank: float


def layer_pairs(content: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Our seconds and the compiler's, of the layers that have a kernel in both.

    What rides on another layer's kernel in our projection is counted with that layer in both; what
    a compiler does not estimate is left out.
    """
    known = [row for row in content["layers"] if not row["unestimated_kernels"]]
    theirs = {(row["name"], row["phase"]): row["time_s"] for row in known}
    ours = {(row["name"], row["phase"]): row["projected_s"] or 0.0 for row in known}
    theirs, ours = joined(theirs, content["hosts"]), joined(ours, content["hosts"])
    return [(ours[key], theirs[key]) for key in ours if ours[key] and theirs[key]]


def rank(pairs: Sequence[tuple[float, float]]) -> float:
    """Spearman's rank correlation; not a number of fewer than three pairs or of equal values."""
    if len(pairs) < 3 or any(len(set(values)) == 1 for values in zip(*pairs, strict=True)):
        return math.nan
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def agreement(contents: Sequence[Mapping[str, Any]]) -> Agreement:
    """Compare programs as `render.as_dict` gives them."""
    totals = [(content["projected_s"], whole(content)) for content in contents]
    errors = [100 * (ours / theirs - 1) for ours, theirs in totals]
    layers = [layer_pairs(content) for content in contents]
    ranks = [found for pairs in layers if not math.isnan(found := rank(pairs))]
    return Agreement(
        len(contents),
        statistics.fmean(map(abs, errors)),
        statistics.median(errors),
        rank(totals),
        statistics.median(ranks) if ranks else math.nan,
        len(ranks),
        rank([pair for pairs in layers for pair in pairs]),
    )


def whole(content: Mapping[str, Any]) -> float:
    """Seconds of a program: the compiler's estimates, and the machine's peaks where it has none."""
    return float(content["time_s"] + content["roofline_s"])


def row_of(name: str, phase: str, batch_size: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """One program in numbers, for a csv."""
    layers, pairs = content["layers"], layer_pairs(content)
    return {
        "model": name,
        "phase": phase,
        "batch_size": batch_size,
        "target": content["target"],
        "topology": content["topology"],
        "devices": content["devices"],
        "time_s": content["time_s"],
        "projected_s": content["projected_s"],
        "roofline_s": content["roofline_s"],
        "ratio": content["projected_s"] / whole(content) if whole(content) else None,
        "layer_rank": rank(pairs),
        "layers_compared": len(pairs),
        "layers": len(layers),
        "cycles": content["cycles"],
        "cycles_in_layers": content["cycles_in_layers"],
        "unestimated_kernels": content["unestimated_kernels"],
        "kernels": sum(content["kernels"].values()),
        "main_memory_bytes": sum(row["read_bytes"] + row["written_bytes"] for row in layers),
        "collective_bytes": content["collective_bytes"],
        "waiting_s": content["waiting_s"],
        "projected_efficiency": content["projected_efficiency"],
        "peak_bytes": content["memory_bytes"]["peak"],
        "failure": "",
    }


def with_efficiency(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add what a device reaches among many, 0 to 1, by the same batch on one device.

    None where that was not compiled or the machine's links are not known.
    """
    alone = {
        (row["model"], row["batch_size"]): row["time_s"] + row["roofline_s"]
        for row in rows
        if not row["failure"] and row["devices"] == 1
    }
    found = []
    for row in rows:
        first, share = alone.get((row["model"], row["batch_size"])), None
        if first and not row["failure"] and row["waiting_s"] is not None:
            share = first / (row["time_s"] + row["roofline_s"] + row["waiting_s"])
        found.append(dict(row) | {"efficiency": share})
    return found


def scaling_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a number of devices: what is summed over them, and what a device then reaches."""
    heading = ("network", "batch of one", "devices", "compiler, ms", "waiting, ms", "summed, MB")
    lines: list[tuple[str, ...]] = [(*heading, "peak, MB", "efficiency", "projected")]
    for row in rows:
        if row["failure"]:
            continue
        shares = row["efficiency"], row["projected_efficiency"]
        waiting = row["waiting_s"]
        lines.append(
            (
                row["model"],
                str(row["batch_size"]),
                str(row["devices"]),
                f"{(row['time_s'] + row['roofline_s']) * 1e3:,.3f}",
                f"{waiting * 1e3:,.3f}" if waiting is not None else "",
                f"{row['collective_bytes'] / 1e6:,.2f}",
                f"{row['peak_bytes'] / 1e6:,.1f}",
                *("" if share is None else f"{share:.3f}" for share in shares),
            )
        )
    return aligned(lines, range(1, len(lines[0])))


_HEADINGS = (
    *("network", "batch", "compiler, ms", "projected, ms", "ratio", "rank of layers"),
    *("in layers, %", "peak, MB"),
)


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a program; one that did not compile says why."""
    lines: list[tuple[str, ...]] = [_HEADINGS]
    for row in rows:
        if row["failure"]:
            lines.append((row["model"], str(row["batch_size"]), row["failure"], *("",) * 5))
            continue
        share = row["cycles_in_layers"]
        lines.append(
            (
                row["model"],
                str(row["batch_size"]),
                f"{(row['time_s'] + row['roofline_s']) * 1e3:,.3f}",
                f"{row['projected_s'] * 1e3:,.3f}",
                f"{row['ratio']:.2f}" if row["ratio"] else "",
                f"{row['layer_rank']:.2f}",
                f"{100 * share:.1f}" if share is not None else "",
                f"{row['peak_bytes'] / 1e6:,.1f}",
            )
        )
    return aligned(lines, range(1, len(_HEADINGS)))


def in_words(found: Agreement) -> str:
    """The comparison in a sentence."""
    return (
        f"{found.programs} programs: mean absolute error of the totals {found.error_pct:.1f} %, "
        f"median {found.bias_pct:+.1f} %; rank correlation {found.rank:.3f} of totals, "
        f"{found.layer_rank:.3f} of layers (median over {found.ranked} programs), "
        f"{found.pooled_rank:.3f} of all layers together"
    )
