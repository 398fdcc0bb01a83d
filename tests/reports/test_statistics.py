"""Means, spreads, intervals, effects and p-values by hand and against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resnets.reports.statistics import Paired, Sample, holm, paired, sample

ERRORS = st.floats(0, 100, allow_subnormal=False)


def test_sample_by_hand() -> None:
    """2, 4, 4, 6: mean 4, squared deviations 8, over n - 1 = 3."""
    described = sample([2.0, 4.0, 4.0, 6.0])
    assert described == Sample(4, 4.0, pytest.approx(math.sqrt(8 / 3)))


def test_one_value_has_no_spread() -> None:
    """And none has nothing."""
    assert sample([3.0]) == Sample(1, 3.0, None)
    assert sample([]) is None


def test_paired_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, std 1, t(2 df, 97.5 %) = 4.302653: 2 ± 4.302653 / sqrt(3)."""
    pair = paired([11.0, 12.0, 13.0], [10.0, 10.0, 10.0])
    assert pair is not None
    assert (pair.n, pair.first, pair.second, pair.mean) == (3, 12.0, 10.0, 2.0)
    assert pair.low == pytest.approx(2 - 4.302652729911275 / math.sqrt(3), rel=1e-9)
    assert pair.high == pytest.approx(2 + 4.302652729911275 / math.sqrt(3), rel=1e-9)
    assert pair.includes_zero


def test_one_pair_has_no_interval() -> None:
    """It is None, not NaN; and it does not claim to include zero."""
    pair = paired([50.0], [1.0])
    assert pair == Paired(1, 50.0, 1.0, 49.0, None, None)
    assert not pair.includes_zero
    assert paired([], []) is None


def test_lengths_must_agree() -> None:
    """A value without a partner is a mistake."""
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 2.0], [1.0])


@given(st.lists(st.tuples(ERRORS, ERRORS), min_size=2, max_size=12))
def test_interval_is_scipys(pairs: list[tuple[float, float]]) -> None:
    """The interval is that of SciPy's paired t-test."""
    from scipy.stats import ttest_rel

    first, second = map(list, zip(*pairs, strict=True))
    differences = sample([a - b for a, b in pairs])
    assert differences
    assert differences.std is not None
    assume(differences.std > 1e-6)
    theirs = ttest_rel(first, second).confidence_interval(0.95)
    ours = paired(first, second)
    assert ours is not None
    assert ours.low == pytest.approx(theirs.low, rel=1e-6, abs=1e-6)
    assert ours.high == pytest.approx(theirs.high, rel=1e-6, abs=1e-6)


def test_effect_by_hand() -> None:
    """Differences 1, 2, 3: d_z = 2 / 1, and J(2) = Gamma(1) / Gamma(1/2) = 1 / sqrt(pi)."""
    pair = paired([11.0, 12.0, 13.0], [10.0, 10.0, 10.0])
    assert pair is not None
    assert pair.effect == pytest.approx(2 / math.sqrt(math.pi), rel=1e-12)


@pytest.mark.parametrize(
    ("differences", "correction"),
    [
        ([0.0, 1.0, 2.0, 5.0], math.sqrt(math.pi / 6)),  # J(3) = (sqrt(pi) / 2) / sqrt(3/2)
        ([0.0, 1.0, 2.0, 5.0, 7.0], math.sqrt(2 / math.pi)),  # J(4) = 1 / (sqrt(2) sqrt(pi) / 2)
    ],
)
def test_effect_is_d_z_with_the_exact_correction(
    differences: list[float], correction: float
) -> None:
    """Hedges 1981: J(m) = Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)), m = n - 1."""
    pair = paired(differences, [0.0] * len(differences))
    assert pair is not None
    described = sample(differences)
    assert described is not None
    assert described.std is not None
    assert pair.effect == pytest.approx(correction * described.mean / described.std, rel=1e-12)


def test_the_effect_is_unbiased() -> None:
    """Over many draws of five differences its mean is the true one, 0.8; d_z's is 25 % more."""
    draws = np.random.default_rng(0).normal(0.8, 1.0, (40_000, 5))
    deviations = draws.std(1, ddof=1)
    some = paired(list(draws[0]), [0.0] * 5)
    assert some is not None
    assert some.effect is not None
    assert some.std is not None
    correction = some.effect * some.std / some.mean
    effects = correction * draws.mean(1) / deviations
    assert effects.mean() == pytest.approx(0.8, abs=4 * effects.std() / math.sqrt(len(effects)))


@pytest.mark.parametrize("count", [1, 2])
def test_there_is_no_effect_of_fewer_than_three_pairs(count: int) -> None:
    """The correction is zero for two pairs, and no deviation is known of one."""
    pair = paired([3.0, 5.0][:count], [1.0, 1.0][:count])
    assert pair is not None
    assert pair.effect is None


def test_equal_differences_have_no_effect_and_show_nothing() -> None:
    """No deviation to measure in, so p is 1; rounding is none: 0.1 + 0.2 is not 0.3."""
    more = paired([0.1 + 0.2, 0.3, 0.3], [0.1, 0.1, 0.1])
    same = paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert more is not None
    assert same is not None
    assert (more.effect, more.p_value) == (None, 1.0)
    assert (same.effect, same.p_value) == (None, 1.0)


def test_one_pair_has_no_p_value() -> None:
    """A t-test needs a deviation."""
    pair = paired([2.0], [1.0])
    assert pair is not None
    assert pair.p_value is None


def test_p_value_by_hand() -> None:
    """t with one degree of freedom is Cauchy: P(|T| > 3) = 1 - 2 arctan(3) / pi."""
    pair = paired([2.0, 4.0], [0.0, 0.0])  # mean 3, std sqrt(2): t = 3
    assert pair is not None
    assert pair.p_value == pytest.approx(1 - 2 * math.atan(3) / math.pi, rel=1e-9)


@given(st.lists(st.tuples(ERRORS, ERRORS), min_size=2, max_size=12))
def test_p_value_is_scipys_and_fits_the_interval(pairs: list[tuple[float, float]]) -> None:
    """Below 5 % exactly where the 95 % interval leaves zero out."""
    from scipy.stats import ttest_rel

    first, second = map(list, zip(*pairs, strict=True))
    pair = paired(first, second)
    assert pair is not None
    assume(pair.std is not None and pair.std > 1e-6)
    assert pair.p_value == pytest.approx(ttest_rel(first, second).pvalue, rel=1e-6, abs=1e-12)
    assume(abs(pair.p_value - 0.05) > 1e-6)
    assert (pair.p_value > 0.05) == pair.includes_zero


def test_holm_by_hand() -> None:
    """Holm 1979: the smallest times 4, the next times 3, ...; never less than the one before."""
    assert holm([0.04, 0.01, 0.03, 0.6]) == pytest.approx((0.09, 0.04, 0.09, 0.6))
    assert holm([0.5, 0.6]) == (1.0, 1.0)
    assert holm([0.02]) == (0.02,)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_is_its_closed_form(p_values: list[float]) -> None:
    """Adjusted p_i: the largest (m - #{p_k < p_j}) p_j over all p_j up to p_i, at most 1."""
    m = len(p_values)
    wanted = [
        min(1.0, max((m - sum(k < p for k in p_values)) * p for p in p_values if p <= own))
        for own in p_values
    ]
    assert holm(p_values) == pytest.approx(wanted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_is_between_no_correction_and_bonferronis(p_values: list[float]) -> None:
    """And keeps the order."""
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1.0, len(p_values) * p)
    ranked = [corrected for _, corrected in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)
