"""`launch.sh probe` on small runs: files, answers, and what is refused."""

import csv
import json

import pytest

from resnets.cli.__main__ import main

PLACES = ["--config.epochs=1", "--config.schedule=constant", "--config.data.train=train[:128]"]


def train(directory, *flags):
    argv = ["train", "--config=configs/digits.py:depth=8", f"--workdir={directory}"]
    assert main([*argv, *PLACES, *flags]) == 0
    return directory


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run whose blocks would run as loops if there were more of them."""
    return train(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def study(run, tmp_path_factory):
    """A study of one run, as its directory describes it."""
    directory = tmp_path_factory.mktemp("study")
    about = {"name": "tiny", "question": "?", "reading": "-"}
    (directory / "study.json").write_text(json.dumps(about))
    row = {"id": "residual-d8-s0", "arm": "residual", "depth": 8, "seed": 0, "config": "digits"}
    (directory / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    (directory / "runs").mkdir()
    (directory / "runs" / "residual-d8-s0").symlink_to(run)
    return directory


def rows_of(file):
    with file.open() as stream:
        return list(csv.DictReader(stream))


def test_every_deletion_has_a_row_and_the_chart_its_files(run, tmp_path, capsys):
    argv = ["probe", str(run), "--what=lesion", f"--out={tmp_path}", "--choices=2"]
    assert main([*argv, "--format=json", "--examples=50"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["examples"], answer["split"], answer["runs"]) == (50, "test", 1)
    rows = rows_of(tmp_path / "lesion.csv")
    assert [row["blocks"] for row in rows if row["kind"] == "delete"] == [
        f"stage{stage}/block0" for stage in (1, 2, 3)
    ]
    assert {row["count"] for row in rows if row["kind"] == "random"} == {"1"}
    assert (tmp_path / "lesion.png").read_bytes().startswith(b"\x89PNG")
    assert "points of error" in (tmp_path / "lesion.svg").read_text()
    assert set(answer["files"]) == {str(file) for file in tmp_path.iterdir()}


def test_a_study_is_named_by_its_arms(study, capsys):
    assert main(["probe", str(study), "--what=calibration", "--format=csv"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert row["network"] == "residual"
    done = json.loads((study / "runs" / "residual-d8-s0" / "done.json").read_text())
    assert 100 - float(row["right, %"]) == pytest.approx(done["test_error_pct"], abs=1e-4)
    bins = rows_of(study / "probes" / "calibration.csv")
    assert sum(int(one["count"]) for one in bins) == 360
    assert {one["run"] for one in bins} == {"residual-d8-s0"}


def test_chosen_images_are_shown(run, tmp_path, capsys):
    argv = ["probe", str(run), "--what=features", f"--out={tmp_path}"]
    assert main([*argv, "--images=4,0"]) == 0
    assert "stage3" in capsys.readouterr().out
    assert rows_of(tmp_path / "features.csv")[0]["image"] == "4"
    assert (tmp_path / "filters.png").exists()
    assert main([*argv, "--images=360"]) == 2
    assert "has images 0 to 359" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--what=lesoin"], "did you mean 'lesion'"),
        (["--what=shift", "--pixels=9"], "take 0 to 7"),
        (["--what=shift", "--examples=0"], "must be at least 1"),
        (["--what=shift", "--split=validation"], "no examples of split 'validation'"),
        (["--what=shift", "--split=tset"], "did you mean 'test'"),
        (["--what=shift", "--depth=8"], "chooses runs of a study"),
        (["--what=shift", "--config.seed=1"], "out of place"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(run, tmp_path, capsys, flags, says):
    assert main(["probe", str(run), f"--out={tmp_path / 'out'}", *flags]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
    assert not (tmp_path / "out").exists()


def test_a_depth_that_a_study_does_not_have_names_those_that_it_has(study, tmp_path, capsys):
    assert main(["probe", str(study), "--what=shift", "--depth=20"]) == 2
    assert "valid: 8" in capsys.readouterr().err
    assert main(["probe", str(tmp_path), "--what=shift"]) == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("what", ["response", "gradient", "shift", "receptive_field"])
def test_every_probe_gives_charts_tables_and_an_answer(run, tmp_path, capsys, what):
    argv = ["probe", str(run), f"--what={what}", f"--out={tmp_path}", "--examples=20"]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith(f"{what}: ")
    for ending in ("csv", "svg", "png"):
        assert (tmp_path / f"{what}.{ending}").stat().st_size > 0


LENET = """
from ml_collections import ConfigDict
from configs import common, digits

def get_config(arguments=None):
    config = digits.get_config(None)
    config.model = ConfigDict({"name": "lenet5"})
    config.data.name = "synthetic:height=32,width=32,channels=1,train=64,test=32"
    config.data.shift = 0
    return config
"""


@pytest.mark.slow
def test_a_network_without_blocks_says_what_applies(tmp_path, capsys):
    recipe = tmp_path / "lenet.py"
    recipe.write_text(LENET)
    run = tmp_path / "run"
    argv = ["train", f"--config={recipe}", f"--workdir={run}", "--config.epochs=1"]
    assert main([*argv, "--config.schedule=constant"]) == 0
    capsys.readouterr()
    assert main(["probe", str(run), "--what=lesion"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "LeNet has none (what applies: response, gradient, shift," in line
    assert main(["probe", str(run), "--what=receptive_field", "--examples=2"]) == 0
    rows = rows_of(run / "probes" / "receptive_field.csv")
    assert [(row["module"], row["theoretical_px"]) for row in rows] == [
        ("conv1", "5"),
        ("conv3", "14"),
        ("conv5", "32"),
    ]
