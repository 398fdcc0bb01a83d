"""Random access to the examples of a prepared data set, as they are stored."""

import bisect
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from tensorflow_datasets.proto import tf_example_pb2

from resnets.data.prepared import Prepared, damage_named
from resnets.data.splits import Span


class Record(NamedTuple):
    """One example as it is stored.

    Attributes:
      content: the JPEG file.
      label: class index.
      file_name: of the original.
    """

    content: bytes
    label: int
    file_name: str


class Records:
    """The examples of one role, by number; the files are opened by who reads first."""

    def __init__(self, source: Prepared, spans: Sequence[Span]) -> None:
        self._directory = source.directory
        self._parts = [(source.records(split), start) for split, start, _ in spans]
        self._ends = list(itertools.accumulate(stop - start for _, start, stop in spans))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Record:
        part = bisect.bisect_right(self._ends, index)
        source, start = self._parts[part]
        before = self._ends[part - 1] if part else 0
        with damage_named(self._directory):
            content = source[start + index - before]
        feature = tf_example_pb2.Example.FromString(content).features.feature
        return Record(
            feature["image"].bytes_list.value[0],
            feature["label"].int64_list.value[0],
            feature["file_name"].bytes_list.value[0].decode(),
        )
