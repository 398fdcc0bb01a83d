"""Steps that are not finite: left out, gone back from, and the same whenever a run is cut."""

import json
import logging
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.errors import Preempted, RunError, UserError
from resnets.training import divergence, loop
from resnets.training.divergence import Policy, Rewind, policy, scales
from resnets.training.epoch import STEP, run_steps
from resnets.training.loop import train
from resnets.training.memory import nothing
from resnets.training.step import initialise, train_step

# Steps of four an epoch; step 7 has a rate at which the parameters leave float32's range, unless
# it is multiplied by FACTOR, a power of two so that the product is exact.
HOT = "piecewise:boundaries=(6,7),factors=(1,6e39,1)"
FACTOR = 2.0**-126
FIELDS = {"schedule": HOT, "epochs": 2, "log_every": 2, "average_decay": 0.9}
VOLATILE = {"wall_s", "images_per_s"}


def records(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k not in VOLATILE} for x in lines]


def numbers(result):
    return {k: v for k, v in result.items() if k not in VOLATILE}


class TestPolicies:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("stop", Policy()),
            ("skip", Policy(skips=10)),
            ("skip:limit=2", Policy(skips=2)),
            ("rewind:limit=1,factor=0.1", Policy(rewinds=1, factor=0.1)),
        ],
    )
    def test_are_read_from_the_config(self, text, expected):
        assert policy(text) == expected

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("skp", "did you mean 'skip'"),
            ("skip:limit=0", "limit must be at least 1"),
            ("rewind:limit=-1", "limit must be at least 1"),
            ("rewind:factor=1", "factor=1.0 must be between 0 and 1"),
            ("rewind:factor=nan", "must be between 0 and 1"),
            ("stop:limit=2", "unknown argument 'limit'"),
            ("", "unknown name"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, text, says):
        with pytest.raises(UserError, match=says):
            policy(text)

    def test_a_rewind_lowers_the_rates_from_its_step_on(self):
        assert list(scales([], 0.5, 0, 3)) == [1, 1, 1]
        taken = [Rewind(2, 3), Rewind(2, 5), Rewind(4, 6)]
        assert list(scales(taken, 0.5, 0, 6)) == [1, 1, 0.25, 0.25, 0.125, 0.125]


def test_a_skipped_step_changes_its_number_alone(make_recipe, small_data):
    recipe = make_recipe(batch_size=8, guarded=True)
    key, rates = jax.random.key(0), [0.05, np.inf, 0.05, 0.05]
    order = jax.random.permutation(jax.random.fold_in(jax.random.fold_in(key, 1), 0), 32)
    expected = initialise(recipe, key, (8, 8, 1))
    one, losses = jax.jit(train_step, static_argnums=0), []
    for step in (0, 2, 3):
        batch = order[step * 8 : step * 8 + 8]
        step_key = jax.random.fold_in(jax.random.fold_in(key, STEP), step)
        expected = expected.replace(step=jnp.int32(step))
        arrays = (small_data.images[batch], small_data.labels[batch])
        expected, measured = one(recipe, expected, *arrays, jnp.float32(rates[step]), step_key)
        losses.append(measured["loss"])
    state, sums = run_steps(
        recipe,
        *(initialise(recipe, key, (8, 8, 1)), (0, 32), small_data, jnp.asarray(rates), key),
        *(jnp.int32(4), nothing(), jnp.int32(1)),
    )
    compare = np.testing.assert_allclose
    jax.tree.map(lambda a, b: compare(a, b, rtol=1e-5, atol=1e-6), state, expected)
    assert (int(sums.count), int(sums.nonfinite), int(state.step)) == (3, 1, 4)
    assert float(sums.loss) == pytest.approx(float(sum(losses)), rel=1e-5)


@pytest.fixture
def hot_config(small_config, tiny_network):
    def make(**overrides):
        return small_config(**FIELDS | overrides)

    return make


def test_a_run_that_skips_says_how_often(hot_config, tmp_path):
    config = hot_config(schedule=HOT.replace("6e39", "inf"), on_divergence="skip:limit=1")
    result = train(config, tmp_path / "run", "run")
    assert result["skipped_steps"] == 1
    epochs = [r["skipped_steps"] for r in records(tmp_path / "run") if r["kind"] == "epoch"]
    assert epochs == [0, 1]


def test_more_than_the_limit_ends_the_run_in_one_line(hot_config, tmp_path):
    schedule = "piecewise:boundaries=(6,8),factors=(1,inf,1)"
    config = hot_config(schedule=schedule, on_divergence="skip:limit=1")
    with pytest.raises(RunError, match=r"non-finite at step 8 after 1 skipped ones"):
        train(config, tmp_path / "run", "run")
    config = hot_config(schedule=schedule, on_divergence="rewind:limit=2")
    with pytest.raises(RunError, match=r"non-finite at step 7 after 2 rewinds") as caught:
        train(config, tmp_path / "back", "back")
    assert "\n" not in str(caught.value)
    assert json.loads((tmp_path / "back" / "failed.json").read_text())["reason"] == str(
        caught.value
    )


def test_a_run_that_goes_back_ends_as_one_with_the_lower_rate_from_there_on(
    hot_config, tmp_path, caplog
):
    config = hot_config(on_divergence=f"rewind:limit=1,factor={FACTOR}")
    with caplog.at_level(logging.WARNING):
        result = train(config, tmp_path / "run", "run")
    diverged = divergence.read(tmp_path / "run")[0].diverged
    assert divergence.read(tmp_path / "run") == [Rewind(4, diverged)]
    assert 7 <= diverged <= 8
    assert f"step {diverged} was not finite; back to step 4" in caplog.text
    assert result["rewinds"] == 1
    (noted,) = (r for r in records(tmp_path / "run") if r["kind"] == "rewind")
    assert (noted["step"], noted["rewind"], noted["diverged_step"]) == (4, 1, diverged)
    assert noted["learning_rate_factor"] == FACTOR

    factors = f"(1,{FACTOR},{6e39 * FACTOR},{FACTOR})"
    lower = hot_config(schedule=f"piecewise:boundaries=(4,6,7),factors={factors}")
    lower["on_divergence"] = config["on_divergence"]
    assert numbers(train(lower, tmp_path / "lower", "lower")) == numbers(result) | {"rewinds": 0}


@pytest.mark.parametrize(
    "on_divergence", [pytest.param("skip", marks=pytest.mark.slow), f"rewind:factor={FACTOR}"]
)
def test_a_run_that_is_stopped_ends_as_one_that_is_not(
    hot_config, tmp_path, monkeypatch, on_divergence
):
    config = hot_config(on_divergence=on_divergence)
    config["schedule"] = HOT if "rewind" in on_divergence else HOT.replace("6e39", "inf")
    whole = train(config, tmp_path / "whole", "whole")
    stop, real, cuts = threading.Event(), loop.run_steps, 0

    def stop_after(feed, state, end, *args):
        if end in (4, 5, 8):  # before an evaluation, between two records, where it goes back
            stop.set()
        return real(feed, state, end, *args)

    monkeypatch.setattr(loop, "run_steps", stop_after)
    while True:
        stop.clear()
        try:
            result = train(config, tmp_path / "cut", "cut", stop=stop)
            break
        except Preempted:
            cuts += 1
    assert cuts >= 3
    assert numbers(result) == numbers(whole)
    assert records(tmp_path / "cut") == records(tmp_path / "whole")
