"""The curves of what the benchmarks measured, drawn from their tables for docs/speed.md."""

import csv
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks import rows
from resnets.drawing import chart, palette

FOLDER = Path(__file__).parents[1] / "docs" / "speed"
WIDTH, HEIGHT = 300, 220


def read(name: str) -> list[dict[str, Any]]:
    """The rows of `bench_NAME.csv`, numbers as numbers."""
    with (rows.RESULTS / f"bench_{name}.csv").open(encoding="utf-8") as file:
        return [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def line(
    found: list[dict[str, Any]], x: str, y: str, titles: tuple[str, str, str], series: str = ""
) -> chart.Chart:
    """Points and a line of each series; `titles` are the chart's and those of the axes."""
    colour = (
        alt.Color(f"{series}:N", title=None, scale=alt.Scale(range=palette.CATEGORIES))
        if series
        else alt.value(palette.CATEGORIES[0])
    )
    places = sorted({row[x] for row in found})
    scale = alt.Scale(type="log" if places[-1] > 20 * places[0] else "linear", nice=False)
    drawing = (
        alt.Chart(alt.Data(values=found))
        .mark_line(point=True)
        .encode(
            x=alt.X(f"{x}:Q", title=titles[1], scale=scale, axis=alt.Axis(values=places)),
            y=alt.Y(f"{y}:Q", title=titles[2], scale=alt.Scale(zero=True)),
            color=colour,
            **({"shape": alt.Shape(f"{series}:N", legend=None)} if series else {}),
        )
        .properties(width=WIDTH, height=HEIGHT, title=titles[0])
    )
    return chart.drawn(drawing, f"{y}_{x}_{found[0].get('axis', '')}".rstrip("_"), titles[0])


def main() -> None:
    """Draw all."""
    scaling, compiling, sweep = read("scaling"), read("compile"), read("sweep")
    by = {axis: [row for row in scaling if row["axis"] == axis] for axis in ("depth", "batch")}
    devices = [row for row in scaling if row["axis"] == "devices"]
    n = f"median of {scaling[0]['n']:.0f}"
    charts = [
        line(by["depth"], "at", "step_ms", (f"Step time grows with depth ({n})", "layers", "ms")),
        line(
            by["batch"],
            "at",
            "images_per_s",
            (f"Does a larger batch pay? ResNet-20 ({n})", "images a batch", "images/s"),
        ),
        line(
            devices,
            "at",
            "images_per_s",
            (f"One step on several devices, ResNet-20 ({n})", "devices", "images/s"),
        ),
        line(
            compiling,
            "depth",
            "compile_s",
            (
                "Compilation in a loop does not grow with depth",
                "layers (logarithmic)",
                "compile time, s",
            ),
            "blocks",
        ),
        line(
            sweep,
            "runs",
            "study_s",
            ("A study's time grows by its runs, not by compilations", "runs", "s"),
        ),
    ]
    chart.write(charts, FOLDER)
    print(f"{len(charts)} charts in {FOLDER}")


if __name__ == "__main__":
    main()
