"""The panels of the charts in Altair's grammar: the page and the files beside it draw the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnets.drawing.symbols import DASHED, SOLID, dashes, shapes
from resnets.reports import palette
from resnets.reports.chart_rows import Row
from resnets.reports.results import Study

if TYPE_CHECKING:
    import altair as alt

SPLIT_NAMES = ("training", "test")
SWITCHED = {field: field for field in ("arm", "depth", "split")}
"""Fields of the rows, and the switch that each answers to."""

BOLD, THIN = 2.6, 1.3
_SYMBOL = {"symbolSize": 90, "symbolStrokeWidth": 0}


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
      title: what tells it from the panels beside it.
      chart: an Altair chart without a size.
      rows: of the data sets that it names.
      switches: fields of its rows, and the switch that each answers to.
      readout: how the page says the values at a place: the data set `rows`, its fields `x` to find
        them by and `at` to point at, a `head`, and `columns` with a row a value of the field `row`.
      log: ends and ticks of a logarithmic error axis, if it can have one.
      keys: `FIELD:VALUE` of the switches with which the whole panel goes.
    """

    title: str
    chart: Any
    rows: Mapping[str, list[Row]]
    switches: Mapping[str, str]
    readout: Mapping[str, Any]
    log: Mapping[str, list[float]] | None
    keys: tuple[str, ...]


def _legend(title: str, **options: Any) -> "alt.Legend":
    import altair as alt

    return alt.Legend(orient="top", direction="horizontal", title=title, columns=6, **options)


def _error_axis(column: str, title: str, top: float) -> "alt.Y":
    import altair as alt

    scale = alt.Scale(domain=[0, top], nice=False, clamp=True)
    return alt.Y(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6))


def depth_legend(study: Study) -> dict[str, Any]:
    """Colour and shape of depths, the legend in their order."""
    import altair as alt

    depths, legend = list(study.depths), _legend("depth, layers", **_SYMBOL)
    colours = alt.Scale(domain=depths, range=palette.depths(len(depths)))
    marks = alt.Scale(domain=depths, range=shapes(len(depths)))
    return {
        "color": alt.Color("depth:O", scale=colours, legend=legend),
        "shape": alt.Shape("depth:O", scale=marks, legend=legend),
    }


def curve_panel(
    study: Study, arm: str, rows: list[Row], ends: tuple[int, float], log: Mapping[str, list[float]]
) -> Panel:
    """One arm's errors by epoch: training thin and dashed, test bold, a colour and mark a depth.

    Args:
      study: whose depths make the legend.
      arm: the arm.
      rows: its rows.
      ends: the last epoch and where the error axis ends, of all arms.
      log: its logarithmic error axis.
    """
    import altair as alt

    encoded = depth_legend(study)
    lines = _legend("error on", symbolType="stroke", symbolSize=400, symbolStrokeColor=palette.TEXT)
    splits = list(SPLIT_NAMES)
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[0, ends[0]], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=6),
    )
    y = _error_axis("mean", "error, %", ends[1])
    name = f"rows-{study.arms.index(arm)}"
    base = alt.Chart(alt.NamedData(name)).encode(x=x, color=encoded["color"], detail="split:N")
    bands = base.mark_area(opacity=0.12).encode(_error_axis("low", "error, %", ends[1]), y2="high")
    strokes = base.mark_line(strokeJoin="round").encode(
        y,
        strokeDash=alt.StrokeDash(
            "split:N",
            scale=alt.Scale(domain=splits, range=[list(DASHED), list(SOLID)]),
            legend=lines,
        ),
        strokeWidth=alt.StrokeWidth(
            "split:N", scale=alt.Scale(domain=splits, range=[THIN, BOLD]), legend=lines
        ),
    )
    marks = base.transform_filter("datum.mark").encode(y, shape=encoded["shape"])
    hollow = marks.transform_filter("datum.split == 'training'").mark_point(
        filled=False, size=34, strokeWidth=1.3, opacity=1
    )
    solid = marks.transform_filter("datum.split == 'test'").mark_point(
        filled=True, size=52, opacity=1
    )
    chart = alt.layer(bands, strokes, hollow, solid)
    columns = [
        {"title": split, "where": {"split": split}, "text": "{mean} %"} for split in SPLIT_NAMES
    ]
    readout = {"rows": name, "x": "epoch", "at": "epoch", "head": "epoch {epoch}", "row": "depth"}
    keys = (f"arm:{arm}",)
    return Panel(arm, chart, {name: rows}, SWITCHED, readout | {"columns": columns}, log, keys)


def _depth_axis(study: Study) -> "alt.X":
    """Depths at even distances; arms stand beside each other at each."""
    import altair as alt

    names = [str(depth) for depth in study.depths]
    scale = alt.Scale(domain=[-0.5, len(names) - 0.5], nice=False)
    axis = alt.Axis(values=list(range(len(names))), labelExpr=f"{names}[datum.value]")
    return alt.X("place:Q", title="depth, layers", scale=scale, axis=axis)


def _by_arm(arms: tuple[str, ...], study: Study) -> dict[str, Any]:
    """Colour, shape and dash of arms; each has what it has in the whole study."""
    import altair as alt

    every, names = list(study.arms), list(arms)

    def only(values: list[Any]) -> "alt.Scale":
        return alt.Scale(domain=names, range=[values[every.index(name)] for name in names])

    legend = _legend("arm", **_SYMBOL) if len(names) > 1 else None
    count = len(every)
    return {
        "color": alt.Color("arm:N", scale=only(palette.arms(count)), legend=legend),
        "shape": alt.Shape("arm:N", scale=only(list(shapes(count))), legend=legend),
        "strokeDash": alt.StrokeDash("arm:N", scale=only(list(dashes(count))), legend=None),
    }


def _with_intervals(study: Study, rows: list[Row], arms: tuple[str, ...], y: "alt.Y") -> list[Any]:
    """A line through the means of each arm, a mark at each and a rule over its interval.

    Where an interval goes on beyond the axis, which ends where its number does, an arrow says so.
    """
    import altair as alt

    encoded = _by_arm(arms, study)
    base = alt.Chart(alt.NamedData(f"rows-{rows[0]['split']}")).encode(
        _depth_axis(study), y, color=encoded["color"]
    )
    lines = base.mark_line(strokeWidth=1.8).encode(strokeDash=encoded["strokeDash"])
    rules = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2.2)
    reach = rules.encode(alt.Y("low:Q", scale=y["scale"], title=y["title"]), y2="high")
    marks = base.mark_point(filled=True, size=85, opacity=1).encode(shape=encoded["shape"])
    arrows = [
        base.transform_filter(f"isValid(datum.{edge})")
        .mark_point(filled=True, size=70, opacity=1, shape=shape)
        .encode(alt.Y(f"{edge}:Q", scale=y["scale"], title=y["title"]))
        for edge, shape in (("below", "triangle-down"), ("above", "triangle-up"))
        if any(edge in row for row in rows)
    ]
    return [lines, reach, *arrows, marks]


def final_panel(
    study: Study, rows: list[Row], seeds: list[Row], top: float, log: Mapping[str, list[float]]
) -> Panel:
    """One split's final errors by depth and arm: means, 95 % intervals, a faint dot a seed."""
    import altair as alt

    split = str(rows[0]["split"])
    y = _error_axis("mean", "final error, %", top)
    layers = _with_intervals(study, rows, study.arms, y)
    dots = (
        alt.Chart(alt.NamedData(f"seeds-{split}"))
        .mark_point(filled=True, size=16, opacity=0.45)
        .encode(
            _depth_axis(study),
            alt.Y("error:Q", scale=y["scale"], title=y["title"]),
            color=_by_arm(study.arms, study)["color"],
        )
    )
    chart = alt.layer(dots, *layers)
    readout = _at_depth(split, ("mean", "{mean} %"), "seeds")
    data, keys = {f"rows-{split}": rows, f"seeds-{split}": seeds}, (f"split:{split}",)
    return Panel(f"{split} error", chart, data, SWITCHED, readout, log, keys)


def _at_depth(split: str, value: tuple[str, str], counted: str) -> dict[str, Any]:
    """What the pointer reads at a depth: a row an arm of value, interval and number of cases."""
    columns = [value, ("95 % interval", "{low} to {high}"), (counted, "{n}")]
    return {
        "rows": f"rows-{split}",
        "x": "at",
        "at": "place",
        "head": "{depth} layers",
        "row": "arm",
        "columns": [{"title": title, "text": text} for title, text in columns],
    }


def difference_panel(study: Study, rows: list[Row], ends: tuple[float, float]) -> Panel:
    """One split's paired differences by depth: means with 95 % intervals about a line at zero."""
    import altair as alt

    arms = tuple(dict.fromkeys(str(row["arm"]) for row in rows))
    reference = rows[0]["reference"]
    split = str(rows[0]["split"])
    minus = f"{arms[0] if len(arms) == 1 else 'arm'} - {reference}, points"
    scale = alt.Scale(domain=list(ends), nice=True, clamp=True)
    y = alt.Y("mean:Q", title=minus, scale=scale, axis=alt.Axis(tickCount=6))
    layers = _with_intervals(study, rows, arms, y)
    zero = (
        alt.Chart(alt.NamedData(f"zero-{split}"))
        .mark_rule(strokeWidth=1.4, color=palette.AXIS)
        .encode(alt.Y("zero:Q", scale=scale, title=minus))
    )
    chart = alt.layer(zero, *layers)
    readout = _at_depth(split, ("points", "{mean}"), "pairs")
    switches = SWITCHED | {"reference": "arm"}
    data, keys = {f"rows-{split}": rows, f"zero-{split}": [{"zero": 0}]}, (f"split:{split}",)
    return Panel(f"{split} error", chart, data, switches, readout, None, keys)
