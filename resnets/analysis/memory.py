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
        again: all blocks' inputs, and what the largest block keeps while it is worked on; never
        more than `kept_bytes`.
    """

    kept_bytes: int
    rematerialised_bytes: int


def _block(layer: tuple[str, ...]) -> tuple[str, ...]:
    return layer[: 2 if layer and layer[0].startswith(_BLOCKED) else 1]


def activation_memory(graph: Graph) -> ActivationMemory:
    """Find what the backward pass reads of the forward pass in a training step's program."""
    home: dict[int, tuple[str, ...]] = {}
    entering: dict[tuple[str, ...], set[int]] = {}
    kept: set[int] = set()
    for op in graph.ops:
        read = [n for n in op.operands if graph.tensors[n].role == "intermediate"]
        if op.phase == "forward":
            block = _block(op.layer)
            foreign = {n for n in read if home.get(n, block) != block}
            entering.setdefault(block, set()).update(foreign)
            home.update(dict.fromkeys(op.results, block))
        elif op.phase == "backward":
            kept.update(n for n in read if n in home)
        else:
            home.update(dict.fromkeys(op.results, ()) if op.phase == "other" else {})

    def size(numbers: set[int]) -> int:
        return sum(graph.tensors[number].type.bytes for number in numbers)

    inside: dict[tuple[str, ...], set[int]] = {}
    for number in kept:
        inside.setdefault(home[number], set()).add(number)
    boundary = set[int]().union(*(entering.get(block, set()) for block in inside))
    largest = max((size(numbers - boundary) for numbers in inside.values()), default=0)
    return ActivationMemory(size(kept), min(size(kept), size(boundary) + largest))
