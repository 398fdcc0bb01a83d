"""Reading and writing the files of a study: errors name the file and the line."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnets.errors import RunError, UserError


@dataclass(frozen=True)
class Record:
    """One JSON object, and where it stands.

    Attributes:
      fields: its content.
      where: `FILE` or `FILE:LINE`, for messages.
    """

    fields: Mapping[str, Any]
    where: str

    def _field(self, key: str, kinds: tuple[type, ...], wanted: str) -> Any:
        if key not in self.fields:
            raise UserError(f"{self.where}: {key!r} is missing")
        value = self.fields[key]
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise UserError(f"{self.where}: {key}={value!r} is not {wanted}")
        return value

    def text(self, key: str) -> str:
        """A field that is text."""
        return str(self._field(key, (str,), "text"))

    def integer(self, key: str) -> int:
        """A field that is a whole number."""
        return int(self._field(key, (int,), "a whole number"))

    def number(self, key: str) -> float | None:
        """A field that is a number; None where it is null, as some writers put NaN."""
        value = self._field(key, (int, float, type(None)), "a number")
        try:
            return None if value is None else float(value)
        except OverflowError:
            raise UserError(f"{self.where}: {key} is too large a number") from None


def _parse(text: bytes, where: str) -> Record:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{where}: not valid JSON") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a JSON object")
    if b"\\ud" in text.lower():  # an escape may be half of a pair, which no file can hold
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: not Unicode text") from None
    return Record(content, where)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def read_object(path: Path) -> Record:
    """Read a file that holds one JSON object.

    Raises:
      UserError: it cannot be read, or holds something else.
    """
    return _parse(_read(path), str(path))


def read_lines(path: Path, may_be_torn: bool) -> tuple[tuple[Record, ...], bool]:
    """Read a file that holds a JSON object a line.

    Args:
      path: the file.
      may_be_torn: whether the last line may be cut off, as a killed process leaves it.

    Returns:
      The records, and whether the last line was cut off and left out.

    Raises:
      UserError: it cannot be read, or a line is malformed.
    """
    lines = [(n, line) for n, line in enumerate(_read(path).split(b"\n"), 1) if line.strip()]
    records = []
    for number, line in lines:
        try:
            records.append(_parse(line, f"{path}:{number}"))
        except UserError:
            if may_be_torn and number == lines[-1][0]:
                return tuple(records), True
            raise
    return tuple(records), False


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
      RunError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from None


def remove(paths: Iterable[Path]) -> None:
    """Remove the files that exist.

    Raises:
      RunError: one cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{path} cannot be removed: {error.strerror}") from None
