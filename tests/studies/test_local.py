"""The local engine: runs side by side give what they give alone."""

import dataclasses
import json

import pytest

from resnets.studies import attempts
from resnets.studies.attempts import Ending
from resnets.studies.engines import Limits, local
from resnets.studies.grid import expand, find_study
from resnets.training import loop

SMALL = [
    "--config.data.train=train[:128]",
    "--config.data.test=test[:50]",
    "--config.batch_size=32",
    "--config.epochs=2",
    "--config.schedule=constant",
    "--config.diagnostics=off",
]


@pytest.fixture
def rows():
    study = dataclasses.replace(find_study("degradation"), depths=(8,), seeds=2)
    return expand(study, SMALL)


def results(directory, rows):
    volatile = {"wall_s"}
    done = [json.loads((directory / "runs" / row.id / "done.json").read_text()) for row in rows]
    return [{k: v for k, v in result.items() if k not in volatile} for result in done]


def test_runs_side_by_side_equal_runs_one_after_another_bit_for_bit(rows, tmp_path):
    rows = rows[:3]  # of both arms
    assert local.run(rows, tmp_path / "one", Limits(1)) == []
    assert local.run(rows, tmp_path / "two", Limits(2)) == []
    assert results(tmp_path / "one", rows) == results(tmp_path / "two", rows)


def test_what_is_done_is_not_trained_again(rows, tmp_path, monkeypatch, capsys):
    local.run(rows[:2], tmp_path, Limits(2))

    def never(*_):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(loop, "run_steps", never)
    assert local.run(rows[:2], tmp_path, Limits(2)) == []
    assert capsys.readouterr().err.count("done already") == 2


def test_a_run_that_fails_is_named_and_the_others_go_on(rows, tmp_path):
    hot = dataclasses.replace(rows[0], overrides={**rows[0].overrides, "learning_rate": "1e30"})
    reasons = local.run([hot, *rows[1:2]], tmp_path, Limits(1))
    assert len(reasons) == 1
    assert rows[0].id in reasons[0]
    assert results(tmp_path, rows[1:2])


def test_a_run_whose_directory_is_refused_is_named_and_the_others_go_on(rows, tmp_path):
    mine = tmp_path / "runs" / rows[0].id
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    (reason,) = local.run(rows[:2], tmp_path, Limits(1))
    assert "holds no run" in reason
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    assert attempts.ending(tmp_path, rows[0].id) == Ending("failed", reason)
    assert results(tmp_path, rows[1:2])


def test_an_error_that_nobody_foresaw_ends_one_run_and_its_traceback_is_kept(
    rows, tmp_path, monkeypatch
):
    real, calls = local.train, []

    def fails_twice(config, *rest):
        calls.append(config["model"]["shortcut"])
        if calls.count("none") <= 2 and calls[-1] == "none":
            raise MemoryError("out of\nmemory")
        return real(config, *rest)

    monkeypatch.setattr(local, "train", fails_twice)
    (reason,) = local.run(rows[:2], tmp_path, Limits(1, retries=1))
    assert calls == ["none", "none", "A"]
    assert "MemoryError: out of memory" in reason
    log = tmp_path / "attempts" / rows[0].id / "0001.log"
    assert "fails_twice" in log.read_text()
    assert local.run(rows[:2], tmp_path, Limits(1)) == []


def test_a_run_that_takes_too_long_ends_and_the_others_go_on(rows, tmp_path, monkeypatch):
    real = local.train

    def stuck(config, workdir, label, display, stop):
        if config["model"]["shortcut"] == "none":
            assert stop.wait(60)
            raise KeyboardInterrupt
        return real(config, workdir, label, display)

    monkeypatch.setattr(local, "train", stuck)
    (reason,) = local.run(rows[:2], tmp_path, Limits(2, timeout_s=0.1))
    assert "took longer than 0.1 s" in reason
    assert results(tmp_path, rows[1:2])


def test_an_interrupted_study_leaves_no_run_behind_and_goes_on(rows, tmp_path, monkeypatch):
    real = loop.run_steps

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            local.run(rows, tmp_path, Limits(2))
    assert loop.run_steps is real
    assert not list(tmp_path.glob("runs/*/done.json"))
    assert local.run(rows[:1], tmp_path, Limits(1)) == []
