"""What the attempts at a run say: who works on it, and how the last one ended."""

import time
from dataclasses import dataclass
from pathlib import Path

from resnets.errors import UserError
from resnets.reports.files import read_object

SILENT_S = 60.0
"""Seconds without a sign of life after which an attempt counts as lost; it beats every 5 s."""


@dataclass(frozen=True)
class LastAttempt:
    """The newest attempt at a run.

    Attributes:
      number: from 1.
      outcome: `running`, `lost` (it ended without saying so), or what it said.
      reason: why it did not finish; empty if it goes on or is done.
    """

    number: int
    outcome: str
    reason: str


def last_attempt(study: Path, run_id: str) -> LastAttempt | None:
    """Read the newest attempt; None if none began."""
    folder = study / "attempts" / run_id
    try:
        names = [path.name.removesuffix(".json") for path in folder.glob("*.json")]
        number = max((int(name) for name in names if name.isdecimal()), default=0)
        since = time.time() - (folder / f"{number:04d}.json").stat().st_mtime if number else 0.0
    except OSError:
        return None
    if not number:
        return None
    try:
        end = read_object(folder / f"{number:04d}.end.json")
        return LastAttempt(number, end.text("outcome"), end.text("reason"))
    except UserError:  # no end yet, or one that a full disk cut off
        pass
    if since < SILENT_S:
        return LastAttempt(number, "running", "")
    reason = f"attempt {number} gave its last sign of life {since:.0f} s ago"
    return LastAttempt(number, "lost", reason)


def run_directory(study: Path, run_id: str) -> Path:
    """Where a run's files are: with the newest attempt that has them, else at `runs/ID`."""
    home = study / "runs" / run_id
    if home.is_dir():
        return home
    folder = study / "attempts" / run_id
    held = [path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()]
    return max(held, default=home)
