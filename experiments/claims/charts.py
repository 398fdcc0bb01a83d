"""The charts behind the claims, drawn alike: lines over an axis of numbers, bars over names."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.claims.claim import Claim, Picture
from resnets.drawing import palette
from resnets.drawing.chart import Chart, drawn
from resnets.drawing.chart import write as write_charts

_WIDTH, _HEIGHT, _BAR = 560, 300, 22


def picture(of: Picture, heading: str) -> Chart:
    """Draw one."""
    named = any(isinstance(x, str) for _, x, _ in of.points)
    import altair as alt

    chart = _bars(of) if named else _lines(of)
    title = alt.TitleParams(of.title, subtitle=heading, fontSize=16, anchor="start", offset=12)
    return drawn(chart.properties(title=title), of.name, of.title)


def _rows(of: Picture) -> list[dict[str, Any]]:
    return [{"series": series or " ", "x": x, "y": y} for series, x, y in of.points]


def _colour(names: Sequence[str]) -> Any:
    import altair as alt

    legend = alt.Legend(title=None, orient="top", columns=3, symbolType="circle")
    return alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(names), range=palette.categories(len(names))),
        legend=legend if len(names) > 1 else None,
    )


def _lines(of: Picture) -> Any:
    """Lines, or points with their names where each series is one point."""
    import altair as alt

    rows = _rows(of)
    names = list(dict.fromkeys(row["series"] for row in rows))
    single = len(names) == len(rows)
    if single:
        _choose_sides(rows, of.log)
    log = alt.Scale(type="log", nice=False, padding=20)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        alt.X("x:Q", title=of.x, scale=log if of.log else alt.Scale(zero=False, nice=False)),
        alt.Y("y:Q", title=of.y, scale=log if of.log else alt.Undefined),
    )
    if single:
        points = base.mark_point(filled=True, size=50, color=palette.BLUE, opacity=1)
        label = base.encode(text="series:N").transform_filter
        right = label("!datum.left").mark_text(align="left", dx=7, color=palette.TEXT)
        left = label("datum.left").mark_text(align="right", dx=-7, color=palette.TEXT)
        return alt.layer(points, right, left).properties(width=_WIDTH, height=1.5 * _HEIGHT)
    coloured = base.encode(_colour(names))
    points = coloured.mark_point(filled=True, size=40, opacity=1)
    return alt.layer(coloured.mark_line(), points).properties(width=_WIDTH, height=_HEIGHT)


def _choose_sides(rows: list[dict[str, Any]], log: bool) -> None:
    """Put a name left of its point where another point is close on the right."""
    axes = [[math.log(row[axis]) if log else row[axis] for row in rows] for axis in "xy"]
    places = []
    for values in axes:
        low, high = min(values), max(values)
        places.append([(value - low) / (high - low or 1.0) for value in values])
    for row, x, y in zip(rows, *places, strict=True):
        row["left"] = any(
            0 < other - x < 0.15 and abs(height - y) < 0.05
            for other, height in zip(*places, strict=True)
        )


def _bars(of: Picture) -> Any:
    import altair as alt

    rows = _rows(of)
    names = list(dict.fromkeys(row["series"] for row in rows))
    places = list(dict.fromkeys(row["x"] for row in rows))
    y = alt.Y(
        "x:N",
        title=None,
        sort=places,
        scale=alt.Scale(paddingInner=0.25),
        axis=alt.Axis(labelLimit=0, ticks=False, domain=False, labelPadding=6),
    )
    x = alt.X("y:Q", title=of.y, axis=alt.Axis(grid=True))
    bars = alt.Chart(alt.InlineData(values=rows)).mark_bar().encode(x, y, _colour(names))
    if len(names) > 1:
        bars = bars.encode(yOffset=alt.YOffset("series:N", sort=names))
    return bars.properties(width=_WIDTH, height=_BAR * len(places) * len(names))


def effects(claims: Sequence[Claim]) -> Chart | None:
    """Every effect that a verdict rests on, in units of its spread, with its 95 % interval."""
    rows: list[dict[str, Any]] = []
    for claim in claims:
        for effect in claim.finding.effects:
            spread = effect.paired.std
            if not spread:
                continue
            low, high = (end / spread for end in effect.ends)
            rows.append(
                {
                    "what": f"{claim.id}  {effect.what}",
                    "mean": effect.mean / spread,
                    "low": low,
                    "high": high,
                    "verdict": claim.finding.verdict,
                }
            )
    if not rows:
        return None
    import altair as alt

    names = list(dict.fromkeys(row["verdict"] for row in rows))
    y = alt.Y(
        "what:N",
        title=None,
        sort=[row["what"] for row in rows],
        axis=alt.Axis(labelLimit=0, ticks=False, domain=False, labelPadding=6),
    )
    # symlog: effects of one spread and of a hundred share the axis
    scale = alt.Scale(type="symlog", constant=2)
    x = alt.X(
        "mean:Q",
        title="Mean over standard deviation (symmetric log axis)",
        scale=scale,
        axis=alt.Axis(tickCount=6, grid=True),
    )
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=names, range=palette.categories(len(names))),
        legend=alt.Legend(title=None, orient="top"),
    )
    base = alt.Chart(alt.InlineData(values=rows))
    zero = alt.Chart(alt.InlineData(values=[{"mean": 0}])).mark_rule(color=palette.AXIS).encode(x)
    bars = base.mark_rule(strokeWidth=2).encode(alt.X("low:Q", scale=scale), y, colour, x2="high:Q")
    points = base.mark_point(filled=True, size=60).encode(x, y, colour)
    title = alt.TitleParams(
        "Differences by seed that the claims say are above zero",
        subtitle="Mean and 95 % interval, over the standard deviation of the seeds",
        fontSize=16,
        anchor="start",
        offset=12,
    )
    chart = alt.layer(zero, bars, points, width=_WIDTH, height=alt.Step(_BAR), title=title)
    return drawn(chart, "effects", "differences behind the verdicts")


def write(claims: Iterable[Claim], folder: Path) -> int:
    """Write the charts of claims as SVG and PNG; return how many.

    Raises:
      RunError: one cannot be written.
    """
    claims = list(claims)
    found = [
        picture(of, f"{claim.id}: {claim.finding.verdict}")
        for claim in claims
        for of in claim.finding.charts
    ]
    together = effects(claims)
    write_charts([*found, *([together] if together else [])], folder)
    return len(found) + bool(together)
