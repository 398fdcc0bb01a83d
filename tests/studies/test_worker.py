"""The worker: one run seen to its end, by numbered attempts, whatever happens to them."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resnets.reports.results import read_study
from resnets.studies import attempts, manifest
from resnets.studies.attempts import Ending
from resnets.studies.grid import expand, find_study
from resnets.studies.worker import PREEMPTED

FAKE = Path(__file__).with_name("fake_training.py")
RUN = "plain-d8-s0"
START = f"""
import sys
from resnets.studies import worker
worker.TRAIN = ({sys.executable!r}, "-S", {str(FAKE)!r})
worker.GRACE_S, worker.PAUSE_S = 0.2, 0.0
sys.exit(worker.main(sys.argv[1:]))
"""


@pytest.fixture
def study(tmp_path):
    """A study of two runs that nobody has begun."""
    about = dataclasses.replace(find_study("degradation"), depths=(8,), seeds=1)
    manifest.extend(tmp_path / "study", about, expand(about))
    return tmp_path / "study"


@contextlib.contextmanager
def worker(study, fake, *options, run=RUN, parent=()):
    """A worker in a process of its own; nothing of it is left behind."""
    environment = os.environ | {"FAKE": fake, "GO": str(study / "go")}
    command = [sys.executable, "-c", START, "--engine=test", *options, str(study), run]
    process = subprocess.Popen(
        [*parent, *command], env=environment, stderr=subprocess.PIPE, text=True, process_group=0
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def work(study, fake, *options, run=RUN):
    """Let a worker end; its exit status and what it said."""
    with worker(study, fake, *options, run=run) as process:
        said = process.communicate(timeout=60)[1]
        return process.returncode, said.strip()


def wait_for(condition):
    end = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def done(study):
    return json.loads((study / "runs" / RUN / "done.json").read_text())


def child_of(process):
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return int(text.split()[0]) if text.split() else None


def state(study):
    """Status and notes, as reports and `status` show them."""
    run = next(run for run in read_study(study).runs if run.id == RUN)
    return run.status, "; ".join(run.notes)


def test_a_run_is_done_once_and_then_left_alone(study):
    assert work(study, "done") == (0, "")
    first = done(study)
    assert work(study, "crash:9") == (0, "")
    assert done(study) == first
    assert attempts.newest(study, RUN) == 1
    assert [path.name for path in (study / "runs").iterdir()] == [RUN]


def test_a_crash_is_retried_in_the_same_run_directory(study):
    assert work(study, "crash:2", "--retries=2") == (0, "")
    assert done(study)["steps"] == 3
    assert attempts.newest(study, RUN) == 3


def test_after_the_last_retry_the_reason_is_kept(study):
    status, said = work(study, "crash:9", "--retries=1")
    assert status == 1
    assert attempts.newest(study, RUN) == 2
    assert "killed by SIGSEGV: hello from crash" in said
    assert state(study)[0] == "failed"
    assert "killed by SIGSEGV" in state(study)[1]


def test_a_run_that_says_why_it_fails_would_fail_again(study):
    assert work(study, "diverge", "--retries=5")[0] == 1
    assert attempts.newest(study, RUN) == 1
    assert state(study) == ("failed", "the loss became non-finite")


def test_a_preemption_is_no_failure(study):
    assert work(study, "preempted:1", "--retries=0") == (0, "")
    assert done(study)["steps"] == 2


def test_what_takes_too_long_is_ended_even_if_it_hears_no_signal(study):
    status, said = work(study, "hang", "--timeout=0.5", "--retries=3")
    assert status == 1
    assert "took longer than --timeout=0.5 s" in said
    assert state(study)[0] == "failed"


def test_a_worker_that_is_told_to_stop_leaves_a_run_that_goes_on_later(study):
    with worker(study, "wait") as process:
        wait_for((study / "attempts" / RUN / "0001" / "metrics.jsonl").exists)
        assert state(study) == ("running", "")
        process.terminate()
        assert process.wait(60) == PREEMPTED
    assert attempts.ending(study, RUN) == Ending("preempted", "stopped by SIGTERM")
    assert state(study)[0] == "partial"
    assert work(study, "done") == (0, "")
    assert done(study)["steps"] == 2


def test_a_late_attempt_cannot_touch_what_a_newer_one_did(study):
    with worker(study, "wait") as late:
        wait_for((study / "attempts" / RUN / "0001" / "metrics.jsonl").exists)
        child = child_of(late)
        os.kill(late.pid, signal.SIGSTOP)
        os.kill(child, signal.SIGSTOP)
        assert work(study, "done") == (0, "")
        newer = done(study)
        (study / "go").touch()
        os.kill(child, signal.SIGCONT)
        wait_for(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "Z")
        os.kill(late.pid, signal.SIGCONT)
        assert late.wait(60) == 0
    assert done(study) == newer
    assert sorted(path.name for path in (study / "runs").iterdir()) == [RUN]
    ends = [
        json.loads((study / "attempts" / RUN / f"000{n}.end.json").read_text())["outcome"]
        for n in (1, 2)
    ]
    assert ends == ["superseded", "done"]


@pytest.mark.parametrize("who", ["worker", "engine"])
def test_no_training_process_outlives_who_watches_it(study, who):
    engine = (sys.executable, "-S", "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    with worker(study, "hang", parent=engine if who == "engine" else ()) as process:
        wait_for((study / "attempts" / RUN / "0001" / "metrics.jsonl").exists)
        watcher = child_of(process) if who == "engine" else process.pid
        about = json.loads((study / "attempts" / RUN / "0001.json").read_text())
        assert about["pid"] == watcher
        text = Path(f"/proc/{watcher}/task/{watcher}/children").read_text()
        child = int(text.split()[0])
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{child}").exists() or "Z" in _state(child))
        wait_for(lambda: not Path(f"/proc/{watcher}").exists() or "Z" in _state(watcher))


def _state(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    return "Z"


def test_attempts_that_begin_at_once_get_numbers_of_their_own(tmp_path):
    code = (
        "import sys; from pathlib import Path; from resnets.studies import attempts\n"
        "for _ in range(50): print(attempts.begin(Path(sys.argv[1]), 'run', 'test').number)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    numbers = [int(n) for process in both for n in process.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == list(range(1, 101))


@pytest.mark.parametrize("run", ["plain-d9-s0", "../study", "..", ""])
def test_a_run_that_the_manifest_does_not_have_is_refused(study, run):
    status, said = work(study, "done", run=run)
    assert status == 2
    assert "has no run" in said
    assert not (study / "attempts").exists()
