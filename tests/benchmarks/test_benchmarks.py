"""What every benchmark relies on: turns, tables, and contestants that say why they ended."""

import csv
import json
import subprocess
import sys

import pytest

from benchmarks import contest, images, rows
from resnets.cli.bench import BENCHMARKS


class Clock:
    """A contestant that takes the next of its times; notes whose turn it was."""

    def __init__(self, name, times, turns):
        self.name, self.times, self.turns = name, iter(times), turns

    def seconds(self, steps):
        self.turns.append((self.name, steps))
        return next(self.times)


def test_contestants_take_turns_and_who_begins_moves_on():
    turns = []
    rivals = {
        name: Clock(name, times, turns)
        for name, times in {"a": [3.0, 1.0, 2.0], "b": [9.0, 9.0, 4.0]}.items()
    }
    found = contest.take_turns(rivals, rounds=3, steps=5)
    assert [name for name, _ in turns] == ["a", "b", "b", "a", "a", "b"]
    assert {steps for _, steps in turns} == {5}
    assert found["a"] == contest.Timing(seconds=2.0, fastest=1.0, rounds=3)
    assert found["b"] == contest.Timing(seconds=9.0, fastest=4.0, rounds=3)


def test_a_contestant_that_ends_says_its_status():
    with pytest.raises(contest.ContestantError, match="no_such_step ended with status 1"):
        contest.Contestant("no_such_step", ())


def test_a_row_says_when_and_on_what_it_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "RESULTS", tmp_path)
    path = rows.write("speed", [{"case": "one", "ms": 1.5}])
    with path.open() as file:
        [row] = csv.DictReader(file)
    assert path.name == "bench_speed.csv"
    assert (row["case"], row["ms"]) == ("one", "1.5")
    assert " cores of " in row["machine"]
    assert len(row["date"].split("-")) == 3


def test_medians_are_taken_of_each_number():
    assert images.medians([(1.0, 9.0), (3.0, 8.0), (2.0, 7.0)]) == (2.0, 8.0)
    assert images.medians([]) == (None, None)


def test_every_benchmark_can_be_run():
    modules = [f"benchmarks.{module}" for module, _ in BENCHMARKS.values()]
    check = f"import importlib; [importlib.import_module(m).main for m in {modules}]"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_compilation_says_its_size_time_and_memory():
    command = [sys.executable, "-m", "benchmarks.steps.compilation", "--network=cifar_resnet8"]
    command += ["--size=8", "--channels=1", "--batch=8"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["lines"] > 1000
    assert min(found[name] for name in ("trace_s", "compile_s", "temporary_bytes")) > 0
    assert found["forecast_bytes"] == pytest.approx(found["temporary_bytes"], rel=0.2)
