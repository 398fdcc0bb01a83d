"""Machines: the shipped files' numbers, the errors of wrong ones, units, settings, writing."""

import dataclasses
import math
import re
from importlib import resources

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets.analysis import hardware
from resnets.errors import UserError

GB = 1e9
KIB, MIB = 2**10, 2**20

# --- the shipped machines ----------------------------------------------------------------------

# cores; capacities of all of a level, from the inside out; external bandwidth
MEMORIES = {
    "hypothetical": (1, [1e6, math.inf], 1e9),
    "tpu_v4": (2, [2 * 16 * MIB, 128 * MIB, 32 * GB], 1.23e12),
    "tpu_v5e": (1, [128 * MIB, 16 * GB], 819e9),
    "tpu_v5p": (2, [2 * 64 * MIB, 95 * GB], 2765e9),
    "tpu_v6e": (1, [128 * MIB, 32 * GB], 1638e9),
    "a100_80": (108, [108 * 164 * KIB, 40 * MIB, 80 * GB], 2039e9),
    "h100_sxm": (132, [132 * 228 * KIB, 50 * MIB, 80 * GB], 3.352e12),
    "h200": (132, [132 * 228 * KIB, 50 * MIB, 141 * GB], 4.8e12),
}

# FLOP/s of convolutions in float32, bfloat16 and int8, and of everything else in float32
PEAKS = {
    "hypothetical": ([1e12, 1e12, 1e12], 1e10),
    "tpu_v4": ([275e12, 275e12, 275e12], 8.6e12),
    "tpu_v5e": ([197e12, 197e12, 394e12], 6.1e12),
    "tpu_v5p": ([459e12, 459e12, 918e12], 14e12),
    "tpu_v6e": ([918e12, 918e12, 1836e12], 7.2e12),
    "a100_80": ([156e12, 312e12, 624e12], 19.5e12),
    "h100_sxm": ([495e12, 989e12, 1979e12], 66.9e12),
    "h200": ([495e12, 989e12, 1979e12], 66.9e12),
}

LINKS = {
    "tpu_v4": (300 * GB, "torus3d"),
    "tpu_v5e": (200 * GB, "torus2d"),
    "tpu_v5p": (600 * GB, "torus3d"),
    "tpu_v6e": (400 * GB, "torus2d"),
    "a100_80": (300 * GB, "switch"),
    "h100_sxm": (450 * GB, "switch"),
    "h200": (450 * GB, "switch"),
}

SHIPPED = sorted(MEMORIES)


def shipped_text(name):
    return (resources.files(hardware) / f"{name}.toml").read_text(encoding="utf-8")


def test_every_shipped_machine_is_in_the_tables():
    assert hardware.names() == SHIPPED == sorted(PEAKS)


@pytest.mark.parametrize("name", SHIPPED)
def test_memories_are_those_of_the_sources(name):
    machine = hardware.load(name)
    cores, capacities, bandwidth = MEMORIES[name]
    assert (machine.name, machine.cores) == (name, cores)
    assert [machine.total_capacity(memory) for memory in machine.memories] == capacities
    external = machine.memories[-1]
    assert (external.read, external.write, external.shared_bus) == (bandwidth, bandwidth, True)


@pytest.mark.parametrize("name", SHIPPED)
def test_peaks_are_those_of_the_sources(name):
    machine = hardware.load(name)
    matrix, general = PEAKS[name]
    dtypes = ("float32", "bfloat16", "int8")
    for kind in ("convolution", "product"):
        assert [machine.unit_for(kind).peak[dtype] for dtype in dtypes] == matrix
    for kind in set(hardware.KINDS) - {"convolution", "product"}:
        assert machine.unit_for(kind).peak["float32"] == general


@pytest.mark.parametrize("name", SHIPPED)
def test_links_are_those_of_the_sources(name):
    links = hardware.load(name).interconnect
    assert (links and (links.bandwidth, links.topology)) == LINKS.get(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_says_where_it_comes_from(name):
    lines = shipped_text(name).splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if re.search(r'= ("([0-9.]+|inf) ?[A-Za-z/]+"|[0-9.]+|\[[0-9, ]+\])', line):
            assert "#" in line or above.startswith("#"), line


@pytest.mark.parametrize("name", SHIPPED)
def test_a_path_reads_what_the_name_reads(name, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(shipped_text(name), encoding="utf-8")
    assert hardware.load(str(path)) == hardware.load(path) == hardware.load(name)


def test_data_types_are_those_of_numpy_and_ml_dtypes():
    for name in hardware.DTYPES:
        assert np.dtype(getattr(ml_dtypes, name, name)).name == name


# --- a machine by hand -------------------------------------------------------------------------

TEXT = """
name = "small"
description = "by hand"
cores = 4
overhead = "2 us"
overlap = 0.5
[[memory]]
name = "inner"
capacity = "64 KiB"
per_core = true
[[memory]]
name = "middle"
capacity = "1 MB"
read = "20 GB/s"
write = "10 GB/s"
[[memory]]
name = "outer"
capacity = "inf B"
bandwidth = "1.5 GB/s"
energy = "20 pJ/B"
[[unit]]
name = "matrix"
runs = ["convolution", "product"]
peak = { float32 = "1 TFLOP/s", bfloat16 = "2 TFLOP/s" }
granule = [8, 128, 64]
energy = "1 pJ/FLOP"
[[unit.sample]]
rows = 1024
channels = 64
columns = 32
taps = 9
rate = "80 GFLOP/s"
[[unit]]
name = "general"
runs = ["elementwise", "*"]
peak.float32 = "10 GFLOP/s"
[interconnect]
bandwidth = "50 GB/s"
latency = "1 us"
topology = "ring"
"""


def small():
    return hardware.parse(TEXT, "small.toml")


def test_a_file_reads_as_its_values_in_base_units():
    matrix = hardware.Unit(
        "matrix",
        ("convolution", "product"),
        {"float32": 1e12, "bfloat16": 2e12},
        (8, 128, 64),
        (hardware.Sample(1024, 64, 32, 9, 80e9),),
        1e-12,
    )
    general = hardware.Unit("general", ("elementwise", "*"), {"float32": 10e9})
    inner = hardware.Memory("inner", 65536, math.inf, math.inf, per_core=True)
    middle = hardware.Memory("middle", 1e6, 20e9, 10e9, shared_bus=False)
    outer = hardware.Memory("outer", math.inf, 1.5e9, 1.5e9, shared_bus=True, energy=20e-12)
    links = hardware.Interconnect(50e9, 1e-6, "ring")
    assert small() == hardware.Hardware(
        "small", "by hand", 4, (inner, middle, outer), (matrix, general), 2e-6, 0.5, links
    )


def test_parts_are_found_by_name_and_kind():
    machine = small()
    assert machine.memory("inner") is machine.memories[0]
    assert machine.total_capacity(machine.memory("inner")) == 4 * 64 * 1024
    assert machine.unit_for("product").name == "matrix"
    assert machine.unit_for("movement").name == "general"
    with pytest.raises(UserError, match="did you mean 'inner'"):
        machine.memory("iner")
    with pytest.raises(UserError, match="did you mean 'pooling'"):
        machine.unit_for("poling")


def test_a_kind_by_name_goes_before_the_rest():
    both = TEXT.replace('"convolution", "product"', '"*"').replace(
        '"elementwise", "*"', '"movement"'
    )
    machine = hardware.parse(both, "both.toml")
    assert machine.unit_for("movement").name == "general"
    assert machine.unit_for("product").name == "matrix"


# --- errors ------------------------------------------------------------------------------------

WRONG = [
    # what is replaced, by what, what the message must say
    ("overlap = 0.5", "overlap = = 0.5", r"not a TOML file: .*line 6"),
    ("cores = 4", "coers = 4", r"unknown field 'coers'; did you mean 'cores'"),
    (
        "per_core = true",
        "percore = true",
        r"unknown field 'inner.percore'; did you mean 'per_core'",
    ),
    ("granule =", "granul =", r"unknown field 'matrix.granul'; did you mean 'granule'"),
    ("taps = 9", "tap = 9", r"unknown field 'matrix.sample\[0\].tap'; did you mean 'taps'"),
    (
        'latency = "1 us"',
        'delay = "1 us"',
        r"unknown field 'interconnect.delay'; did you mean 'latency'",
    ),
    ('description = "by hand"', "", r"description is missing"),
    ("cores = 4", "", r"cores is missing"),
    ('overhead = "2 us"', "", r"overhead is missing"),
    ("overlap = 0.5", "", r"overlap is missing"),
    ('capacity = "1 MB"', "", r"middle.capacity is missing; add it, in B"),
    ('name = "middle"', "", r"memory\[1\].name is missing"),
    ('runs = ["convolution", "product"]', "", r"matrix.runs is missing"),
    ('peak.float32 = "10 GFLOP/s"', "", r"general.peak names no data type"),
    ('write = "10 GB/s"', "", r"middle.write is missing"),
    ("taps = 9", "", r"matrix.sample\[0\].taps is missing"),
    ('bandwidth = "1.5 GB/s"', "", r"outer.bandwidth is missing: external memory, the last"),
    ('topology = "ring"', "", r"interconnect.topology is missing"),
    ('"1 MB"', '"1"', r"middle.capacity: '1' has no unit; write it as '128 MiB'"),
    ('"1 MB"', "1000000", r"middle.capacity: '1000000' has no unit"),
    ('"1 MB"', '"one MB"', r"middle.capacity: 'one MB' is no number"),
    ('"1.5 GB/s"', '"1.5 GB"', r"outer.bandwidth: '1.5 GB' .*did you mean 'GB/s'"),
    ('"1.5 GB/s"', '"12 Gbit/s"', r"outer.bandwidth: '12 Gbit/s' has no valid unit"),
    ('"2 us"', '"2 ks"', r"overhead: '2 ks' has no valid unit.*valid: s, ms, us, ns"),
    ('"1 TFLOP/s"', '"1 TFLOPS"', r"matrix.peak.float32: .*did you mean 'TFLOP/s'"),
    ('"20 pJ/B"', '"20 pJ"', r"outer.energy: '20 pJ' .*did you mean 'pJ/B'"),
    ('"1 MB"', '"-1 MB"', r"middle.capacity: '-1 MB' is negative"),
    ('"1 MB"', '"0 MB"', r"middle.capacity must be above zero"),
    ('"1 MB"', '"nan MB"', r"middle.capacity: 'nan MB' is negative or not a number"),
    ('"1.5 GB/s"', '"-1 GB/s"', r"outer.bandwidth: '-1 GB/s' is negative"),
    ('"1.5 GB/s"', '"0 GB/s"', r"outer.bandwidth must be above zero"),
    ('"1.5 GB/s"', '"nan GB/s"', r"outer.bandwidth: 'nan GB/s' is negative or not a number"),
    ('"20 GB/s"', '"0 B/s"', r"middle.read must be above zero"),
    ('"1 TFLOP/s"', '"-1 TFLOP/s"', r"matrix.peak.float32: '-1 TFLOP/s' is negative"),
    ('"1 TFLOP/s"', '"0 TFLOP/s"', r"matrix.peak.float32 must be above zero"),
    ('"1 TFLOP/s"', '"nan TFLOP/s"', r"matrix.peak.float32: 'nan TFLOP/s' is negative or not"),
    ('"1 TFLOP/s"', '"inf FLOP/s"', r"matrix.peak.float32 must be finite"),
    ('"2 us"', '"-2 us"', r"overhead: '-2 us' is negative"),
    ('"2 us"', '"inf s"', r"overhead must be finite"),
    ('"80 GFLOP/s"', '"0 FLOP/s"', r"matrix.sample\[0\].rate must be above zero"),
    ("rows = 1024", "rows = 0", r"matrix.sample\[0\].rows must be above zero"),
    ("rows = 1024", "rows = 10.5", r"matrix.sample\[0\].rows must be a whole number"),
    ("cores = 4", "cores = 0", r"cores must be above zero"),
    ("cores = 4", "cores = true", r"cores must be a whole number"),
    ("cores = 4", 'cores = "4"', r"cores must be a whole number, not '4'"),
    ("per_core = true", "per_core = 1", r"inner.per_core must be true or false"),
    ('name = "middle"', 'name = "inner"', r"name 'inner' is given twice"),
    ('name = "general"', 'name = "matrix"', r"name 'matrix' is given twice"),
    ('name = "matrix"', 'name = "outer"', r"name 'outer' is given twice"),
    ('name = "middle"', 'name = "mid.dle"', r"name 'mid.dle' must be a word"),
    ('name = "middle"', 'name = "overlap"', r"name 'overlap' must be a word .* none of"),
    ('name = "small"', 'name = "small\\n"', r"name 'small\\n' must be a word"),
    ('"64 KiB"', '"250 KB"', r"inner.capacity: '250 KB' .*did you mean"),
    ('"64 KiB"', '"250 kB"', r"inner.capacity is 1e\+06 B in all and must be less than .* middle"),
    ('"product"]', '"produkt"]', r"matrix.runs: unknown kind 'produkt'; did you mean 'product'"),
    ('"product"]', '"elementwise"]', r"general.runs: 'elementwise' is run by matrix already"),
    ('"elementwise", "*"', '"elementwise"', r"none runs reduction, pooling, transcendental, move"),
    ('["elementwise", "*"]', "[]", r"general.runs is empty"),
    ('["elementwise", "*"]', '"*"', r"general.runs is '\*' and must be a list of texts"),
    ("bfloat16 =", "bfloat =", r"matrix.peak: unknown dtype 'bfloat'; did you mean 'bfloat16'"),
    ("overlap = 0.5", "overlap = 1.5", r"overlap must be 0 to 1, not 1.5"),
    ("overlap = 0.5", "overlap = -0.5", r"overlap must be 0 to 1"),
    ("overlap = 0.5", "overlap = nan", r"overlap must be 0 to 1"),
    ("overlap = 0.5", 'overlap = "half"', r"overlap is 'half' and must be a number from 0 to 1"),
    (
        'topology = "ring"',
        'topology = "rng"',
        r"interconnect.topology: unknown 'rng'; did you mean",
    ),
    ("[8, 128, 64]", "[8, 128]", r"matrix.granule must be three whole numbers"),
    ("[8, 128, 64]", "[8, 128, 0]", r"matrix.granule must be three whole numbers"),
    ("[8, 128, 64]", "[8, 128, 6.4]", r"matrix.granule is .* must be a list of whole numbers"),
    ('read = "20 GB/s"', 'bandwidth = "20 GB/s"', r"middle.bandwidth and write exclude each other"),
    ("[interconnect]", "[[interconnect]]", r"interconnect must be a table"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_a_wrong_file_is_refused_with_the_key_and_what_to_do(old, new, message):
    assert TEXT.count(old) == 1
    text = TEXT.replace(old, new)
    with pytest.raises(UserError, match=rf"^wrong.toml: .*{message}") as error:
        hardware.parse(text, "wrong.toml")
    assert "\n" not in str(error.value)


def test_an_endless_memory_may_stand_in_an_endless_one():
    machine = hardware.parse(TEXT.replace('"1 MB"', '"inf B"'), "endless.toml")
    assert math.isinf(machine.memory("middle").capacity)


def test_a_machine_needs_memory_in_the_form_of_tables():
    head = TEXT.split("[[memory]]")[0]
    with pytest.raises(UserError, match=r"memory: there is none"):
        hardware.parse(head, "none.toml")
    with pytest.raises(UserError, match=r"memory must be written as \[\[memory\]\]"):
        hardware.parse(head + "[memory]\nname = 'x'\n", "one.toml")


def test_a_machine_needs_units():
    text = TEXT.split("[[unit]]")[0]
    with pytest.raises(UserError, match="unit: none runs convolution, product, reduction"):
        hardware.parse(text, "none.toml")


def test_an_unknown_machine_is_refused_with_the_nearest():
    with pytest.raises(
        UserError, match=r"'tpu_v5'; did you mean 'tpu_v5.'.*valid: a100_80, .*toml"
    ):
        hardware.load("tpu_v5")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"missing.toml does not exist; .* hypothetical"):
        hardware.load(tmp_path / "missing.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UserError, match=r"folder.toml cannot be read: Is a directory"):
        hardware.load(tmp_path / "folder.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(UserError, match=r"latin.toml is not UTF-8 text"):
        hardware.load(tmp_path / "latin.toml")


# --- quantities --------------------------------------------------------------------------------

DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
SMALL = {"s": ("", "m", "u", "n"), "J/B": ("", "n", "p"), "J/FLOP": ("", "n", "p")}
DIVISORS = {"": 1, "m": 10**3, "u": 10**6, "n": 10**9, "p": 10**12}
UNITS = ("B", "B/s", "FLOP/s", "s", "J/B", "J/FLOP")

counts = st.integers(0, 2**53)
spaces = st.sampled_from(["", " ", "  "])


@given(counts, st.sampled_from([*DECIMAL.items(), *BINARY.items()]), spaces)
def test_prefixes_of_bytes_multiply(count, prefix, space):
    for unit in ("B", "B/s"):
        assert hardware.quantity(f"{count}{space}{prefix[0]}{unit}", unit) == float(
            count * prefix[1]
        )


@given(counts, st.sampled_from(sorted(DECIMAL)), spaces)
def test_prefixes_of_operations_multiply(count, prefix, space):
    text = f"{count}{space}{prefix}FLOP/s"
    assert hardware.quantity(text, "FLOP/s") == float(count * DECIMAL[prefix])


@given(counts, st.sampled_from([(u, p) for u, ps in SMALL.items() for p in ps]), spaces)
def test_prefixes_of_seconds_and_joules_divide(count, part, space):
    unit, prefix = part
    assert hardware.quantity(f"{count}{space}{prefix}{unit}", unit) == count / DIVISORS[prefix]


@given(st.floats(0, allow_nan=False), st.sampled_from(UNITS))
def test_what_is_spelled_reads_as_the_same_number(value, unit):
    assert hardware.quantity(hardware.spell(value, unit), unit) == value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (128 * MIB, "B", "128 MiB"),
        (32 * GB, "B", "32 GB"),
        (819 * GB, "B/s", "819 GB/s"),
        (1.5e12, "FLOP/s", "1.5 TFLOP/s"),
        (2e-6, "s", "2 us"),
        (0.4e-12, "J/FLOP", "0.4 pJ/FLOP"),
        (0.0, "s", "0 s"),
        (math.inf, "B", "inf B"),
    ],
)
def test_spelling_takes_the_short_prefix(value, unit, text):
    assert hardware.spell(value, unit) == text


@pytest.mark.parametrize("text", ["", "B", "1e999 B", "1 b", "1 2 B", "0x10 B", "1,5 B", "- 1 B"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(UserError, match=re.escape(repr(text))):
        hardware.quantity(text, "B")


# --- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_written_reads_as_the_same_machine(name):
    machine = hardware.load(name)
    assert hardware.parse(hardware.dumps(machine), "written.toml") == machine


def test_every_field_survives_writing():
    odd = dataclasses.replace(
        small(), description='a "quoted" \\ \t\x7f\nname', overhead=1 / 3, overlap=1 / 3
    )
    assert hardware.parse(hardware.dumps(odd), "written.toml") == odd
    endless = hardware.replace(small(), "middle.read", math.inf)
    assert hardware.parse(hardware.dumps(endless), "written.toml") == endless


def test_comments_stand_beside_their_numbers_or_above():
    keys = [*hardware.keys(small()), "cores", "matrix.granule", "outer.energy", "matrix.sample"]
    absent = {"inner.bandwidth", "middle.bandwidth"}  # never a bottleneck; read and write instead
    comments = {key: f"source of {key}\nand {'more ' * 20}" for key in keys if key not in absent}
    comments["outer.bandwidth"] = "measured"
    text = hardware.dumps(small(), comments)
    assert hardware.parse(text, "written.toml") == small()
    assert 'bandwidth = "1.5 GB/s"  # measured\n' in text
    assert all(f"# source of {key} and" in text for key in comments if key != "outer.bandwidth")
    assert max(map(len, text.splitlines())) <= 100
    with pytest.raises(ValueError, match=r"comments on outer.bandwith"):
        hardware.dumps(small(), {"outer.bandwith": "measured"})


# --- settings for sweeps -----------------------------------------------------------------------


def test_the_settings_of_a_machine():
    assert hardware.keys(small()) == [
        "overhead",
        "overlap",
        "inner.capacity",
        "inner.bandwidth",
        "middle.capacity",
        "middle.bandwidth",
        "middle.read",
        "middle.write",
        "outer.capacity",
        "outer.bandwidth",
        "matrix.peak.float32",
        "matrix.peak.bfloat16",
        "general.peak.float32",
        "interconnect.bandwidth",
        "interconnect.latency",
    ]


def get(machine, key):
    """Numbers that a setting stands for."""
    name, *field = key.split(".")
    if not field:
        return [getattr(machine, key)]
    if name == "interconnect":
        return [getattr(machine.interconnect, field[0])]
    if field[0] == "peak":
        return [unit.peak[field[1]] for unit in machine.units if unit.name == name]
    memory = machine.memory(name)
    fields = ("read", "write") if field[0] == "bandwidth" else (field[0],)
    return [getattr(memory, one) for one in fields]


@pytest.mark.parametrize("key", hardware.keys(small()))
def test_a_setting_changes_its_number_alone(key):
    values = {"overlap": 0.25, "inner.capacity": 1024.0, "outer.capacity": 1e9}
    before, value = small(), values.get(key, 300_000.0)
    after = hardware.replace(before, key, value)
    assert set(get(after, key)) == {value}
    assert before == small()
    related = {key, "middle.bandwidth"} if key.startswith("middle.") else {key}
    related |= {"middle.read", "middle.write"} if key == "middle.bandwidth" else set()
    for other in set(hardware.keys(before)) - related:
        assert get(after, other) == get(before, other)


def test_a_setting_may_be_text_with_a_unit():
    machine = hardware.replace(small(), "inner.capacity", "128KiB")
    assert machine.memory("inner").capacity == 131072
    assert hardware.replace(machine, "overlap", "0.75").overlap == 0.75


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inner.capacty", 1.0, r"unknown key 'inner.capacty'; did you mean 'inner.capacity'"),
        ("outer.read", 1.0, r"unknown key 'outer.read'; .*valid: .*outer.bandwidth"),
        ("matrix.peak", 1.0, r"unknown key 'matrix.peak'; .*matrix.peak.bfloat16"),
        ("inner.capacity", 1e6, r"inner.capacity=1000000.0: .* must be less than that of middle"),
        ("outer.bandwidth", 0.0, r"outer.bandwidth must be above zero"),
        ("outer.bandwidth", math.nan, r"outer.bandwidth must be above zero"),
        ("outer.bandwidth", "1 GB", r"did you mean 'GB/s'"),
        ("overlap", 2.0, r"overlap must be 0 to 1"),
        ("overlap", "much", r"overlap=much: must be a number from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_refused(key, value, message):
    with pytest.raises(UserError, match=rf"^small: .*{message}"):
        hardware.replace(small(), key, value)
