"""Verdicts of claims that rest on measurements: they follow what was measured."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import pytest

from experiments.claims import gradients, lesioned, looking, profile, responding
from experiments.claims.behaviour import Behaviour, judged
from experiments.claims.workplace import Workplace
from resnets import models
from resnets.analysis.kernels import Kernel, Share
from resnets.errors import RunError
from resnets.reports.results import read_study
from tests.reports.fake_study import whole_study


def verdict(finding):
    """The verdict in a family of one claim."""
    one = Behaviour("C99", "", lambda _: finding, "")
    return judged([one], [one], Workplace("/nowhere"))[0].finding.verdict


def groups(plain, residual, deep):
    found = {("plain", 20): plain, ("residual", 20): residual, ("residual", 56): deep}
    return {key: [make(value + 0.1 * seed) for seed in range(5)] for key, value in found.items()}


@pytest.mark.parametrize(("diverged", "left"), [([1], [0, 2]), ([0, 1, 2], [])])
def test_a_seed_of_which_a_run_diverged_is_not_looked_at(tmp_path, monkeypatch, diverged, left):
    arms = ("plain", "residual")
    study = read_study(whole_study(tmp_path / "s", lambda *_: 1.0, arms, (20, 56), seeds=3))
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


def test_untrained_responses_are_those_of_normalisation():
    model = models.create("cifar_resnet8", num_classes=10)
    images = jax.random.normal(jax.random.key(1), (16, 8, 8, 1))
    first = jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(0))
    run = types.SimpleNamespace(
        model=model,
        variables=first,
        examples=lambda split: (images, None),
        initial_variables=lambda: first,
    )
    untrained = responding.strengths(run)["untrained"]["responses"]
    assert list(untrained) == [f"stage{n}/block0" for n in (1, 2, 3)]
    assert list(untrained.values()) == pytest.approx([1.0] * 3, abs=1e-3)


def test_a_step_that_gives_up_its_state_can_be_taken_again_and_again():
    given_up = jax.jit(lambda state, rate: (state + rate, state.sum()), donate_argnums=0)
    steps = profile.Steps(given_up, jnp.zeros(3), jnp.float32(2.0))
    assert [float(steps()) for _ in range(3)] == [0.0, 6.0, 12.0]
