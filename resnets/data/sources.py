"""Load a data set by name into memory, building it first where that has not been done.

Everything is read through TFDS, and nothing of it needs TensorFlow.
"""

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow_datasets as tfds

from resnets.arguments import call
from resnets.data.cifar import Cifar10, Cifar100
from resnets.data.dataset import Dataset, DatasetError, Images, Labels
from resnets.data.digits import Digits
from resnets.data.prepared import Prepared
from resnets.data.splits import Span, resolve
from resnets.data.synthetic import Synthetic
from resnets.errors import UserError


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
    return _assemble(name, source, resolve(name, expressions, source.splits))


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
