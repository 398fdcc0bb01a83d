"""Checkpoints: the state, and what the host remembers beside it.

Each is a folder `checkpoints/STEP`, made by Orbax in `checkpoints/.saving`, sealed with a manifest
and only then moved under its number: what has a number was complete once. A thread does all of it,
on a copy of the state. Orbax's own asynchronous saves would not do: it numbers its operations per
process, so two runs that save at once would wait for each other's signals.
"""

import contextlib
import dataclasses
import logging
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from resnets.errors import RunError, of_the_disk, reason
from resnets.training import durable, integrity
from resnets.training.integrity import DamagedError
from resnets.training.orbax_files import OrbaxFiles
from resnets.training.state import TrainState

DAMAGED = "damaged"
_SAVING, _DELETED = ".saving", ".deleted"

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Tag:
    """What a checkpoint is, as its manifest says.

    Attributes:
      planned: saved because the config says so at this step, not because the run had to stop.
      rewinds: how often the run had gone back when it was saved.
      metric: what `keep_best` goes by, lower is better; None without an evaluation.
    """

    planned: bool = True
    rewinds: int = 0
    metric: float | None = None


class Checkpoints:
    """Checkpoints of one run, whose only writer this is; a context manager."""

    def __init__(self, directory: Path, keep: int, keep_best: bool = False):
        """Open the directory, making it where it is missing.

        Args:
          directory: where the checkpoints are.
          keep: how many of the newest planned ones stay.
          keep_best: the one with the lowest metric stays, too.

        Raises:
          OSError: it cannot be written.
        """
        self._directory, self._keep, self._keep_best = directory.absolute(), keep, keep_best
        self._files = OrbaxFiles()
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._under_way: Future[None] | None = None
        self._directory.mkdir(exist_ok=True)
        self._identity = self._directory.stat()
        for rest in (_SAVING, _DELETED):  # of a process that was killed
            shutil.rmtree(self._directory / rest, ignore_errors=True)
            (self._directory / rest).mkdir(exist_ok=True)

    def __enter__(self) -> "Checkpoints":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the save under way; what went wrong with it is `wait`'s to say."""
        self._thread.shutdown()
        self._files.close()
        for rest in (_SAVING, _DELETED):
            shutil.rmtree(self._directory / rest, ignore_errors=True)

    def save(self, state: TrainState, step: int, host: dict[str, Any], tag: Tag) -> None:
        """Write a checkpoint of step `step` in the background, once the one before is written.

        Args:
          state: the training state; copied before this returns.
          step: its step.
          host: JSON-able memory of the loop.
          tag: what the checkpoint is.

        Raises:
          RunError: the checkpoint before could not be written.
        """
        self.wait()
        if step in steps(self._directory):
            return
        # Copied also where the device's memory is the host's: the next step gives the buffers up.
        copy = jax.tree.map(lambda leaf: np.array(leaf, copy=True), jax.device_get(state))
        self._under_way = self._thread.submit(self._write, copy, step, host, tag)

    def wait(self) -> None:
        """Wait until the save under way is complete.

        Raises:
          RunError: it could not be written; the run cannot promise anything any more.
        """
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def check(self) -> None:
        """Say what went wrong with the save under way if it has ended; do not wait for it.

        Raises:
          RunError: as `wait`.
        """
        if self._under_way is not None and self._under_way.done():
            self.wait()

    def _write(self, state: TrainState, step: int, host: dict[str, Any], tag: Tag) -> None:
        new, final = self._directory / _SAVING / str(step), self._directory / str(step)
        try:
            self._check_there()
            durable.check_space(new.parent, _size(state))
            self._files.save(new, state, host)
            integrity.seal(new, {"step": step, **dataclasses.asdict(tag)})
            self._check_there()
            new.rename(final)
            durable.sync(self._directory)
            self._prune()
        except Exception as error:
            if of_the_disk(error) is None:
                raise
            shutil.rmtree(new, ignore_errors=True)
            kept = max(steps(self._directory), default=0)
            rest = f"step {kept} is kept" if kept else "there is no earlier one"
            raise RunError(
                f"{final}: the checkpoint could not be saved: {reason(error)}; {rest}; make the "
                "disk writable or free some of it, then the same command goes on from there"
            ) from None

    def _check_there(self) -> None:
        """Refuse to write into what shows under the same name when a mount is gone."""
        if not os.path.samestat(self._identity, self._directory.stat()):
            raise FileNotFoundError(2, "The directory is not the one that was opened")

    def _prune(self) -> None:
        """Delete all but the newest one, the newest planned ones, and the best."""
        found = {step: _tag(self._directory / str(step)) for step in steps(self._directory)}
        tags = {step: tag for step, tag in found.items() if tag}
        planned = [step for step in sorted(tags) if tags[step].planned]
        stay = {max(tags, default=0), *planned[-self._keep :]}
        rated = {s: tag.metric for s, tag in tags.items() if tag.metric is not None}
        if self._keep_best and rated:
            stay.add(min(rated, key=lambda step: (rated[step], step)))
        for step in tags.keys() - stay:
            self._delete(step)

    def _delete(self, step: int) -> None:
        # Moved first, so that an early end leaves no half of a checkpoint under its number.
        doomed = self._directory / _DELETED / str(step)
        (self._directory / str(step)).rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def forget_after(self, step: int, rewinds: int) -> None:
        """Delete what was saved after `step` by fewer than `rewinds` rewinds: a path given up."""
        self.wait()
        for later in steps(self._directory):
            tag = _tag(self._directory / str(later))
            if later > step and tag and tag.rewinds < rewinds:
                self._delete(later)

    def restore(
        self, like: TrainState, at_most: int | None = None
    ) -> tuple[TrainState, dict[str, Any]] | None:
        """Read the newest checkpoint that is intact; damaged ones are named and set aside.

        Args:
          like: has the shapes and shardings to read into.
          at_most: the newest step that will do; any by default.

        Returns:
          The state and the loop's memory; None without a checkpoint.

        Raises:
          RunError: an intact one does not fit `like`.
          OSError: a damaged one could not be set aside.
        """
        self.wait()
        for step in sorted(steps(self._directory), reverse=True):
            if at_most is not None and step > at_most:
                continue
            try:
                integrity.check(self._directory / str(step))
            except DamagedError as error:
                self._set_aside(step, error)
                continue
            return self._files.restore(self._directory / str(step), like)
        return None

    def _set_aside(self, step: int, error: DamagedError) -> None:
        place = self._directory / DAMAGED
        place.mkdir(exist_ok=True)
        names = (f"{step}-{number}" if number else str(step) for number in range(1 << 30))
        target = next(place / name for name in names if not (place / name).exists())
        (self._directory / str(step)).rename(target)
        _logger.warning(
            "%s is damaged (%s): set aside as %s", self._directory / str(step), error, target
        )


def read(directory: Path, best: bool = False) -> dict[str, Any] | None:
    """Read the newest intact checkpoint's state as it lies there, fields by name; None without one.

    Nothing of the run is needed for it: neither its data nor its optimiser. Nothing is written;
    damaged checkpoints are named and passed over.

    Args:
      directory: where the checkpoints are.
      best: read the one with the lowest metric, among those that have one.

    Raises:
      RunError: an intact one cannot be read.
    """
    wanted = sorted(steps(directory), reverse=True)
    if best:
        rated = {step: tag.metric for step in wanted if (tag := _tag(directory / str(step)))}
        metrics = {step: metric for step, metric in rated.items() if metric is not None}
        wanted = sorted(metrics, key=lambda step: (metrics[step], step))
    for step in wanted:
        try:
            integrity.check(directory / str(step))
        except DamagedError as error:
            _logger.warning("%s is damaged (%s) and passed over", directory / str(step), error)
            continue
        with contextlib.closing(OrbaxFiles()) as files:
            return files.read((directory / str(step)).absolute())
    return None


def steps(directory: Path) -> list[int]:
    """Steps of which the directory holds a checkpoint, intact or not."""
    if not directory.exists():
        return []
    return [int(entry.name) for entry in directory.iterdir() if _is_number(entry.name)]


def _tag(folder: Path) -> Tag | None:
    try:
        about = integrity.about(folder)
    except DamagedError:
        return None  # not for us to judge: who restores sets it aside
    return Tag(about["planned"], about["rewinds"], about["metric"])


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and str(int(name)) == name


def _size(state: TrainState) -> int:
    """Bytes that a checkpoint may take, with what Orbax writes beside each array."""
    arrays = jax.tree.leaves(state)
    return sum(array.nbytes for array in arrays) + (len(arrays) + 16) * 4096
