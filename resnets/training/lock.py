"""One writer a run directory.

The lock is a file that says who owns it. It appears under its name complete, by `link`, which even
network file systems do for one process only. Only a process of the owner's own host can know that
the owner is gone, so only there it is taken over, and `flock` on the file that is replaced keeps
two that notice it at once apart: between processes of one host it always works. No clock is asked.
"""

import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resnets.errors import RunError, reason
from resnets.training import durable

NAME = "lock.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

_logger = logging.getLogger(__name__)


@contextmanager
def locked(directory: Path) -> Iterator[Callable[[], None]]:
    """Own a run directory for as long as the context lasts; gives what ends it early.

    Raises:
      RunError: another process owns it, or may own it; or the lock cannot be written.
    """
    file, own = directory / NAME, identity()
    text = json.dumps(own) + "\n"
    try:
        while not _create(file, text):
            _clear_stale(file, own)
    except OSError as error:
        raise RunError(
            f"{directory} cannot be locked: {reason(error)}; make it writable or choose another "
            "--workdir"
        ) from None

    def release() -> None:
        if _read(file) == own:
            durable.discard(file)

    try:
        yield release
    finally:
        release()


def identity() -> dict[str, Any]:
    """Who this process is, for as long as the host is up: host, boot, pid and start time."""
    pid = os.getpid()
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    return {"host": socket.gethostname(), "boot": boot, "pid": pid, "started": _started(pid)}


def _started(pid: int) -> str | None:
    """When a process started, in its kernel's ticks; None if it is gone."""
    try:
        # The second field is a name in parentheses that may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _answers(pid)
    except OSError:  # it went while being read
        return None
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> str | None:
    """Stand in for the start time where there is no /proc: a pid's next owner looks the same."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def _create(file: Path, text: str) -> bool:
    """Make the lock file with its whole text; False if there is one."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    durable.write_text(temporary, text)
    try:
        os.link(temporary, file)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _create_without_links(file, text)
    finally:
        durable.discard(temporary)
    return True


def _create_without_links(file: Path, text: str) -> bool:
    try:
        with file.open("x") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    return True


def _clear_stale(file: Path, own: dict[str, Any]) -> None:
    """Remove the lock of a process that is gone.

    Raises:
      RunError: it is not known to be gone.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not _same_file(descriptor, file):
            return  # somebody else was here first
        owner = _read(file)
        _refuse_if_owned(file, owner, own)
        _logger.info("%s: took over from process %s, which is gone", file.parent, owner["pid"])
        file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _same_file(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _read(file: Path) -> dict[str, Any]:
    """The owner that a lock file names; nobody's name if it cannot be read."""
    try:
        owner = json.loads(file.read_text())
        return {"host": str(owner["host"]), "pid": int(owner["pid"])} | owner
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {"host": "", "pid": 0}


def _refuse_if_owned(file: Path, owner: dict[str, Any], own: dict[str, Any]) -> None:
    who = f"process {owner['pid']} on host {owner['host']}"
    remove = f"if that process is gone, remove {file}"
    if not owner["host"]:
        raise RunError(
            f"{file.parent} is locked by a file that cannot be read; if no process writes there, "
            f"remove {file}"
        )
    if owner["host"] != own["host"]:
        raise RunError(f"{file.parent} is being written by {who}, which cannot be asked; {remove}")
    if owner.get("boot") == own["boot"]:
        started = _started(owner["pid"])
        if started is not None and started == owner.get("started"):
            raise RunError(
                f"{file.parent} is being written by {who}; wait for it or choose another --workdir"
            )
