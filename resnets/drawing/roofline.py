"""The form of a roofline: dots under sloped and level roofs, both axes logarithmic."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.drawing import palette
from resnets.drawing.axes import powers, spread
from resnets.drawing.heading import heading

WIDTH, HEIGHT = 640, 400
ROW = 15
"""Pixels that a line of a label takes."""

NORMAL, NO_BYTES, NO_WORK = "circle", "triangle-right", "triangle-down"
"""Marks; what the axes have no place for stands at their ends."""


@dataclass(frozen=True)
class Dot:
    """One layer.

    Attributes:
      name: it.
      kind: its colour's.
      intensity: operations a byte; infinite without traffic, 0 without operations.
      reached: operations a second.
      share: of the whole time, 0 to 1.
    """

    name: str
    kind: str
    intensity: float
    reached: float
    share: float

    @property
    def mark(self) -> str:
        """How it is drawn."""
        if not self.reached:
            return NO_WORK
        return NO_BYTES if math.isinf(self.intensity) else NORMAL


@dataclass(frozen=True)
class Roof:
    """A limit.

    Attributes:
      label: lines of text.
      rate: operations a second; bytes a second of a sloped one.
    """

    label: tuple[str, ...]
    rate: float


@dataclass(frozen=True)
class _Frame:
    """The ends of both axes, the level at which slopes end, and whose traffic `x` counts."""

    left: float
    right: float
    bottom: float
    top: float
    level: float
    memory: str

    def y(self, value: float) -> float:
        return HEIGHT * math.log(self.top / value) / math.log(self.top / self.bottom)

    def place(self, dot: Dot) -> tuple[float, float]:
        ends = {NO_WORK: self.left, NO_BYTES: self.right}
        return ends.get(dot.mark, dot.intensity), dot.reached or self.bottom

    def value(self, y: float) -> float:
        return float(self.top * (self.bottom / self.top) ** (y / HEIGHT))


def _frame(
    dots: Sequence[Dot], slopes: Sequence[Roof], levels: Sequence[Roof], memory: str
) -> _Frame:
    inside = [dot for dot in dots if dot.mark == NORMAL]
    rates = [roof.rate for roof in levels] + [dot.reached for dot in dots if dot.reached]
    level = max(rates, default=1.0)
    bottom = min(rates, default=level) / 3
    ridges = [level / roof.rate for roof in slopes]
    places = [dot.intensity for dot in inside] + ridges
    left = min(places, default=1.0) / 3
    right = max(places, default=1.0) * 8
    # The labels of slopes end at their ridges and need room to the left.
    while ridges and math.log(min(ridges) / left) / math.log(right / left) < 0.27:
        left /= 2
    head = ROW * (len(slopes) + 1)
    top = level * (level / bottom) ** (head / (HEIGHT - head))
    return _Frame(left, right, bottom, top, level, memory)


def places(
    dots: Sequence[Dot], slopes: Sequence[Roof], levels: Sequence[Roof], memory: str
) -> list[tuple[float, float]]:
    """Where each dot stands on both axes, those without traffic or work at the ends."""
    frame = _frame(dots, slopes, levels, memory)
    return [frame.place(dot) for dot in dots]


def _lines(frame: _Frame, slopes: Sequence[Roof], levels: Sequence[Roof]) -> list[dict[str, Any]]:
    """The roofs: from, to."""
    fastest = max((roof.rate for roof in slopes), default=0.0)
    rows = []
    for roof in slopes:
        start = max(frame.left, frame.bottom / roof.rate)
        ends = (start, start * roof.rate, frame.level / roof.rate, frame.level)
        rows.append(dict(zip(("x", "y", "x2", "y2"), ends, strict=True)))
    for roof in levels:
        start = max(frame.left, roof.rate / fastest) if fastest else frame.left
        rows.append({"x": start, "y": roof.rate, "x2": frame.right, "y2": roof.rate})
    return rows


def _roofs(frame: _Frame, slopes: Sequence[Roof], levels: Sequence[Roof]) -> list[Any]:
    """Lines, and labels at their ends with leaders where these had to move."""
    import altair as alt

    sizes = [float(ROW * len(roof.label) + 4) for roof in levels]
    places = spread([frame.y(roof.rate) for roof in levels], sizes, 0.0, float(HEIGHT))
    right: list[dict[str, Any]] = [
        {"label": list(roof.label), "at": roof.rate, "y": frame.value(place)}
        for roof, place in zip(levels, places, strict=True)
    ]
    above = [
        {
            "label": " ".join(roof.label),
            "x": frame.level / roof.rate,
            "at": frame.level,
            "y": frame.value(frame.y(frame.level) - ROW * (row + 0.6)),
        }
        for row, roof in enumerate(sorted(slopes, key=lambda roof: -roof.rate))
    ]
    lines = alt.Chart(alt.InlineData(values=_lines(frame, slopes, levels)))
    marks = [lines.mark_rule(color=palette.TEXT, strokeWidth=1.5).encode(_x(frame), _y(frame))]
    marks[0] = marks[0].encode(x2="x2:Q", y2="y2:Q")
    thin: dict[str, Any] = {"color": palette.AXIS, "strokeWidth": 1}
    text: dict[str, Any] = {"color": palette.TEXT, "fontSize": 12, "baseline": "middle"}
    if right:
        base = alt.Chart(alt.InlineData(values=right))
        marks.append(
            base.mark_rule(**thin).encode(
                x=alt.value(WIDTH), x2=alt.value(WIDTH + 9), y="at:Q", y2="y:Q"
            )
        )
        for line in range(max(len(roof.label) for roof in levels)):
            some = [r | {"line": r["label"][line]} for r in right if len(r["label"]) > line]
            shift = [ROW * (line - (len(r["label"]) - 1) / 2) for r in some]
            some = [
                r | {"y": frame.value(frame.y(r["y"]) + dy)}
                for r, dy in zip(some, shift, strict=True)
            ]
            marks.append(
                alt.Chart(alt.InlineData(values=some))
                .mark_text(**text, align="left")
                .encode(x=alt.value(WIDTH + 13), y="y:Q", text="line:N")
            )
    if above:
        base = alt.Chart(alt.InlineData(values=above))
        marks.append(base.mark_rule(**thin).encode(x="x:Q", y="at:Q", y2="y:Q"))
        marks.append(
            base.mark_text(**text, align="right", dx=-5).encode(x="x:Q", y="y:Q", text="label:N")
        )
    return marks


def _axis(low: float, high: float, name: str) -> dict[str, Any]:
    import altair as alt

    plain = "datum.value < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"
    return {
        "title": name,
        "scale": alt.Scale(type="log", domain=[low, high], nice=False),
        "axis": alt.Axis(values=powers(low, high), labelExpr=plain, grid=True, gridOpacity=0.6),
    }


def _x(frame: _Frame) -> Any:
    import altair as alt

    name = f"arithmetic intensity, FLOP/byte of {frame.memory} traffic"
    return alt.X("x:Q", **_axis(frame.left, frame.right, name))


def _y(frame: _Frame) -> Any:
    import altair as alt

    return alt.Y("y:Q", **_axis(frame.bottom, frame.top, "reached, FLOP/s"))


def _shares(largest: float) -> list[float]:
    """Round shares for the legend: about the largest, a third and a tenth of it."""
    rounded = []
    for part in (0.1, 0.3, 1.0):
        value = largest * part
        size = 10.0 ** math.floor(math.log10(value))
        rounded.append(round(math.floor(value / size + 1e-9) * size, 9))
    return rounded


def _dots(frame: _Frame, dots: Sequence[Dot], colours: Mapping[str, str]) -> Any:
    import altair as alt

    rows = [
        {
            "name": dot.name,
            "kind": dot.kind,
            "mark": dot.mark,
            "share": dot.share,
            **dict(zip("xy", frame.place(dot), strict=True)),
        }
        for dot in sorted(dots, key=lambda dot: -dot.share)
    ]
    used = [kind for kind in colours if any(dot.kind == kind for dot in dots)]
    meanings = {NO_BYTES: f"no {frame.memory} traffic", NO_WORK: "no operations"}
    edge = [mark for mark in meanings if any(dot.mark == mark for dot in dots)]
    largest = max((dot.share for dot in dots), default=0.0) or 1.0
    flat: dict[str, Any] = {"direction": "horizontal", "offset": 6, "symbolStrokeColor": "white"}
    below = flat | {"orient": "bottom", "symbolFillColor": palette.AXIS}
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, opacity=0.75, stroke="white", strokeWidth=0.7)
        .encode(
            _x(frame),
            _y(frame),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=used, range=[colours[kind] for kind in used]),
                legend=alt.Legend(title="work", columns=5, symbolSize=110, orient="top", **flat),
            ),
            size=alt.Size(
                "share:Q",
                scale=alt.Scale(domain=[0, largest], range=[28, 300]),
                legend=alt.Legend(
                    title="share of time", values=_shares(largest), format=".1~%", **below
                ),
            ),
            shape=alt.Shape(
                "mark:N",
                scale=alt.Scale(domain=[NORMAL, *edge], range=[NORMAL, *edge]),
                legend=alt.Legend(
                    title="at the edge",
                    values=edge,
                    labelExpr=f"({json.dumps(meanings)})[datum.value]",
                    **below,
                )
                if edge
                else None,
            ),
        )
    )


def under_roofs(
    dots: Sequence[Dot],
    slopes: Sequence[Roof],
    levels: Sequence[Roof],
    colours: Mapping[str, str],
    memory: str,
    title: tuple[str, str],
) -> Any:
    """Draw layers under the roofs of a machine.

    Args:
      dots: the layers.
      slopes: memories, bytes a second.
      levels: compute units, operations a second.
      colours: of each kind of work, in the order of the legend.
      memory: whose traffic the intensity counts.
      title: and subtitle.
    """
    import altair as alt

    frame = _frame(dots, slopes, levels, memory)
    marks = [*_roofs(frame, slopes, levels), _dots(frame, dots, colours)]
    head = heading(*title, WIDTH + 100)
    return alt.layer(*marks, width=WIDTH, height=HEIGHT, title=head)
