"""What a run leaves on the disk: written by the first of its processes, and by no other."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from resnets.diagnostics.readings import Readings
from resnets.training import divergence, metrics
from resnets.training.checkpoints import Checkpoints, Tag
from resnets.training.config import flatten
from resnets.training.divergence import Rewind
from resnets.training.lock import locked
from resnets.training.memory import Memory
from resnets.training.metrics import MetricsWriter
from resnets.training.placement import Restored
from resnets.training.processes import Team
from resnets.training.run_directory import RunDirectory
from resnets.training.setup import Plan
from resnets.training.state import TrainState


class Keeper(Protocol):
    """Keeps records and checkpoints of a run; what cannot be written raises OSError or RunError."""

    path: Path | None
    """The run directory; None where another process writes it."""

    def rewinds(self) -> list[Rewind]:
        """How often the run went back; what was saved on paths given up is gone then."""

    def restore(self, like: TrainState, at_most: int | None) -> Restored | None:
        """As `Checkpoints.restore`."""

    def go_back(self, rewinds: Sequence[Rewind]) -> None:
        """Keep that the run went back, and forget what was saved on the path given up."""

    def recording(self, step: int, memory: Memory) -> AbstractContextManager[None]:
        """Take records from after `step` on, for as long as the context lasts."""

    def record(self, record: metrics.Record) -> None:
        """As `MetricsWriter.record`."""

    def picture(self, step: int, readings: Readings) -> None:
        """As `MetricsWriter.picture`, after the record of that step."""

    def save(self, state: TrainState, step: int, host: dict[str, Any], tag: Tag) -> None:
        """As `Checkpoints.save`, once the records so far are on the disk."""

    def check(self) -> None:
        """As `Checkpoints.check`."""

    def wait(self) -> None:
        """As `Checkpoints.wait`."""

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Enter the final numbers into TensorBoard's table, before the last checkpoint."""

    def finish(self, result: Mapping[str, Any]) -> None:
        """As `RunDirectory.finish`."""

    def fail(self, text: str) -> None:
        """As `RunDirectory.fail`."""


class DirectoryKeeper:
    """Writes a run directory."""

    def __init__(
        self, directory: RunDirectory, checkpoints: Checkpoints, config: Mapping[str, Any]
    ) -> None:
        """Keep a run of `config` in a directory that this process owns."""
        self.path: Path | None = directory.path
        self._directory, self._checkpoints, self._config = directory, checkpoints, config

    def rewinds(self) -> list[Rewind]:
        """Read them."""
        rewinds = divergence.read(self._directory.path)
        if rewinds:  # a process may have ended while it went back
            self._checkpoints.forget_after(rewinds[-1].step, len(rewinds))
        return rewinds

    def restore(self, like: TrainState, at_most: int | None) -> Restored | None:
        """Read the newest checkpoint that is intact."""
        return self._checkpoints.restore(like, at_most)

    def go_back(self, rewinds: Sequence[Rewind]) -> None:
        """Write them, then delete."""
        divergence.write(self._directory.path, rewinds)
        self._checkpoints.forget_after(rewinds[-1].step, len(rewinds))

    @contextlib.contextmanager
    def recording(self, step: int, memory: Memory) -> Iterator[None]:
        """Open the records' files, without what will be recorded again."""
        path = self._directory.path
        kept = metrics.truncate(path / "metrics.jsonl", step, memory.epochs, memory.rewinds)
        with MetricsWriter(path, kept, flatten(self._config)) as self._writer:
            yield

    def record(self, record: metrics.Record) -> None:
        """Write one."""
        self._writer.record(record)

    def picture(self, step: int, readings: Readings) -> None:
        """Write what pictures and histograms are made of."""
        self._writer.picture(step, readings)

    def save(self, state: TrainState, step: int, host: dict[str, Any], tag: Tag) -> None:
        """Begin to write a checkpoint."""
        self._writer.sync()
        self._checkpoints.save(state, step, host, tag)

    def check(self) -> None:
        """Look whether a save failed."""
        self._checkpoints.check()

    def wait(self) -> None:
        """Wait for the save under way."""
        self._checkpoints.wait()

    def conclude(self, result: Mapping[str, Any]) -> None:
        """Enter errors and losses."""
        numbers = {k: v for k, v in result.items() if k.endswith(("_pct", "_loss"))}
        self._writer.final(numbers)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `done.json`."""
        self._directory.finish(result)

    def fail(self, text: str) -> None:
        """Write `failed.json`."""
        self._directory.fail(text)


class Bystander:
    """Writes nothing: the first process does."""

    path: Path | None = None

    def rewinds(self) -> list[Rewind]:
        """Know of none."""
        return []

    def restore(self, like: TrainState, at_most: int | None) -> Restored | None:
        """Have none."""
        return None

    def recording(self, step: int, memory: Memory) -> AbstractContextManager[None]:
        """Open nothing."""
        return contextlib.nullcontext()

    def _nothing(self, *_: object) -> None:
        """Leave it to the first process."""

    go_back = record = picture = save = check = wait = conclude = finish = fail = _nothing


@contextlib.contextmanager
def owned(directory: RunDirectory, team: Team) -> Iterator[None]:
    """Own a run directory, for all processes, as `lock.locked` does."""
    if not team.first:
        yield
        return
    with locked(directory.path) as release:
        team.at_exit(release)
        yield


@contextlib.contextmanager
def keeper(
    directory: RunDirectory, plan: Plan, config: Mapping[str, Any], team: Team
) -> Iterator[Keeper]:
    """Keep a run; the caller owns its directory."""
    if not team.first:
        yield Bystander()
        return
    best = bool(plan.keep_best)
    with Checkpoints(directory.checkpoints, plan.keep_checkpoints, best) as checkpoints:
        yield DirectoryKeeper(directory, checkpoints, config)
