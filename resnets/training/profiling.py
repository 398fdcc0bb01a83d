"""A few steps under JAX's profiler, for TensorBoard's profile tab."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import jax

_only_one = threading.Lock()  # JAX has one profiler a process, and runs may go on side by side


class Profile:
    """Profiles some steps of a run, once, after a call that compiled."""

    def __init__(self, steps: int, run: Path | None) -> None:
        """Profile `steps` steps into the run directory; none without one, or if that has some."""
        self._folder = run / "tensorboard" if run else None
        done = bool(self._folder and (self._folder / "plugins" / "profile").exists())
        self._left = 0 if done or run is None else steps
        self._compiled = False

    def at_most(self, steps: int) -> int:
        """How many steps the next call may take, of those that are wanted."""
        return min(steps, self._left) if self._left and self._compiled else steps

    @contextlib.contextmanager
    def call(self, steps: int) -> Iterator[None]:
        """Profile a call of so many steps if it is time, and no other run of this process is."""
        ready = self._left and self._compiled and _only_one.acquire(blocking=False)
        self._compiled = True
        if not ready:
            yield
            return
        try:
            with jax.profiler.trace(str(self._folder)):
                yield
            self._left -= steps
        finally:
            _only_one.release()
