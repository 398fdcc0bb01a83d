"""Charts of projections: what stands in them is what the projection says, and all of it is seen."""

import dataclasses
import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnets.analysis import charts, hardware
from resnets.analysis.chart_titles import fullest
from resnets.analysis.hardware import Hardware, Memory, Unit
from resnets.analysis.nests import LoopNest
from resnets.analysis.projection import OVERHEAD, project
from resnets.analysis.schedule import Product, Schedule
from resnets.drawing.axes import prefixed, spelled, spread
from resnets.drawing.roofline import NO_BYTES, NO_WORK, NORMAL
from resnets.drawing.sweep import geometric
from resnets.errors import RunError, UserError
from tests.analysis.schedules import chain, step

FLOAT = "float32"


NEST = LoopNest(1, 1, 8, 8, 16, 16, 8, 8, 3, 3, padding_before=(1, 1))
"""Input and output take 4096 bytes, the kernel 9216."""


def network(blocks=2, phases=("forward",), stages=3):
    """Blocks of a convolution and element-wise work, one after the other; a weight in each."""
    sizes, steps, last = {0: 4096}, [], 0
    for phase, stage, block, part in itertools.product(
        phases, range(1, stages + 1), range(blocks), ("conv", "bn")
    ):
        kind = "convolution" if part == "conv" else "elementwise"
        weight, result = len(sizes), len(sizes) + 1
        sizes |= {weight: 9216, result: 4096}
        made = step(
            [(last, 4096), (weight, 9216)],
            [result],
            f"stage{stage}/block{block}/{part}",
            ((kind, FLOAT, 100_000 * stage),),
            Product(NEST, last, weight, result) if part == "conv" else None,
        )
        steps.append(dataclasses.replace(made, phase=phase, kind=kind))
        last = result
    made = set(range(2, last + 1, 2))
    return Schedule(tuple(steps), sizes, frozenset(sizes.keys() - made), frozenset({last}))


def machine(**changes):
    """Two memories, two units, an overhead; nothing overlaps fully."""
    made = Hardware(
        "machine",
        "a machine of tests",
        1,
        (Memory("inside", 20_000, 5e9, 5e9), Memory("outside", math.inf, 1.5e9, 1.5e9)),
        (
            Unit("array", ("convolution", "product"), {FLOAT: 2e12}),
            Unit("rest", ("*",), {FLOAT: 3e10}),
        ),
        1e-6,
        0.5,
    )
    return dataclasses.replace(made, **changes)


@pytest.fixture(scope="module")
def projection():
    return project(network(), machine())


@pytest.fixture(scope="module")
def training():
    return project(network(4, ("forward", "backward", "optimizer")), machine())


def words(svg):
    """All texts with the box that each takes: left, top, right, bottom, in the picture's pixels."""
    found = []

    def walk(element, x, y, turned):
        for number in re.findall(r"translate\(([^)]*)\)", element.get("transform", "")):
            dx, dy = ([*map(float, re.split("[ ,]+", number)), 0.0])[:2]
            x, y = x + dx, y + dy
        turned = turned or "rotate(-90)" in element.get("transform", "")
        if element.tag.endswith("text") and element.text:
            size = float(element.get("font-size", "12px").removesuffix("px"))
            # Narrower than the letters are: the test must not fail for what can be read.
            wide = 0.45 * size * len(element.text)
            start = {"end": -wide, "middle": -wide / 2}.get(element.get("text-anchor", ""), 0.0)
            across = (start, -0.7 * size, start + wide, 0.0)
            if turned:
                across = (across[1], -across[2], 0.0, -across[0])
            box = (x + across[0], y + across[1], x + across[2], y + across[3])
            found.append((element.text, box))
        for child in element:
            walk(child, x, y, turned)

    walk(ElementTree.fromstring(svg), 0.0, 0.0, turned=False)
    return found


def assert_readable(svg):
    """No text leaves the picture, and no two lie on each other."""
    _, _, width, height = map(float, ElementTree.fromstring(svg).get("viewBox").split())
    texts = words(svg)
    for text, (left, top, right, bottom) in texts:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= width, text
        assert bottom <= height, text
    for n, (text, one) in enumerate(texts):
        for other, two in texts[n + 1 :]:
            apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
            assert apart, (text, other)


def everything(svg):
    """All words, those of broken lines together."""
    found = ElementTree.fromstring(svg).itertext()
    return " ".join(part for part in found if part.strip()).replace("\u00a0", " ")


def texts(svg):
    return [text for text, _ in words(svg)]


# --- the layers and the roofs --------------------------------------------------------------------


def test_every_layer_is_one_dot_and_one_bar(training):
    names = {(s.step.layer, s.step.phase) for s in training.steps}
    dots = charts.layer_dots(training)
    assert sorted(dot.name for dot in dots) == sorted(" ".join(name) for name in names)
    assert sum(dot.share for dot in dots) == pytest.approx(1)
    bars, what = charts.layer_bars(training, most=len(names))
    assert (len(bars), what) == (len(names), "layer")
    assert {(bar.label, bar.panel) for bar in bars} == names


def test_a_dot_stands_where_its_steps_add_up(projection):
    [dot] = [d for d in charts.layer_dots(projection) if d.name == "stage2/block1/conv forward"]
    [time] = [s for s in projection.steps if s.step.layer == "stage2/block1/conv"]
    moved = time.read["outside"] + time.written["outside"]
    assert dot.intensity == pytest.approx(200_000 / moved)
    assert dot.reached == pytest.approx(200_000 / time.estimate)
    assert (dot.kind, dot.mark) == ("convolution", NORMAL)


def test_no_dot_lies_above_the_roofs(training):
    rates = {roof.label[0]: roof.rate for roof in charts.slopes(training)}
    top = max(roof.rate for roof in charts.levels(training))
    for dot in charts.layer_dots(training):
        assert dot.reached <= min(dot.intensity * rates["outside"], top) * (1 + 1e-9)


@pytest.mark.parametrize("name", hardware.names())
def test_roofs_are_the_numbers_of_the_hardware_file(name):
    made = hardware.load(name)
    drawn = project(network(), made)
    outer = made.memories[-1]
    assert [(r.label, r.rate) for r in charts.slopes(drawn)][-1] == (
        (outer.name, hardware.spell(outer.read, "B/s")),
        outer.read,
    )
    finite = [memory for memory in made.memories if not math.isinf(memory.read)]
    assert len(charts.slopes(drawn)) == len(finite)
    wanted = {
        (f"{unit.name} {hardware.spell(unit.peak[FLOAT], 'FLOP/s')}", FLOAT): unit.peak[FLOAT]
        for unit in made.units
    }
    assert {roof.label: roof.rate for roof in charts.levels(drawn)} == wanted
    svg = charts.roofline(drawn).svg
    assert {label for label, _ in wanted} <= set(texts(svg))


def test_separate_buses_limit_together():
    memories = (machine().memories[0], Memory("outside", math.inf, 1e9, 2e9, shared_bus=False))
    drawn = project(network(), machine(memories=memories))
    roof = charts.slopes(drawn)[-1]
    assert (roof.rate, roof.label[1]) == (3e9, "1 GB/s read + 2 GB/s written")
    for dot in charts.layer_dots(drawn):
        assert dot.reached <= dot.intensity * roof.rate


def test_only_units_and_dtypes_that_are_used_are_roofs():
    work = (("convolution", "bfloat16", 10), ("convolution", FLOAT, 5))
    schedule = Schedule(
        (step([(0, 4)], [1], "a", work),), {0: 4, 1: 4}, frozenset({0}), frozenset({1})
    )
    array = Unit("array", ("convolution", "product"), {FLOAT: 1e12, "bfloat16": 1e12, "int8": 2e12})
    drawn = project(schedule, machine(units=(array, machine().units[1])))
    assert [roof.label for roof in charts.levels(drawn)] == [
        ("array 1 TFLOP/s", "bfloat16, float32")
    ]


def test_what_the_axes_have_no_place_for_is_marked_and_said():
    steps = (
        step([(0, 4)], [1], "first", (("elementwise", FLOAT, 8),)),
        step([(1, 4)], [2], "inside", (("elementwise", FLOAT, 8),)),
        step([(2, 4)], [3], "moves"),
    )
    schedule = Schedule(steps, dict.fromkeys(range(4), 4), frozenset({0}), frozenset({3}))
    drawn = project(schedule, machine(), tiling="once")
    assert [dot.mark for dot in charts.layer_dots(drawn)] == [NORMAL, NO_BYTES, NO_WORK]
    chart = charts.roofline(drawn)
    assert "layers without outside traffic (1)" in chart.caption
    assert "layers without operations (1)" in chart.caption
    assert {"no outside traffic", "no operations"} <= set(texts(chart.svg))


# --- where the time goes -------------------------------------------------------------------------


@pytest.mark.parametrize("most", [100, 40, 20, 12, 9, 5, 2])
def test_bars_add_up_to_the_upper_bound(training, most):
    bars, _ = charts.layer_bars(training, most)
    assert len(bars) <= most
    assert sum(sum(bar.segments.values()) for bar in bars) == pytest.approx(training.upper)
    assert sum(bar.tick for bar in bars) == pytest.approx(training.estimate)
    assert sum(bar.segments[OVERHEAD] for bar in bars) == pytest.approx(training.overhead)
    for name, seconds in training.resources.items():
        assert sum(bar.segments[name] for bar in bars) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("most", "what", "count"), [(72, "layer", 72), (71, "block", 36), (35, "stage", 9)]
)
def test_layers_fold_to_blocks_and_stages(training, most, what, count):
    bars, called = charts.layer_bars(training, most)
    assert (called, len(bars)) == (what, count)
    assert f"each {what}" in charts.layer_times(training, most).caption


def test_bars_stand_in_the_order_of_execution(training):
    bars, _ = charts.layer_bars(training, 9)
    wanted = [(f"stage{n}", p) for p in ("forward", "backward", "optimizer") for n in (1, 2, 3)]
    assert [(bar.label, bar.panel) for bar in bars] == wanted
    shown = texts(charts.layer_times(training, 9).svg)
    assert [text for text in shown if re.fullmatch(r"stage\d", text)] == [
        name for name, _ in wanted
    ]


def test_what_takes_least_stands_together_if_all_else_is_too_much(training):
    bars, _ = charts.layer_bars(training, 4)
    assert [bar.label for bar in bars][-1] == "6 others"
    assert len(bars) == 4


def test_the_axis_takes_the_prefix_that_suits(projection):
    assert "time, µs" in texts(charts.layer_times(projection).svg)
    slow = machine(overhead=1.0)
    assert "time, s" in texts(charts.layer_times(project(network(), slow)).svg)


# --- what a memory holds -------------------------------------------------------------------------


def test_occupancy_is_the_plan_s(training):
    filling = charts.memory_filling(training, "inside")
    plan = training.plans["outside"]
    assert max(filling.held) == max(plan.occupancy)
    assert (filling.capacity, filling.workspace) == (plan.capacity, plan.workspace)
    assert filling.times[-1] == pytest.approx(training.estimate)
    assert list(filling.times) == sorted(filling.times)
    kinds = plan.by_kind()
    for kind, name in (
        ("refetch", "fetched again"),
        ("spill", "spilled"),
        ("partial", "partial sums"),
    ):
        assert sum(filling.moved[name]) == kinds.get(kind, 0)
    assert [name for name, _, _ in filling.spans] == ["forward", "backward", "optimizer"]


def test_charts_say_what_comes_out_and_of_what(projection, training):
    """The finding is the title; network, batch, precision and machine stand below it."""
    of = "a network, inference, batch 8, bfloat16"
    for chart in charts.draw(projection, of):
        assert f"{of}, on machine: estimate" in everything(chart.svg)
    roofs, times, _ = (everything(chart.svg) for chart in charts.draw(projection))
    shares = {}
    for layer in charts.layers(projection):
        shares[layer.name] = layer.estimate / projection.estimate
    most = max(shares, key=shares.get)
    assert "On machine " in roofs
    assert f"{most} takes longest: " in times
    assert f"{100 * shares[most]:.0f} % of the time" in times
    filling = charts.memory_filling(training, "inside")
    held = everything(charts.occupancy(training, "inside").svg)
    assert f"inside holds at most {max(filling.held) / 1024:.3g} KiB" in held
    assert "and nothing moves for want of room" in held
    short = dataclasses.replace(filling, moved={"spilled": [1024, 2048]})
    assert fullest(short, "inside").endswith("for want of room 3 KiB more move")


def test_the_capacity_and_the_room_for_tiles_are_labelled(training):
    shown = texts(charts.occupancy(training, "inside").svg)
    assert "capacity 20 kB" in shown
    workspace = training.plans["outside"].workspace
    assert f"tiles {workspace / 1000:.4g} kB" in shown


def test_steps_that_take_no_time_do_not_pile_up():
    """Neither the area nor its outline leaves the plot: the picture is as high as without them."""
    plain, free = network(), step([], [], "nothing")
    idle = tuple(one for made in plain.steps for one in (made, *[free] * 8))
    high = []
    for steps in (plain.steps, idle):
        made = project(dataclasses.replace(plain, steps=steps), machine(overhead=0.0))
        high.append(charts.occupancy(made, "inside").svg.split('viewBox="')[1].split('"')[0])
    assert high[0] == high[1]


def test_endless_memory_has_no_line():
    endless = machine(memories=(Memory("inside", math.inf), machine().memories[1]))
    shown = texts(charts.occupancy(project(network(), endless, tiling="once"), "inside").svg)
    assert not [text for text in shown if "capacity" in text or "tiles" in text]


@pytest.mark.parametrize("memory", ["outside", "between"])
def test_a_memory_without_a_plan_is_refused(projection, memory):
    with pytest.raises(UserError, match="inside"):
        charts.occupancy(projection, memory)


# --- all of them ---------------------------------------------------------------------------------

SLOW_LINK = Memory("outside", math.inf, 1.5e9, 1.5e9)
MACHINES = {
    "two": machine(),
    "three": machine(
        memories=(
            Memory("near", 9_000, 4e9, 4e9),
            Memory("inside", 20_000, 2e9, 2e9),
            SLOW_LINK,
        )
    ),
    "close": machine(
        units=tuple(
            Unit(f"unit{n}", kinds, {FLOAT: 1e12 * (1 + n / 50)})
            for n, kinds in enumerate((("convolution",), ("product",), ("*",)))
        )
    ),
    "alone": machine(memories=(SLOW_LINK,)),
    "unbound": machine(memories=(machine().memories[0], Memory("outside", math.inf))),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("phases", [("forward",), ("forward", "backward")], ids=len)
def test_every_text_can_be_read(name, phases):
    drawn = charts.draw(project(network(3, phases), MACHINES[name]))
    assert [chart.name for chart in drawn[:2]] == ["roofline", "layer_times"]
    for chart in drawn:
        assert_readable(chart.svg)
        assert chart.caption.endswith(".")


def test_the_reader_of_texts_finds_what_is_wrong():
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">'
    with pytest.raises(AssertionError, match="longer"):
        assert_readable(f'{head}<g transform="translate(90,20)"><text>longer</text></g></svg>')
    with pytest.raises(AssertionError, match="two"):
        assert_readable(f'{head}<text transform="translate(9,20)">one</text>'
                        '<g transform="translate(10,22)"><text>two</text></g></svg>')  # fmt: skip


def test_the_same_projection_gives_the_same_picture(training):
    assert charts.draw(training) == charts.draw(training)


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_to_do_is_drawn_all_the_same(name):
    """A step without work, without time where there is no overhead."""
    for schedule in (chain([4, 4]), chain([0, 0])):
        made = project(schedule, dataclasses.replace(MACHINES[name], overhead=0.0))
        drawn = charts.draw(made)
        assert drawn[0].name == "layer_times"
        for chart in (*drawn, charts.roofline(made)):
            assert_readable(chart.svg)


def test_no_steps_no_charts():
    empty = project(Schedule((), {}, frozenset(), frozenset()), machine())
    assert charts.draw(empty) == ()
    for draw in (charts.roofline, charts.layer_times, lambda p: charts.occupancy(p, "inside")):
        with pytest.raises(UserError, match="no steps"):
            draw(empty)


def test_files_are_written(projection, tmp_path):
    drawn = charts.draw(projection)
    charts.write(drawn, tmp_path / "new")
    names = {"roofline", "layer_times", "occupancy_inside"}
    assert {f.name for f in (tmp_path / "new").iterdir()} == {
        f"{name}.{end}" for name in names for end in ("svg", "png")
    }
    assert (tmp_path / "new" / "roofline.png").read_bytes().startswith(b"\x89PNG")
    assert 'fill="white"' in (tmp_path / "new" / "roofline.svg").read_text(encoding="utf-8")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        charts.write(drawn, tmp_path / "file")


# --- sweeps --------------------------------------------------------------------------------------


def swept(values, **more):
    return [{"inside.capacity": v, "time_s": 1e-3 * (1 + 1 / v)} | more for v in values]


def test_a_geometric_sweep_has_a_logarithmic_axis():
    assert geometric([1, 2, 4, 8])
    assert geometric([1e3, 1e4, 1e5])
    assert not geometric([1, 2, 3, 4])
    assert not geometric([0, 1, 2])
    assert not geometric([1, 2])
    shown = texts(charts.sweep(swept([1e9, 2e9, 4e9]), "inside.capacity").svg)
    assert {"1G", "2G", "4G", "inside.capacity", "time, ms"} <= set(shown)
    shown = texts(charts.sweep(swept([2**20, 2**21, 2**22]), "inside.capacity").svg)
    assert {"1Mi", "2Mi", "4Mi"} <= set(shown)


def test_two_settings_are_a_map_of_every_result():
    rows = [row | {"link": n} for n in (1, 2) for row in swept([1, 2, 3])]
    for number, row in enumerate(rows):
        row["time_s"] = 0.00123 + 0.001 * number
    chart = charts.sweep(rows, ["inside.capacity", "link"])
    shown = texts(chart.svg)
    assert [text for text in shown if text.endswith(".23")] == [f"{n}.23" for n in range(1, 7)]
    assert "framed" not in " ".join(shown)
    assert_readable(chart.svg)


@pytest.mark.parametrize("keys", [["inside.capacity"], ["inside.capacity", "link"]], ids=len)
def test_the_front_is_marked(keys):
    rows = [row | {"link": 1, "pareto": n == 1} for n, row in enumerate(swept([1, 2, 3]))]
    chart = charts.sweep(rows, keys)
    assert "Pareto" in chart.caption
    assert "Pareto front" in everything(chart.svg)
    assert_readable(chart.svg)


def test_settings_without_a_result_are_counted():
    rows = [*swept([1, 2, 3]), {"inside.capacity": 4, "time_s": None}]
    assert "1 of 4 settings" in charts.sweep(rows, "inside.capacity").caption


def test_sweeps_that_cannot_be_drawn_say_why():
    with pytest.raises(UserError, match="no row has a number for 'energy_j'"):
        charts.sweep(swept([1, 2]), "inside.capacity", "energy_j")
    with pytest.raises(UserError, match="not 3"):
        charts.sweep(swept([1]), ["a", "b", "c"])
    with pytest.raises(UserError, match="no 'link'"):
        charts.sweep(swept([1]), ["inside.capacity", "link"])


@pytest.mark.parametrize(
    "values", [[5], [0, 1], [-1, 1], ["float32", "int8"], [1, 10, 100]], ids=str
)
def test_any_values_can_be_swept(values):
    rows = [{"it": value, "time_s": 10.0**-n} for n, value in enumerate(values)]
    assert_readable(charts.sweep(rows, "it").svg)
    assert_readable(charts.sweep([row | {"that": 1} for row in rows], ["it", "that"]).svg)


# --- axes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [(3.352e12, "B/s", "3.352 TB/s"), (4.2e-6, "s", "4.2 µs"), (0, "s", "0 s"), (1, "s", "1 s")],
)
def test_numbers_take_the_prefix_that_makes_them_short(value, unit, wanted):
    assert spelled(value, unit) == wanted


def test_bytes_may_count_in_powers_of_two():
    assert prefixed(128 * 2**20, "B", binary=True) == (2.0**20, "MiB")


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(1, 40)), max_size=8))
@settings(deadline=None)
def test_labels_are_spread_within_the_picture(labels):
    wanted, sizes = [w for w, _ in labels], [s for _, s in labels]
    found = spread(wanted, sizes, 0.0, 400.0)
    ends = sorted((c - s / 2, c + s / 2) for c, s in zip(found, sizes, strict=True))
    for (_, end), (begin, _) in itertools.pairwise(ends):
        assert end <= begin + 1e-6
    assert all(low >= -1e-6 and high <= 400 + 1e-6 for low, high in ends)
