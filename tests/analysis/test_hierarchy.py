"""What crosses the boundary of a memory that holds tensors and tiles."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import lower
from resnets.analysis.fusion import schedule
from resnets.analysis.hierarchy import plan
from resnets.analysis.symbols import AnalysisError
from tests.analysis.schedules import schedules


@pytest.fixture(scope="module")
def resnet50():
    """ResNet-50 on one image, float32, fused."""
    lowered = lower.inference(models.create("resnet50"), (224, 224, 3))
    return schedule(lowered.graph, "epilogue", training=False)


@given(schedules(), st.sampled_from(["once", "search"]))
@settings(deadline=None)
def test_the_ends_are_no_residency_and_compulsory_traffic(made, tiling):
    assert plan(made, 0, tiling=tiling).bytes == made.unplanned_bytes
    assert plan(made, 10**9, "none", tiling).bytes == made.unplanned_bytes
    assert plan(made, math.inf, tiling=tiling).bytes == made.compulsory_bytes


@given(schedules(), st.integers(0, 60), st.integers(0, 60), st.sampled_from(["once", "search"]))
@settings(deadline=None)
def test_traffic_never_rises_with_capacity(made, one, other, tiling):
    less, more = sorted((one, other))
    assert plan(made, more, tiling=tiling).bytes <= plan(made, less, tiling=tiling).bytes


@given(schedules(), st.integers(0, 60))
@settings(deadline=None)
def test_events_add_up_by_step_and_by_kind(made, capacity):
    planned = plan(made, capacity)
    assert sum(map(sum, planned.by_step())) == planned.bytes
    assert sum(planned.by_kind().values()) == planned.bytes
    assert max(planned.occupancy) <= capacity


@pytest.mark.parametrize("residency", ["none", "belady", "optimal"])
def test_a_real_network_at_every_capacity(resnet50, residency):
    moved = []
    for exponent in range(14, 28):
        planned = plan(resnet50, 2**exponent, residency, "search")
        assert max(planned.occupancy) + planned.workspace <= planned.capacity
        for tile in planned.tiles.values():
            assert tile.working_set <= planned.workspace
        moved.append(planned.bytes)
    slack = 0 if residency == "belady" else 2_000  # bytes that a linear program rounds away
    assert all(more <= less + slack for less, more in itertools.pairwise(moved))
    assert moved[-1] >= resnet50.compulsory_bytes
    if residency != "none":
        assert moved[-1] == resnet50.compulsory_bytes, "128 MiB hold all feature maps"


def test_the_optimal_plan_of_a_real_network_is_not_beaten(resnet50):
    for capacity in (10**5, 10**6, 10**7):
        best = plan(resnet50, capacity, "optimal").bytes
        greedy = plan(resnet50, capacity, "belady").bytes
        assert best <= greedy <= 1.1 * best


def test_cutting_products_into_tiles_costs_traffic(resnet50):
    once, cut = (plan(resnet50, 2**17, "none", tiling).bytes for tiling in ("once", "search"))
    assert once == resnet50.unplanned_bytes
    assert once < cut < 3 * once


def test_a_second_buffer_takes_room_and_so_costs_traffic(resnet50):
    moved = [plan(resnet50, 2**17, "none", tiling).bytes for tiling in ("search", "double")]
    assert moved[0] < moved[1]
    planned = plan(resnet50, 2**20, "belady", "double")
    assert max(tile.working_set for tile in planned.tiles.values()) <= planned.workspace


def test_a_tile_that_one_core_holds_is_no_larger_than_the_core(resnet50):
    whole = plan(resnet50, 2**22, "none", "search")
    shared = plan(resnet50, 2**22, "none", "search", tile_capacity=2**17)
    assert max(tile.working_set for tile in shared.tiles.values()) <= 2**17
    assert shared.bytes >= whole.bytes


def test_a_memory_too_small_for_any_tile_names_the_layer(resnet50):
    with pytest.raises(AnalysisError, match=r"smallest tile takes .* bytes, a tile may take 16"):
        plan(resnet50, 16, "none", "search")


def test_an_unknown_policy_names_the_valid_ones(resnet50):
    with pytest.raises(AnalysisError, match="'lru' is not one of none, belady, optimal"):
        plan(resnet50, 1, "lru")
