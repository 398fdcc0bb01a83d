"""Follow runs that processes elsewhere work on, from their files."""

from collections.abc import Sequence
from pathlib import Path

from resnets.studies import attempts
from resnets.studies.row import Row
from resnets.training.progress import Display


class Follower:
    """Says of each run when an attempt begins and how it ended."""

    def __init__(self, rows: Sequence[Row], directory: Path, display: Display):
        """Begin with what stands in the files."""
        self._rows, self._directory, self._display = rows, directory, display
        self._known: dict[str, str] = {}
        for number, row in enumerate(rows, 1):
            self._known[row.id] = self._state(row)
            if self._known[row.id] == "done":
                display.say(f"[{number}/{len(rows)}] {row.id}: done already")
                display.ended()

    def _state(self, row: Row) -> str:
        ending = attempts.ending(self._directory, row.id)
        if ending:
            return ending.outcome + (f": {ending.reason}" if ending.reason else "")
        number = attempts.newest(self._directory, row.id)
        return f"attempt {number} has begun" if number else "queued"

    def update(self) -> None:
        """Say what has changed."""
        for number, row in enumerate(self._rows, 1):
            state = self._state(row)
            if state != self._known[row.id]:
                self._known[row.id] = state
                self._display.say(f"[{number}/{len(self._rows)}] {row.id}: {state}")
                if state == "done":
                    self._display.ended()


def open_rows(rows: Sequence[Row], directory: Path) -> list[Row]:
    """The runs that are not done."""
    return [row for row in rows if not (directory / "runs" / row.id / "done.json").exists()]


def failures(rows: Sequence[Row], directory: Path) -> list[str]:
    """Why the runs that are not done are not."""
    reasons = []
    for row in open_rows(rows, directory):
        ending = attempts.ending(directory, row.id)
        reasons.append(f"{row.id}: {ending.reason if ending else 'ended without a word'}")
    return reasons
