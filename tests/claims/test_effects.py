"""Differences over seeds: intervals and p-values."""

import math

import pytest
from scipy import stats

from experiments.claims.effects import Effect, p_value, short

FIVE = (3.0, 4.0, 5.0, 6.0, 7.0)


def test_an_effect_is_the_t_interval_and_test_of_its_values():
    effect = Effect("rise", FIVE)
    result = stats.ttest_1samp(FIVE, 0.0)
    low, high = result.confidence_interval(0.95)
    assert (effect.n, effect.mean) == (5, 5.0)
    assert effect.ends == pytest.approx((low, high))
    assert effect.p == pytest.approx(result.pvalue)


@pytest.mark.parametrize(
    ("values", "shown", "reversed_"),
    [
        (FIVE, True, False),
        (tuple(-v for v in FIVE), False, True),
        ((-1.0, 1.0, 2.0), False, False),  # crosses zero
        ((5.0, 5.1), False, False),  # two seeds are too few
        ((5.0,), False, False),
        ((0.0, 0.0, 0.0), False, False),
        ((2.0, 2.0, 2.0), False, False),  # no spread is known
    ],
)
def test_an_effect_is_shown_if_its_interval_lies_above_zero(values, shown, reversed_):
    effect = Effect("rise", values)
    assert (effect.shown, effect.reversed) == (shown, reversed_)


def test_a_single_seed_has_no_interval_and_no_p_value():
    effect = Effect("rise", (5.0,))
    assert effect.ends == (-math.inf, math.inf)
    assert (effect.p, effect.size) == (1.0, None)


def test_all_effects_must_hold_so_the_largest_p_value_is_the_claims():
    weak, strong = Effect("a", (1.0, 2.0, 9.0)), Effect("b", FIVE)
    assert p_value([weak, strong]) == weak.p > strong.p


def test_one_effect_that_is_reversed_speaks_against_the_claim():
    against, strong = Effect("a", tuple(-v for v in FIVE)), Effect("b", FIVE)
    assert p_value([against, strong]) == pytest.approx(2 * against.p)
    assert p_value([]) == 1.0


@pytest.mark.parametrize(
    ("value", "text"), [(64.03, "64.0"), (0.0421, "0.0421"), (-1234.5, "-1234"), (0.0, "0")]
)
def test_numbers_are_shown_with_three_digits(value, text):
    assert short(value) == text
