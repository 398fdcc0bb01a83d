"""Two forms on square axes: shares against a diagonal, and counts in a matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnets.drawing import palette
from resnets.drawing.heading import GAP, WIDTH, titled, together
from resnets.drawing.pictures import INK

Row = Mapping[str, Any]


def reliability(panels: Sequence[tuple[str, Sequence[Row]]], title: str, caption: str) -> Any:
    """Bars of what is right against how sure it was; on the diagonal both are equal.

    Args:
      panels: a title, and bins with `low`, `high`, `accuracy`, `lowest`, `highest` in percent and
        `share`, the part of the examples that they hold, in percent.
      title: the finding, or the question.
      caption: what is drawn, of how many.
    """
    import altair as alt

    columns = min(3, len(panels))
    side = min(330, (WIDTH - GAP * (columns - 1)) // columns - 30)
    scale = alt.Scale(domain=[0, 100], nice=False)
    charts = []
    for name, bins in panels:
        base = alt.Chart(alt.InlineData(values=[dict(one) for one in bins]))
        x = alt.X("low:Q", title="confidence, %", scale=scale, axis=alt.Axis(tickCount=6))
        y = alt.Y("accuracy:Q", title="right, %", scale=scale, axis=alt.Axis(tickCount=6))
        bars = base.mark_bar(color=palette.BLUE, stroke="white", strokeWidth=0.6).encode(
            x,
            y,
            x2="high:Q",
            y2=alt.datum(0),
            opacity=alt.Opacity(
                "share:Q",
                title="share of the examples, %",
                scale=alt.Scale(type="sqrt", domain=[0, 100], range=[0.25, 1]),
                legend=alt.Legend(orient="bottom", direction="horizontal", values=[1, 10, 50, 100]),
            ),
        )
        middle = base.transform_calculate(middle="(datum.low + datum.high) / 2")
        reach = middle.mark_rule(color=palette.TEXT, strokeWidth=1.2).encode(
            alt.X("middle:Q", scale=scale, title="confidence, %"),
            alt.Y("lowest:Q", scale=scale, title="right, %"),
            y2="highest:Q",
        )
        ends = alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 100, "y": 100}])
        diagonal = (
            alt.Chart(ends)
            .mark_line(color=palette.AXIS, strokeDash=[4, 3])
            .encode(alt.X("x:Q", scale=scale), alt.Y("y:Q", scale=scale))
        )
        charts.append(titled(alt.layer(bars, reach, diagonal), name, width=side, height=side))
    return together(charts, columns, title, caption)


def matrix(panels: Sequence[tuple[str, Sequence[Row]]], title: str, caption: str) -> Any:
    """Shares of each row of a matrix, darker for more, with the counts where there is room.

    Args:
      panels: a title, and cells with `label`, `predicted`, `examples` and `share_pct`.
      title: the finding, or the question.
      caption: what is drawn, of how many.
    """
    import altair as alt

    columns = min(2, len(panels))
    side = min(420, (WIDTH - GAP * (columns - 1)) // columns - 40)
    charts = []
    for name, cells in panels:
        classes = sorted({cell["label"] for cell in cells})
        base = alt.Chart(alt.InlineData(values=[dict(cell) for cell in cells])).encode(
            alt.X("predicted:O", title="predicted class", axis=alt.Axis(labelAngle=0)),
            alt.Y("label:O", title="class"),
        )
        squares = base.mark_rect(stroke=palette.GRID, strokeWidth=0.5).encode(
            color=alt.Color(
                "share_pct:Q",
                title="share of the class, %",
                scale=alt.Scale(domain=[0, 33, 67, 100], range=list(INK)),
                legend=alt.Legend(orient="bottom", direction="horizontal", gradientLength=160),
            )
        )
        layers = [squares]
        if len(classes) <= 20:
            layers.append(
                base.transform_filter("datum.examples > 0")
                .mark_text(fontSize=min(11, side // len(classes) // 2))
                .encode(
                    text=alt.Text("examples:Q", format=",d"),
                    color=alt.condition(
                        "datum.share_pct > 50", alt.value("white"), alt.value(palette.TEXT)
                    ),
                )
            )
        charts.append(titled(alt.layer(*layers), name, width=side, height=side))
    return together(charts, columns, title, caption)
