"""From a network to its lowered program, of abstract shapes only: nothing is allocated or run."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resnets.analysis import program
from resnets.analysis.flatten import flatten
from resnets.analysis.ops import Graph
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError, Argument
from resnets.training.step import Recipe, initialise, train_step

PLATFORMS = ("tpu", "cuda", "cpu")

_COLLECTIONS = {"params": "weight", "batch_stats": "statistic"}


@dataclasses.dataclass(frozen=True)
class Lowered:
    """A network's program.

    Attributes:
      graph: its operations in order.
      modules: class names by path of module; those of a loop's blocks under `blocks`.
      parameters: trainable parameters by path of module.
      platform: whose program it is.
      lowered: JAX's own object, to compile.
    """

    graph: Graph
    modules: dict[tuple[str, ...], str]
    parameters: dict[tuple[str, ...], int]
    platform: str
    lowered: Any


def inference(
    model: nn.Module,
    image_shape: tuple[int, int, int],
    batch_size: int = 1,
    platform: str = "tpu",
    mesh: Mesh | None = None,
    prepared: bool = True,
) -> Lowered:
    """Lower the evaluation-mode forward pass.

    Args:
      model: a Linen module from `[batch, height, width, channels]` to anything; called with
        `train=False` where it takes `train`.
      image_shape: `(height, width, channels)`.
      batch_size: images at once.
      platform: a name in `PLATFORMS`; on `cpu` some convolutions become matrix products.
      mesh: devices to compile for, which need not exist, with one axis `data`: variables are on all
        of them, images are split.
      prepared: weights are stored in the dtype that they are used in, as where a network is served;
        otherwise every call converts them, as the program that XLA compiles does.

    Raises:
      AnalysisError: the network cannot be traced with these images; gives its own reason.
    """
    takes_mode = "train" in inspect.signature(model.__call__).parameters
    mode: dict[str, Any] = {"train": False} if takes_mode else {}
    images = jax.ShapeDtypeStruct((batch_size, *image_shape), jnp.float32)
    trace = _Trace()

    def forward(variables: Any, images: jax.Array) -> Any:
        return model.apply(variables, images, **mode)

    with trace:
        variables = jax.eval_shape(partial(model.init, **mode), _key(), images)
    arguments = (variables, images)
    if mesh is not None:
        arguments = (_placed(variables, mesh), _placed(images, mesh, "data"))
    return _lower(forward, arguments, model, trace, platform, training=False, prepared=prepared)


def training_step(
    recipe: Recipe,
    image_shape: tuple[int, int, int],
    platform: str = "tpu",
    mesh: Mesh | None = None,
) -> Lowered:
    """Lower the trainer's own step: augmentation, forward, backward, optimiser.

    Args:
      recipe: the run's recipe; its network must not be replicated over more than one device.
      image_shape: `(height, width, channels)` of the bytes that the step is given.
      platform: a name in `PLATFORMS`.
      mesh: devices to compile for, as for `inference`; the recipe's own otherwise.

    Raises:
      AnalysisError: the step cannot be traced with these images; gives its own reason.
    """
    trace = _Trace()

    placed = recipe if mesh is None else dataclasses.replace(recipe, mesh=mesh)

    def step(state: Any, images: Any, labels: Any, rate: Any, key: Any) -> Any:
        return train_step(placed, state, images, labels, rate, key)

    with trace:
        state = jax.eval_shape(partial(initialise, recipe, image_shape=image_shape), _key())
    images = jax.ShapeDtypeStruct((recipe.batch_size, *image_shape), jnp.uint8)
    labels = jax.ShapeDtypeStruct((recipe.batch_size,), jnp.int32)
    rate, key = jax.ShapeDtypeStruct((), jnp.float32), _key()
    if mesh is not None:
        state, rate, key = (_placed(tree, mesh) for tree in (state, rate, key))
        images, labels = (_placed(tree, mesh, "data") for tree in (images, labels))
    arguments = (state, images, labels, rate, key)
    return _lower(step, arguments, recipe.model, trace, platform, training=True, prepared=False)


def _placed(tree: Any, mesh: Mesh, *axes: str) -> Any:
    """Say where abstract arrays lie: on every device, or split along their first axis."""
    sharding = NamedSharding(mesh, PartitionSpec(*axes))
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


def _key() -> Any:
    return jax.eval_shape(lambda: jax.random.key(0))


class _Trace:
    """Notes the modules that a trace goes through, and where one failed; a context manager."""

    def __init__(self) -> None:
        self.modules: dict[tuple[str, ...], str] = {}
        self._shapes: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._inside: list[tuple[str, ...]] = []

    def __enter__(self) -> None:
        self._inside.clear()
        self._interceptor = nn.intercept_methods(self._note)
        self._interceptor.__enter__()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._interceptor.__exit__(None, None, None)
        if isinstance(error, Exception):
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            place = "/".join(self._inside[-1]) if self._inside else ""
            raise AnalysisError(f"{place}: {reason}" if place else reason) from error

    def _note(self, call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        path = context.module.path
        self.modules.setdefault(path, type(context.module).__name__)
        self._inside.append(path)
        result = call(*args, **kwargs)
        self._inside.pop()
        for collection in _COLLECTIONS:
            for name, leaf in context.module.variables.get(collection, {}).items():
                if hasattr(leaf, "shape"):
                    self._shapes[(*path, name)] = leaf.shape
        return result

    def stacked(self, leaves: Mapping[tuple[str, ...], tuple[int, ...]]) -> dict[Any, int]:
        """Find the variables that a loop stacks: a module inside it sees one element at a time.

        Args:
          leaves: shapes by path.

        Returns:
          For each stacked one, the parts of its path that lie outside the loop.
        """
        looped = {
            path
            for path, shape in leaves.items()
            if shape and self._shapes.get(path, shape) == shape[1:]
        }
        whole = {path[:end] for path in leaves.keys() - looped for end in range(len(path) + 1)}
        return {
            path: next(end for end in range(len(path)) if path[: end + 1] not in whole)
            for path in looped
        }


def _lower(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    model: nn.Module,
    trace: _Trace,
    platform: str,
    training: bool,
    prepared: bool,
) -> Lowered:
    if platform not in PLATFORMS:
        raise AnalysisError(f"platform={platform!r} is not one of {', '.join(PLATFORMS)}")
    function.__name__ = "step" if training else "forward"
    donated = 0 if training else ()  # as the trainer does, which halves the state's memory
    jitted = jax.jit(function, keep_unused=True, donate_argnums=donated)
    with trace:
        lowered = jitted.trace(*arguments).lower(lowering_platforms=(platform,))
    scopes = Scopes(type(model).__name__, trace.modules, training)
    roles = _roles(arguments, trace, training)
    graph = flatten(program.read(lowered.compiler_ir("stablehlo")), roles, scopes, prepared)
    parameters: dict[tuple[str, ...], int] = {}
    for number in graph.inputs:
        tensor = graph.tensors[number]
        if tensor.role == "weight":
            parameters[tensor.owner] = parameters.get(tensor.owner, 0) + tensor.type.elements
    return Lowered(graph, trace.modules, parameters, platform, lowered)


def _roles(arguments: tuple[Any, ...], trace: _Trace, training: bool) -> list[Argument]:
    """What each argument is, by its place in the arguments' tree."""
    leaves = jax.tree_util.tree_flatten_with_path(arguments)[0]
    found = [_role(tuple(map(_key_of, path)), training) for path, _ in leaves]
    shapes = {path: leaf.shape for (_, path), (_, leaf) in zip(found, leaves, strict=True) if path}
    loops = trace.stacked(shapes)
    return [Argument(role, path[:-1], loops.get(path)) for role, path in found]


def _role(keys: tuple[str, ...], training: bool) -> tuple[str, tuple[str, ...]]:
    """Role and path in the network; an image or a step counter has no path."""
    first, *names = keys
    if first != "0":  # the variables or the state come first
        return "input", ()
    if names[0] in _COLLECTIONS or not training:
        return _COLLECTIONS.get(names[0], "statistic"), tuple(names[1:])
    fields = ("trace", "mu", "nu", "params", "batch_stats")
    places = [index for index, name in enumerate(names) if name in fields]
    return "state", tuple(names[places[-1] + 1 :]) if places else ()


def _key_of(part: Any) -> str:
    """The key, attribute or index of one step of a tree's path."""
    return str(getattr(part, "key", getattr(part, "name", getattr(part, "idx", ""))))
