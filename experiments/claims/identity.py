"""What a block can pass on: C28."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.claim import Claim, Finding, Number, Table
from resnets.models.residual_block import Block, BlockDesign

_CHANNELS = 16
_SEEDS = 5
_BLOCKS = 20


@dataclasses.dataclass(frozen=True)
class Passed:
    """What became of standard normal numbers in a block of one form.

    Attributes:
      values: how many there were.
      negative: how many of these were below zero.
      below_zero: negative results of the block with random weights, over all seeds.
      changed: results of the block without weights that are not its input, bit by bit.
      chain: the same of many such blocks in a row.
    """

    values: int
    negative: int
    below_zero: int
    changed: int
    chain: int


def passed(preactivation: bool) -> Passed:
    """Send random numbers through a block: with random weights, with none, and through a chain."""
    block = Block(_CHANNELS, 1, BlockDesign(shortcut="A", preactivation=preactivation))
    x = jax.random.normal(jax.random.key(0), (8, 6, 6, _CHANNELS))
    start = jax.jit(lambda key, x: block.init(key, x, False))
    apply: Callable[[Any, jax.Array], jax.Array] = jax.jit(lambda v, x: block.apply(v, x, False))
    below = 0
    for seed in range(_SEEDS):
        variables = start(jax.random.key(seed + 1), x)
        below += int((np.asarray(apply(variables, x)) < 0).sum())
    weightless = jax.tree_util.tree_map_with_path(_weightless, variables["params"])
    nothing = {**variables, "params": weightless}
    once = many = apply(nothing, x)
    for _ in range(_BLOCKS - 1):
        many = apply(nothing, many)
    given = np.asarray(x)
    return Passed(
        given.size,
        int((given < 0).sum()),
        below,
        int((np.asarray(once) != given).sum()),
        int((np.asarray(many) != given).sum()),
    )


def _weightless(path: Any, leaf: jax.Array) -> jax.Array:
    """Zero kernels; normalisations stay as they begin."""
    return jnp.zeros_like(leaf) if path[-1].key == "kernel" else leaf


def _identity() -> Finding:
    last, first = passed(preactivation=False), passed(preactivation=True)
    rows = [
        (
            name,
            f"{found.values * _SEEDS:,}",
            f"{found.below_zero:,}",
            f"{found.changed:,}",
            f"{found.chain:,}",
        )
        for name, found in (("ReLU after the addition", last), ("pre-activation", first))
    ]
    return Finding(
        (
            Number("negative values after the post-addition ReLU", "0", last.below_zero),
            Number(
                "without weights that block changes all negative inputs",
                "yes",
                last.changed == last.negative > 0,
            ),
            Number("values that a weightless pre-activation block changes", "0", first.changed),
        ),
        f"Of {last.values:,} standard normal inputs {last.negative:,} are negative; with kernels "
        f"of zero the block with ReLU after the addition changes {last.changed:,}, the "
        f"pre-activation form {first.changed:,}, and {first.chain:,} after {_BLOCKS} in a row. "
        "Compared bit by bit.",
        (
            Table(
                f"Blocks of {_CHANNELS} channels with shortcut A; kernels random, {_SEEDS} seeds, "
                "or zero",
                (
                    "block",
                    "results, random",
                    "negative",
                    "changed, zero",
                    f"changed, {_BLOCKS} of zero",
                ),
                rows,
            ),
        ),
    )


CLAIMS = (
    Claim(
        "C28",
        "A block with ReLU after the addition cannot be the identity; a pre-activation block can",
        _identity,
        "./launch.sh study claims --only=C28",
    ),
)
