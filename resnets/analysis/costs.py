"""What one operation costs: a record that adds up, and one rule for each kind of operation."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from resnets.analysis import kinds
from resnets.analysis.convolutions import convolution_macs, product_macs
from resnets.analysis.ops import Op, Tensor

FLOPS_PER_MAC = 2


@dataclasses.dataclass(frozen=True)
class Cost:
    """Work and traffic; records add up field by field.

    Attributes:
      macs: multiply-adds of convolutions and products, padded taps counted (the papers' count).
      macs_valid: the same without padded taps (XLA's count).
      elementwise: other operations: one an element and operation, comparisons and selections too.
      transcendentals: exponentials, logarithms, roots and the like, which are not in `elementwise`.
      weight_bytes: trainable parameters read.
      input_bytes: everything else read.
      output_bytes: written.
      streamed_bytes: operands and results of convolutions and products, once each.
      unknown_flops: of operations without a rule, assumed to be one an element; in no other field.
      unknown_bytes: bytes of operations without a rule, which the other fields contain.
      operations: how many operations.
    """

    macs: int = 0
    macs_valid: int = 0
    elementwise: int = 0
    transcendentals: int = 0
    weight_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    streamed_bytes: int = 0
    unknown_flops: int = 0
    unknown_bytes: int = 0
    operations: int = 0

    @property
    def flops(self) -> int:
        """Operations with padded taps; a multiply-add is two."""
        return FLOPS_PER_MAC * self.macs + self.elementwise

    @property
    def flops_valid(self) -> int:
        """Operations without padded taps."""
        return FLOPS_PER_MAC * self.macs_valid + self.elementwise

    @property
    def bytes(self) -> int:
        """Everything read and written if no two operations share a pass (unfused)."""
        return self.weight_bytes + self.input_bytes + self.output_bytes

    @property
    def intensity(self) -> float:
        """Operations a byte; 0 where nothing moves."""
        return self.flops / self.bytes if self.bytes else 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Add field by field."""
        fields = dataclasses.fields(self)
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields))


def total(costs: Sequence[Cost]) -> Cost:
    """Add up many records."""
    columns = ([getattr(cost, f.name) for cost in costs] for f in dataclasses.fields(Cost))
    return Cost(*(sum(column) for column in columns))


@dataclasses.dataclass(frozen=True)
class Work:
    """The part of a cost that a rule gives."""

    macs: int = 0
    macs_valid: int = 0
    elementwise: int = 0
    transcendentals: int = 0


def _elements(op: Op) -> int:
    return op.result_types[0].elements


def _convolution(op: Op) -> Work:
    backward = op.phase == "backward" and not op.recomputed
    window = op.attributes["window"]
    macs, valid = convolution_macs(op.operand_types, op.result_types[0], window, backward)
    return Work(macs, valid)


def _product(op: Op) -> Work:
    macs = product_macs(op.operand_types, op.result_types[0], op.attributes["contracted"])
    return Work(macs, macs)


def _pairwise(op: Op, pairs: int) -> Work:
    """A reduction's body, applied to so many pairs."""
    arithmetic = sum(kind in kinds.ARITHMETIC for kind in op.body)
    functions = sum(kind in kinds.TRANSCENDENTAL for kind in op.body)
    return Work(elementwise=pairs * arithmetic, transcendentals=pairs * functions)


def _reduce(op: Op) -> Work:
    """To bring n values to one takes n - 1 applications."""
    return _pairwise(op, op.operand_types[0].elements - _elements(op))


def _reduce_window(op: Op) -> Work:
    return _pairwise(op, _elements(op) * (math.prod(op.attributes["size"]) - 1))


def _select_and_scatter(op: Op) -> Work:
    """For each value to scatter, a comparison a position of its window but one, and an addition."""
    return Work(elementwise=op.operand_types[1].elements * math.prod(op.attributes["size"]))


def _scatter(op: Op) -> Work:
    """The body once for each update."""
    return _pairwise(op, op.operand_types[-1].elements)


def _sort(op: Op) -> Work:
    """Comparisons: n log2 n along the sorted axis, taken as the whole size at most."""
    elements = _elements(op)
    return Work(elementwise=elements * max(1, math.ceil(math.log2(max(2, elements)))))


def _random_bits(op: Op) -> Work:
    """Twenty rounds of three operations on pairs of words (threefry, Salmon et al. 2011)."""
    return Work(elementwise=30 * op.result_types[-1].elements)


RULES: dict[str, Callable[[Op], Work]] = {
    **{kind: lambda op: Work(elementwise=_elements(op)) for kind in kinds.ARITHMETIC},
    **{kind: lambda op: Work(transcendentals=_elements(op)) for kind in kinds.TRANSCENDENTAL},
    **{kind: lambda op: Work() for kind in kinds.MOVEMENT},
    "convolution": _convolution,
    "dot_general": _product,
    "reduce": _reduce,
    "reduce_window": _reduce_window,
    "select_and_scatter": _select_and_scatter,
    "scatter": _scatter,
    "sort": _sort,
    "rng_bit_generator": _random_bits,
}
"""The rule of each kind of operation."""

_MATRIX = ("convolution", "dot_general")
_PARTIAL_READS = ("slice", "dynamic_slice", "gather")


def cost(op: Op, tensors: Sequence[Tensor]) -> Cost:
    """Cost of one operation; without a rule its bytes, and a guess under `unknown_flops`."""
    weight_bytes, input_bytes = _by_role(read_bytes(op, tensors), tensors)
    output_bytes = sum(tensors[result].type.bytes for result in op.results)
    if op.kind == "dynamic_update_slice":  # in place: what is replaced is neither read nor copied
        update = op.operand_types[1].bytes
        weight_bytes, input_bytes, output_bytes = 0, update, update
    moved = weight_bytes + input_bytes + output_bytes
    rule = RULES.get(op.kind)
    work = rule(op) if rule else Work()
    return Cost(
        work.macs,
        work.macs_valid,
        work.elementwise,
        work.transcendentals,
        weight_bytes,
        input_bytes,
        output_bytes,
        streamed_bytes=moved if op.kind in _MATRIX else 0,
        unknown_flops=0 if rule else sum(kind.elements for kind in op.result_types),
        unknown_bytes=0 if rule else moved,
        operations=1,
    )


def read_bytes(op: Op, tensors: Sequence[Tensor]) -> dict[int, int]:
    """Bytes that an operation reads of each operand; one that is used twice is read once.

    A broadcast operand is read as small as it is, a sliced one as far as the result needs it; an
    update in place reads the update only.
    """
    if op.kind == "dynamic_update_slice":
        return {op.operands[1]: op.operand_types[1].bytes}
    views = op.operand_types if len(op.operand_types) == len(op.operands) else None
    sizes: dict[int, int] = {}
    for place, number in enumerate(op.operands):
        size = tensors[number].type.bytes
        if views is not None:
            size = min(size, views[place].bytes)
        if op.kind in _PARTIAL_READS and not place:
            size = min(size, op.result_types[0].bytes)
        sizes[number] = max(size, sizes.get(number, 0))
    return sizes


def _by_role(sizes: Mapping[int, int], tensors: Sequence[Tensor]) -> tuple[int, int]:
    """Bytes of weights and of other operands; constants are made where they are used."""
    weights = others = 0
    for number, size in sizes.items():
        role = tensors[number].role
        if role == "weight":
            weights += size
        elif role != "constant":
            others += size
    return weights, others
