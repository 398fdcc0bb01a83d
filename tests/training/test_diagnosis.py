"""Diagnoses of a run: when, what they leave, and that they change nothing."""

import dataclasses
import json
import struct

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resnets.errors import Preempted, UserError
from resnets.models import layers
from resnets.models.residual_block import Block, BlockDesign
from resnets.training import diagnosis, setup
from resnets.training.diagnosis import Cadence, cadence, diagnose
from resnets.training.events import DIAGNOSTICS
from resnets.training.loop import train
from resnets.training.metrics import read
from resnets.training.step import initialise, train_step


class TinyResidual(nn.Module):
    """One residual block between a stem and a classifier."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, images, train):
        x = layers.Conv(4, (3, 3), name="stem")(images)
        x = Block(4, 1, BlockDesign(shortcut="A"), name="block0")(x, train)
        return layers.classifier(layers.global_average_pool(x), self.num_classes, "float32")


@pytest.fixture
def tiny(monkeypatch):
    """Every config's network is the tiny residual one."""
    monkeypatch.setattr(setup.models, "create", lambda name, classes, **_: TinyResidual(classes))


step = jax.jit(train_step, static_argnums=0)


def diagnosed(run):
    return [r for r in read(run / "metrics.jsonl") if r["kind"] == DIAGNOSTICS]


def events(run):
    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"histograms": 0})
    accumulator.Reload()
    return accumulator


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "epochs", "expected"),
    [
        ("doubling", 20, [1, 2, 4, 8, 16, 20]),
        ("doubling", 8, [1, 2, 4, 8]),
        ("every:epochs=3", 7, [3, 6, 7]),
        ("every", 3, [1, 2, 3]),
        ("off", 5, []),
    ],
)
def test_cadence(text, epochs, expected):
    due = cadence(text).due
    assert [epoch for epoch in range(1, epochs + 1) if due(epoch, epochs)] == expected


def test_pictures_come_a_few_times_however_often_numbers_do():
    pictured = Cadence(every=1).pictured
    assert [e for e in range(1, 101) if pictured(e, 100)] == [1, 2, 4, 8, 16, 32, 64, 100]


@pytest.mark.parametrize("text", ["often", "every:epochs=0", "every:steps=3"])
def test_other_words_are_refused(text):
    with pytest.raises(UserError, match="diagnostics"):
        cadence(text)


# --- what --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Batch:
    """The batch to diagnose on."""

    images: jax.Array
    labels: jax.Array

    def probe(self):
        return self.images, self.labels


@pytest.fixture
def case(make_recipe, small_data):
    """A recipe, a state after one step, and a batch."""
    recipe = make_recipe(model=TinyResidual(), weight_decay=1e-2)
    state = initialise(recipe, jax.random.key(0), (8, 8, 1))
    batch = Batch(small_data.images[:16], small_data.labels[:16])
    state, _ = step(recipe, state, batch.images, batch.labels, jnp.float32(0.1), jax.random.key(1))
    return recipe, state, batch


def test_the_update_is_the_one_that_training_would_make(case):
    recipe, state, batch = case
    key = jax.random.key(2)
    found = diagnose(recipe, batch, state, 0.1, key).record
    after, _ = step(
        recipe,
        state,
        batch.images,
        batch.labels,
        jnp.float32(0.1),
        jax.random.fold_in(key, diagnosis.STREAM),
    )
    for layer, place in (("stem", ("stem",)), ("block0/conv2", ("block0", "conv2"))):
        old, new = (s.params for s in (state, after))
        for part in place:
            old, new = old[part], new[part]
        old, new = (np.asarray(x["kernel"], np.float64) for x in (old, new))
        ratio = np.linalg.norm(new - old) / np.linalg.norm(old)
        assert found["update_to_weight"][layer] == pytest.approx(ratio, rel=1e-4)
    squares = sum(v**2 for v in found["gradient_norm"].values())
    assert 0 < squares <= found["gradient_norm_all"] ** 2 * (1 + 1e-5), "BN has gradients, too"
    assert list(found["gradient_norm"]) == ["stem", "block0/conv1", "block0/conv2", "classifier"]
    assert list(found["branch_to_shortcut"]) == ["block0"]


def test_several_devices_and_parts_of_a_batch(case, make_recipe):
    """The same batch on two devices gives the same numbers, and the state stays as it is."""
    recipe, state, batch = case
    one = diagnose(recipe, batch, state, 0.1, jax.random.key(2)).record
    two = make_recipe(devices=2, model=TinyResidual(), weight_decay=1e-2)
    moved = two.replicate(jax.device_get(state))
    other = diagnose(two, batch, moved, 0.1, jax.random.key(2)).record
    for quantity in ("gradient_norm", "response_std", "branch_to_shortcut", "update_to_weight"):
        assert other[quantity] == pytest.approx(one[quantity], rel=1e-3), quantity
    assert dataclasses.replace(recipe, accumulation=4).part_size == 4


# --- in a run ----------------------------------------------------------------------------------


def test_runs_with_and_without_diagnostics_are_the_same_bit_for_bit(small_config, tmp_path, tiny):
    shown = train(small_config(diagnostics="every"), tmp_path / "shown", "shown")
    hidden = train(small_config(diagnostics="off"), tmp_path / "hidden", "hidden")
    assert shown["state_sha256"] == hidden["state_sha256"]
    assert [r["epoch"] for r in diagnosed(tmp_path / "shown")] == [1, 2, 3]
    assert diagnosed(tmp_path / "hidden") == []


@pytest.mark.slow
def test_an_interrupted_run_has_the_same_diagnoses_and_pictures(
    small_config, tmp_path, tiny, monkeypatch
):
    from resnets.training.loop import _Run

    config = small_config(diagnostics="every", **{"accumulation": 2})
    train(config, tmp_path / "whole", "whole")
    evaluate, calls = _Run._evaluate, []

    def interrupted(self, splits):
        calls.append(splits)
        if len(calls) == 2:
            raise Preempted("now")
        return evaluate(self, splits)

    monkeypatch.setattr(_Run, "_evaluate", interrupted)
    with pytest.raises(Preempted):
        train(config, tmp_path / "cut", "cut")
    train(config, tmp_path / "cut", "cut")
    assert diagnosed(tmp_path / "cut") == diagnosed(tmp_path / "whole")
    whole, cut = events(tmp_path / "whole"), events(tmp_path / "cut")
    assert whole.Tags() == cut.Tags()
    for tag in whole.Tags()["histograms"]:
        steps = [[(h.step, h.histogram_value) for h in run.Histograms(tag)] for run in (whole, cut)]
        assert steps[0] == steps[1]
        assert len(steps[0]) == 3, "after epochs 1, 2 and 3, the last"


def test_tensorboard_has_numbers_histograms_pictures_and_the_config(small_config, tmp_path, tiny):
    train(small_config(diagnostics="every:epochs=3"), tmp_path / "run", "run")
    shown, (record,) = events(tmp_path / "run"), diagnosed(tmp_path / "run")
    (scalar,) = shown.Scalars("response_std/block0/bn1")
    assert scalar.value == pytest.approx(record["response_std"]["block0/bn1"])
    assert scalar.step == record["step"]
    assert {"responses/block0/bn1", "responses/block0/bn2"} == set(shown.Tags()["histograms"])
    assert {"filters/stem", "feature_maps/stem", "feature_maps/block0"} == set(
        shown.Tags()["images"]
    )
    (picture,) = shown.Images("filters/stem")
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture.encoded_image_string[16:24]) == (51, 51), "2x2 tiles of 24"
    (config,) = shown.Tensors("config/text_summary")
    text = config.tensor_proto.string_val[0].decode()
    assert "| batch_size | 32 |" in text
    (file,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert file.stat().st_size < 60_000


@pytest.mark.slow
def test_a_profile_of_a_few_steps(small_config, tmp_path, tiny):
    train(small_config(profile=2, epochs=2), tmp_path / "run", "run")
    (trace,) = (tmp_path / "run" / "tensorboard" / "plugins" / "profile").iterdir()
    (space,) = trace.glob("*.xplane.pb")
    data = jax.profiler.ProfileData.from_file(str(space))
    names = {event.name for plane in data.planes for line in plane.lines for event in line.events}
    assert any("run_steps" in name for name in names), sorted(names)[:20]
    unprofiled = train(small_config(epochs=2), tmp_path / "plain", "plain")
    profiled = json.loads((tmp_path / "run" / "done.json").read_text())
    assert unprofiled["state_sha256"] == profiled["state_sha256"]
