"""Charts of calibration: reliability, confusion, and the surest mistakes."""

import math
from collections.abc import Sequence

from resnets.drawing.chart import Chart, drawn
from resnets.drawing.squares import matrix, reliability
from resnets.reports.probes.findings import Findings, Row, per_series, said
from resnets.reports.probes.pictorial import confused

_Z = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def wilson(right: float, count: float) -> tuple[float, float]:
    """95 % interval of a share of which `right` was seen in `count` cases (Wilson 1927).

    A mean number of cases need not be whole.
    """
    middle = (right + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    reach = _Z / (1 + _Z**2 / count)
    reach *= math.sqrt(right * (1 - right) / count + _Z**2 / (4 * count**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def calibration(findings: Findings) -> list[Chart]:
    """Confidence against accuracy, the confusion matrix, and the surest mistakes."""
    errors = per_series(findings, "calibration_sums", "expected_error")
    shown = {name: 100 * value for name, value in errors.items()}
    title = f"Confidence and accuracy are apart by: {said(shown, ' points')}"
    caption = (
        f"Expected calibration error (Guo et al. 2017), {findings.counted()}: predictions in bins "
        "of equal width by their largest probability, of all runs together; fainter bars hold "
        "fewer. On the dashed line confidence is right; a bar below it stands for overconfidence. "
        "Vertical lines: 95 % Wilson intervals, whose n is the predictions of one run in the bin "
        "(mean over runs), since all runs see the same images. The number in the title is the mean "
        "over runs."
    )
    panels = [(name, bins(findings.of("calibration", series=name))) for name in findings.series]
    charts = [drawn(reliability(panels, title, caption), "calibration", caption)]
    return [*charts, _confusion(findings), *confused(findings)]


def bins(rows: Sequence[Row]) -> list[Row]:
    """Bins of several runs put together, in percent; empty ones are left out.

    Runs see the same images, so that their predictions are not independent: an interval's n is that
    of one run, the mean of those that have any prediction in the bin.
    """
    total = sum(row["count"] for row in rows)
    found: list[Row] = []
    for low, high in dict.fromkeys((row["low"], row["high"]) for row in rows):
        own = [row for row in rows if row["low"] == low and row["count"]]
        count = sum(row["count"] for row in own)
        if not count:
            continue
        right = sum(row["count"] * row["accuracy"] for row in own) / count
        lowest, highest = wilson(right, count / len({row["run"] for row in own}))
        found.append(
            {
                "low": 100 * low,
                "high": 100 * high,
                "accuracy": 100 * right,
                "lowest": 100 * lowest,
                "highest": 100 * highest,
                "share": 100 * count / total,
            }
        )
    return found


def _confusion(findings: Findings) -> Chart:
    panels, worst = [], []
    for name in findings.series:
        rows = findings.of("confusion", series=name)
        counts: dict[tuple[int, int], int] = {}
        for row in rows:
            place = row["label"], row["predicted"]
            counts[place] = counts.get(place, 0) + row["examples"]
        sums: dict[int, int] = {}
        for (label, _), count in counts.items():
            sums[label] = sums.get(label, 0) + count
        cells = [
            {
                "label": label,
                "predicted": predicted,
                "examples": count,
                "share_pct": 100 * count / sums[label] if sums[label] else 0,
            }
            for (label, predicted), count in counts.items()
        ]
        panels.append((name, cells))
        wrong = [cell for cell in cells if cell["label"] != cell["predicted"]]
        most = max(wrong, key=lambda cell: cell["examples"])
        if most["examples"]:
            worst.append(
                f"{name}: {most['label']} for {most['predicted']}, {most['examples']} times"
            )
    title = f"What is most often taken wrongly: {'; '.join(worst)}" if worst else "Nothing is wrong"
    caption = (
        f"Examples of each class by prediction, all runs together; {findings.counted()}. Colour: "
        "share of the class."
    )
    return drawn(matrix(panels, title, caption), "confusion", caption)
