"""Attempts at a run: numbered, so that a late one cannot touch what a newer one does.

`attempts/ID/` of a study directory holds for attempt N `N.json` (who began it; made once, so that
a number is given once; touched while it works), `N.log` (its output), `N.end.json` (how it ended)
and, while it trains in a process of its own, `N/`: the run directory, which the attempt took over
from its predecessor by renaming it. A predecessor that still lives then writes to a path that is
gone. An attempt that ends puts the directory back to `runs/ID`.
"""

import contextlib
import dataclasses
import errno
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from resnets.training.durable import write_json

BEAT_S = 5.0
"""Seconds between two signs of life."""
LAST_LINES = 5

Outcome = Literal["done", "failed", "preempted", "superseded"]
"""`preempted` was stopped from outside and goes on from its checkpoint when it is started again."""


@dataclasses.dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
      outcome: in one word.
      reason: why it is not done; empty if it is.
    """

    outcome: Outcome
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One attempt at a run.

    Attributes:
      study: the study directory.
      run: the run's id.
      number: from 1.
    """

    study: Path
    run: str
    number: int

    @property
    def directory(self) -> Path:
        """The run directory while this attempt trains in a process of its own."""
        return self._folder / f"{self.number:04d}"

    @property
    def log(self) -> Path:
        """What its process prints."""
        return self._folder / f"{self.number:04d}.log"

    @property
    def home(self) -> Path:
        """The run directory while no attempt works on it."""
        return self.study / "runs" / self.run

    @property
    def _folder(self) -> Path:
        return self.study / "attempts" / self.run

    def is_newest(self) -> bool:
        """Whether no later attempt has begun."""
        return self.number == newest(self.study, self.run)

    def beat(self) -> None:
        """Leave a sign of life."""
        os.utime(self._folder / f"{self.number:04d}.json")

    def take(self) -> None:
        """Take the run directory over, from `runs/ID` or from an attempt that never put it back."""
        held = sorted(entry for entry in self._folder.iterdir() if entry.name.isdecimal())
        for former in (*reversed(held), self.home):
            with contextlib.suppress(FileNotFoundError):
                former.rename(self.directory)
                _unlock(self.directory)
                return

    def take_home(self) -> None:
        """Bring a run directory that an attempt never put back to `runs/ID`."""
        if not self.home.exists():
            self.take()
            self.put_back()

    def put_back(self) -> bool:
        """Put the run directory to `runs/ID`.

        Returns:
          False if a newer attempt has taken it, or a finished one is there already.
        """
        self.home.parent.mkdir(exist_ok=True)
        try:
            self.directory.rename(self.home)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if (self.home / "done.json").exists():
                return False
            # what a superseded attempt left when it made its missing directory again
            self.home.rename(self._folder / f"{self.number:04d}.debris")
            self.directory.rename(self.home)
        return True

    def end(self, ending: Ending) -> None:
        """Record how it ended."""
        record = {**dataclasses.asdict(ending), "ended": _now()}
        write_json(self._folder / f"{self.number:04d}.end.json", record)

    def last_lines(self) -> str:
        """The end of its output, in one line."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-LAST_LINES:])[-2000:]


def _unlock(directory: Path) -> None:
    """Remove the locks of whoever held the directory under its former path."""
    for lock in directory.glob("*lock*"):
        if lock.is_file():
            lock.unlink(missing_ok=True)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def newest(study: Path, run: str) -> int:
    """The number of the newest attempt; 0 without any."""
    try:
        names = os.listdir(study / "attempts" / run)  # noqa: PTH208 (a poll: no paths needed)
    except FileNotFoundError:
        return 0
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def begin(study: Path, run: str, engine: str) -> Attempt:
    """Begin the next attempt; of several that begin at once each gets a number of its own."""
    folder = study / "attempts" / run
    folder.mkdir(parents=True, exist_ok=True)
    about = {"host": platform.node(), "pid": os.getpid(), "engine": engine, "began": _now()}
    while True:
        attempt = Attempt(study, run, newest(study, run) + 1)
        with (
            contextlib.suppress(FileExistsError),
            (folder / f"{attempt.number:04d}.json").open("x", encoding="utf-8") as file,
        ):
            json.dump(about, file)
            return attempt


@contextlib.contextmanager
def beating(attempt: Attempt) -> Iterator[None]:
    """Leave signs of life from a thread, for an attempt that trains in this process."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            with contextlib.suppress(OSError):
                attempt.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ending(study: Path, run: str) -> Ending | None:
    """How a run stands: done, or how its newest attempt ended; None while that goes on."""
    if (study / "runs" / run / "done.json").exists():
        return Ending("done")
    number = newest(study, run)
    try:
        record = json.loads((study / "attempts" / run / f"{number:04d}.end.json").read_text())
        return Ending(record["outcome"], record["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fail(study: Path, run: str, engine: str, reason: str) -> None:
    """Record that a run failed whose attempt could not say so itself, or never began."""
    number = newest(study, run)
    open_ended = number > 0 and ending(study, run) is None
    attempt = Attempt(study, run, number) if open_ended else begin(study, run, engine)
    attempt.end(Ending("failed", reason))
