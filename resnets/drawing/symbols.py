"""Marks and dashes that tell series apart where colours do not: print, colour blindness."""

from dataclasses import dataclass

SHAPES = (
    *("circle", "square", "triangle-up", "diamond"),
    *("triangle-down", "cross", "triangle-right", "triangle-left"),
)
"""Vega's names; one more than there are colours, so that the eighth series is not the first."""

_OUTLINES = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "square": "M-3.5-3.5h7v7h-7z",
    "triangle-up": "M0-4.5L4.4 3.6H-4.4z",
    "diamond": "M0-5L4 0L0 5L-4 0z",
    "triangle-down": "M0 4.5L4.4-3.6H-4.4z",
    "cross": "M-4.5-1.5h3v-3h3v3h3v3h-3v3h-3v-3h-3z",
    "triangle-right": "M4.5 0L-3.6 4.4V-4.4z",
    "triangle-left": "M-4.5 0L3.6 4.4V-4.4z",
}
_DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (4, 2), (12, 4), (5, 2, 1, 2))

SOLID, DASHED = (1, 0), (5, 4)


def shapes(count: int) -> list[str]:
    """A shape for each series; they repeat after eight."""
    return [SHAPES[i % len(SHAPES)] for i in range(count)]


def dashes(count: int) -> list[list[int]]:
    """A pattern of line and gap in pixels for each series; they repeat after seven."""
    return [list(_DASHES[i % len(_DASHES)]) for i in range(count)]


@dataclass(frozen=True)
class Swatch:
    """How a series looks, for a legend.

    Attributes:
      colour: of line and mark; empty for that of the text.
      shape: one of `SHAPES`; empty for none.
      dash: pixels of line and gap in turn.
      width: of the line, pixels.
      filled: whether the mark is.
    """

    colour: str = ""
    shape: str = ""
    dash: tuple[int, ...] = SOLID
    width: float = 2.4
    filled: bool = True

    @property
    def outline(self) -> str:
        """The mark's SVG path around the origin, at most 10 pixels wide."""
        return _OUTLINES.get(self.shape, "")

    @property
    def pattern(self) -> str:
        """The dash as SVG says it."""
        return "none" if self.dash == SOLID else " ".join(map(str, self.dash))
