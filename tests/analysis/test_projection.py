"""Times on machines whose numbers are round enough to check by hand."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import hardware, lower
from resnets.analysis.fusion import schedule
from resnets.analysis.hierarchy import plan
from resnets.analysis.projection import project
from resnets.analysis.schedule import Schedule
from tests.analysis.networks import recipe
from tests.analysis.schedules import schedules, step


@pytest.fixture(scope="module")
def resnet50():
    return lower.inference(models.create("resnet50"), (224, 224, 3)).graph


@pytest.fixture(scope="module")
def documents():
    """The machine of the source documents."""
    return hardware.load("hypothetical")


def test_the_documents_machine_moves_189_ms_and_convolves_8_ms(resnet50, documents):
    made = schedule(resnet50, "streamed", training=False)
    taken = project(made, documents, "none", "once")
    assert taken.resources["ddr"] == pytest.approx(0.1891, rel=1e-3)
    assert taken.resources["matrix"] == pytest.approx(0.00818, rel=1e-3)
    assert taken.floor == pytest.approx(0.1028, rel=1e-3)
    assert taken.bound == "ddr"


def test_with_infinite_internal_memory_the_floor_is_reached(resnet50, documents):
    endless = hardware.replace(documents, "internal.capacity", math.inf)
    taken = project(schedule(resnet50, "epilogue", training=False), endless)
    assert taken.resources["ddr"] == pytest.approx(taken.floor, rel=1e-12)
    assert taken.floor == pytest.approx(0.1028, rel=1e-3)


MACHINES = ("hypothetical", "tpu_v4", "tpu_v5e", "a100_80", "h100_sxm")


@given(
    made=schedules(),
    name=st.sampled_from(MACHINES),
    overlap=st.floats(0, 1),
    overhead=st.floats(0, 1e-3),
    work=st.lists(st.integers(0, 10**12), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_the_estimate_lies_between_the_bounds(made, name, overlap, overhead, work):
    kinds = ("convolution", "elementwise", "reduction", "pooling")
    busy = tuple(
        dataclasses.replace(s, work=((kinds[n % 4], "float32", work[n]),))
        for n, s in enumerate(made.steps)
    )
    machine = dataclasses.replace(hardware.load(name), overlap=overlap, overhead=overhead)
    taken = project(dataclasses.replace(made, steps=busy), machine)
    nearly = 1 + 1e-12
    for timed in (*taken.steps, taken):
        assert 0 <= timed.lower <= timed.estimate * nearly
        assert timed.estimate <= timed.upper * nearly
    assert taken.floor <= taken.resources[machine.memories[-1].name] * nearly


def one_step(machine, work, reads=1000, writes=500):
    made = Schedule(
        (step([(0, reads)], [1], work=work),),
        {0: reads, 1: writes},
        frozenset({0}),
        frozenset({1}),
    )
    return project(made, machine).steps[0]


ROUND = """
name = "round"
description = "numbers to check by hand"
cores = 1
overhead = "1 us"
overlap = 0.5
[[memory]]
name = "inside"
capacity = "1 kB"
[[memory]]
name = "outside"
capacity = "inf B"
bandwidth = "1 GB/s"
energy = "10 pJ/B"
[[unit]]
name = "matrix"
runs = ["convolution", "product"]
peak = { float32 = "1 GFLOP/s", bfloat16 = "2 GFLOP/s" }
energy = "2 pJ/FLOP"
[[unit]]
name = "rest"
runs = ["*"]
peak = { float32 = "100 MFLOP/s" }
"""


def test_units_and_memory_overlap_as_far_as_the_file_says():
    machine = hardware.parse(ROUND, "round.toml")
    taken = one_step(machine, (("convolution", "float32", 4000), ("elementwise", "float32", 100)))
    assert taken.units == pytest.approx({"matrix": 4e-6, "rest": 1e-6})
    assert taken.memories["outside"] == pytest.approx(1.5e-6)
    assert taken.lower == pytest.approx(4e-6)
    assert taken.estimate == pytest.approx(1e-6 + 4e-6 + (1e-6 + 1.5e-6) / 2)
    assert taken.upper == pytest.approx(1e-6 + 6.5e-6)
    assert taken.bound == "matrix"


def test_a_bus_for_each_direction_works_in_both_at_once():
    one_bus = hardware.parse(ROUND, "round.toml")
    text = ROUND.replace('bandwidth = "1 GB/s"', 'read = "1 GB/s"\nwrite = "1 GB/s"')
    two = hardware.parse(text, "round.toml")
    assert one_step(one_bus, ()).memories["outside"] == pytest.approx(1.5e-6)
    assert one_step(two, ()).memories["outside"] == pytest.approx(1e-6)


def test_a_dtype_runs_at_its_own_peak_and_a_missing_one_is_said():
    machine = hardware.parse(ROUND, "round.toml")
    assert one_step(machine, (("product", "bfloat16", 2000),)).units["matrix"] == pytest.approx(
        1e-6
    )
    made = Schedule(
        (step([], [0], work=(("elementwise", "bfloat16", 100),)),),
        {0: 1},
        frozenset(),
        frozenset({0}),
    )
    taken = project(made, machine)
    assert taken.steps[0].units["rest"] == pytest.approx(1e-6)
    assert taken.warnings == ("rest has no bfloat16 peak: taken as float32",)


def test_energy_is_that_of_bytes_and_operations():
    machine = hardware.parse(ROUND, "round.toml")
    made = Schedule(
        (step([(0, 300)], [1], work=(("product", "float32", 50),)),),
        {0: 300, 1: 200},
        frozenset({0}),
        frozenset({1}),
    )
    assert project(made, machine).energy == pytest.approx(500 * 10e-12 + 50 * 2e-12)
    assert project(made, hardware.load("tpu_v5e")).energy is None


def test_a_matrix_unit_that_is_not_filled_is_slower(resnet50):
    machine = hardware.load("tpu_v5e")
    bare = dataclasses.replace(
        machine, units=tuple(dataclasses.replace(unit, granule=None) for unit in machine.units)
    )
    made = schedule(resnet50, "epilogue", training=False, precision="bfloat16")
    stem, *_ = project(made, machine).steps
    ideal, *_ = project(made, bare).steps
    # 7x7x3 = 147 contracted of 256, 64 of 128 features; 112 x 112 rows are a multiple of 8
    assert ideal.units["matrix"] / stem.units["matrix"] == pytest.approx(147 / 256 * 64 / 128)


def test_each_level_with_a_bandwidth_has_its_own_plan(resnet50):
    made = schedule(resnet50, "epilogue", training=False)
    text = ROUND.replace(
        '[[memory]]\nname = "outside"',
        '[[memory]]\nname = "middle"\ncapacity = "4 MB"\nbandwidth = "8 GB/s"\n'
        '[[memory]]\nname = "outside"',
    ).replace('"1 kB"', '"64 kB"')
    taken = project(made, hardware.parse(text, "round.toml"), "belady", "search")
    assert set(taken.plans) == {"middle", "outside"}
    assert taken.plans["middle"].bytes == plan(made, 64e3, "belady", "search").bytes
    assert taken.plans["outside"].bytes == plan(made, 4e6, "belady", "search").bytes
    assert taken.resources["middle"] == pytest.approx(taken.plans["middle"].bytes / 8e9)


def test_a_training_step_is_projected_phase_by_phase():
    lowered = lower.training_step(recipe(models.create("cifar_resnet8"), 8), (32, 32, 3))
    taken = project(schedule(lowered.graph, "epilogue", training=True), hardware.load("h100_sxm"))
    phases = {timed.step.phase for timed in taken.steps}
    assert phases == {"forward", "backward", "optimizer", "other"}
    matrix = {
        phase: sum(t.units.get("matrix", 0) for t in taken.steps if t.step.phase == phase)
        for phase in phases
    }
    assert matrix["optimizer"] == matrix["other"] == 0
    assert 1.8 < matrix["backward"] / matrix["forward"] < 2.0
