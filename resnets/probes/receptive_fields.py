"""Which pixels a unit does respond to: the effective receptive field of a trained network.

Luo et al. 2016 (arXiv 1701.04128): the gradient of the centre unit with respect to the image, over
many images, falls off like a Gaussian well inside the field that the unit could see.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.errors import FlaxError
from jaxtyping import Array, Float

from resnets.diagnostics.receptive_field import Field, effective_extent, theoretical
from resnets.probes.taps import Call, Context, path, positions

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]

WIDEST = 4
"""How many times the image's side the images may be enlarged to."""


@dataclasses.dataclass(frozen=True, eq=False)
class Receptive:
    """The receptive field of the centre unit of a module.

    Attributes:
      module: it.
      field: what any of its units can see; None for the whole image.
      unit: row and column of the centre unit.
      influence: root mean square over images and colours of the gradient of the unit, its channels
        added, by each pixel, `[height, width]`.
      side: effective extent in pixels: the side of the square with as many pixels as have at least
        4.55 % of the largest influence.
    """

    module: str
    field: Field | None
    unit: tuple[int, int]
    influence: Float[np.ndarray, "height width"]
    side: float


def enlarged(images: Images, side: int) -> Images:
    """Images mirrored at their borders until they are `side` pixels high and wide."""

    def widths(size: int) -> tuple[int, int]:
        return (side - size) // 2, side - size - (side - size) // 2

    height, width = images.shape[1:3]
    return jnp.pad(images, ((0, 0), widths(height), widths(width), (0, 0)), mode="symmetric")


def canvas(model: nn.Module, variables: Variables, images: Images, names: Sequence[str]) -> Images:
    """Images large enough for the fields of modules, or nearly so, if the network takes them.

    A field that ends at the border of a small image says more about the image than about the
    network. So images are mirrored at their borders, up to `WIDEST` times their size; networks
    with layers that know the size of the image get them as they are.
    """
    side = max(images.shape[1:3])
    widest = WIDEST * side
    if not _takes(model, variables, (widest, widest, images.shape[3])):
        return images
    fields = theoretical(model, variables, (widest, widest, images.shape[3]))
    spans = [span for name in names if name in fields for span in fields[name].spans]
    step = max((span.step for span in spans), default=1)
    wanted = min(widest, max((span.size for span in spans), default=side))
    return enlarged(images, side + max(0, -(-(wanted - side) // step) * step))


def _takes(model: nn.Module, variables: Variables, shape: tuple[int, int, int]) -> bool:
    """Whether a network can see images of that shape with the weights that it has."""
    images = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    try:
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    except (ValueError, TypeError, FlaxError):
        return False
    return True


def _influence(
    model: nn.Module, name: str, variables: Variables, images: Images
) -> Float[Array, "height width"]:
    """Operation by operation: compiled as a whole it would take XLA longer than it runs."""

    def centre(images: Images) -> Array:
        found: list[Array] = []

        def note(call: Call, args: Any, kwargs: dict[str, Any], context: Context) -> Any:
            result = call(*args, **kwargs)
            if context.method_name == "__call__" and path(context.module) == name:
                found.append(result)
            return result

        with nn.intercept_methods(note):
            model.apply(variables, images, train=False)
        rows, columns = found[-1].shape[1:3]
        return jnp.sum(found[-1][:, rows // 2, columns // 2].astype(jnp.float32))

    return jnp.sqrt(jnp.mean(jnp.square(jax.grad(centre)(images)), axis=(0, 3)))


def receptive_fields(
    model: nn.Module, variables: Variables, images: Images, names: Sequence[str]
) -> list[Receptive]:
    """Theoretical and effective fields of the centre units of modules.

    Args:
      model: a network without loops over blocks.
      variables: its variables.
      images: `[batch, height, width, channels]`; what lies beyond them cannot be seen.
      names: modules whose results have positions (`stage1`).

    Raises:
      ValueError: the centre unit of one does not respond to any pixel.
    """
    fields = theoretical(model, variables, images.shape[1:])
    shapes = positions(model, images.shape[1:])
    found = []
    for name in names:
        influence = np.asarray(_influence(model, name, variables, images))
        rows, columns, _ = shapes[name]
        unit = rows // 2, columns // 2
        found.append(
            Receptive(name, fields.get(name), unit, influence, effective_extent(influence))
        )
    return found
