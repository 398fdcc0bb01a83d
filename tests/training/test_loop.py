"""Whole runs: files, resuming, and ways to fail."""

import json

import jax
import numpy as np
import pytest

from resnets.errors import RunError, UserError
from resnets.training import loop
from resnets.training.lock import locked
from resnets.training.loop import train
from resnets.training.run_directory import RunDirectory


def records(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run of three epochs, for the tests that only look."""
    from resnets.training.config_file import load_config

    directory = tmp_path_factory.mktemp("finished") / "run"
    flags = (
        "data.train=train[:128]",
        "data.test=test[:50]",
        "data.validation=validation[:30]",
        "batch_size=32",
        "epochs=3",
        "schedule=cosine",
        "checkpoint_every=1",
        "average_decay=0.9",
        "log_every=3",
    )
    config = load_config("configs/digits.py:depth=8", [f"--config.{f}" for f in flags]).to_dict()
    return directory, config, train(config, directory, "run")


def test_a_run_leaves_the_files_of_the_contract(finished):
    directory, config, result = finished
    assert json.loads((directory / "done.json").read_text()) == result
    written = json.loads((directory / "config.json").read_text())
    assert written["config"] == json.loads(json.dumps(config))
    assert {"versions", "git_commit", "machine", "devices", "argv"} <= written.keys()
    assert any((directory / "tensorboard").glob("events.out.tfevents.*"))
    steps = {path.name for path in (directory / "checkpoints").iterdir()}
    assert steps == {"8", "12"}
    assert not (directory / "lock.json").exists()


def test_the_result_holds_final_numbers_of_whole_splits(finished):
    result = finished[2]
    assert result["steps"] == 12
    assert "corrupt_images" not in result  # which only streamed data have
    assert len(result["parameters_sha256"]) == 64
    for split, size in (("train", 128), ("validation", 30), ("test", 50)):
        for prefix in ("", "average_"):
            wrong = result[f"{prefix}{split}_error_pct"] * size / 100
            assert wrong == pytest.approx(round(wrong), abs=1e-6)
            assert np.isfinite(result[f"{prefix}{split}_loss"])


def test_records_come_every_few_steps_and_every_epoch(finished):
    kinds = [(record["kind"], record["step"]) for record in records(finished[0])]
    assert kinds == [
        (kind, 4 * epoch + step)
        for epoch in range(3)
        for kind, step in (("train", 3), ("train", 4), ("diagnostics", 4), ("epoch", 4))
    ]
    epochs = [record for record in records(finished[0]) if record["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert {"train_loss", "test_error_pct", "validation_loss", "wall_s"} <= epochs[0].keys()
    assert epochs[-1]["test_error_pct"] == finished[2]["test_error_pct"]


def test_a_done_run_is_not_run_again(finished):
    directory, config, result = finished
    before = (directory / "metrics.jsonl").read_bytes()
    assert train(config, directory, "again") == result
    assert (directory / "metrics.jsonl").read_bytes() == before


def test_a_directory_of_another_config_is_refused_and_left_alone(finished):
    directory, config, _ = finished
    before = sorted(path.name for path in directory.iterdir())
    with pytest.raises(UserError, match=r"another config: epochs \(3 there, 9 here\)"):
        train(config | {"epochs": 9}, directory, "other")
    assert sorted(path.name for path in directory.iterdir()) == before


def test_an_interrupted_run_ends_as_one_never_interrupted(small_config, tmp_path, monkeypatch):
    config = small_config(schedule="plateau:patience=1", **{"data.validation": "validation[:30]"})
    whole = train(config, tmp_path / "whole", "whole")

    real = loop.run_steps

    def killed_in_the_third_epoch(feed, state, *args):
        if int(state.step) >= 8:
            raise KeyboardInterrupt
        return real(feed, state, *args)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_steps", killed_in_the_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "cut", "cut")
    assert not (tmp_path / "cut" / "done.json").exists()
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "step": 12, "epoch": 3}\n{"kind": "ep')

    resumed = train(config, tmp_path / "cut", "cut")
    volatile = {"wall_s"}
    assert {k: v for k, v in resumed.items() if k not in volatile} == {
        k: v for k, v in whole.items() if k not in volatile
    }
    trimmed = [
        [{k: v for k, v in record.items() if k not in volatile} for record in records(run)]
        for run in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert trimmed[0] == trimmed[1]


def test_a_non_finite_loss_stops_the_run_and_says_where(small_config, tmp_path):
    config = small_config(learning_rate=1e30)
    with pytest.raises(RunError) as caught:
        train(config, tmp_path / "run", "hot")
    message = str(caught.value)
    assert "non-finite at step 3" in message or "non-finite at step 2" in message
    assert "train_loss" in message
    assert "\n" not in message
    assert json.loads((tmp_path / "run" / "failed.json").read_text())["reason"] == message
    assert not (tmp_path / "run" / "done.json").exists()


def test_a_directory_that_another_process_writes_is_refused(small_config, tmp_path):
    with locked(tmp_path), pytest.raises(RunError, match="is being written by process") as caught:
        train(small_config(), tmp_path, "second")
    assert "\n" not in str(caught.value)


def test_what_a_process_killed_at_its_very_start_leaves_is_no_obstacle(finished, tmp_path):
    directory = RunDirectory(tmp_path)
    (tmp_path / ".config.json.1234").write_text('{"conf')
    (tmp_path / ".lock.json.1234.ab").write_text("")
    assert directory.claim(finished[1]) is None
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_directory_with_other_files_is_refused(small_config, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds no run"):
        train(small_config(), tmp_path, "run")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_path_below_a_file_cannot_be_written(small_config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        train(small_config(), tmp_path / "file" / "run", "run")


@pytest.mark.slow  # test_step.py and test_epoch.py hold eight devices against one
def test_eight_devices_give_the_numbers_of_one(small_config, tmp_path, monkeypatch):
    from resnets.training import setup

    config = small_config(epochs=1)
    alone = train(config, tmp_path / "one", "one")
    mesh = setup.Mesh(np.array(jax.devices()), ("data",))
    monkeypatch.setattr(setup, "device_mesh", lambda: mesh)
    together = train(config, tmp_path / "eight", "eight")
    for name in ("train_loss", "test_loss"):
        assert together[name] == pytest.approx(alone[name], rel=1e-4)
