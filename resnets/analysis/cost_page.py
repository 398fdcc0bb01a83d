"""The page of an account, and of its projection onto a machine: bars by layer, roofline, table."""

import math
from collections.abc import Mapping, Sequence

import altair as alt

from resnets.analysis import charts
from resnets.analysis.account import Account
from resnets.analysis.chart_titles import limits, longest
from resnets.analysis.costs import total
from resnets.analysis.layers import Layer, fold
from resnets.analysis.projection import OVERHEAD, Projection
from resnets.analysis.render_projection import layer_times
from resnets.drawing import palette
from resnets.drawing.axes import spelled
from resnets.drawing.bars import Bar, extent, panel, stacked
from resnets.drawing.chart import drawn
from resnets.drawing.pages import Figure, Page, Panel, Place, Table
from resnets.drawing.roofline import places, under_roofs

MOST = 40
"""Bars of a chart; beyond it layers are folded to blocks, then to stages."""

_FLOPS = {"multiply-adds (2 FLOPs each)": palette.BLUE, "other operations": palette.PINK}
_BYTES = {"weights": palette.VERMILION, "inputs": palette.SKY, "outputs": palette.GREEN}


def account_page(account: Account, heading: str, depth: int = 0) -> Page:
    """What a network costs: FLOPs and bytes of each layer.

    Args:
      account: to show.
      heading: what it is of.
      depth: parts of names that the table's rows are folded to; 0 for all.
    """
    rows = _folded(account.layers)
    whole = account.total
    figures = [
        *_bars(
            rows,
            "flops",
            ("operations", "FLOP"),
            _FLOPS,
            f"{_heaviest(rows, 'flops')} of {spelled(whole.flops, 'FLOP')}",
            "Operations of each {what}, in the order of execution; padded taps are counted.",
        ),
        *_bars(
            rows,
            "bytes",
            ("bytes", "B"),
            _BYTES,
            f"{_heaviest(rows, 'bytes')} of {spelled(_moved(rows), 'B')}",
            "Bytes that each {what} reads and writes if every operation goes to memory, in the "
            "order of execution.",
        ),
    ]
    words = (
        f"{account.parameters:,} parameters, {whole.macs / 1e9:.3f} G multiply-adds, "
        f"{whole.flops / 1e9:.3f} GFLOPs; {account.compulsory_bytes / 1e6:,.1f} MB if weights, "
        "inputs and outputs move once."
    )
    kept = [figure for figure in figures if figure]
    table = _cost_table(fold(account.layers, depth))
    return Page("What a network costs", heading, words, kept, (table,))


def projection_page(projection: Projection, account: Account, of: str, depth: int = 0) -> Page:
    """What a network takes on a machine: the roofline, the time of each layer, the memory's use.

    Args:
      projection: to show.
      account: of the same network.
      of: what was projected: network, phase, batch, precision.
      depth: parts of names that the tables' rows are folded to; 0 for all.
    """
    if not projection.steps:
        return account_page(account, of, depth)
    heading = f"{of}, on {projection.hardware.name}"
    held = [chart for chart in charts.draw(projection, of) if chart.name.startswith("occupancy")]
    figures = [
        *((_roofline(projection, of),) if charts.levels(projection) else ()),
        *_times(projection),
        *(Figure(chart, f"What {chart.name.partition('_')[2]} holds over time") for chart in held),
    ]
    words = (
        f"Estimated {spelled(projection.estimate, 's', 4)}, bound by {projection.bound}; at least "
        f"{spelled(projection.lower, 's', 4)} if everything overlaps, at most "
        f"{spelled(projection.upper, 's', 4)} if nothing does. "
        f"{projection.hardware.name}: {projection.hardware.description}"
    )
    tables = (_time_table(projection, depth), _cost_table(fold(account.layers, depth)))
    return Page("What a network takes on a machine", heading, words, figures, tables)


def _folded(layers: Sequence[Layer]) -> tuple[Sequence[Layer], str]:
    """At most `MOST` rows if names allow, and what each of them is."""
    found = [(fold(layers, depth), what) for depth, what in charts.FOLDS.items()]
    return next((pair for pair in found if len(pair[0]) <= MOST), found[-1])


def _segments(layer: Layer, quantity: str) -> dict[str, float]:
    cost = layer.cost
    if quantity == "flops":
        parts: tuple[float, ...] = (2 * cost.macs, cost.flops - 2 * cost.macs)
        return dict(zip(_FLOPS, parts, strict=True))
    parts = (cost.weight_bytes, cost.input_bytes, cost.output_bytes)
    return dict(zip(_BYTES, parts, strict=True))


def _moved(rows: tuple[Sequence[Layer], str]) -> float:
    return sum(sum(_segments(row, "bytes").values()) for row in rows[0])


def _heaviest(rows: tuple[Sequence[Layer], str], quantity: str) -> str:
    """`stage3/block0 forward takes the largest part, 12.3 %,`: the start of a title."""
    sums = {row: sum(_segments(row, quantity).values()) for row in rows[0]}
    first, whole = max(sums, key=lambda row: sums[row]), sum(sums.values())
    name = first.name if len({row.phase for row in rows[0]}) == 1 else f"{first.name} {first.phase}"
    verb = "does" if quantity == "flops" else "moves"
    return f"{name} {verb} {100 * sums[first] / whole if whole else 0:.0f} %"


def _bars(
    rows: tuple[Sequence[Layer], str],
    name: str,
    quantity: tuple[str, str],
    colours: Mapping[str, str],
    title: str,
    caption: str,
) -> list[Figure]:
    """A figure a phase, all on one axis."""
    layers, what = rows
    bars = [Bar(row.name, row.phase, _segments(row, name)) for row in layers]
    return _figures(bars, name, quantity, colours, "", (title, caption.format(what=what)))


def _figures(
    bars: Sequence[Bar],
    name: str,
    quantity: tuple[str, str],
    colours: Mapping[str, str],
    tick: str,
    words: tuple[str, str],
) -> list[Figure]:
    title, caption = words
    end, size, spelling = extent(bars, quantity[1])
    phases = list(dict.fromkeys(bar.panel for bar in bars))
    figures = []
    for phase in phases:
        own = [bar for bar in bars if bar.panel == phase]
        called = f"{name}_{phase}" if len(phases) > 1 else name
        shown = title if phase == phases[0] else f"The same, {phase}"
        text = f"{caption} Phase: {phase}." if len(phases) > 1 else caption
        alone = [Bar(bar.label, "", bar.segments, bar.tick) for bar in own]
        still = drawn(stacked(alone, colours, quantity, tick, (shown, text)), called, text)
        axis = (end, size, f"{quantity[0]}, {spelling}")
        read = [_row(bar, quantity[1], tick) for bar in own]
        figures.append(Figure(still, shown, Panel(panel(own, colours, axis, tick), read)))
    return figures


def _row(bar: Bar, unit: str, tick: str) -> Place:
    lines = [(part, spelled(value, unit)) for part, value in bar.segments.items() if value]
    if bar.tick is not None:
        lines.append((tick, spelled(bar.tick, unit)))
    return Place(None, bar.label, bar.label, tuple(lines))


def _times(projection: Projection) -> list[Figure]:
    bars, what = charts.layer_bars(projection, MOST)
    present = {part for bar in bars for part, seconds in bar.segments.items() if seconds}
    colours = {n: c for n, c in charts.resources(projection).items() if n in present}
    caption = (
        f"Seconds that each {what} needs of each compute unit and memory, one after the other, in "
        "the order of execution; the black line is the estimate, with what overlaps."
    )
    return _figures(
        bars,
        "layer_times",
        ("time", "s"),
        colours,
        "estimate",
        (longest(projection, bars), caption),
    )


def _roofline(projection: Projection, of: str) -> Figure:
    still = charts.roofline(projection, of)
    dots, slopes = charts.layer_dots(projection), charts.slopes(projection)
    levels, outer = charts.levels(projection), projection.hardware.memories[-1].name
    chart = under_roofs(dots, slopes, levels, charts.WORK, outer, ("", ""))
    chart.title = alt.Undefined
    where = places(dots, slopes, levels, outer)
    read = [
        Place(
            x,
            y,
            dot.name,
            (
                ("reached", spelled(dot.reached, "FLOP/s")),
                ("intensity", _intensity(dot.intensity, outer)),
                ("of the time", f"{100 * dot.share:.1f} %"),
                ("work", dot.kind),
            ),
        )
        for dot, (x, y) in zip(dots, where, strict=True)
    ]
    return Figure(still, limits(projection), Panel(chart, sorted(read, key=lambda p: p.x or 0.0)))


def _intensity(value: float, memory: str) -> str:
    return f"no {memory} traffic" if math.isinf(value) else f"{value:.4g} FLOP/B"


def _cost_table(layers: Sequence[Layer]) -> Table:
    counted = ("parameters", "multiply-adds", "operations, FLOP")
    traffic = ("weights, B", "inputs, B", "outputs, B", "intensity, FLOP/B")
    headings = ("layer", "kind", "phase", *counted, *traffic)
    whole = Layer(
        "total",
        "",
        "",
        sum(layer.parameters for layer in layers),
        True,
        total([layer.cost for layer in layers]),
    )
    rows = []
    for layer in (*layers, whole):
        cost = layer.cost
        counts = (layer.parameters, cost.macs, cost.flops)
        moved = (cost.weight_bytes, cost.input_bytes, cost.output_bytes)
        numbers = (f"{number:,}" for number in (*counts, *moved))
        rows.append((layer.name, layer.kind, layer.phase, *numbers, f"{cost.intensity:.4f}"))
    return Table("What each layer costs", headings, rows, frozenset(range(3, 10)))


def _time_table(projection: Projection, depth: int) -> Table:
    layers = layer_times(projection, depth)
    names = [name for name, spent in projection.resources.items() if spent]
    names += [OVERHEAD] if projection.overhead else []
    parts = (f"{name}, µs" for name in names)
    headings = ("layer", "kind", "phase", "time, µs", "time, %", "waits for", *parts)
    rows = [
        (
            layer.name,
            layer.kind,
            layer.phase,
            _microseconds(layer.estimate),
            f"{100 * layer.estimate / projection.estimate:.1f}" if projection.estimate else "",
            layer.bound,
            *(_microseconds(layer.resources.get(name, 0.0)) for name in names),
        )
        for layer in layers
    ]
    numeric = frozenset({3, 4, *range(6, len(headings))})
    return Table("What each layer takes", headings, rows, numeric)


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.3f}"
