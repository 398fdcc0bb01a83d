"""`python -m resnets.studies.worker DIR RUN`: see one run of a manifest to its end.

Ray and Slurm start this, any number of times: what is done is left alone. Each attempt trains in a
process of its own, `python -m resnets.cli train`, which this one watches: it is ended when it takes
too long, when a newer attempt has begun elsewhere, when this process is told to stop, and when who
started this process is gone.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from resnets.errors import RunError, UserError
from resnets.studies import attempts, manifest
from resnets.studies.attempts import Attempt, Ending
from resnets.studies.engines import Limits
from resnets.studies.row import Row
from resnets.training.config_file import CHECKOUT

TRAIN = (sys.executable, "-m", "resnets.cli", "train")
DONE, FAILED, MISTAKE = 0, 1, 2
PREEMPTED = 75
"""Exit status, of a training process and of this one: stopped from outside, resume me."""
INTERRUPTED = 130

GRACE_S = 25.0
"""Seconds between asking a training process to stop and ending it; Slurm gives 30."""
PAUSE_S = 1.0
"""Seconds before the next attempt: what ends at once must not be started a thousand times."""
_POLL_S = 0.25
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What a new process calls so that it is killed when its parent dies; None where unknown."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask


class _Requests:
    """Signals that ask this process to stop, and the death of who started it."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._parent = os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._receive)

    def _receive(self, number: int, _: object) -> None:
        self.signal = number

    @property
    def orphaned(self) -> bool:
        return os.getppid() != self._parent


@dataclasses.dataclass(frozen=True)
class _Verdict:
    """How an attempt ended, and whether another one could end otherwise."""

    ending: Ending
    again: bool


def work(study: Path, run: str, engine: str, limits: Limits) -> int:
    """Make attempts at a run until it is done, fails for good, or is stopped.

    Args:
      study: the study directory.
      run: the run's id.
      engine: who asks, for the record.
      limits: retries and timeout.

    Returns:
      The exit status: 0 done, 1 failed, 75 preempted.

    Raises:
      UserError: the manifest is damaged or has no such run.
    """
    row = manifest.find(study, run)
    requests = _Requests()
    crashes = 0
    while not (study / "runs" / run / "done.json").exists():
        if requests.signal or requests.orphaned:
            return INTERRUPTED if requests.signal == signal.SIGINT else PREEMPTED
        attempt = attempts.begin(study, run, engine)
        try:
            verdict = _attempt(attempt, row, limits.timeout_s, requests)
        except Exception as error:  # whatever it is, the study must tell it
            verdict = _Verdict(Ending("failed", _in_a_line(error)), again=False)
        attempt.end(verdict.ending)
        outcome = verdict.ending.outcome
        if outcome == "superseded":
            return DONE
        if outcome == "failed":
            crashes += 1
            if not verdict.again or crashes > limits.retries:
                print(f"{run}: {verdict.ending.reason}", file=sys.stderr)
                return FAILED
        if outcome != "done":
            time.sleep(PAUSE_S)
    return DONE


def _in_a_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError | RunError) else f"{type(error).__name__}: {text}"


def _attempt(attempt: Attempt, row: Row, timeout_s: float | None, requests: _Requests) -> _Verdict:
    row.check_unchanged()
    attempt.take()
    arguments = [f"--config={row.config}", f"--workdir={attempt.directory}", *row.flags()]
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    with attempt.log.open("ab") as log:
        process = subprocess.Popen(
            [*TRAIN, *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent(),
        )
    try:
        why = _watch(process, attempt, timeout_s, requests)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it started, such as data loaders
        process.wait()
    finished = (attempt.directory / "done.json").exists()
    reason = _reason(attempt, process.returncode)
    known = (attempt.directory / "failed.json").exists()
    if not attempt.is_newest() or (attempt.directory.exists() and not attempt.put_back()):
        return _Verdict(Ending("superseded", "a newer attempt has begun"), again=False)
    if finished:
        return _Verdict(Ending("done"), again=False)
    if why:
        return _Verdict(why, again=False)
    if requests.signal or process.returncode in (PREEMPTED, INTERRUPTED, -signal.SIGTERM):
        return _Verdict(Ending("preempted", reason), again=True)
    return _Verdict(Ending("failed", reason), again=not known and process.returncode != MISTAKE)


def _watch(
    process: subprocess.Popen[bytes],
    attempt: Attempt,
    timeout_s: float | None,
    requests: _Requests,
) -> Ending | None:
    """Wait for the process, or end it and say why."""
    began = beaten = time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            return None
        now = time.monotonic()
        if now - beaten >= attempts.BEAT_S:
            attempt.beat()
            beaten = now
        if requests.orphaned:
            return Ending("preempted", "who started it is gone")
        if not attempt.is_newest():
            return Ending("superseded", "a newer attempt has begun")
        if requests.signal:
            _stop(process)
            return Ending("preempted", f"stopped by {signal.Signals(requests.signal).name}")
        if timeout_s is not None and now - began > timeout_s:
            _stop(process)
            return Ending(
                "failed",
                f"took longer than --timeout={timeout_s:g} s; "
                "with more time it goes on from its last checkpoint",
            )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to save and leave; the caller ends what does not."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)


def _reason(attempt: Attempt, status: int) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((attempt.directory / "failed.json").read_text())["reason"])
    ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    last = attempt.last_lines()
    return f"{ended}: {last}" if last else ended


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 0 done, 1 failed, 2 bad arguments, 75 preempted."""
    parser = argparse.ArgumentParser(prog="resnets.studies.worker")
    parser.add_argument("directory", type=Path)
    parser.add_argument("run")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--timeout", type=float)
    args = parser.parse_args(argv)
    limits = Limits(retries=args.retries, timeout_s=args.timeout)
    try:
        return work(args.directory.absolute(), args.run, args.engine, limits)
    except (UserError, RunError) as error:
        print(f"{args.run}: {error}", file=sys.stderr)
        return error.exit_code


def command(study: Path, run: str, engine: str, limits: Limits) -> list[str]:
    """The arguments after the interpreter that make it work on a run."""
    timeout = [] if limits.timeout_s is None else [f"--timeout={limits.timeout_s}"]
    options = [f"--engine={engine}", f"--retries={limits.retries}", *timeout]
    return ["-m", "resnets.studies.worker", *options, str(study), run]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
