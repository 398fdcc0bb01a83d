"""A lowered StableHLO module as plain data: functions of instructions on numbered values.

The MLIR bindings are read here, once, and nowhere else; what follows works on these records.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

_BITS = {"i1": 8, "f8E4M3FN": 8, "f8E5M2": 8, "index": 64}
"""Stored sizes that the name does not tell."""


class Type:
    """Shape and dtype of a tensor, `f32` or `ui8` as in StableHLO.

    Attributes:
      shape: of the tensor.
      dtype: of an element.
      elements: how many there are.
      bytes: what they take.
    """

    __slots__ = ("bytes", "dtype", "elements", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        """Derive the sizes."""
        self.shape, self.dtype = shape, dtype
        self.elements = math.prod(shape)
        self.bytes = self.elements * _bits(dtype) // 8

    def __repr__(self) -> str:
        """As `f32[8,32,32,3]`."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@functools.cache
def _bits(dtype: str) -> int:
    if dtype in _BITS:
        return _BITS[dtype]
    if dtype.startswith("complex<"):
        return 2 * _bits(dtype[8:-1])
    digits = "".join(filter(str.isdigit, dtype))
    return int(digits) if digits else 0  # tokens hold nothing


@dataclasses.dataclass(slots=True)
class Instruction:
    """One operation.

    Attributes:
      kind: its name without `stablehlo.`; other dialects keep their prefix.
      operands: values read.
      results: values written.
      operand_types: of the operands.
      result_types: of the results.
      name: the scope path that JAX gave it.
      attributes: what the rules need, decoded.
      regions: blocks of instructions (bodies of loops, branches, reductions).
    """

    kind: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    operand_types: tuple[Type, ...]
    result_types: tuple[Type, ...]
    name: str
    attributes: dict[str, Any]
    regions: tuple["Block", ...]


@dataclasses.dataclass(slots=True)
class Block:
    """Instructions in order, from arguments to returned values."""

    arguments: tuple[int, ...]
    types: tuple[Type, ...]
    instructions: list[Instruction]
    returns: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Program:
    """All functions of a module by name; it begins at `main`."""

    functions: dict[str, Block]


@dataclasses.dataclass(frozen=True)
class Window:
    """How a convolution walks its operands, in the order batch, spatial axes, features.

    Attributes:
      input_dims: batch, spatial and feature dimension of the input.
      kernel_dims: input feature, spatial and output feature dimension of the kernel.
      output_dims: batch, spatial and feature dimension of the output.
      strides: of the window.
      padding: before and after, each spatial axis.
      input_dilation: zeros between input positions, plus one.
      kernel_dilation: spacing of the taps.
      feature_groups: independent groups of input features.
      batch_groups: independent groups of the batch, as kernel gradients of grouped layers have.
    """

    input_dims: tuple[int, ...]
    kernel_dims: tuple[int, ...]
    output_dims: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    feature_groups: int
    batch_groups: int


def _integers(attributes: Any, name: str) -> tuple[int, ...]:
    return tuple(ir.DenseI64ArrayAttr(attributes[name])) if name in attributes else ()


def _pairs(attributes: Any, name: str, axes: int) -> tuple[tuple[int, int], ...]:
    if name not in attributes:
        return ((0, 0),) * axes
    table = np.array(attributes[name]).reshape(axes, 2)
    return tuple((int(low), int(high)) for low, high in table)


def _convolution(op: Any) -> dict[str, Any]:
    attributes = op.attributes
    dims = stablehlo.ConvDimensionNumbers(attributes["dimension_numbers"])
    axes = len(dims.input_spatial_dimensions)
    ones = (1,) * axes
    window = Window(
        (dims.input_batch_dimension, *dims.input_spatial_dimensions, dims.input_feature_dimension),
        (
            dims.kernel_input_feature_dimension,
            *dims.kernel_spatial_dimensions,
            dims.kernel_output_feature_dimension,
        ),
        (
            dims.output_batch_dimension,
            *dims.output_spatial_dimensions,
            dims.output_feature_dimension,
        ),
        _integers(attributes, "window_strides") or ones,
        _pairs(attributes, "padding", axes),
        _integers(attributes, "lhs_dilation") or ones,
        _integers(attributes, "rhs_dilation") or ones,
        ir.IntegerAttr(attributes["feature_group_count"]).value,
        ir.IntegerAttr(attributes["batch_group_count"]).value,
    )
    return {"window": window}


def _dot(op: Any) -> dict[str, Any]:
    dims = stablehlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
    return {"contracted": tuple(dims.lhs_contracting_dimensions)}


def _window(op: Any) -> dict[str, Any]:
    return {"size": _integers(op.attributes, "window_dimensions")}


def _reduce(op: Any) -> dict[str, Any]:
    return {"dimensions": _integers(op.attributes, "dimensions")}


def _constant(op: Any) -> dict[str, Any]:
    value = op.attributes["value"]
    scalar = isinstance(value, ir.DenseIntElementsAttr) and value.is_splat
    return {"value": int(np.array(value).flat[0]) if scalar else None}


def _call(op: Any) -> dict[str, Any]:
    return {"callee": ir.FlatSymbolRefAttr(op.attributes["callee"]).value}


def _custom(op: Any) -> dict[str, Any]:
    return {"target": ir.StringAttr(op.attributes["call_target_name"]).value}


def _comparison(op: Any) -> dict[str, Any]:
    direction = str(op.attributes["comparison_direction"])
    return {"direction": direction.rstrip(">").split()[-1]}


def _slice(op: Any) -> dict[str, Any]:
    return {"sizes": _integers(op.attributes, "slice_sizes")}


def _composite(op: Any) -> dict[str, Any]:
    return {"callee": ir.FlatSymbolRefAttr(op.attributes["decomposition"]).value}


_DECODERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "convolution": _convolution,
    "dot_general": _dot,
    "reduce": _reduce,
    "reduce_window": _window,
    "select_and_scatter": _window,
    "constant": _constant,
    "func.call": _call,
    "composite": _composite,
    "custom_call": _custom,
    "compare": _comparison,
    "dynamic_slice": _slice,
}


class _Reader:
    """Numbers the values of one function."""

    def __init__(self) -> None:
        self._values: dict[Any, int] = {}
        self._types: dict[Any, Type] = {}

    def type(self, value: Any) -> Type:
        kind = value.type
        if kind not in self._types:
            if isinstance(kind, ir.RankedTensorType):
                self._types[kind] = Type(tuple(kind.shape), str(kind.element_type))
            else:
                self._types[kind] = Type((), str(kind))
        return self._types[kind]

    def define(self, value: Any) -> int:
        number = len(self._values)
        self._values[value] = number
        return number

    def block(self, block: Any) -> Block:
        arguments = tuple(self.define(argument) for argument in block.arguments)
        types = tuple(self.type(argument) for argument in block.arguments)
        instructions: list[Instruction] = []
        returns: tuple[int, ...] = ()
        for op in block.operations:
            operation = op.operation
            kind = operation.name.removeprefix("stablehlo.")
            operands = tuple(operation.operands)
            numbers = tuple(self._values[operand] for operand in operands)
            if kind in ("return", "func.return", "sdy.return"):
                returns = numbers
                continue
            results = tuple(operation.results)
            location = operation.location
            instructions.append(
                Instruction(
                    kind,
                    numbers,
                    tuple(self.define(result) for result in results),
                    tuple(self.type(operand) for operand in operands),
                    tuple(self.type(result) for result in results),
                    getattr(location, "name_str", ""),
                    _DECODERS[kind](operation) if kind in _DECODERS else {},
                    tuple(self.block(b) for region in operation.regions for b in region.blocks),
                )
            )
        return Block(arguments, types, instructions, returns)


def read(module: Any) -> Program:
    """Read a StableHLO module, as `lowered.compiler_ir("stablehlo")` gives it."""
    functions = {}
    for op in module.body.operations:
        if op.operation.name == "func.func":
            name = ir.StringAttr(op.operation.attributes["sym_name"]).value
            functions[name] = _Reader().block(op.operation.regions[0].blocks[0])
    return Program(functions)
