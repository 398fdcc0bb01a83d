"""A run's training program before it is compiled: of abstract shapes, so nothing is allocated."""

import jax
import jax.numpy as jnp

from resnets import data
from resnets.training import epoch
from resnets.training.setup import Plan
from resnets.training.state import DeviceData, Sums


def lower(plan: Plan) -> jax.stages.Lowered:
    """Lower what the run calls again and again: many steps on resident data, one on streamed."""
    recipe, dataset = plan.recipe, plan.dataset
    state, key, sums = (jax.eval_shape(f) for f in (plan.initial_state, plan.key, Sums.zero))
    number = jax.ShapeDtypeStruct((), jnp.int32)
    if isinstance(dataset, data.Streamed):
        batch = _examples(recipe.batch_size, dataset.image_shape)
        rate = jax.ShapeDtypeStruct((), jnp.float32)
        return epoch.run_step.lower(recipe, state, sums, batch, rate, key, number)
    images, labels = _examples(len(dataset.labels), dataset.image_shape)
    return epoch.run_steps.lower(
        recipe,
        state,
        dataset.splits["train"],
        DeviceData(images, labels),  # type: ignore[arg-type]
        jax.ShapeDtypeStruct((plan.steps_per_epoch,), jnp.float32),
        key,
        number,
        sums,
        number,
    )


def _examples(
    count: int, shape: tuple[int, int, int]
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return (
        jax.ShapeDtypeStruct((count, *shape), jnp.uint8),
        jax.ShapeDtypeStruct((count,), jnp.int32),
    )
