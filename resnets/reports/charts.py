"""The charts: error against epoch, final error against depth, paired differences, layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resnets.drawing.heading import WIDTH, titled, together
from resnets.drawing.rendering import on_white, render, to_png
from resnets.reports import layers
from resnets.reports.chart_rows import (
    MOST,
    Row,
    curve_rows,
    difference_rows,
    error_top,
    extent,
    final_rows,
    logarithmic,
    passes,
    seed_rows,
)
from resnets.reports.comparison import METRICS
from resnets.reports.findings import curves_title, difference_title, final_title
from resnets.reports.panels import Panel, curve_panel, difference_panel, final_panel
from resnets.reports.results import Run, Study

__all__ = ["NAMES", "WIDTH", "Chart", "draw", "on_white", "to_png"]

HEIGHT, GAP = 280, 26
"""Pixels: of one panel; between panels."""

NAMES = ("curves", "final", "difference", *layers.NAMES)
"""File names of the charts, without their ending."""


@dataclass(frozen=True)
class Chart:
    """One chart, drawn.

    Attributes:
      name: file name without its ending.
      title: the finding, or the question.
      caption: what it shows, of how many runs, with which interval.
      panels: what the page draws.
      svg: the whole with legends, on a transparent ground.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    svg: str

    @property
    def logarithmic(self) -> bool:
        """Whether its axes can be logarithmic."""
        return any(panel.log for panel in self.panels)


def _counted(rows: Sequence[Row], what: str) -> str:
    """`n = 3 seeds`, `n = 1 to 3 seeds`."""
    low, high = (end([row["n"] for row in rows]) for end in (min, max))
    return f"n\u00a0=\u00a0{low if low == high else f'{low} to {high}'} {what}{'s' * (high != 1)}"


def _several(rows: Sequence[Row]) -> bool:
    """Whether any row is of more than one run."""
    return any(row["n"] > 1 for row in rows)


def _whole(panels: Sequence[Panel], title: str, caption: str) -> Any:
    """Panels in rows of two or three, with title, caption and legends: the chart as a file."""
    count = len(panels)
    columns = min(count, 2 if count == 4 else 3)
    size = {"width": (WIDTH - GAP * (columns - 1)) // columns, "height": HEIGHT}
    drawn = [titled(panel.chart, panel.title, **size) for panel in panels]
    return together(drawn, columns, title, caption, GAP).resolve_scale(color="shared")


def _curves(study: Study) -> tuple[str, str, tuple[Panel, ...]]:
    tables = {arm: rows for arm in study.arms if (rows := curve_rows(study, arm))}
    rows = [row for table in tables.values() for row in table]
    if not rows:
        return "", "", ()
    last, top = max(row["epoch"] for row in rows), error_top(rows, ("high",))
    log = logarithmic(rows, ("mean",), top)
    panels = tuple(
        curve_panel(study, arm, table, (last, top), log) for arm, table in tables.items()
    )
    seeds = _counted(rows, "seed")
    many = f"mean over seeds, {seeds}; the band spans all of them"
    caption = (
        "Training error thin and dashed (running mean over the epoch), test error bold (whole "
        f"split); {many if _several(rows) else seeds}."
    )
    if any(map(_cut_short, study.runs)):
        caption += " A run that is not done counts as far as it went."
    return curves_title(study), caption, panels


def _cut_short(run: Run) -> bool:
    return run.status != "done" and bool(run.curve)


def _finals(study: Study) -> tuple[str, str, tuple[Panel, ...]]:
    tables = [(rows, seed_rows(study, m)) for m in METRICS if (rows := final_rows(study, m))]
    rows = [row for table, _ in tables for row in table]
    if not rows:
        return "", "", ()
    points = [row for _, seeds in tables for row in seeds]
    top = max(error_top(points, ("error",)), error_top(rows, ("mean", "high")))
    log = logarithmic(points, ("error",), top)
    panels = tuple(final_panel(study, table, seeds, top, log) for table, seeds in tables)
    seeds = _counted(rows, "seed")
    many = f"mean with its 95 % t-interval, {seeds}; a faint dot is one run"
    caption = (
        "Error of the final epoch on whole splits: "
        f"{many if _several(rows) else f'{seeds}, so without an interval'}.{_arrows(rows)}"
    )
    return final_title(study), caption, panels


def _arrows(rows: list[Row]) -> str:
    past = " Arrows: the interval goes on beyond what an error, or a difference, can be."
    return past if passes(rows) else ""


def _differences(study: Study) -> tuple[str, str, tuple[Panel, ...]]:
    tables = [rows for m in METRICS if (rows := difference_rows(study, m))]
    rows = [row for table in tables for row in table]
    if not rows:
        return "", "", ()
    low, high = extent(rows, ("mean", "low", "high"))
    ends = max(-MOST, min(0.0, 1.05 * low)), min(MOST, max(1.0, 1.05 * high))
    panels = tuple(difference_panel(study, table, ends) for table in tables)
    pairs = _counted(rows, "pair")
    many = (
        f"mean with its 95 % t-interval, {pairs}. Above zero the other arm errs more; an interval "
        "that includes zero decides nothing"
    )
    caption = (
        f"Difference to {rows[0]['reference']} networks at equal depth and seed, in percentage "
        f"points: {many if _several(rows) else f'{pairs}, so without an interval'}.{_arrows(rows)}"
    )
    return difference_title(study), caption, panels


def _still(name: str, title: str, caption: str, panels: Sequence[Panel]) -> str:
    rows = {key: rows for panel in panels for key, rows in panel.rows.items()}
    return render(_whole(panels, title, caption), name, rows=rows)


def draw(study: Study) -> tuple[Chart, ...]:
    """Draw every chart that has data."""
    parts = (_curves(study), _finals(study), _differences(study), *layers.charts(study))
    found = zip(NAMES, parts, strict=True)
    return tuple(
        Chart(name, title, caption, panels, _still(name, title, caption, panels))
        for name, (title, caption, panels) in found
        if panels
    )
