"""One TensorBoard event file a run, without TensorFlow: numbers, histograms, pictures, text.

Numbers follow from the records of `metrics.jsonl`. Pictures and histograms stand here alone: a run
that goes on takes them over from the file before.
"""

import contextlib
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar

from resnets.training import durable

DIAGNOSTICS = "diagnostics"
"""The kind of the records that hold numbers by layer."""

NOT_SCALARS = ("kind", "step", "epoch")
_BEFORE = {"train": "steps/", DIAGNOSTICS: "diagnostics/"}
_PICTURES = ("image", "histo")

Record = Mapping[str, Any]


class EventFile:
    """TensorBoard's events of one run in one file, each written at once."""

    def __init__(self, folder: Path, records: Sequence[Record]):
        """Start a file with the events of `records`, and remove those that it replaces."""
        folder.mkdir(exist_ok=True)
        before = sorted(folder.glob("events.out.tfevents.*"))
        # TensorBoard reads files in the order of their names: a counter, which no clock turns back.
        number = 1 + max((_number(file) for file in before), default=0)
        file = folder / f"events.out.tfevents.{number:010d}.run"
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            self.write(Event(file_version="brain.Event:2"))
            self.write(Event(session_log=SessionLog(status=SessionLog.START)))
            for record in records:
                self.record(record)
            steps = {record["step"] for record in records if record["kind"] == DIAGNOSTICS}
            for event in (event for old in before for event in _pictures(old)):
                if event.step in steps:
                    self.write(event)
        except OSError:
            self.close()
            raise
        for old in before:
            durable.discard(old)

    def record(self, record: Record) -> None:
        """Write the numbers of a record, those by layer each as `QUANTITY/LAYER`."""
        prefix = _BEFORE.get(record["kind"], "")
        for name, value in record.items():
            if name in NOT_SCALARS:
                continue
            if isinstance(value, Mapping):
                summaries = [_scalar(f"{name}/{layer}", number) for layer, number in value.items()]
                self.summarise(record["step"], [s for s in summaries if s])
            elif summary := _scalar(prefix + name, value):
                self.summarise(record["step"], [summary])

    def summarise(self, step: int, summaries: Sequence[Summary]) -> None:
        """Write summaries of a step as one event."""
        values = [value for summary in summaries for value in summary.value]
        if values:
            self.write(Event(step=step, summary=Summary(value=values)))

    def write(self, event: Event) -> None:
        """Write an event, stamped with the time."""
        event.wall_time = event.wall_time or time.time()
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        parts = (length, _checksum(length), data, _checksum(data))
        durable.append(self._descriptor, b"".join(parts))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _scalar(tag: str, value: Any) -> Summary | None:
    if not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):  # a whole number that no float holds
        return scalar(tag, float(value))
    return None


def _pictures(file: Path) -> Iterator[Event]:
    """The events with pictures or histograms of a file, up to where it is torn or damaged."""
    for data in _entries(file.read_bytes()):
        event = Event()
        try:
            event.ParseFromString(data)
        except Exception:  # protobuf's own errors have no common name across its versions
            return
        if any(value.WhichOneof("value") in _PICTURES for value in event.summary.value):
            yield event


def _entries(content: bytes) -> Iterator[bytes]:
    place = 0
    while place + 12 <= len(content):
        head = content[place : place + 8]
        (size,) = struct.unpack("<Q", head)
        data = content[place + 12 : place + 12 + size]
        check = content[place + 12 + size : place + 16 + size]
        if content[place + 8 : place + 12] != _checksum(head) or check != _checksum(data):
            return
        yield data
        place += 16 + size


def _number(file: Path) -> int:
    """The third part of an event file's name: a count, or the seconds of other writers."""
    part = file.name.split(".")[3]
    return int(part) if part.isascii() and part.isdecimal() else 0


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))
