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
        """Profile up to `steps` steps into the run directory, if there is one without a profile."""
        self._folder = run / "tensorboard" if run else None
        done = bool(self._folder and (self._folder / "plugins" / "profile").exists())
        self._steps = 0 if done or run is None else steps
        self._compiled = False

    def wanted(self) -> int:
        """Steps that the next call should take to profile them; 0 if it is not time."""
        return self._steps if self._compiled else 0

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Profile a call if it is time, and no other run of this process is being profiled."""
        ready = self.wanted() and _only_one.acquire(blocking=False)
        self._compiled = True
        if not ready:
            yield
            return
        try:
            with jax.profiler.trace(str(self._folder)):
                yield
            self._steps = 0
        finally:
            _only_one.release()
