"""`analyze --target` and `install` where things are missing or go wrong."""

import subprocess
import sys

import pytest

from resnets.cli import targets
from resnets.errors import RunError
from tests.cli.test_cli import refuse


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "HOME", tmp_path)


def test_a_missing_compiler_says_which_command_brings_it(nothing_installed, capsys):
    says = refuse(capsys, "analyze", "lenet5", "--target=tpu_v5e")
    assert "./launch.sh install tpu" in says


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["analyze", "lenet5", "--target=tpu_v9"], "unknown target"),
        (["analyze", "--target=tpu_v5e"], "give one of NAME, --config=FILE or --compare"),
        (["analyze", "lenet5", "--target=tpu_v5e", "--hardware=tpu_v5e"], "stands alone"),
        (["analyze", "lenet5", "--target=tpu_v5e", "--devices=1,4"], "one number of --devices"),
        (["analyze", "lenet5", "--target=tpu_v5e", "--devices=4"], "does not divide"),
        (["install", "npu"], "choose from"),
    ],
)
def test_what_cannot_be_compiled_says_why_in_one_line(nothing_installed, capsys, argv, says):
    assert says in refuse(capsys, *argv)


def start(code):
    return subprocess.Popen([sys.executable, "-c", code], text=True)


def test_a_compilation_that_takes_too_long_is_stopped():
    worker = start("import time; time.sleep(60)")
    assert "stopped after 0.3 s" in targets._watch(worker, (0.3, 8))
    assert worker.returncode


def test_a_compilation_that_takes_too_much_memory_is_stopped():
    worker = start("import time; x = bytearray(300_000_000); time.sleep(60)")
    assert "over 0.2 GB" in targets._watch(worker, (30, 0.2))
    assert worker.returncode


def test_a_crash_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "HOME", tmp_path)
    monkeypatch.setattr(targets, "version", lambda extra: "0")
    monkeypatch.setattr(targets, "WORKER", "no.such.module")
    with pytest.raises(RunError, match=r"lenet5 for tpu_v5e: the compiler failed") as caught:
        targets.compiled("tpu_v5e", "tpu", 1, ["lenet5"], [])
    assert "\n" not in str(caught.value)
