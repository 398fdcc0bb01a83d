"""Memory from lifetimes: closed forms, and this machine's compiler as the judge."""

import jax
import jax.numpy as jnp
import pytest

from resnets.analysis import liveness, program

ROWS, WIDTH = 1000, 64
ARRAY = 4 * ROWS * WIDTH
KERNEL = jax.ShapeDtypeStruct((WIDTH, WIDTH), jnp.float32)
IMAGES = jax.ShapeDtypeStruct((ROWS, WIDTH), jnp.float32)


def predicted(lowered):
    return liveness.temporary_bytes(program.read(lowered.compiler_ir("stablehlo")))


def compiled(lowered, **options):
    return lowered.compile(compiler_options=options).memory_analysis().temp_size_in_bytes


def gradient_of_blocks(length, remat):
    """Gradient of so many layers in a loop, which keep their inputs or more."""

    def block(x, kernel):
        return jnp.tanh(jnp.tanh(x @ kernel) @ kernel), None

    step = jax.checkpoint(block, prevent_cse=False) if remat else block

    def loss(kernels, images):
        return jnp.sum(jnp.square(jax.lax.scan(step, images, kernels)[0]))

    kernels = jax.ShapeDtypeStruct((length, WIDTH, WIDTH), jnp.float32)
    return jax.jit(jax.grad(loss)).lower(kernels, IMAGES)


def test_what_a_product_hands_to_the_next_is_all_that_two_of_them_need():
    lowered = jax.jit(lambda x, w: (x @ w) @ w).lower(IMAGES, KERNEL)
    assert predicted(lowered) == ARRAY == compiled(lowered)


def test_element_wise_work_needs_no_memory_of_its_own():
    plain = jax.jit(lambda x, w: (x @ w) @ w).lower(IMAGES, KERNEL)
    scaled = jax.jit(lambda x, w: (x @ (2.0 * w)) @ w - x).lower(IMAGES, KERNEL)
    assert predicted(scaled) == predicted(plain) + 4 * WIDTH * WIDTH  # a product reads 2 w


def test_arguments_and_outputs_are_not_counted():
    lowered = jax.jit(lambda x, w: x @ w).lower(IMAGES, KERNEL)
    read = program.read(lowered.compiler_ir("stablehlo"))
    assert liveness.temporary_bytes(read) == 0
    assert liveness.arguments_bytes(read) == ARRAY + 4 * WIDTH * WIDTH


def test_a_block_more_costs_its_input_where_the_rest_is_computed_again():
    few, many = (predicted(gradient_of_blocks(length, True)) for length in (4, 16))
    assert many - few == 12 * ARRAY


def test_a_block_more_costs_everything_that_it_keeps():
    few, many = (predicted(gradient_of_blocks(length, False)) for length in (4, 16))
    assert many - few >= 12 * 3 * ARRAY


@pytest.mark.parametrize("remat", [False, True])
def test_loops_need_what_the_compiler_allocates(remat):
    lowered = gradient_of_blocks(8, remat)
    assert predicted(lowered) == pytest.approx(compiled(lowered), rel=0.05)
