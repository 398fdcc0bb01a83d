"""`analyze --target` and `install` where things are missing or go wrong."""

import csv
import subprocess
import sys

import pytest

from resnets.analysis import hardware
from resnets.cli import targets
from resnets.cli.__main__ import main
from resnets.errors import RunError, UserError
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
        (["analyze", "lenet5", "--effort=quick"], "needs --target"),
        (["analyze", "lenet5", "--target=tpu_v5e", "--effort=none"], "choose from"),
        (["analyze", "lenet5", "--target=h100", "--effort=quick"], "is for TPUs"),
        (["install", "npu"], "choose from"),
        (["calibrate", "--target=h100", "--out=x.toml"], "only TPUs'"),
        (["calibrate", "--target=tpu_v5e"], "--out=FILE.toml is missing"),
        (["calibrate", "--target=tpu_v5e", "--out=x.toml"], "./launch.sh install tpu"),
        (["validate", "--target=tpu_v5e", "--hardware=tpu_v6"], "tpu_v6e"),
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


def test_a_file_is_written_from_what_a_compiler_estimates(monkeypatch, tmp_path, capsys):
    def chain(target, extra, width, batch_size):
        rows = 64 * batch_size
        part = {"layer": "one", "phase": "forward", "share": 1.0, "named": True}
        kernel = {"name": "k", "kind": "", "runs": 1, "tiles": [], "seconds": None, "flops": 0}
        kernel |= {"read_bytes": 0, "written_bytes": 0, "near_bytes": 0, "parts": [part]}
        product = kernel | {"category": "product", "cycles": 11_000}
        pool = {"layer": "pool", "phase": "forward", "share": 1.0, "named": True}
        small = kernel | {"category": "elementwise", "cycles": 1000, "parts": [pool]}
        shapes = {"one": [rows, width, width, 9, 2 * 9 * rows * width**2]}
        work = {"pool": ["pooling", 1000]}
        return {"kernels": [product, small], "shapes": shapes, "work": work, "hosts": []}

    monkeypatch.setattr(targets, "version", lambda extra: "1.2.3")
    monkeypatch.setattr(targets, "compiled_chain", chain)
    file = tmp_path / "v5e.toml"
    argv = ["calibrate", "--target=tpu_v5e", f"--out={file}", "--batch_sizes=1,4", "--widths=8,16"]
    assert main(argv) == 0
    assert "4 shapes" in capsys.readouterr().out
    machine = hardware.load(str(file))
    seconds = (11_000 - 1000) / 1.5e9
    rates = {(s.rows, s.channels): s.rate for s in machine.unit_for("convolution").samples}
    assert rates[256, 16] == pytest.approx(2 * 9 * 256 * 16**2 / seconds)
    assert "libtpu 1.2.3" in file.read_text()


@pytest.fixture
def compiler(monkeypatch):
    """Refuses VGG-11 and takes a microsecond of LeNet; the list of what it was given."""
    asked = []

    def compiled(target, extra, devices, given, *rest):
        asked.append(given[0])
        if given[0] == "vgg11":
            raise UserError("vgg11: a mistake in one network")
        part = {"layer": "conv1", "phase": "forward", "share": 1.0, "named": True}
        kernel = {"name": "k", "kind": "", "runs": 1, "tiles": [], "seconds": None, "flops": 0}
        kernel |= {"read_bytes": 8, "written_bytes": 8, "near_bytes": 0, "parts": [part]}
        unknown = kernel | {"category": "elementwise", "cycles": None}
        return {
            "kernels": [kernel | {"category": "product", "cycles": 1500}, unknown],
            "topology": "v5e:2x2",
            "versions": {"jax": "1"},
            "program_sha256": "0",
            "memory": {"peak": 5, "arguments": 3, "outputs": 1, "temporary": 1},
            "warnings": [],
            "named": ["conv1"],
            "peaks": [1e12, 1e11],
            "hosts": [],
            "projected": [["conv1", "forward", 1e-6]],
            "effort": "full",
        }

    monkeypatch.setattr(targets, "version", lambda extra: "1.2.3")
    monkeypatch.setattr(targets, "compiled", compiled)
    return asked


def test_networks_go_on_after_one_that_fails_and_the_status_says_so(compiler, tmp_path, capsys):
    table = tmp_path / "zoo.csv"
    argv = ["validate", "--target=tpu_v5e", "--batch_sizes=1", f"--out={table}"]
    assert main([*argv, "--models=vgg11,lenet5"]) == 1
    with table.open() as file:
        refused, known = csv.DictReader(file)
    assert refused["failure"] == "vgg11: a mistake in one network"
    assert float(known["time_s"]) == pytest.approx(1e-6)
    assert (known["kernels"], known["unestimated_kernels"]) == ("2", "1")
    assert (known["layers"], known["layers_compared"]) == ("1", "0")
    assert main([*argv, "--models=lenet5"]) == 0


def test_a_name_that_does_not_exist_is_refused_before_anything_is_compiled(compiler, capsys):
    argv = ["validate", "--target=tpu_v5e", "--models=lenet5,vgg12"]
    assert "vgg11" in refuse(capsys, *argv)
    assert compiler == []
