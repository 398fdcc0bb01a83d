"""A run's program, lowered of shapes before the run: what it is for, and that it costs no second.

JAX itself says when it traces or lowers a function (`jax.monitoring`), so that is what is counted.
"""

import contextlib

import jax
import numpy as np
import pytest

from resnets.training import lowering
from resnets.training.feed import open_feed, run_steps
from resnets.training.memory import nothing
from resnets.training.setup import prepare


@contextlib.contextmanager
def worked_on():
    """Names of the functions that JAX traces or lowers meanwhile."""
    names = []

    def listen(event, seconds, fun_name="", **_):
        if event.endswith(("jaxpr_trace_duration", "jaxpr_to_mlir_module_duration")):
            names.append(fun_name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def take_one_step(plan):
    """The first step of the plan's run."""
    rates = np.full(plan.steps_per_epoch, 0.01, np.float32)
    with open_feed(plan) as feed:
        _, sums = run_steps(feed, plan.initial_state(), 1, rates, nothing())
    assert sums.count == 1


def programs(names):
    return [name for name in names if "run_step" in name]


def lowered_once(plan):
    with worked_on() as names:
        lowering.lower(plan)
    assert programs(names), "the listener hears of the program"
    with worked_on() as names:
        take_one_step(plan)
    return not programs(names)


def test_a_run_on_resident_data_does_not_trace_its_program_again(small_config):
    plan = prepare(small_config(batch_size=64))
    assert lowered_once(plan)


def test_nor_does_one_on_streamed_data(tiny_network, streamed_config):
    plan = prepare(streamed_config(weight_decay=3e-4))  # of no other test: nothing is traced yet
    assert lowered_once(plan)


@pytest.mark.parametrize("field", ["average_decay=0.9", "accumulation=2"])
def test_whatever_the_state_holds(tiny_network, small_config, field):
    name, value = field.split("=")
    plan = prepare(small_config(batch_size=32, **{name: value}))
    assert lowered_once(plan)


def test_the_program_of_a_network_in_loops_is_as_long_at_any_depth(small_config):
    """20 layers are the hardest: a stage's loop of two has the shapes of other pairs."""
    plans = [
        prepare(small_config(**{"model.name": f"cifar_resnet{depth}", "batch_size": 64}))
        for depth in (20, 32, 56)
    ]
    lines = {len(lowering.lower(plan).as_text().splitlines()) for plan in plans}
    assert len(lines) == 1
