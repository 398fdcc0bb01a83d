"""Load a data set by name into memory, building it first where that has not been done.

Everything is read through TFDS, and nothing of it needs TensorFlow.
"""

import contextlib
import functools
import io
import itertools
import logging
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError
from PIL.PngImagePlugin import PngImageFile
from tensorflow_datasets.core import constants
from tensorflow_datasets.proto import tf_example_pb2

from resnets.arguments import call
from resnets.data.cifar import Cifar10, Cifar100
from resnets.data.dataset import Dataset, DatasetError, Images, Labels
from resnets.data.digits import Digits
from resnets.data.synthetic import Synthetic
from resnets.errors import UserError

_logger = logging.getLogger(__name__)

Span = tuple[str, int, int]
"""Consecutive examples of a source: its split, the first one, and the one after the last."""


class Source(Protocol):
    """What `load` needs of a data set."""

    @property
    def splits(self) -> tfds.core.SplitDict:
        """Names and sizes of the splits."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""

    def read(self, split: str, start: int, stop: int) -> tuple[Images, Labels]:
        """Read the examples of a split from `start` to before `stop`."""


class Prepared:
    """A TFDS data set with the features `image` (stored as PNG) and `label`, in ArrayRecord files.

    Args:
      builder: makes the builder, given `data_dir`.
      directory: where TFDS keeps its data sets; empty for TFDS's own default.

    Raises:
      DatasetError: it is not prepared and cannot be, or what is prepared is damaged.
    """

    def __init__(
        self, builder: Callable[..., tfds.core.GeneratorBasedBuilder], directory: str
    ) -> None:
        root = str(Path(directory or constants.get_default_data_dir()).expanduser())
        make = functools.partial(builder, data_dir=root)
        try:
            self._builder = make()
            if not self._builder.info.splits:
                _prepare(self._builder, make)
                self._builder = make()
        except ParseError as error:
            raise DatasetError(f"damaged description of a data set in {root}: {error}") from None
        if not self._builder.info.splits:
            raise DatasetError(f"{self._builder.data_dir} holds no complete data set: delete it")

    @property
    def splits(self) -> tfds.core.SplitDict:
        """Names and sizes of the splits."""
        return self._builder.info.splits

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self._builder.info.features["label"].num_classes)

    def read(self, split: str, start: int, stop: int) -> tuple[Images, Labels]:
        """Read and decode the examples of a split from `start` to before `stop`.

        Raises:
          DatasetError: the files are damaged, or not of the ArrayRecord format.
        """
        pixels, labels = bytearray(), []
        for record in self._records(split, start, stop):
            example = tf_example_pb2.Example.FromString(record).features.feature
            png = io.BytesIO(example["image"].bytes_list.value[0])
            pixels += PngImageFile(png).tobytes()  # a third faster than Image.open
            labels.append(example["label"].int64_list.value[0])
        shape = self._builder.info.features["image"].shape
        images = np.frombuffer(pixels, np.uint8).reshape(len(labels), *shape)
        return images, np.array(labels, np.int32)

    def _records(self, split: str, start: int, stop: int) -> Sequence[bytes]:
        where = self._builder.data_dir
        # Raw records: decoding them here takes half the time of TFDS's generic decoder.
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        try:
            source = self._builder.as_data_source(split, deserialize_method=raw)
            records: Sequence[bytes] = source.__getitems__(range(start, stop))
        except NotImplementedError:
            format_found = self._builder.info.file_format.value
            raise DatasetError(
                f"{where} is prepared as {format_found}, not as array_record: "
                "choose another directory, or delete it"
            ) from None
        except RuntimeError as error:  # what array_record raises for every file that it cannot read
            reason = str(error).splitlines()[0]
            raise DatasetError(
                f"{where} is damaged ({reason}): delete it, to be built again"
            ) from None
        return records


def _prepare(
    builder: tfds.core.GeneratorBasedBuilder,
    make: Callable[[], tfds.core.GeneratorBasedBuilder],
) -> None:
    _logger.info("building %s in %s", builder.name, builder.data_dir)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints; stdout is the answer's
            builder.download_and_prepare(file_format="array_record")
    except OSError as error:
        # Another process that builds the same set may have been first: then its files count.
        if not make().info.splits:
            raise DatasetError(
                f"cannot build {builder.name} in {builder.data_dir_root}: {error}"
            ) from None


def _digits(directory: str) -> Source:
    return Prepared(Digits, directory)


def _cifar10(directory: str) -> Source:
    return Prepared(Cifar10, directory)


def _cifar100(directory: str) -> Source:
    return Prepared(Cifar100, directory)


_SOURCES: dict[str, Callable[..., Source]] = {
    "digits": _digits,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "synthetic": Synthetic,
}


def names() -> tuple[str, ...]:
    """List the data sets that `load` knows."""
    return tuple(_SOURCES)


@functools.lru_cache(maxsize=4)
def load(
    name: str,
    train: str = "train",
    validation: str = "",
    test: str = "test",
    directory: str = "",
) -> Dataset:
    """Load a data set into memory; a repeated call returns the same object.

    Args:
      name: `digits`, `cifar10`, `cifar100`, or `synthetic:` with any fields of
        `resnets.data.synthetic.Synthetic` (`synthetic:height=8,width=8,train=64`).
      train: the training split, as a TFDS split expression (`train[:45000]`); empty for none.
      validation: the validation split, likewise.
      test: the test split, likewise.
      directory: where TFDS keeps its data sets; empty for its own default, `TFDS_DATA_DIR` or
        `~/tensorflow_datasets`.

    Returns:
      The data set; its arrays are read-only.

    Raises:
      DatasetError: unknown name, a split that is unknown or has no examples, splits that share
        examples, a directory that cannot be written, an archive that is missing or damaged.
    """
    try:
        source = call(name, _SOURCES, "dataset", directory=directory)
    except DatasetError:
        raise
    except UserError as error:
        raise DatasetError(str(error)) from None
    expressions = {"train": train, "validation": validation, "test": test}
    spans = {
        role: _spans(f"dataset={name!r}, {role}={text!r}", text, source.splits)
        for role, text in expressions.items()
    }
    _check_disjoint(name, expressions, spans)
    return _assemble(name, source, spans)


def _spans(where: str, expression: str, splits: tfds.core.SplitDict) -> list[Span]:
    if not expression:
        return []
    try:
        instructions = tfds.core.ReadInstruction.from_spec(expression).to_absolute(splits)
    except (ValueError, NotImplementedError) as error:
        raise DatasetError(f"{where}: {str(error).splitlines()[-1]}") from None
    spans = []
    for part in instructions:
        stop = splits[part.splitname].num_examples if part.to is None else part.to
        spans.append((part.splitname, part.from_ or 0, stop))
    if all(start >= stop for _, start, stop in spans):
        raise DatasetError(f"{where}: no examples; the splits are {_sizes(splits)}")
    return spans


def _sizes(splits: tfds.core.SplitDict) -> str:
    return ", ".join(f"{name} ({info.num_examples})" for name, info in splits.items())


def _check_disjoint(
    name: str, expressions: Mapping[str, str], spans: Mapping[str, Sequence[Span]]
) -> None:
    for one, other in itertools.combinations(spans, 2):
        for first, second in itertools.product(spans[one], spans[other]):
            start, stop = max(first[1], second[1]), min(first[2], second[2])
            if first[0] == second[0] and start < stop:
                raise DatasetError(
                    f"dataset={name!r}: {one}={expressions[one]!r} and "
                    f"{other}={expressions[other]!r} share examples"
                )


def _assemble(name: str, source: Source, spans: Mapping[str, Sequence[Span]]) -> Dataset:
    images, labels, ranges, position = [], [], {}, 0
    for role, parts in spans.items():
        start = position
        for part in parts:
            some_images, some_labels = source.read(*part)
            images.append(some_images)
            labels.append(some_labels)
            position += len(some_labels)
        ranges[role] = (start, position)
    if not images:
        raise DatasetError(f"dataset={name!r}: train, validation and test are all empty")
    all_images, all_labels = np.concatenate(images), np.concatenate(labels)
    for array in (all_images, all_labels):
        array.flags.writeable = False
    return Dataset(name, all_images, all_labels, types.MappingProxyType(ranges), source.num_classes)
