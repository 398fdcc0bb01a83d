"""When a run's network is diagnosed, and how: on one batch that is always the same.

A program of its own computes what the step would do on that batch, and changes nothing: the run
has the same trajectory with and without it.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from resnets.arguments import call
from resnets.diagnostics import activations, parameters
from resnets.diagnostics.readings import Readings, numbers
from resnets.errors import UserError
from resnets.models.observation import COLLECTION
from resnets.training.epoch import OPTIONS
from resnets.training.state import TrainState
from resnets.training.step import Recipe, part_gradients

STREAM = 3
"""Folded into a run's key: augmentation and dropout of the batch that is diagnosed."""


@dataclasses.dataclass(frozen=True)
class Cadence:
    """Epochs after which the network is diagnosed; the last is one of them.

    Attributes:
      every: epochs between two; 0 for epochs 1, 2, 4, 8 and so on.
      off: never.
    """

    every: int = 0
    off: bool = False

    def due(self, epoch: int, epochs: int) -> bool:
        """Whether it is time after epoch number `epoch`, from 1, of `epochs`."""
        if self.off:
            return False
        return epoch == epochs or (epoch % self.every == 0 if self.every else doubled(epoch))

    def pictured(self, epoch: int, epochs: int) -> bool:
        """Whether pictures and histograms are kept, too: a few times a run, whatever its length."""
        return self.due(epoch, epochs) and (epoch == epochs or doubled(epoch))


def doubled(epoch: int) -> bool:
    """Whether it is 1, 2, 4, 8, ...: networks change fast at first."""
    return epoch & (epoch - 1) == 0


def doubling() -> Cadence:
    """After epochs 1, 2, 4, 8, ... and the last."""
    return Cadence()


def every(epochs: int = 1) -> Cadence:
    """After every so many epochs, and the last."""
    if epochs < 1:
        raise UserError(f"config.diagnostics: epochs={epochs} must be at least 1")
    return Cadence(every=epochs)


def off() -> Cadence:
    """Never."""
    return Cadence(off=True)


def cadence(text: str) -> Cadence:
    """Read the config's field `diagnostics`.

    Raises:
      UserError: unknown word or argument; names the valid ones.
    """
    known = {"doubling": doubling, "every": every, "off": off}
    found: Cadence = call(text, known, "config.diagnostics")
    return found


class Subject(Protocol):
    """Has the batch to diagnose on."""

    def probe(self) -> tuple[Array, Array]:
        """Images and labels, of one part of a batch, always the same."""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
      record: of the metrics file: by quantity and layer, and the norm of the whole gradient.
      readings: on the host, for pictures and histograms.
    """

    record: dict[str, Any]
    readings: Readings


def diagnose(
    recipe: Recipe, subject: Subject, state: TrainState, learning_rate: float, key: PRNGKeyArray
) -> Diagnosis:
    """Diagnose a state.

    Args:
      recipe: the run's recipe.
      subject: has the batch.
      state: a point of the trajectory; it is left as it is.
      learning_rate: of the last step.
      key: the run's key.
    """
    images, labels = subject.probe()
    rate = jnp.asarray(learning_rate, jnp.float32)
    program = _program(recipe.platform)
    found, whole = program(recipe, state, images, labels, rate, jax.random.fold_in(key, STREAM))
    readings = jax.tree.map(np.asarray, jax.device_get(found))
    record: dict[str, Any] = {"gradient_norm_all": float(f"{whole.item():.6g}")}
    return Diagnosis(record | numbers(readings), readings)


def read_off(
    recipe: Recipe,
    state: TrainState,
    images: UInt8[Array, "batch height width channels"],
    labels: Int[Array, " batch"],
    learning_rate: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Readings, Float[Array, ""]]:
    """Take the readings, and the norm of the whole gradient, of one part of a batch."""
    listener = activations.Listener()
    with listener.listening():
        gradients, kept, _ = part_gradients(
            recipe, state.params, state.batch_stats, images, labels, key, (COLLECTION,)
        )
    updates, _ = recipe.direction().update(gradients, state.opt_state, state.params)
    moves = jax.tree.map(lambda update: learning_rate * update, updates)
    order = tuple(listener.order)
    quantities, samples, maps = activations.sort_out(kept.get(COLLECTION, {}))
    quantities["gradient_norm"] = parameters.norms(gradients)
    quantities["update_to_weight"] = parameters.update_to_weight(state.params, moves)
    filters = parameters.first_filters(state.params, order)
    readings = Readings(quantities, samples, maps, filters, order)
    return recipe.replicate((readings, parameters.global_norm(gradients)))


_QUICKLY = {"cpu": OPTIONS["cpu"] | {"xla_backend_optimization_level": 0}}
"""The program runs a few times in all: half the time to compile it is worth a slower run."""


@cache
def _program(platform: str) -> Callable[..., tuple[Readings, Array]]:
    """The compiled program, one a platform; its recipe is static."""
    return jax.jit(read_off, static_argnums=0, compiler_options=_QUICKLY.get(platform))
