"""Every study that ships: its file, its cost, and its arms on small and on large images.

The ordinary part traces two steps of one arm of each study at each scale, which checks the program
without compiling it; `--slow` trains two steps of every arm.
"""

import csv
import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.cli.__main__ import main
from resnets.studies.grid import every_study, expand
from resnets.training.config_file import CHECKOUT
from resnets.training.setup import prepare
from resnets.training.step import train_step
from tests.data import fake_imagenet

STUDIES = {study.name: study for study in every_study()}
IMAGENET = {"cardinality": 50, "deepnet_dropout": 40, "densenet": 34, "span": 26, "width": 152}
"""Depths on ImageNet; 18 where nothing is said."""
LONGER = {
    *((name, "imagenet") for name in ("densenet", "deepnet_dropout", "cardinality", "width")),
    ("deepnet_dropout", "cifar"),
}
"""Networks without a loop, or of many layers: they take seconds to trace."""
BATCH = 4


@pytest.mark.parametrize("name", STUDIES)
class TestFile:
    def test_it_declares_a_study_in_less_than_forty_lines(self, name):
        file = CHECKOUT / "experiments" / f"{name}.py"
        assert len(file.read_text().splitlines()) < 40
        study = STUDIES[name]
        assert study.question.endswith("?")
        assert study.seeds >= 3
        assert f"study {name}" in file.read_text() or name == "degradation"

    def test_its_committed_results_are_those_of_its_grid(self, name):
        table = CHECKOUT / "experiments" / "results" / f"{name}.csv"
        measured = STUDIES[name].minutes is not None
        assert table.exists() == measured
        if measured:
            with table.open() as file:
                found = {row["run"]: int(row["steps"]) for row in csv.DictReader(file)}
            assert found.keys() == {row.id for row in expand(STUDIES[name])}
            assert min(found.values()) > 0


def test_the_list_names_every_study_with_its_cost(capsys):
    assert main(["study", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["study", "runs", "minutes", "question"]
    listed = {line.split()[0]: line.split()[1:3] for line in lines[1:]}
    assert "claims" in listed
    assert {name: cost for name, cost in listed.items() if name != "claims"} == {
        name: [str(study.runs), "-" if study.minutes is None else f"{study.minutes:.1f}"]
        for name, study in STUDIES.items()
    }


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("imagenet")
    fake_imagenet.write_archives(path)
    return str(path)


def plans(name, scale, directory):
    """Arms of a study on CIFAR's or ImageNet's recipe, at its smallest depth there."""
    depth = IMAGENET.get(name, 18) if scale == "imagenet" else min(STUDIES[name].depths)
    study = dataclasses.replace(
        STUDIES[name], config=f"configs/{scale}.py", depths=(depth,), seeds=1
    )
    flags = [f"--config.batch_size={BATCH}", "--config.epochs=1"]
    if scale == "imagenet":
        flags += [f"--config.data.directory={directory}", "--config.data.workers=0"]
    else:
        flags.append("--config.data.name=synthetic:train=8,test=4")
    return {row.arm: row.load_config() for row in expand(study, flags)}


def batch(plan):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, *plan.image_shape), np.uint8)
    return jnp.asarray(images), jnp.asarray(rng.integers(0, 3, BATCH, np.int32))


def two_steps(plan, state):
    """Losses of two steps, in a loop as training has it."""
    images, labels = batch(plan)

    def step(state, index):
        key = jax.random.fold_in(jax.random.key(0), index)
        state, metrics = train_step(plan.recipe, state, images, labels, jnp.float32(0.01), key)
        return state, metrics["loss"]

    return jax.lax.scan(step, state, jnp.arange(2))[1]


CASES = [(name, scale) for name in STUDIES for scale in ("cifar", "imagenet")]


@pytest.mark.parametrize(
    ("name", "scale"),
    [pytest.param(*c, marks=pytest.mark.slow if c in LONGER else ()) for c in CASES],
)
def test_two_steps_of_an_arm_are_traced_at_a_larger_scale(name, scale, imagenet):
    configs = plans(name, scale, imagenet)
    assert configs.keys() == STUDIES[name].arms.keys()
    plan = prepare(next(iter(configs.values())))
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an integer power
        losses = jax.eval_shape(lambda: two_steps(plan, plan.initial_state()))
    assert (losses.shape, losses.dtype) == ((2,), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale"), CASES)
def test_every_arm_takes_two_steps_at_a_larger_scale(name, scale, imagenet):
    for arm, config in plans(name, scale, imagenet).items():
        if scale == "imagenet":
            config["data"]["image_size"], config["data"]["resize"] = 64, 64
        plan = prepare(config)
        with jax.numpy_dtype_promotion("standard"):
            losses = jax.jit(partial(two_steps, plan))(plan.initial_state())
        assert np.all(np.isfinite(losses)), arm
        jax.clear_caches()
