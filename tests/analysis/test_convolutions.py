"""Multiply-adds of convolutions against XLA's own count, and against counting by hand."""

import jax
import jax.numpy as jnp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from resnets.analysis import program
from resnets.analysis.convolutions import convolution_macs, valid_taps

SMALL = st.integers(1, 4)


@st.composite
def convolutions(draw):
    """A convolution as a function of image and kernel, with their shapes."""
    groups = draw(st.integers(1, 3))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    image = (draw(SMALL), draw(st.integers(1, 9)), draw(st.integers(1, 9)), inputs)
    kernel = (draw(SMALL), draw(SMALL), inputs // groups, outputs)
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    spread = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))

    def convolve(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            strides,
            padding,
            lhs_dilation=spread,
            rhs_dilation=dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    x, w = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (image, kernel))
    for size, taps, distance, gap, (low, high) in zip(
        image[1:3], kernel[:2], dilation, spread, padding, strict=True
    ):
        assume((size - 1) * gap + 1 + low + high >= (taps - 1) * distance + 1)
    return convolve, x, w


def counted(function, *arguments):
    """Our count of a program's last convolution, and XLA's of the whole program."""
    lowered = jax.jit(function).lower(*arguments)
    read = program.read(lowered.compiler_ir("stablehlo"))
    found = [
        instruction
        for block in read.functions.values()
        for instruction in block.instructions
        if instruction.kind == "convolution"
    ]
    last = found[-1]
    macs = convolution_macs(last.operand_types, last.result_types[0], last.attributes["window"])
    return macs, lowered.cost_analysis().get("flops", 0.0)


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_valid_flops_are_xlas_forward(case):
    convolve, x, w = case
    (_, valid), flops = counted(convolve, x, w)
    assert 2 * valid == flops


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_valid_flops_are_xlas_for_the_input_gradient(case):
    convolve, x, w = case
    dy = jax.eval_shape(convolve, x, w)
    (_, valid), flops = counted(lambda x, w, dy: jax.vjp(convolve, x, w)[1](dy)[0], x, w, dy)
    assert 2 * valid == flops


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_valid_flops_are_xlas_for_the_kernel_gradient(case):
    convolve, x, w = case
    dy = jax.eval_shape(convolve, x, w)
    (_, valid), flops = counted(lambda x, w, dy: jax.vjp(convolve, x, w)[1](dy)[1], x, w, dy)
    assert 2 * valid == flops


@given(
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(-2, 4),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_valid_taps_are_the_pairs_that_meet_the_input(
    size, taps, outputs, stride, before, input_dilation, kernel_dilation
):
    occupied = {position * input_dilation for position in range(size)}
    pairs = sum(
        output * stride + tap * kernel_dilation - before in occupied
        for output in range(outputs)
        for tap in range(taps)
    )
    arguments = (size, taps, outputs, stride, before, input_dilation, kernel_dilation)
    assert valid_taps(*arguments) == pairs


def test_padded_taps_count_in_the_papers_number():
    """A 3x3 layer on 4x4 positions: 16 x 9 taps, of which 100 meet the image."""
    x = jax.ShapeDtypeStruct((1, 4, 4, 1), jnp.float32)
    w = jax.ShapeDtypeStruct((3, 3, 1, 1), jnp.float32)
    dims = ("NHWC", "HWIO", "NHWC")
    (macs, valid), _ = counted(
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=dims), x, w
    )
    assert (macs, valid) == (144, 100)


def test_gradients_of_a_strided_layer_cost_what_the_layer_costs():
    x = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    w = jax.ShapeDtypeStruct((3, 3, 3, 5), jnp.float32)

    def convolve(x, w):
        dims = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (2, 2), ((1, 1), (1, 1)), dimension_numbers=dims)

    dy = jax.eval_shape(convolve, x, w)
    (forward, _), _ = counted(convolve, x, w)
    for index in (0, 1):
        (macs, _), _ = counted(
            lambda x, w, dy, index=index: jax.vjp(convolve, x, w)[1](dy)[index], x, w, dy
        )
        assert macs == forward == 2 * 4 * 4 * 9 * 3 * 5
