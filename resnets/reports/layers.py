"""Charts by layer, from the runs' diagnostics: responses as in He et al. 2015, figure 7; gradients.

docs/diagnostics.md says what the numbers are.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnets.reports.chart_rows import Row, extent
from resnets.reports.comparison import finals, reference_arm
from resnets.reports.panels import Panel, depth_legend
from resnets.reports.results import Study

Drawn = tuple[str, str, tuple[Panel, ...]]
"""Title, caption, panels; without panels there is nothing to draw."""


@dataclass(frozen=True)
class Quantity:
    """A number a layer that has a chart.

    Attributes:
      name: of the chart.
      key: in the records.
      title: of the axis, with its unit where it has one.
      question: title of the chart.
      caption: what it is.
      logarithmic: whether its axis is.
      of: what has one: a layer, a block, a ReLU.
      factor: from the record's number to the chart's.
    """

    name: str
    key: str
    title: str
    question: str
    caption: str
    logarithmic: bool
    of: str = "layer"
    factor: float = 1.0


RESPONSES = Quantity(
    "responses",
    "response_std",
    "standard deviation of responses",
    "How strongly does each layer respond?",
    "Standard deviation of each layer's responses, after batch normalisation and before ReLU and "
    "addition, over batch, positions and channels",
    False,
)
GRADIENTS = Quantity(
    "gradients",
    "gradient_norm",
    "L2 norm of the gradient",
    "Does the gradient reach every layer, and how evenly?",
    "L2 norm of the loss's gradient by each layer's weights on one batch",
    True,
)
UPDATES = Quantity(
    "updates",
    "update_to_weight",
    "update / weights, L2 norms",
    "Do all layers change at the same pace?",
    "L2 norm of what one step would change in each layer's weights over the norm of the weights",
    True,
)
BRANCHES = Quantity(
    "branches",
    "branch_to_shortcut",
    "branch / shortcut, root mean squares",
    "How much does each block add to what it passes on?",
    "Root mean square of each block's branch over that of its shortcut, just before the addition",
    False,
    of="block",
)
DEAD = Quantity(
    "dead",
    "dead_relu_share",
    "dead channels, %",
    "Which ReLUs are dead?",
    "Share of each ReLU's channels that are zero for all images and positions of one batch",
    False,
    of="ReLU",
    factor=100.0,
)
QUANTITIES = (RESPONSES, GRADIENTS, UPDATES, BRANCHES, DEAD)
NAMES = tuple(quantity.name for quantity in QUANTITIES)

_LEARNT = 20.0
"""Percent of training error above which a network counts as one that did not learn."""

_MARKS = 8
"""Marks along a line."""


def charts(study: Study) -> tuple[Drawn, ...]:
    """A chart a quantity, for the runs that have diagnostics."""
    titles = {quantity.name: quantity.question for quantity in QUANTITIES}
    titles[RESPONSES.name] = _responses_title(study) or RESPONSES.question
    return tuple(_drawn(study, quantity, titles[quantity.name]) for quantity in QUANTITIES)


def rows(study: Study, arm: str, quantity: Quantity) -> list[Row]:
    """A row a depth and layer: mean and range over the runs that have the number.

    `layer` counts from 1 in the order of the network. A layer without a finite number in any run
    has no row; where the axis is logarithmic, zeros have none either.
    """
    found = []
    for order, depth in enumerate(study.depths):
        by_run = [
            run.diagnosis.layers.get(quantity.key, {})
            for run in study.select(arm, depth)
            if run.diagnosis
        ]
        layers = dict.fromkeys(name for values in by_run for name in values)
        for index, name in enumerate(layers, 1):
            known = [
                quantity.factor * v for values in by_run if (v := values.get(name)) is not None
            ]
            if not known or (quantity.logarithmic and min(known) <= 0):
                continue
            mean = statistics.fmean(known)
            row: Row = {"arm": arm, "depth": depth, "layer": index, "name": name, "n": len(known)}
            row |= {"mean": _rounded(mean), "low": _rounded(min(known))}
            row |= {"high": _rounded(max(known)), "shown": f"{mean:.3g}"}
            every = max(1, len(layers) // _MARKS)
            marked = (index + order) % every == 0
            found.append(row | ({"mark": 1} if marked else {}))
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _drawn(study: Study, quantity: Quantity, title: str) -> Drawn:
    tables = {arm: found for arm in study.arms if (found := rows(study, arm, quantity))}
    every = [row for table in tables.values() for row in table]
    if not every:
        return "", "", ()
    low, high = extent(every, ("low", "high"))
    ends = (low / 1.2, high * 1.2) if quantity.logarithmic else (0.0, 1.05 * high or 1.0)
    last = max(row["layer"] for row in every)
    panels = tuple(
        _panel(study, arm, table, quantity, (last, ends)) for arm, table in tables.items()
    )
    counts = {row["n"] for row in every}
    seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
    many = "the mean over seeds, n\u00a0=\u00a0{}; the band spans all of them"
    number = many.format(seeds) if max(counts) > 1 else "n\u00a0=\u00a01 seed"
    where = "in the order of the network; the last diagnosis of each run"
    caption = f"{quantity.caption}, {where}, {number}."
    return title, caption, panels


def _panel(
    study: Study,
    arm: str,
    table: list[Row],
    quantity: Quantity,
    ends: tuple[int, tuple[float, float]],
) -> Panel:
    """One arm's numbers by layer: a line a depth.

    Args:
      study: whose depths make the legend.
      arm: the arm.
      table: its rows.
      quantity: what they are.
      ends: the last layer and the ends of the other axis, of all arms.
    """
    import altair as alt

    encoded = depth_legend(study)
    x = alt.X(
        "layer:Q",
        title=f"{quantity.of}, in the order of the network",
        scale=alt.Scale(domain=[0, ends[0] + 1], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=6),
    )
    kind: dict[str, Any] = {"type": "log"} if quantity.logarithmic else {}
    scale = alt.Scale(domain=list(ends[1]), nice=False, clamp=True, **kind)

    def y(column: str) -> alt.Y:
        axis = alt.Axis(tickCount=6)
        return alt.Y(f"{column}:Q", title=quantity.title, scale=scale, axis=axis)

    name = f"rows-{quantity.name}-{study.arms.index(arm)}"
    base = alt.Chart(alt.NamedData(name)).encode(x=x, color=encoded["color"])
    bands = base.mark_area(opacity=0.12).encode(y("low"), y2="high")
    lines = base.mark_line(strokeJoin="round", strokeWidth=1.8).encode(y("mean"))
    marks = base.transform_filter("datum.mark").mark_point(filled=True, size=46, opacity=1)
    chart = alt.layer(bands, lines, marks.encode(y("mean"), shape=encoded["shape"]))
    columns = [{"title": "value", "text": "{shown}"}, {"title": quantity.of, "text": "{name}"}]
    readout: Mapping[str, object] = {
        "rows": name,
        "x": "layer",
        "at": "layer",
        "head": f"{quantity.of} {{layer}}",
        "row": "depth",
        "columns": columns,
    }
    switches = {field: field for field in ("arm", "depth")}
    return Panel(arm, chart, {name: table}, switches, readout, None, (f"arm:{arm}",))


def _responses_title(study: Study) -> str:
    """How strongly the deepest networks that learnt respond, arm against arm, if that is known."""
    reference = reference_arm(study)
    others = [arm for arm in study.arms if arm != reference]
    depth = max((d for d in study.depths if _all_learnt(study, d)), default=None)
    if reference is None or len(others) != 1 or depth is None:
        return ""
    means = {}
    for arm in study.arms:
        values = [row["mean"] for row in rows(study, arm, RESPONSES) if row["depth"] == depth]
        if not values:
            return ""
        means[arm] = statistics.fmean(values)
    return (
        f"At {depth} layers responses have a mean standard deviation of {means[reference]:.2f} in "
        f"{reference} networks and {means[others[0]]:.2f} in {others[0]} ones"
        + ("; deeper, not all learnt" if depth < study.depths[-1] else "")
    )


def _all_learnt(study: Study, depth: int) -> bool:
    """Whether the networks of each arm end at a low training error, in the mean over seeds."""
    errors = [finals(study.select(arm, depth), "train_error_pct").values() for arm in study.arms]
    return all(found and statistics.fmean(found) <= _LEARNT for found in errors)
