"""What a run does about a step whose loss or gradients are not finite.

`stop` ends the run. `skip` leaves the step's update out. `rewind` goes back to the last planned
checkpoint and on from there with a lower learning rate. All are functions of the config and the
seed: which checkpoints happen to be on the disk changes nothing.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnets.arguments import call
from resnets.errors import UserError
from resnets.training import durable

NAME = "rewinds.json"


class DivergedError(Exception):
    """A step was not finite, and the policy does not let it pass."""

    def __init__(self, step: int) -> None:
        """Of the step of that number, from 1."""
        super().__init__(step)
        self.step = step


@dataclasses.dataclass(frozen=True)
class Policy:
    """What to do, and how often.

    Attributes:
      skips: steps of the run that may be left out.
      rewinds: times that the run may go back.
      factor: what each time multiplies the learning rate by.
    """

    skips: int = 0
    rewinds: int = 0
    factor: float = 1.0

    @property
    def guarded(self) -> bool:
        """Whether each step must look at all that it changes, not at its loss alone."""
        return self.skips > 0 or self.rewinds > 0

    def failure(self, step: int, count: int, numbers: Mapping[str, float]) -> str:
        """Say in one line that a step was not finite and that no more can be done about it.

        Args:
          step: its number, from 1.
          count: how many finite steps came before it since the last record.
          numbers: their means.
        """
        tried = f" after {self.skips} skipped ones" if self.skips else ""
        if self.rewinds:
            tried = f" after {self.rewinds} rewinds"
        last = "no step since the last record was finite"
        if count:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            last = f"mean of the {count} finite steps before: {shown}"
        what = "loss or gradients" if self.guarded else "loss"
        return (
            f"the {what} became non-finite at step {step}{tried} ({last}); try a lower "
            "config.learning_rate or config.clip_norm=1"
        )


def stop() -> Policy:
    """End the run."""
    return Policy()


def skip(limit: int = 10) -> Policy:
    """Leave up to `limit` steps of the run out, then end it."""
    return Policy(skips=limit)


def rewind(limit: int = 3, factor: float = 0.5) -> Policy:
    """Go back up to `limit` times, each with `factor` times the learning rate, then end the run."""
    if not 0.0 < factor < 1.0:
        raise UserError(f"config.on_divergence: factor={factor} must be between 0 and 1")
    return Policy(rewinds=limit, factor=factor)


POLICIES: dict[str, Callable[..., Policy]] = {"stop": stop, "skip": skip, "rewind": rewind}
"""Policies by name."""


def policy(text: str) -> Policy:
    """Read the policy that `config.on_divergence` names.

    Raises:
      UserError: unknown policy or argument, or a value out of range.
    """
    chosen: Policy = call(text, POLICIES, "config.on_divergence")
    if chosen.skips < 0 or chosen.rewinds < 0 or not (chosen.guarded or text == "stop"):
        raise UserError(f"config.on_divergence={text!r}: limit must be at least 1")
    return chosen


@dataclasses.dataclass(frozen=True)
class Rewind:
    """The run went back.

    Attributes:
      step: the step that it went back to.
      diverged: the step that was not finite.
    """

    step: int
    diverged: int

    def record(self, number: int, epoch: int, factor: float) -> dict[str, Any]:
        """The record of the run's rewind number `number`, from 1, in its metrics."""
        return {
            "kind": "rewind",
            "step": self.step,
            "epoch": epoch,
            "rewind": number,
            "diverged_step": self.diverged,
            "learning_rate_factor": factor,
        }


def scales(rewinds: Sequence[Rewind], factor: float, first: int, last: int) -> np.ndarray:
    """Factors on the learning rates of steps `first` to `last - 1`.

    A rewind's holds from the step that it went back to. They depend on the step alone, so a run
    that goes on from before a rewind takes the same steps.
    """
    taken = np.searchsorted([rewind.step for rewind in rewinds], np.arange(first, last), "right")
    return np.asarray(factor ** taken.astype(np.float64))


def read(run: Path) -> list[Rewind]:
    """Read how often a run went back; [] if it never did.

    Raises:
      UserError: the file is damaged.
    """
    file = run / NAME
    if not file.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(file.read_text())
        rewinds = [Rewind(int(row["step"]), int(row["diverged"])) for row in rows]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{file} is damaged; choose another --workdir") from None
    return rewinds


def write(run: Path, rewinds: Sequence[Rewind]) -> None:
    """Write how often a run went back, before anything of the path that it gave up is deleted.

    Raises:
      OSError: it could not be written.
    """
    durable.write_json(run / NAME, [dataclasses.asdict(rewind) for rewind in rewinds])
