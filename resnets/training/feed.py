"""What a run trains and evaluates on: a data set on the device, or batches that arrive from files.

The loop does not care which. A streamed batch is decoded and transferred while the device works on
the one before; numbers are fetched only at records.
"""

import functools
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from resnets import data
from resnets.data.dataset import DatasetError
from resnets.data.streaming import Batch
from resnets.training import epoch, placement
from resnets.training.memory import nothing
from resnets.training.pace import Pace
from resnets.training.processes import ALONE, Team
from resnets.training.setup import Plan
from resnets.training.state import DeviceData, Sums, TrainState, Variables

_logger = logging.getLogger(__name__)

Pause = Callable[[], None]
"""Called between two calls of the device; may raise what ends the run."""

Rates = Float[np.ndarray, "steps_per_epoch"]
"""Learning rates of every step of an epoch."""


class Feed(Protocol):
    """Trains and evaluates on a data set, wherever that lies; a context manager."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Let everything go."""

    def run_steps(
        self, state: TrainState, stop: int, rates: Rates, sums: Sums, tolerated: int
    ) -> tuple[TrainState, Sums]:
        """Train until step `stop` of the epoch that `rates` are of; see `epoch.run_steps`."""

    def evaluate(self, split: str, variables: Sequence[Variables], pause: Pause) -> list[Sums]:
        """Sum losses and errors over a split for each of several variables; [] if it is empty."""

    def probe(self) -> tuple[jax.Array, jax.Array]:
        """Images and labels of one part of a batch, the same whenever it is asked for."""

    def counts(self) -> dict[str, int]:
        """What the records say about the data."""

    def memory(self) -> dict[str, Any]:
        """What a run that goes on must know, for the checkpoint."""

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take back what `memory` gave."""


def open_feed(plan: Plan, team: Team = ALONE) -> Feed:
    """Make ready what the plan's run trains on, at each of its processes."""
    if isinstance(plan.dataset, data.Streamed):
        return StreamedFeed(plan, plan.dataset, team)
    return ResidentFeed(plan, plan.dataset, team)


def run_steps(
    feed: Feed, state: TrainState, stop: int, rates: Rates, sums: Sums, tolerated: int = 0
) -> tuple[TrainState, Sums]:
    """Train until step `stop` and fetch the sums; they end at one non-finite step too many."""
    state, sums = feed.run_steps(state, stop, rates, sums, tolerated)
    return state, jax.tree.map(np.asarray, jax.device_get(sums))


class ResidentFeed:
    """A data set on every device: many steps, or a whole evaluation, are one call."""

    def __init__(self, plan: Plan, dataset: data.Dataset, team: Team) -> None:
        self._plan, self._dataset = plan, dataset
        self._data = _on_every_device(dataset, plan.recipe.mesh)
        self._pace = Pace(team)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the data on the device, for the next run on them."""

    def run_steps(
        self, state: TrainState, stop: int, rates: Rates, sums: Sums, tolerated: int
    ) -> tuple[TrainState, Sums]:
        """Train in one call."""
        return epoch.run_steps(
            self._plan.recipe,
            state,
            self._dataset.splits["train"],
            self._data,
            jnp.asarray(rates),
            self._plan.key(),
            jnp.asarray(stop, jnp.int32),
            sums,
            jnp.asarray(tolerated, jnp.int32),
        )

    def evaluate(self, split: str, variables: Sequence[Variables], pause: Pause) -> list[Sums]:
        """Evaluate each of the variables, some batches a call."""
        first, last = self._dataset.splits[split]
        if first == last:
            return []
        return [self._evaluate(one, first, last, pause) for one in variables]

    def _evaluate(self, variables: Variables, first: int, last: int, pause: Pause) -> Sums:
        recipe, sums = self._plan.recipe, nothing()
        while first < last:
            pause()
            amount = self._pace.amount()
            stop = min(last, first + amount * recipe.batch_size)
            bounds = (jnp.asarray(first, jnp.int32), jnp.asarray(stop, jnp.int32))
            with self._pace.call(-(-(stop - first) // recipe.batch_size)):
                sums = epoch.evaluate(recipe, variables, self._data, *bounds, sums)
                sums = jax.tree.map(np.asarray, jax.device_get(sums))
            first = stop
        return sums

    def probe(self) -> tuple[jax.Array, jax.Array]:
        """Take examples that are evenly spread over the training split."""
        first, last = self._dataset.splits["train"]
        size = self._plan.recipe.part_size
        chosen = first + np.arange(size) * (last - first) // size
        arrays = self._dataset.images[chosen], self._dataset.labels[chosen]
        return placement.put(arrays, NamedSharding(self._plan.recipe.mesh, PartitionSpec()))

    def counts(self) -> dict[str, int]:
        """Say nothing: every example is there."""
        return {}

    def memory(self) -> dict[str, Any]:
        """Keep nothing."""
        return {}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take nothing back."""


@functools.lru_cache(maxsize=1)
def _on_every_device(dataset: data.Dataset, mesh: Mesh) -> DeviceData:
    everywhere = NamedSharding(mesh, PartitionSpec())
    return DeviceData(
        placement.put(dataset.images, everywhere), placement.put(dataset.labels, everywhere)
    )


class StreamedFeed:
    """Batches from files: a step, or an evaluated batch, is one call.

    One batch is transferred ahead, and the host waits for the step before the last: so the device
    always has work, and its memory never holds more than three batches.
    """

    def __init__(self, plan: Plan, dataset: data.Streamed, team: Team) -> None:
        self._plan, self._dataset, self._team = plan, dataset, team
        self._part = (team.index, team.count)
        self._training: Generator[tuple[jax.Array, ...], None, None] | None = None
        self._corrupt: set[str] = set()
        self._probe: tuple[jax.Array, ...] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes that decode."""
        if self._training is not None:
            self._training.close()

    def run_steps(
        self, state: TrainState, stop: int, rates: Rates, sums: Sums, tolerated: int
    ) -> tuple[TrainState, Sums]:
        """Train batch by batch."""
        plan, first = self._plan, int(state.step)
        if self._training is None:
            self._training = self._train_batches(first)
        sums = self._everywhere(sums)
        key = plan.key()
        for step in range(first, stop):
            rate = np.float32(rates[step % plan.steps_per_epoch])
            images, labels, _ = next(self._training)
            before = sums
            state, sums = epoch.run_step(
                plan.recipe, state, sums, (images, labels), rate, key, np.int32(tolerated)
            )
            jax.block_until_ready(before)
        return state, sums

    def evaluate(self, split: str, variables: Sequence[Variables], pause: Pause) -> list[Sums]:
        """Evaluate all of the variables in one pass over the files.

        Raises:
          DatasetError: none of the split's files can be decoded.
        """
        if not self._dataset.size(split):
            return []
        recipe = self._plan.recipe
        batches = self._dataset.eval_batches(split, recipe.batch_size, self._part)
        sums = [self._everywhere(nothing()) for _ in variables]
        for batch in self._placed(split, batches):
            pause()
            before = sums
            sums = [
                epoch.evaluate_batch(recipe, one, so_far, batch)
                for one, so_far in zip(variables, sums, strict=True)
            ]
            jax.block_until_ready(before)
        if not sums[0].count:
            raise DatasetError(f"{self._dataset.name}: every image of {split} is corrupt")
        return jax.device_get(sums)

    def probe(self) -> tuple[jax.Array, jax.Array]:
        """Take the first examples that training takes, and keep them."""
        if self._probe is None:
            plan = self._plan
            batches = self._dataset.train_batches(
                plan.seed, plan.recipe.part_size, 0, 1, self._part
            )
            (self._probe,) = self._placed("train", batches)
        return self._probe[0], self._probe[1]

    def counts(self) -> dict[str, int]:
        """Count the files that could not be decoded so far."""
        self._pool_corrupt()
        return {"corrupt_images": len(self._corrupt)}

    def memory(self) -> dict[str, Any]:
        """Keep the names of the files that could not be decoded."""
        self._pool_corrupt()
        return {"corrupt_images": sorted(self._corrupt)}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take the names back, so that none is counted or named again."""
        self._corrupt.update(memory["corrupt_images"])

    def _train_batches(self, first: int) -> Generator[tuple[jax.Array, ...], None, None]:
        plan = self._plan
        batches = self._dataset.train_batches(
            plan.seed, plan.recipe.batch_size, first, plan.total_steps, self._part
        )
        yield from self._placed("train", batches)

    def _placed(
        self, split: str, batches: Generator[Batch, None, None]
    ) -> Iterator[tuple[jax.Array, ...]]:
        """Transfer batches to the devices, one ahead of the consumer."""
        ahead = None
        try:
            for batch in batches:
                self._note_corrupt(split, batch)
                placed = self._split((batch.images, batch.labels, batch.counted))
                if ahead is not None:
                    yield ahead
                ahead = placed
            if ahead is not None:
                yield ahead
        finally:
            batches.close()

    def _split(self, arrays: Iterable[np.ndarray]) -> tuple[jax.Array, ...]:
        sharding = NamedSharding(self._plan.recipe.mesh, PartitionSpec("data"))
        return tuple(jax.make_array_from_process_local_data(sharding, array) for array in arrays)

    def _everywhere(self, tree: Any) -> Any:
        return placement.put(tree, NamedSharding(self._plan.recipe.mesh, PartitionSpec()))

    def _pool_corrupt(self) -> None:
        """Let the first process, which counts, know what each has found."""
        self._corrupt.update(*self._team.gather(sorted(self._corrupt)))

    def _note_corrupt(self, split: str, batch: Batch) -> None:
        for index in batch.corrupt[batch.corrupt >= 0].tolist():
            name = self._dataset.records[split][index].file_name
            if name not in self._corrupt:
                self._corrupt.add(name)
                _logger.warning("%s: %s is corrupt and is skipped", self._dataset.name, name)
