"""Means, spreads and intervals against values worked out by hand and against SciPy."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resnets.reports.statistics import Paired, Sample, paired, sample

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
