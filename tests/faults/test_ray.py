"""A study on Ray loses one of two nodes: every run is done once, as the local engine does it."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.commands import (
    GRID,
    SMALL,
    environment,
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
    pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed"),
]
STUDY = ("study", "degradation", *GRID, *SMALL, "--config.epochs=10")


@pytest.fixture
def cluster():
    """Two nodes with one CPU each, as a process that kills the second one when asked."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("ray_cluster.py")],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=120)


def test_a_killed_node_costs_no_run(cluster, tmp_path):
    address = cluster.stdout.readline().strip()
    assert address
    study = tmp_path / "ray"
    started = start(*STUDY, "--engine=ray", f"--address={address}", f"--workdir={study}")

    def under_way():
        return [r for r in outcomes(study) if len(epochs(study, r)) >= 2 and not done(study, r)]

    wait_for(lambda: len(under_way()) == 2)
    cluster.stdin.write("kill\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline().strip() == "killed"
    status, output = finish(started)
    assert status == 0, output

    local = tmp_path / "local"
    status, output = finish(start(*STUDY, f"--workdir={local}"))
    assert status == 0, output
    assert len(hashes(local)) == 6
    assert hashes(study) == hashes(local)

    attempts = outcomes(study)
    assert all(ends.count("done") == 1 and ends[-1] == "done" for ends in attempts.values())
    assert sum(map(len, attempts.values())) == 7, attempts
    for run in attempts:
        assert epochs(study, run) == list(range(1, 11))
    assert processes_of(study) == []


def done(study, run):
    return (study / "runs" / run / "done.json").exists()


def test_an_interrupted_or_terminated_study_leaves_nothing_running_and_goes_on(tmp_path):
    study = tmp_path / "study"
    command = ("study", "--depths=8", "--seeds=1", *SMALL, "--engine=ray", f"--workdir={study}")
    command = (*command, "--config.epochs=40")

    def trained():
        return max((len(epochs(study, run)) for run in outcomes(study)), default=0)

    for sent, answered in ((signal.SIGINT, 130), (signal.SIGTERM, 75)):
        before = trained()
        started = start(*command)
        wait_for(lambda before=before: trained() >= before + 2)
        started.send_signal(sent)
        status, output = finish(started, 100)
        assert status == answered, output
        assert wait_for(lambda: processes_of(study) == [], 30)
    assert all(ends == ["preempted"] * 2 for ends in outcomes(study).values())
    status, output = finish(start(*command))
    assert status == 0, output
    assert len(hashes(study)) == 2
