"""Mean, spread and paired intervals of a few seeds. A spread that is not known is None."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """Some values of one quantity, in its unit.

    Attributes:
      n: how many, at least 1.
      mean: their mean.
      std: their standard deviation with n - 1 degrees of freedom; None for n = 1.
    """

    n: int
    mean: float
    std: float | None


@dataclass(frozen=True)
class Paired:
    """The difference of two quantities over pairs of values, in their unit.

    Attributes:
      n: pairs, at least 1.
      first: mean of the first.
      second: mean of the second.
      mean: mean of first - second.
      low: lower end of the 95 % t-interval of that mean; None for n = 1.
      high: upper end.
    """

    n: int
    first: float
    second: float
    mean: float
    low: float | None
    high: float | None

    @property
    def includes_zero(self) -> bool:
        """Whether the interval is known and includes zero."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


def sample(values: Sequence[float]) -> Sample | None:
    """Describe values; None if there are none.

    >>> sample([1.0, 2.0, 3.0])
    Sample(n=3, mean=2.0, std=1.0)
    """
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Sample(1, mean, None)
    return Sample(n, mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)))


def interval(of: Sample) -> tuple[float, float] | tuple[None, None]:
    """Ends of the 95 % t-interval of a mean, in its unit; unknown for one value."""
    if of.std is None:
        return None, None
    from scipy.special import stdtrit  # scipy.stats.t.ppf without its second of imports

    reach = float(stdtrit(of.n - 1, 0.5 + CONFIDENCE / 2)) * of.std / math.sqrt(of.n)
    return of.mean - reach, of.mean + reach


def paired(first: Sequence[float], second: Sequence[float]) -> Paired | None:
    """Compare values pair by pair: the t-interval of the mean difference; None without pairs.

    Args:
      first: a value of each pair.
      second: the other, in the same order.

    Raises:
      ValueError: the lengths differ.
    """
    differences = sample([a - b for a, b in zip(first, second, strict=True)])
    if differences is None:
        return None
    n, mean = differences.n, differences.mean
    means = math.fsum(first) / n, math.fsum(second) / n
    return Paired(n, *means, mean, *interval(differences))
