"""A run's training program before it is compiled: of abstract shapes, so nothing is allocated."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from resnets import data
from resnets.training import epoch
from resnets.training.setup import Plan
from resnets.training.state import DeviceData, Sums


def lower(plan: Plan) -> jax.stages.Lowered:
    """Lower what the run calls again and again: many steps on resident data, one on streamed.

    The shapes lie on the devices as the run's arrays will, which is part of their types: so the
    run finds the program traced and lowered.
    """
    recipe, dataset = plan.recipe, plan.dataset
    state, key, sums = (jax.eval_shape(f) for f in (plan.initial_state, plan.key, Sums.zero))
    everywhere, split = (
        NamedSharding(recipe.mesh, PartitionSpec(*axis)) for axis in ((), ("data",))
    )
    state = _on(everywhere, state)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    if isinstance(dataset, data.Streamed):
        batch = _on(split, _examples(recipe.batch_size, dataset.image_shape))
        rate = jax.ShapeDtypeStruct((), jnp.float32)
        return epoch.run_step.lower(recipe, state, _on(everywhere, sums), batch, rate, key, number)
    images, labels = _on(everywhere, _examples(len(dataset.labels), dataset.image_shape))
    return epoch.run_steps.lower(
        recipe,
        state,
        dataset.splits["train"],
        DeviceData(images, labels),
        jax.ShapeDtypeStruct((plan.steps_per_epoch,), jnp.float32),
        key,
        number,
        sums,
        number,
    )


def _on(sharding: NamedSharding, tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def _examples(
    count: int, shape: tuple[int, int, int]
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return (
        jax.ShapeDtypeStruct((count, *shape), jnp.uint8),
        jax.ShapeDtypeStruct((count,), jnp.int32),
    )
