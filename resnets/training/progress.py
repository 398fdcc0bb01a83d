"""Progress on stderr: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class RunProgress:
    """Shows one run's steps; a context manager.

    Off a terminal it prints a line at most every `line_seconds`, and one at the end.
    """

    line_seconds = 10.0

    def __init__(self, label: str, total_steps: int, first_step: int):
        """Show `label`, at `first_step` of `total_steps`."""
        self._label, self._total, self._first = label, total_steps, first_step
        self._console = Console(file=sys.stderr)
        self._started = self._printed = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "RunProgress":
        """Start the bar, or say that the run starts."""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._task = self._bar.add_task(
                self._label, total=self._total, completed=self._first, note="compiling"
            )
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar."""
        if self._bar:
            self._bar.stop()

    def update(self, step: int, note: str) -> None:
        """Show that `step` steps are done, with a few words on how it goes."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=step, note=note)
            return
        now = time.monotonic()
        if now - self._printed >= self.line_seconds or step == self._total:
            self._printed = now
            seconds = now - self._started
            left = seconds / max(1, step - self._first) * (self._total - step)
            print(
                f"{self._label}: step {step}/{self._total}, {note}, "
                f"{seconds:.0f} s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
