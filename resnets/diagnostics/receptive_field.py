"""Receptive fields: which input pixels a unit can see, and which it does see.

The theoretical field is read from the traced program, operation by operation, so it holds for any
network; kernel sizes are nowhere written down a second time. With kernel k, stride s and padding p
an operation turns field r, step j and first pixel f into r + (k - 1) j, j s and f - p j (Araujo,
Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var
from jaxtyping import Array, Float

Variables = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Span:
    """What a row of units sees of one axis of the image, in pixels.

    Attributes:
      size: pixels that a unit can see, those beyond the image counted.
      step: pixels between the fields of neighbouring units.
      first: the first pixel that unit 0 can see; negative where it sees padding.
    """

    size: int = 1
    step: int = 1
    first: int = 0

    def interval(self, unit: int) -> tuple[int, int]:
        """First and last pixel that a unit can see; they may lie outside of the image."""
        low = self.first + unit * self.step
        return low, low + self.size - 1

    def windowed(self, size: int, stride: int, padding: int, dilation: int = 1) -> "Span":
        """The span after a window of `size` positions with zeros before the first."""
        return Span(
            int(self.size + (size - 1) * dilation * self.step),
            int(self.step * stride),
            int(self.first - padding * self.step),
        )

    def joined(self, other: "Span") -> "Span":
        """What one of two sees, where both are added or stand side by side.

        Raises:
          ValueError: they have different steps.
        """
        if self.step != other.step:
            raise ValueError(f"fields of steps {self.step} and {other.step} meet in one sum")
        first = min(self.first, other.first)
        end = max(self.first + self.size, other.first + other.size)
        return Span(end - first, self.step, first)


@dataclasses.dataclass(frozen=True)
class Field:
    """The receptive field of the units of a layer.

    Attributes:
      rows: along the height of the image.
      columns: along its width.
    """

    rows: Span = Span()
    columns: Span = Span()

    @property
    def spans(self) -> tuple[Span, Span]:
        """Rows, then columns."""
        return self.rows, self.columns

    def joined(self, other: "Field") -> "Field":
        """As `Span.joined`, along both axes."""
        return Field(self.rows.joined(other.rows), self.columns.joined(other.columns))


WHOLE = "whole"
"""In place of a field: the unit sees the whole image, as behind a global mean."""

_Seen = Field | str | None
_AXES = (1, 2)
_MIXING = ("rev", "sort", "transpose", "gather", "cumsum", "cumprod", "cummax", "cummin")
_WINDOWS = ("reduce_window_max", "reduce_window_sum", "reduce_window_min", "reduce_window")


def theoretical(
    model: nn.Module, variables: Variables, image_shape: tuple[int, ...]
) -> dict[str, Field]:
    """Read the receptive field of every layer that has positions, in the order of the program.

    Args:
      model: a Linen module.
      variables: its variables, or their shapes (`jax.eval_shape` of its initialisation).
      image_shape: height, width and channels. Fields do not depend on the size, but where maps are
        smaller than a kernel our convolutions mix all positions, and units see the whole image.

    Returns:
      The field of each layer's result by the layer's name (`stage2/block0/conv1`), and of each
      module's (`stage2`); layers that see the whole image have none.

    Raises:
      ValueError: an operation over positions whose field is not known; names it.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)

    def apply(images: Array, variables: Variables) -> Array:
        logits: Array = model.apply(variables, images, train=False)  # type: ignore[assignment]
        return logits

    program = jax.make_jaxpr(apply)(images, variables)
    found: dict[str, Field] = {}
    seen: list[_Seen] = [Field(), *[None] * (len(program.jaxpr.invars) - 1)]
    _walk(program.jaxpr, seen, "", found)
    return found


def _walk(
    program: Jaxpr, arguments: list[_Seen], path: str, found: dict[str, Field]
) -> list[_Seen]:
    """Follow the fields through a program; record each under its layer and all around it."""
    known: dict[Var, _Seen] = dict(zip(program.invars, arguments, strict=True))

    def look_up(atom: Any) -> _Seen:
        return None if isinstance(atom, Literal) else known.get(atom)

    for equation in program.eqns:
        inputs = [look_up(atom) for atom in equation.invars]
        if all(seen is None for seen in inputs):
            continue
        here = _path(path, str(equation.source_info.name_stack))
        inner = _inner(equation.params)
        if equation.primitive.name == "scan":
            outputs = _looped(equation.params, inputs, here, found)
        elif inner is not None:
            outputs = _walk(inner, inputs[len(inputs) - len(inner.invars) :], here, found)
        else:
            outputs = [_after(equation, inputs, here)] * len(equation.outvars)
        for variable, seen in zip(equation.outvars, outputs, strict=True):
            known[variable] = seen
            _record(here, seen, found)
    return [look_up(atom) for atom in program.outvars]


def _record(path: str, seen: _Seen, found: dict[str, Field]) -> None:
    """Note a result for its layer and for all modules around it: their last result is theirs."""
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if isinstance(seen, Field) and name:
            found[name] = seen
        elif seen == WHOLE:
            found.pop(name, None)


def _path(outer: str, stack: str) -> str:
    """Join name stacks; without the network's own name and those of its methods (`Net._stem`)."""
    parts = [part for part in stack.split("/") if part and "." not in part]
    return "/".join([outer, *parts] if outer else parts[1:])


def _inner(params: Mapping[str, Any]) -> Jaxpr | None:
    for key in ("jaxpr", "call_jaxpr"):
        if isinstance(program := params.get(key), ClosedJaxpr | Jaxpr):
            return program.jaxpr if isinstance(program, ClosedJaxpr) else program
    return None


def _looped(
    params: Mapping[str, Any], inputs: list[_Seen], path: str, found: dict[str, Field]
) -> list[_Seen]:
    """A loop over equal blocks: its body as often as it runs."""
    constants, carried = params["num_consts"], params["num_carry"]
    held, state, slices = (
        inputs[:constants],
        inputs[constants : constants + carried],
        inputs[constants + carried :],
    )
    outputs: list[_Seen] = []
    for _ in range(params["length"]):
        outputs = _walk(params["jaxpr"].jaxpr, [*held, *state, *slices], path, found)
        state = outputs[:carried]
    return [*state, *outputs[carried:]]


def _after(equation: Any, inputs: list[_Seen], path: str) -> _Seen:
    """The field of an operation's result."""
    name, params = equation.primitive.name, equation.params
    if any(seen == WHOLE for seen in inputs):
        return WHOLE
    fields = [seen for seen in inputs if isinstance(seen, Field)]
    before, after = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    if name == "conv_general_dilated":
        return _convolved(fields[0], params, before, equation.invars[1].aval.shape, path)
    if name in _WINDOWS:
        return _changed(
            fields[0],
            [params["window_dimensions"][axis] for axis in _AXES],
            [params["window_strides"][axis] for axis in _AXES],
            [params["padding"][axis][0] for axis in _AXES],
            [params["window_dilation"][axis] for axis in _AXES],
        )
    if name in ("slice", "pad"):
        return _cut(name, fields[0], params, path)
    mixes = name in _MIXING or (
        name == "dot_general" and params["dimension_numbers"] != (((3,), (0,)), ((), ()))
    )
    if not mixes and len(after) == 4 and (name == "dot_general" or _same_positions(equation)):
        joined = fields[0]
        for field in fields[1:]:
            joined = joined.joined(field)
        return joined
    return WHOLE  # a reduction, a product or a change of shape: positions are mixed


def _same_positions(equation: Any) -> bool:
    """Whether each unit of the result depends on the operands' units at its own place only."""
    places = equation.outvars[0].aval.shape[1:3]
    shapes = [atom.aval.shape for atom in equation.invars]
    return all(not s or (len(s) == 4 and s[1:3] in (places, (1, 1))) for s in shapes)


def _convolved(
    field: Field, params: Mapping[str, Any], shape: Any, kernel: Any, path: str
) -> Field:
    numbers = params["dimension_numbers"]
    if tuple(numbers.lhs_spec[2:]) != _AXES or tuple(numbers.out_spec[2:]) != _AXES:
        raise ValueError(f"{path}: positions of a convolution must be axes 1 and 2 of {shape}")
    if any(dilation != 1 for dilation in params["lhs_dilation"]):
        raise ValueError(f"{path}: the field of a transposed convolution is not known")
    return _changed(
        field,
        [kernel[axis] for axis in numbers.rhs_spec[2:]],
        list(params["window_strides"]),
        [before for before, _ in params["padding"]],
        list(params["rhs_dilation"]),
    )


def _changed(
    field: Field, sizes: list[int], strides: list[int], padding: list[int], dilation: list[int]
) -> Field:
    return Field(
        *(
            span.windowed(size, stride, pad, step)
            for span, size, stride, pad, step in zip(
                field.spans, sizes, strides, padding, dilation, strict=True
            )
        )
    )


def _cut(name: str, field: Field, params: Mapping[str, Any], path: str) -> Field:
    """Positions that are left out, every other one, or added around."""
    if name == "slice":
        strides = params["strides"] or (1,) * len(params["start_indices"])
        starts = [-params["start_indices"][axis] for axis in _AXES]
        return _changed(field, [1, 1], [strides[axis] for axis in _AXES], starts, [1, 1])
    if any(params["padding_config"][axis][2] for axis in _AXES):
        raise ValueError(f"{path}: the field of a spread image is not known")
    before = [params["padding_config"][axis][0] for axis in _AXES]
    return _changed(field, [1, 1], [1, 1], before, [1, 1])


def effective_extent(
    influence: Float[np.ndarray, "height width"], threshold: float = 1 - 0.9545
) -> float:
    """Side of the square with as many pixels as reach a share of the largest influence.

    The threshold is that of Luo et al. 2016 (arXiv 1701.04128), section 3: two standard deviations
    of a Gaussian. There a pixel is compared with the centre; here with the largest, which is the
    centre's unless the network prefers another.

    Raises:
      ValueError: nothing has any influence.
    """
    largest = influence.max()
    if not largest > 0:
        raise ValueError("no pixel has any influence on the unit")
    return float(np.sqrt(np.count_nonzero(influence >= threshold * largest)))
