"""The charts: error against epoch, final error against depth. Altair draws, vl-convert renders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnets.drawing.rendering import on_white, render, to_png
from resnets.reports import palette
from resnets.reports.comparison import METRICS, Metric, finals, mean_curve
from resnets.reports.results import Run, Study

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "NAMES",
    "NARROW",
    "WIDE",
    "Chart",
    "curves",
    "draw",
    "final_against_depth",
    "on_white",
    "to_png",
]

SPLITS = dict(zip(METRICS, ("training", "test"), strict=True))
WIDE, NARROW, GAP = 700, 300, 26
"""Pixels that the panels of a row share, on a page and on a phone; pixels between panels."""


@dataclass(frozen=True)
class Chart:
    """One chart, drawn.

    Attributes:
      name: file name without its ending.
      caption: what it shows.
      wide: SVG, panels side by side.
      narrow: SVG, panels one below the other.
    """

    name: str
    caption: str
    wide: str
    narrow: str


def _columns(panels: int, width: int) -> int:
    """Panels side by side: at most three, and four as two rows of two."""
    return 1 if width <= NARROW else min(panels, 2 if panels == 4 else 3)


def _legend(title: str, **options: Any) -> "alt.Legend":
    import altair as alt

    return alt.Legend(orient="top", direction="horizontal", title=title, columns=4, **options)


def _y(field: str, title: str, largest: float, first: bool) -> "alt.Y":
    """An error axis from 0 % to a bit above the largest, at most 100 %; named at the left only."""
    import altair as alt

    top = min(100.0, max(1.0, 1.04 * largest))
    scale = alt.Scale(domain=[0, top], nice=top < 100, clamp=True)
    return alt.Y(f"{field}:Q", title=title if first else None, scale=scale)


def _beside(panels: Sequence[Any], width: int, title: str, subtitle: str) -> Any:
    """Equal panels in rows; `width` in pixels is what a row of them shares."""
    import altair as alt

    columns = _columns(len(panels), width)
    size = {
        "width": (width - GAP * (columns - 1)) // columns,
        "height": 270 if columns > 1 else 220,
    }
    return alt.concat(
        *(panel.properties(**size) for panel in panels),
        columns=columns,
        spacing=GAP,
        title=alt.TitleParams(title, subtitle=subtitle, fontSize=16, anchor="start", offset=12),
    )


def _curve_rows(study: Study, arm: str) -> list[dict[str, Any]]:
    return [
        {
            "depth": depth,
            "split": SPLITS[metric],
            "epoch": point.epoch,
            "mean": round(point.mean, 4),
            "low": round(point.low, 4),
            "high": round(point.high, 4),
        }
        for depth in study.depths
        for metric in METRICS
        for point in mean_curve(study.select(arm, depth), metric)
    ]


def _curve_panel(
    rows: list[dict[str, Any]], depths: list[int], arm: str, ends: tuple[int, float], first: bool
) -> Any:
    """One arm's curves; `ends` are the last epoch and the largest error of all arms."""
    import altair as alt

    widths = [1.6 + 1.6 * i / max(1, len(depths) - 1) for i in range(len(depths))]
    stroke = {"symbolType": "stroke", "symbolSize": 260, "symbolStrokeWidth": 2.6}
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "epoch:Q",
            title="epoch",
            scale=alt.Scale(domain=[0, ends[0]], nice=False),
            axis=alt.Axis(tickMinStep=1, tickCount=6),
        ),
        color=alt.Color(
            "depth:O",
            scale=alt.Scale(domain=depths, range=palette.depths(len(depths))),
            legend=_legend("depth, layers", **stroke),
        ),
        detail="split:N",
    )
    bands = base.mark_area(opacity=0.13).encode(_y("low", "error, %", ends[1], first), y2="high:Q")
    lines = base.mark_line(strokeJoin="round").encode(
        _y("mean", "error, %", ends[1], first),
        strokeWidth=alt.StrokeWidth(
            "depth:O", scale=alt.Scale(domain=depths, range=widths), legend=None
        ),
        strokeDash=alt.StrokeDash(
            "split:N",
            scale=alt.Scale(domain=list(SPLITS.values()), range=[[5, 4], [1, 0]]),
            legend=_legend("error on", **stroke),
        ),
    )
    return alt.layer(bands, lines, title=arm)


def curves(study: Study, width: int) -> Any:
    """Error against epoch: a panel per arm, a colour per depth, training dashed, test solid."""
    tables = {arm: _curve_rows(study, arm) for arm in study.arms}
    rows = [row for table in tables.values() for row in table]
    ends = max(row["epoch"] for row in rows), max(row["high"] for row in rows)
    columns = _columns(len(tables), width)
    panels = [
        _curve_panel(table, list(study.depths), arm, ends, index % columns == 0)
        for index, (arm, table) in enumerate(tables.items())
    ]
    many = any(len(study.select(a, d)) > 1 for a in study.arms for d in study.depths)
    subtitle = "mean over seeds; the band spans all seeds" if many else "one seed"
    return _beside(panels, width, "Error against epoch", subtitle)


def _final_rows(study: Study, metric: Metric) -> list[dict[str, Any]]:
    return [
        {"arm": arm, "depth": depth, "error": error}
        for arm in study.arms
        for depth in study.depths
        for error in finals(study.select(arm, depth), metric).values()
    ]


def _final_panel(
    rows: list[dict[str, Any]], study: Study, split: str, largest: float, first: bool
) -> Any:
    """One split's final errors; `largest` is that of both splits, percent."""
    import altair as alt

    arms = list(study.arms)
    colours = alt.Scale(domain=arms, range=palette.arms(len(arms)))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "depth:O",
            title="depth, layers",
            scale=alt.Scale(domain=list(study.depths), type="point", padding=0.5),
            axis=alt.Axis(labelAngle=0, labelAlign="center", labelBaseline="top"),
        ),
        color=alt.Color("arm:N", scale=colours, legend=_legend("arm")),
    )
    means = base.mark_line(strokeWidth=2.2).encode(
        _y("mean(error)", "final error, %", largest, first)
    )
    points = base.mark_point(filled=True, size=55, opacity=0.75).encode(
        _y("error", "final error, %", largest, first),
        shape=alt.Shape("arm:N", scale=alt.Scale(domain=arms), legend=_legend("arm")),
    )
    return alt.layer(means, points, title=f"{split} error")


def final_against_depth(study: Study, width: int) -> Any:
    """Final error against depth: a panel per split, a colour per arm, a point per seed."""
    tables = {SPLITS[metric]: _final_rows(study, metric) for metric in METRICS}
    largest = max(row["error"] for table in tables.values() for row in table)
    columns = _columns(len(tables), width)
    panels = [
        _final_panel(table, study, split, largest, index % columns == 0)
        for index, (split, table) in enumerate(tables.items())
    ]
    subtitle = "a point per seed, a line through the means"
    return _beside(panels, width, "Final error against depth", subtitle)


NAMES = ("curves", "final")
"""File names of the charts, without their ending."""

CURVES = (
    "Error in percent against epoch, a panel per arm and a colour per depth; training error dashed "
    "(running mean over the epoch), test error solid (whole split)."
)
CUT_SHORT = " A run that is not done counts as far as it went."
FINAL = "Final training and test error in percent against depth, by arm, a point per seed."


def _cut_short(run: Run) -> bool:
    return run.status != "done" and bool(run.curve)


def draw(study: Study) -> tuple[Chart, ...]:
    """Draw every chart that has data."""
    begun = any(_curve_rows(study, arm) for arm in study.arms)
    done = any(_final_rows(study, metric) for metric in METRICS)
    kinds = (
        (CURVES + CUT_SHORT * any(map(_cut_short, study.runs)), curves, begun),
        (FINAL, final_against_depth, done),
    )
    return tuple(
        Chart(
            name,
            caption,
            render(make(study, WIDE), f"{name}-wide"),
            render(make(study, NARROW), f"{name}-narrow", narrow=True),
        )
        for name, (caption, make, has_data) in zip(NAMES, kinds, strict=True)
        if has_data
    )
