"""Compile one training step of a network in a process of its own, and say what that took."""

import json
import time

from resnets.cli import backend

backend.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from benchmarks.steps import serving  # noqa: E402
from resnets import models  # noqa: E402
from resnets.data.augmentation import Preprocessing  # noqa: E402
from resnets.training.setup import device_mesh  # noqa: E402
from resnets.training.step import Recipe, initialise, train_step  # noqa: E402


def main() -> None:
    """Print one line of JSON."""
    asked = serving.options()
    shape = (asked.size, asked.size, asked.channels)
    recipe = Recipe(
        model=models.create(asked.network, asked.classes, scan_blocks=not asked.unrolled),
        preprocessing=Preprocessing((0.5,) * asked.channels, (0.25,) * asked.channels, 4, True),
        mesh=device_mesh(),
        batch_size=asked.batch,
        weight_decay=1e-4,
    )
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: initialise(recipe, key, shape))
    images = jax.ShapeDtypeStruct((asked.batch, *shape), jnp.uint8)
    labels = jax.ShapeDtypeStruct((asked.batch,), jnp.int32)
    step = jax.jit(train_step, static_argnums=0)
    began = time.perf_counter()
    lowered = step.lower(recipe, state, images, labels, jnp.float32(0.1), key)
    traced = time.perf_counter()
    compiled = lowered.compile()
    ended = time.perf_counter()
    memory = compiled.memory_analysis()
    print(
        json.dumps(
            {
                "lines": len(lowered.as_text().splitlines()),
                "trace_s": traced - began,
                "compile_s": ended - traced,
                "temporary_bytes": memory.temp_size_in_bytes if memory else None,
                "jax": jax.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
