"""What the loop knows beside the state: it lies in each checkpoint, so that a run can go on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from resnets.training.state import Sums


def nothing() -> Sums:
    """Empty sums on the host, of the types that the device gives back."""
    return jax.tree.map(np.asarray, jax.device_get(Sums.zero()))


@dataclasses.dataclass
class Memory:
    """Where a run stands between two calls of the device.

    Attributes:
      epochs: how many are recorded.
      rewinds: how many are recorded.
      skipped: steps left out because they were not finite, all in all.
      window: sums since the last record of steps.
      whole: sums of the records before it in this epoch.
      validation_losses: one an evaluation.
      wall_s: seconds of training, over all processes that the run had.
    """

    epochs: int = 0
    rewinds: int = 0
    skipped: int = 0
    window: Sums = dataclasses.field(default_factory=nothing)
    whole: Sums = dataclasses.field(default_factory=nothing)
    validation_losses: list[float] = dataclasses.field(default_factory=list)
    wall_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it; a float32 keeps all of its bits."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        sums = {name: _plain(fields[name]) for name in ("window", "whole")}
        return fields | sums | {"validation_losses": list(self.validation_losses)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Memory":
        """Take back what `as_json` gave, among what others keep there."""
        fields = {field.name: stored[field.name] for field in dataclasses.fields(cls)}
        return cls(**fields | {name: _sums(stored[name]) for name in ("window", "whole")})


def _plain(sums: Sums) -> dict[str, float]:
    return {name: np.asarray(getattr(sums, name)).item() for name in _fields()}


def _sums(stored: Mapping[str, float]) -> Sums:
    empty = nothing()
    values = {n: np.asarray(stored[n], getattr(empty, n).dtype) for n in _fields()}
    return empty.replace(**values)  # type: ignore[attr-defined]


def _fields() -> list[str]:
    return [field.name for field in dataclasses.fields(Sums)]
