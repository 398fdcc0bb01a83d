"""A study on a Slurm of two virtual nodes: completes, survives requeueing, can be cancelled."""

import json
import signal
import subprocess

import pytest

from tests.faults import slurm_cluster
from tests.faults.commands import (
    SMALL,
    epochs,
    finish,
    hashes,
    outcomes,
    processes_of,
    start,
    wait_for,
)

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(bool(slurm_cluster.missing()), reason=slurm_cluster.missing() or "-"),
]
STUDY = ("study", "degradation", "--depths=8", "--seeds=2", *SMALL)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find it."""
    with slurm_cluster.cluster(tmp_path_factory.mktemp("faults") / "slurm") as environment:
        yield environment


def ask(slurm, *command):
    answer = subprocess.run(command, env=slurm, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def in_queue(slurm):
    return ask(slurm, "squeue", "--noheader", "--array", "--format=%T")


def first_record(study, run):
    """The record of the first epoch: its time tells whether the epoch was trained again."""
    files = [*study.glob(f"attempts/{run}/*/metrics.jsonl"), study / "runs" / run / "metrics.jsonl"]
    file = next(file for file in files if file.exists())
    return json.loads(file.read_text().splitlines()[0])


def start_study(slurm, study, *more):
    names = ("SLURM_CONF", "PATH")
    command = (*STUDY, "--engine=slurm", f"--workdir={study}", *more)
    return start(*command, **{name: slurm[name] for name in names})


def test_an_array_completes_and_a_requeued_task_goes_on_from_its_checkpoint(slurm, tmp_path):
    study = tmp_path / "a study, 100 %"
    started = start_study(slurm, study, "--config.epochs=10")
    run = "plain-d8-s0"
    wait_for(lambda: len(epochs(study, run)) >= 3)
    before = first_record(study, run)
    job = json.loads((study / "slurm" / "1.json").read_text())["job"]
    ask(slurm, "scontrol", "requeue", f"{job}_1")
    status, output = finish(started)
    assert status == 0, output

    local = tmp_path / "local"
    status, output = finish(start(*STUDY, "--config.epochs=10", f"--workdir={local}"))
    assert status == 0, output
    assert len(hashes(local)) == 4
    assert hashes(study) == hashes(local)

    assert outcomes(study).pop(run) == ["preempted", "done"]
    assert sum(map(len, outcomes(study).values())) == 5
    assert first_record(study, run) == before
    assert epochs(study, run) == list(range(1, 11))
    assert in_queue(slurm) == []
    assert processes_of(study) == []


def test_a_cancelled_study_leaves_nothing_running_whoever_cancels_it(slurm, tmp_path):
    study = tmp_path / "study"
    started = start_study(slurm, study, "--config.epochs=200", "--max_parallel=2")
    wait_for(lambda: sum(len(epochs(study, run)) >= 1 for run in outcomes(study)) == 2)
    job = json.loads((study / "slurm" / "1.json").read_text())["job"]
    ask(slurm, "scancel", job)
    status, output = finish(started)
    assert status == 1, output
    assert "Slurm ended its job: CANCELLED" in (study / "report" / "report.md").read_text()
    assert in_queue(slurm) == []
    assert processes_of(study) == []

    started = start_study(slurm, study, "--config.epochs=200", "--max_parallel=2")
    wait_for(lambda: in_queue(slurm).count("RUNNING") == 2)
    wait_for(lambda: len(processes_of(study)) >= 3)
    started.kill()
    finish(started)
    arrays = sorted(path.name for path in (study / "slurm").glob("*.sh"))
    started = start_study(slurm, study, "--config.epochs=200", "--max_parallel=2")
    line = next(line for line in started.stdout if "job" in line)
    assert "Slurm still has job" in line
    assert in_queue(slurm).count("RUNNING") == 2
    assert sorted(path.name for path in (study / "slurm").glob("*.sh")) == arrays
    started.send_signal(signal.SIGINT)
    status, output = finish(started)
    assert status == 130, output
    assert in_queue(slurm) == []
    assert processes_of(study) == []
