"""Runs on streamed data: what they compute, what they say of corrupt files, and going on."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.data.crops import decode
from resnets.data.streaming import Streamed
from resnets.errors import RunError, UserError
from resnets.training import loop, setup
from resnets.training.epoch import STEP, evaluate
from resnets.training.feed import open_feed, run_steps
from resnets.training.loop import train
from resnets.training.memory import nothing
from resnets.training.state import DeviceData
from resnets.training.step import train_step
from tests.data import fake_imagenet

CORRUPT = {fake_imagenet.CORRUPT, "ILSVRC2012_val_00000004.JPEG"}


@pytest.fixture
def feed(streamed_config):
    plan = setup.prepare(streamed_config(average_decay=0.9))
    with open_feed(plan) as opened:
        yield plan, opened


def no_pause():
    """Nobody asks to stop."""


def records(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    volatile = {"wall_s", "images_per_s"}
    return [{k: v for k, v in json.loads(line).items() if k not in volatile} for line in lines]


class TestNumbers:
    def test_training_takes_the_steps_of_the_batches_one_by_one(self, feed):
        plan, opened = feed
        rates = np.linspace(0.01, 0.02, plan.steps_per_epoch)
        state, sums = run_steps(opened, plan.initial_state(), 2, rates, nothing())
        expected, losses = plan.initial_state(), []
        step = jax.jit(train_step, static_argnums=0)
        for number, batch in enumerate(plan.dataset.train_batches(plan.seed, 4, 0, 2)):
            key = jax.random.fold_in(jax.random.fold_in(plan.key(), STEP), number)
            arrays = (jnp.asarray(batch.images), jnp.asarray(batch.labels))
            rate = jnp.float32(rates[number])
            expected, metrics = step(plan.recipe, expected, *arrays, rate, key)
            losses.append(float(metrics["loss"]))
        compare = np.testing.assert_allclose
        jax.tree.map(lambda a, b: compare(a, b, rtol=1e-4, atol=1e-5), state, expected)
        assert sums.count == 2
        assert sums.loss == pytest.approx(sum(losses), rel=1e-5)

    @pytest.mark.parametrize("split", ["train", "test"])
    def test_evaluation_counts_every_readable_image_exactly_once(self, feed, split):
        plan, opened = feed
        variables = plan.initial_state().variables()
        (sums,) = opened.evaluate(split, [variables], no_pause)
        stored = [plan.dataset.records[split][i] for i in range(plan.dataset.size(split))]
        readable = [(image, r.label) for r in stored if (image := decode(r.content))]
        assert len(readable) == len(stored) - 1
        images = np.stack([plan.dataset.view.evaluate(image) for image, _ in readable])
        labels = jnp.asarray([label for _, label in readable], jnp.int32)
        data = DeviceData(jnp.asarray(images), labels)
        bounds = (jnp.int32(0), jnp.int32(len(readable)))
        expected = evaluate(plan.recipe, variables, data, *bounds, nothing())
        assert sums.count == expected.count == len(readable)
        assert sums.errors == expected.errors
        assert sums.loss == pytest.approx(float(expected.loss), rel=1e-5)

    def test_several_variables_are_evaluated_in_one_pass(self, feed, monkeypatch):
        plan, opened = feed
        passes = []
        real = Streamed.eval_batches
        monkeypatch.setattr(Streamed, "eval_batches", lambda *a: (passes.append(a), real(*a))[1])
        one = plan.initial_state().variables()
        other = jax.tree.map(lambda x: x + 0.5, one)
        both = opened.evaluate("test", [one, other], no_pause)
        assert len(passes) == 1
        alone = [opened.evaluate("test", [variables], no_pause)[0] for variables in (one, other)]
        assert both == alone
        assert both[0].loss != both[1].loss

    def test_a_split_that_was_not_asked_for_has_no_numbers(self, feed):
        plan, opened = feed
        assert opened.evaluate("validation", [plan.initial_state().variables()], no_pause) == []

    @pytest.mark.slow
    def test_eight_devices_give_the_numbers_of_one(self, streamed_config, monkeypatch):
        results = []
        for devices in (1, 8):
            mesh = setup.Mesh(np.array(jax.devices()[:devices]), ("data",))
            monkeypatch.setattr(setup, "device_mesh", lambda mesh=mesh: mesh)
            plan = setup.prepare(streamed_config(batch_size=8))
            with open_feed(plan) as opened:
                rates = np.array([0.05])
                state, sums = run_steps(opened, plan.initial_state(), 1, rates, nothing())
                (tested,) = opened.evaluate("test", [state.variables()], no_pause)
            results.append([float(x) for x in (sums.loss, tested.loss, tested.count)])
        assert results[0] == pytest.approx(results[1], rel=1e-4)


class TestRuns:
    @pytest.mark.slow
    def test_an_interrupted_run_ends_as_one_never_interrupted(
        self, streamed_config, tmp_path, monkeypatch, caplog
    ):
        config = streamed_config(average_decay=0.9, diagnostics="every")
        with caplog.at_level(logging.WARNING, "resnets"):
            whole = train(config, tmp_path / "whole", "whole")
        named = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert len(named) == 2
        assert {next(n for n in CORRUPT if n in line) for line in named} == CORRUPT

        real = loop.run_steps

        def killed_in_the_third_epoch(feed, state, *args):
            if int(state.step) >= 4:
                raise KeyboardInterrupt
            return real(feed, state, *args)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "run_steps", killed_in_the_third_epoch)
            with pytest.raises(KeyboardInterrupt):
                train(config, tmp_path / "cut", "cut")
        assert not (tmp_path / "cut" / "done.json").exists()
        caplog.clear()
        resumed = train(config, tmp_path / "cut", "cut")
        warned = [r for r in caplog.records if r.levelname == "WARNING"]
        assert not warned  # each has been named already
        assert resumed | {"wall_s": 0} == whole | {"wall_s": 0}
        assert records(tmp_path / "cut") == records(tmp_path / "whole")

    @pytest.mark.slow
    def test_corrupt_images_are_counted_in_the_records_and_the_result(
        self, streamed_config, tmp_path
    ):
        result = train(streamed_config(epochs=1), tmp_path / "run", "run")
        (epoch,) = (r for r in records(tmp_path / "run") if r["kind"] == "epoch")
        assert 1 <= epoch["corrupt_images"] <= result["corrupt_images"] == 2
        assert json.loads((tmp_path / "run" / "done.json").read_text())["corrupt_images"] == 2
        # 9 of 10 and 4 of 5 images are readable.
        for split, readable in (("train", 9), ("test", 4)):
            wrong = result[f"{split}_error_pct"] * readable / 100
            assert wrong == pytest.approx(round(wrong), abs=1e-5)

    @pytest.mark.parametrize("log_every", [0, 1])
    def test_a_non_finite_loss_stops_the_run_and_says_where(
        self, streamed_config, tmp_path, log_every
    ):
        config = streamed_config(learning_rate=1e30, log_every=log_every, batch_size=2)
        with pytest.raises(RunError, match=r"non-finite at step [23] "):
            train(config, tmp_path / "run", "hot")
        reason = json.loads((tmp_path / "run" / "failed.json").read_text())["reason"]
        assert "try a lower config.learning_rate" in reason

    def test_a_split_of_corrupt_images_only_is_an_error(self, directory, streamed_config):
        probe = setup.prepare(streamed_config())
        names = [probe.dataset.records["test"][i].file_name for i in range(5)]
        place = next(i for i, name in enumerate(names) if name in CORRUPT)
        config = streamed_config(**{"data.test": f"validation[{place}:{place + 1}]"})
        plan = setup.prepare(config)
        with open_feed(plan) as opened, pytest.raises(UserError, match="every image of test"):
            opened.evaluate("test", [plan.initial_state().variables()], no_pause)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("data.image_size", 0, "image_size=0 must be at least 1"),
        ("data.image_size", 37, "at most config.data.resize=36"),
        ("data.train_crop", "zoom", "valid: area, scale"),
        ("data.train_crop", "scale:smallest=31", "must be at least 32, the image size"),
        ("data.workers", -1, "config.data.workers=-1 must be at least 0"),
        ("data.train", "trian", "Unknown split"),
        ("batch_size", 11, "larger than the training split (10)"),
    ],
)
def test_a_value_out_of_range_is_one_line_that_names_its_field(streamed_config, field, value, says):
    with pytest.raises(UserError) as caught:
        setup.prepare(streamed_config(**{field: value}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_field_of_data_in_memory_is_refused(streamed_config):
    config = streamed_config()
    config["data"]["shift"] = 4
    with pytest.raises(UserError, match=r"nothing reads config\.data\.shift"):
        setup.prepare(config)


@pytest.mark.slow
def test_the_command_trains_with_worker_processes_and_leaves_nothing_behind(directory, tmp_path):
    fields = {"data.workers": 1, "epochs": 1, "data.directory": directory, "data.test": ""}
    flags = fake_imagenet.SMALL_RUN | fields
    done = subprocess.run(
        [
            *(sys.executable, "-m", "resnets.cli", "train"),
            "--config=configs/imagenet.py:model=lenet5",
            f"--workdir={tmp_path / 'run'}",
            *(f"--config.{field}={value}" for field, value in flags.items()),
        ],
        env=os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "corrupt_images     1" in done.stdout
    lines = done.stderr.splitlines()
    own = ("building imagenet2012", "imagenet2012: ", "run: step ")
    # On busy cores Python's tracker may free what Grain fetched ahead, and says so.
    others = [line for line in lines if not line.startswith(own) and "resource_tracker" not in line]
    assert others == []
    assert sum("is corrupt and is skipped" in line for line in lines) == 1
    assert json.loads((tmp_path / "run" / "done.json").read_text())["steps"] == 2
