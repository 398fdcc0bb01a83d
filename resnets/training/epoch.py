"""Many steps, and whole evaluations, in one call of the device; or one batch a call.

Where the data set lies on the device, order, augmentation and dropout follow from (seed, epoch,
step) alone, so there is no iterator state: a state and a seed determine the rest of the run. Where
batches arrive from the host, so do augmentation on the device and dropout.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from resnets.data.augmentation import evaluation_view
from resnets.training.state import DeviceData, Sums, TrainState, Variables
from resnets.training.step import Recipe, apply, cross_entropy, train_step, wrong

SHUFFLE, STEP = 1, 2  # streams folded into a run's key; 0 makes the initial values

OPTIONS = {"cpu": {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}}
"""Sums of batch normalisation by a library that takes an eighth of the time of XLA's loops.

Its convolutions, which are on by default with it, run on one thread.
"""


def _compiled(*static: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a training program, for the platform of its recipe; the state is given up."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.cache
        def program(platform: str) -> Callable[..., Any]:
            options = OPTIONS.get(platform)
            return jax.jit(
                function, static_argnums=static, donate_argnums=1, compiler_options=options
            )

        @functools.wraps(function)
        def run(recipe: Recipe, *arguments: Any) -> Any:
            return program(recipe.platform)(recipe, *arguments)

        return run

    return decorate


@_compiled(0, 2)
def run_steps(
    recipe: Recipe,
    state: TrainState,
    train_range: tuple[int, int],
    data: DeviceData,
    learning_rates: Float[Array, " steps_per_epoch"],
    key: PRNGKeyArray,
    stop: Int[Array, ""],
    sums: Sums,
    tolerated: Int[Array, ""],
) -> tuple[TrainState, Sums]:
    """Train from `state.step` until step `stop` of the same epoch, or one non-finite step too many.

    Where the steps are cut into calls changes nothing, as the sums go through all of them.

    Args:
      recipe: the run's recipe.
      state: the state to start from; its buffers are given up.
      train_range: first and last-plus-one example of the training split.
      data: the data set.
      learning_rates: of every step of this epoch.
      key: the run's key.
      stop: the step to end before; at most the end of the epoch.
      sums: over the steps before.
      tolerated: how many non-finite steps the sums may hold without an end.

    Returns:
      The state after the last step, and the sums with every finite step.
    """
    first, last = train_range
    steps_per_epoch = (last - first) // recipe.batch_size
    epoch = state.step // steps_per_epoch
    shuffle_key = jax.random.fold_in(jax.random.fold_in(key, SHUFFLE), epoch)
    order = first + jax.random.permutation(shuffle_key, last - first)
    step_key = jax.random.fold_in(key, STEP)

    def unfinished(carry: tuple[TrainState, Sums]) -> Array:
        return (carry[0].step < stop) & (carry[1].nonfinite <= tolerated)

    def one(carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
        state, sums = carry
        index = state.step % steps_per_epoch
        chosen = jax.lax.dynamic_slice(order, (index * recipe.batch_size,), (recipe.batch_size,))
        return _counted_step(
            recipe,
            state,
            sums,
            (data.images[chosen], data.labels[chosen]),
            learning_rates[index],
            step_key,
        )

    state, sums = jax.lax.while_loop(unfinished, one, (state, sums))
    return recipe.replicate(state), sums


@_compiled(0)
def run_step(
    recipe: Recipe,
    state: TrainState,
    sums: Sums,
    batch: tuple[UInt8[Array, "batch height width channels"], Int[Array, " batch"]],
    learning_rate: Float[Array, ""],
    key: PRNGKeyArray,
    tolerated: Int[Array, ""],
) -> tuple[TrainState, Sums]:
    """Train on one batch.

    Args:
      recipe: the run's recipe.
      state: the state to start from; its buffers are given up.
      sums: over the steps before.
      batch: images and labels.
      learning_rate: of this step.
      key: the run's key.
      tolerated: how many non-finite steps the sums may hold.

    Returns:
      The state after, and the sums with this step; after one non-finite step too many nothing is
      added.
    """
    step_key = jax.random.fold_in(key, STEP)
    after, counted = _counted_step(recipe, state, sums, batch, learning_rate, step_key)
    going = sums.nonfinite <= tolerated
    kept = jax.tree.map(lambda new, old: jnp.where(going, new, old), counted, sums)
    return recipe.replicate(after), recipe.replicate(kept)


def _counted_step(
    recipe: Recipe,
    state: TrainState,
    sums: Sums,
    batch: tuple[Array, Array],
    learning_rate: Array,
    step_key: PRNGKeyArray,
) -> tuple[TrainState, Sums]:
    """Return the state after a step, and sums with its loss if the step is finite.

    A guarded step that is not finite changes the step's number alone. What non-finite gradients do
    shows in the parameters or in what the optimiser remembers.
    """
    key = jax.random.fold_in(step_key, state.step)
    after, metrics = train_step(recipe, state, *batch, learning_rate, key)
    finite = jnp.isfinite(metrics["loss"])
    if recipe.guarded:
        finite = finite & _all_finite(after)
        unchanged = dataclasses.replace(state, step=after.step)
        after = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, unchanged)
    counted = Sums(
        sums.loss + jnp.where(finite, metrics["loss"], 0.0),
        sums.errors + jnp.where(finite, metrics["error"], 0.0),
        sums.count + finite.astype(jnp.int32),
        sums.nonfinite + (~finite).astype(jnp.int32),
    )
    return after, counted


def _all_finite(tree: Any) -> Array:
    floats = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.stack([jnp.all(jnp.isfinite(x)) for x in floats]).all()


@functools.partial(jax.jit, static_argnums=0)
def evaluate(
    recipe: Recipe,
    variables: Variables,
    data: DeviceData,
    start: Int[Array, ""],
    stop: Int[Array, ""],
    sums: Sums,
) -> Sums:
    """Add losses and errors of examples `start` to `stop - 1`, each exactly once, to sums.

    The last batch is filled up with examples that do not count, so any split works with any batch
    size and any number of devices. The loss is the plain cross-entropy, without label smoothing.
    """
    size = recipe.batch_size
    batches = (stop - start + size - 1) // size

    def one(batch: Array, sums: Sums) -> Sums:
        index = start + batch * size + jnp.arange(size)
        chosen = recipe.split_batch(jnp.minimum(index, stop - 1))
        examples = (data.images[chosen], data.labels[chosen], index < stop)
        return _counted_examples(recipe, variables, sums, examples)

    return jax.lax.fori_loop(0, batches, one, sums)


@functools.partial(jax.jit, static_argnums=0)
def evaluate_batch(
    recipe: Recipe,
    variables: Variables,
    sums: Sums,
    batch: tuple[
        UInt8[Array, "batch height width channels"], Int[Array, " batch"], Bool[Array, " batch"]
    ],
) -> Sums:
    """Add one batch's losses and errors to sums, as `evaluate` does.

    Args:
      recipe: the run's recipe.
      variables: of the model.
      sums: over the batches before.
      batch: images, labels, and where an example counts.
    """
    return recipe.replicate(_counted_examples(recipe, variables, sums, batch))


def _counted_examples(
    recipe: Recipe, variables: Variables, sums: Sums, batch: tuple[Array, Array, Array]
) -> Sums:
    images, labels, counts = batch
    logits = apply(recipe, variables, evaluation_view(images, recipe.preprocessing))
    losses = jnp.where(counts, cross_entropy(logits, labels, 0.0), 0.0)
    errors = (counts & wrong(logits, labels)).astype(jnp.float32)
    return dataclasses.replace(
        sums,
        loss=sums.loss + losses.sum(),
        errors=sums.errors + errors.sum(),
        count=sums.count + counts.sum(),
    )
