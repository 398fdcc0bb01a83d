"""Schedules against their closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets.errors import UserError
from resnets.training import schedules


def rates(text, first=0, last=100, losses=(), total=100, per_epoch=10, learning_rate=0.5):
    schedule = schedules.build(text, learning_rate, total, per_epoch)
    return schedule.rates(first, last, losses)


def test_constant_is_the_learning_rate():
    np.testing.assert_array_equal(rates("constant"), np.full(100, 0.5, np.float32))


def test_warmup_rises_linearly_and_reaches_the_rate_at_its_last_step():
    got = rates("constant:warmup_steps=4")
    np.testing.assert_allclose(got[:6], [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


def test_piecewise_changes_at_the_boundary_step():
    got = rates("piecewise:boundaries=(3,5),factors=(1,0.1,0.01)", last=7)
    np.testing.assert_allclose(got, 0.5 * np.array([1, 1, 1, 0.1, 0.1, 0.01, 0.01]), rtol=1e-6)


def test_he_on_110_layers_warms_up_at_a_tenth():
    text = "piecewise:boundaries=(400,32000,48000),factors=(0.1,1,0.1,0.01)"
    got = schedules.build(text, 0.1, 64000, 390).rates(0, 64000)
    np.testing.assert_allclose(
        got[[0, 399, 400, 31999, 32000, 47999, 48000, 63999]],
        [0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001],
        rtol=1e-6,
    )


def test_step_halves_every_two_epochs():
    got = rates("step:every_epochs=2,factor=0.5", last=50)
    np.testing.assert_allclose(got[[0, 19, 20, 39, 40]], [0.5, 0.5, 0.25, 0.25, 0.125])


def test_milestones_are_shares_of_the_run():
    """As He et al. on CIFAR-10: a tenth from the half on, a hundredth from three quarters on."""
    got = rates("milestones")
    np.testing.assert_allclose(got[[0, 49, 50, 74, 75, 99]], [0.5, 0.5, 0.05, 0.05, 0.005, 0.005])
    text = "piecewise:boundaries=(32000,48000),factors=(1,0.1,0.01)"
    np.testing.assert_allclose(rates("milestones", 0, 64000, total=64000), rates(text, 0, 64000))
    other = rates("milestones:at=(0.2,),factor=0.5,warmup_steps=10")
    np.testing.assert_allclose(other[[0, 19, 20, 99]], [0.05, 0.5, 0.25, 0.25], rtol=1e-6)


@pytest.mark.parametrize("at", ["(0.75,0.5)", "(0.5,0.5)", "(0,0.5)", "(0.5,1)"])
def test_milestones_must_rise_within_the_run(at):
    with pytest.raises(UserError, match="rising shares between 0 and 1"):
        rates(f"milestones:at={at}")


def test_cosine_starts_at_the_rate_crosses_half_and_ends_near_zero():
    got = rates("cosine")
    assert got[0] == pytest.approx(0.5)
    assert got[50] == pytest.approx(0.25)
    assert got[99] == pytest.approx(0.25 * (1 + math.cos(math.pi * 0.99)))


def test_cosine_decays_after_its_warmup():
    got = rates("cosine:warmup_steps=20")
    assert got[19] == pytest.approx(0.5)
    assert got[60] == pytest.approx(0.25)


def test_plateau_cuts_after_patience_evaluations_without_a_better_loss():
    text = "plateau:factor=0.1,patience=2"
    assert rates(text, last=1, losses=[1.0, 0.9, 0.95])[0] == pytest.approx(0.5)
    assert rates(text, last=1, losses=[1.0, 0.9, 0.95, 0.92])[0] == pytest.approx(0.05)
    longer = [1.0, 0.9, 0.95, 0.92, 0.93, 0.94]
    assert rates(text, last=1, losses=longer)[0] == pytest.approx(0.005)


@given(
    text=st.sampled_from(
        ["constant", "cosine:warmup_steps=7", "step:every_epochs=3,factor=0.5", "plateau"]
    ),
    cut=st.integers(0, 100),
)
def test_rates_do_not_depend_on_where_the_run_was_cut(text, cut):
    pieces = np.concatenate([rates(text, 0, cut), rates(text, cut, 100)])
    np.testing.assert_array_equal(pieces, rates(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cosin", "did you mean 'cosine'"),
        ("step:every_epochs=2", "needs factor"),
        ("step:every_epochs=0,factor=0.5", "at least 1"),
        ("cosine:warmup=3", "did you mean 'warmup_steps'"),
        ("cosine:total_steps=3", "unknown argument 'total_steps'"),
        ("piecewise:boundaries=(5,3),factors=(1,2,3)", "rising boundaries"),
        ("piecewise:boundaries=(3),factors=(1)", "one factor more"),
        ("plateau:patience=0", "at least 1"),
    ],
)
def test_a_bad_schedule_is_one_line_that_names_the_field(text, says):
    with pytest.raises(UserError) as caught:
        rates(text)
    assert "config.schedule" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
