"""Compile the training program of a network in a process of its own, and say what that took."""

import json
import os
import time

from resnets.cli import backend

os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)  # what is read from a disk is not compiled
backend.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from benchmarks.steps import serving, trainer  # noqa: E402
from resnets.analysis import liveness, program  # noqa: E402
from resnets.training import epoch  # noqa: E402
from resnets.training.state import DeviceData, Sums  # noqa: E402
from resnets.training.step import initialise  # noqa: E402


def main() -> None:
    """Print one line of JSON."""
    asked = serving.options()
    recipe, shape = trainer.recipe(asked), trainer.image_shape(asked)
    examples = trainer.BATCHES * asked.batch
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda: initialise(recipe, jax.random.key(0), shape))
    number = jax.ShapeDtypeStruct((), jnp.int32)
    arguments = (
        DeviceData(
            jax.ShapeDtypeStruct((examples, *shape), jnp.uint8),  # type: ignore[arg-type]
            jax.ShapeDtypeStruct((examples,), jnp.int32),  # type: ignore[arg-type]
        ),
        jax.ShapeDtypeStruct((trainer.BATCHES,), jnp.float32),
        *(key, number, jax.eval_shape(Sums.zero), number),
    )
    began = time.perf_counter()
    lowered = epoch.run_steps.lower(recipe, state, (0, examples), *arguments)
    traced = time.perf_counter()
    compiled = lowered.compile()
    ended = time.perf_counter()
    memory = compiled.memory_analysis()
    forecast = liveness.temporary_bytes(program.read(lowered.compiler_ir("stablehlo")))
    print(
        json.dumps(
            {
                "lines": len(lowered.as_text().splitlines()),
                "trace_s": traced - began,
                "compile_s": ended - traced,
                "temporary_bytes": memory.temp_size_in_bytes if memory else None,
                "forecast_bytes": forecast,
                "jax": jax.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
