"""A run's weights as a file: written by `export`, read by `train --config.init_from`."""

import json

import pytest

from resnets.cli.__main__ import main
from resnets.models import interop


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on digits with a moving average."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    argv = [
        "train",
        "--config=configs/digits.py:depth=8",
        f"--workdir={directory}",
        "--config.epochs=1",
        "--config.schedule=constant",
        "--config.diagnostics=off",
        "--config.data.train=train[:128]",
        "--config.average_decay=0.5",
    ]
    assert main(argv) == 0
    return directory


def test_a_run_begins_where_the_exported_one_ended(run, tmp_path, capsys):
    file = tmp_path / "weights.safetensors"
    assert main(["export", str(run), f"--output={file}"]) == 0
    assert "cifar_resnet8, step 2, own naming" in capsys.readouterr().out
    argv = [
        "train",
        "--config=configs/digits.py:depth=8",
        f"--workdir={tmp_path / 'next'}",
        "--config.epochs=1",
        "--config.schedule=constant",
        "--config.diagnostics=off",
        "--config.learning_rate=0.0",
        "--config.data.train=train[:128]",
        f"--config.init_from={file}",
    ]
    assert main(argv) == 0
    before, after = (
        json.loads((directory / "done.json").read_text()) for directory in (run, tmp_path / "next")
    )
    assert after["parameters_sha256"] == before["parameters_sha256"]


def test_the_average_is_another_set_of_values(run, tmp_path):
    files = [tmp_path / f"{name}.safetensors" for name in ("last", "average")]
    for file, flags in zip(files, ([], ["--average"]), strict=True):
        assert main(["export", str(run), f"--output={file}", *flags]) == 0
    last, average = map(interop.read_arrays, files)
    assert last.keys() == average.keys()
    assert any((last[name] != average[name]).any() for name in last)


def test_neither_the_data_nor_the_folder_must_be_there(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("resnets.data.load", None)
    assert main(["export", str(run), f"--output={tmp_path / 'weights.safetensors'}"]) == 0
    capsys.readouterr()
    assert main(["export", str(run), f"--output={tmp_path / 'none' / 'w.safetensors'}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "cannot be written" in line


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--naming=torchvision"], "torchvision has no network of this form"),
        (["--naming=caffe"], "choose from"),
        (["--config.seed=1"], "out of place"),
    ],
)
def test_mistakes_write_nothing(run, tmp_path, capsys, flags, says):
    file = tmp_path / "weights.safetensors"
    assert main(["export", str(run), f"--output={file}", *flags]) == 2
    assert says in capsys.readouterr().err
    assert not file.exists()


def test_a_file_that_exists_is_not_overwritten(run, tmp_path, capsys):
    file = tmp_path / "weights.safetensors"
    file.write_text("mine")
    assert main(["export", str(run), f"--output={file}"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"
