"""Reading study directories: done, failed, partial and queued runs, and damaged files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from resnets.errors import UserError
from resnets.reports import summary
from resnets.reports.comparison import mean_curve
from resnets.reports.results import Epoch, Final, Run, read_study
from tests.reports.fake_study import finish, row, whole_study, write_run, write_study


def read_one(path: Path) -> Run:
    """The only run of a study."""
    (run,) = read_study(path).runs
    return run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of one queued run."""
    return write_study(tmp_path / "study", [row("plain", 8, 0)])


def test_queued(study: Path) -> None:
    """No directory, or an empty one."""
    assert read_one(study).status == "queued"
    (study / "runs" / "plain-d8-s0").mkdir(parents=True)
    run = read_one(study)
    assert (run.status, run.final, run.curve, run.provenance) == ("queued", None, (), None)


def test_done(study: Path) -> None:
    """Final numbers are those of done.json; epochs without evaluation have no test error."""
    write_run(study, "plain-d8-s0", 2.0, 3.0, epochs=3)
    run = read_one(study)
    assert run.status == "done"
    assert run.final == Final(0.5, 2.0, 3.0, 36, 30.0)
    assert [epoch.epoch for epoch in run.curve] == [1, 2, 3]
    assert run.curve[0].test_error_pct is None
    assert run.curve[1].test_error_pct is not None
    assert run.overrides == {"epochs": "30"}, "the seed has its own field"
    assert run.provenance
    assert run.provenance.versions == "python 3.11.2, jax 0.10.2, flax 0.12.8"


def test_failed_with_its_reason(study: Path) -> None:
    """failed.json says why; done.json, which is written last, outweighs it."""
    directory = write_run(study, "plain-d8-s0", 2.0, 3.0, done=False)
    (directory / "failed.json").write_text('{"reason": "loss is not finite at step 7"}')
    run = read_one(study)
    assert (run.status, run.notes) == ("failed", ("loss is not finite at step 7",))
    finish(directory, 2.0, 3.0)
    assert read_one(study).status == "done"


def test_partial_and_torn(study: Path) -> None:
    """A killed process leaves a cut line: left out, with a note."""
    directory = write_run(study, "plain-d8-s0", 2.0, 3.0, done=False)
    with (directory / "metrics.jsonl").open("ab") as file:
        file.write(b'{"kind": "epoch", "epo')
    run = read_one(study)
    assert run.status == "partial"
    assert len(run.curve) == 3
    assert run.notes[0] == "3 epochs finished"
    assert "cut off" in run.notes[1]


def test_not_finite_is_said_and_left_out(study: Path) -> None:
    """NaN in a loss or an error is a note and no number."""
    directory = write_run(study, "plain-d8-s0", 2.0, 3.0)
    finish(directory, 90.0, float("nan"), loss=float("inf"))
    with (directory / "metrics.jsonl").open("a") as file:
        record = {"kind": "epoch", "epoch": 4, "train_error_pct": float("nan"), "train_loss": None}
        file.write(json.dumps(record) + "\n")
    run = read_one(study)
    assert run.final == Final(None, 90.0, None, 36, 30.0)
    assert run.curve[-1] == Epoch(4, None, None)
    assert "final train_loss is not finite" in run.notes
    assert "train_error_pct is not finite at epoch 4" in run.notes


def test_a_repeated_epoch_counts_once(study: Path) -> None:
    """A resumed run takes an epoch again: the later record counts."""
    directory = write_run(study, "plain-d8-s0", 2.0, 3.0)
    with (directory / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epoch": 2, "train_error_pct": 44.0}\n')
    run = read_one(study)
    assert [epoch.epoch for epoch in run.curve] == [1, 2, 3]
    assert run.curve[1].train_error_pct == 44.0


def test_mean_curve(tmp_path: Path) -> None:
    """Mean and range over seeds; a run that stopped early counts as far as it went."""
    write_study(tmp_path, [row("plain", 8, seed) for seed in range(2)])
    for seed, errors in enumerate([(80.0, 40.0, 20.0), (60.0, 20.0)]):
        directory = tmp_path / "runs" / f"plain-d8-s{seed}"
        directory.mkdir(parents=True)
        records = [
            {"kind": "epoch", "epoch": epoch, "train_error_pct": error}
            for epoch, error in enumerate(errors, 1)
        ]
        (directory / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    curve = mean_curve(read_study(tmp_path).runs, "train_error_pct")
    assert [(p.mean, p.low, p.high) for p in curve] == [(70, 60, 80), (30, 20, 40), (20, 20, 20)]
    assert mean_curve(read_study(tmp_path).runs, "test_error_pct") == ()


def damage(study: Path, name: str, text: str) -> Path:
    """Put text into a file of the study; `RUN/` stands for the run's directory."""
    file = study / name.replace("RUN", "runs/plain-d8-s0")
    file.write_text(text)
    return file


ROW = json.dumps(row("plain", 8, 0))
ABOUT = '{"name": "x", "question": "?", "reading": "-", "metrics": []}'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("study.json", "{", "not valid JSON"),
        ("study.json", "[]", "not a JSON object"),
        ("study.json", '{"name": "x", "question": 3}', "question=3 is not text"),
        ("study.json", ABOUT.replace("[]", '["loss"]'), "metrics=['loss'] are not among train_"),
        ("study.json", ABOUT.replace("[]", "3"), "metrics=3 are not among train_error_pct"),
        ("manifest.jsonl", f"{ROW}\n{{", ":2: not valid JSON"),
        ("manifest.jsonl", f"{ROW}\n\n{ROW}\n", ":3: id='plain-d8-s0' stands at"),
        ("manifest.jsonl", ROW.replace("plain-d8-s0", "other") + "\n" + ROW, ":2: plain, depth 8"),
        ("manifest.jsonl", ROW.replace("plain-d8-s0", "../up"), "not the name of a directory"),
        ("manifest.jsonl", '{"id": "a"}', ":1: 'arm' is missing"),
        ("manifest.jsonl", ROW.replace('"depth": 8', '"depth": "8"'), "depth='8' is not a whole"),
        ("RUN/metrics.jsonl", '{"kind": \n{"kind": "train"}\n', ":1: not valid JSON"),
        ("RUN/metrics.jsonl", '{"kind": "epoch"}\n', ":1: 'epoch' is missing"),
        ("RUN/metrics.jsonl", '{"kind": "epoch", "epoch": 1, "train_error_pct": "x"}', ":1: train"),
        ("RUN/done.json", "{}", "'train_loss' is missing"),
        ("RUN/failed.json", "oops", "not valid JSON"),
        ("RUN/config.json", "", "not valid JSON"),
    ],
)
def test_malformed_files(study: Path, name: str, text: str, words: str) -> None:
    """One line that names the file, and the line where there are lines."""
    write_run(study, "plain-d8-s0", 2.0, 3.0, done=False)
    file = damage(study, name, text)
    with pytest.raises(UserError) as caught:
        read_study(study)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert words in message
    assert "\n" not in message


def test_no_study(tmp_path: Path) -> None:
    """What is missing, and what to do."""
    with pytest.raises(UserError, match=r"is no study: study\.json is missing; .*launch\.sh study"):
        read_study(tmp_path)
    with pytest.raises(UserError, match="is not a directory"):
        read_study(tmp_path / "absent")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(UserError, match=r"manifest\.jsonl is missing"):
        read_study(tmp_path)


def test_a_run_is_no_study(tmp_path: Path) -> None:
    """The message says what it is and where its curves show."""
    study = whole_study(tmp_path, lambda *_: 1.0, depths=(8,), seeds=1)
    with pytest.raises(UserError, match=r"is one run, .*launch\.sh tensorboard"):
        summary(study / "runs" / "plain-d8-s0")


def test_reading_is_cheap() -> None:
    """No drawing, no SciPy and no JAX to read results."""
    code = (
        "import sys, resnets.reports.results, resnets.reports.comparison, resnets.reports.terminal;"
        "print(sorted({'altair', 'vl_convert', 'scipy', 'tensorboardX', 'jax', 'jinja2', 'numpy'}"
        " & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
