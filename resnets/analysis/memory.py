"""Activation memory that training must keep between the forward and the backward pass."""

import dataclasses

from resnets.analysis.ops import Graph

_BLOCKED = ("stage", "block")  # modules whose children are the blocks


@dataclasses.dataclass(frozen=True)
class ActivationMemory:
    """Bytes alive when the backward pass begins.

    Attributes:
      kept_bytes: everything that the forward pass computed and the backward pass reads.
      rematerialised_bytes: the same if every block kept its inputs only and computed the rest
        again: all blocks' inputs, and what the largest block keeps while it is worked on.
    """

    kept_bytes: int
    rematerialised_bytes: int


def _block(layer: tuple[str, ...]) -> tuple[str, ...]:
    return layer[: 2 if layer and layer[0].startswith(_BLOCKED) else 1]


def activation_memory(graph: Graph) -> ActivationMemory:
    """Find what the backward pass reads of the forward pass in a training step's program."""
    home: dict[int, tuple[str, ...]] = {}
    boundary: set[int] = set()
    kept: set[int] = set()
    for op in graph.ops:
        read = [n for n in op.operands if graph.tensors[n].role == "intermediate"]
        if op.phase == "forward":
            block = _block(op.layer)
            boundary.update(n for n in read if home.get(n, block) != block)
            home.update(dict.fromkeys(op.results, block))
        elif op.phase == "backward":
            kept.update(n for n in read if n in home)
        else:
            home.update(dict.fromkeys(op.results, ()) if op.phase == "other" else {})

    def size(numbers: set[int]) -> int:
        return sum(graph.tensors[number].type.bytes for number in numbers)

    inside: dict[tuple[str, ...], int] = {}
    for number in kept - boundary:
        block = home[number]
        inside[block] = inside.get(block, 0) + size({number})
    return ActivationMemory(size(kept), size(boundary) + max(inside.values(), default=0))
