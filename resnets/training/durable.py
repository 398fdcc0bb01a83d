"""Files that are there whole or not at all, and that stay after the power goes."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any


def sync(path: Path) -> None:
    """Wait until a file's content, or a directory's list of names, has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
      OSError: it could not be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        discard(temporary)
        raise
    sync(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all.

    Raises:
      OSError: as `write_text`.
    """
    write_text(path, json.dumps(content, indent=2) + "\n")


def discard(path: Path) -> None:
    """Remove a file if it is there and the disk lets us."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def append(descriptor: int, data: bytes) -> None:
    """Write all of `data` at once, so that an early end tears the last line at most.

    Raises:
      OSError: some of it could not be written, such as on a full disk.
    """
    while data:
        data = data[os.write(descriptor, data) :]


def check_space(directory: Path, size: int) -> None:
    """Refuse to begin what a full disk would end: many writers at once cannot say it well.

    Raises:
      OSError: fewer than `size` bytes are free.
    """
    if shutil.disk_usage(directory).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
