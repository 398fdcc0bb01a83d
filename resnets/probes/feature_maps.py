"""What a network looks for, and what it finds in chosen images."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from resnets.errors import UserError
from resnets.models.layers import Conv
from resnets.probes.taps import Call, Context, path, tapped

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]


@dataclasses.dataclass(frozen=True, eq=False)
class Filters:
    """The kernels of a convolution.

    Attributes:
      layer: its name.
      kernel: `[height, width, channels, features]`.
    """

    layer: str
    kernel: Float[np.ndarray, "height width channels features"]


def feature_maps(
    model: nn.Module, variables: Variables, images: Images, names: Sequence[str]
) -> dict[str, Float[np.ndarray, "batch height width channels"]]:
    """The results of modules for images, by name.

    Args:
      model: a network without loops over blocks.
      variables: its variables.
      images: `[batch, height, width, channels]`.
      names: modules whose results have positions (`stage1`).
    """
    found, _ = tapped(model, tuple(names), variables, images)
    return {name: np.asarray(found[name], np.float32) for name in names}


def first_filters(model: nn.Module, variables: Variables, image_shape: tuple[int, ...]) -> Filters:
    """The kernels of the first convolution, which read the image itself.

    Raises:
      UserError: the network has no convolution.
    """
    names: list[str] = []

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        if isinstance(context.module, Conv) and context.method_name == "__call__":
            names.append(path(context.module))
        return call(*args, **kwargs)

    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    if not names:
        raise UserError(f"{type(model).__name__} has no convolution, so no filters to show")
    tree = variables["params"]
    for key in names[0].split("/"):
        tree = tree[key]
    return Filters(names[0], np.asarray(tree["kernel"], np.float32))
