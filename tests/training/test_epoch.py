"""Many steps and whole evaluations on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.data.augmentation import normalise
from resnets.training import epoch as epoch_module
from resnets.training.epoch import evaluate, run_step, run_steps
from resnets.training.state import DeviceData, Sums
from resnets.training.step import apply, cross_entropy, initialise, wrong

SHAPE = (8, 8, 1)
KEY = jax.random.key(0)


def run(recipe, data, state, stop, rates=None, key=KEY, sums=None, tolerated=0):
    steps = 32 // recipe.batch_size
    rates = jnp.full(steps, 0.05) if rates is None else rates
    state = jax.tree.map(jnp.copy, state)  # run_steps gives the state's buffers up
    sums, none = Sums.zero() if sums is None else sums, jnp.int32(tolerated)
    return run_steps(recipe, state, (0, 32), data, rates, key, jnp.int32(stop), sums, none)


def test_an_epoch_in_one_call_equals_its_steps_one_by_one(make_recipe, small_data):
    recipe = make_recipe(batch_size=8)
    start = initialise(recipe, KEY, SHAPE)
    whole, sums = run(recipe, small_data, start, 4)
    piecewise, added = start, Sums.zero()
    for stop in range(1, 5):
        piecewise, added = run(recipe, small_data, piecewise, stop, sums=added)
    jax.tree.map(np.testing.assert_array_equal, (whole, sums), (piecewise, added))
    assert int(whole.step) == int(sums.count) == 4


def test_an_epoch_takes_every_training_example_once_in_an_order_of_its_own(
    make_recipe, small_data, monkeypatch
):
    recipe = make_recipe(batch_size=8)
    seen = []

    def note_labels(recipe, state, images, labels, rate, key):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), labels)
        return dataclasses.replace(state, step=state.step + 1), {"loss": rate, "error": rate}

    monkeypatch.setattr(epoch_module, "train_step", note_labels)
    numbered = DeviceData(small_data.images, jnp.arange(40, dtype=jnp.int32))
    state = initialise(recipe, KEY, SHAPE)
    body = jax.jit(run_steps.__wrapped__, static_argnums=(0, 2))
    for stop in (4, 8):
        rates = jnp.ones(4)
        ends = (jnp.int32(stop), Sums.zero(), jnp.int32(0))
        state, _ = body(recipe, state, (4, 36), numbered, rates, KEY, *ends)
        jax.block_until_ready(state)
    jax.effects_barrier()
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    assert sorted(first) == sorted(second) == list(range(4, 36))
    assert list(first) != list(second)


@pytest.mark.slow  # test_step.py holds a step on eight against one
def test_eight_devices_train_an_epoch_as_one_does(make_recipe, small_data):
    results = []
    for devices in (1, 8):
        recipe = make_recipe(devices)
        state = initialise(recipe, KEY, SHAPE)
        state, sums = run(recipe, small_data, state, 2)
        results.append((state.params, sums.loss))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), *results)


def test_the_loop_ends_at_the_first_non_finite_loss(make_recipe, small_data):
    recipe = make_recipe(batch_size=8)
    rates = jnp.array([0.05, jnp.inf, 0.05, 0.05])
    state, sums = run(recipe, small_data, initialise(recipe, KEY, SHAPE), 4, rates)
    assert int(sums.count) == 2  # the infinite rate ruins step 2; the loss of step 3 shows it
    assert int(state.step) == 3
    assert np.isfinite(sums.loss)


@pytest.mark.parametrize("finite_before", [True, False])
def test_after_a_non_finite_loss_no_batch_is_counted(make_recipe, small_data, finite_before):
    recipe = make_recipe(batch_size=8)
    before = Sums(jnp.float32(3), jnp.float32(2), jnp.int32(4), jnp.int32(not finite_before))
    batch = (small_data.images[:8], small_data.labels[:8])
    state = initialise(recipe, KEY, SHAPE)
    rate, none = jnp.float32(0.05), jnp.int32(0)
    state, sums = run_step(recipe, state, before, batch, rate, KEY, none)
    assert int(state.step) == 1
    assert int(sums.nonfinite) == (not finite_before)
    assert int(sums.count) == 4 + finite_before
    assert (float(sums.loss) > 3) == finite_before


def test_rates_are_arguments_and_seeds_too_so_nothing_is_compiled_again(make_recipe, small_data):
    recipe = make_recipe(batch_size=8, weight_decay=0.123)
    state = initialise(recipe, KEY, SHAPE)
    run(recipe, small_data, state, 1)
    compiled = []

    def note(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    other = initialise(recipe, jax.random.key(7), SHAPE)
    run(recipe, small_data, other, 2, jnp.full(4, 0.25), jax.random.key(7))
    assert not compiled
    jax.jit(lambda x: x + 1.5)(jnp.ones(3))
    assert compiled  # the event still has that name


@pytest.mark.parametrize("batch_size", [8, 16, 64])
@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(("start", "stop"), [(0, 40), (3, 40), (17, 18), (8, 24)])
def test_evaluation_counts_every_example_exactly_once(
    make_recipe, small_data, batch_size, devices, start, stop
):
    recipe = make_recipe(devices, batch_size=batch_size)
    variables = initialise(recipe, KEY, SHAPE).variables()
    bounds = (jnp.int32(start), jnp.int32(stop))
    sums = evaluate(recipe, variables, small_data, *bounds, Sums.zero())
    chosen = slice(start, stop)
    x = normalise(small_data.images[chosen], recipe.preprocessing)
    logits, labels = apply(recipe, variables, x), small_data.labels[chosen]
    assert int(sums.count) == stop - start
    np.testing.assert_allclose(sums.loss, cross_entropy(logits, labels, 0.0).sum(), rtol=1e-4)
    assert int(sums.errors) == int(wrong(logits, labels).sum())
