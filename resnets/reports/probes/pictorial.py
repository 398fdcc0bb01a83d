"""Charts with images in them: receptive fields, feature maps, what is confused."""

import numpy as np

from resnets.drawing import palette
from resnets.drawing.chart import Chart
from resnets.drawing.pictures import (
    INK,
    SIGNED,
    Frame,
    Picture,
    coloured,
    grey,
    pictures,
)
from resnets.reports.probes.findings import Findings, Row, per_series, said

CHANNELS = 16
"""Feature maps of a module that are shown."""


def _pixels(value: float | None) -> str:
    return "whole image" if value is None else f"{value:,.0f} px"


def receptive_field(findings: Findings) -> list[Chart]:
    """Where the centre unit of each module looks, a row a series."""
    rows = []
    for name in findings.series:
        first = next(iter(row["run"] for row in findings.of("receptive_field", series=name)))
        shown = [
            _field(row, findings.pictures[name][row["module"]])
            for row in findings.of("receptive_field", series=name, run=first)
        ]
        rows.append((f"{name}, {first}" if name != first else name, shown))
    last = findings.tables["receptive_field"][-1]
    sides = per_series(findings, "receptive_field", "effective_px", module=last["module"])
    title = (
        f"A unit of {last['module']} could see {_pixels(last['theoretical_px'])}; "
        f"it responds to a square of: {said(sides, ' px', 0)}"
    )
    caption = (
        f"Influence of each pixel on the centre unit, darker for more, each picture by its own "
        f"largest: root mean square of the gradient over colours and {findings.counted()} "
        f"({last['canvas_px']} x {last['canvas_px']} px; the images, {last['image_px']} px, are "
        "mirrored at their borders). Blue, dashed: what the unit could see, cut off at the "
        "picture's border. Black: a square with as many pixels as reach 4.55 % of the largest "
        "influence (Luo et al. 2016). Numbers in the title are means over runs, pictures are of "
        "the run that is named."
    )
    side = 180 if max(len(shown) for _, shown in rows) <= 4 else 144
    return [Chart("receptive_field", caption, pictures(rows, title, caption, side))]


def _field(row: Row, influence: np.ndarray) -> Picture:
    largest = float(influence.max())
    height, width = influence.shape
    effective = row["effective_px"]
    centre = np.array([height // 2, width // 2], float) + 0.5
    seen = []
    if row["theoretical_px"] is not None:
        high, wide = row["theoretical_px"], row["theoretical_width_px"]
        seen = [Frame(row["first_row"], row["first_column"], high, wide, palette.BLUE, True)]
        centre = np.array([row["first_row"] + high / 2, row["first_column"] + wide / 2])
    top, left = centre - effective / 2
    frames = [Frame(top, left, effective, effective, palette.TEXT), *seen]
    caption = (
        row["module"],
        f"could see {_pixels(row['theoretical_px'])}",
        f"responds to {effective:.1f} px",
    )
    return Picture(coloured(influence / largest, INK), caption, frames)


def features(findings: Findings) -> list[Chart]:
    """Feature maps of the chosen images, a chart a series, and its first filters."""
    charts = []
    for place, name in enumerate(findings.series):
        shown = findings.pictures[name]
        suffix = f"_{place + 1}" if len(findings.series) > 1 else ""
        charts.append(_maps(findings, name, f"features{suffix}"))
        charts.append(_filters(name, shown["filters"], f"filters{suffix}"))
    return charts


def _maps(findings: Findings, name: str, file: str) -> Chart:
    shown = findings.pictures[name]
    numbers = list(dict.fromkeys(row["image"] for row in findings.of("features", series=name)))
    maps = {key.removeprefix("map "): m for key, m in shown.items() if key.startswith("map ")}
    rows = []
    for index, (number, label) in enumerate(zip(numbers, shown["labels"], strict=True)):
        image = Picture(grey(shown["images"][index]))
        rows.append((f"image {number}, label {label}", [image]))
        for module, values in maps.items():
            of_image = [
                Picture(coloured(_scaled(values[index, :, :, channel]), INK))
                for channel in range(min(CHANNELS, values.shape[-1]))
            ]
            rows.append((f"{module}, {values.shape[1]} x {values.shape[2]}", of_image))
    title = (
        f"What {name} finds in images {', '.join(map(str, numbers))} of the {findings.split} split"
    )
    caption = (
        f"The first {CHANNELS} channels of each module's result, positive values by the largest of "
        "its own map, darker for more; white is zero or less. Resolutions are of the maps."
    )
    return Chart(file, caption, pictures(rows, title, caption, 39))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Shares of the largest value; of none above zero, zeros."""
    largest = float(values.max())
    return np.clip(values, 0, None) / largest if largest > 0 else np.zeros_like(values)


def _filters(name: str, kernel: np.ndarray, file: str) -> Chart:
    """Filters of one colour by sign; of three as colours around grey."""
    largest = float(np.abs(kernel).max()) or 1.0
    shown = []
    for channel in range(min(64, kernel.shape[3])):
        values = 0.5 + 0.5 * kernel[..., channel] / largest
        if kernel.shape[2] == 3:
            pixels = np.rint(255 * values).astype(np.uint8)
        else:
            pixels = coloured(values.mean(axis=-1), SIGNED)
        shown.append(Picture(pixels, (str(channel),)))
    size = f"{kernel.shape[0]} x {kernel.shape[1]}"
    title = f"The {len(shown)} filters, {size}, with which {name} reads the image"
    how = "colours around grey" if kernel.shape[2] == 3 else "blue below zero, orange above"
    caption = f"Weights of the first convolution, {how}, all by the largest, {largest:.3g}."
    return Chart(file, caption, pictures([("", shown)], title, caption, 56))


def confused(findings: Findings) -> list[Chart]:
    """The surest mistakes of each series."""
    rows = []
    for name in findings.series:
        all_wrong = findings.of("confused", series=name)
        run = all_wrong[0]["run"] if all_wrong else ""
        wrong = [row for row in all_wrong if row["run"] == run]
        shown = [
            Picture(
                grey(image),
                (
                    f"is {row['label']}, taken",
                    f"for {row['predicted']}: {100 * row['confidence']:.0f} %",
                    f"no. {row['example']}",
                ),
            )
            for row, image in zip(wrong, findings.pictures[name]["confused"], strict=False)
        ]
        if shown:
            rows.append((f"{name}, {run}" if name != run else name, shown))
    if not rows:
        return []
    title = "Which images is the network surest about, and wrong?"
    caption = (
        "Wrong predictions with the highest probability, the surest first: label, prediction, "
        f"probability, and place in the {findings.split} split."
    )
    return [Chart("confused", caption, pictures(rows, title, caption, 90))]
