"""Two estimates of the same programs, compared by hand."""

import math

import pytest

from resnets.analysis.targets import agreement


def content(layers, projected=1.0, time=2.0, roofline=0.0, hosts=()):
    rows = [
        {"name": name, "phase": "forward", "projected_s": ours, "time_s": theirs}
        | {"unestimated_kernels": unknown}
        for name, ours, theirs, unknown in layers
    ]
    totals = {"projected_s": projected, "time_s": time, "roofline_s": roofline}
    return totals | {"layers": rows, "hosts": list(hosts)}


def test_layers_are_compared_with_what_rides_on_them():
    layers = [("conv", 1.0, 2.0, 0), ("bn", None, 0.5, 0), ("pool", 3.0, 4.0, 0)]
    found = agreement.layer_pairs(content(layers, hosts=[["bn", "forward", "conv"]]))
    assert found == [(1.0, 2.5), (3.0, 4.0)]


def test_what_the_compiler_does_not_estimate_is_not_compared():
    found = agreement.layer_pairs(content([("a", 1.0, 2.0, 1), ("b", 1.0, 0.0, 0)]))
    assert found == []


def test_ranks_need_three_pairs():
    assert math.isnan(agreement.rank([(1, 2), (2, 3)]))
    assert math.isnan(agreement.rank([(1, 2), (1, 3), (1, 4)])), "one value has no ranks"
    assert agreement.rank([(1, 20), (2, 30), (9, 40)]) == pytest.approx(1)
    assert agreement.rank([(1, 40), (2, 30), (9, 20)]) == pytest.approx(-1)


def test_errors_are_of_the_totals_library_calls_included():
    layers = [("a", 1.0, 1.0, 0), ("b", 2.0, 3.0, 0), ("c", 3.0, 2.0, 0)]
    programs = [
        content(layers, projected=3.0, time=1.5, roofline=0.5),
        content(layers, projected=3.0, time=4.0),
        content(layers, projected=9.0, time=10.0),
    ]
    found = agreement.agreement(programs)
    assert found.programs == 3
    assert found.error_pct == pytest.approx((50 + 25 + 10) / 3)
    assert found.bias_pct == pytest.approx(-10)
    assert found.layer_rank == pytest.approx(0.5)
    assert "3 programs" in agreement.in_words(found)


def row(devices, time, waiting, failure=""):
    timed = {"time_s": time, "roofline_s": 0.0, "waiting_s": waiting, "projected_efficiency": 0.9}
    of = {"model": "net", "batch_size": 8, "devices": devices, "failure": failure}
    return of | timed | {"collective_bytes": 4e6, "peak_bytes": 5e6}


def test_efficiency_is_the_time_of_one_device_by_that_of_many():
    rows = agreement.with_efficiency([row(1, 3.0, 0.0), row(4, 3.5, 0.5), row(16, 3.5, None)])
    assert [found["efficiency"] for found in rows] == [1.0, 0.75, None]
    table = agreement.scaling_table(rows).splitlines()
    assert len(table) >= 4
    assert "0.750" in table[-2]


def test_a_program_that_failed_has_no_efficiency():
    rows = agreement.with_efficiency([row(1, 3.0, 0.0, "too large"), row(4, 3.0, 0.5)])
    assert [found["efficiency"] for found in rows] == [None, None]
