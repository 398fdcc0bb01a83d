"""Grids and manifests."""

import dataclasses
import json

import pytest

from resnets.errors import RunError, UserError
from resnets.studies import manifest
from resnets.studies.grid import expand, find_study

STUDY = find_study("degradation")


def test_the_default_study_asks_the_papers_question():
    assert set(STUDY.arms) == {"plain", "residual"}
    assert {8, 20, 56} <= set(STUDY.depths)
    assert STUDY.seeds >= 2


def test_a_grid_is_every_arm_at_every_depth_with_every_seed():
    rows = expand(STUDY)
    assert len(rows) == 2 * len(STUDY.depths) * STUDY.seeds
    assert len({row.id for row in rows}) == len(rows)
    assert {(row.arm, row.depth, row.seed) for row in rows} == {
        (arm, depth, seed)
        for arm in STUDY.arms
        for depth in STUDY.depths
        for seed in range(STUDY.seeds)
    }


def test_a_row_resolves_to_the_config_of_its_arm_depth_and_seed():
    row = next(r for r in expand(STUDY) if (r.arm, r.depth, r.seed) == ("plain", 20, 1))
    config = row.load_config()
    assert config["model"]["name"] == "cifar_plain20"
    assert config["seed"] == 1


def test_arms_differ_in_nothing_but_the_shortcut():
    plain, residual = (row.load_config() for row in expand(STUDY)[:2])
    assert plain.pop("model") | {"name": "", "shortcut": ""} == residual.pop("model") | {
        "name": "",
        "shortcut": "",
    }
    assert plain == residual


def test_overrides_reach_every_run():
    rows = expand(STUDY, ["--config.epochs=2"])
    assert {row.load_config()["epochs"] for row in rows} == {2}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["--config.epoch=2"], "did you mean 'epochs'"),
        (["--config.seed=3"], "--seeds"),
        (["--config.epochs=1", "--config.epochs=2"], "each field once"),
        (["--config.epochs"], "--config.FIELD=VALUE"),
    ],
)
def test_a_bad_override_stops_the_study_before_it_starts(overrides, says):
    with pytest.raises(UserError, match=says):
        expand(STUDY, overrides)


@pytest.mark.parametrize("field", [{"seeds": 0}, {"depths": ()}, {"arms": {}}])
def test_an_empty_grid_is_refused(field):
    with pytest.raises(UserError, match="at least one"):
        expand(dataclasses.replace(STUDY, **field))


def with_arms(**arms):
    return dataclasses.replace(STUDY, arms=arms, depths=(8, 20), seeds=1)


def test_an_arm_sets_arguments_of_the_file_and_fields_of_the_config():
    study = with_arms(wide={"shortcut": "C", "config.model.width": "24", "config.epochs": "3"})
    config = expand(study)[0].load_config()
    assert (config["model"]["shortcut"], config["model"]["width"]) == ("C", 24)
    assert config["epochs"] == 3


def test_an_argument_may_depend_on_the_depth():
    rows = expand(with_arms(other={"depth": {8: "14", 20: "26"}}))
    assert [row.depth for row in rows] == [8, 20]
    names = [row.load_config()["model"]["name"] for row in rows]
    assert names == ["cifar_resnet14", "cifar_resnet26"]


def test_a_depth_for_which_an_arm_has_nothing_is_refused():
    with pytest.raises(UserError, match=r"'other' has no model for depth 20; .* among 8, 14"):
        expand(with_arms(other={"model": {8: "lenet5", 14: "nin"}}))


def test_a_field_that_an_arm_sets_cannot_be_overridden():
    study = with_arms(fast={"config.learning_rate": "0.1"})
    with pytest.raises(UserError, match=r"arm 'fast' sets config\.learning_rate itself"):
        expand(study, ["--config.learning_rate=0.2"])


def test_another_config_file_with_arguments_of_its_own_serves_the_same_arms():
    study = dataclasses.replace(STUDY, config="configs/cifar.py:classes=100")
    row = expand(study)[0]
    assert row.config == "configs/cifar.py:classes=100,depth=8,shortcut=none"
    assert row.load_config()["data"]["name"] == "cifar100"


def test_a_metric_that_no_table_has_is_refused():
    with pytest.raises(UserError, match="did you mean 'test_error_pct'"):
        dataclasses.replace(STUDY, metrics=("test_error",))


def test_an_unknown_study_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'degradation'"):
        find_study("degredation")


def test_a_manifest_grows_and_forgets_nothing(tmp_path):
    few = expand(dataclasses.replace(STUDY, seeds=1, depths=(8,)))
    more = expand(dataclasses.replace(STUDY, seeds=2, depths=(20,)))
    manifest.extend(tmp_path / "study", STUDY, few)
    manifest.extend(tmp_path / "study", STUDY, more)
    assert manifest.read(tmp_path / "study") == [*few, *more]
    about = json.loads((tmp_path / "study" / "study.json").read_text())
    assert about["question"] == STUDY.question
    assert about["config"] == "configs/digits.py"
    assert about["metrics"] == ["train_error_pct", "test_error_pct"]


def test_a_run_with_another_config_is_refused_and_nothing_changes(tmp_path):
    manifest.extend(tmp_path, STUDY, expand(STUDY))
    before = (tmp_path / "manifest.jsonl").read_text()
    with pytest.raises(UserError, match="epochs: default there, 2 here"):
        manifest.extend(tmp_path, STUDY, expand(STUDY, ["--config.epochs=2"]))
    assert (tmp_path / "manifest.jsonl").read_text() == before


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no study"):
        manifest.extend(tmp_path, STUDY, expand(STUDY))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_directory_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        manifest.extend(tmp_path / "file" / "study", STUDY, expand(STUDY))


def test_a_damaged_manifest_names_its_line(tmp_path):
    manifest.extend(tmp_path, STUDY, expand(STUDY))
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(UserError, match=f"line {len(expand(STUDY)) + 1}"):
        manifest.read(tmp_path)
