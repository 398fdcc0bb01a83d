"""Statistics of activations, taken where they arise, so that no activation is kept for them.

The network runs as it trains. Modules are listened to through Flax's interceptors, additions and
rectifiers through `resnets.models.observation`; each statistic goes into the collection
`diagnostics` of its module, which a loop over blocks stacks by block.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnets.models.normalisation import BatchNorm
from resnets.models.observation import COLLECTION, observed_by

SAMPLED = 1024
"""Responses that are kept of each layer, about, for its histogram."""

CHANNELS = 16
"""Feature maps that are kept of each shown module."""


def response_std(y: Array) -> Float[Array, ""]:
    """Standard deviation of responses over batch, positions and channels (He et al. 2015, fig. 7).

    Args:
      y: outputs of a batch normalisation, `[batch, height, width, channels]`.
    """
    return jnp.std(y.astype(jnp.float32))


def branch_to_shortcut(branch: Array, shortcut: Array) -> Float[Array, ""]:
    """Root mean square of the branch over that of the shortcut, just before they are added."""
    sides = [jnp.sqrt(jnp.mean(jnp.square(x.astype(jnp.float32)))) for x in (branch, shortcut)]
    return sides[0] / sides[1]


def dead_relu_share(y: Array) -> Float[Array, ""]:
    """Share of the channels (of a dense layer: units) that are zero on the whole batch.

    Args:
      y: outputs of a ReLU, channels last; a channel counts if it is zero for every image and
        position.
    """
    silent = jnp.max(y, axis=tuple(range(y.ndim - 1))) <= 0
    return jnp.mean(silent.astype(jnp.float32))


def spread_step(size: int, channels: int, wanted: int) -> int:
    """The step at which a flat array of images gives about `wanted` values of all its channels.

    A step that shares a factor with the channels would leave some of them out.
    """
    step = max(1, size // wanted)
    while math.gcd(step, channels) > 1:
        step -= 1
    return step


class Listener:
    """Hears a network run; `order` then lists modules and rectifiers as they were called."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.order: list[str] = []
        self._calls: list[nn.Module] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to what is traced in this context, on this thread."""
        with nn.intercept_methods(self._intercept), observed_by(self._shown):
            yield

    def _intercept(self, call: Callable[..., Any], arguments: Any, named: Any, context: Any) -> Any:
        module = context.module
        self._note("/".join(module.path))
        self._calls.append(module)
        try:
            result = call(*arguments, **named)
        finally:
            self._calls.pop()
        if context.method_name == "__call__" and isinstance(result, jax.Array):
            self._returned(module, result)
        return result

    def _note(self, name: str) -> None:
        if name not in self.order:
            self.order.append(name)

    def _returned(self, module: nn.Module, y: Array) -> None:
        if isinstance(module, BatchNorm):
            self._keep(module, "response_std", response_std(y))
            step = spread_step(y.size, y.shape[-1], SAMPLED)
            values = jax.lax.stop_gradient(y.reshape(-1)[::step].astype(jnp.float32))
            self._keep(module, "sample", values)
        elif len(module.path) == 1 and y.ndim == 4:
            self._keep(module, "map", y[0, :, :, :CHANNELS].astype(jnp.float32))

    def _shown(self, kind: str, values: tuple[Array, ...]) -> None:
        module = self._calls[-1]
        if kind == "addition":
            self._keep(module, "branch_to_shortcut", branch_to_shortcut(*values))
        elif kind == "relu":
            self._keep(module, "relu1", dead_relu_share(values[0]))

    def _keep(self, module: nn.Module, name: str, value: Array) -> None:
        """Put a value into the module's collection, beside those of the same kind before it."""
        if module.is_initializing():
            return
        kind, number = name, 1
        while module.has_variable(COLLECTION, name):
            number += 1
            name = f"{kind[:-1]}{number}" if kind == "relu1" else f"{kind}@{number}"
        module.sow(COLLECTION, name, value, init_fn=lambda: None, reduce_fn=lambda _, new: new)
        self._note(_layer((*module.path, name)))


def _layer(path: Sequence[str]) -> str:
    """The layer that a value belongs to: its module, or the rectifier in it.

    A module that is called again gives `NAME@2`, one that has several ReLUs `NAME/relu2`.
    """
    module, name = "/".join(path[:-1]), path[-1]
    if name.startswith("relu"):
        return "/".join(path)
    _, again, number = name.partition("@")
    return f"{module}{again}{number}"


def sort_out(
    kept: Mapping[str, Any],
) -> tuple[dict[str, dict[str, Array]], dict[str, Array], dict[str, Array]]:
    """Sort what a listener left in the collection into quantities, samples and maps, by layer."""
    quantities: dict[str, dict[str, Array]] = {}
    samples: dict[str, Array] = {}
    maps: dict[str, Array] = {}
    for path, value in _leaves(kept, ()):
        layer, name = _layer(path), path[-1].partition("@")[0]
        if name == "sample":
            samples[layer] = value
        elif name == "map":
            maps[layer] = value
        elif name.startswith("relu"):
            quantities.setdefault("dead_relu_share", {})[layer] = value
        else:
            quantities.setdefault(name, {})[layer] = value
    return quantities, samples, maps


def _leaves(
    tree: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value
