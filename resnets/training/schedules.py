"""Learning-rate schedules by name, as factors on the config's learning rate.

A schedule is evaluated on the host for a whole epoch at once and handed to the compiled steps as an
array. The plateau schedule also looks at the validation losses so far.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from resnets.arguments import call
from resnets.errors import UserError

Factors = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Plateau:
    """Cut the rate by `factor` when the validation loss has not improved for `patience` epochs."""

    factor: float
    patience: int

    def scale(self, losses: Sequence[float]) -> float:
        """Factor after the given validation losses, one an evaluation."""
        scale, best, waited = 1.0, float("inf"), 0
        for loss in losses:
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if waited >= self.patience:
                scale, waited = scale * self.factor, 0
        return scale


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Learning rate as a function of the step and of the validation losses.

    Attributes:
      learning_rate: the rate that the factors multiply.
      factors: maps step numbers `[steps]` to factors `[steps]`.
      plateau: what the validation losses do, if anything.
    """

    learning_rate: float
    factors: Factors
    plateau: Plateau | None = None

    def rates(self, first: int, last: int, losses: Sequence[float] = ()) -> np.ndarray:
        """Rates of steps `first` to `last - 1`, float32 `[last - first]`."""
        rates = self.learning_rate * self.factors(np.arange(first, last))
        if self.plateau:
            rates = rates * self.plateau.scale(losses)
        return np.asarray(rates, np.float32)


def _warm(factors: Factors, warmup_steps: int) -> Factors:
    """Rise linearly over the first steps: step k of w has (k + 1) / w of its rate."""
    if warmup_steps == 0:
        return factors
    return lambda steps: factors(steps) * np.minimum(1.0, (steps + 1) / warmup_steps)


def constant(warmup_steps: int = 0) -> tuple[Factors, None]:
    """Always 1."""
    return _warm(lambda steps: np.ones(len(steps)), warmup_steps), None


def piecewise(
    boundaries: tuple[int, ...], factors: tuple[float, ...], warmup_steps: int = 0
) -> tuple[Factors, None]:
    """`factors[0]` before step `boundaries[0]`, `factors[i]` from `boundaries[i - 1]` on.

    He et al. 2015 on CIFAR-10: `boundaries=(32000,48000),factors=(1,0.1,0.01)`; for 110 layers
    `boundaries=(400,32000,48000),factors=(0.1,1,0.1,0.01)`.
    """
    if len(factors) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        raise UserError(
            f"config.schedule: piecewise needs rising boundaries and one factor more than "
            f"boundaries; got {boundaries} and {factors}"
        )
    table = np.asarray(factors)
    return _warm(
        lambda steps: table[np.searchsorted(boundaries, steps, "right")], warmup_steps
    ), None


def step(
    every_epochs: int, factor: float, steps_per_epoch: int, warmup_steps: int = 0
) -> tuple[Factors, None]:
    """Multiply by `factor` every `every_epochs` epochs."""
    if every_epochs < 1:
        raise UserError(f"config.schedule: every_epochs={every_epochs} must be at least 1")
    period = every_epochs * steps_per_epoch
    return _warm(lambda steps: factor ** (steps // period), warmup_steps), None


def milestones(
    total_steps: int,
    at: tuple[float, ...] = (0.5, 0.75),
    factor: float = 0.1,
    warmup_steps: int = 0,
) -> tuple[Factors, None]:
    """Multiply by `factor` at each of some shares of the whole run.

    The default is that of He et al. 2015 on CIFAR-10: steps 32k and 48k of 64k.
    """
    if list(at) != sorted(set(at)) or not all(0.0 < share < 1.0 for share in at):
        raise UserError(f"config.schedule: milestones need rising shares between 0 and 1; got {at}")
    boundaries = np.asarray(at) * total_steps
    return _warm(
        lambda steps: factor ** np.searchsorted(boundaries, steps, "right"), warmup_steps
    ), None


def cosine(total_steps: int, warmup_steps: int = 0) -> tuple[Factors, None]:
    """Half a cosine from the end of the warm-up to 0 (Loshchilov and Hutter 2016)."""
    span = max(1, total_steps - warmup_steps)

    def factors(steps: np.ndarray) -> np.ndarray:
        progress = np.clip((steps - warmup_steps) / span, 0.0, 1.0)
        return 0.5 * (1.0 + np.cos(np.pi * progress))

    return _warm(factors, warmup_steps), None


def plateau(
    factor: float = 0.1, patience: int = 5, warmup_steps: int = 0
) -> tuple[Factors, Plateau]:
    """Cut by `factor` after `patience` evaluations without a better validation loss."""
    if patience < 1:
        raise UserError(f"config.schedule: patience={patience} must be at least 1")
    return constant(warmup_steps)[0], Plateau(factor, patience)


SCHEDULES: dict[str, Callable[..., tuple[Factors, Plateau | None]]] = {
    "constant": constant,
    "piecewise": piecewise,
    "step": step,
    "milestones": milestones,
    "cosine": cosine,
    "plateau": plateau,
}
"""Schedules by name."""


def build(text: str, learning_rate: float, total_steps: int, steps_per_epoch: int) -> Schedule:
    """Build the schedule that a config names.

    Args:
      text: a call such as `cosine:warmup_steps=60`.
      learning_rate: the rate that the schedule's factors multiply.
      total_steps: steps of the whole run.
      steps_per_epoch: steps of one epoch.

    Raises:
      UserError: unknown schedule or argument, or a value out of range.
    """
    factors, reaction = call(
        text,
        SCHEDULES,
        "config.schedule",
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
    )
    return Schedule(learning_rate, factors, reaction)
