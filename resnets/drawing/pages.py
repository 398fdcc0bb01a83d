"""A page of charts and tables: one file, no requests, light and dark, phone and paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnets.drawing.chart import Chart, write
from resnets.drawing.document import document
from resnets.drawing.interactive import asset, compiled, themed, variable
from resnets.drawing.palette import DARK_CATEGORIES, DARK_INK
from resnets.drawing.rendering import Rows
from resnets.errors import RunError

_SCRIPTS = ("panels.js", "pointer.js", "points.js", "switches.js")
_TWINS = DARK_INK | DARK_CATEGORIES


@dataclass(frozen=True)
class Place:
    """What the page says where the pointer is.

    Attributes:
      x: of the chart's horizontal scale; None if the place is a row.
      y: of its vertical scale.
      head: what stands there.
      lines: names and values.
      keys: fields and values that the switches hide it by.
    """

    x: float | str | None
    y: float | str
    head: str
    lines: tuple[tuple[str, str], ...]
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """What the page draws itself, and answers for.

    Attributes:
      chart: one view, an Altair chart.
      places: where it has something to say.
      rows: of the data sets that it names.
      height: pixels of a chart that is as wide as the page; None for one that keeps its size.
    """

    chart: Any
    places: Sequence[Place]
    rows: Mapping[str, Rows] = field(default_factory=dict)
    height: int | None = None


@dataclass(frozen=True)
class Figure:
    """A chart with what is said about it.

    Attributes:
      chart: its drawing with all legends, for the files, paper, and readers without scripts.
      title: the finding, or the question.
      panel: what answers; None for a chart that only stands.
      sizes: what areas mean where the legend is not in the panel: text and radius in pixels.
    """

    chart: Chart
    title: str
    panel: Panel | None = None
    sizes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
      title: above it.
      headings: with units.
      rows: as many entries as headings.
      numeric: which columns are set to the right.
      note: a sentence below its title.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: frozenset[int]
    note: str = ""


@dataclass(frozen=True)
class Page:
    """What a page says.

    Attributes:
      kind: what it is of, in a word or two.
      title: the finding, or what is shown.
      text: sentences below the title.
      figures: its charts.
      tables: its tables.
      switches: groups that a reader switches off, with their colours; `group` is their field.
      files: what stands beside it, by what it is called.
    """

    kind: str
    title: str
    text: str
    figures: Sequence[Figure]
    tables: Sequence[Table]
    switches: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def _panels(page: Page) -> list[dict[str, Any]]:
    """What the script draws."""
    switched = {"group": "group"} if page.switches else {}
    colours = list(_TWINS)
    return [
        {
            "id": figure.chart.name,
            "spec": compiled(
                panel.chart,
                panel.rows,
                colours,
                panel.height,
                switched if panel.height is not None else {},
            ),
            "switches": switched,
            "places": [
                {"x": p.x, "y": p.y, "head": p.head, "lines": p.lines, **p.keys}
                for p in panel.places
            ],
            "log": None,
            "keys": [],
        }
        for figure in page.figures
        if (panel := figure.panel)
    ]


def html(page: Page) -> str:
    """Write the page."""
    return document(
        asset("charts.html.jinja"),
        kind=page.kind,
        headline=page.title,
        twins=_TWINS,
        styles=[asset("charts.css")],
        scripts=_SCRIPTS,
        panels=_panels(page),
        page=page,
        stills={f.chart.name: themed(_bare(f.chart.svg), _TWINS) for f in page.figures},
        keys={name: f"var({variable(colour)})" for name, colour in page.switches.items()},
    )


def _bare(svg: str) -> str:
    """A chart without the white that a file has behind it."""
    return svg.replace('<rect width="100%" height="100%" fill="white"/>', "", 1)


def write_page(page: Page, file: Path, charts: bool = True) -> None:
    """Write the page, and beside it each chart as NAME.svg and NAME.png.

    Raises:
      RunError: a file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html(page), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror}") from None
    if charts:
        write((figure.chart for figure in page.figures), file.parent)
