"""The form of a bubble chart: a share against a logarithmic cost, areas for a third quantity."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.drawing import palette
from resnets.drawing.labels import GAP, Mark, leader, placed

WIDTH, HEIGHT = 940, 520
"""Pixels of what the axes enclose."""

LARGEST = 3200.0
"""Area of the largest bubble, square pixels."""

FONT, LINE = 11, 12
_LETTER = 6.1
"""Font size, height of a line, width of a letter, pixels."""

POINTS, LABELS, LEADERS, FRONT = "points", "labels", "leaders", "front"
"""The data sets that the chart names."""


@dataclass(frozen=True)
class Bubble:
    """One mark.

    Attributes:
      name: written beside it where there is room.
      group: its colour's.
      x: above zero.
      y: a share in percent.
      size: its area; at least zero.
      low: end of an interval of y; None for none.
      high: its other end.
    """

    name: str
    group: str
    x: float
    y: float
    size: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Frame:
    """The ends of both axes, and the size that the largest area stands for."""

    left: float
    right: float
    bottom: float
    top: float
    largest: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels from the upper left corner."""
        return (
            WIDTH * math.log(x / self.left) / math.log(self.right / self.left),
            HEIGHT * (self.top - y) / (self.top - self.bottom),
        )

    def values(self, across: float, down: float) -> tuple[float, float]:
        """What stands at a place."""
        return (
            self.left * (self.right / self.left) ** (across / WIDTH),
            self.top - (self.top - self.bottom) * down / HEIGHT,
        )

    def radius(self, size: float) -> float:
        """Pixels."""
        return math.sqrt(LARGEST * size / self.largest / math.pi)


def frame(bubbles: Sequence[Bubble]) -> Frame:
    """Axes that hold all bubbles, with room around them."""
    xs = [bubble.x for bubble in bubbles]
    ends = [y for b in bubbles for y in (b.y, b.low, b.high) if y is not None]
    room = 0.12 * (max(ends) - min(ends)) or 1.0
    wide = max(1.5, (max(xs) / min(xs)) ** 0.08)
    largest = max(bubble.size for bubble in bubbles) or 1.0
    bottom, top = max(0.0, min(ends) - room), min(100.0, max(ends) + room)
    return Frame(min(xs) / wide, max(xs) * wide, bottom, top, largest)


def rows(bubbles: Sequence[Bubble], front: Sequence[Bubble]) -> dict[str, list[dict[str, Any]]]:
    """The chart's data sets: bubbles from large to small, names that have room, the front."""
    axes = frame(bubbles)
    ordered = sorted(bubbles, key=lambda bubble: -bubble.size)
    fields = ("name", "group", "x", "y", "size", "low", "high")
    points = [{field: getattr(bubble, field) for field in fields} for bubble in ordered]
    first = sorted(ordered, key=lambda bubble: bubble not in front)
    marks = [Mark(*axes.place(b.x, b.y), axes.radius(b.size), _LETTER * len(b.name)) for b in first]
    names, leaders = [], []
    centres = placed(marks, LINE, WIDTH, HEIGHT, _steps(axes, front))
    for bubble, mark, centre in zip(first, marks, centres, strict=True):
        if centre:
            x, y = axes.values(*centre)
            names.append({"name": bubble.name, "group": bubble.group, "x": x, "y": y})
            leaders += _leader(axes, bubble, mark, centre)
    line = [{"x": bubble.x, "y": bubble.y} for bubble in front]
    return {POINTS: points, LABELS: names, LEADERS: leaders, FRONT: line}


def _leader(
    axes: Frame, bubble: Bubble, mark: Mark, centre: tuple[float, float]
) -> list[dict[str, Any]]:
    """The line to a name that does not stand beside its bubble."""
    across, half = mark.width / 2, LINE / 2
    box = (centre[0] - across, centre[1] - half, centre[0] + across, centre[1] + half)
    start, end = leader(mark, box)
    if math.dist(start, end) <= mark.radius + 2 * GAP:
        return []
    (x, y), (to_x, to_y) = axes.values(*start), axes.values(*end)
    return [{"group": bubble.group, "x": x, "y": y, "x2": to_x, "y2": to_y}]


def _steps(axes: Frame, front: Sequence[Bubble]) -> list[tuple[float, float, float, float]]:
    """Boxes about the pieces of the line through the front."""
    corners = [axes.place(bubble.x, bubble.y) for bubble in front]
    boxes = []
    for (x, y), (right, top) in itertools.pairwise(corners):
        boxes += [(x, y - 1, right, y + 1), (right - 1, top, right + 1, y)]
    return boxes


def sizes(bubbles: Sequence[Bubble]) -> list[tuple[float, float]]:
    """Round sizes for a legend with their radii in pixels: about the largest, a third, a tenth."""
    axes = frame(bubbles)
    rounded = []
    for part in (0.1, 0.3, 1.0):
        value = axes.largest * part
        step = 10.0 ** math.floor(math.log10(value))
        rounded.append(math.floor(value / step + 1e-9) * step)
    return [(value, axes.radius(value)) for value in dict.fromkeys(rounded)]


def chart(bubbles: Sequence[Bubble], colours: Mapping[str, str], titles: Mapping[str, str]) -> Any:
    """An Altair chart without a size that names the data sets of `rows`.

    Args:
      bubbles: at least one.
      colours: of each group, in the order of the legend.
      titles: of `x`, `y`, `size` and `group`.
    """
    import altair as alt

    axes = frame(bubbles)
    ticks = [m * 10.0**p for p in range(-9, 6) for m in (1, 2, 5)]
    shown = [tick for tick in ticks if axes.left <= tick <= axes.right]
    x = alt.X(
        "x:Q",
        title=titles["x"],
        scale=alt.Scale(type="log", domain=[axes.left, axes.right], nice=False),
        axis=alt.Axis(values=shown, format="~g", grid=True, gridOpacity=0.6),
    )
    scale = alt.Scale(domain=[axes.bottom, axes.top], nice=False, zero=False)
    y = alt.Y("y:Q", title=titles["y"], scale=scale, axis=alt.Axis(tickCount=8, gridOpacity=0.6))
    legend: dict[str, Any] = {"orient": "top", "direction": "horizontal", "offset": 4}
    colour = alt.Color(
        "group:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(title=titles["group"], symbolSize=130, columns=9, **legend),
    )
    size = alt.Size(
        "size:Q",
        scale=alt.Scale(domain=[0, axes.largest], range=[0, LARGEST]),
        legend=alt.Legend(
            title=titles["size"],
            values=[value for value, _ in sizes(bubbles)],
            format="~s",
            symbolFillColor="transparent",
            symbolStrokeColor=palette.TEXT,
            **legend,
        ),
    )
    points = alt.Chart(alt.NamedData(POINTS))
    base = points.encode(x, y, color=colour, size=size)
    filled = base.mark_circle(opacity=0.62, stroke="white", strokeWidth=0.8)
    leads = alt.Chart(alt.NamedData(LEADERS)).mark_rule(color=palette.TEXT, strokeWidth=0.7)
    reach = points.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6)
    intervals = reach.encode(x, alt.Y("low:Q", scale=scale, title=titles["y"]), y2="high")
    line = alt.Chart(alt.NamedData(FRONT)).mark_line(
        color=palette.AXIS, strokeWidth=1.3, strokeDash=[4, 3], interpolate="step-after"
    )
    names = alt.Chart(alt.NamedData(LABELS)).mark_text(fontSize=FONT, color=palette.TEXT)
    return alt.layer(
        line.encode(x, y),
        filled,
        leads.encode(x, y, x2="x2", y2="y2"),
        intervals.encode(color=colour),
        names.encode(x, y, text="name:N"),
    )
