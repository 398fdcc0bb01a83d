"""Start a run from the weights of a file, or of another run."""

import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from resnets.errors import UserError
from resnets.models import interop
from resnets.training import checkpoints, durable, placement
from resnets.training.run_directory import parameters_sha256
from resnets.training.state import TrainState

_KINDS = ("params", "batch_stats")
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Where a run's first values come from.

    Attributes:
      file: a safetensors file in any naming of `resnets.models.interop`, or the directory of a run,
        whose newest checkpoint is taken: its blocks may run as loops where these do not, or not.
      new_head: leave the layers that make the logits at their initial values.
    """

    file: Path
    new_head: bool

    def check(self, model: nn.Module, shapes: TrainState) -> None:
        """Read the file once against the shapes of a state.

        Raises:
          UserError: it cannot be read or does not fit the network; names what does not.
        """
        nothing = np.float32(0)
        self._load(model, jax.tree.map(lambda s: np.broadcast_to(nothing, s.shape), shapes))

    def apply(self, model: nn.Module, state: TrainState) -> tuple[TrainState, interop.Loaded]:
        """Put the file's values into a state that no step has changed yet, and report.

        Raises:
          UserError: as `check`.
        """
        values, report = self._load(model, state)
        placed = jax.tree.map(
            lambda new, old: placement.put(jnp.asarray(new), old.sharding),
            values,
            state.variables(),
        )
        state = dataclasses.replace(state, **placed)
        if state.average is not None:
            average = jax.tree.map(jnp.copy, state.variables())
            state = dataclasses.replace(state, average=average)
        return state, report

    def begin(
        self, model: nn.Module, state: TrainState, run: Path | None, label: str
    ) -> TrainState:
        """As `apply`; what of the file was used is logged and kept in the run directory, if any.

        Raises:
          UserError: as `check`.
          OSError: the run directory cannot be written.
        """
        state, report = self.apply(model, state)
        if run is None:
            return state
        durable.write_json(run / "init_from.json", self.record(report))
        for line in report.lines():
            _logger.info("%s: %s", label, line)
        return state

    def _load(self, model: nn.Module, state: TrainState) -> tuple[dict[str, Any], interop.Loaded]:
        try:
            arrays = self._checkpoint(model) if self.file.is_dir() else None
            return interop.load(self.file, model, state.variables(), self.new_head, arrays)
        except ValueError as error:
            raise UserError(f"config.init_from: {error}") from None

    def _checkpoint(self, model: nn.Module) -> dict[str, np.ndarray]:
        stored = checkpoints.read(self.file / "checkpoints")
        if stored is None:
            raise ValueError(f"{self.file} holds no checkpoint of a run")
        return interop.named(model, {name: stored[name] or {} for name in _KINDS})

    def record(self, report: interop.Loaded) -> dict[str, Any]:
        """What the run directory keeps of it: the hash and the whole report.

        The hash is the file's, or that of the other run's parameters, as its `done.json` has it.
        """
        if self.file.is_dir():
            stored = checkpoints.read(self.file / "checkpoints")
            digest = parameters_sha256((stored or {})["params"])
        else:
            with self.file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"sha256": digest, **dataclasses.asdict(report)}
