"""A chart that is drawn, and its files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.drawing.rendering import on_white, render, to_png
from resnets.errors import RunError


@dataclass(frozen=True)
class Chart:
    """One chart, drawn.

    Attributes:
      name: file name without its ending.
      caption: what it shows.
      svg: it, on white.
    """

    name: str
    caption: str
    svg: str


def drawn(chart: Any, name: str, caption: str) -> Chart:
    """Render an Altair chart."""
    return Chart(name, caption, on_white(render(chart, name)))


def write(charts: Iterable[Chart], folder: Path) -> None:
    """Write NAME.svg and NAME.png of each; the folder is made.

    Raises:
      RunError: one cannot be written.
    """
    for chart in charts:
        path = folder / f"{chart.name}.svg"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(chart.svg, encoding="utf-8")
            path.with_suffix(".png").write_bytes(to_png(chart.svg))
        except OSError as error:
            raise RunError(f"{path} cannot be written: {error.strerror}") from None
