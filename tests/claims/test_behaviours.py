"""Verdicts of claims that rest on runs: they follow the errors, the seeds and the correction."""

import dataclasses
import json

import pytest

from experiments.claims import (
    blocks,
    depth,
    registry,
    shapes,
)
from experiments.claims.behaviour import Behaviour, judged
from experiments.claims.claim import NOT_RUN, Finding
from experiments.claims.workplace import MissingError, Workplace
from resnets.errors import RunError
from resnets.reports.results import read_study
from tests.reports.fake_study import whole_study


def verdict(finding, family=1, tmp="/nowhere"):
    """The verdict in a family of so many claims, of which the others have not been run."""
    one = Behaviour("C99", "", lambda _: finding, "")
    others = [
        dataclasses.replace(one, id=f"X{n}", find=lambda _: missing()) for n in range(1, family)
    ]
    (claim,) = judged([one, *others], [one], Workplace(tmp))
    return claim.finding.verdict


def missing():
    raise MissingError("nothing has been run")


def fake(path, error, arms, depths, seeds=5):
    return read_study(whole_study(path, error, arms, depths, seeds))


def table(errors, spread=0.1):
    """Errors by arm and depth, a little different from seed to seed, in an order of its own."""
    step = {group: place for place, group in enumerate(errors, 1)}
    return lambda arm, depth, seed: errors[arm, depth] + spread * (step[arm, depth] * seed % 5)


FAILS = {("plain", 20): 1.0, ("plain", 56): 60.0, ("residual", 20): 0.5, ("residual", 56): 0.6}


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        (FAILS, "confirmed"),
        (FAILS | {("plain", 56): 1.0}, "not shown"),  # plain networks no worse
        (FAILS | {("plain", 20): 80.0}, "refuted"),  # plain networks better with depth
        (FAILS | {("residual", 56): 9.0}, "refuted"),  # residual networks worse too
    ],
)
def test_degradation_follows_the_errors(tmp_path, errors, wanted):
    study = fake(tmp_path, table(errors), ("plain", "residual"), (20, 56))
    assert verdict(depth.degradation(study)) == wanted


def test_an_interval_that_crosses_zero_confirms_nothing(tmp_path):
    def error(arm, layers, seed):
        return 60.0 * (seed == 0) if (arm, layers) == ("plain", 56) else 1.0

    study = fake(tmp_path, error, ("plain", "residual"), (20, 56))
    assert verdict(depth.degradation(study)) == "not shown"


@pytest.mark.parametrize(
    ("seeds", "wanted"), [(1, "not shown"), (2, "not shown"), (3, "confirmed")]
)
def test_fewer_than_three_seeds_decide_nothing(tmp_path, seeds, wanted):
    study = fake(tmp_path, table(FAILS), ("plain", "residual"), (20, 56), seeds)
    assert verdict(depth.degradation(study)) == wanted


def test_a_run_that_ended_without_a_finite_error_counts_as_guessing(tmp_path):
    study = fake(tmp_path, table(FAILS), ("plain", "residual"), (20, 56))
    file = tmp_path / "runs" / "plain-d56-s0" / "done.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"train_error_pct": None}))
    effect = depth.degradation(read_study(study.path)).effects[0]
    assert effect.values[0] == pytest.approx(89.0)
    assert effect.values[1] == pytest.approx(59.1)


def test_underfitting_asks_both_errors(tmp_path):
    study = fake(tmp_path, table(FAILS), ("plain", "residual"), (20, 56))
    finding = depth.underfitting(study)
    assert verdict(finding) == "confirmed"
    assert len(finding.effects) == 2
    assert "training error higher by 59" in finding.why


def test_underfitting_says_what_the_errors_say(tmp_path):
    better = table(FAILS | {("plain", 20): 80.0})
    finding = depth.underfitting(fake(tmp_path, better, ("plain", "residual"), (20, 56)))
    assert verdict(finding) == "refuted"
    assert "training error lower by 20" in finding.why
    assert "higher" not in finding.why


SPANS = {("plain", 56): 70.0, ("span1", 56): 65.0, ("span2", 56): 1.0, ("span3", 56): 2.0}


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        (SPANS, "confirmed"),
        (SPANS | {("span1", 56): 3.0}, "refuted"),  # one layer is as good as two
        (SPANS | {("span3", 56): 90.0}, "refuted"),
        (dict.fromkeys(SPANS, 1.0), "not shown"),
    ],
)
def test_spans_follow_the_errors(tmp_path, errors, wanted):
    study = fake(tmp_path, table(errors), ("plain", "span1", "span3", "span2"), (56,))
    assert verdict(blocks.span(study)) == wanted


@pytest.mark.parametrize(
    ("unscaled", "shortcut", "wanted", "says"),
    [
        (40.0, 30.0, "confirmed", ("lower by 38.0", "lower by 9.98")),
        (40.0, 60.0, "refuted", ("lower by 38.0", "higher by 20.0")),
        (1.0, 0.5, "refuted", ("higher by 1.00", "lower by 0.5")),
    ],
)
def test_scaling_is_asked_of_branch_and_shortcut_apart(tmp_path, unscaled, shortcut, wanted, says):
    errors = {("branch0.1", 56): 1.8, ("branch0.2", 56): 2.2, ("shortcut0.5", 56): shortcut}
    wide = {("unscaled", 56): unscaled}

    def error(arm, depth, seed):
        noise = (
            (0.0, 3.0, -3.1, 6.0, -5.9)[seed] if arm == "unscaled" and wanted == "confirmed" else 0
        )
        return (errors | wide)[arm, depth] + noise + 0.01 * ((seed * (2 + len(arm))) % 5)

    arms = ("branch0.1", "branch0.2", "shortcut0.5", "unscaled")
    finding = blocks.scale(fake(tmp_path, error, arms, (56,)))
    branch, other = finding.why.split("factor on the shortcut")[-2:]
    assert verdict(dataclasses.replace(finding, effects=finding.effects[::2])) == wanted
    assert says[0][:-2] in branch
    assert says[1][:-1] in other


def test_a_wide_network_is_judged_by_errors_and_by_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes.networks, "macs", lambda spec: 11_400_000_000)
    errors = {("wide", 50): 1.0, ("thin", 50): 4.0}
    study = fake(tmp_path, table(errors), ("wide", "thin"), (50,))
    assert verdict(shapes.width(study)) == "not shown"  # all runs took as long
    for seed in range(5):
        file = study.path / "runs" / f"wide-d50-s{seed}" / "done.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"wall_s": 10.0 + seed}))
    assert verdict(shapes.width(read_study(study.path))) == "confirmed"
    monkeypatch.setattr(shapes.networks, "macs", lambda spec: len(spec))
    assert verdict(shapes.width(read_study(study.path))) == "refuted"


@pytest.mark.parametrize(
    ("half", "wanted"), [(1.2, "confirmed"), (1.8, "not shown"), (5.0, "refuted")]
)
def test_half_the_parameters_may_cost_half_as_many_errors_again(
    tmp_path, monkeypatch, half, wanted
):
    errors = {("half", 14): half, ("residual", 14): 1.0}
    study = fake(
        tmp_path,
        lambda a, d, s: errors[a, d] + 0.1 * s * (a == "half"),
        ("half", "residual"),
        (14,),
    )
    monkeypatch.setattr(shapes.networks, "parameters", lambda spec: 1_000_000)
    monkeypatch.setattr(shapes, "sees_all", lambda: True)
    finding = dataclasses.replace(shapes.dense(study), numbers=())
    assert verdict(finding) == wanted


def test_what_needs_other_data_gets_no_verdict_from_digits(tmp_path):
    finding = depth.cifar(fake(tmp_path, table(FAILS), ("plain", "residual"), (20, 56)))
    assert finding.effects
    assert verdict(finding) == "not testable here"


def test_a_trial_that_fails_has_no_verdict_and_stops_no_other():
    def fail(_):
        raise RunError("runs/claims/span: out of memory")

    one = Behaviour("C99", "", fail, "")
    other = Behaviour("C98", "", lambda _: Finding((), ""), "")
    failed, fine = judged([one, other], [one, other], Workplace("/nowhere"))
    assert (failed.finding.verdict, failed.finding.failed) == (NOT_RUN, True)
    assert (fine.finding.verdict, fine.finding.failed) == ("not shown", False)


# --- the correction ----------------------------------------------------------------------------


def test_several_looks_raise_the_bar(tmp_path):
    def error(arm, layers, seed):
        return 3.0 + 1.4 * (seed % 3 - 1) if (arm, layers) == ("plain", 56) else 1.0

    finding = depth.underfitting(fake(tmp_path, error, ("plain", "residual"), (20, 56)))
    assert all(effect.shown and 0.01 < effect.p < 0.05 for effect in finding.effects)
    assert verdict(finding) == "confirmed"
    assert verdict(finding, family=10) == "not shown"


# --- what has not been run ---------------------------------------------------------------------


def test_what_has_not_been_run_has_no_verdict(tmp_path):
    names = tuple(registry.BEHAVIOURS)
    claims = registry.chosen(names, Workplace(tmp_path / "none", run=False))
    assert [claim.id for claim in claims] == list(names)
    assert {claim.finding.verdict for claim in claims} == {NOT_RUN}
    assert all("not been" in claim.finding.why for claim in claims)
    assert not (tmp_path / "none").exists()
