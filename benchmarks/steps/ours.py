"""The step of this project: epochs on the device, the data set and its augmentation with it."""

import os

from benchmarks.steps import serving
from resnets.cli import backend

asked = serving.options()
if asked.devices:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={asked.devices}"
backend.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from benchmarks.steps import trainer  # noqa: E402
from resnets.training import epoch  # noqa: E402
from resnets.training.state import DeviceData, Sums  # noqa: E402
from resnets.training.step import initialise  # noqa: E402

BATCHES = trainer.BATCHES


def main() -> None:
    """Serve."""
    recipe, shape = trainer.recipe(asked), trainer.image_shape(asked)
    examples = BATCHES * asked.batch
    random = np.random.default_rng(0)
    data = DeviceData(
        jnp.asarray(random.integers(0, 256, (examples, *shape), np.uint8)),
        jnp.asarray(random.integers(0, asked.classes, examples, np.int32)),
    )
    key, rates = jax.random.key(0), jnp.full(BATCHES, 0.01, jnp.float32)
    state = initialise(recipe, key, shape)
    taken, none = 0, jnp.int32(0)

    def steps(count: int) -> None:
        nonlocal state, taken
        end = taken + count
        while taken < end:
            taken = min(end, (taken // BATCHES + 1) * BATCHES)
            state, sums = epoch.run_steps(
                recipe, state, (0, examples), data, rates, key, jnp.int32(taken), Sums.zero(), none
            )
            jax.block_until_ready(sums)

    serving.serve(steps, {"jax": jax.__version__, "device": str(jax.devices()[0].device_kind)})


if __name__ == "__main__":
    main()
