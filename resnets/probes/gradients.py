"""How large the gradient is in each layer, at given values of the parameters."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from resnets.models.stacking import unstack
from resnets.probes.taps import Call, Context, path
from resnets.probes.trained import unrolled
from resnets.training.step import cross_entropy

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]


@dataclasses.dataclass(frozen=True)
class Gradient:
    """The gradient of the mean loss in a layer.

    Attributes:
      layer: one with a kernel (`stage1/block0/conv1`).
      norm: L2 norm over all of its parameters.
      weight_norm: the same of the parameters themselves.
    """

    layer: str
    norm: float
    weight_norm: float


def _gradient(
    model: nn.Module, variables: Variables, images: Images, labels: Int[Array, " batch"]
) -> Any:
    """Operation by operation: a deep network takes XLA longer to compile than to run once."""
    rest = {kind: tree for kind, tree in variables.items() if kind != "params"}

    def loss_of(params: Any) -> Array:
        logits, _ = model.apply(
            {"params": params, **rest},
            images,
            train=True,
            mutable=["batch_stats", "auxiliary"],
            rngs={"dropout": jax.random.key(0)},
        )
        return jnp.mean(cross_entropy(logits, labels, 0.0))

    return jax.grad(loss_of)(variables["params"])


def gradients(
    model: nn.Module, variables: Variables, images: Images, labels: Int[Array, " batch"]
) -> list[Gradient]:
    """Norms of the gradient of the mean cross-entropy, layer by layer, from the input on.

    The network runs as in training: batch normalisation by the batch's own statistics. Neither
    weight decay, smoothing, clipping nor augmentation takes part, nor do auxiliary classifiers.

    Args:
      model: a network, with loops over blocks or without.
      variables: its variables.
      images: one batch, `[batch, height, width, channels]`.
      labels: `[batch]`.
    """
    found = _gradient(model, variables, images, labels)
    norms = dict(_norms(unstack(found)))
    sizes = dict(_norms(unstack(variables["params"])))
    order = {layer: place for place, layer in enumerate(_order(model, images))}
    layers = sorted(norms, key=lambda layer: order.get(layer, len(order)))
    return [Gradient(layer, norms[layer], sizes[layer]) for layer in layers]


def _norms(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    arrays = [value for value in tree.values() if not isinstance(value, Mapping)]
    if "kernel" in tree:
        squares = sum(float(jnp.sum(jnp.square(x.astype(jnp.float32)))) for x in arrays)
        yield prefix.rstrip("/"), squares**0.5
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _norms(value, f"{prefix}{key}/")


def _order(model: nn.Module, images: Images) -> list[str]:
    """Modules in the order in which the network calls them, blocks of a loop one by one."""
    names: list[str] = []

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        names.append(path(context.module))
        return call(*args, **kwargs)

    one = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda x: unrolled(model).init(jax.random.key(0), x, train=False), one)
    return list(dict.fromkeys(names))
