"""A run that is killed at any moment ends as one that is not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import outcome

pytestmark = pytest.mark.faults

CHECKOUT = Path(__file__).parents[2]
FIELDS = {
    "data.train": "train[:256]",
    "data.validation": "validation[:50]",
    "data.test": "test[:100]",
    "batch_size": 16,
    "epochs": 8,
    "log_every": 5,
    "average_decay": 0.9,
    "checkpoint_every": 1,
    "keep_best": "validation_loss",
    "schedule": "plateau:patience=1",
}
RECORDS = 8 * 5


def launch(run, config="configs/digits.py:depth=8", **fields):
    """Start `launch.sh train` as a process."""
    flags = [f"--config.{name}={value}" for name, value in (FIELDS | fields).items()]
    command = [sys.executable, "-m", "resnets.cli", "train", f"--config={config}"]
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    return subprocess.Popen(
        [*command, f"--workdir={run}", *flags],
        cwd=CHECKOUT,
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("kills") / "whole"
    began = time.monotonic()
    _, err = launch(run).communicate(timeout=300)
    assert (run / "done.json").exists(), err
    return outcome(run), time.monotonic() - began


def await_(process, condition):
    while process.poll() is None and not condition():
        time.sleep(0.0005)


def saving(run):
    return any((run / "checkpoints" / ".saving").glob("*"))


def lines(run):
    file = run / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def moments():
    """Twenty moments from a seed: in a save, after a record, anywhere in the whole time."""
    chance = random.Random(20261121)
    kinds = ("save", "record", "save", "record", "time") * 4
    return [
        pytest.param(kind, chance.random(), chance.random(), id=f"{number}-{kind}")
        for number, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(("kind", "share", "delay"), moments())
def test_a_killed_run_ends_as_one_never_killed(whole, tmp_path, kind, share, delay):
    expected, seconds = whole
    run = tmp_path / "run"
    process = launch(run)
    if kind == "time":
        time.sleep(share * seconds)
    else:
        await_(process, lambda: lines(run) >= int(share * RECORDS))
        if kind == "save":
            await_(process, lambda: saving(run))
            time.sleep(delay * 0.1)
        else:
            time.sleep(delay * 0.2)
    during_save = saving(run)
    process.kill()
    process.communicate()
    stood = (lines(run), during_save, sorted(p.name for p in run.glob("checkpoints/[0-9]*")))
    _, err = launch(run).communicate(timeout=300)
    assert outcome(run) == expected, (stood, err)
    assert "Traceback" not in err
    print(f"killed after {stood[0]} records, saving: {during_save}, checkpoints {stood[2]}")


def test_a_run_killed_again_and_again_ends_as_one_never_killed(whole, tmp_path):
    chance, run, kills = random.Random(1), tmp_path / "run", 0
    while not (run / "done.json").exists():
        process = launch(run)
        reached = lines(run) + chance.randint(1, 12)
        await_(process, lambda reached=reached: lines(run) >= reached)
        kills += process.poll() is None
        process.kill()
        process.communicate()
        assert kills < 60
    assert kills >= 4
    assert outcome(run) == whole[0]


CIFAR = {"data.name": "synthetic:height=32,width=32,train=2560,test=10000", "data.validation": ""}
CIFAR |= {"data.train": "train", "data.test": "test", "keep_best": "", "schedule": "constant"}
MODELS = [
    ("configs/digits.py:depth=56", {"epochs": 100}),
    ("configs/cifar.py:depth=56", CIFAR | {"batch_size": 128, "eval_every": 1}),
]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
@pytest.mark.parametrize(("model", "fields"), MODELS, ids=["digits56", "cifar56"])
def test_a_signal_is_answered_within_ten_seconds(tmp_path, model, fields, number, code):
    run = tmp_path / "run"
    process = launch(run, model, **fields)
    await_(process, lambda: lines(run) >= 2)
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[1])
    step_s = (FIELDS | fields)["batch_size"] / record["images_per_s"]
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    seconds = time.monotonic() - began
    assert process.returncode == code
    assert seconds < 10
    assert "Traceback" not in err
    # On busy cores a step may take longer than the grace: then what is saved already must do.
    if "busy for" not in err or step_s < 3:
        assert "and saved" in err
        assert list(run.glob("checkpoints/[0-9]*/manifest.json"))
        assert not (run / "lock.json").exists()
    said = err.splitlines()[-1]
    print(f"{model}: {number.name}: {seconds:.1f} s, of which a step {step_s:.1f} s: {said}")


def test_a_second_process_is_refused_and_the_first_goes_on(tmp_path):
    run, long = tmp_path / "run", {"epochs": 2000}
    first = launch(run, **long)
    await_(first, lambda: lines(run) >= 1)
    second = launch(run, **long)
    _, err = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f"is being written by process {first.pid} on host" in err
    assert len(err.strip().splitlines()) == 1
    before = lines(run)
    await_(first, lambda: lines(run) > before)
    first.terminate()
    first.communicate(timeout=60)
    assert first.returncode == 75
