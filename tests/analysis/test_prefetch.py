"""Copies that run beside kernels, counted by hand."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import hardware, lower
from resnets.analysis.fusion import schedule
from resnets.analysis.prefetch import Stage, spans
from resnets.analysis.projection import project
from resnets.errors import UserError


def test_a_step_waits_for_what_has_not_arrived():
    """At one byte a second: 2 bytes, then 3 that come while the first step computes."""
    assert spans([Stage(4, 2, 0), Stage(1, 3, 0)], rate=1, room=100) == [2 + 4, 1]
    assert spans([Stage(1, 2, 0), Stage(1, 3, 0)], rate=1, room=100) == [2 + 1, 2 + 1]


def test_nothing_is_fetched_for_which_there_is_no_room():
    stages = [Stage(4, 2, 0), Stage(4, 2, 0), Stage(1, 3, 0)]
    assert spans(stages, rate=1, room=100) == [6, 4, 1]
    assert spans(stages, rate=1, room=3) == [6, 6, 4], "each when the one before is done"


def test_what_a_step_moves_itself_delays_the_copies():
    free, busy = [Stage(4, 1, 0), Stage(1, 4, 0)], [Stage(4, 1, 3), Stage(1, 4, 0)]
    assert spans(free, rate=1, room=100) == [5, 1]
    assert spans(busy, rate=1, room=100) == [5, 4]


stage = st.builds(Stage, st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))


@given(st.lists(stage, max_size=12), st.floats(0, 40))
def test_no_step_is_quicker_than_alone_and_none_slower_than_fetching_all_by_itself(stages, room):
    found = spans(stages, 2.0, room)
    for step, span in zip(stages, found, strict=True):
        assert span >= step.duration - 1e-9
    total = sum(step.duration + step.ahead / 2.0 + step.moving for step in stages)
    assert sum(found) <= total + 1e-6


def test_a_network_whose_weights_come_ahead_is_quicker():
    graph = lower.inference(models.create("lenet5"), (32, 32, 1), 1).graph
    made = schedule(graph, "epilogue", training=False)
    machine = hardware.load("tpu_v5e")
    apart = project(made, machine)
    ahead = project(made, dataclasses.replace(machine, prefetch=True))
    assert ahead.estimate < apart.estimate
    weights = 4 * 61_706 / machine.memories[-1].read
    assert ahead.estimate > max(weights, len(made.steps) * machine.overhead)
    assert ahead.upper == apart.upper


def test_the_file_says_whether_a_machine_fetches_ahead():
    machine = dataclasses.replace(hardware.load("tpu_v5e"), prefetch=True)
    assert hardware.parse(hardware.dumps(machine, {}), "here") == machine
    with pytest.raises(UserError, match="prefetch needs a memory on chip"):
        dataclasses.replace(machine, memories=machine.memories[1:])
