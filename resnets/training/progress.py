"""Progress on stderr: bars with the time left on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display:
    """One display for all runs of a process; a context manager."""

    def __init__(self) -> None:
        """Decide between bars and lines."""
        console = Console(file=sys.stderr)
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
            )

    def __enter__(self) -> "Display":
        """Start the bars."""
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bars."""
        if self._bars:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        if self._bars:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def run(self, label: str, total_steps: int, first_step: int) -> "RunProgress":
        """Show one more run, at `first_step` of `total_steps`."""
        return RunProgress(self, self._bars, label, total_steps, first_step)


class RunProgress:
    """One run's steps; off a terminal a line at most every `line_seconds`, and one at the end."""

    line_seconds = 10.0

    def __init__(
        self, display: Display, bars: Progress | None, label: str, total: int, first: int
    ) -> None:
        """Add the run to the display."""
        self._display, self._bars, self._label = display, bars, label
        self._total, self._first = total, first
        self._started = self._printed = time.monotonic()
        if bars:
            self._task = bars.add_task(label, total=total, completed=first, note="compiling")

    def update(self, step: int, note: str) -> None:
        """Show that `step` steps are done, with a few words on how it goes."""
        if self._bars:
            self._bars.update(self._task, completed=step, note=note)
            return
        now = time.monotonic()
        if now - self._printed >= self.line_seconds or step == self._total:
            self._printed = now
            seconds = now - self._started
            left = seconds / max(1, step - self._first) * (self._total - step)
            self._display.say(
                f"{self._label}: step {step}/{self._total}, {note}, "
                f"{seconds:.0f} s, {left:.0f} s left"
            )
