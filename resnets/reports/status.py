"""How a study stands: every run's state, last numbers and the time that is left, from its files."""

import dataclasses
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.errors import UserError
from resnets.reports.attempts import run_directory
from resnets.reports.files import read_lines, read_object
from resnets.reports.results import STATUSES, Run, Status, Study, read_study
from resnets.reports.tables import Table, duration, fixed
from resnets.terminal import STATES, print_table, print_text, printable

_HEADINGS = (
    *("run", "status", "epoch", "train error, %", "test error, %"),
    *("trained, s", "left, s", "attempt"),
)
_NUMERIC = frozenset({3, 4, 5, 6, 7})


@dataclass(frozen=True)
class RunStatus:
    """How one run stands.

    Attributes:
      run: its id.
      status: done, failed, running, partial (stands still), or queued.
      attempt: how often it was begun.
      epoch: epochs finished.
      epochs: epochs in all; None until the run begins.
      train_error_pct: newest, percent; None if there is none yet.
      test_error_pct: newest, percent; None if there is none yet.
      wall_s: seconds that it has trained.
      left_s: seconds that it will about take from now, if it is not done or failed; None where
        no run is far enough to tell.
      reason: why it failed or stands still.
    """

    run: str
    status: Status
    attempt: int
    epoch: int
    epochs: int | None
    train_error_pct: float | None
    test_error_pct: float | None
    wall_s: float | None
    left_s: float | None
    reason: str


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands.

    Attributes:
      study: its name.
      counts: runs by status.
      left_s: seconds left if as many runs go on at once as do now; None where unknown.
      runs: in the order of the manifest.
    """

    study: str
    counts: dict[Status, int]
    left_s: float | None
    runs: tuple[RunStatus, ...]

    @property
    def left(self) -> str:
        """The time that is left in words; empty where unknown."""
        return "" if self.left_s is None else duration(self.left_s)

    @property
    def settled(self) -> bool:
        """Whether every run is done or has failed."""
        return all(run.status in ("done", "failed") for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return dataclasses.asdict(self)

    def line(self) -> str:
        """How many runs stand how, and the time left."""
        counted = [f"{count} {status}" for status, count in self.counts.items() if count]
        left = f"; about {self.left} left" if self.left else ""
        return f"{self.study}: {', '.join(counted) or 'no run'}{left}"

    def print(self) -> None:
        """Print every run, and why some are not done."""
        print_table(
            (_HEADINGS, *map(_cells, self.runs)), _NUMERIC, printable(self.line()) + "\n", STATES
        )
        for run in self.runs:
            if run.reason:
                print_text(f"\n{printable(f'{run.run}: {run.status}: {run.reason}')}")


def going_on(status: StudyStatus) -> Table:
    """The runs that go on now."""
    rows = tuple(_cells(run) for run in status.runs if run.status == "running")
    return Table(_HEADINGS, rows, _NUMERIC)


def _cells(run: RunStatus) -> tuple[str, ...]:
    epoch = f"{run.epoch}/{run.epochs}" if run.epochs else "-"
    errors = fixed(run.train_error_pct), fixed(run.test_error_pct)
    times = fixed(run.wall_s, 1), fixed(run.left_s, 0)
    return run.run, run.status, epoch, *errors, *times, str(run.attempt or "-")


def read_status(path: Path) -> StudyStatus:
    """Read how a study stands; it may be going on.

    Raises:
      UserError: no study there, or a malformed file; names the file and the line.
    """
    return status_of(read_study(path))


def status_of(study: Study) -> StudyStatus:
    """How a study that was read stands, with what its directory says now of its pace."""
    path = study.path
    known = [_known(path, run) for run in study.runs]
    by_depth: dict[int, list[float]] = {}
    for run, state in zip(study.runs, known, strict=True):
        total = _total(state)
        if total is not None:
            by_depth.setdefault(run.depth, []).append(total)
    every = [total for totals in by_depth.values() for total in totals]
    runs = tuple(
        dataclasses.replace(state, left_s=_left(path, state, by_depth.get(run.depth) or every))
        for run, state in zip(study.runs, known, strict=True)
    )
    waiting = [run.left_s for run in runs if run.status not in ("done", "failed")]
    unknown = any(left is None for left in waiting)
    at_once = max(1, study.count("running"))
    lefts = [left for left in waiting if left is not None]
    left_s = None if unknown or not lefts else max(sum(lefts) / at_once, *lefts, 0.0)
    counts = {status: study.count(status) for status in STATUSES}
    return StudyStatus(study.name, counts, left_s, runs)


def _known(path: Path, run: Run) -> RunStatus:
    """Everything but the time left."""
    train = _newest(epoch.train_error_pct for epoch in run.curve)
    test = _newest(epoch.test_error_pct for epoch in run.curve)
    epochs, wall_s = _pace(run_directory(path, run.id))
    return RunStatus(
        run=run.id,
        status=run.status,
        attempt=run.attempt,
        epoch=run.curve[-1].epoch if run.curve else 0,
        epochs=epochs,
        train_error_pct=run.final.train_error_pct if run.final else train,
        test_error_pct=run.final.test_error_pct if run.final else test,
        wall_s=run.final.wall_s if run.final else wall_s,
        left_s=None,
        reason="; ".join(run.notes) if run.status in ("failed", "partial") else "",
    )


def _newest(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return known[-1] if known else None


def _pace(directory: Path) -> tuple[int | None, float | None]:
    """Epochs in all, and seconds trained so far, as far as the files of a run say."""
    epochs = wall_s = None
    try:
        config = read_object(directory / "config.json").fields.get("config")
        epochs = config.get("epochs") if isinstance(config, dict) else None
        for record in read_lines(directory / "metrics.jsonl", may_be_torn=True)[0]:
            if "wall_s" in record.fields:
                wall_s = record.number("wall_s")
    except UserError:  # not there yet; read_study has refused what is malformed
        pass
    return (epochs if isinstance(epochs, int) and epochs > 0 else None), wall_s


def _total(state: RunStatus) -> float | None:
    """Seconds that a run takes in all, by its pace so far."""
    if state.wall_s is None or state.status == "failed":
        return None
    if state.status == "done":
        return state.wall_s
    return state.wall_s / state.epoch * state.epochs if state.epoch and state.epochs else None


def _left(path: Path, state: RunStatus, others: list[float]) -> float | None:
    """Seconds left of a run, by its own pace or by runs like it."""
    if state.status in ("done", "failed"):
        return None
    total = _total(state)
    if total is None:
        total = statistics.mean(others) if others else None
    if total is None:
        return None
    unseen = _unseen(path, state.run) if state.status == "running" else 0.0
    return max(0.0, total - (state.wall_s or 0.0) - unseen)


def _unseen(path: Path, run_id: str) -> float:
    """Seconds since a run's newest record."""
    try:
        written = (run_directory(path, run_id) / "metrics.jsonl").stat().st_mtime
    except OSError:
        return 0.0
    return max(0.0, time.time() - written)
