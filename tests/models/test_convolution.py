"""`convolve` is the convolution that JAX defines, in another shape for the CPU compiler."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from resnets.models.convolution import convolve

FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
NO_PAD = ((0, 0), (0, 0))
SAME = ((1, 1), (1, 1))

# name: image size, kernel size, strides, padding, dilation, groups
CASES = {
    "3x3": ((6, 6), (3, 3), (1, 1), SAME, (1, 1), 1),
    "1x1": ((4, 4), (1, 1), (1, 1), NO_PAD, (1, 1), 1),
    "1x1 strided over an odd size": ((5, 4), (1, 1), (2, 2), NO_PAD, (1, 1), 1),
    "1x1 strided and padded": ((5, 4), (1, 1), (2, 3), ((1, 0), (2, 1)), (1, 1), 1),
    "3x3 strided": ((7, 6), (3, 3), (2, 2), SAME, (1, 1), 1),
    "even kernel, unequal strides": ((7, 9), (2, 4), (2, 3), ((1, 0), (1, 2)), (1, 1), 1),
    "asymmetric padding": ((6, 5), (3, 3), (1, 1), ((2, 0), (0, 1)), (1, 1), 1),
    "cropping padding": ((6, 6), (3, 3), (1, 1), ((-1, 0), (1, -2)), (1, 1), 1),
    "dilated": ((8, 7), (3, 2), (1, 1), ((2, 2), (1, 0)), (2, 3), 1),
    "dilated and strided": ((9, 8), (3, 3), (2, 3), SAME, (2, 1), 1),
    "5x5 strided": ((9, 8), (5, 5), (2, 2), ((2, 2), (2, 1)), (1, 1), 1),
    "5x3 dilated": ((9, 8), (5, 3), (1, 1), ((2, 2), (1, 1)), (1, 2), 1),
    "leftover rows and columns": ((8, 8), (3, 3), (3, 3), NO_PAD, (1, 1), 1),
    "no channel is shared": ((5, 5), (3, 3), (2, 2), SAME, (1, 1), 4),
    "two groups on a small image": ((2, 2), (3, 3), (1, 1), SAME, (1, 1), 2),
    "3x3 on 2x2": ((2, 2), (3, 3), (1, 1), SAME, (1, 1), 1),
    "3x3 on 1x1": ((1, 1), (3, 3), (1, 1), SAME, (1, 1), 1),
    "5x4 on 3x2, asymmetric": ((3, 2), (5, 4), (1, 1), ((3, 1), (0, 2)), (1, 1), 1),
    "small image, padding beyond the kernel": ((2, 2), (3, 3), (1, 1), ((5, 0), (1, 4)), (1, 1), 1),
    "small image, strided": ((2, 2), (3, 3), (2, 2), SAME, (1, 1), 1),
    "larger in one direction only": ((2, 6), (3, 3), (1, 1), SAME, (1, 1), 1),
}
SMALL = CASES["3x3 on 2x2"]


def reference(x, kernel, strides, padding, dilation, groups):
    """The convolution that JAX's own gradients belong to."""
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def operands(case, dtype=np.float32):
    size, kernel_size, _, _, _, groups = case
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, *size, 4)).astype(dtype)
    return x, rng.standard_normal((*kernel_size, 4 // groups, 8)).astype(dtype)


def weighted_sum(y):
    """A scalar whose gradient by y differs at every element."""
    return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape))


def value_and_gradients(function, case):
    def loss(x, kernel):
        y = function(x, kernel, *case[2:])
        return weighted_sum(y), y

    return jax.value_and_grad(loss, (0, 1), has_aux=True)


def assert_close(actual, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5, rtol=2e-5), *(actual, expected)
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_value_and_both_gradients_equal_those_of_jax(case):
    @jit
    def both(x, kernel):
        return [value_and_gradients(f, case)(x, kernel) for f in (convolve, reference)]

    ((_, y), gradients), ((_, expected), expected_gradients) = both(*operands(case))
    assert y.shape == expected.shape
    assert_close((y, gradients), (expected, expected_gradients))


@pytest.mark.parametrize("name", ["3x3 strided", "3x3 on 2x2"])
def test_a_loop_over_steps_gives_the_same_values_and_gradients(name):
    case = CASES[name]
    x, kernel = operands(case)

    def in_a_loop(images, kernel):
        def step(total, x):
            y = convolve(x, kernel, *case[2:])
            return total + weighted_sum(jnp.tanh(y)), y

        return lax.scan(step, jnp.float32(0), images)

    def one_by_one(images, kernel):
        outputs = [reference(x, kernel, *case[2:]) for x in images]
        return sum(weighted_sum(jnp.tanh(y)) for y in outputs), jnp.stack(outputs)

    @jit
    def both(*args):
        return [jax.value_and_grad(f, (0, 1), has_aux=True)(*args) for f in (in_a_loop, one_by_one)]

    assert_close(*both(np.stack([x, -2 * x]), kernel))


def test_a_kernel_that_fits_nowhere_gives_an_empty_output():
    x, kernel = operands(((2, 2), (5, 5), (1, 1), SAME, (1, 1), 1))
    y = jax.eval_shape(lambda x, kernel: convolve(x, kernel, padding=SAME), x, kernel)
    assert y.shape == (2, 0, 0, 8)


def test_a_small_image_sees_the_taps_that_fall_on_it():
    """Output (r, c) sums x(i, j) times tap (i - r + top, j - c + left), where there is one."""
    case = CASES["5x4 on 3x2, asymmetric"]
    (height, width), (taps_down, taps_right), _, ((top, bottom), (left, right)), _, _ = case
    x, kernel = operands(case)
    shape = (height + top + bottom - taps_down + 1, width + left + right - taps_right + 1)
    expected = np.zeros((2, *shape, 8))
    for r, c, i, j in itertools.product(*map(range, (*shape, height, width))):
        down, across = i - r + top, j - c + left
        if 0 <= down < taps_down and 0 <= across < taps_right:
            expected[:, r, c] += np.asarray(x[:, i, j]) @ np.asarray(kernel[down, across])
    y = jit(lambda x, kernel: convolve(x, kernel, *case[2:]))(x, kernel)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["3x3 strided", "3x3 on 2x2"])
def test_the_gradients_are_the_adjoints_of_a_bilinear_map(name):
    """<y, dy> = <x, dx> = <kernel, dw>: what bilinearity asks, whatever the layout."""
    case = CASES[name]
    x, kernel = operands(case)
    (value, _), (dx, dw) = jit(value_and_gradients(convolve, case))(x, kernel)
    np.testing.assert_allclose([jnp.vdot(x, dx), jnp.vdot(kernel, dw)], [value] * 2, rtol=1e-4)


@pytest.mark.parametrize("name", ["3x3 strided", "1x1 strided over an odd size", "3x3 on 2x2"])
def test_the_dtype_of_the_operands_is_kept(name):
    case = CASES[name]
    shapes = [jax.ShapeDtypeStruct(a.shape, jnp.bfloat16) for a in operands(case)]

    def loss(x, kernel):
        y = convolve(x, kernel, *case[2:])
        return jnp.sum(y), y

    (_, y), gradients = jax.eval_shape(jax.value_and_grad(loss, (0, 1), has_aux=True), *shapes)
    assert {a.dtype for a in (y, *gradients)} == {jnp.dtype(jnp.bfloat16)}


def test_bfloat16_rounds_the_float32_result():
    @jit
    def relative_difference(x, kernel):
        y = convolve(x, kernel, *SMALL[2:]).astype(jnp.float32)
        exact = reference(x.astype(jnp.float32), kernel.astype(jnp.float32), *SMALL[2:])
        return jnp.linalg.norm(y - exact) / jnp.linalg.norm(exact)

    assert 0 < relative_difference(*operands(SMALL, jnp.bfloat16)) < 2**-7


def lowered(case, platform):
    trace = jax.jit(value_and_gradients(convolve, case)).trace(*operands(case))
    return trace.lower(lowering_platforms=(platform,)).as_text()


def test_the_platform_is_chosen_before_the_program_runs():
    compiled = jax.jit(value_and_gradients(convolve, SMALL)).lower(*operands(SMALL)).compile()
    assert " conditional(" not in compiled.as_text()


@pytest.mark.parametrize("name", ["3x3", "3x3 strided", "1x1 strided over an odd size", "dilated"])
def test_every_convolution_for_cpu_has_the_layout_that_needs_no_rewriting(name):
    text = lowered(CASES[name], "cpu")
    layouts = re.findall(r"dim_numbers = (.*?->\[[^]]*\])", text)
    count = 2 if CASES[name][1] == (1, 1) else 3  # whose kernel gradient is a product
    assert layouts == ["[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"] * count
    assert re.findall(r"lhs_dilate = (\[.*?\])", text) == ["[1, 1]"] * count
    assert text.count("stablehlo.dot") == 1  # that product, or the one that transposes


def test_a_small_image_takes_products_on_cpu_and_convolutions_elsewhere():
    on_cpu, on_tpu = lowered(SMALL, "cpu"), lowered(SMALL, "tpu")
    assert ("stablehlo.dot" in on_cpu, "stablehlo.convolution" in on_cpu) == (True, False)
    assert on_tpu.count("stablehlo.convolution") == 3
    assert "stablehlo.dot" not in on_tpu


def test_other_platforms_get_the_convolutions_that_jax_derives():
    case = CASES["3x3 strided"]

    def convolutions(function):
        trace = jax.jit(value_and_gradients(function, case)).trace(*operands(case))
        text = trace.lower(lowering_platforms=("tpu",)).as_text()
        lines = re.findall(r"stablehlo\.convolution.*", text)
        return sorted(re.sub(r"%\w+", "%", line) for line in lines)

    assert convolutions(convolve) == convolutions(reference)
    assert len(convolutions(convolve)) == 3
