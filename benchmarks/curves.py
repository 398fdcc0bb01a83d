"""The curves of what the benchmarks measured, drawn from their tables for docs/speed.md."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import rows
from resnets.drawing import chart
from resnets.drawing.lines import Panel, Point, lines

AXES = ("depth", "batch", "devices")
FOLDER = Path(__file__).parents[1] / "docs" / "speed"

Row = dict[str, Any]


def read(name: str) -> list[Row]:
    """The rows of `bench_NAME.csv`, numbers as numbers."""
    with (rows.RESULTS / f"bench_{name}.csv").open(encoding="utf-8") as file:
        return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _drawn(name: str, words: tuple[str, str], panel: Panel) -> chart.Chart:
    """A chart of one panel; `words` are its title and caption."""
    series = tuple(dict.fromkeys(point.series for point in panel.points))
    return chart.drawn(lines([panel], series, *words), name, words[1])


def _points(found: Sequence[Row], x: str, y: str, series: str = "") -> list[Point]:
    return [Point(str(row.get(series, "")), row[x], row[y]) for row in found]


def _measured(found: Sequence[Row]) -> str:
    """`median of 5 on 2 cores of ...`; the tables do not hold the spread."""
    return f"median of {found[0]['n']:.0f} on {found[0]['machine']}; no spread was recorded"


def by_depth(found: Sequence[Row]) -> chart.Chart:
    """Time of a step against depth."""
    first, last = found[0], found[-1]
    title = (
        f"From {first['at']:.0f} to {last['at']:.0f} layers a training step takes "
        f"{last['step_ms'] / first['step_ms']:.1f} times as long"
    )
    caption = f"ResNets on images of 32x32 in batches of 128: {_measured(found)}."
    points = _points(found, "at", "step_ms")
    panel = Panel("", "depth, layers", "time of a training step, ms", points)
    return _drawn("step_ms_at_depth", (title, caption), panel)


def _speed(found: Sequence[Row], what: str) -> Panel:
    axes = f"{what} (logarithmic)", "training speed, images/s"
    return Panel("", *axes, _points(found, "at", "images_per_s"), log_x=True)


def by_batch(found: Sequence[Row]) -> chart.Chart:
    """Images a second against the batch."""
    first, last = found[0], found[-1]
    title = (
        f"In batches of {last['at']:.0f} a step trains "
        f"{last['images_per_s'] / first['images_per_s']:.2f} times as many images a second as in "
        f"batches of {first['at']:.0f}"
    )
    caption = f"ResNet-20 on images of 32x32: {_measured(found)}."
    return _drawn("images_per_s_at_batch", (title, caption), _speed(found, "images a batch"))


def by_devices(found: Sequence[Row]) -> chart.Chart:
    """Images a second against devices that share the cores."""
    first, last = found[0], found[-1]
    how = "slower" if last["images_per_s"] < first["images_per_s"] else "faster"
    title = (
        f"{last['at']:.0f} devices on the same cores are {how} than {first['at']:.0f}: "
        f"{last['images_per_s']:.0f} images/s against {first['images_per_s']:.0f}"
    )
    caption = f"One step of ResNet-20, batch 128, shared by devices: {_measured(found)}."
    return _drawn("images_per_s_at_devices", (title, caption), _speed(found, "devices"))


def by_compilation(found: Sequence[Row]) -> chart.Chart:
    """Time to compile against depth, blocks in a loop and unrolled."""
    depth = max(row["depth"] for row in found if row["blocks"] == "unrolled")
    at = {row["blocks"]: row["compile_s"] for row in found if row["depth"] == depth}
    title = (
        f"At {depth:.0f} layers blocks in a loop compile in {at['in a loop']:.1f} s, unrolled ones "
        f"in {at['unrolled']:.1f} s"
    )
    caption = f"A training step on images of 32x32: {_measured(found)}."
    points = _points(found, "depth", "compile_s", "blocks")
    panel = Panel("", "depth, layers (logarithmic)", "time to compile, s", points, log_x=True)
    return _drawn("compile_s_depth", (title, caption), panel)


def by_runs(found: Sequence[Row]) -> chart.Chart:
    """Time of a study and of its bare steps against its runs."""
    last = found[-1]
    title = (
        f"A study of {last['runs']:.0f} runs takes {last['study_s']:.0f} s, "
        f"{last['study_over_bare']:.2f} times its bare training steps"
    )
    caption = (
        "The study from an empty directory to its report, the steps timed alone before and after: "
        f"n = 1 study of each size on {last['machine']}."
    )
    parts = {"study": "study_s", "bare training steps": "bare_epochs_s"}
    points = [Point(name, row["runs"], row[y]) for name, y in parts.items() for row in found]
    panel = Panel("", "runs (logarithmic)", "time, s", points, log_x=True)
    return _drawn("study_s_runs", (title, caption), panel)


def charts() -> list[chart.Chart]:
    """All of them."""
    scaling = read("scaling")
    by = {axis: [row for row in scaling if row["axis"] == axis] for axis in AXES}
    return [
        by_depth(by["depth"]),
        by_batch(by["batch"]),
        by_devices(by["devices"]),
        by_compilation(read("compile")),
        by_runs(read("sweep")),
    ]


def main() -> None:
    """Draw all."""
    found = charts()
    chart.write(found, FOLDER)
    print(f"{len(found)} charts in {FOLDER}")


if __name__ == "__main__":
    main()
