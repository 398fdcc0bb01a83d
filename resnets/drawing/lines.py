"""The form of lines in panels: a value along a series of places, a colour and mark a series."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from resnets.drawing import palette
from resnets.drawing.heading import GAP, WIDTH, titled, together
from resnets.drawing.symbols import dashes, shapes

HEIGHT = 250
"""Pixels of a panel."""


@dataclass(frozen=True)
class Point:
    """One value.

    Attributes:
      series: it belongs to.
      x: place.
      y: value.
      low: lower end of what it stands for; with `high` a band.
      high: upper end.
    """

    series: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
      title: what tells it from the panels beside it.
      x: title of the horizontal axis, with its unit.
      y: title of the vertical axis, with its unit.
      points: the values.
      ends: of the vertical axis; None for what the values need.
      log: whether the vertical axis is logarithmic.
      levels: heights of dashed lines, by series.
      marks: places of vertical lines and what they say.
      joined: whether lines join the points of a series.
      log_x: whether places grow by factors.
    """

    title: str
    x: str
    y: str
    points: Sequence[Point]
    ends: tuple[float, float] | None = None
    log: bool = False
    levels: Sequence[tuple[str, float]] = ()
    marks: Sequence[tuple[float, str]] = field(default=())
    joined: bool = True
    log_x: bool = False


_TICKS = 6
"""Of a vertical axis, about; it ends at one, so that titles side by side stand alike."""


def _looks(series: Sequence[str], sharing: int) -> dict[str, Any]:
    import altair as alt

    def scale(values: Sequence[Any]) -> Any:
        return alt.Scale(domain=list(series), range=list(values))

    count = len(series)
    colours = [c for c in palette.categories(-(-count // sharing)) for _ in range(sharing)][:count]
    legend = None
    if count > 1:
        legend = alt.Legend(
            orient="top",
            direction="horizontal",
            title=None,
            columns=6,
            symbolSize=90,
            symbolStrokeWidth=0,
            labelLimit=0,
        )
    return {
        "color": alt.Color("series:N", scale=scale(colours), legend=legend),
        "shape": alt.Shape("series:N", scale=scale(shapes(count)), legend=legend),
        "strokeDash": alt.StrokeDash("series:N", scale=scale(dashes(count)), legend=None),
    }


def _vertical(panel: Panel) -> Any:
    import altair as alt

    scale: dict[str, Any] = {"type": "log"} if panel.log else {"zero": True, "nice": _TICKS}
    if panel.ends:
        scale |= {"domain": list(panel.ends), "nice": False, "clamp": True}
    axis = alt.Axis(tickCount=_TICKS, format="~e" if panel.log else alt.Undefined)
    return alt.Y("y:Q", title=panel.y, scale=alt.Scale(**scale), axis=axis)


def _horizontal(panel: Panel) -> Any:
    import altair as alt

    places = sorted({point.x for point in panel.points})
    if panel.log_x:
        scale = alt.Scale(
            type="log", base=2, nice=False, domain=[places[0] * 0.9, places[-1] * 1.1]
        )
        return alt.X("x:Q", title=panel.x, scale=scale, axis=alt.Axis(values=places))
    margin = 0.02 * (places[-1] - places[0]) or 0.5
    low = min(places[0] - margin, *(place for place, _ in panel.marks), places[0])
    scale = alt.Scale(nice=False, zero=False, domain=[low, places[-1] + margin])
    return alt.X("x:Q", title=panel.x, scale=scale, axis=alt.Axis(tickCount=8, tickMinStep=1))


def _drawn(panel: Panel, looks: dict[str, Any], width: int) -> Any:
    import altair as alt

    x, y = _horizontal(panel), _vertical(panel)
    rows = [vars(point) for point in panel.points]
    base = alt.Chart(alt.InlineData(values=rows)).encode(x, y, color=looks["color"])
    layers = []
    if panel.marks:
        layers += _marks(panel, x)
    if any(point.low is not None for point in panel.points):
        band = alt.Y("low:Q", title=panel.y, scale=y["scale"], axis=y["axis"])
        layers.append(
            base.transform_filter("isValid(datum.low)")
            .mark_area(opacity=0.15)
            .encode(x, band, y2="high")
        )
    if panel.levels:
        rules = [{"series": name, "y": height} for name, height in panel.levels]
        layers.append(
            alt.Chart(alt.InlineData(values=rules))
            .mark_rule(strokeDash=[3, 3], strokeWidth=1.3)
            .encode(y, color=looks["color"])
        )
    if panel.joined:
        layers.append(base.mark_line(strokeWidth=1.5).encode(strokeDash=looks["strokeDash"]))
    size = 42 if len({point.x for point in panel.points}) <= 30 else 18
    layers.append(base.mark_point(filled=True, size=size, opacity=1).encode(shape=looks["shape"]))
    return titled(alt.layer(*layers), panel.title, width=width, height=HEIGHT)


def _marks(panel: Panel, x: Any) -> list[Any]:
    """Thin vertical lines that say what begins there."""
    import altair as alt

    rows = [{"x": place, "text": text} for place, text in panel.marks]
    base = alt.Chart(alt.InlineData(values=rows)).encode(x)
    words = base.mark_text(
        align="left", baseline="top", dx=3, fontSize=11, color=palette.GREY, fontStyle="italic"
    ).encode(text="text:N", y=alt.value(0))
    return [base.mark_rule(color=palette.AXIS, strokeWidth=1, strokeDash=[2, 3]), words]


def lines(
    panels: Sequence[Panel],
    series: Sequence[str],
    title: str,
    caption: str,
    columns: int = 2,
    sharing: int = 1,
) -> Any:
    """Draw panels side by side, with one legend.

    Args:
      panels: those that have points.
      series: the order of the legend.
      title: the finding, or the question.
      caption: what is drawn, of how many.
      columns: panels in a row.
      sharing: so many neighbours in `series` have one colour, and marks and dashes of their own.
    """
    columns = min(columns, len(panels))
    width = (WIDTH - GAP * (columns - 1)) // columns
    looks = _looks(series, sharing)
    drawn = [_drawn(panel, looks, width) for panel in panels]
    whole = together(drawn, columns, title, caption)
    return whole.resolve_scale(color="shared", shape="shared")
