"""What stands above charts: a title that says the finding, a caption that says what is drawn."""

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

WIDTH, GAP = 760, 34
"""Pixels: what a row of panels shares; between panels."""

TITLE, CAPTION = 9.0, 6.4
"""Pixels that a letter takes in the mean."""


def wrapped(text: str, width: float, letter: float = CAPTION) -> list[str]:
    """Break a text into lines of so many pixels; a number stays with its unit."""
    kept = re.sub(r"(?<=\d) (?=%|px|[kMGT]\b)", "\u00a0", text)
    return textwrap.wrap(kept, int(width / letter))


def heading(title: str, caption: str, width: float = WIDTH) -> "alt.TitleParams":
    """Title and caption over a chart of that width in pixels."""
    import altair as alt

    return alt.TitleParams(
        wrapped(title, width, TITLE),
        subtitle=wrapped(caption, width),
        fontSize=17,
        anchor="start",
        offset=14,
    )


def titled(panel: Any, title: str, **size: Any) -> Any:
    """A panel under a title of its own, flush with its left edge."""
    import altair as alt

    head = alt.TitleParams(title, anchor="start", frame="group")
    return panel.properties(title=head, **size)


def together(
    panels: Sequence[Any], columns: int, title: str, caption: str, spacing: int = GAP
) -> Any:
    """Panels in rows of so many, under one title and caption."""
    import altair as alt

    head = heading(title, caption)
    return alt.concat(*panels, columns=columns, spacing=spacing, title=head)
