"""The complexity chart as files: a page, its charts and a csv, and the same table as text."""

from collections.abc import Sequence
from typing import Any

from resnets.analysis.complexity import (
    OTHERS,
    Point,
    comparable,
    data_sets,
    finding,
    frontier,
    operations,
)
from resnets.analysis.render import rows_as_csv
from resnets.drawing import bubbles, palette
from resnets.drawing.bubbles import Bubble
from resnets.drawing.chart import Chart
from resnets.drawing.heading import heading
from resnets.drawing.pages import Figure, Page, Panel, Place, Table
from resnets.drawing.rendering import on_white, render

KIND = "Accuracy against operations"
HEADINGS = (
    "network",
    "data set",
    "image",
    "multiply-adds, 1e9",
    "parameters, 1e6",
    "accuracy, %",
    "95 % interval, %",
    "n",
    "crops",
    "source",
)
NUMERIC = frozenset((3, 4, 5, 6, 8))

COLOURS = {
    "AlexNet, NiN": palette.GREY,
    "VGG": palette.VERMILION,
    "Inception": palette.GREEN,
    "plain": palette.ORANGE,
    "ResNet": palette.BLUE,
    "wide ResNet, ResNeXt": palette.SKY,
    "DenseNet": palette.PINK,
    OTHERS: palette.TEXT,
}
"""In the order of the papers."""


def as_csv(points: Sequence[Point]) -> str:
    """A row a network; what is not known is empty."""
    return rows_as_csv(
        [
            {
                "network": point.network,
                "group": point.group,
                "data_set": point.data_set,
                "image_size": "x".join(map(str, point.image_shape)),
                "macs": point.macs,
                "parameters": point.parameters,
                "accuracy_pct": _known(point.accuracy_pct),
                "low_pct": _known(point.low_pct),
                "high_pct": _known(point.high_pct),
                "top5_accuracy_pct": _known(point.top5_accuracy_pct),
                "crops": _known(point.crops),
                "n": point.n,
                "source": point.source,
            }
            for point in points
        ]
    )


def _known(value: float | None) -> float | str:
    return "" if value is None else round(value, 4)


def cells(point: Point) -> tuple[str, ...]:
    """A row of the table."""
    reach = "" if point.low_pct is None else f"{point.low_pct:.2f} to {point.high_pct:.2f}"
    return (
        point.network,
        point.data_set or "none known",
        "x".join(map(str, point.image_shape)),
        f"{point.gmacs:.3f}" if point.gmacs >= 0.1 else f"{point.gmacs:.5f}",
        f"{point.parameters / 1e6:.3f}",
        "" if point.accuracy_pct is None else f"{point.accuracy_pct:.2f}",
        reach,
        point.n,
        "" if point.crops is None else str(point.crops),
        point.source,
    )


def table(points: Sequence[Point]) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[int]]:
    """Headings, rows and numeric columns; columns that no network fills are left out."""
    ordered = sorted(points, key=lambda p: (not p.data_set, p.data_set != "ImageNet", p.data_set))
    rows = [cells(point) for point in ordered]
    kept = [i for i in range(len(HEADINGS)) if any(row[i] for row in rows)]
    numeric = [place for place, i in enumerate(kept) if i in NUMERIC]
    return (
        tuple(HEADINGS[i] for i in kept),
        [tuple(row[i] for i in kept) for row in rows],
        numeric,
    )


def _unit(points: Sequence[Point]) -> tuple[float, str]:
    """What the axis of operations counts in, and how that is spelled."""
    return (1e9, "1e9") if max(point.macs for point in points) >= 1e8 else (1e6, "1e6")


def _bubble(point: Point, unit: float) -> Bubble:
    assert point.accuracy_pct is not None
    return Bubble(
        point.network,
        point.group,
        point.macs / unit,
        point.accuracy_pct,
        point.parameters,
        point.low_pct,
        point.high_pct,
    )


def _place(point: Point, unit: float) -> Place:
    lines = [
        ("accuracy", f"{point.accuracy_pct:.2f} %"),
        ("multiply-adds", f"{operations(point.macs)}"),
        ("parameters", f"{point.parameters:,}"),
        ("image", "x".join(map(str, point.image_shape))),
    ]
    if point.low_pct is not None:
        lines.append(("95 % interval", f"{point.low_pct:.2f} to {point.high_pct:.2f} %"))
    if point.crops:
        lines.append(("crops", str(point.crops)))
    if point.n:
        lines.append(("n", point.n))
    return Place(
        point.macs / unit,
        point.accuracy_pct or 0.0,
        point.network,
        tuple(lines),
        {"group": point.group},
    )


def _caption(points: Sequence[Point]) -> str:
    measured = any(point.low_pct is not None for point in points)
    caption = (
        "Accuracy (share of images whose class is the first guess) against the multiply-adds of "
        f"one image, a bubble for each of {len(points)} networks, its area the number of "
        "parameters. "
    )
    if measured:
        counts = ", ".join(dict.fromkeys(point.n for point in points))
        caption += f"Mean over seeds with its 95 % t-interval, n = {counts}. "
    else:
        caption += "Published numbers, which have no interval; the table has n and sources. "
    return caption + ("Dashed: the best that any reaches with so many operations or fewer.")


def _left_out(points: Sequence[Point]) -> str:
    """Networks whose accuracy took more operations than the axis counts, for the caption."""
    names = [f"{p.network} ({p.crops} crops)" for p in points if (p.crops or 1) > 1]
    if not names:
        return ""
    return f" In the table alone, since their accuracy is a mean over crops: {', '.join(names)}."


def figure(points: Sequence[Point]) -> Figure:
    """The chart of the points of one data set, each with an accuracy; of one crop each."""
    caption, points = _left_out(points), comparable(points)
    unit, spelled = _unit(points)
    shown = [_bubble(point, unit) for point in points]
    front = [_bubble(point, unit) for point in frontier(points)]
    present = {point.group for point in points}
    colours = {name: colour for name, colour in COLOURS.items() if name in present}
    title, caption = finding(points), _caption(points) + caption
    titles = {
        "x": f"multiply-adds of one image, {spelled} (logarithmic)",
        "y": f"accuracy on {points[0].data_set}, %",
        "size": "parameters",
        "group": "networks",
    }
    chart, rows = bubbles.chart(shown, colours, titles), bubbles.rows(shown, front)
    whole: Any = chart.properties(
        width=bubbles.WIDTH, height=bubbles.HEIGHT, title=heading(title, caption, bubbles.WIDTH)
    )
    name = points[0].data_set.lower().replace(" ", "_")
    drawn = Chart(name, caption, on_white(render(whole, name, rows=rows)))
    places = [_place(point, unit) for point in sorted(points, key=lambda p: p.macs)]
    sizes = tuple((f"{operations(v)} parameters", r) for v, r in bubbles.sizes(shown))
    return Figure(drawn, title, Panel(chart, places, rows, bubbles.HEIGHT), sizes)


def page(points: Sequence[Point], csv_name: str) -> Page:
    """The page of all points; those without an accuracy stand in the table alone."""
    known = [point for point in points if point.accuracy_pct is not None]
    figures = [
        figure([p for p in known if p.data_set == name]) for name in data_sets(comparable(known))
    ]
    headings, rows, numeric = table(points)
    missing = len(points) - len(known)
    note = f"{missing} of {len(points)} networks have no accuracy with a source here. " * (
        missing > 0
    )
    present = {point.group for point in comparable(known)}
    files = {"complexity.csv": csv_name}
    for drawn in figures:
        files[f"{drawn.chart.name} as SVG"] = f"{drawn.chart.name}.svg"
        files[f"{drawn.chart.name} as PNG"] = f"{drawn.chart.name}.png"
    return Page(
        KIND,
        figures[0].title if figures else "No network here has an accuracy with a source",
        "Multiply-adds and parameters are counted from the program that JAX lowers for each "
        "network, padded taps included, at the image size that the accuracy was measured at, "
        "without auxiliary heads. In the manner of Canziani et al. 2016 (arXiv 1605.07678).",
        figures,
        (
            Table(
                "All networks",
                headings,
                rows,
                frozenset(numeric),
                note + "Accuracy is of the first guess; the csv has that of the first five, too.",
            ),
        ),
        {name: colour for name, colour in COLOURS.items() if name in present},
        files,
    )
