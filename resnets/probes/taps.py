"""What the modules of a network compute on the way, by name."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from resnets.errors import UserError

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]
Call = Callable[..., Any]
Context = nn.module.InterceptorContext


def path(module: nn.Module) -> str:
    """The name of a module in its network: `stage2/block1/conv2`."""
    return "/".join(module.path)


@functools.cache
def positions(model: nn.Module, image_shape: tuple[int, ...]) -> dict[str, tuple[int, int, int]]:
    """Height, width and channels of what each outermost module gives, where it has positions."""
    found: dict[str, tuple[int, int, int]] = {}

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        result = call(*args, **kwargs)
        module, shape = context.module, getattr(result, "shape", ())
        if context.method_name == "__call__" and len(module.path) == 1 and len(shape) == 4:
            height, width, channels = result.shape[1:]
            found[module.path[0]] = height, width, channels
        return result

    images = jax.ShapeDtypeStruct((1, *image_shape), "float32")
    with nn.intercept_methods(note):
        jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    return found


def levels(model: nn.Module, image_shape: tuple[int, ...]) -> tuple[str, ...]:
    """The first outermost module and the last one of each resolution: `stem_conv`, `stage1`, ...

    Raises:
      UserError: no module has positions.
    """
    shapes = positions(model, image_shape)
    if not shapes:
        raise UserError("the network has no module whose result has positions")
    last = {shape[:2]: name for name, shape in shapes.items()}
    return tuple(dict.fromkeys([next(iter(shapes)), *last.values()]))


@functools.partial(jax.jit, static_argnums=(0, 1))
def tapped(
    model: nn.Module, names: tuple[str, ...], variables: Variables, images: Images
) -> tuple[dict[str, Array], Array]:
    """Results of the named modules in evaluation, by name, and the logits `[batch, classes]`."""
    found: dict[str, Array] = {}

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        result = call(*args, **kwargs)
        if context.method_name == "__call__" and path(context.module) in names:
            found[path(context.module)] = result
        return result

    with nn.intercept_methods(note):
        logits: Array = model.apply(variables, images, train=False)  # type: ignore[assignment]
    return found, logits
