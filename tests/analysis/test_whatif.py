"""Sweeps over the numbers of a machine: the points, the slopes, the front."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets.analysis import hardware
from resnets.analysis.projection import project
from resnets.analysis.whatif import Axis, Sweep, axis
from resnets.errors import UserError
from tests.analysis.schedules import chain, schedules

DOCUMENTS = hardware.load("hypothetical")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("internal.capacity=256KiB:2MiB:x2", (2**18, 2**19, 2**20, 2**21)),
        ("internal.capacity=1MB:2MB:x3", (1e6,)),
        ("ddr.bandwidth=1GB/s:2GB/s:+500MB/s", (1e9, 1.5e9, 2e9)),
        ("overhead=0 s,1 us,5us", (0, 1e-6, 5e-6)),
        ("overlap=0:1:+0.25", (0, 0.25, 0.5, 0.75, 1)),
    ],
)
def test_an_axis_is_a_range_or_a_list_with_units(text, values):
    read = axis(DOCUMENTS, text)
    assert read.key == text.partition("=")[0]
    assert read.values == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("internal.capacity", "must read KEY="),
        ("internal.size=1MB", "internal.capacity"),
        ("internal.capacity=1:2:x2", "unit"),
        ("internal.capacity=1MB:2MB", "FIRST:LAST:xFACTOR"),
        ("internal.capacity=1MB:2MB:x1", "factor above 1"),
        ("internal.capacity=2MB:1MB:x2", "FIRST <= LAST"),
        ("internal.capacity=1MB:inf B:x2", "FIRST <= LAST"),
        ("ddr.bandwidth=1GB/s:2GB/s:+0 B/s", "step above 0"),
        ("internal.capacity=1B:1TB:+1B", "at most 100,000"),
    ],
)
def test_an_axis_that_cannot_be_read_is_refused_in_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        axis(DOCUMENTS, text)
    assert "\n" not in str(caught.value)


@given(made=schedules(), sizes=st.lists(st.integers(1, 80), min_size=1, max_size=4, unique=True))
@settings(deadline=None)
def test_a_point_is_the_projection_onto_that_machine(made, sizes):
    sweep = Sweep(made, DOCUMENTS, "belady", "once")
    rates = (1e9, 2e9)
    axes = [Axis("internal.capacity", tuple(map(float, sizes))), Axis("ddr.bandwidth", rates)]
    points = sweep.points(axes)
    assert len(points) == 2 * len(sizes)
    for point in points:
        machine = DOCUMENTS
        for key in ("internal.capacity", "ddr.bandwidth"):
            machine = hardware.replace(machine, key, point[key])
        alone = project(made, machine, "belady", "once")
        assert point["time_s"] == alone.estimate
        assert point["external_bytes"] == alone.plans["ddr"].bytes


@given(made=schedules(), sizes=st.lists(st.integers(1, 80), min_size=2, max_size=6, unique=True))
@settings(deadline=None)
def test_the_front_is_what_no_other_point_beats(made, sizes):
    key = "internal.capacity"
    points = Sweep(made, DOCUMENTS, "belady", "once").points([Axis(key, tuple(map(float, sizes)))])
    for point in points:
        better = [
            other
            for other in points
            if other is not point
            and other[key] <= point[key]
            and other["time_s"] <= point["time_s"]
        ]
        assert point["pareto"] == (not better)


def test_memory_bound_time_falls_one_for_one_with_bandwidth_and_not_with_peak():
    slopes = Sweep(chain([1000] * 4), DOCUMENTS, "none", "once").sensitivity()
    assert slopes["ddr.bandwidth"] == pytest.approx(-1)
    assert slopes["matrix.peak.float32"] == 0
    assert slopes["internal.capacity"] == 0
    assert all(map(math.isfinite, slopes.values()))
