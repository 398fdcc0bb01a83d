"""Bubble charts: areas are proportional, axes hold everything, names lie on nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets.drawing import bubbles
from resnets.drawing.bubbles import HEIGHT, WIDTH, Bubble
from resnets.drawing.labels import Mark, placed

positive = st.floats(0.01, 1e3)
some = st.lists(
    st.builds(
        Bubble,
        st.text("abc", min_size=1, max_size=9),
        st.just("g"),
        positive,
        st.floats(0, 100),
        st.floats(1, 1e8),
    ),
    min_size=1,
    max_size=12,
)


@given(some)
def test_the_axes_hold_every_bubble(drawn):
    frame = bubbles.frame(drawn)
    for bubble in drawn:
        across, down = frame.place(bubble.x, bubble.y)
        assert 0 < across < WIDTH
        assert -1e-9 <= down <= HEIGHT + 1e-9


@given(positive, st.floats(0, 100))
def test_a_place_and_its_values_are_inverse(x, y):
    frame = bubbles.Frame(0.005, 2e3, -1.0, 101.0, 1.0)
    assert frame.values(*frame.place(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_four_times_the_size_is_twice_the_radius():
    frame = bubbles.frame([Bubble("a", "g", 1, 50, 100), Bubble("b", "g", 2, 60, 25)])
    assert frame.radius(100) == pytest.approx(2 * frame.radius(25))
    assert math.pi * frame.radius(100) ** 2 == pytest.approx(bubbles.LARGEST)


def test_an_interval_belongs_into_the_frame():
    frame = bubbles.frame([Bubble("a", "g", 1, 50, 1, low=20, high=90)])
    assert frame.bottom < 20
    assert frame.top > 90


def test_sizes_of_the_legend_are_round_and_fit():
    shown = bubbles.sizes([Bubble("a", "g", 1, 50, 143_667_240)])
    assert [value for value, _ in shown] == [10e6, 40e6, 100e6]
    radii = [radius for _, radius in shown]
    assert radii == sorted(radii)
    assert radii[-1] <= math.sqrt(bubbles.LARGEST / math.pi)


marks = st.lists(
    st.builds(Mark, st.floats(0, 300), st.floats(0, 200), st.floats(1, 20), st.floats(5, 80)),
    max_size=15,
)


@given(marks)
def test_no_name_lies_on_another_name_or_on_a_mark(all_marks):
    centres = placed(all_marks, 12, 300, 200)
    boxes = [
        (x - mark.width / 2, y - 6, x + mark.width / 2, y + 6)
        for mark, centre in zip(all_marks, centres, strict=True)
        if centre
        for x, y in [centre]
    ]
    for i, a in enumerate(boxes):
        assert a[0] >= -1e-6
        assert a[2] <= 300 + 1e-6
        for b in boxes[i + 1 :]:
            assert (
                a[2] <= b[0] + 1e-6
                or b[2] <= a[0] + 1e-6
                or a[3] <= b[1] + 1e-6
                or b[3] <= a[1] + 1e-6
            )
    for mark, centre in zip(all_marks, centres, strict=True):
        for other in all_marks:
            if centre and other is not mark:
                away = abs(centre[0] - other.x) >= mark.width / 2 + other.radius - 1e-6
                assert away or abs(centre[1] - other.y) >= 6 + other.radius - 1e-6


def test_a_mark_alone_has_its_name_to_the_right():
    ((x, y),) = placed([Mark(100, 100, 10, 40)], 12, 300, 200)
    assert (x, y) == (100 + 10 + 3 + 20, 100)


def test_a_name_without_room_beside_its_mark_has_a_leader():
    """A mark between eight others: its name stands beyond them, and a line leads there."""
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    around = [
        Bubble(f"x{n}", "g", 10 * 1.09**dx, 50 + 3 * dy, 1) for n, (dx, dy) in enumerate(ring)
    ]
    ends = [Bubble("left", "g", 1, 10, 1), Bubble("right", "g", 100, 90, 1)]
    middle = Bubble("in the very middle", "g", 10, 50, 1)
    rows = bubbles.rows([middle, *around, *ends], [])
    assert "in the very middle" in {row["name"] for row in rows[bubbles.LABELS]}
    (line,) = [row for row in rows[bubbles.LEADERS] if (row["x"], row["y"]) == near(10, 50)]
    assert (line["x2"], line["y2"]) != near(10, 50)
    assert not bubbles.rows(ends, [])[bubbles.LEADERS]


def near(x, y):
    return pytest.approx(x), pytest.approx(y)


def test_a_name_without_room_is_left_out():
    assert placed([Mark(10, 10, 8, 500)], 12, 100, 100) == [None]
