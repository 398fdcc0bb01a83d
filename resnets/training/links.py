"""Connections between the processes of one run: who they are, and lines of JSON between them."""

import contextlib
import dataclasses
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from resnets.errors import RunError, UserError, reason

_HELLO_S = 5.0
"""Seconds for a new connection to say who it is: it may be anybody."""
_RETRY_S = 0.2


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a process stands among those of its run.

    Attributes:
      address: HOST:PORT at which the first process listens.
      count: how many processes there are.
      index: which of them this is, from 0.
      timeout_s: seconds that the others may take to appear.
      devices: numbers of the accelerators that are this process's own; None for all of its host.
    """

    address: str
    count: int
    index: int
    timeout_s: float
    devices: Sequence[int] | None = None

    @property
    def host(self) -> str:
        """The address without its port."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.address.rpartition(":")[2])


class Link:
    """A connection to one other process: lines of JSON, each a kind and a value.

    Attributes:
      peer: who is at the other end, for messages.
      values: what it said that nobody has asked for yet.
      closed: nothing more will come.
    """

    def __init__(self, connection: socket.socket, peer: str) -> None:
        """Take over an open connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.values: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.closed = threading.Event()
        self._connection, self._stream = connection, connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, kind: str, value: Any) -> None:
        """Send a line; if the other end is gone, reading says so."""
        line = json.dumps([kind, value]).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(line)

    def receive(self, timeout_s: float | None = None) -> tuple[str, Any] | None:
        """Wait for a line; None at the end, or where what came is none of ours."""
        try:
            self._connection.settimeout(timeout_s)
            kind, value = json.loads(self._stream.readline())
            self._connection.settimeout(None)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return str(kind), value

    def lines(self) -> Iterator[tuple[str, Any]]:
        """Every line until the connection ends."""
        while (line := self.receive()) is not None:
            yield line
        self.closed.set()

    def finish(self) -> None:
        """Say that nothing more will come, and wait until the other end says so, too."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self.closed.wait(_HELLO_S)
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._connection.close()


def welcome(place: Place) -> dict[int, Link]:
    """Wait, as the first process, for all the others.

    Returns:
      Their connections by number.

    Raises:
      UserError: the port cannot be used, or one of them was told something else.
      RunError: some did not come in time.
    """
    links: dict[int, Link] = {}
    end = time.monotonic() + place.timeout_s
    with _listening(place.port) as server:
        try:
            while len(links) < place.count - 1:
                server.settimeout(max(0.01, end - time.monotonic()))
                connection, (host, *_) = server.accept()
                link = Link(connection, host)
                match link.receive(_HELLO_S):
                    case ("hello", [int(index), int(count)]):
                        pass
                    case _:
                        link.close()
                        continue
                link.peer = f"process {index} ({host.removeprefix('::ffff:')})"
                _check(link, index, count, place, links)
                links[index] = link
            for link in links.values():
                link.send("welcome", None)
        except TimeoutError:
            missing = [str(i) for i in range(1, place.count) if i not in links]
            raise _tell(links, RunError(_MISSING.format(", ".join(missing), place))) from None
        except UserError as error:
            raise _tell(links, error) from None
    return links


_MISSING = (
    "process {0} of {1.count} did not come to {1.address} within {1.timeout_s:g} s; start it with "
    "the same address, or allow more time with --connect_timeout"
)


def _tell(links: dict[int, Link], error: RunError | UserError) -> RunError | UserError:
    for link in links.values():
        link.send("end", [error.exit_code, str(error)])
        link.close()
    return error


def _check(link: Link, index: int, count: int, place: Place, links: dict[int, Link]) -> None:
    if count == place.count and index not in links and 0 < index < count:
        return
    error = UserError(
        f"{link.peer} was started as one of {count}, process 0 as one of {place.count}; start all "
        "with the same --processes"
    )
    if count == place.count:
        error = UserError(
            f"two processes were started as --process={index}; number them 0 to {count - 1}"
        )
    raise _tell({index: link}, error)


def _listening(port: int) -> socket.socket:
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise UserError(f"cannot listen on port {port}: {reason(error)}; choose another") from None


def join(place: Place) -> Link:
    """Connect, as another process than the first, to the first.

    Raises:
      UserError: it was told something else, or what answers there is no run.
      RunError: it cannot be reached in time, or does not go on.
    """
    end = time.monotonic() + place.timeout_s
    link = Link(_connected(place, end), f"process 0 ({place.host})")
    link.send("hello", [place.index, place.count])
    line = link.receive(max(_HELLO_S, 2 * (end - time.monotonic())))
    if line is not None and line[0] == "welcome":
        return link
    link.close()
    match line:
        case ("end", [UserError.exit_code, str(text)]):
            raise UserError(text)
        case ("end", [_, str(text)]):
            raise RunError(text)
    raise RunError(
        f"what answers at {place.address} is not the first process of a run, or ended before it "
        "began; see what process 0 says, and start all again"
    )


def _connected(place: Place, end: float) -> socket.socket:
    while True:
        try:
            connection = socket.create_connection((place.host, place.port), timeout=_HELLO_S)
            # Nobody listens on a port that is free for us as well: then we may have met ourselves.
            if connection.getsockname() != connection.getpeername():
                return connection
            connection.close()
            why = "Connection refused"
        except OSError as error:
            why = reason(error)
        if time.monotonic() > end:
            raise RunError(
                f"process 0 cannot be reached at {place.address} within {place.timeout_s:g} s "
                f"({why}); start it there, or allow more time with --connect_timeout"
            )
        time.sleep(_RETRY_S)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
