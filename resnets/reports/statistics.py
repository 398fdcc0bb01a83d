"""Mean, spread and paired intervals of a few seeds. A spread that is not known is None."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
_ROUNDING = 1e-12
"""Share of the values below which a spread of their differences is rounding alone."""


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
      std: standard deviation of first - second; None for n = 1.
    """

    n: int
    first: float
    second: float
    mean: float
    low: float | None
    high: float | None
    std: float | None = None

    @property
    def effect(self) -> float | None:
        """Hedges' g of paired values: the mean difference in its standard deviations, unbiased.

        Cohen's d_z (Lakens 2013, doi 10.3389/fpsyg.2013.00863, equation 6) times the exact
        correction for few pairs. None for fewer than three pairs, where it does not exist, and
        where all differences are equal.
        """
        if self.n < 3 or not self.std:
            return None
        return _correction(self.n - 1) * self.mean / self.std

    @property
    def p_value(self) -> float | None:
        """Of the two-sided t-test that the mean difference is zero; None for n = 1.

        1 where all differences are equal: networks that saturate alike (all right, or all guessing
        one class) say nothing about the spread, and must not show a difference beyond doubt.
        """
        if self.std is None:
            return None
        if self.std == 0.0:
            return 1.0
        from scipy.special import stdtr

        return 2.0 * float(stdtr(self.n - 1, -abs(self.mean) / self.std * math.sqrt(self.n)))

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
    std = differences.std
    if std is not None and std <= _ROUNDING * max(map(abs, (*first, *second))):
        std = 0.0
    low, high = interval(differences)
    return Paired(n, *means, mean, low, high, std)


def _correction(freedom: int) -> float:
    """What makes d_z unbiased for normal differences (Hedges 1981, doi 10.3102/10769986006002107).

    >>> round(_correction(2), 4)  # 1 / sqrt(pi)
    0.5642
    """
    ratio = math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)
    return math.exp(ratio) / math.sqrt(freedom / 2)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust the p-values of several tests by Holm's step-down method, in their order.

    The chance that any true hypothesis is rejected whose adjusted value is at most alpha is itself
    at most alpha, however the tests depend on each other (Holm 1979, jstor.org/stable/4615733).

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)
