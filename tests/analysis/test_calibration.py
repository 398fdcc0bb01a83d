"""A machine fitted to what was measured of it, and predictions held against measurements."""

import dataclasses
import itertools
import json
import math
import types

import numpy as np
import pytest
import scipy.stats

from resnets.analysis import hardware
from resnets.analysis.calibration import fit, validation
from resnets.analysis.calibration.fit import Cache, Records, Stream, Work
from resnets.analysis.calibration.microbenchmarks import Product
from resnets.analysis.nests import LoopNest
from resnets.analysis.rates import rate
from resnets.analysis.schedule import Product as Planned
from resnets.cli.__main__ import main

ROWS, SIZES = (16, 64, 256, 1024, 4096, 16384), (16, 64, 256)


def law(rows, channels, columns, taps):
    """Seconds of a machine that small products slow down."""
    flops = 2 * rows * channels * columns * taps
    return flops / 60e9 * (1 + 20 / rows) * (1 + 4 / columns) * (1 + 10 / (channels * taps))


def product(rows, channels, columns, taps):
    seconds = law(rows, channels, columns, taps)
    return Product(rows, channels, columns, taps, 1, 1, 1, seconds)


def records(**changed):
    products = [product(r, c, f, t) for r in ROWS for c in SIZES for f in SIZES for t in (1, 9)]
    made = Records(
        tuple(products),
        (),
        (Stream(2**14, 80e9), Stream(2**18, 40e9), Stream(2**23, 38e9), Stream(2**28, 10e9)),
        2e9,
        Work(4000, 8000, 1e-6),
        Work(1000, 0, 1e-6),
        Work(1000, 0, 1e-6),
        Work(1000, 0, 1e-6),
        3e-6,
        (Cache(1, 2**15, 1), Cache(2, 2**19, 1), Cache(3, 2**25, 2)),
        2,
        2**34,
    )
    return dataclasses.replace(made, **changed)


@pytest.fixture(scope="module")
def machine():
    # so fast a memory that rates are of products alone
    swift = (Stream(2**14, 1e15), Stream(2**28, 1e15))
    return fit.fit(records(streams=swift, first_touch=1e15), "made", "Made up.")


def nest(rows, channels, columns, taps):
    side = math.isqrt(taps)
    fields = {f.name: 1 for f in dataclasses.fields(LoopNest)}
    loops = {"rows": rows, "channels": channels, "features": columns}
    return types.SimpleNamespace(**fields | loops | {"kernel_rows": side, "kernel_columns": side})


def reached(machine, *shape):
    planned = Planned(nest(*shape), 0, 1, 2)
    return rate(machine.unit_for("convolution"), "convolution", "float32", planned)[0]


def test_a_fitted_machine_is_a_hardware_file(machine):
    fitted = fit.fit(records(), "made", "Made up.")
    assert hardware.parse(hardware.dumps(fitted), "made.toml") == fitted
    assert fitted.overlap == 0
    assert fitted.overhead == 3e-6
    assert fitted.units[0].peak["float32"] == max(p.rate for p in records().products)


def test_rates_come_back_at_the_samples(machine):
    for record in records().products:
        shape = record.rows, record.channels, record.columns, record.taps
        assert reached(machine, *shape) == pytest.approx(record.rate, rel=0.05)


def test_shapes_between_samples_take_what_the_machines_law_says():
    rng = np.random.default_rng(0)
    swift = (Stream(2**14, 1e15), Stream(2**28, 1e15))
    machine = fit.fit(records(streams=swift, first_touch=1e15), "made", "Made up.")
    for _ in range(200):
        rows, channels, columns = (int(2 ** rng.uniform(4, top)) for top in (14, 8, 8))
        taps = int(rng.choice([1, 9, 25]))
        shape = rows, channels, columns, taps
        seconds = 2 * rows * channels * columns * taps / reached(machine, *shape)
        assert seconds == pytest.approx(law(*shape), rel=0.1)


def test_rates_rise_with_rows_columns_and_channels(machine):
    for axis in range(3):
        found = []
        for size in (16, 24, 32, 48, 64, 96, 128, 192, 256):
            shape = [256, 64, 64, 9]
            shape[axis] = size
            found.append(reached(machine, *shape))
        assert all(b >= 0.995 * a for a, b in itertools.pairwise(found))


def test_one_sample_is_the_rate_of_like_shapes():
    unit = hardware.Unit(
        "m", ("*",), {"float32": 9e9}, samples=(hardware.Sample(64, 8, 8, 9, 3e9),)
    )
    whole = types.SimpleNamespace(unit_for=lambda _: unit)
    assert reached(whole, 64, 8, 8, 9) == pytest.approx(3e9, rel=0.05)
    assert 0 < reached(whole, 1, 1, 1, 1) <= 3e9
    assert reached(whole, 10**6, 512, 512, 9) == pytest.approx(3e9, rel=0.2)


def test_memories_that_are_no_slower_than_the_one_inside_are_one_with_it():
    names = [memory.name for memory in fit.fit(records(), "made", "Made up.").memories]
    assert names == ["l1", "l3", "external"]


def test_what_memories_take_adds_up_to_what_was_measured():
    inner, cache, outside = fit.fit(records(), "made", "Made up.").memories
    assert inner.read >= 2 * inner.write == pytest.approx(80e9)
    assert 1 / 80e9 + 1 / cache.read == pytest.approx(1 / 39e9, rel=0.03)
    assert 1 / 80e9 + 1 / cache.read + 1 / outside.read == pytest.approx(1 / 10e9)
    assert outside.write == 2e9


def test_unknown_caches_leave_external_memory():
    [memory] = fit.fit(records(caches=()), "made", "Made up.").memories
    assert memory.capacity == 2**34


def test_a_machine_without_products_is_refused():
    with pytest.raises(ValueError, match="without any product"):
        fit.fit(records(products=()), "made", "Made up.")


def test_error_is_the_mean_of_all_deviations_from_what_was_measured():
    assert validation.mape([(1.1, 1.0), (0.8, 1.0), (3.0, 2.0)]) == pytest.approx(80 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_scipys(seed):
    first, second = np.random.default_rng(seed).integers(0, 6, (2, 12)).tolist()
    expected = scipy.stats.spearmanr(first, second).statistic
    assert validation.spearman(first, second) == pytest.approx(expected)


def test_rank_correlation_of_equal_or_single_values_is_none():
    assert math.isnan(validation.spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(validation.spearman([1], [2]))


def test_seconds_of_riders_go_to_the_layer_that_they_ride_on():
    def taken(layer, seconds, *riders):
        step = types.SimpleNamespace(layer=layer, riders=riders)
        return types.SimpleNamespace(step=step, estimate=seconds)

    steps = (taken("conv1", 2.0, "bn1", "conv2"), taken("conv2", 1.0), taken("conv1", 0.5))
    here = types.SimpleNamespace(layers={"conv1": 3.0, "bn1": 0.5, "conv2": 1.0, "other": 9.0})
    layers = validation.joined(types.SimpleNamespace(steps=steps), here)
    assert layers == (validation.Layer("conv1", 2.5, 3.5), validation.Layer("conv2", 1.0, 1.0))


def test_layers_fold_to_their_first_parts():
    layers = [validation.Layer(n, 1.0, 2.0) for n in ("a/x", "a/y", "b")]
    assert validation.folded(layers, 1) == (
        validation.Layer("a", 2.0, 4.0),
        validation.Layer("b", 1.0, 2.0),
    )
    assert validation.folded(layers, 0) == tuple(layers)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    file = tmp_path_factory.mktemp("calibrated") / "here.toml"
    assert main(["calibrate", f"--out={file}", "--quick"]) == 0
    return file


def test_calibration_writes_a_file_that_says_where_numbers_come_from(quick):
    text = quick.read_text()
    machine = hardware.load(quick)
    assert machine.name == "here"
    assert machine.units[0].samples
    assert all(word in text for word in ("# Measured on 20", "jaxlib", "XLA_FLAGS=", "# measured"))
    assert str(quick.parent) not in text


def test_a_file_is_replaced_only_on_request(quick, capsys):
    before = quick.read_text()
    assert main(["calibrate", f"--out={quick}", "--quick"]) == 2
    assert "exists; choose another name, or add --force" in capsys.readouterr().err
    assert quick.read_text() == before


@pytest.mark.slow
def test_networks_are_predicted_run_and_compared(quick, tmp_path, capsys):
    table, layers = tmp_path / "table.csv", tmp_path / "layers.csv"
    arguments = ["--models=lenet5,cifar_resnet8:8", "--batch_sizes=1,2", "--repeats=1"]
    files = [f"--out={table}", f"--layers_out={layers}", "--format=json", "--depth=1"]
    assert main(["validate", f"--hardware={quick}", *arguments, *files]) == 0
    found = json.loads(capsys.readouterr().out)
    pairs = [(row["model"], row["batch_size"]) for row in found["networks"]]
    assert pairs == [(n, b) for n in ("lenet5", "cifar_resnet8") for b in (1, 2)]
    for row in found["networks"]:
        assert row["ratio"] == pytest.approx(row["predicted_s"] / row["measured_s"])
        assert row["predicted_s"] > 0 < row["measured_s"]
    assert found["summary"]["mape_pct"] >= 0
    assert {"stage1", "classifier"} <= {row["layer"] for row in found["layers"]}
    header, *rows = table.read_text().splitlines()
    assert len(rows) == 4
    assert {"date", "cpu", "versions", "ratio"} <= set(header.split(","))
    assert "stage1/block0/conv1" in layers.read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["calibrate"], 2, "--out=FILE.toml is missing"),
        (["calibrate", "--out=here.txt"], 2, "must end in .toml"),
        (["calibrate", "--out=absent/here.toml"], 1, "folder absent does not exist"),
        (["validate"], 2, "--hardware=FILE.toml is missing"),
        (["validate", "--hardware=absent.toml"], 2, "absent.toml does not exist"),
        (["validate", "--hardware=tpu_v4", "--batch_sizes=1,x"], 2, "--batch_sizes=1,x must be"),
        (["validate", "--hardware=tpu_v4", "--batch_sizes=0"], 2, "at least 1"),
        (["validate", "--hardware=tpu_v4", "--models=resnet19"], 2, "unknown network 'resnet19'"),
        (["validate", "--hardware=tpu_v4", "--models=,"], 2, "names no network"),
        (["validate", "--hardware=tpu_v4", "--out=absent/a.csv"], 1, "cannot be written"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, status, line, capsys):
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert not out
    assert line in err
    assert len(err.splitlines()) == 1
