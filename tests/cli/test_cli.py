"""Commands as a user types them: exit status, one line for a mistake, and a whole small study."""

import contextlib
import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from resnets.cli.__main__ import main

ROOT = Path(__file__).parents[2]
SMALL = (
    "--config.data.train=train[:128]",
    "--config.data.test=test[:50]",
    "--config.batch_size=32",
    "--config.epochs=2",
    "--config.schedule=constant",
)


def refuse(capsys, *argv, status=2):
    """Run a command that must fail and return its one line."""
    assert main(argv) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["studdy"], "did you mean 'study'"),
        (["status"], "DIR"),
        (["status", "no/such/study"], "no/such/study"),
        (["status", "runs", "--formt=json"], "did you mean '--format'"),
        (["analyze"], "give one of NAME, --config=FILE or --compare"),
        (["analyze", "resnet51"], "did you mean 'resnet50'"),
        (["analyze", "resnet50:strided=2x2"], "strided='2x2' is not one of '1x1', '3x3'"),
        (["analyze", "resnet50:stride=1x1"], "did you mean 'strided'"),
        (["analyze", "resnet50", "--phase=training"], "choose from"),
        (["analyze", "resnet50", "--dtype=float16"], "choose from"),
        (["analyze", "resnet50", "--platform=gpu"], "choose from"),
        (["analyze", "resnet50", "--image_size=wide"], "must read 224, 224x192 or 224x192x3"),
        (["analyze", "resnet50", "--batch_size=0"], "whole number of at least 1"),
        (["analyze", "resnet50", "--batch_size=abc"], "abc must be a whole number"),
        (["analyze", "resnet50", "--compiled", "--format=csv"], "as a table or json"),
        (["analyze", "resnet50", "--config.seed=1"], "needs --config"),
        (["analyze", "vgg16", "--image_size=16"], "too small for pool5"),
        (["analyze", "--config=configs/cifar.py:depth=9"], "6n+2"),
        (["analyze", "--compare=resnet18,resnet19"], "did you mean 'resnet18'"),
        (["export", "no/such/run", "--output=weights.safetensors"], "holds no run"),
        (["bench", "trian"], "choose from"),
        (["study", "degradatoin"], "did you mean 'degradation'"),
        (["study", "--dephts=8"], "did you mean '--depths'"),
        (["study", "--depths=eight"], "not a list of whole numbers"),
        (["study", "--depths=9", "--workdir=never"], "6n+2"),
        (["study", "--arms=plane", "--workdir=never"], "did you mean 'plain'"),
        (["study", "--seeds=0", "--workdir=never"], "at least one"),
        (["study", "--max_parallel=0"], "whole number from 1"),
        (["study", "--engine=rays"], "did you mean 'ray'"),
        (["study", "--gpus=1"], "--gpus needs --engine=ray or slurm"),
        (["study", "--engine=slurm", "--address=here:1"], "--address needs --engine=ray"),
        (["study", "--timeout=never"], "'never' is not a number of seconds"),
        (["study", "--retries=-1"], "whole number from 0"),
        (["study", "--config.epoch=3", "--workdir=never"], "did you mean 'epochs'"),
        (["study", "span", "--config=configs/cifa.py", "--workdir=never"], "did you mean"),
        (["study", "optimiser", "--config.optimizer=adam", "--workdir=never"], "sets config.optim"),
        (["study", "width", "--depths=8", "--workdir=never"], "choose --depths among 26, 50, 98"),
        (["train", "--config=configs/digits.py"], "--workdir"),
        (["train", "--config=configs/digit.py", "--workdir=never"], "did you mean"),
        (["train", "--config=configs/digits.py:depth=9", "--workdir=never"], "6n+2"),
        (["models", "resnet51"], "did you mean 'resnet50'"),
        (["report", "no/such/study"], "no/such/study"),
        (["report"], "DIR"),
        (["tensorboard", "no/such/study"], "not a directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(capsys, argv, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert says in refuse(capsys, *argv)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_set_without_network_says_what_to_do(capsys, monkeypatch, tmp_path):
    from resnets.data import cifar

    def no_network(*_, **__):
        raise cifar.urllib.error.URLError("no network")

    monkeypatch.setattr(cifar.urllib.request, "urlopen", no_network)
    line = refuse(
        capsys,
        "train",
        "--config=configs/cifar.py",
        f"--config.data.directory={tmp_path / 'data'}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert "cifar-10-binary.tar.gz" in line
    assert str(tmp_path / "data") in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "verb", ["study", "train", "models", "report", "status", "tensorboard", "test"]
)
def test_every_verb_explains_itself(capsys, verb):
    with contextlib.suppress(SystemExit):  # argparse leaves this way
        main([verb, "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: launch.sh {verb}")
    assert len(text.splitlines()) >= 5


def test_a_small_study_from_the_command_line_to_its_report(capsys, tmp_path):
    study = tmp_path / "study"
    command = ["study", "degradation", "--depths=8", "--seeds=1", f"--workdir={study}", *SMALL]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "plain" in printed
    assert "residual" in printed
    with (study / "report" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"plain-d8-s0", "residual-d8-s0"}
    for row in rows:
        done = json.loads((study / "runs" / row["run"] / "done.json").read_text())
        assert float(row["test_error_pct"]) == pytest.approx(done["test_error_pct"])
    assert (study / "report" / "report.html").stat().st_size > 10_000
    assert (study / "report" / "report.md").exists()
    assert any((study / "tensorboard").glob("events.out.tfevents.*"))

    stamps = {path: path.stat().st_mtime_ns for path in study.glob("runs/*/done.json")}
    assert main(command) == 0
    assert "done already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in study.glob("runs/*/done.json")} == stamps

    other = refuse(capsys, *command, "--config.weight_decay=0.5")
    assert "weight_decay" in other
    assert "--workdir" in other


def test_a_run_that_fails_leaves_the_others_and_exit_status_1(capsys, tmp_path):
    study = tmp_path / "study"
    command = ["study", "--depths=8", "--seeds=1", f"--workdir={study}", *SMALL]
    assert main([*command, "--config.learning_rate=1e30"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("non-finite") >= 2
    assert "non-finite" in (study / "report" / "report.md").read_text()


def launch(*argv, **environment):
    return subprocess.run(
        [ROOT / "launch.sh", *argv],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


def test_launch_sh_explains_itself_without_installing_anything(tmp_path):
    answer = launch("--help", PATH="/usr/bin:/bin")
    assert answer.returncode == 0
    assert "./launch.sh study" in answer.stdout
    assert answer.stderr == ""


def test_launch_sh_passes_on_the_exit_status():
    answer = launch("studdy")
    assert answer.returncode == 2
    assert "did you mean 'study'" in answer.stderr
    assert answer.stdout == ""
