"""What stays on chip between the steps of a schedule, and what that saves."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets.analysis.optimal import Optimal
from resnets.analysis.residency import Belady
from resnets.analysis.schedule import Schedule
from tests.analysis.schedules import chain, schedules, step

WALKS = (Belady, Optimal)


def walked(walk, schedule, room):
    done = walk(schedule, room)
    done.run()
    return done


def traffic(walk):
    return sum(event.read + event.written for event in walk.events)


def kinds(walk):
    return [
        (event.kind, event.step, event.tensor, event.read + event.written) for event in walk.events
    ]


@given(schedules())
@settings(deadline=None)
def test_without_room_everything_passes_through_external_memory(schedule):
    assert traffic(walked(Belady, schedule, 0)) == schedule.unplanned_bytes


@pytest.mark.parametrize("walk", WALKS)
@given(schedule=schedules())
@settings(deadline=None)
def test_with_all_the_room_only_what_is_compulsory_moves(walk, schedule):
    assert traffic(walked(walk, schedule, math.inf)) == schedule.compulsory_bytes


@given(schedules(most_steps=14), st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=200)
def test_traffic_never_rises_with_capacity(schedule, one, other):
    less, more = sorted((one, other))
    assert traffic(walked(Belady, schedule, more)) <= traffic(walked(Belady, schedule, less))


@pytest.mark.parametrize("walk", WALKS)
@given(schedule=schedules(), room=st.integers(1, 60))
@settings(deadline=None)
def test_occupancy_never_exceeds_the_room(walk, schedule, room):
    done = walked(walk, schedule, room)
    assert len(done.occupancy) == len(schedule.steps)
    assert max(done.occupancy) <= room
    assert min(done.occupancy) >= 0


@given(schedules(), st.integers(1, 40))
@settings(deadline=None, max_examples=200)
def test_no_policy_beats_the_optimal_one_and_belady_is_within_a_half_of_it(schedule, room):
    best = traffic(walked(Optimal, schedule, room))
    assert schedule.compulsory_bytes <= best
    greedy = traffic(walked(Belady, schedule, room))
    rounding = 2 * sum(len(step.reads) for step in schedule.steps)  # bytes, of a linear program
    assert best - rounding <= greedy <= 1.5 * best + rounding


def literal_traffic(schedule, room):
    """The least traffic of whole tensors held or not in each gap: every combination tried."""
    gaps = []
    for tensor, size in schedule.sizes.items():
        touches = [n for n, s in enumerate(schedule.steps) if tensor in s.writes]
        touches += [n for n, s in enumerate(schedule.steps) if tensor in dict(s.reads)]
        gaps += [(tensor, a, b, size) for a, b in itertools.pairwise(touches)]
    best = math.inf
    for chosen in itertools.product((False, True), repeat=len(gaps)):
        held = [gap for gap, keep in zip(gaps, chosen, strict=True) if keep]
        fits = all(
            sum(size for size in {t: s for t, a, b, s in held if a <= n <= b}.values()) <= room
            for n in range(len(schedule.steps))
        )
        if not fits:
            continue
        moved = schedule.compulsory_bytes
        lost = [gap for gap, keep in zip(gaps, chosen, strict=True) if not keep]
        moved += sum(size for _, _, _, size in lost)
        hidden = {t: s for t, _, _, s in lost if t not in schedule.inputs | schedule.outputs}
        best = min(best, moved + sum(hidden.values()))
    return best


@given(schedules(most_steps=4, most_bytes=1), st.integers(1, 4))
@settings(deadline=None, max_examples=150)
def test_the_optimal_policy_is_optimal_for_tensors_of_one_byte(schedule, room):
    assert traffic(walked(Optimal, schedule, room)) == literal_traffic(schedule, room)


def test_a_chain_that_fits_moves_its_ends_only():
    schedule = chain([10, 20, 20, 5])
    done = walked(Belady, schedule, 40)
    assert kinds(done) == [("load", 0, 0, 10), ("store", 2, 3, 5)]
    assert done.occupancy == [20, 40, 20]


def test_half_a_tensor_may_stay():
    schedule = chain([10, 20, 20, 5])
    done = walked(Belady, schedule, 30)
    assert kinds(done) == [
        ("load", 0, 0, 10),
        ("spill", 1, 2, 10),
        ("refetch", 2, 2, 10),
        ("store", 2, 3, 5),
    ]


def test_a_shortcut_waits_on_chip_only_if_there_is_room():
    sizes = dict.fromkeys(range(4), 8)
    steps = (step([(0, 8)], [1]), step([(1, 8)], [2]), step([(2, 8), (1, 8)], [3]))
    schedule = Schedule(steps, sizes, frozenset({0}), frozenset({3}))
    assert traffic(walked(Belady, schedule, 16)) == 8 + 8
    assert kinds(walked(Belady, schedule, 8)) == [
        ("load", 0, 0, 8),
        ("spill", 1, 2, 8),
        ("refetch", 2, 2, 8),
        ("store", 2, 3, 8),
    ]


def test_what_is_needed_latest_goes_first():
    sizes = dict.fromkeys(range(5), 4)
    steps = (
        step([(0, 4)], [2]),
        step([(1, 4)], [3]),
        step([(1, 4)], [4]),
        step([(0, 4)], []),
    )
    schedule = Schedule(steps, sizes, frozenset({0, 1}), frozenset({2, 3, 4}))
    done = walked(Belady, schedule, 4)
    refetched = [event.tensor for event in done.events if event.kind == "refetch"]
    assert refetched == [0]


def test_an_output_that_is_read_again_is_written_once():
    sizes = {0: 4, 1: 6, 2: 4}
    steps = (step([(0, 4)], [1]), step([(1, 6)], [2]))
    schedule = Schedule(steps, sizes, frozenset({0}), frozenset({1, 2}))
    written = [event for event in walked(Belady, schedule, 0).events if event.written]
    assert [(event.kind, event.tensor) for event in written] == [("store", 1), ("store", 2)]
