"""Lines in panels: who shares a colour, and where axes end."""

import pytest

from resnets.drawing import palette
from resnets.drawing.lines import Panel, Point, lines

NAMES = ("plain, in place", "plain, moved back", "residual, in place", "residual, moved back")


def of(**fields):
    """The specification of one panel with a line of two points for each of the four series."""
    points = [Point(name, x, 10.0 * x + k) for k, name in enumerate(NAMES) for x in (0.0, 4.0)]
    return lines([Panel("a", "x", "y", points)], NAMES, "title", "caption", **fields).to_dict()


def encoded(spec, channel):
    """What each series looks like in a channel, from every layer that has it."""
    layers = spec["concat"][0]["layer"]
    scales = [one["encoding"][channel]["scale"] for one in layers if channel in one["encoding"]]
    assert scales
    assert all(scale == scales[0] for scale in scales)
    return dict(zip(scales[0]["domain"], map(str, scales[0]["range"]), strict=True))


def test_each_series_has_a_colour_of_its_own():
    assert list(encoded(of(), "color").values()) == list(palette.categories(4))


def test_neighbours_share_a_colour_and_differ_in_mark_and_dash():
    spec = of(sharing=2)
    first, second = palette.categories(2)
    assert list(encoded(spec, "color").values()) == [first, first, second, second]
    for channel in ("shape", "strokeDash"):
        assert len(set(encoded(spec, channel).values())) == 4


@pytest.mark.parametrize("top", [37.0, 131.0])
def test_an_axis_ends_at_a_tick_so_that_titles_side_by_side_stand_alike(top):
    chart = lines([Panel("a", "x", "y", [Point("s", 0, 0.0), Point("s", 1, top)])], ["s"], "", "")
    y = chart.to_dict()["concat"][0]["layer"][0]["encoding"]["y"]
    assert y["scale"]["nice"] == y["axis"]["tickCount"]
