"""SIGTERM and SIGINT: the first asks a run to save and stop, the second ends the process at once.

Python runs its own handlers between two instructions of the main thread, which may be inside a
compiler or a long call of the device. So a thread listens, woken by the interpreter's C handler.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from resnets.errors import Preempted

EXIT_CODES = {signal.SIGTERM: Preempted.exit_code, signal.SIGINT: 130}
GRACE_S = 6.0  # of ten seconds; the rest is for the save


class StopRequest(threading.Event):
    """Set by a signal; whoever finds it set has answered it."""

    def __init__(self) -> None:
        """Nothing was asked."""
        super().__init__()
        self.answered = threading.Event()

    def is_set(self) -> bool:
        """Whether the run is to stop; the caller then saves and stops."""
        found = super().is_set()
        if found:
            self.answered.set()
        return found


class Signals:
    """Turns signals into a stop request while it lasts; a context manager of the main thread.

    Attributes:
      stop: set by the first signal.
      received: that signal, if there was one.
      leave: ends the process with an exit status and a line.
    """

    def __init__(self) -> None:
        """Nothing was received."""
        self.stop = StopRequest()
        self.received: signal.Signals | None = None
        self.leave: Callable[[int, str], None] = _leave

    def __enter__(self) -> "Signals":
        """Listen."""
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, _leave_it) for number in EXIT_CODES}
        threading.Thread(target=self._listen, name="signals", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writing)

    @property
    def exit_code(self) -> int:
        """The exit status that says what was received."""
        return EXIT_CODES.get(self.received or signal.SIGTERM, Preempted.exit_code)

    def _listen(self) -> None:
        with os.fdopen(self._reading, "rb", buffering=0) as stream:
            while byte := stream.read(1):
                number = signal.Signals(byte[0])
                if number not in EXIT_CODES:
                    continue
                if self.received is not None:
                    self._end("a second signal")
                self.received = number
                self.stop.set()
                threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """End a process that is compiling or in a step of many seconds: it has nothing to save."""
        if not self.stop.answered.wait(GRACE_S):
            self._end(f"busy for {GRACE_S:.0f} s")

    def _end(self, why: str) -> None:
        note = f"ended at once ({why}); the same command goes on from the last checkpoint"
        self.leave(self.exit_code, note)


def _leave(status: int, note: str) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{note}\n".encode())
    os._exit(status)


def _leave_it(_: int, __: TracebackType | object | None) -> None:
    """Do nothing: the thread has been told."""
