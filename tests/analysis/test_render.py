"""What `analyze` prints: tables that add up, and the compiled program beside the lowered one."""

import json

import pytest

from resnets import models
from resnets.analysis import lower, render, render_compiled
from resnets.analysis.account import account, cost
from resnets.analysis.compiled import compile_program
from resnets.cli.__main__ import main


@pytest.fixture(scope="module")
def lenet():
    return lower.inference(models.create("lenet5"), (32, 32, 1), 2, "cpu")


def cells(line):
    return [cell for cell in line.split("  ") if cell.strip()]


def test_the_table_has_a_line_a_layer_and_their_sum(lenet):
    whole = account(lenet, "inference", 2, (32, 32, 1))
    lines = render.as_table(whole, "lenet5", "float32").splitlines()
    assert lines[0] == "lenet5, inference, batch 2, images 32x32x1, float32, program for cpu"
    names = [line.split()[0] for line in lines[3 : 3 + len(whole.layers)]]
    assert names == [layer.name for layer in whole.layers]
    total = lines[3 + len(whole.layers)]
    assert total.startswith("total")
    assert "61,706" in total
    assert any("61,706 parameters, 0.001 GMACs" in line for line in lines)


def test_networks_side_by_side():
    accounts = [(name, cost(models.create(name), (64, 64, 3))) for name in ("vgg11", "alexnet")]
    first, second = render.comparison(accounts).splitlines()[1:]
    assert first.split()[:2] == ["vgg11", "64x64x3"]
    assert second.split()[2] == "61,100,840"


def test_compiled_rows_add_up_at_every_depth(lenet):
    compiled = compile_program(lenet)
    for depth in (0, 1):
        rows = render_compiled.folded(compiled.layers, depth)
        assert sum(row.bytes for row in rows) == compiled.bytes
    content = render_compiled.as_dict(compiled)
    assert content["bytes_after_fusion"] == sum(r["bytes_after_fusion"] for r in content["layers"])
    text = render_compiled.as_table(compiled)
    assert "compiled for cpu" in text
    assert text.splitlines()[0].split()[:3] == ["layer", "phase", "kernels"]


def test_the_command_prints_json_alone(capsys):
    argv = ["analyze", "lenet5:activation=relu", "--format=json", "--compiled", "--image_size=32"]
    assert main(argv) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["totals"]["parameters"] == 61_706
    assert content["compiled"]["bytes_after_fusion"] > 0


def test_the_command_reads_a_config(capsys):
    argv = ["analyze", "--config=configs/digits.py:depth=8", "--config.model.shortcut=B"]
    assert main([*argv, "--phase=train", "--batch_size=2", "--depth=1"]) == 0
    text = capsys.readouterr().out
    assert "batch 2, images 8x8x1, float32, program for tpu" in text
    assert all(f"[{phase}]" in text for phase in ("forward", "backward", "optimizer"))


@pytest.mark.parametrize(
    "override",
    ["accumulation=2", "clip_norm=1.0", "average_decay=0.9", "data.shift=2", "data.flip=true"],
)
def test_the_step_of_a_config_is_the_configs(override, capsys):
    """Each field changes the program that is counted."""
    argv = ["analyze", "--config=configs/digits.py:depth=8", "--phase=train", "--batch_size=4"]
    totals = []
    for extra in ([], [f"--config.{override}"]):
        assert main([*argv, "--format=json", *extra]) == 0
        totals.append(json.loads(capsys.readouterr().out)["totals"])
    assert totals[0] != totals[1]
    assert totals[0]["parameters"] == totals[1]["parameters"] == 75_002


def test_the_command_compares(capsys):
    assert main(["analyze", "--compare=lenet5:activation=relu,pooling=max,nin_cifar"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "lenet5:activation=relu,pooling=max",
        "nin_cifar",
    ]
