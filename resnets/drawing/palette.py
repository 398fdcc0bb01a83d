"""Colours on light paper that the colour-blind tell apart.

Categories take Okabe and Ito's colours (Color Universal Design, 2008) without their yellow, which
white paper swallows, and with a grey in place of their black, which text has; what is ordered takes
a scale of falling lightness (from matplotlib's plasma), so that more stands out in print without
colour too.
"""

from collections.abc import Sequence

TEXT, GRID, AXIS = "#20242c", "#e4e7ec", "#9aa2af"

CATEGORIES = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5f66")
VERMILION, BLUE, GREEN, PINK, ORANGE, SKY, GREY = CATEGORIES

ORDERED = ("#cf7a00", "#cc4778", "#2a0b7d")
"""Stops of the scale, from light to dark."""

DARK_INK = {TEXT: "#e7e9ee", GRID: "#30363f", AXIS: "#6d7683"}
DARK_CATEGORIES = dict(
    zip(
        CATEGORIES,
        ("#f2762e", "#2b8fdc", "#12b886", "#e08cba", "#f5dd42", "#a8dcff", "#737a85"),
        strict=True,
    )
)
"""The dark colour for each light one, for pages that are read on dark paper, too."""


def mix(stops: Sequence[str], place: float) -> str:
    """The colour at `place` from 0 to 1 between evenly spaced stops."""
    scaled = place * (len(stops) - 1)
    index = min(int(scaled), len(stops) - 2)
    share = scaled - index
    pairs = (
        (int(stops[index][i : i + 2], 16), int(stops[index + 1][i : i + 2], 16)) for i in (1, 3, 5)
    )
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def scale(stops: Sequence[str], count: int) -> list[str]:
    """Evenly spaced colours from the first stop to the last; the last if there is one only."""
    return [mix(stops, i / (count - 1) if count > 1 else 1.0) for i in range(count)]


def categories(count: int) -> list[str]:
    """A colour for each category; they repeat after seven."""
    return [CATEGORIES[i % len(CATEGORIES)] for i in range(count)]
