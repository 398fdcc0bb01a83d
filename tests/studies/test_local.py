"""The local engine: runs side by side give what they give alone."""

import dataclasses
import json

import pytest

from resnets.errors import UserError
from resnets.studies.engines import local
from resnets.studies.grid import expand, find_study
from resnets.training import loop

SMALL = [
    "--config.data.train=train[:128]",
    "--config.data.test=test[:50]",
    "--config.batch_size=32",
    "--config.epochs=2",
    "--config.schedule=constant",
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
    assert local.run(rows, tmp_path / "one", 1) == []
    assert local.run(rows, tmp_path / "two", 2) == []
    assert results(tmp_path / "one", rows) == results(tmp_path / "two", rows)


def test_what_is_done_is_not_trained_again(rows, tmp_path, monkeypatch, capsys):
    local.run(rows[:2], tmp_path, 2)

    def never(*_):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(loop, "run_steps", never)
    assert local.run(rows[:2], tmp_path, 2) == []
    assert capsys.readouterr().err.count("done already") == 2


def test_a_run_that_fails_is_named_and_the_others_go_on(rows, tmp_path):
    hot = dataclasses.replace(rows[0], overrides={**rows[0].overrides, "learning_rate": "1e30"})
    reasons = local.run([hot, *rows[1:2]], tmp_path, 1)
    assert len(reasons) == 1
    assert rows[0].id in reasons[0]
    assert results(tmp_path, rows[1:2])


def test_a_mistake_stops_the_study(rows, tmp_path):
    (tmp_path / "runs" / rows[0].id).mkdir(parents=True)
    (tmp_path / "runs" / rows[0].id / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no run"):
        local.run(rows, tmp_path, 1)
    assert not (tmp_path / "runs" / rows[-1].id).exists()


def test_an_interrupted_study_leaves_no_run_behind_and_goes_on(rows, tmp_path, monkeypatch):
    real = loop.run_steps

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "run_steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            local.run(rows, tmp_path, 2)
    assert loop.run_steps is real
    assert not list(tmp_path.glob("runs/*/done.json"))
    assert local.run(rows[:1], tmp_path, 1) == []
