"""Tilings against loop nests that are walked step by step, and against closed forms."""

import dataclasses
import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resnets.analysis.nests import LoopNest
from resnets.analysis.tiling import ORDERS, lower_bound, tilings

WEIGHTS = ((1, 1, 1), (1, 0.25, 4), (0, 1, 1))


@st.composite
def nests(draw, largest=4):
    """Small convolutions of every kind of window."""
    axes = []
    for _ in range(2):
        inputs, taps = draw(st.integers(1, largest + 2)), draw(st.integers(1, 3))
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        spread = draw(st.integers(1, 2))
        before, after = draw(st.integers(-1, 2)), draw(st.integers(-1, 2))
        left = (inputs - 1) * spread + before + after - (taps - 1) * dilation
        assume(left >= 0)
        axes.append((left // stride + 1, inputs, taps, stride, dilation, spread, before))
    outputs, inputs, taps, *how = zip(*axes, strict=True)
    counts = [draw(st.integers(1, n)) for n in (2, 3)]
    depths = [draw(st.integers(1, largest)) for _ in range(2)]
    elements = [draw(st.sampled_from((1, 2, 4))) for _ in range(3)]
    return LoopNest(*counts, *outputs, *depths, *inputs, *taps, *how, *elements)


def cuts(extent, size):
    return [range(start, min(start + size, extent)) for start in range(0, extent, size)]


def inputs_of(axis, part):
    """How many inputs a tile of outputs takes: all between its windows' ends, borders included."""
    low = part[0] * axis.stride - axis.before if part[0] else -math.inf
    window = (axis.taps - 1) * axis.kernel_dilation + 1
    high = max(part[-1] * axis.stride + window, (part[-1] + 1) * axis.stride) - axis.before
    high = math.inf if part[-1] == axis.outputs - 1 else high
    return sum(low <= i * axis.input_dilation < high for i in range(axis.inputs))


def places(nest, rows, images, columns):
    """Of each tile of output positions: input and output positions."""
    if (rows, columns) == (nest.rows, nest.columns):
        return [
            (len(part) * nest.input_rows * nest.input_columns, len(part) * rows * columns)
            for part in cuts(nest.images, images)
        ]
    down, across = nest.axes
    down = [(inputs_of(down, part), len(part)) for part in cuts(nest.rows, rows)]
    across = [(inputs_of(across, part), len(part)) for part in cuts(nest.columns, columns)]
    return [(a * c, b * d) for (a, b), (c, d) in itertools.product(down, across)] * nest.images


def tiles(nest, features, rows, images, columns, channels):
    """Sizes of the tiles of the three loops."""
    return {
        "k": [len(part) for part in cuts(nest.features, features)],
        "r": places(nest, rows, images, columns),
        "c": [len(part) for part in cuts(nest.channels, channels)],
    }


def working_set(nest, loops, double_buffered=False):
    positions, results = (max(column) for column in zip(*loops["r"], strict=True))
    k, c = max(loops["k"]), max(loops["c"])
    held = (
        ("rc", nest.input_size * positions * c),
        ("ck", nest.kernel_size * nest.kernel_rows * nest.kernel_columns * c * k),
        ("rk", nest.output_size * results * k),
    )
    trips = {on: nest.groups * math.prod(len(loops[loop]) for loop in on) for on, _ in held}
    return sum(size * (2 if double_buffered and trips[on] > 1 else 1) for on, size in held)


def walk(nest, loops, order):
    """Traffic of input, kernel and output, iteration by iteration."""
    taps = nest.kernel_rows * nest.kernel_columns
    read = kernel = output = 0
    held, started = {}, set()
    for group in range(nest.groups):
        for indices in itertools.product(*(range(len(loops[loop])) for loop in order)):
            at = dict(zip(order, indices, strict=True))
            k, r, c = at["k"], at["r"], at["c"]
            if held.get("input") != (group, r, c):
                held["input"] = (group, r, c)
                read += nest.input_size * loops["r"][r][0] * loops["c"][c]
            if held.get("kernel") != (group, c, k):
                held["kernel"] = (group, c, k)
                kernel += nest.kernel_size * taps * loops["c"][c] * loops["k"][k]
            if held.get("output") != (group, r, k):
                held["output"] = (group, r, k)
                again = (group, r, k) in started
                started.add((group, r, k))
                size = nest.output_size * loops["r"][r][1] * loops["k"][k]
                output += size * (2 if again else 1)  # partial sums are read, and all is written
    return read, kernel, output


def all_tilings(nest, double_buffered=False):
    """Working set and traffic of everything that is allowed, without any cleverness."""

    def of(cut):
        found = set()
        for features in range(1, nest.features + 1):
            for channels in range(1, nest.channels + 1):
                loops = tiles(nest, features, *cut, channels)
                held = working_set(nest, loops, double_buffered)
                found |= {(held, *walk(nest, loops, order)) for order in ORDERS}
        return found

    images = [(nest.rows, images, nest.columns) for images in range(1, nest.images + 1)]
    rows = [(rows, 1, nest.columns) for rows in range(1, nest.rows)]
    found = set().union(*(of(cut) for cut in images + rows))
    smallest = min(found)[0]
    columns = set().union(*(of((1, 1, columns)) for columns in range(1, nest.columns)))
    return found | {row for row in columns if row[0] < smallest}


def weighted(weights, traffic):
    return sum(weight * size for weight, size in zip(weights, traffic, strict=True))


def traffic(tiling):
    return tiling.input_bytes, tiling.kernel_bytes, tiling.output_bytes


@settings(max_examples=100, deadline=None)
@given(nests(), st.booleans(), st.lists(st.floats(0, 1.2), min_size=3, max_size=3))
def test_the_best_is_the_least_of_all_tilings_and_above_the_bound(nest, double_buffered, shares):
    found = tilings(nest, double_buffered)
    possible = all_tilings(nest, double_buffered)
    largest = max(row[0] for row in possible)
    assert found.smallest == min(possible)[0]
    for share, weights in zip(shares, WEIGHTS, strict=True):
        capacity = found.smallest * (largest / found.smallest) ** share
        index = found.best(capacity, weights)
        fitting = [row[1:] for row in possible if row[0] <= capacity]
        assert (index is None) == (not fitting)
        if index is not None:
            least = min(weighted(weights, row) for row in fitting)
            chosen = weighted(weights, traffic(found[index]))
            assert chosen == pytest.approx(least, rel=1e-9)
            assert found[index].bytes >= lower_bound(nest, capacity) * (1 - 1e-9)


@settings(max_examples=50, deadline=None)
@given(nests(largest=5), st.booleans())
def test_every_tiling_moves_and_holds_what_walking_it_does(nest, double_buffered):
    found = tilings(nest, double_buffered)
    for index in range(0, len(found), 1 + len(found) // 20):
        tiling = found[index]
        sizes = (tiling.features, tiling.rows, tiling.images, tiling.columns, tiling.channels)
        loops = tiles(nest, *sizes)
        assert traffic(tiling) == walk(nest, loops, tiling.order)
        assert tiling.working_set == working_set(nest, loops, double_buffered)


RESNET = {
    "56x56 3x3": LoopNest(1, 1, 56, 56, 64, 64, 56, 56, 3, 3, padding_before=(1, 1)),
    "7x7 1x1": LoopNest(1, 128, 7, 7, 512, 2048, 7, 7, input_size=2, kernel_size=2, output_size=2),
    "stem": LoopNest(
        1, 8, 112, 112, 64, 3, 224, 224, 7, 7, (2, 2), padding_before=(3, 3), output_size=2
    ),
    "depthwise": LoopNest(96, 4, 28, 28, 1, 1, 28, 28, 3, 3, padding_before=(1, 1)),
    "strided": LoopNest(1, 4, 28, 28, 128, 64, 56, 56, stride=(2, 2)),
}
CAPACITIES = [int(10 ** (power / 8)) for power in range(72)]
layers = pytest.mark.parametrize("nest", RESNET.values(), ids=RESNET)


@layers
@pytest.mark.parametrize("weights", WEIGHTS)
def test_more_capacity_never_means_more_traffic(nest, weights):
    found = tilings(nest)
    chosen = [found.best(capacity, weights) for capacity in CAPACITIES]
    moved = [weighted(weights, traffic(found[i])) for i in chosen if i is not None]
    assert moved == sorted(moved, reverse=True)
    assert len(moved) == sum(capacity >= found.smallest for capacity in CAPACITIES)


@layers
def test_what_is_chosen_fits_and_moves_no_less_than_the_bound(nest):
    for double_buffered in (False, True):
        found = tilings(nest, double_buffered)
        for capacity in CAPACITIES:
            index = found.best(capacity)
            if index is not None:
                assert found[index].working_set <= capacity
                assert found[index].bytes >= lower_bound(nest, capacity) * (1 - 1e-9)


@layers
def test_without_a_limit_every_operand_moves_once(nest):
    found = tilings(nest)
    tiling = found[found.best(math.inf)]
    assert traffic(tiling) == (nest.input_bytes, nest.kernel_bytes, nest.output_bytes)
    assert min(found.traffic[0]) == nest.input_bytes
    same = (found.traffic == found.traffic[:, [found.best(math.inf)]]).all(0)
    assert tiling.working_set == min(found.working_set[same])


@layers
def test_the_smallest_tile_always_fits(nest):
    """One feature, one position, one channel: the window, its taps and a sum."""
    found = tilings(nest)
    held = working_set(nest, tiles(nest, 1, 1, 1, 1, 1))
    assert found.smallest <= held
    assert found.best(held) is not None
    assert found.best(found.smallest - 1) is None


@layers
def test_no_tiling_beats_another_and_they_stand_in_order(nest):
    found = tilings(nest)
    assert (found.working_set[1:] >= found.working_set[:-1]).all()
    for index in range(0, len(found), 1 + len(found) // 50):
        no_worse = (found.traffic <= found.traffic[:, index, None]).all(0)
        no_worse &= found.working_set <= found.working_set[index]
        assert no_worse.sum() == 1


@layers
def test_second_buffers_need_more_capacity_for_the_same_traffic(nest):
    single, double = tilings(nest), tilings(nest, double_buffered=True)
    for capacity in CAPACITIES:
        index = double.best(capacity)
        if index is not None:
            assert single[single.best(capacity)].bytes <= double[index].bytes
    whole = double[double.best(math.inf)]
    assert whole.bytes == single[single.best(math.inf)].bytes


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_every_cut_between_rows_of_a_3x3_window_fetches_two_rows_more(rows):
    nest = LoopNest(1, 1, 8, 8, 1, 1, 8, 8, 3, 3, padding_before=(1, 1))
    row, cuts = 4 * 8, 8 // rows - 1
    largest = rows + 2 if cuts > 1 else rows + 1  # at a border one row of the window is padding
    found = tilings(nest)
    tiling = found[found.best(4 * 9 + row * (largest + rows))]
    assert tiling.rows == rows
    assert tiling.input_bytes == nest.input_bytes + 2 * row * cuts
    assert (tiling.kernel_bytes, tiling.output_bytes) == (nest.kernel_bytes, nest.output_bytes)


def test_columns_are_cut_where_no_row_fits():
    nest = RESNET["56x56 3x3"]
    found = tilings(nest)
    row = working_set(nest, tiles(nest, 1, 1, 1, 56, 1))
    assert found[found.best(row - 1)].columns < 56
    rows, images, columns = found.sizes[1:4]
    assert max(found.working_set[columns < 56]) < row
    assert (rows * images)[columns < 56].max() == 1


@settings(max_examples=30, deadline=None)
@given(nests(), st.integers(2, 5), st.floats(1, 500))
def test_groups_cost_what_one_of_them_costs_each(nest, groups, capacity):
    one = tilings(dataclasses.replace(nest, groups=1))
    many = tilings(dataclasses.replace(nest, groups=groups))
    index = one.best(capacity)
    assert many.best(capacity) == index
    if index is not None:
        assert traffic(many[index]) == tuple(groups * size for size in traffic(one[index]))
        assert many[index].working_set == one[index].working_set


def test_a_product_with_room_for_a_square_of_sums_moves_each_operand_once_a_block():
    """Blocks of b x b sums, one channel at a time: 2 n^3 / b reads and n^2 writes."""
    n = 64
    nest = LoopNest(1, 1, n, 1, n, n, n, 1, input_size=1, kernel_size=1, output_size=1)
    found = tilings(nest)
    for b in (4, 8, 16, 32):
        tiling = found[found.best(b * b + 2 * b)]
        assert (tiling.rows, tiling.features, tiling.channels) == (b, b, 1)
        assert tiling.order.endswith("c")
        assert tiling.bytes == 2 * n**3 // b + n * n


def test_a_product_with_room_for_one_operand_moves_all_once():
    """The kernel stays, and rows pass by: n k + n + k elements."""
    nest = LoopNest(1, 1, 1000, 1, 20, 30, 1000, 1)
    found, needed = tilings(nest), 4 * (20 * 30 + 20 + 30)
    assert found[found.best(needed)].bytes == 4 * (1000 * 30 + 30 * 20 + 1000 * 20)
    assert found[found.best(needed - 1)].bytes > found[found.best(needed)].bytes


def test_a_dear_output_is_never_moved_twice_and_a_dear_kernel_stays():
    nest = RESNET["7x7 1x1"]
    found = tilings(nest)
    for capacity in (2**10, 2**14, 2**18):
        assert found[found.best(capacity, (1, 1, 1e6))].output_bytes == nest.output_bytes
        assert found[found.best(capacity, (1, 1e6, 1))].kernel_bytes == nest.kernel_bytes
