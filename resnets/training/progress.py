"""Progress on stderr: bars with time left and current errors on a terminal, few lines elsewhere.

Where nobody watches, a line a minute and one at the end of a run are enough to find in a log.
"""

import sys
import threading
import time

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from resnets.terminal import console


class Display:
    """One display for all runs of a process; a context manager."""

    def __init__(self, runs: int = 0) -> None:
        """Decide between bars and lines; several runs get a bar for all of them."""
        out = console(sys.stderr)
        self._bars: Progress | None = None
        self._all: TaskID | None = None
        self._lock = threading.Lock()
        self._under_way: dict[object, float] = {}
        self._ended = 0
        if out.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=12),
                TextColumn("{task.percentage:>3.0f} %", markup=False),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False),
                console=out,
                speed_estimate_period=600,
            )
            if runs > 1:
                self._all = self._bars.add_task("all runs", total=runs, note=f"0 of {runs} ended")

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
            self._bars.console.print(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def run(self, label: str, total_steps: int, first_step: int) -> "RunProgress":
        """Show one more run, at `first_step` of `total_steps`."""
        return RunProgress(self, self._bars, label, total_steps, first_step)

    def ended(self) -> None:
        """Count a run that needs no more time, whatever became of it."""
        with self._lock:
            self._ended += 1
        self._show_all()

    def moved(self, run: object, share: float) -> None:
        """Count a run as that share of one; 1.0 is left to `ended`."""
        with self._lock:
            self._under_way.pop(run, None)
            if share < 1.0:
                self._under_way[run] = share
        self._show_all()

    def _show_all(self) -> None:
        if self._bars and self._all is not None:
            total = self._bars.tasks[0].total or 0
            note = f"{self._ended} of {total:.0f} ended"
            done = min(total, self._ended + sum(self._under_way.values()))
            self._bars.update(self._all, completed=done, note=note)


class RunProgress:
    """One run's steps; off a terminal a line at most every `line_seconds`, and one at the end."""

    line_seconds = 60.0

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
        self._display.moved(self, min(0.99, step / self._total))
        if self._bars:
            self._bars.update(self._task, completed=step, note=note)
            return
        now = time.monotonic()
        if now - self._printed >= self.line_seconds:
            self._printed = now
            seconds = now - self._started
            left = seconds / max(1, step - self._first) * (self._total - step)
            self._display.say(
                f"{self._label}: step {step}/{self._total}, {note}, "
                f"{seconds:.0f} s, {left:.0f} s left"
            )

    def end(self, note: str = "") -> None:
        """Take the run's bar away; with its numbers for a note, say that it is done."""
        self._display.moved(self, 1.0)
        if self._bars:
            self._bars.remove_task(self._task)
        if note:
            seconds = time.monotonic() - self._started
            self._display.say(f"{self._label}: done in {seconds:.0f} s, {note}")
