"""The folder that claims run and measure in: what is there is read, what is missing is run once."""

import dataclasses
import json

import pytest

from experiments.claims import circumstances, workplace
from experiments.claims.seeds import errors
from experiments.claims.workplace import MissingError, Trial, Workplace
from resnets.errors import RunError, UserError
from tests.reports.fake_study import write_run

TRIAL = Trial("small", "degradation", arms=("residual",), depths=(8, 20), seeds=2)


@pytest.fixture
def engine(monkeypatch):
    """In place of the local engine: notes which runs it was given, and writes their files."""
    given = []

    def run(rows, directory, limits):
        for row in rows:
            given.append(row.id)
            write_run(directory, row.id, 1.0, 2.0)
        return []

    monkeypatch.setattr(workplace.local, "run", run)
    return given


def test_a_trial_is_run_once_and_then_read(tmp_path, engine):
    first = Workplace(tmp_path).study(TRIAL)
    assert sorted(engine) == sorted(run.id for run in first.runs)
    again = Workplace(tmp_path, run=False).study(TRIAL)
    assert (len(engine), again) == (4, first)


def test_more_seeds_run_only_what_is_missing_and_fewer_read_only_theirs(tmp_path, engine):
    Workplace(tmp_path).study(TRIAL)
    Workplace(tmp_path).study(dataclasses.replace(TRIAL, seeds=3))
    assert engine[4:] == ["residual-d8-s2", "residual-d20-s2"]
    assert len(Workplace(tmp_path).study(TRIAL).runs) == 4


def test_what_is_not_to_be_run_is_missing(tmp_path, engine):
    with pytest.raises(MissingError, match="small has not been run"):
        Workplace(tmp_path, run=False).study(TRIAL)
    Workplace(tmp_path).study(TRIAL)
    (tmp_path / "small" / "runs" / "residual-d8-s0" / "done.json").unlink()
    with pytest.raises(MissingError, match="3 of 4 runs of small"):
        Workplace(tmp_path, run=False).study(TRIAL)


def test_runs_of_another_config_do_not_count(tmp_path, engine):
    Workplace(tmp_path).study(TRIAL)
    longer = dataclasses.replace(TRIAL, overrides=("epochs=30",))
    with pytest.raises(MissingError, match="another config"):
        Workplace(tmp_path, run=False).study(longer)
    with pytest.raises(UserError, match="choose another --workdir"):
        Workplace(tmp_path).study(longer)


def test_a_run_that_diverged_is_over_and_not_begun_again(tmp_path, engine):
    Workplace(tmp_path).study(TRIAL)
    run = tmp_path / "small" / "runs" / "residual-d8-s0"
    (run / "done.json").unlink()
    (run / "failed.json").write_text('{"reason": "the loss became non-finite at step 3 (...)"}')
    study = Workplace(tmp_path).study(TRIAL)
    assert len(engine) == 4
    assert errors(study, ("residual", 8), "train_error_pct") == (90.0, 1.0)


def test_a_run_that_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(workplace.local, "run", lambda rows, directory, limits: ["out of memory"])
    with pytest.raises(RunError, match="out of memory"):
        Workplace(tmp_path).study(TRIAL)


def test_a_measurement_is_made_once_for_each_thing_measured(tmp_path):
    place, made = Workplace(tmp_path), []

    def measure():
        made.append(1)
        return [len(made)]

    assert [place.measured("m", measure, of) for of in ("a", "a", "b", "b")] == [[1], [1], [2], [2]]
    with pytest.raises(MissingError, match="m has not been measured"):
        Workplace(tmp_path, run=False).measured("m", measure, "a")


def test_a_measurement_of_other_code_or_another_machine_is_made_anew(tmp_path, monkeypatch):
    Workplace(tmp_path).measured("m", lambda: 1, (1, 2))
    assert Workplace(tmp_path).measured("m", lambda: 2, (1, 2)) == 1
    monkeypatch.setattr(circumstances, "machine", lambda: {"processor": "another"})
    with pytest.raises(MissingError, match="by this code on this machine"):
        Workplace(tmp_path, run=False).measured("m", lambda: 2, (1, 2))
    assert Workplace(tmp_path).measured("m", lambda: 2, (1, 2)) == 2
    monkeypatch.setattr(circumstances, "_digest", lambda own: "other code")
    assert Workplace(tmp_path).measured("m", lambda: 3, (1, 2)) == 3


def test_what_a_trial_or_a_measurement_took_is_kept(tmp_path, engine):
    first, later = Workplace(tmp_path), Workplace(tmp_path)
    for place in (first, later):
        place.study(TRIAL)
        place.measured("m", lambda: 1, "")
    assert set(first.ledger.spent) == {"small", "m"}
    assert first.ledger.now == pytest.approx(sum(first.ledger.spent.values()))
    assert (later.ledger.spent, later.ledger.now) == (first.ledger.spent, 0.0)


def test_a_trial_that_something_else_ran_took_what_its_runs_did(tmp_path, engine, monkeypatch):
    Workplace(tmp_path).study(TRIAL)
    (tmp_path / "small" / "seconds.json").unlink()
    monkeypatch.setattr(workplace.local, "default_parallel", lambda: 2)
    place = Workplace(tmp_path)
    place.study(TRIAL)
    assert place.ledger.spent == {"small": 4 * 30.0 / 2}


def test_a_damaged_measurement_is_named(tmp_path):
    Workplace(tmp_path).measured("m", lambda: 1, "")
    file = tmp_path / "measured" / "m.json"
    assert json.loads(file.read_text())["found"] == 1
    file.write_text("{")
    with pytest.raises(UserError, match=r"m\.json"):
        Workplace(tmp_path).measured("m", lambda: 1, "")
