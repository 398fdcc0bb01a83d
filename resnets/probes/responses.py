"""How strong the responses of layers are, and what a block adds to what it was given.

He et al. 2015 (arXiv 1512.03385), figure 7: the standard deviation of each layer's response after
batch normalisation and before the nonlinearity or the addition.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from resnets.errors import UserError
from resnets.models.layers import BatchNorm, Conv, Dense
from resnets.models.residual_block import Block
from resnets.probes.evaluation import batches
from resnets.probes.taps import Call, Context, path

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]
Moments = tuple[Array, Array, Array]
"""Sum, sum of squares, and how many values."""


@dataclasses.dataclass(frozen=True)
class Response:
    """What a layer answers.

    Attributes:
      layer: the normalisation (`stage1/block0/bn2`), or the layer itself in a network without any.
      mean: over images, positions and channels.
      std: likewise.
    """

    layer: str
    mean: float
    std: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """What a residual block adds.

    Attributes:
      block: it.
      branch: root mean square of the branch, with its factor.
      shortcut: root mean square of the shortcut.
    """

    block: str
    branch: float
    shortcut: float

    @property
    def ratio(self) -> float:
        """Branch to shortcut."""
        return self.branch / self.shortcut if self.shortcut else float("inf")


def _moments(values: Array, counted: Array) -> Moments:
    weights = counted.reshape(-1, *[1] * (values.ndim - 1)).astype(jnp.float32)
    values = values.astype(jnp.float32)
    size = jnp.sum(weights) * (values.size // values.shape[0])
    return jnp.sum(values * weights), jnp.sum(jnp.square(values) * weights), size


def _sums(
    model: nn.Module, variables: Variables, images: Images, count: Array
) -> dict[str, dict[str, Moments]]:
    """Moments of normalisations, other layers, branches and shortcuts, over `count` images.

    Not compiled as a whole: the sums of many layers in one program take XLA longer than all else.
    """
    counted = jnp.arange(images.shape[0]) < count
    found: dict[str, dict[str, Moments]] = {}

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        result = call(*args, **kwargs)
        module, method = context.module, context.method_name
        kind = {"_scaled": "branch", "_shortcut": "shortcut"}.get(method, "")
        if method == "__call__" and isinstance(module, BatchNorm):
            kind = "normalised"
        elif method == "__call__" and isinstance(module, Conv | Dense):
            kind = "layer"
        elif not isinstance(module, Block):
            kind = ""
        if kind:
            found.setdefault(kind, {})[path(module)] = _moments(result, counted)
        return result

    with nn.intercept_methods(note):
        model.apply(variables, images, train=False)
    return found


def _totals(
    model: nn.Module, variables: Variables, images: Images
) -> dict[str, dict[str, np.ndarray]]:
    """Moments over all images, by kind and then by layer in the order of the network."""
    total: dict[str, dict[str, np.ndarray]] = {}
    for batch, count in batches(images):
        for kind, layers in _sums(model, variables, batch, jnp.asarray(count)).items():
            for layer, sums in layers.items():
                old = total.setdefault(kind, {}).get(layer, np.zeros(3))
                total[kind][layer] = old + np.asarray(sums, np.float64)
    return total


def responses(model: nn.Module, variables: Variables, images: Images) -> list[Response]:
    """Mean and standard deviation of every layer's response, in the order of the network.

    Args:
      model: a network without loops over blocks.
      variables: its variables.
      images: `[batch, height, width, channels]`.

    Returns:
      One for each batch normalisation, whatever stands before it; in a network without any, one
      for each convolution and dense layer.
    """
    totals = _totals(model, variables, images)
    layers = totals.get("normalised") or totals.get("layer", {})
    return [
        Response(
            layer, float(total / size), float(np.sqrt(max(0.0, _variance(total, squares, size))))
        )
        for layer, (total, squares, size) in layers.items()
    ]


def _variance(total: float, squares: float, size: float) -> float:
    return squares / size - (total / size) ** 2


def ratios(model: nn.Module, variables: Variables, images: Images) -> list[Ratio]:
    """Branch and shortcut of every residual block, in the order of the network.

    Raises:
      UserError: the network adds no branch to a shortcut.
    """
    totals = _totals(model, variables, images)
    if "shortcut" not in totals:
        raise UserError(
            f"{type(model).__name__} has no block that adds a branch to a shortcut here; "
            "the ratio needs a residual network"
        )

    def size(kind: str, block: str) -> float:
        _, squares, count = totals[kind][block]
        return float(np.sqrt(squares / count))

    return [
        Ratio(block, size("branch", block), size("shortcut", block)) for block in totals["shortcut"]
    ]
