"""Variables of networks whose equal blocks run as one loop, and of the same networks unrolled.

A loop's parameters lie under `blocks`, stacked along a leading axis; unrolled they are those of
`block1`, `block2`, ... The functions take any nested mapping of arrays: parameters, batch
statistics, both together, or an optimiser's momenta.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

LOOP = "blocks"


def unstack(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Give each block of a loop a subtree of its own: `blocks` becomes `block1`, `block2`, ..."""
    result: dict[str, Any] = {}
    for key, value in variables.items():
        if not isinstance(value, Mapping):
            result[key] = value
        elif key == LOOP:
            for index in range(jax.tree.leaves(value)[0].shape[0]):
                result[f"block{index + 1}"] = jax.tree.map(lambda leaf, i=index: leaf[i], value)
        else:
            result[key] = unstack(value)
    return result


def stack(variables: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the blocks that are a loop in `like`, the variables or shapes of the other form.

    Raises:
      KeyError: a block of a loop is missing.
    """
    result = dict(variables)
    for key, template in like.items():
        if not isinstance(template, Mapping):
            continue
        if key == LOOP:
            length = jax.tree.leaves(template)[0].shape[0]
            blocks = [result.pop(f"block{index + 1}") for index in range(length)]
            result[LOOP] = jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)
        elif key in result:
            result[key] = stack(result[key], template)
    return result
