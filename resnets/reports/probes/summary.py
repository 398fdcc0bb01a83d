"""The answer of a probe in a few rows, for the terminal."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from resnets.reports.probes.findings import Findings, mean

Summary = list[dict[str, Any]]
"""Rows of equal columns; each heading carries its unit."""


def _lesion(findings: Findings, name: str) -> Summary:
    def error(**fields: Any) -> float:
        return mean(row["error_pct"] for row in findings.of("lesion", series=name, **fields))

    deleted = findings.of("lesion", series=name, kind="delete")
    by_block = {
        row["blocks"]: mean(r["error_pct"] for r in deleted if r["blocks"] == row["blocks"])
        for row in deleted
    }
    worst = max(by_block, key=lambda block: by_block[block]) if by_block else None
    several = sorted({r["count"] for r in findings.of("lesion", series=name, kind="random")})
    half = several[len(several) // 2] if several else None
    most = max((r["count"] for r in findings.of("lesion", series=name, kind="permute")), default=0)
    return [
        {
            "network": name,
            "error, %": error(kind="none"),
            "one block deleted, mean %": mean(by_block.values()),
            "median %": statistics.median(by_block.values()) if by_block else None,
            "worst block": worst,
            "without it, %": by_block[worst] if worst else None,
            "several deleted": half,
            "without them, %": error(kind="random", count=half) if half else None,
            "exchanges": most,
            "after them, %": error(kind="permute", count=most) if most else None,
        }
    ]


def _response(findings: Findings, name: str) -> Summary:
    rows = findings.of("response", series=name)
    ratios = findings.of("response_ratio", series=name)
    stds = [row["std"] for row in rows]
    share = [row["branch_to_shortcut"] for row in ratios]
    return [
        {
            "network": name,
            "layers": len({row["layer"] for row in rows}),
            "std, mean": mean(stds),
            "std, smallest": min(stds),
            "std, largest": max(stds),
            "branch / shortcut, mean": mean(share) if share else None,
            "smallest": min(share) if share else None,
            "largest": max(share) if share else None,
        }
    ]


def _gradient(findings: Findings, name: str) -> Summary:
    found = []
    for state in ("initial", "trained"):
        rows = findings.of("gradient", series=name, state=state)
        norms: dict[int, list[float]] = {
            place: [] for place in sorted({row["place"] for row in rows})
        }
        for row in rows:
            norms[row["place"]].append(row["gradient_norm"])
        means = [mean(values) for values in norms.values()]
        found.append(
            {
                "network": name,
                "weights": state,
                "layers": len(means),
                "first layer, norm": means[0],
                "last layer, norm": means[-1],
                "smallest, norm": min(means),
                "largest, norm": max(means),
            }
        )
    return found


def _shift(findings: Findings, name: str) -> Summary:
    return [
        {
            "network": name,
            "shift, px": pixels,
            "error, %": mean(r["error_pct"] for r in rows),
            "same prediction, %": mean(r["consistency_pct"] for r in rows),
            "change of logits, %": mean(r["logits_change_pct"] for r in rows),
        }
        for pixels in sorted({row["pixels"] for row in findings.of("shift", series=name)})
        for rows in [findings.of("shift", series=name, pixels=pixels)]
    ]


def _receptive_field(findings: Findings, name: str) -> Summary:
    own = findings.of("receptive_field", series=name)
    return [
        {
            "network": name,
            "module": module,
            "theoretical, px": rows[0]["theoretical_px"],
            "step, px": rows[0]["step_px"],
            "effective, px": mean(row["effective_px"] for row in rows),
            "looked at, px": rows[0]["canvas_px"],
        }
        for module in dict.fromkeys(row["module"] for row in own)
        for rows in [[row for row in own if row["module"] == module]]
    ]


def _features(findings: Findings, name: str) -> Summary:
    own = findings.of("features", series=name)
    return [
        {
            "network": name,
            "image": image,
            "label": rows[0]["label"],
            "module": module,
            "channels": len(rows),
            "mean": mean(row["mean"] for row in rows),
            "zero, %": mean(row["zero_pct"] for row in rows),
        }
        for image, module in dict.fromkeys((row["image"], row["module"]) for row in own)
        for rows in [[r for r in own if (r["image"], r["module"]) == (image, module)]]
    ]


def _calibration(findings: Findings, name: str) -> Summary:
    rows = findings.of("calibration_sums", series=name)

    def percent(column: str) -> float:
        return 100 * mean(row[column] for row in rows)

    return [
        {
            "network": name,
            "right, %": percent("accuracy"),
            "mean confidence, %": percent("confidence"),
            "expected calibration error, points": percent("expected_error"),
            "largest in a bin, points": percent("largest_error"),
            "loss, nats": mean(row["loss"] for row in rows),
        }
    ]


_SUMMARIES: Mapping[str, Callable[[Findings, str], Summary]] = {
    "lesion": _lesion,
    "response": _response,
    "gradient": _gradient,
    "shift": _shift,
    "receptive_field": _receptive_field,
    "features": _features,
    "calibration": _calibration,
}


def summary(findings: Findings) -> Summary:
    """A few rows a series, means over its runs."""
    rows = (_SUMMARIES[findings.what](findings, name) for name in findings.series)
    return [row for some in rows for row in some]
