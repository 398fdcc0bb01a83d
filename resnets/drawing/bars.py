"""The form of stacked bars: one below the other, in panels, a tick on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.drawing import palette
from resnets.drawing.axes import prefixed
from resnets.drawing.heading import heading

WIDTH, ROW = 560, 17
"""Pixels of a panel, and of a bar with the gap below it."""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
      label: it.
      panel: the title of the panel it stands in.
      segments: length of each, by name, in order.
      tick: where a tick stands; None for none.
    """

    label: str
    panel: str
    segments: Mapping[str, float]
    tick: float | None = None


def _segments(bars: Sequence[Bar], size: float) -> list[dict[str, Any]]:
    rows = []
    for bar in bars:
        start = 0.0
        for name, length in bar.segments.items():
            if length:
                rows.append(
                    {
                        "label": bar.label,
                        "part": name,
                        "from": start / size,
                        "to": (start + length) / size,
                    }
                )
            start += length
    return rows


def panel(
    bars: Sequence[Bar], colours: Mapping[str, str], axis: tuple[float, float, str], tick: str
) -> Any:
    """Draw one panel; `axis` is the end of its axis, the size of its unit, and its title."""
    import altair as alt

    end, size, title = axis
    legend: dict[str, Any] = {
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "offset": 6,
    }
    y = alt.Y(
        "label:N",
        title=None,
        scale=alt.Scale(domain=[bar.label for bar in bars], paddingInner=0.25, paddingOuter=0.15),
        axis=alt.Axis(labelLimit=0, ticks=False, domain=False, labelPadding=6),
    )
    scale = alt.Scale(domain=[0, end / size], nice=False)
    x = alt.X(
        "from:Q",
        title=title or None,
        scale=scale,
        axis=alt.Axis(grid=True, labels=bool(title), ticks=bool(title), tickCount=8),
    )
    parts = (
        alt.Chart(alt.InlineData(values=_segments(bars, size)))
        .mark_bar()
        .encode(
            x,
            y,
            x2="to:Q",
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(symbolType="square", symbolSize=130, columns=7, **legend),
            ),
        )
    )
    if all(bar.tick is None for bar in bars):
        return parts.properties(width=WIDTH, height=alt.Step(ROW))
    ticks = (
        alt.Chart(
            alt.InlineData(
                values=[
                    {"label": bar.label, "from": bar.tick / size, "what": tick}
                    for bar in bars
                    if bar.tick is not None
                ]
            )
        )
        .mark_point(size=(ROW - 3) ** 2, stroke=palette.TEXT, strokeWidth=2, opacity=1)
        .encode(
            x,
            y,
            shape=alt.Shape(
                "what:N",
                scale=alt.Scale(domain=[tick], range=["M0,-1L0,1"]),
                legend=alt.Legend(symbolStrokeColor=palette.TEXT, **legend),
            ),
        )
    )
    return alt.layer(parts, ticks, width=WIDTH, height=alt.Step(ROW))


def extent(rows: Sequence[Bar], unit: str) -> tuple[float, float, str]:
    """Where an axis for all bars ends, the size of its unit and how that is spelled."""
    lengths = (max(sum(row.segments.values()), row.tick or 0.0) for row in rows)
    longest = max(lengths, default=0.0)
    size, spelling = prefixed(longest, unit)
    return 1.02 * longest or 1.0, size, spelling


def stacked(
    rows: Sequence[Bar],
    colours: Mapping[str, str],
    quantity: tuple[str, str],
    tick: str,
    title: tuple[str, str],
) -> Any:
    """Draw bars, a panel below the other.

    Args:
      rows: the bars; panels stand in the order in which they first appear.
      colours: of each segment's name, in the order of the legend.
      quantity: that the lengths are, and its unit; the axis takes the prefix that makes its
        numbers short.
      tick: what the ticks say; empty where no bar has one.
      title: and subtitle.
    """
    import altair as alt

    end, size, spelling = extent(rows, quantity[1])
    panels = list(dict.fromkeys(row.panel for row in rows))
    drawn = []
    for name in panels:
        axis = (end, size, f"{quantity[0]}, {spelling}" if name == panels[-1] else "")
        chart = panel([row for row in rows if row.panel == name], colours, axis, tick)
        if name:
            chart = chart.properties(
                title=alt.TitleParams(name, anchor="start", frame="group", fontSize=13, offset=3)
            )
        drawn.append(chart)
    return alt.vconcat(*drawn, spacing=10, title=heading(*title, WIDTH + 100))
