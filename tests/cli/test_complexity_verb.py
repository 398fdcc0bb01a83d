"""`launch.sh complexity`: own runs, and mistakes in one line."""

import csv
import json

import pytest

from resnets.cli import measured
from resnets.cli.__main__ import main
from resnets.training.config_file import load_config


def write_run(folder, seed, error, config="configs/digits.py:depth=8", **overrides):
    """A run directory as training leaves it."""
    flags = [f"--config.{key}={value}" for key, value in overrides.items()]
    folder.mkdir(parents=True)
    content = load_config(config, [f"--config.seed={seed}", *flags]).to_dict()
    (folder / "config.json").write_text(json.dumps({"config": content}))
    if error is not None:
        (folder / "done.json").write_text(json.dumps({"test_error_pct": error}))
    return folder


@pytest.fixture
def study(tmp_path):
    """Three seeds of one network, one of another, and a run that is not finished."""
    for seed, error in enumerate((9.0, 10.0, 11.0)):
        write_run(tmp_path / "runs" / f"a{seed}", seed, error)
    write_run(tmp_path / "runs" / "b", 0, 20.0, epochs=20, **{"model.shortcut": "C"})
    write_run(tmp_path / "runs" / "c", 9, None)
    (tmp_path / "runs" / ".compiled").mkdir()
    (tmp_path / "study.json").write_text("{}")
    return tmp_path


def test_seeds_become_a_mean_with_an_interval(study, capsys):
    found = {point.network: point for point in measured.points((study,))}
    assert found.keys() == {"cifar_resnet8:shortcut=A", "cifar_resnet8:shortcut=C"}
    mean = found["cifar_resnet8:shortcut=A"]
    reach = 4.302652729911275 / 3**0.5  # the t-quantile of two degrees of freedom, deviation 1
    assert (mean.accuracy_pct, mean.n) == (90.0, "3 seeds")
    assert (mean.low_pct, mean.high_pct) == pytest.approx((90 - reach, 90 + reach))
    assert (mean.data_set, mean.image_shape) == ("digits", (8, 8, 1))
    single = found["cifar_resnet8:shortcut=C"]
    assert (single.accuracy_pct, single.low_pct, single.n) == (80.0, None, "1 seed")
    assert single.macs > mean.macs, "projections cost"
    assert "not finished: 1" in capsys.readouterr().err


def test_the_verb_writes_page_csv_and_charts_and_prints_the_table(study, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["complexity", f"--runs={study}", f"--out={out}"]) == 0
    names = {path.name for path in out.iterdir()}
    assert names == {"complexity.html", "complexity.csv", "digits.svg", "digits.png"}
    rows = list(csv.DictReader((out / "complexity.csv").read_text().splitlines()))
    assert [float(row["accuracy_pct"]) for row in rows] == [90.0, 80.0]
    assert "cifar_resnet8:shortcut=C" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models=resnet5"], "unknown network 'resnet5'"),
        (["--models=lenet5", "--runs=x"], "not both"),
        (["--runs=nowhere"], "nowhere is neither a study (study.json) nor a run (config.json)"),
        (["--config.epochs=3"], "complexity takes no --config.epochs=3"),
    ],
)
def test_a_mistake_is_one_line(arguments, said, capsys):
    assert main(["complexity", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_run_without_its_number_is_named(tmp_path, capsys):
    write_run(tmp_path / "r", 0, 3.0)
    (tmp_path / "r" / "done.json").write_text("{}")
    assert main(["complexity", f"--runs={tmp_path / 'r'}"]) == 2
    assert "done.json: 'test_error_pct' is missing" in capsys.readouterr().err
