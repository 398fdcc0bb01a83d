"""`analyze --hardware` and `whatif` as a user types them."""

import csv
import io
import json

import jsonschema
import pytest

import resnets.analysis
from resnets.cli.__main__ import main
from tests.cli.test_cli import refuse


def output(capsys, *argv):
    assert main(argv) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["resnet50", "--hardware=tpu_v5"], "tpu_v5e"),
        (["resnet50", "--hardware=no/such.toml"], "no/such.toml"),
        (["resnet50", "--fusion=none"], "--fusion needs --hardware"),
        (["resnet50", "--hardware=tpu_v5e", "--fusion=all"], "choose from"),
        (["resnet50", "--hardware=tpu_v5e", "--residency=lru"], "choose from"),
        (["resnet50", "--hardware=tpu_v5e", "--precision=int4"], "choose from"),
        (
            ["resnet50", "--hardware=tpu_v5e", "--fusion=streamed", "--residency=belady"],
            "--residency=belady does not apply",
        ),
        (["lenet5", "--hardware=tpu_v5e", "--phase=train", "--precision=int8"], "for inference"),
        (["lenet5", "--hardware=tpu_v5e", "--fusion=compiled", "--precision=int8"], "--dtype"),
        (["lenet5", "--charts=charts"], "--charts needs --hardware"),
        (["lenet5", "--devices=8"], "--phase=train"),
        (["lenet5", "--hardware=tpu_v5e", "--phase=train", "--devices=0"], "at least 1"),
        (["lenet5", "--hardware=hypothetical", "--phase=train", "--devices=8"], "interconnect"),
        (["--compare=lenet5", "--hardware=tpu_v5e"], "without --compare"),
    ],
)
def test_a_projection_that_cannot_be_made_says_why_in_one_line(capsys, argv, says):
    assert says in refuse(capsys, "analyze", *argv)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["resnet50"], "--hardware=NAME|FILE.toml is missing"),
        (["--hardware=tpu_v5e"], "give one of NAME or --config"),
        (["lenet5", "--hardware=tpu_v5e", "--vary=hbm.size=1GB"], "hbm.capacity"),
        (["lenet5", "--hardware=tpu_v5e", "--vary=hbm.capacity=1"], "unit"),
        (["lenet5", "--hardware=tpu_v5e", "--charts=x"], "add --vary"),
        (
            ["lenet5", "--hardware=tpu_v5e", "--vary=overlap=0,1", "--vary=overlap=0.5"],
            "each key once",
        ),
        (["lenet5", "--hardware=hypothetical", "--vary=internal.capacity=1B,2B"], "smallest tile"),
    ],
)
def test_a_sweep_that_cannot_be_made_says_why_in_one_line(capsys, argv, says):
    assert says in refuse(capsys, "whatif", *argv)


SCENES = (
    ("lenet5", "--hardware=hypothetical", "--fusion=streamed"),
    ("lenet5", "--hardware=tpu_v5e", "--precision=int8", "--batch_size=8", "--depth=1"),
    ("lenet5", "--hardware=h100_sxm", "--phase=train", "--residency=optimal", "--devices=1,8"),
    ("lenet5", "--hardware=a100_80", "--fusion=compiled"),
    ("lenet5", "--phase=train"),
)


@pytest.mark.parametrize("argv", SCENES, ids=" ".join)
def test_json_follows_the_schema_and_is_the_same_every_time(capsys, argv):
    file = resnets.analysis.__path__[0] + "/schema.json"
    with open(file, encoding="utf-8") as text:  # noqa: PTH123
        schema = jsonschema.Draft202012Validator(json.load(text))
    once, again = (output(capsys, "analyze", *argv, "--format=json") for _ in range(2))
    content = json.loads(once)
    schema.validate(content)
    assert once == again
    if "projection" in content:
        taken = content["projection"]
        assert taken["time_lower_s"] <= taken["time_s"] <= taken["time_upper_s"]
        assert sum(row["time_s"] for row in taken["layers"]) == pytest.approx(taken["time_s"])


def test_the_table_ends_with_totals_in_words(capsys):
    text = output(capsys, "analyze", "lenet5", "--hardware=tpu_v5e")
    assert "on tpu_v5e: Google TPU v5e" in text
    assert "images/s; at least" in text
    assert (
        "scenario: fusion epilogue, residency belady, tiling search, precision as written" in text
    )


def test_csv_has_a_row_a_step_with_seconds_of_every_resource(capsys):
    text = output(capsys, "analyze", "lenet5", "--hardware=tpu_v5e", "--format=csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["name"] == "conv1"
    for row in rows:
        parts = [float(row[f"{name}_s"]) for name in ("matrix", "vector", "hbm", "overhead")]
        assert float(row["time_s"]) == pytest.approx(max(parts[:3]) + parts[3], rel=1e-6)


def test_charts_are_written_where_they_are_asked_for(capsys, tmp_path):
    output(capsys, "analyze", "lenet5", "--hardware=tpu_v5e", f"--charts={tmp_path}")
    names = {file.stem for file in tmp_path.glob("*.svg")}
    assert len(names) >= 3
    assert names == {file.stem for file in tmp_path.glob("*.png")}


def test_a_sweep_prints_its_points_slopes_and_front(capsys, tmp_path):
    vary = "--vary=internal.capacity=16KiB:1MiB:x4"
    argv = ("whatif", "lenet5", "--hardware=hypothetical", vary)
    text = output(capsys, *argv, f"--charts={tmp_path}")
    assert "64 KiB" in text
    assert "*" in text
    assert "ddr.bandwidth" in text
    assert list(tmp_path.glob("*.svg"))
    points = json.loads(output(capsys, *argv, "--format=json"))["points"]
    assert [point["internal.capacity"] for point in points] == [2**14, 2**16, 2**18, 2**20]
    times = [point["time_s"] for point in points]
    assert times == sorted(times, reverse=True)
    assert len(output(capsys, *argv, "--format=csv").splitlines()) == 5
