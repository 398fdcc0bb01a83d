"""Loop nests read from lowered programs, their windows, and what they must move at least."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from resnets.analysis import program
from resnets.analysis.convolutions import convolution_macs, product_macs
from resnets.analysis.nests import Axis, LoopNest, loop_nest, lower_bound
from resnets.analysis.ops import Op
from resnets.analysis.program import Type, Window

SMALL = st.integers(1, 4)


@st.composite
def axes(draw):
    """One spatial axis with at least one output."""
    inputs, taps, stride = draw(st.integers(1, 9)), draw(SMALL), draw(st.integers(1, 3))
    before, after = draw(st.integers(-1, 3)), draw(st.integers(-1, 3))
    input_dilation, kernel_dilation = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    left = (inputs - 1) * input_dilation + before + after - (taps - 1) * kernel_dilation
    assume(left >= 0)
    outputs = left // stride + 1
    return Axis(inputs, taps, outputs, stride, before, input_dilation, kernel_dilation)


@st.composite
def forward_convolutions(draw):
    """An operation in NHWC and HWIO."""
    places = draw(st.lists(axes(), min_size=1, max_size=2))
    batch, groups, channels, features = draw(SMALL), draw(SMALL), draw(SMALL), draw(SMALL)
    dims = tuple(range(len(places) + 2))
    window = Window(
        input_dims=dims,
        kernel_dims=(dims[-2], *dims[:-2], dims[-1]),
        output_dims=dims,
        strides=tuple(axis.stride for axis in places),
        padding=tuple((axis.before, 0) for axis in places),
        input_dilation=tuple(axis.input_dilation for axis in places),
        kernel_dilation=tuple(axis.kernel_dilation for axis in places),
        feature_groups=groups,
        batch_groups=1,
    )
    image = Type((batch, *(axis.inputs for axis in places), groups * channels), "bf16")
    kernel = Type((*(axis.taps for axis in places), channels, groups * features), "i8")
    result = Type((batch, *(axis.outputs for axis in places), groups * features), "f32")
    return operation("convolution", (image, kernel), result, window=window)


def operation(kind, operands, result, **attributes):
    return Op(kind, (0, 1), (2,), operands, (result,), (), "forward", "f", False, attributes)


def lowered(function, *shapes, kind="convolution"):
    """The last operation of a kind in a program of float32 arrays."""
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    module = jax.jit(function).lower(*arguments).compiler_ir("stablehlo")
    *_, found = (
        instruction
        for block in program.read(module).functions.values()
        for instruction in block.instructions
        if instruction.kind == kind
    )
    return operation(kind, found.operand_types, found.result_types[0], **found.attributes)


def sizes(op):
    """Bytes of both operands and the result."""
    return (*(kind.bytes for kind in op.operand_types), op.result_types[0].bytes)


@settings(deadline=None)
@given(forward_convolutions())
def test_a_forward_convolution_has_the_multiply_adds_and_bytes_of_the_operation(op):
    nest = loop_nest(op)
    expected = convolution_macs(op.operand_types, op.result_types[0], op.attributes["window"])
    assert (nest.macs, nest.valid_macs) == expected
    assert (nest.input_bytes, nest.kernel_bytes, nest.output_bytes) == sizes(op)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("operand", [0, 1])
def test_gradients_have_the_valid_multiply_adds_and_bytes_of_the_operation(groups, stride, operand):
    def convolve(x, w):
        dims = ("NHWC", "HWIO", "NHWC")
        padding = ((1, 1), (1, 1))
        return lax.conv_general_dilated(
            x, w, (stride, stride), padding, dimension_numbers=dims, feature_group_count=groups
        )

    x, w, side = (2, 8, 6, 4), (3, 3, 4 // groups, 6), 8 // stride
    dy = (2, side, 6 // stride, 6)
    op = lowered(lambda x, w, dy: jax.vjp(convolve, x, w)[1](dy)[operand], x, w, dy)
    nest = loop_nest(op)
    _, valid = convolution_macs(op.operand_types, op.result_types[0], op.attributes["window"])
    assert nest.groups == groups
    assert nest.valid_macs == valid
    assert (nest.input_bytes, nest.kernel_bytes, nest.output_bytes) == sizes(op)


def test_the_kernel_gradient_of_a_grouped_layer_splits_the_images_of_its_input():
    """Its input's batch is what the layer's channels were, its channels the layer's batch."""

    def convolve(x, w):
        dims = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, w, (1, 1), "VALID", dimension_numbers=dims, feature_group_count=2
        )

    def gradient(x, w, dy):
        return jax.vjp(convolve, x, w)[1](dy)[1]

    op = lowered(gradient, (5, 8, 8, 6), (3, 3, 3, 8), (5, 6, 6, 8))
    assert op.attributes["window"].batch_groups == 2
    nest = loop_nest(op)
    assert (nest.groups, nest.images, nest.channels, nest.features) == (2, 3, 5, 4)
    assert (nest.rows, nest.kernel_rows, nest.input_rows) == (3, 6, 8)


def test_a_product_is_a_convolution_of_one_tap():
    op = lowered(jnp.dot, (6, 5), (5, 7), kind="dot_general")
    nest = loop_nest(op)
    assert nest == LoopNest(1, 1, 6, 1, 7, 5, 6, 1)
    assert nest.macs == nest.valid_macs == 6 * 5 * 7
    assert (nest.input_bytes, nest.kernel_bytes, nest.output_bytes) == sizes(op)


@pytest.mark.parametrize("subscripts", ["bmk,bkn->bmn", "bkm,bnk->bmn", "mbk,kbn->bmn"])
def test_the_batch_of_a_product_becomes_groups(subscripts):
    lengths = {"b": 3, "m": 4, "k": 5, "n": 2}
    shapes = [[lengths[s] for s in term] for term in subscripts.split("->")[0].split(",")]
    op = lowered(lambda x, y: jnp.einsum(subscripts, x, y), *shapes, kind="dot_general")
    nest = loop_nest(op)
    expected = product_macs(op.operand_types, op.result_types[0], op.attributes["contracted"])
    assert (nest.groups, nest.channels, nest.macs) == (3, 5, expected)
    assert {nest.rows, nest.features} == {4, 2}


def convolution_3d(image, kernel, padding="SAME"):
    def convolve(x, w):
        dims = ("NDHWC", "DHWIO", "NDHWC")
        return lax.conv_general_dilated(x, w, (1, 1, 1), padding, dimension_numbers=dims)

    return lowered(convolve, image, kernel)


def test_an_outer_axis_without_a_window_is_more_images():
    op = convolution_3d((2, 3, 8, 8, 4), (1, 3, 3, 4, 5))
    nest = loop_nest(op)
    assert (nest.images, nest.rows, nest.columns) == (6, 8, 8)
    assert (
        nest.valid_macs
        == convolution_macs(op.operand_types, op.result_types[0], op.attributes["window"])[1]
    )


def test_windows_over_three_axes_are_left_out():
    assert loop_nest(convolution_3d((2, 3, 8, 8, 4), (3, 3, 3, 4, 5))) is None
    padded = ((1, 1), (1, 1), (1, 1))
    assert loop_nest(convolution_3d((2, 3, 8, 8, 4), (1, 3, 3, 4, 5), padded)) is None


def test_other_and_empty_operations_have_no_nest():
    full, empty = Type((2, 2), "f32"), Type((0, 2), "f32")
    assert loop_nest(operation("add", (full, full), full)) is None
    assert loop_nest(operation("dot_general", (empty, full), empty, contracted=(1,))) is None


def met(axis, output):
    """Inputs that the taps of an output meet."""
    positions = {i * axis.input_dilation: i for i in range(axis.inputs)}
    start = output * axis.stride - axis.before
    reached = (start + tap * axis.kernel_dilation for tap in range(axis.taps))
    return [positions[position] for position in reached if position in positions]


@settings(deadline=None)
@given(axes())
def test_what_an_axis_touches_is_what_its_windows_meet(axis):
    inputs = [i for output in range(axis.outputs) for i in met(axis, output)]
    assert axis.touched[0] == len(set(inputs))
    assert axis.valid_taps == len(inputs)
    assert axis.reuse >= max((inputs.count(i) for i in set(inputs)), default=0)


@settings(deadline=None)
@given(axes(), st.integers(1, 9))
def test_tiles_fetch_at_least_what_they_meet_and_cover_the_axis(axis, tile):
    largest, total = axis.fetched(tile)
    starts = range(0, axis.outputs, tile)
    needs = [
        len({i for o in range(s, min(s + tile, axis.outputs)) for i in met(axis, o)})
        for s in starts
    ]
    assert largest >= max(needs)
    assert total >= max(axis.inputs, sum(needs))
    assert axis.fetched(axis.outputs) == (axis.inputs, axis.inputs)


def test_taps_that_meet_an_input_with_a_stride_and_a_dilation():
    assert Axis(56, 3, 56).reuse == 3
    assert Axis(56, 3, 28, stride=2).reuse == 2
    assert Axis(56, 3, 28, stride=2, kernel_dilation=2).reuse == 3  # odd inputs meet none
    assert Axis(58, 56, 3).reuse == 3  # each tap of a kernel's gradient is of another output


@settings(deadline=None)
@given(st.floats(1, 1e7))
def test_the_bound_of_a_product_is_the_published_one(capacity):
    """Smith et al. 2019: 2 m n k / sqrt(M) - 2 M elements, and each operand once."""
    nest = LoopNest(1, 1, 300, 1, 200, 100, 300, 1)
    elements = capacity / 4
    published = 4 * (2 * 300 * 200 * 100 / math.sqrt(elements) - 2 * elements)
    once = 4 * (300 * 100 + 100 * 200 + 300 * 200)
    assert lower_bound(nest, capacity) == pytest.approx(max(published, once))


def test_the_bound_of_a_convolution_allows_for_the_taps_that_share_an_input():
    nest = LoopNest(1, 8, 14, 14, 256, 256, 14, 14, 3, 3, padding_before=(1, 1))
    elements = 1000
    expected = 2 * nest.valid_macs / math.sqrt(9 * elements) - 2 * elements
    assert lower_bound(nest, 4 * elements) == pytest.approx(4 * expected)


def test_without_a_limit_the_bound_is_what_is_touched():
    """A 1x1 convolution of stride 2 reads every fourth position."""
    nest = LoopNest(1, 2, 4, 4, 5, 3, 8, 8, stride=(2, 2))
    assert lower_bound(nest, math.inf) == nest.input_bytes / 4 + nest.kernel_bytes + (
        nest.output_bytes
    )
    assert lower_bound(nest, 0) == math.inf


@settings(max_examples=30, deadline=None)
@given(forward_convolutions(), st.floats(1, 1e4), st.floats(1, 1e4))
def test_the_bound_never_rises_with_capacity_and_grows_with_groups(op, first, second):
    nest = loop_nest(op)
    small, large = sorted((first, second))
    assert lower_bound(nest, small) >= lower_bound(nest, large)
    more = dataclasses.replace(nest, groups=2 * nest.groups)
    assert lower_bound(more, small) >= lower_bound(nest, small)
