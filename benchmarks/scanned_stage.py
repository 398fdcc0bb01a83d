"""Gradient step of a stage of ten layers: scanned against unrolled, in turn, medians and ratio.

Command: .venv/bin/python benchmarks/scanned_stage.py
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from resnets.cli import backend

backend.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from resnets.models.residual_block import BlockDesign  # noqa: E402
from resnets.models.resnet import Stage  # noqa: E402

SHAPES = ((128, 32, 32, 16), (128, 16, 16, 32), (128, 8, 8, 16), (64, 2, 2, 64))
BLOCKS = 5  # of two 3x3 layers each
ROUNDS = 9


def gradient_step(shape: tuple[int, ...], scan_blocks: bool) -> Callable[[], Any]:
    """Compile the gradient of a stage's mean squared output with respect to its parameters."""
    stage = Stage(shape[-1], 1, 1, BLOCKS, BlockDesign(shortcut="A"), scan_blocks)
    x = jax.random.normal(jax.random.key(0), shape)
    variables = stage.init(jax.random.key(1), x[:1], False)

    @jax.jit
    def step(params: Any, x: jax.Array) -> Any:
        def loss(params: Any) -> jax.Array:
            given = {"params": params, "batch_stats": variables["batch_stats"]}
            y, _ = stage.apply(given, x, True, mutable=["batch_stats"])
            return jnp.mean(jnp.square(y))

        return jax.grad(loss)(params)

    return lambda: jax.block_until_ready(step(variables["params"], x))


def main() -> None:
    """Print a row a shape: milliseconds of both, and their ratio."""
    print(f"{'images':>18}  scanned, ms  unrolled, ms  ratio")
    for shape in SHAPES:
        steps = [gradient_step(shape, scan) for scan in (True, False)]
        times: list[list[float]] = [[], []]
        for step in steps:
            step()
        for _ in range(ROUNDS):
            for step, taken in zip(steps, times, strict=True):
                began = time.perf_counter()
                step()
                taken.append(1e3 * (time.perf_counter() - began))
        scanned, unrolled = map(statistics.median, times)
        print(f"{shape!s:>18}  {scanned:11.1f}  {unrolled:12.1f}  {scanned / unrolled:5.2f}")


if __name__ == "__main__":
    main()
