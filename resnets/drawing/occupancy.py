"""The form of a memory over time: what it holds under its capacity, what it moves beneath."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnets.drawing import palette
from resnets.drawing.axes import prefixed, spread
from resnets.drawing.heading import heading

WIDTH, HEIGHT, BELOW = 640, 260, 90
"""Pixels of both panels, and of the lower one's height."""

COLOURS = (palette.VERMILION, palette.PINK, palette.GREEN)
_BAND = "#f3e3b3"


@dataclass(frozen=True)
class Filling:
    """What a memory holds.

    Attributes:
      times: when each step begins, and when the last ends; seconds.
      held: bytes during each step.
      moved: bytes that each step moves for want of room, by kind.
      capacity: bytes; may be infinite.
      workspace: bytes of it that are kept free of tensors.
      spans: name, begin and end of each part of the time, where there are several; seconds.
    """

    times: Sequence[float]
    held: Sequence[int]
    moved: Mapping[str, Sequence[int]]
    capacity: float
    workspace: float
    spans: Sequence[tuple[str, float, float]] = ()


@dataclass(frozen=True)
class _Scale:
    """Sizes of the units in which seconds and bytes are drawn, and their spelling."""

    second: float
    seconds: str
    byte: float
    bytes: str
    end: float

    def x(self, title: bool) -> dict[str, Any]:
        import altair as alt

        return {
            "title": f"time by the estimate, {self.seconds}" if title else None,
            "scale": alt.Scale(domain=[0, self.end / self.second], nice=False),
            "axis": alt.Axis(labels=title, ticks=title, tickCount=8),
        }


def _scale(filling: Filling) -> _Scale:
    end = filling.times[-1] or 1.0
    highest = max(filling.held, default=0)
    if not math.isinf(filling.capacity):
        highest = max(highest, int(filling.capacity))
    binary = not math.isinf(filling.capacity) and filling.capacity % 1024 == 0
    second, seconds = prefixed(end, "s")
    byte, bytes_ = prefixed(highest, "B", binary)
    return _Scale(second, seconds, byte, bytes_, end)


def _held(filling: Filling, scale: _Scale, title: bool) -> Any:
    """The area; its axis reaches just above the capacity."""
    import altair as alt

    held = [*filling.held, filling.held[-1]]
    rows = [
        {"x": time / scale.second, "y": size / scale.byte}
        for time, size in zip(filling.times, held, strict=True)
    ]
    top = max(held) if math.isinf(filling.capacity) else filling.capacity
    y = alt.Y(
        "y:Q",
        title=f"held, {scale.bytes}",
        scale=alt.Scale(domain=[0, 1.06 * top / scale.byte or 1.0], nice=False),
        axis=alt.Axis(minExtent=38, tickCount=6),
        stack=None,  # steps that take no time stand in one place: they are not to be added up
    )
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_area(
            interpolate="step-after",
            color=palette.SKY,
            opacity=0.75,
            line={"color": palette.BLUE, "strokeWidth": 1},
        )
        .encode(alt.X("x:Q", **scale.x(title)), y)
    )


def _limits(filling: Filling, scale: _Scale) -> list[Any]:
    """The capacity and the workspace, labelled at the right."""
    import altair as alt

    if math.isinf(filling.capacity):
        return []
    top, band = filling.capacity / scale.byte, filling.workspace / scale.byte
    lines: list[dict[str, Any]] = [{"y": top, "text": f"capacity {top:.4g} {scale.bytes}"}]
    marks = []
    if band:
        lines.append({"y": top - band / 2, "text": f"tiles {band:.4g} {scale.bytes}"})
        area = alt.Chart(alt.InlineData(values=[{"y": top - band, "y2": top}]))
        marks.append(
            area.mark_rect(color=_BAND).encode(
                x=alt.value(0), x2=alt.value(WIDTH), y="y:Q", y2="y2:Q"
            )
        )
    pixel = HEIGHT / (1.06 * top)
    wanted = [HEIGHT - line["y"] * pixel for line in lines]
    places = spread(wanted, [16.0] * len(lines), 0.0, float(HEIGHT))
    rows = [
        line | {"at": (HEIGHT - place) / pixel} for line, place in zip(lines, places, strict=True)
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    marks += [
        alt.Chart(alt.InlineData(values=rows[:1]))
        .mark_rule(color=palette.TEXT, strokeWidth=1.5)
        .encode(x=alt.value(0), x2=alt.value(WIDTH), y="y:Q"),
        base.mark_rule(color=palette.AXIS).encode(
            x=alt.value(WIDTH), x2=alt.value(WIDTH + 8), y="y:Q", y2="at:Q"
        ),
        base.mark_text(color=palette.TEXT, align="left", baseline="middle", fontSize=12).encode(
            x=alt.value(WIDTH + 12), y="at:Q", text="text:N"
        ),
    ]
    return marks


def _spans(filling: Filling, scale: _Scale) -> list[Any]:
    """A line where a part of the time begins, and its name above, where there is room."""
    import altair as alt

    rows = [
        {"x": begin / scale.second, "text": name}
        for name, begin, end in filling.spans
        if (end - begin) / scale.end * WIDTH > 7 * len(name) + 12
    ]
    if not rows:
        return []
    base = alt.Chart(alt.InlineData(values=rows))
    text: dict[str, Any] = {
        "align": "left",
        "baseline": "bottom",
        "dx": 3,
        "dy": -2,
        "fontSize": 12,
    }
    return [
        base.mark_rule(color=palette.AXIS, strokeDash=[3, 3]).encode(
            x="x:Q", y=alt.value(-14), y2=alt.value(HEIGHT)
        ),
        base.mark_text(**text, color=palette.TEXT).encode(x="x:Q", y=alt.value(0), text="text:N"),
    ]


def _moved(filling: Filling, scale: _Scale) -> Any:
    """Stacked columns as wide as the steps take."""
    import altair as alt

    kinds = [kind for kind, sizes in filling.moved.items() if any(sizes)]
    stacked = list(itertools.accumulate(zip(*filling.moved.values(), strict=True), lambda _, s: s))
    byte, spelling = prefixed(max(sum(sizes) for sizes in stacked), "B", "i" in scale.bytes)
    rows = []
    base = [0] * len(stacked)
    for kind in kinds:
        tops = [low + size for low, size in zip(base, filling.moved[kind], strict=True)]
        rows += [
            {"x": time / scale.second, "y": low / byte, "y2": high / byte, "kind": kind}
            for time, low, high in zip(
                filling.times, [*base, base[-1]], [*tops, tops[-1]], strict=True
            )
        ]
        base = tops
    colours = dict(zip(filling.moved, COLOURS, strict=False))
    return (
        alt.Chart(alt.InlineData(values=rows), width=WIDTH, height=BELOW)
        .mark_area(interpolate="step-after")
        .encode(
            alt.X("x:Q", **scale.x(title=True)),
            alt.Y(
                "y:Q",
                title=f"moved, {spelling}",
                scale=alt.Scale(domainMin=0),
                axis=alt.Axis(minExtent=38, tickCount=4),
            ),
            y2="y2:Q",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=[colours[kind] for kind in kinds]),
                legend=alt.Legend(
                    title="for want of room, by each step",
                    orient="top",
                    direction="horizontal",
                    symbolType="square",
                    offset=6,
                ),
            ),
        )
    )


def over_time(filling: Filling, title: tuple[str, str]) -> Any:
    """Draw a memory over time; `title` and subtitle."""
    import altair as alt

    scale = _scale(filling)
    moves = any(any(sizes) for sizes in filling.moved.values())
    marks = [
        *_limits(filling, scale),
        _held(filling, scale, title=not moves),
        *_spans(filling, scale),
    ]
    panels = [alt.layer(*marks, width=WIDTH, height=HEIGHT)]
    if moves:
        panels.append(_moved(filling, scale))
    whole = alt.vconcat(*panels, spacing=14, title=heading(*title, WIDTH + 100))
    return whole.resolve_scale(color="independent")
