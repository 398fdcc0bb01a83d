"""Costs by layer: rows in the order of execution, folded to blocks or stages as asked."""

import dataclasses
import re
from collections.abc import Sequence

from resnets.analysis.costs import Cost, cost, total
from resnets.analysis.lower import Lowered
from resnets.analysis.ops import Graph, Op
from resnets.analysis.symbols import LOOP

_BLOCK = re.compile(r"block\d+")

KINDS = {
    "convolution": "convolution",
    "dot_general": "product",
    "reduce_window": "pooling",
    "select_and_scatter": "pooling",
    "reduce": "reduction",
}
"""What a layer with such an operation is called; the first that it has counts."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row.

    Attributes:
      name: path of the module, slashes between; of the function for what has none.
      kind: `convolution`, `product`, `normalisation`, `pooling`, `reduction`, `elementwise`,
        `update` (of the optimiser), or `block` for folded rows of several kinds.
      phase: `forward`, `backward`, `optimizer` or `other`.
      parameters: trainable parameters that it is the first to read.
      named: whether a module or named scope stands behind it.
      cost: what it costs.
    """

    name: str
    kind: str
    phase: str
    parameters: int
    named: bool
    cost: Cost


def rows(lowered: Lowered) -> tuple[Layer, ...]:
    """Gather a program's operations by layer and phase, in the order of first execution."""
    gathered: dict[tuple[str, str], list[Op]] = {}
    for op in lowered.graph.ops:
        gathered.setdefault((op.name, op.phase), []).append(op)
    layers = []
    parameters = _first_readers(lowered.graph)
    for (name, phase), ops in gathered.items():
        path = ops[0].layer
        looped = tuple(LOOP if _BLOCK.fullmatch(part) else part for part in path)
        module = lowered.modules.get(path) or lowered.modules.get(looped, "")
        costs = [cost(op, lowered.graph.tensors) for op in ops]
        kind = _kind(ops, phase, module)
        layers.append(
            Layer(name, kind, phase, parameters.get((name, phase), 0), bool(path), total(costs))
        )
    return tuple(layers)


def _first_readers(graph: Graph) -> dict[tuple[str, str], int]:
    """Parameters by the row that reads them first: each is counted once, unused ones are not."""
    seen: set[int] = set()
    counts: dict[tuple[str, str], int] = {}
    for op in graph.ops:
        for number in op.operands:
            tensor = graph.tensors[number]
            if tensor.role == "weight" and number not in seen:
                seen.add(number)
                row = (op.name, op.phase)
                counts[row] = counts.get(row, 0) + tensor.type.elements
    return counts


def _kind(ops: Sequence[Op], phase: str, module: str) -> str:
    if phase == "optimizer":
        return "update"
    if "Norm" in module:
        return "normalisation"
    present = {op.kind for op in ops}
    return next((name for kind, name in KINDS.items() if kind in present), "elementwise")


def fold(layers: Sequence[Layer], depth: int) -> tuple[Layer, ...]:
    """Add up rows that agree in the first `depth` parts of their names; 0 leaves them alone."""
    if not depth:
        return tuple(layers)
    gathered: dict[tuple[str, str], list[Layer]] = {}
    for layer in layers:
        name = "/".join(layer.name.split("/")[:depth])
        gathered.setdefault((name, layer.phase), []).append(layer)
    folded = []
    for (name, phase), parts in gathered.items():
        found = {part.kind for part in parts}
        folded.append(
            Layer(
                name,
                found.pop() if len(found) == 1 else "block",
                phase,
                sum(part.parameters for part in parts),
                all(part.named for part in parts),
                total([part.cost for part in parts]),
            )
        )
    return tuple(folded)
