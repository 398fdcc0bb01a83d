"""`launch.sh status`: states, newest numbers and time left, from files by hand."""

import json
import os
import time
from pathlib import Path

import pytest

from resnets.cli.__main__ import main
from resnets.reports.results import read_study
from resnets.reports.status import read_status
from tests.reports.fake_study import finish, row, write_run, write_study

NAMES = ("done", "failed", "running", "lost", "preempted", "queued")


def begin(study: Path, run: str, number: int = 1, age: float = 0.0) -> Path:
    """An attempt whose last sign of life is `age` seconds old."""
    folder = study / "attempts" / run
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{number:04d}.json"
    file.write_text('{"host": "here", "pid": 1}')
    os.utime(file, (time.time() - age,) * 2)
    return file


def end(study: Path, run: str, outcome: str, reason: str, number: int = 1) -> None:
    """How the attempt ended."""
    file = begin(study, run, number).with_name(f"{number:04d}.end.json")
    file.write_text(json.dumps({"outcome": outcome, "reason": reason}))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One run of every kind, each with 3 of 6 epochs of one second each where it has begun."""
    rows = [row("plain", 8, seed) | {"id": name} for seed, name in enumerate(NAMES)]
    path = write_study(tmp_path / "study", rows)
    for name in NAMES[:-1]:
        run = write_run(path, name, 2.0, 3.0, done=False)
        (run / "config.json").write_text('{"config": {"epochs": 6}}')
    finish(path / "runs" / "done", 2.0, 3.0)
    done = json.loads((path / "runs" / "done" / "done.json").read_text())
    (path / "runs" / "done" / "done.json").write_text(json.dumps(done | {"wall_s": 6.0}))
    end(path, "done", "done", "")
    end(path, "failed", "failed", "killed by <b>SIGSEGV</b>", number=2)
    begin(path, "running")
    begin(path, "lost", age=100.0)
    end(path, "preempted", "preempted", "stopped by SIGTERM")
    return path


def test_every_run_has_its_state_numbers_and_reason(study: Path) -> None:
    """The files of each kind of run give its state."""
    runs = {run.run: run for run in read_status(study).runs}
    assert {name: runs[name].status for name in NAMES} == {
        "done": "done",
        "failed": "failed",
        "running": "running",
        "lost": "partial",
        "preempted": "partial",
        "queued": "queued",
    }
    assert runs["failed"].reason == "killed by <b>SIGSEGV</b>"
    assert runs["failed"].attempt == 2
    assert "last sign of life 100 s ago" in runs["lost"].reason
    assert "stopped by SIGTERM" in runs["preempted"].reason
    assert (runs["running"].epoch, runs["running"].epochs) == (3, 6)
    assert (runs["done"].train_error_pct, runs["done"].test_error_pct) == (2.0, 3.0)
    last = read_study(study).runs[2].curve[-1]
    assert runs["running"].train_error_pct == last.train_error_pct
    assert runs["running"].test_error_pct == last.test_error_pct


def test_the_time_left_follows_the_pace_of_each_run(study: Path) -> None:
    """Half done takes as long again; one not begun as long as those of its depth."""
    status = read_status(study)
    left = {run.run: run.left_s for run in status.runs}
    assert left["done"] is None
    assert left["failed"] is None
    assert left["running"] == pytest.approx(3.0, abs=1.0)  # less what has passed since
    assert left["lost"] == left["preempted"] == 3.0
    assert left["queued"] == 6.0
    assert status.left_s == pytest.approx(15.0, abs=1.0)


def test_a_run_that_moves_with_its_attempt_is_found(study: Path) -> None:
    """While an attempt works on it the run directory is the attempt's."""
    (study / "runs" / "running").rename(study / "attempts" / "running" / "0001")
    assert read_status(study).runs[2].epoch == 3


def test_table_and_json_say_the_same(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a user sees them."""
    assert main(["status", str(study)]) == 0
    table = capsys.readouterr().out
    assert main(["status", str(study), "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert table.startswith("degradation: 1 done, 1 failed, 1 running, 2 partial, 1 queued; about ")
    assert {run["run"]: run["status"] in table for run in found["runs"]} == dict.fromkeys(
        NAMES, True
    )
    assert found["counts"] == {"done": 1, "failed": 1, "running": 1, "partial": 2, "queued": 1}


def test_a_study_that_nobody_has_begun_has_no_time_to_tell(tmp_path: Path) -> None:
    """No numbers at all."""
    status = read_status(write_study(tmp_path / "study", [row("plain", 8, 0)]))
    assert status.left_s is None
    assert status.runs[0].status == "queued"
    assert status.runs[0].attempt == 0
