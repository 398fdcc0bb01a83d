"""Every run in this process; runs of one architecture share its compilation.

Small networks leave most of a CPU idle, so several runs go on side by side, each in a thread. An
exception ends one run only. What ends the process, such as too little memory, ends them all; the
same command goes on.
"""

import collections
import contextlib
import os
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax

from resnets.errors import RunError, UserError
from resnets.studies import attempts
from resnets.studies.attempts import Attempt, Ending
from resnets.studies.engines import Limits
from resnets.studies.row import Row
from resnets.training.loop import train
from resnets.training.progress import Display

ENGINE = "local"


def default_parallel() -> int:
    """Two runs at once on a CPU of several cores, one on an accelerator."""
    return min(2, os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1


class _Stops:
    """Ends the runs that go on: one when its time is over, all when the study is interrupted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: set[threading.Event] = set()
        self.all = False

    @contextlib.contextmanager
    def one(self, timeout_s: float | None) -> Iterator[threading.Event]:
        """The event that ends a run; set after `timeout_s`, and with all others."""
        event = threading.Event()
        timer = threading.Timer(timeout_s, event.set) if timeout_s is not None else None
        with self._lock:
            self._runs.add(event)
            if self.all:
                event.set()
        if timer:
            timer.start()
        try:
            yield event
        finally:
            if timer:
                timer.cancel()
            with self._lock:
                self._runs.remove(event)

    def set_all(self) -> None:
        with self._lock:
            self.all = True
            for event in self._runs:
                event.set()


def run(rows: Sequence[Row], directory: Path, limits: Limits) -> list[str]:
    """Run what is not done yet; a run that fails does not stop the others.

    Args:
      rows: the runs.
      directory: the study directory.
      limits: runs at once; retries of unexpected errors; a timeout ends a run at its next record.

    Returns:
      The reasons of the runs that failed.

    Raises:
      RunError: the study directory cannot be written.
      KeyboardInterrupt: from a run; the others have ended, too.
    """
    failures: list[str] = []
    compiling: dict[tuple[str, int], threading.Lock] = collections.defaultdict(threading.Lock)
    compiled: set[tuple[str, int]] = set()
    stops = _Stops()

    def attempt(number: int, row: Row, display: Display) -> None:
        label = f"[{number}/{len(rows)}] {row.id}"
        if (directory / "runs" / row.id / "done.json").exists():
            display.say(f"{label}: done already")
            return
        for left in range(limits.retries, -1, -1):
            if stops.all:
                return
            reason, again = _attempt(row, directory, label, display, stops, limits.timeout_s)
            if not reason:
                return
            display.say(reason)
            if not again or not left:
                failures.append(reason)
                return

    def one(number: int, row: Row, display: Display) -> None:
        architecture = (row.arm, row.depth)
        if architecture not in compiled:
            with compiling[architecture]:  # the first run compiles for all
                attempt(number, row, display)
                compiled.add(architecture)
        else:
            attempt(number, row, display)
        display.ended()

    parallel = limits.max_parallel or default_parallel()
    with Display(len(rows)) as display, ThreadPoolExecutor(parallel) as pool:
        jobs = [pool.submit(one, number, row, display) for number, row in enumerate(rows, 1)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            stops.set_all()
            raise
    return failures


def _attempt(
    row: Row, directory: Path, label: str, display: Display, stops: _Stops, timeout_s: float | None
) -> tuple[str, bool]:
    """Make one attempt; return why it failed, if it did, and whether another one may not."""
    try:
        begun = attempts.begin(directory, row.id, ENGINE)
        begun.take_home()
    except OSError as error:
        raise RunError(f"{directory} cannot be written: {error.strerror}") from None
    with attempts.beating(begun), stops.one(timeout_s) as stop:
        try:
            train(row.load_config(), begun.home, label, display, stop)
        except (RunError, UserError) as error:
            return _failed(begun, str(error)), False
        except KeyboardInterrupt:
            if stop.is_set() and not stops.all:
                more = "with more time it goes on from its last checkpoint"
                return _failed(begun, f"{label}: took longer than {timeout_s:g} s; {more}"), False
            begun.end(Ending("preempted", "interrupted"))
            raise
        except Exception as error:
            begun.log.write_text(traceback.format_exc(), encoding="utf-8")
            said = " ".join(str(error).split())
            return _failed(begun, f"{label}: {type(error).__name__}: {said}"), True
    begun.end(Ending("done"))
    return "", False


def _failed(attempt: Attempt, reason: str) -> str:
    attempt.end(Ending("failed", reason))
    return reason
