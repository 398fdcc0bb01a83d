"""What runs show over seeds: differences that a claim says are above zero, and how sure they are.

A claim that rests on runs is a list of effects, each a difference by seed, turned so that the claim
says it is above zero; "no worse" is the margin that is left. Its verdict:

- confirmed: the 95 % t-interval of every effect lies above zero, and the claim's p-value, corrected
  for the number of claims that rest on runs, is below 0.05;
- refuted: the interval of an effect lies below zero, at the same corrected level;
- not shown: anything else. These runs tell neither.

The p-value of a claim is the largest of its effects', as all must hold (an intersection-union
test); of a claim that an effect speaks against, the smallest of those that do, times the number of
effects (Bonferroni). Over the claims it is corrected by Holm's method.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

from resnets.reports.statistics import CONFIDENCE, Paired, paired

LEVEL = 1 - CONFIDENCE
FEWEST_SEEDS = 3


@dataclasses.dataclass(frozen=True)
class Effect:
    """A difference that a claim says is above zero.

    Attributes:
      what: it is.
      values: one a seed.
      unit: of the values.
      one: what each value is of; repeats of one program say less than seeds.
    """

    what: str
    values: tuple[float, ...]
    unit: str = "points"
    one: str = "seed"

    @functools.cached_property
    def paired(self) -> Paired:
        """The values as differences of pairs."""
        compared = paired(self.values, [0.0] * len(self.values))
        assert compared is not None, self.what
        return compared

    @property
    def n(self) -> int:
        """Seeds."""
        return self.paired.n

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return self.paired.mean

    @property
    def ends(self) -> tuple[float, float]:
        """The 95 % t-interval of the mean; the whole axis where no spread is known.

        Values that are all equal, such as of networks that all guess one class, have none: they
        would show any difference without doubt.
        """
        low, high = self.paired.low, self.paired.high
        if low is None or high is None or not self.paired.std:
            return -math.inf, math.inf
        return low, high

    @property
    def size(self) -> float | None:
        """Hedges' g of paired values; None for fewer than three seeds, or without a spread."""
        return self.paired.effect

    @property
    def p(self) -> float:
        """Two-sided p-value of a paired t-test; 1 for fewer than three seeds."""
        value = self.paired.p_value
        return 1.0 if value is None or self.n < FEWEST_SEEDS else value

    @property
    def shown(self) -> bool:
        """Whether its interval lies above zero."""
        return self.n >= FEWEST_SEEDS and self.ends[0] > 0

    @property
    def reversed(self) -> bool:
        """Whether its interval lies below zero."""
        return self.n >= FEWEST_SEEDS and self.ends[1] < 0

    def says(self, above: str, below: str) -> str:
        """In words: `higher by 62.7 (50.0 to 75.4)`, or that neither is shown."""
        low, high = self.ends
        word = above if self.shown else below if self.reversed else ""
        size = short(self.mean if self.shown or not word else -self.mean)
        if not word:
            return f"not shown to be {above} ({size}, {short(low)} to {short(high)})"
        ends = (low, high) if self.shown else (-high, -low)
        return f"{word} by {size} ({short(ends[0])} to {short(ends[1])})"

    def text(self) -> str:
        """`64.0 points (28.3 to 99.7, n 5, g 3.1)`."""
        low, high = self.ends
        size = "" if self.size is None else f", g {short(self.size)}"
        mean = f"{short(self.mean)} {self.unit}".rstrip()
        count = f"n {self.n}" if self.one == "seed" else f"{self.n} {self.one}s"
        return f"{mean} ({short(low)} to {short(high)}, {count}{size})"


def short(value: float) -> str:
    """Three digits, or a whole number from 100 on.

    >>> short(64.03), short(0.0421), short(-1234.5), short(0.0)
    ('64.0', '0.0421', '-1234', '0')
    """
    if not value or not math.isfinite(value):
        return "0" if not value else str(value)
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(digits, 0), 6)}f}"


def p_value(effects: Sequence[Effect]) -> float:
    """Of what a claim's verdict would say: the claim, or the opposite where an effect is reversed.

    1 where there are no effects yet.
    """
    against = [effect.p for effect in effects if effect.reversed]
    if against:
        return min(1.0, len(effects) * min(against))
    return max((effect.p for effect in effects), default=1.0)
