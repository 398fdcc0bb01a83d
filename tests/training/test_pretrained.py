"""Runs that start from the weights of a file: what is loaded, reported, refused."""

import json
import logging

import jax
import numpy as np
import pytest

from configs import digits
from resnets.errors import UserError
from resnets.models import interop, stacking
from resnets.models.interop.naming import flatten
from resnets.training import checkpoints
from resnets.training.loop import train
from resnets.training.setup import prepare


def config(**fields):
    """One epoch on digits without learning: the values at the end are those at the start."""
    made = digits.get_config("depth=8")
    made.epochs, made.learning_rate, made.schedule, made.weight_decay = 1, 0.0, "constant", 0.0
    made.diagnostics = "off"
    made.update_from_flattened_dict(fields)
    return made.to_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the network that `config` trains, from another seed."""
    plan = prepare(config(seed=7))
    file = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    interop.save(file, plan.recipe.model, plan.initial_state().variables())
    return file


def parameters(fields):
    """Unrolled parameters that a run begins with."""
    plan = prepare(fields)
    state = plan.initial_state()
    if plan.pretrained:
        state, _ = plan.pretrained.apply(plan.recipe.model, state)
    return flatten(stacking.unstack(jax.device_get(state.params)))


@pytest.mark.slow  # tests/cli/test_export.py starts one from what it exported
def test_a_run_starts_from_the_file_and_says_so(weights, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "resnets"):
        result = train(config(init_from=str(weights)), tmp_path / "run", "run")
    other = train(config(seed=7), tmp_path / "other", "other")
    assert result["parameters_sha256"] == other["parameters_sha256"]
    assert any("arrays loaded from" in record.message for record in caplog.records)
    kept = json.loads((tmp_path / "run" / "init_from.json").read_text())
    assert (kept["naming"], kept["missing"], kept["unused"]) == ("own", [], [])
    assert len(kept["sha256"]) == 64


@pytest.mark.parametrize("written_by_a_loop", [True, False])
def test_another_runs_checkpoint_is_read_in_either_form(written_by_a_loop, tmp_path, monkeypatch):
    def of(scan_blocks, **fields):
        deep = {"model.name": "cifar_resnet20", "model.scan_blocks": scan_blocks}
        return config(**deep, **fields)

    state = prepare(of(written_by_a_loop, seed=7)).initial_state()
    stored = {"params": state.params, "batch_stats": state.batch_stats}
    monkeypatch.setattr(checkpoints, "read", lambda directory, best=False: stored)
    expected = flatten(stacking.unstack(jax.device_get(state.params)))
    for scan_blocks in (True, False):
        found = parameters(of(scan_blocks, init_from=str(tmp_path)))
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no checkpoint"):
        prepare(config(init_from=str(tmp_path)))


def test_a_loop_reads_what_an_unrolled_network_wrote(weights):
    looped = parameters(config(init_from=str(weights)))
    unrolled = parameters(config(init_from=str(weights), **{"model.scan_blocks": False}))
    jax.tree.map(np.testing.assert_array_equal, looped, unrolled)


def test_a_new_head_keeps_its_own_values(weights):
    fresh, loaded = parameters(config(seed=3)), parameters(config(seed=7))
    mixed = parameters(config(seed=3, init_from=str(weights), init_new_head=True))
    for path, value in mixed.items():
        np.testing.assert_array_equal(value, (fresh if "classifier" in path else loaded)[path])


def test_the_moving_average_starts_from_the_file_too(weights):
    plan = prepare(config(init_from=str(weights), average_decay=0.9))
    state, _ = plan.pretrained.apply(plan.recipe.model, plan.initial_state())
    jax.tree.map(np.testing.assert_array_equal, state.average, state.variables())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"init_from": "none.safetensors"}, "config.init_from: none.safetensors cannot be read"),
        ({"init_new_head": True}, "config.init_new_head=true needs config.init_from"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_anything_is_written(fields, message, tmp_path):
    with pytest.raises(UserError, match=message):
        train(config(**fields), tmp_path / "run", "run")
    assert not (tmp_path / "run").exists()


def test_a_file_of_another_width_is_refused(weights, tmp_path):
    fields = {
        "init_from": str(weights),
        "data.name": "synthetic:height=8,width=8,train=64,classes=3",
    }
    with pytest.raises(UserError, match=r"shapes differ .*classifier.*init_new_head=true"):
        prepare(config(**fields))
