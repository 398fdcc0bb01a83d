"""Charts of lesions, responses, gradients and shifts."""

from collections.abc import Sequence

from resnets.drawing.chart import Chart, drawn
from resnets.drawing.lines import Panel, lines
from resnets.reports.probes.findings import Findings, Row, mean, per_series, points, said

_ERROR = (0.0, 100.0)
_POOR = 20.0
"""Percent of errors from which on a whole network is no good measure of its lesions."""


def _marks(rows: Sequence[Row], column: str) -> list[tuple[float, str]]:
    """Where stages begin, by the first part of names such as `stage2/block0`."""
    found: dict[str, float] = {}
    for row in rows:
        stage = str(row[column]).split("/")[0]
        if stage.startswith("stage"):
            found.setdefault(stage, row["place"] - 0.5)
            found[stage] = min(found[stage], row["place"] - 0.5)
    return [(place, stage) for stage, place in found.items()]


def lesion(findings: Findings) -> list[Chart]:
    """Error without each block, without several, and with blocks exchanged."""
    series = findings.series
    deleted = findings.of("lesion", kind="delete")
    whole = per_series(findings, "lesion", "error_pct", kind="none")
    once = per_series(findings, "lesion", "error_pct", kind="delete")
    choices = len({row["choice"] for row in findings.of("lesion", kind="random")})
    panels = [
        Panel(
            "One block deleted",
            "block, from the input on",
            f"{findings.split} error, %",
            points(deleted, series, "place", "error_pct"),
            _ERROR,
            levels=list(whole.items()),
            marks=_marks(deleted, "stage"),
        )
    ]
    for kind, title, x in (
        ("random", "Several blocks deleted at random", "blocks deleted"),
        ("permute", "Blocks exchanged within stages", "exchanges of two blocks"),
    ):
        rows = findings.of("lesion", kind=kind)
        if rows:
            drawn_points = points(rows, series, "count", "error_pct")
            panels.append(
                Panel(
                    title,
                    x,
                    f"{findings.split} error, %",
                    drawn_points,
                    _ERROR,
                    levels=list(whole.items()),
                    log_x=True,
                )
            )
    rises = {name: once[name] - whole[name] for name in series}
    title = f"One deleted block costs, in points of error on average: {said(rises, '')}"
    caption = (
        f"{findings.counted()}. Lines are means, bands reach from the smallest to the largest "
        f"value over runs and {choices} random choices; dashed levels: the whole network. A "
        "residual block loses its branch and keeps its shortcut; a plain one is skipped, where "
        "it keeps the shape. Only such blocks are deleted or exchanged at random. Nothing is "
        "trained again."
    )
    poor = {name: error for name, error in whole.items() if error > _POOR}
    if poor:
        caption += (
            f" Little is left to lose where the whole network errs as often: {said(poor, ' %')}"
            f"{'' if len(series) == 1 or len(poor) > 1 else f' ({next(iter(poor))})'}."
        )
    return [drawn(lines(panels, series, title, caption), "lesion", caption)]


def response(findings: Findings) -> list[Chart]:
    """Standard deviation by layer; branch to shortcut by block."""
    series, rows = findings.series, findings.tables["response"]
    panels = [
        Panel(
            "Responses after normalisation",
            "layer, from the input on",
            "standard deviation",
            points(rows, series, "place", "std"),
            marks=_marks(rows, "layer"),
        )
    ]
    ratios = findings.tables["response_ratio"]
    if ratios:
        panels.append(
            Panel(
                "What residual blocks add",
                "block, from the input on",
                "branch / shortcut, root mean squares",
                points(ratios, series, "place", "branch_to_shortcut"),
                marks=_marks(ratios, "block"),
            )
        )
    stds = per_series(findings, "response", "std")
    title = f"Standard deviation of the responses, mean over layers: {said(stds, '', 2)}"
    plain = [s for s in series if not any(row["series"] == s for row in ratios)]
    caption = (
        f"{findings.counted()}, in evaluation. Standard deviation over images, positions and "
        "channels after batch normalisation and before the nonlinearity or the addition (He et "
        "al. 2015, figure 7). Lines are means over runs, bands from the smallest to the largest."
    )
    if plain:
        caption += f" No branch is added to a shortcut in: {', '.join(plain)}."
    return [drawn(lines(panels, series, title, caption), "response", caption)]


def gradient(findings: Findings) -> list[Chart]:
    """Gradient norm by layer, before training and after."""
    series, rows = findings.series, findings.tables["gradient"]
    smallest = min((r["gradient_norm"] for r in rows if r["gradient_norm"] > 0), default=1.0)
    drawn_points = {
        state: points(
            findings.of("gradient", state=state),
            series,
            "place",
            "gradient_norm",
            least=lambda value: max(value, smallest),
        )
        for state in ("initial", "trained")
    }
    heights = [
        end
        for found in drawn_points.values()
        for point in found
        for end in (point.low or point.y, point.high or point.y)
    ]
    ends = 0.7 * min(heights), 1.4 * max(heights)
    titles = {"initial": "Before the first step", "trained": "At the trained weights"}
    panels = [
        Panel(
            titles[state],
            "layer, from the input on",
            "norm of the gradient",
            found,
            ends,
            log=True,
            marks=_marks(findings.of("gradient", state=state), "layer"),
        )
        for state, found in drawn_points.items()
    ]
    shares = {name: _first_to_last(findings, name) for name in series}
    title = (
        "Before training, gradient of the first layer over that of the last convolution: "
        f"{said(shares, '', 2)}"
    )
    caption = (
        f"L2 norm over each layer's parameters of the gradient of the mean cross-entropy, on "
        f"{findings.counted()}; batch normalisation by the batch's own statistics. Lines are "
        "means over runs, bands from the smallest to the largest."
    )
    return [drawn(lines(panels, series, title, caption), "gradient", caption)]


def _first_to_last(findings: Findings, series: str) -> float:
    """Norm of the first layer over that of the last before the classifier, at initial values."""
    rows = findings.of("gradient", series=series, state="initial")
    last = max(row["place"] for row in rows) - 1
    first = mean(row["gradient_norm"] for row in rows if row["place"] == 1)
    return first / mean(row["gradient_norm"] for row in rows if row["place"] == max(last, 1))


def shift(findings: Findings) -> list[Chart]:
    """Predictions, logits and feature maps of shifted images."""
    series, rows = findings.series, findings.tables["shift"]
    x, most = "shift, pixels", max(row["pixels"] for row in rows)
    panels = [
        Panel("Error", x, "error, %", points(rows, series, "pixels", "error_pct"), _ERROR),
        Panel(
            "Predictions that stay",
            x,
            "same as without the shift, %",
            points(rows, series, "pixels", "consistency_pct"),
            _ERROR,
        ),
        Panel(
            "Logits",
            x,
            "relative change, %",
            points(rows, series, "pixels", "logits_change_pct"),
        ),
    ]
    stay = {
        name: mean(
            row["consistency_pct"] for row in findings.of("shift", series=name, pixels=min(1, most))
        )
        for name in series
    }
    title = (
        f"Predictions that a shift by {min(1, most)} pixel leaves as they are: {said(stay, ' %')}"
    )
    caption = (
        f"{findings.counted()}, shifted down, up, right and left; the mean colour enters, and what "
        "leaves the image is lost. Lines are means, bands from the smallest to the largest value "
        "over runs and directions. Relative change: norm of the difference over the norm."
    )
    first = drawn(lines(panels, series, title, caption, 3), "shift", caption)
    return [first, *_map_charts(findings)]


def _map_charts(findings: Findings) -> list[Chart]:
    rows, series = findings.tables["shift_maps"], findings.series
    modules = list(dict.fromkeys(row["module"] for row in rows))
    ways = {"in place": "change_pct", "moved back": "moved_back_change_pct"}
    names = [f"{s}, {how}" for s in series for how in ways]
    panels = []
    for module in modules:
        own = [row for row in rows if row["module"] == module]
        both = [
            {**row, "series": f"{row['series']}, {how}", "change": row[column]}
            for how, column in ways.items()
            for row in own
        ]
        found = points(both, names, "pixels", "change")
        panels.append(Panel(module, "shift, pixels", "relative change of maps, %", found))
    title = "Do feature maps move with the image?"
    caption = (
        f"{findings.counted()}. In place: maps of the shifted image against those of the image. "
        "Moved back by the shift first, over the places that both have: zero where the network "
        "commutes with shifts; only for shifts by whole steps of the maps."
    )
    chart = lines(panels, names, title, caption, sharing=len(ways))
    return [drawn(chart, "shift_maps", caption)]
