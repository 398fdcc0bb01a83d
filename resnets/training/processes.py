"""The processes that train one run together, as one of them sees them.

The first one decides and writes files, the others are told. They are told over connections of
their own, beside those of the devices: so what ends one process ends all, at once and with the same
line, even those that wait in a step for the part of one that is gone. A run of one process has no
connections, and asking itself is a plain call.
"""

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from resnets.errors import Preempted, RunError, UserError
from resnets.training.config import differences
from resnets.training.links import Link, Place, join, welcome

T = TypeVar("T")

ORDERLY_S = 2.0
"""Seconds in which the first process may end in order when another one has ended the run."""
_CAUSE_S = 2.0
"""Seconds in which the cause of a failed step is told: a process that is gone fails the devices."""
_LINGER_S = 5.0
_ENDED = object()


class EndedError(RunError):
    """Another process ended the run: its line, and its exit status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = status


class Team:
    """The processes of one run; a context manager that ends them together.

    Attributes:
      index: which of them this is, from 0.
      count: how many there are.
    """

    def __init__(
        self,
        index: int = 0,
        count: int = 1,
        links: Mapping[int, Link] | None = None,
        name: str = "",
    ) -> None:
        """Begin to listen to the others; without any, this is the whole team.

        Args:
          index: which of them this is.
          count: how many there are.
          links: to all the others at the first process, to the first at the others.
          name: of the command, before the line that says why it ended.
        """
        self.index, self.count, self._name = index, count, name
        self._links = [link for _, link in sorted((links or {}).items())]
        self._failure: EndedError | None = None
        self._failed, self._stop = threading.Event(), threading.Event()
        self._asked = self._closing = False
        self._lock, self._leaving = threading.Lock(), threading.Lock()
        self._last: Callable[[], None] = lambda: None
        for link in self._links:
            threading.Thread(target=self._listen, args=(link,), daemon=True).start()

    @property
    def first(self) -> bool:
        """Whether this is the process that decides and writes."""
        return self.index == 0

    def share(self, value: Callable[[], T]) -> T:
        """What `value` gives at the first process, at all of them; the others do not call it.

        Args:
          value: gives something JSON-able; what it raises ends all processes.

        Raises:
          EndedError: another process has ended the run.
        """
        if self.count == 1:
            return value()
        if not self.first:
            return self._next(self._links[0])
        result = value()
        for link in self._links:
            link.send("value", result)
        return result

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in their order, at the first; nothing at the others.

        Raises:
          EndedError: another process has ended the run.
        """
        if self.first:
            return [value, *(self._next(link) for link in self._links)]
        self._links[0].send("value", value)
        return []

    def in_turn(self, action: Callable[[], T]) -> T:
        """Act at the first process, then at the others: all might make the same files."""
        if not self.first:
            self.share(lambda: None)
        result = action()
        if self.first:
            self.share(lambda: None)
        return result

    def any_set(self, event: threading.Event) -> bool:
        """Whether an event is set at any process, as far as the first knows; alike at all."""
        here = event.is_set()
        if self.count == 1:
            return here
        if here and not self.first and not self._asked:
            self._asked = True
            self._links[0].send("stop", None)
        return self.share(lambda: here or self._stop.is_set())

    def check_same(self, what: str, content: Mapping[str, Any]) -> None:
        """Refuse to go on where processes were given different things.

        Args:
          what: the name of the thing.
          content: flat and JSON-able.

        Raises:
          UserError: at the first process, which ends the others; names what differs.
        """
        if self.count == 1:
            return
        firsts = self.share(lambda: dict(json.loads(json.dumps(dict(content)))))
        found = self.gather(differences(firsts, content, "at process 0", f"at {self.index}"))
        for index, differing in enumerate(found):
            if differing:
                raise UserError(
                    f"process {index} was given another {what} than process 0: "
                    f"{', '.join(differing[:4])}; start all with the same arguments"
                )

    def at_exit(self, action: Callable[[], None]) -> None:
        """Call `action` if this process must end without order."""
        if self.count > 1:
            self._last = action

    def __enter__(self) -> "Team":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """End together: in order, or all with the line and status of the one that failed."""
        if self.count == 1:
            return
        if error is None or isinstance(error, Preempted):
            try:
                self._close()
            except EndedError:
                self._leave()
        else:
            self.end(*self._why(error))

    def end(self, status: int, text: str) -> None:
        """End all processes with this exit status and line, unless one has done so already."""
        if self.count > 1:
            self._fail(EndedError(status, text))
            self._leave()

    def _why(self, error: BaseException) -> tuple[int, str]:
        if isinstance(error, UserError | RunError):
            return error.exit_code, str(error)
        if isinstance(error, KeyboardInterrupt):
            return 130, f"process {self.index} was interrupted"
        if not self._failed.wait(_CAUSE_S):  # it is our own, and nobody expected it
            traceback.print_exception(error)
        said = (str(error).splitlines() or [""])[0]
        return 1, f"process {self.index} failed: {type(error).__name__}: {said}"

    def _close(self) -> None:
        """Part in order: nobody leaves before all have come to the end."""
        for link in self._links if not self.first else ():
            link.send("bye", None)
        for link in self._links:
            self._next(link)
        self._closing = True
        for link in self._links if self.first else ():
            link.send("bye", None)
        for link in self._links:
            link.finish()

    def _next(self, link: Link) -> Any:
        value = _ENDED if self._failure else link.values.get()
        if value is _ENDED and self._failure:
            raise self._failure
        return value

    def _listen(self, link: Link) -> None:
        for kind, value in link.lines():
            if kind == "stop":
                self._stop.set()
            elif kind == "end":
                self._hear(EndedError(*value))
            else:
                self._closing = self._closing or (kind == "bye" and not self.first)
                link.values.put(value)
        self._hear(
            EndedError(
                RunError.exit_code,
                f"{link.peer} is gone; see what it said, and start all again: the same commands go "
                "on from the last checkpoint",
            )
        )

    def _hear(self, error: EndedError) -> None:
        """Another process ended the run: let it end here, in order if that is soon."""
        if not self._closing and self._fail(error):
            threading.Thread(target=self._leave_soon, daemon=True).start()

    def _fail(self, error: EndedError) -> bool:
        """Note why the run ends, and tell the others; False if that is done already."""
        with self._lock:
            if self._failure:
                return False
            self._failure = error
        self._failed.set()
        for link in self._links:
            link.send("end", [error.exit_code, str(error)])
            link.values.put(_ENDED)
        return True

    def _leave_soon(self) -> None:
        if self.first:
            time.sleep(ORDERLY_S)
        self._leave()

    def _leave(self) -> None:
        """End the process: one that waits in a step for another that is gone cannot be asked to."""
        self._leaving.acquire()  # for good: one thread does it
        assert self._failure is not None
        line = f"{self._name}: {self._failure}\n".encode()
        with contextlib.suppress(OSError):
            os.write(2, line)
        self._last()
        if self.first:  # with it ends the service whose loss aborts the others
            for link in self._links:
                link.closed.wait(_LINGER_S / len(self._links))
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(self._failure.exit_code)


ALONE = Team()
"""A run of one process."""


def assemble(place: Place, name: str) -> Team:
    """Bring the processes of a run together.

    Args:
      place: of this process.
      name: of the command, for its last line.

    Raises:
      UserError: they were not told the same, or the port cannot be used.
      RunError: some did not come in time.
    """
    links = welcome(place) if place.index == 0 else {0: join(place)}
    return Team(place.index, place.count, links, name)
