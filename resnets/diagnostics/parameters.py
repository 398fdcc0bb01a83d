"""Sizes of gradients and updates, layer by layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.diagnostics.readings import in_loop

Tree = Mapping[str, Any]


def weight_layers(tree: Tree, prefix: str = "") -> Iterator[tuple[str, list[Array]]]:
    """Every layer with a kernel, by name, and all of its arrays: a convolution, a dense layer."""
    arrays = [value for value in tree.values() if not isinstance(value, Mapping)]
    if "kernel" in tree:
        yield prefix.rstrip("/"), arrays
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from weight_layers(value, f"{prefix}{key}/")


def norms(tree: Tree) -> dict[str, Array]:
    """The L2 norm of all arrays of each weight layer; in a loop one a block, `[blocks]`."""
    return {name: _norm(arrays, in_loop(name)) for name, arrays in weight_layers(tree)}


def _norm(arrays: list[Array], looped: bool) -> Array:
    squares = [
        jnp.sum(jnp.square(x.astype(jnp.float32)), axis=tuple(range(int(looped), x.ndim)))
        for x in arrays
    ]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def global_norm(tree: Any) -> Float[Array, ""]:
    """The L2 norm of all arrays of a tree together."""
    squares = [jnp.sum(jnp.square(x.astype(jnp.float32))) for x in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def update_to_weight(params: Tree, updates: Tree) -> dict[str, Array]:
    """Norm of each layer's update over the norm of its weights; not finite if these are zero."""
    sizes, moves = norms(params), norms(updates)
    return {name: moves[name] / sizes[name] for name in sizes}


def first_filters(params: Tree, order: tuple[str, ...]) -> dict[str, Array]:
    """The kernel of the network's first convolution, by its name; empty if it has none."""
    for name in order:
        layer: Any = params
        for part in name.split("/"):
            layer = layer.get(part, {}) if isinstance(layer, Mapping) else {}
        kernel = layer.get("kernel") if isinstance(layer, Mapping) else None
        if kernel is not None and kernel.ndim == 4 and not in_loop(name):
            return {name: kernel}
    return {}
