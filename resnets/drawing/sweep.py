"""The form of a sweep: a line over one setting, a heat map over two."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from resnets.drawing import palette
from resnets.drawing.axes import powers, prefixed
from resnets.drawing.chart import Chart, drawn
from resnets.drawing.heading import heading
from resnets.errors import UserError

Row = Mapping[str, Any]

WIDTH, HEIGHT = 560, 320
_CELLS = 20
"""Columns of a heat map beyond which its cells carry no numbers."""

_UNITS = {"s": "s", "bytes": "B", "j": "J"}
_FRONT = "Pareto front"


def geometric(values: Sequence[float]) -> bool:
    """Whether at least three values above zero grow by about the same factor."""
    if len(values) < 3 or min(values) <= 0:
        return False
    ordered = sorted(set(values))
    steps = [math.log(b / a) for a, b in itertools.pairwise(ordered)]
    return len(steps) > 1 and max(steps) - min(steps) < 0.02 * max(steps)


def sweep(
    rows: Sequence[Row], key: str | Sequence[str], metric: str = "time_s", of: str = ""
) -> Chart:
    """Draw a metric against what was varied.

    Args:
      rows: one for each setting; those with `pareto` true are marked, those whose metric is None or
        infinite are left out and counted in the caption.
      key: the varied setting's name in the rows, or two of them.
      metric: its name in the rows, with the unit at the end: `time_s`, `traffic_bytes`, `energy_j`.
      of: what was projected: network, batch, precision, machine.

    Raises:
      UserError: no row has a number, some lack a key, or there are more than two keys.
    """
    keys = [key] if isinstance(key, str) else list(key)
    if len(keys) not in (1, 2):
        raise UserError(f"a sweep is drawn over one setting or two, not {len(keys)}")
    if missing := [one for one in keys if any(one not in row for row in rows)]:
        raise UserError(f"some rows have no {missing[0]!r}")
    known = [
        row for row in rows if math.isfinite(math.nan if row.get(metric) is None else row[metric])
    ]
    if not known:
        raise UserError(f"no row has a number for {metric!r}: there is nothing to draw")
    name, _, ending = metric.rpartition("_")
    unit = _UNITS.get(ending)
    size, spelling = prefixed(max(abs(row[metric]) for row in known), unit) if unit else (1.0, "")
    title = f"{name}, {spelling}" if unit else metric
    table: list[dict[str, Any]] = [
        {
            **{f"key{n}": row[one] for n, one in enumerate(keys)},
            "value": row[metric] / size,
            "mark": _FRONT if row.get("pareto") else "",
        }
        for row in known
    ]
    chart = _line(table, keys[0], title) if len(keys) == 1 else _map(table, keys, title)
    caption = f"{(name if unit else metric).capitalize()} against {' and '.join(keys)}"
    caption += "; the Pareto front is ringed." if _front(table) else "."
    if len(known) < len(rows):
        caption += f" {len(rows) - len(known)} of {len(rows)} settings have none and are left out."
    columns = len({row["key0"] for row in table})
    wide = WIDTH if len(keys) == 1 else max(300, columns * _side(columns))
    note = f" Framed: {_FRONT}." if len(keys) == 2 and _front(table) else ""
    least = min(known, key=lambda row: row[metric])
    where = ", ".join(f"{one} = {_short(least[one])}" for one in keys)
    low, high = (end(row["value"] for row in table) for end in (min, max))
    finding = f"{(name if unit else metric).capitalize()} is {low:.3g} to {high:.3g} {spelling}"
    finding = f"{finding.rstrip()}, least at {where}"
    words = f"{of}{'. ' * bool(of)}{caption}{note}"
    return drawn(chart.properties(title=heading(finding, words, wide)), "sweep", caption)


def _front(table: Sequence[Row]) -> bool:
    return any(row["mark"] for row in table)


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _short(value: Any) -> str:
    """A setting as an axis writes it: `512`, `64Ki`, `0.5`.

    >>> _short(1e9)
    '1G'
    """
    if not _numbers([value]):
        return str(value)
    binary = value >= 1024 and value % 1024 == 0 and value % 1000 != 0
    size, prefix = prefixed(abs(value), "", binary) if binary or abs(value) >= 1e4 else (1.0, "")
    return f"{value / size:.6g}{prefix}"


def _line(table: Sequence[dict[str, Any]], key: str, title: str) -> Any:
    import altair as alt

    values = [row["key0"] for row in table]
    results = [row["value"] for row in table]
    wide = min(results) > 0 and max(results) > 30 * min(results)
    if _numbers(values):
        kind: Any = "log" if geometric(values) else "linear"
        plain = "abs(datum.value) < 1e4 ? format(datum.value, '~') : format(datum.value, '~s')"
        ends = [min(values), max(values)]
        scale = alt.Scale(type=kind, domain=ends, nice=False, zero=False, padding=14)
        axis = alt.Axis(labelExpr=plain, tickCount=8)
        if kind == "log":
            ticks = sorted(set(values))
            names = json.dumps([_short(tick) for tick in ticks])
            lookup = f"{names}[indexof({json.dumps(ticks)}, datum.value)]"
            axis = alt.Axis(values=ticks, labelExpr=lookup, labelOverlap=True)
        x = alt.X("key0:Q", title=key, scale=scale, axis=axis)
    else:
        x = alt.X("key0:N", title=key, sort=None, axis=alt.Axis(labelAngle=0))
    if wide:
        ends = [min(results) / 1.3, max(results) * 1.3]
        y_scale = alt.Scale(type="log", domain=ends, nice=False)
        y_axis = alt.Axis(values=_ticks(*ends), format="~r")
    else:
        y_scale, y_axis = alt.Scale(zero=True, nice=True), alt.Axis(tickCount=6)
    y = alt.Y("value:Q", title=title, scale=y_scale, axis=y_axis)
    base = alt.Chart(alt.InlineData(values=list(table)), width=WIDTH, height=HEIGHT).encode(x, y)
    marks = [
        base.mark_line(color=palette.BLUE, strokeWidth=2),
        base.mark_point(color=palette.BLUE, filled=True, size=50, opacity=1),
    ]
    if _front(table):
        marks.append(_ringed(table, x, y))
    return alt.layer(*marks)


def _ticks(low: float, high: float) -> list[float]:
    """One, two and five times powers of ten; the powers alone if these are many."""
    tens = powers(low / 10, high)
    return [
        t * n for t in tens for n in (1, 2, 5) if low <= t * n <= high and (n == 1 or len(tens) < 5)
    ]


def _ringed(table: Sequence[dict[str, Any]], x: Any, y: Any) -> Any:
    """Rings around the points of the front, and their legend."""
    import altair as alt

    legend = alt.Legend(title=None, orient="top", offset=6, symbolStrokeColor=palette.VERMILION)
    return (
        alt.Chart(alt.InlineData(values=[row for row in table if row["mark"]]))
        .mark_point(size=190, stroke=palette.VERMILION, strokeWidth=2.2, opacity=1)
        .encode(
            x,
            y,
            shape=alt.Shape(
                "mark:N", scale=alt.Scale(domain=[_FRONT], range=["circle"]), legend=legend
            ),
        )
    )


def _map(table: Sequence[dict[str, Any]], keys: Sequence[str], title: str) -> Any:
    """Cells of equal size whatever the values; the darker, the more."""
    import altair as alt

    results = [row["value"] for row in table]
    low, high = min(results), max(results)
    wide = low > 0 and high > 10 * low
    middle = math.sqrt(low * high) if wide else (low + high) / 2
    cells = [
        row
        | {"x": _short(row["key0"]), "y": _short(row["key1"]), "text": f"{row['value']:.3g}"}
        | {"dark": row["value"] > middle}
        for row in table
    ]
    orders = [sorted({row[f"key{n}"] for row in table}, key=_place) for n in (0, 1)]
    columns, lines = ([_short(value) for value in order] for order in orders)
    size = _side(len(columns))
    x = alt.X(
        "x:N",
        title=keys[0],
        scale=alt.Scale(domain=columns),
        axis=alt.Axis(labelAngle=0, labelOverlap=True, labelLimit=0),
    )
    y = alt.Y(
        "y:N", title=keys[1], scale=alt.Scale(domain=lines[::-1]), axis=alt.Axis(labelLimit=0)
    )
    scale = alt.Scale(
        type="log" if wide else "linear",
        domain=[low, high] if high > low else [low, low + (abs(low) or 1.0)],
        range=["#fdf3dc", *palette.ORDERED],
        nice=False,
    )
    legend = alt.Legend(title=title, orient="right", titleOrient="top", format=".3~r")
    base = alt.Chart(
        alt.InlineData(values=cells),
        width=size * len(columns),
        height=min(size, 34) * len(lines),
    ).encode(x, y)
    marks = [base.mark_rect().encode(color=alt.Color("value:Q", scale=scale, legend=legend))]
    if _front(table):
        front = alt.Chart(alt.InlineData(values=[cell for cell in cells if cell["mark"]]))
        marks.append(
            front.mark_rect(
                filled=False, stroke=palette.TEXT, strokeWidth=2.5, strokeJoin="round"
            ).encode(x, y)
        )
    if len(columns) <= _CELLS and size >= 34:
        for dark in (False, True):
            shown = alt.Chart(alt.InlineData(values=[c for c in cells if c["dark"] is dark]))
            ink = "white" if dark else palette.TEXT
            marks.append(shown.mark_text(color=ink, fontSize=11).encode(x, y, text="text:N"))
    return alt.layer(*marks)


def _side(columns: int) -> int:
    """Width of a map's cells, pixels."""
    return max(18, min(64, 720 // columns))


def _place(value: Any) -> tuple[bool, Any]:
    """Numbers in their order, then words in theirs."""
    return not _numbers([value]), value if _numbers([value]) else str(value)
