"""Verdicts of claims that rest on runs: they follow the errors, the seeds and the correction."""

import dataclasses
import json

import pytest

from experiments.claims import (
    blocks,
    depth,
    gradients,
    lesioned,
    looking,
    profile,
    registry,
    responding,
    shapes,
)
from experiments.claims.behaviour import Behaviour, judged
from experiments.claims.claim import NOT_RUN, Finding
from experiments.claims.workplace import MissingError, Workplace
from resnets.analysis.kernels import Kernel, Share
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


# --- what is measured --------------------------------------------------------------------------


def groups(plain, residual, deep):
    found = {("plain", 20): plain, ("residual", 20): residual, ("residual", 56): deep}
    return {key: [make(value + 0.1 * seed) for seed in range(5)] for key, value in found.items()}


@pytest.mark.parametrize(("diverged", "left"), [([1], [0, 2]), ([0, 1, 2], [])])
def test_a_seed_of_which_a_run_diverged_is_not_looked_at(tmp_path, monkeypatch, diverged, left):
    arms = ("plain", "residual")
    study = fake(tmp_path / "s", table(FAILS), arms, (20, 56), seeds=3)
    for seed in diverged:
        (study.path / "runs" / f"plain-d20-s{seed}" / "done.json").unlink()
    monkeypatch.setattr(looking.trained, "restore", lambda place: place.name)
    place, study = Workplace(tmp_path), read_study(study.path)
    if not left:
        with pytest.raises(RunError, match="has diverged"):
            looking.each_run(place, "names", study, look)
        return
    found = looking.each_run(place, "names", study, look)
    assert found["residual", 56] == [f"residual-d56-s{seed}" for seed in left]


def look(name):
    return name


def make(rise):
    return {"whole": 1.0, "without": {"stage1/block1": 1.0 + rise, "stage2/block1": 1.0 + rise}}


@pytest.mark.parametrize(
    ("rises", "wanted"),
    [
        ((50.0, 5.0, 1.0), "confirmed"),
        ((50.0, 9.8, 1.0), "not shown"),
        ((20.0, 5.0, 1.0), "refuted"),  # a plain network that survives
        ((50.0, 5.0, 30.0), "refuted"),  # a deep residual one that does not
        ((50.0, 25.0, 5.0), "refuted"),  # a shallow residual one that does not
    ],
)
def test_lesions_follow_the_rise_of_the_error(rises, wanted):
    found = groups(*rises)
    for seed, run in enumerate(found["residual", 20]):
        run["without"] = {name: v + 0.5 * (seed % 2) for name, v in run["without"].items()}
    finding = lesioned.ensemble(found)
    assert verdict(finding) == wanted
    words = ("little" if r < 9 else "more" if r > 11 else "not clearly little" for r in rises[1:])
    assert "loses {} with 20 layers, {} with 56 layers".format(*words) in finding.why


@pytest.mark.parametrize(
    ("residual", "untrained", "wanted"),
    [
        (0.6, 1.0, "confirmed"),
        (1.4, 1.0, "refuted"),  # more than plain
        (0.95, 1.0, "refuted"),  # a little less than plain is not small
        (0.6, 0.6, "refuted"),  # small, and not learned
    ],
)
def test_responses_follow_the_standard_deviations(residual, untrained, wanted):
    def run(std, before=untrained):
        def one(std):
            return {"responses": {"stage1/block0": std}, "ratios": {"stage1/block0": std / 2}}

        return {"trained": one(std), "untrained": one(before)}

    found = {
        ("plain", 20): [run(1.0 + 0.01 * s) for s in range(5)],
        ("residual", 20): [run(residual + 0.015 * s) for s in range(5)],
        ("residual", 56): [run(0.3 + 0.01 * s) for s in range(5)],
    }
    finding = responding.small(found)
    assert verdict(finding) == wanted
    assert "response is smaller by" in finding.why


def test_what_is_added_is_the_last_response_of_a_block():
    layers = {"bn1": 9.0, "stage1/block0/bn1": 5.0, "stage1/block0/bn2": 2.0}
    assert responding.last(layers | {"stage1/block0/shortcut_bn": 7.0}) == {"stage1/block0": 2.0}


def kinds(norm, input_s=0.5):
    """Profiles in which normalisation's gradient takes so many seconds."""
    return {
        "kinds": [
            {
                profile.INPUT_GRADIENT: 4.0 + 0.1 * n,
                profile.KERNEL_GRADIENT: 5.0,
                profile.NORM_GRADIENT: norm,
                "convolution, forward": 2.0,
                profile.INPUT: input_s,
            }
            for n in range(5)
        ],
        "operations": [],
        "step_s": 12.0,
        "explained": 1.0,
    }


@pytest.mark.parametrize(
    ("norm", "input_s", "wanted"),
    [(3.0, 0.5, "confirmed"), (1.0, 0.5, "refuted"), (3.0, 4.5, "refuted")],
)
def test_a_profile_follows_the_seconds(norm, input_s, wanted):
    finding = profile.read(kinds(norm, input_s))
    assert verdict(finding) == wanted
    assert all("5 profiles" in effect.text() for effect in finding.effects)


def kernel(output, products, *shares, phase="backward"):
    return Kernel(
        "fusion.1",
        "kLoop",
        tuple(Share(*s, 1, 10) for s in shares),
        phase,
        0,
        output,
        None,
        products,
        1,
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (kernel(400, 1, ("a/conv", "forward"), phase="forward"), "convolution, forward"),
        (kernel(400, 1, ("a/conv", "backward")), profile.KERNEL_GRADIENT),
        (kernel(900, 1, ("a/conv", "backward")), profile.INPUT_GRADIENT),
        (kernel(900, 0, ("a/conv", "backward")), profile.KERNEL_GRADIENT),  # a transpose of x
        (kernel(400, 0, ("a/conv", "backward")), profile.INPUT_GRADIENT),  # the flipped kernel
        (kernel(900, 0, ("a/bn", "backward"), ("a/conv", "forward")), profile.NORM_GRADIENT),
        (kernel(900, 0, ("a/bn", "forward"), phase="forward"), "normalisation, forward"),
        (kernel(900, 0, ("augment", "other"), phase="other"), profile.INPUT),
        (kernel(900, 0, ("a/conv", "optimizer"), phase="optimizer"), "optimiser"),
    ],
)
def test_a_kernel_is_what_it_writes(given, wanted):
    assert profile.by_kind([given], {"fusion.1": 2.0}, {"a/conv": 400}) == {wanted: 2.0}


def test_vanishing_follows_the_gradients(tmp_path, monkeypatch):
    def found(heads):
        by_form = dict.fromkeys(gradients.FORMS, -0.5) | {
            "sigmoid": -10.0,
            "sigmoid, auxiliary heads": heads,
        }
        return {
            name: {str(d): [value + 0.1 * s for s in range(5)] for d in gradients.DEPTHS}
            for name, value in by_form.items()
        }

    (one,) = gradients.BEHAVIOURS
    for number, (heads, wanted) in enumerate([(-2.0, "confirmed"), (-12.0, "refuted")]):
        place = Workplace(tmp_path / str(number))
        monkeypatch.setattr(Workplace, "measured", lambda *_, heads=heads: found(heads))
        values = one.finding(place)
        spread = [
            dataclasses.replace(e, values=tuple(v + 0.01 * n for n, v in enumerate(e.values)))
            for e in values.effects
        ]
        assert verdict(dataclasses.replace(values, effects=tuple(spread))) == wanted


def test_stacked_sigmoids_lose_gradient_and_shortcuts_keep_it(monkeypatch):
    monkeypatch.setattr(gradients, "_BATCH", 16)
    form = gradients.FORMS["sigmoid"]
    lost = gradients.decades(form, 4, 2)
    kept = gradients.decades(gradients.FORMS["sigmoid, shortcuts"], 4, 2)
    assert max(lost) < min(kept) < 0
    assert gradients.steepest_sigmoid() == 0.25


def test_vanishing_says_what_training_came_to():
    said = gradients._trained({("sigmoid", 8): 88.86} | {(a, 8): 1.0 for a in gradients._HELPED})
    assert "sigmoid-heads of 8 layers 1.0 % (without: 88.9 %)" in said


# --- what has not been run ---------------------------------------------------------------------


def test_what_has_not_been_run_has_no_verdict(tmp_path):
    names = tuple(registry.BEHAVIOURS)
    claims = registry.chosen(names, Workplace(tmp_path / "none", run=False))
    assert [claim.id for claim in claims] == list(names)
    assert {claim.finding.verdict for claim in claims} == {NOT_RUN}
    assert all("not been" in claim.finding.why for claim in claims)
    assert not (tmp_path / "none").exists()
