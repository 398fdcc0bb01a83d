"""What a person at a terminal sees; whatever is no terminal gets plain text.

rich decides what a terminal is and honours `NO_COLOR`, `TERM=dumb` and `FORCE_COLOR`.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from resnets.columns import aligned

if TYPE_CHECKING:
    from rich.console import Console

STATES = {
    "done": "green",
    "running": "cyan",
    "failed": "bold red",
    "partial": "yellow",
    "queued": "dim",
}
"""Styles of the words that say how a run stands."""


_NEVER_BROKEN = 32
"""Characters of a cell that stay on one line, such as a run's name."""


def printable(text: str) -> str:
    """Replace control characters: a name must not move the cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def console(stream: TextIO) -> "Console":
    """A console that takes text as it is: no markup, no guesses at what to colour."""
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_table(
    rows: Sequence[Sequence[str]],
    numeric: Collection[int],
    title: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print a table to stdout.

    Args:
      rows: cells, the headings first; all rows are equally long.
      numeric: columns that are set to the right.
      title: a line above it.
      styles: of cells that hold just that word; off a terminal there are none.
    """
    shown = [tuple(map(printable, row)) for row in rows]
    out = console(sys.stdout)
    if not out.is_terminal:
        print(f"{title}\n{aligned(shown, numeric)}" if title else aligned(shown, numeric))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    columns = list(zip(*shown, strict=True))
    wide = sum(max(map(len, column)) + 2 for column in columns) - 2 > out.width
    for index, (heading, *cells) in enumerate(columns):
        table.add_column(
            # Where there is too little room headings break first, and only long reasons after them.
            Text(heading.replace(" ", "\n") if wide else heading),
            justify="right" if index in numeric else "left",
            vertical="bottom",
            overflow="fold",
            min_width=min(_NEVER_BROKEN, max((len(cell) for cell in cells), default=0)),
        )
    for row in shown[1:]:
        table.add_row(*(Text(cell, style=(styles or {}).get(cell, "")) for cell in row))
    if title:
        out.print(Text(title, style="bold"))
    out.print(table, soft_wrap=False)


def print_text(text: str, style: str = "") -> None:
    """Print lines to stdout, in a style where there is one to see."""
    out = console(sys.stdout)
    if not out.is_terminal:
        print(text)
        return
    from rich.text import Text

    out.print(Text(text, style=style))
