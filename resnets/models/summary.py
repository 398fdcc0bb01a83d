"""A network at a glance: parameters, multiply-adds, depth, heaviest layer; nothing is run."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from resnets.models.stacking import unstack


@dataclasses.dataclass(frozen=True)
class Summary:
    """What one row of the table of networks says.

    Attributes:
      parameters: trainable parameters.
      macs: multiply-adds of convolutions and products for one image, padded taps counted.
      depth: weighted layers on the longest path from the image to the logits.
      heaviest_layer: the layer with the most parameters.
      heaviest_parameters: how many it has.
    """

    parameters: int
    macs: int
    depth: int
    heaviest_layer: str
    heaviest_parameters: int


def summarise(model: nn.Module, image_shape: tuple[int, int, int]) -> Summary:
    """Summarise a network in evaluation mode without allocating anything.

    Args:
      model: a network; scanning its stages gives the same summary sooner.
      image_shape: `(height, width, channels)`.

    Raises:
      ValueError: the network cannot take images of this shape, or it loops unknown times.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(lambda k, x: model.init(k, x, train=False), key, images)
    program = jax.make_jaxpr(lambda v, x: model.apply(v, x, train=False))(variables, images)
    macs, depths = _walk(program.jaxpr, [0] * len(program.jaxpr.invars))
    layers = _parameters_by_layer(jax.eval_shape(unstack, variables["params"]))
    heaviest = max(layers, key=lambda name: layers[name])
    return Summary(sum(layers.values()), macs, max(depths), heaviest, layers[heaviest])


def _parameters_by_layer(params: Any) -> dict[str, int]:
    layers: dict[str, int] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = "/".join(str(part.key) for part in path[:-1])
        layers[name] = layers.get(name, 0) + math.prod(leaf.shape)
    return layers


def _walk(jaxpr: Jaxpr, entering: list[int]) -> tuple[int, list[int]]:
    """Multiply-adds of a program, and the depth of each output given that of each input."""
    depth: dict[Any, int] = dict(zip(jaxpr.invars, entering, strict=True))
    total = 0
    for equation in jaxpr.eqns:
        before = [0 if isinstance(v, Literal) else depth.get(v, 0) for v in equation.invars]
        macs, after = _evaluate(equation, before)
        total += macs
        depth.update(zip(equation.outvars, after, strict=True))
    return total, [0 if isinstance(v, Literal) else depth.get(v, 0) for v in jaxpr.outvars]


def _evaluate(equation: Any, before: list[int]) -> tuple[int, list[int]]:
    """Multiply-adds of an equation, and the depth of each output given that of each input."""
    if equation.primitive.name == "scan":
        return _scan(equation, before)
    inner = _inner_program(equation)
    if inner is not None:
        return _walk(inner, before[len(before) - len(inner.invars) :])
    macs = _macs(equation)
    return macs, [max(before, default=0) + (macs > 0)] * len(equation.outvars)


def _scan(equation: Any, before: list[int]) -> tuple[int, list[int]]:
    """The same of a loop: each turn reads what the turn before it carries on."""
    body, length = equation.params["jaxpr"].jaxpr, equation.params["length"]
    first, carried = equation.params["num_consts"], equation.params["num_carry"]
    constants, carry, slices = before[:first], before[first:][:carried], before[first + carried :]
    macs, after = 0, carry + [0] * (len(equation.outvars) - carried)
    for _ in range(length):
        macs, after = _walk(body, constants + after[:carried] + slices)
    return length * macs, after


def _inner_program(equation: Any) -> Jaxpr | None:
    """The program that an equation calls; of a choice of platforms the general one."""
    if equation.primitive.name == "while":
        raise ValueError("a loop that runs an unknown number of times has no depth")
    found = [
        inner
        for value in equation.params.values()
        for inner in (value if isinstance(value, tuple | list) else (value,))
        if isinstance(inner, ClosedJaxpr | Jaxpr)
    ]
    if not found:
        return None
    last = found[-1]
    return last.jaxpr if isinstance(last, ClosedJaxpr) else last


def _macs(equation: Any) -> int:
    """Multiply-adds of a convolution or product; 0 for everything else."""
    if equation.primitive.name not in ("conv_general_dilated", "dot_general"):
        return 0
    outputs = math.prod(equation.outvars[0].aval.shape)
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return outputs * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
    kernel = equation.invars[1].aval.shape
    features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return outputs * (math.prod(kernel) // features)
