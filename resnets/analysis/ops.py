"""A lowered program as one flat sequence of operations on tensors with identities.

Calls are inlined and loops run out, so the sequence is what a device would execute, in order, and
liveness can be read off the tensors' numbers. A loop over stacked blocks reads and writes single
blocks: `Stack` keeps their identities, so that a looped network gives the sequence of the unrolled
one, with the same layer names.
"""

import dataclasses
from typing import Any

from resnets.analysis.program import Type


@dataclasses.dataclass(slots=True)
class Tensor:
    """Something that occupies memory.

    Attributes:
      type: shape and dtype.
      role: `weight`, `statistic`, `input`, `state`, `constant`, `derived` (computed from weights,
        statistics and constants alone, such as a weight in another dtype) or `intermediate`.
      owner: the layer that a weight or state belongs to, or that computed the tensor.
    """

    type: Type
    role: str
    owner: tuple[str, ...] = ()


@dataclasses.dataclass(slots=True)
class Op:
    """One operation that a device executes.

    Attributes:
      kind: of StableHLO.
      operands: tensors read.
      results: tensors written.
      operand_types: as the operation sees them, in its own order.
      result_types: of the results.
      layer: path of the module it belongs to; empty for none.
      phase: `forward`, `backward`, `optimizer` or `other`.
      function: the function or primitive that it comes from.
      recomputed: it repeats forward work in the backward pass.
      attributes: what its rule needs.
      body: kinds of the operations that a reduction applies to each pair.
    """

    kind: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    operand_types: tuple[Type, ...]
    result_types: tuple[Type, ...]
    layer: tuple[str, ...]
    phase: str
    function: str
    recomputed: bool
    attributes: dict[str, Any]
    body: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The row that it belongs to."""
        return "/".join(self.layer) or self.function


@dataclasses.dataclass(frozen=True)
class Graph:
    """A program's operations in order.

    Attributes:
      ops: what is executed; nothing in it is without effect on the outputs.
      tensors: by number.
      inputs: the program's arguments; a stack counts as its elements.
      outputs: the program's results.
      warnings: what could not be followed, a line each.
    """

    ops: list[Op]
    tensors: list[Tensor]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    warnings: tuple[str, ...]


def live(ops: list[Op], outputs: set[int]) -> list[Op]:
    """Leave out the operations whose results nothing needs."""
    needed, kept = set(outputs), []
    for op in reversed(ops):
        if needed.isdisjoint(op.results):
            continue
        kept.append(op)
        needed.update(op.operands)
    return kept[::-1]


def own_optimizer(ops: list[Op], tensors: list[Tensor]) -> None:
    """Give what the optimiser does to the layers whose weights it changes."""
    for op in ops:
        owned = op.layer
        if op.phase == "optimizer":
            owned = _owner(op, tensors)
            op.layer = owned or op.layer
        for result in op.results:  # a number such as the norm of all gradients belongs to none
            tensors[result].owner = owned if tensors[result].type.shape else ()


def _owner(op: Op, tensors: list[Tensor]) -> tuple[str, ...]:
    """The layer of a weight or state among the operands, or else of any that is no number."""
    owned = [tensors[o] for o in op.operands if tensors[o].owner and tensors[o].type.shape]
    stored = [tensor for tensor in owned if tensor.role in ("weight", "state")]
    return next((tensor.owner for tensor in (*stored, *owned)), ())
