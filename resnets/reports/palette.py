"""Colours of a study, for light and dark paper.

Charts are drawn in the light ones; the page's style sheet replaces each by its dark twin.
Depths take the ordered scale of falling lightness, rising on dark paper, so that deeper always
stands out more, in print without colour too. Arms take the colours of categories.
"""

from resnets.drawing.palette import (
    AXIS,
    DARK_CATEGORIES,
    DARK_INK,
    ORDERED,
    TEXT,
    categories,
    scale,
)

__all__ = ["AXIS", "TEXT", "arms", "dark_twins", "depths"]

_DEPTHS_DARK = ("#8f73e0", "#e8638f", "#ffd166")


def depths(count: int) -> list[str]:
    """A colour for each depth, the deepest last."""
    return scale(ORDERED, count)


def arms(count: int) -> list[str]:
    """A colour for each arm; they repeat after seven."""
    return categories(count)


def dark_twins(depth_count: int) -> dict[str, str]:
    """The dark colour for each light one that charts of that many depths use."""
    pairs = zip(depths(depth_count), scale(_DEPTHS_DARK, depth_count), strict=True)
    return DARK_INK | dict(pairs) | DARK_CATEGORIES
