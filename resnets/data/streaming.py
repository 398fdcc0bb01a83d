"""Data sets too large for memory: decoded from their files by worker processes while they are used.

Batch number `s` of a run follows from (seed, s) alone: the epoch's order, each image's crop and its
mirroring have random numbers of their own. So a run goes on at any step without iterator state, and
the number of workers changes nothing.
"""

import dataclasses
import functools
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

import numpy as np
from absl import flags
from jaxtyping import Bool, Int32, Int64, UInt8

from resnets.data import imagenet
from resnets.data.crops import View, decode
from resnets.data.dataset import DatasetError
from resnets.data.prepared import Prepared
from resnets.data.records import Records
from resnets.data.splits import resolve
from resnets.errors import RunError

_ORDER, _VIEW = 0, 1  # streams of random numbers
_CORRUPT_IN_A_ROW = 100
_BUILDERS = {"imagenet2012": imagenet.Imagenet2012}

Part = tuple[int, int]
"""Which share of every batch a process reads, and of how many."""


class Batch(NamedTuple):
    """Examples of one step: those of this process.

    Attributes:
      images: uint8 `[batch, size, size, 3]`.
      labels: int32 `[batch]`.
      counted: False where an example only fills the batch up.
      corrupt: number of the record, within its split, that could not be decoded; else -1.
    """

    images: UInt8[np.ndarray, "*batch size size 3"]
    labels: Int32[np.ndarray, "*batch"]
    counted: Bool[np.ndarray, "*batch"]
    corrupt: Int32[np.ndarray, "*batch"]


@dataclasses.dataclass(frozen=True, eq=False)
class Streamed:
    """A data set that stays in its files.

    Attributes:
      name: the name that `stream` was given.
      records: the examples of `train`, `validation` and `test`; none for a split not asked for.
      num_classes: number of classes.
      view: how files become images.
      workers: processes that decode; 0 for threads of this one.
    """

    name: str
    records: Mapping[str, Records]
    num_classes: int
    view: View
    workers: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images in a batch."""
        return self.view.size, self.view.size, 3

    def size(self, split: str) -> int:
        """Number of examples of `train`, `validation` or `test`."""
        return len(self.records[split])

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel, scaled to [0, 1]."""
        return imagenet.MEAN, imagenet.STD

    def train_batches(
        self, seed: int, batch_size: int, first: int, last: int, part: Part = (0, 1)
    ) -> Generator[Batch, None, None]:
        """Decode the batches of steps `first` to `last - 1` of a run.

        Each epoch takes every example at most once, in an order of its own, in whole batches. In
        the place of a corrupt example stands the next readable one.

        Args:
          seed: of the run.
          batch_size: over all processes.
          first: the step to begin with.
          last: the step to end before.
          part: the share of every batch to decode; it must divide `batch_size`.

        Raises:
          DatasetError: damaged files, or a hundred corrupt examples in a row.
        """
        share = batch_size // part[1]
        task = _Training(self.records["train"], self.view, seed, batch_size, part)
        return _decoded(task, share * first, share * last, share, self.workers)

    def eval_batches(
        self, split: str, batch_size: int, part: Part = (0, 1)
    ) -> Generator[Batch, None, None]:
        """Decode a split in order, each example exactly once; corrupt ones do not count.

        Args:
          split: `train`, `validation` or `test`.
          batch_size: over all processes; the last batch is filled up.
          part: the share of every batch to decode; it must divide `batch_size`.
        """
        share = batch_size // part[1]
        steps = -(-self.size(split) // batch_size)
        task = _Evaluation(self.records[split], self.view, batch_size, part)
        return _decoded(task, 0, share * steps, share, self.workers)


def streamed(name: str) -> bool:
    """Say whether `stream`, and not `load`, knows the data set."""
    return name in _BUILDERS


def stream(
    name: str,
    view: View,
    train: str = "train",
    validation: str = "",
    test: str = "validation",
    directory: str = "",
    workers: int = 0,
) -> Streamed:
    """Open a data set to be read from its files; they are built first where they are missing.

    Args:
      name: `imagenet2012`.
      view: how files become images.
      train: the training split, as a TFDS split expression; empty for none.
      validation: the validation split, likewise.
      test: the test split, likewise.
      directory: where TFDS keeps its data sets; empty for its own default.
      workers: processes that decode; 0 for threads of this one.

    Raises:
      DatasetError: a split that is unknown or has no examples, splits that share examples, a
        directory that cannot be written, an archive that is missing, damaged files.
    """
    source = Prepared(_BUILDERS[name], directory)
    expressions = {"train": train, "validation": validation, "test": test}
    spans = resolve(name, expressions, source.splits)
    records = {role: Records(source, parts) for role, parts in spans.items()}
    for role in filter(expressions.get, records):
        records[role][0]  # damaged files say so now
    return Streamed(name, records, source.num_classes, view, workers)


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, examples: int) -> Int64[np.ndarray, "examples"]:
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(examples)


def _place(position: int, batch_size: int, part: Part) -> tuple[int, int]:
    """Step and row in the whole batch of this process's example number `position`."""
    index, parts = part
    share = batch_size // parts
    step, row = divmod(position, share)
    return step, index * share + row


def _example(pixels: np.ndarray, label: int, counted: bool, corrupt: int) -> Batch:
    return Batch(
        pixels, np.asarray(label, np.int32), np.asarray(counted), np.asarray(corrupt, np.int32)
    )


@dataclasses.dataclass(frozen=True)
class _Training:
    """What a worker does for one example of a training batch."""

    records: Records
    view: View
    seed: int
    batch_size: int
    part: Part

    def __call__(self, position: int) -> Batch:
        step, row = _place(position, self.batch_size, self.part)
        epoch, batch = divmod(step, len(self.records) // self.batch_size)
        order = _order(self.seed, epoch, len(self.records))
        chosen = int(order[batch * self.batch_size + row])
        rng = np.random.default_rng([self.seed, _VIEW, epoch, chosen])
        for further in range(min(_CORRUPT_IN_A_ROW, len(self.records))):
            record = self.records[(chosen + further) % len(self.records)]
            if image := decode(record.content):
                corrupt = chosen if further else -1
                return _example(self.view.train(image, rng), record.label, True, corrupt)
        raise DatasetError(f"{further + 1} images from {record.file_name} backwards are corrupt")


@dataclasses.dataclass(frozen=True)
class _Evaluation:
    """What a worker does for one example of an evaluation batch."""

    records: Records
    view: View
    batch_size: int
    part: Part

    def __call__(self, position: int) -> Batch:
        step, row = _place(position, self.batch_size, self.part)
        index = step * self.batch_size + row
        nothing = np.zeros((self.view.size, self.view.size, 3), np.uint8)
        if index >= len(self.records):
            return _example(nothing, 0, False, -1)
        record = self.records[index]
        if image := decode(record.content):
            return _example(self.view.evaluate(image), record.label, True, -1)
        return _example(nothing, 0, False, index)


def _decoded(
    task: Callable[[int], Batch], start: int, stop: int, share: int, workers: int
) -> Generator[Batch, None, None]:
    """Run a task for each position in order, ahead of the consumer, and stack the results."""
    import grain  # two seconds

    flags.FLAGS.mark_as_parsed()  # Grain reads its own, which nobody sets
    # An element of what is read ahead is a whole batch: few of them fill the memory.
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    if not workers:
        ahead = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)
    batches = grain.MapDataset.range(start, stop).map(task).batch(share).to_iter_dataset(ahead)
    processes = grain.multiprocessing.MultiprocessingOptions(workers, per_worker_buffer_size=1)
    iterator = iter(batches.mp_prefetch(processes, worker_init_fn=_start_worker))
    try:
        # Copied, for what workers send lies in shared memory, which must be free before the exit.
        yield from (Batch(*map(np.array, batch)) for batch in iterator)
    except RuntimeError as error:
        if not workers:
            raise
        reason = str(error).partition(". ")[0]
        raise RunError(
            f"decoding stopped: {reason}; fewer config.data.workers take less memory"
        ) from None
    finally:
        iterator.close()
        del iterator
        gc.collect()  # Grain's threads leave the last batch in a cycle of references
        freeing = getattr(grain.multiprocessing.SharedMemoryArray, "_del_thread_pool", None)
        if freeing is not None:
            freeing.apply(int)  # one thread frees in turn: after this, nothing is left


def _start_worker(index: int, count: int) -> None:
    """Let a worker live as long as its parent: no shorter at Ctrl-C, no longer at a kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
