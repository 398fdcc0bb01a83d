"""Colours for light and dark paper.

Charts are drawn in the light ones; the page's style sheet replaces each by its dark twin.
Depths take a scale of falling lightness (from matplotlib's plasma), rising on dark paper, so that
deeper always stands out more, in print without colour too. Arms take Okabe and Ito's colours
(Color Universal Design, 2008), which the colour-blind tell apart.
"""

TEXT, GRID, AXIS = "#20242c", "#e4e7ec", "#9aa2af"
DARK_INK = {TEXT: "#e7e9ee", GRID: "#30363f", AXIS: "#6d7683"}

_DEPTHS_LIGHT = ("#f0a12e", "#cc4778", "#2a0b7d")
_DEPTHS_DARK = ("#8f73e0", "#e8638f", "#ffd166")
_ARMS_LIGHT = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#a67c00", "#3d9bd1", "#5b5f66")
_ARMS_DARK = ("#ff8a3d", "#4fb3f0", "#2fd0a0", "#e79ac4", "#e3b93b", "#8fd0f7", "#b4b8bf")


def _mix(stops: tuple[str, ...], place: float) -> str:
    """The colour at `place` from 0 to 1 between evenly spaced stops."""
    scaled = place * (len(stops) - 1)
    index = min(int(scaled), len(stops) - 2)
    share = scaled - index
    pairs = (
        (int(stops[index][i : i + 2], 16), int(stops[index + 1][i : i + 2], 16)) for i in (1, 3, 5)
    )
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def _scale(stops: tuple[str, ...], count: int) -> list[str]:
    return [_mix(stops, i / (count - 1) if count > 1 else 1.0) for i in range(count)]


def depths(count: int) -> list[str]:
    """A colour for each depth, the deepest last."""
    return _scale(_DEPTHS_LIGHT, count)


def arms(count: int) -> list[str]:
    """A colour for each arm; they repeat after seven."""
    return [_ARMS_LIGHT[i % len(_ARMS_LIGHT)] for i in range(count)]


def dark_twins(depth_count: int) -> dict[str, str]:
    """The dark colour for each light one that charts of that many depths use."""
    scale = zip(depths(depth_count), _scale(_DEPTHS_DARK, depth_count), strict=True)
    return DARK_INK | dict(scale) | dict(zip(_ARMS_LIGHT, _ARMS_DARK, strict=True))
