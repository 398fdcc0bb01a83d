"""Where a run's numbers go: `metrics.jsonl`, and the same for TensorBoard.

The lines are the record, and TensorBoard's events follow from them: a run that goes on drops the
lines of steps that it will take again and writes one event file anew from the lines that are left.
So neither a torn event nor the order of two clocks can show in the curves.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import hparams, scalar, text

from resnets.diagnostics.readings import Readings
from resnets.training import durable, pictures
from resnets.training.events import DIAGNOSTICS, EventFile, Record

_LIMIT = 1 << 63  # TensorBoard's steps

_logger = logging.getLogger(__name__)


def read(file: Path) -> list[dict[str, Any]]:
    """Read the records of a metrics file; [] without one.

    A torn last line is what a killed run leaves and is dropped; other lines that are no records
    are named in a warning.

    Raises:
      OSError: the file cannot be read.
    """
    if not file.exists():
        return []
    records = []
    lines = file.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        record = _parse(line)
        if record is not None:
            records.append(record)
        elif number < len(lines):  # the last part has no end of line, or is empty
            _logger.warning("%s, line %d is not a record and is dropped", file, number)
    return records


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return None
    numbers = ("step", "epoch", *(("rewind",) if record["kind"] == "rewind" else ()))
    whole = all(type(n := record.get(name)) is int and 0 <= n < _LIMIT for name in numbers)
    return record if whole else None


def truncate(file: Path, step: int, epochs: int, rewinds: int) -> list[dict[str, Any]]:
    """Drop what the run will record again when it goes on after `step`; return what is kept.

    Args:
      file: the metrics file.
      step: steps taken.
      epochs: epochs recorded.
      rewinds: how many times it has recorded that it went back.

    Raises:
      OSError: the file cannot be read or written.
    """
    limits = {"epoch": ("epoch", epochs), DIAGNOSTICS: ("epoch", epochs)}
    limits |= {"rewind": ("rewind", rewinds)}
    kept = []
    for record in read(file):
        name, limit = limits.get(record["kind"], ("step", step))
        if record["step"] <= step and record[name] <= limit:
            kept.append(record)
    if file.exists():
        durable.write_text(file, "".join(json.dumps(record) + "\n" for record in kept))
    return kept


class MetricsWriter:
    """Appends records to both places; a context manager that closes them."""

    def __init__(self, run: Path, kept: Sequence[Record], configuration: Mapping[str, Any]):
        """Go on after the records that `truncate` kept.

        Args:
          run: the run directory.
          kept: the records that are there.
          configuration: flat config, for TensorBoard's table of hyperparameters.

        Raises:
          OSError: a file cannot be written.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._lines = os.open(run / "metrics.jsonl", flags, 0o644)
        try:
            self._events = EventFile(run / "tensorboard", kept)
        except OSError:
            os.close(self._lines)
            raise
        self._configuration = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in configuration.items()
        }
        self._events.summarise(0, [text("config", _table(configuration))])

    def __enter__(self) -> "MetricsWriter":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both files."""
        os.close(self._lines)
        self._events.close()

    def record(self, record: Record) -> None:
        """Write one record: `kind`, `step`, `epoch` and named numbers, the unit in the name.

        Raises:
          OSError: it could not be written.
        """
        durable.append(self._lines, json.dumps(record).encode() + b"\n")
        self._events.record(record)

    def picture(self, step: int, readings: Readings) -> None:
        """Write histograms and pictures for TensorBoard, after the record of that step.

        Raises:
          OSError: they could not be written.
        """
        self._events.summarise(step, pictures.summaries(readings))

    def sync(self) -> None:
        """Wait until all records have reached the disk, such as before a checkpoint says so.

        Raises:
          OSError: they could not be written.
        """
        os.fsync(self._lines)

    def final(self, result: Mapping[str, float]) -> None:
        """Enter the run into TensorBoard's table of hyperparameters with its final numbers."""
        for summary in hparams(self._configuration, {f"final/{name}": None for name in result}):
            self._events.write(Event(summary=summary))
        for name, value in result.items():
            self._events.write(Event(summary=scalar(f"final/{name}", value)))


def _table(configuration: Mapping[str, Any]) -> str:
    """The config as a Markdown table."""
    rows = [f"| {key} | {json.dumps(value)} |" for key, value in configuration.items()]
    return "\n".join(["| field | value |", "| --- | --- |", *rows])
