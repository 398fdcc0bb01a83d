"""From a program to the schedule of a machine, under a scenario of what is fused.

Scenarios: `none` runs every operation on its own; `epilogue` lets element-wise work ride on what
produced its operand; `prologue` lets kernels convert the weights that they read, too; `streamed` is
the convention of hand calculations: convolutions and products move their operands and results once,
and everything else is computed on the way for nothing.
"""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resnets.analysis import kinds
from resnets.analysis.costs import FLOPS_PER_MAC, cost, read_bytes, total
from resnets.analysis.grouping import Group, group
from resnets.analysis.nests import loop_nest
from resnets.analysis.ops import Graph, Op
from resnets.analysis.schedule import Product, Schedule, Step, Work

FUSIONS = ("none", "epilogue", "prologue", "streamed")
_FUSED = ("epilogue", "prologue")
PRECISIONS = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
"""Bytes that a number takes in a scenario of precision."""

_MATRIX = {"convolution": "convolution", "dot_general": "product"}
_WORK = {
    **_MATRIX,
    "reduce": "reduction",
    "reduce_window": "pooling",
    "select_and_scatter": "pooling",
}
_NAMES = {
    "f64": "float64",
    "f32": "float32",
    "bf16": "bfloat16",
    "f16": "float16",
    "i1": "bool",
    "i8": "int8",
    "ui8": "uint8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "ui16": "uint16",
    "ui32": "uint32",
    "ui64": "uint64",
}


def schedule(graph: Graph, fusion: str, training: bool, precision: str = "") -> Schedule:
    """Make the schedule of a program.

    Args:
      graph: the program.
      fusion: a name in `FUSIONS`.
      training: otherwise what depends on weights and statistics alone is computed once, ahead, and
        statistics are folded into the weights.
      precision: a name in `PRECISIONS` that all floating-point numbers are stored and computed in,
        whatever the program says; empty for the program's own.
    """
    return _Scheduler(graph, training, precision).schedule(fusion)


class _Scheduler:
    def __init__(self, graph: Graph, training: bool, precision: str) -> None:
        self.graph, self.training, self.precision = graph, training, precision
        self._seen: set[int] = set()
        self.ops = [op for op in graph.ops if training or not self._ahead(op)]
        self.free = set() if training else self._folded()

    def _ahead(self, op: Op) -> bool:
        return all(self.graph.tensors[result].role == "derived" for result in op.results)

    def _folded(self) -> set[int]:
        """Statistics, and what is computed from them without a weight."""
        tensors = self.graph.tensors
        free = {n for n, tensor in enumerate(tensors) if tensor.role in ("statistic", "constant")}
        for op in self.graph.ops:
            if self._ahead(op) and free.issuperset(op.operands):
                free.update(op.results)
        return free

    def schedule(self, fusion: str) -> Schedule:
        if fusion in _FUSED:
            groups, shown = group(self.ops, self.graph, converting=fusion == "prologue")
            steps = [self._fused(host, shown) for host in groups]
        else:
            shown = {}
            steps = [self._alone(op, streamed=fusion == "streamed") for op in self.ops]
        apart = [self._alone(op, streamed=False) for op in self.ops] if fusion == "streamed" else []
        read, made = self._moved(apart or steps)
        outputs = {shown.get(output, output) for output in self.graph.outputs} & made
        return Schedule(
            tuple(steps),
            {tensor: self._size(tensor) for tensor in read | made},
            frozenset(read - made),
            frozenset(outputs),
        )

    def _moved(self, steps: Sequence[Step]) -> tuple[set[int], set[int]]:
        """Tensors that steps read, and those that they write."""
        read = {tensor for step in steps for tensor, _ in step.reads}
        return read, {tensor for step in steps for tensor in step.writes}

    def _size(self, tensor: int) -> int:
        kind = self.graph.tensors[tensor].type
        if tensor in self.free:
            return 0
        floating = kind.dtype.startswith(("f", "bf"))
        if self.precision and floating:
            return kind.elements * PRECISIONS[self.precision]
        return kind.bytes

    def _alone(self, op: Op, streamed: bool) -> Step:
        moves = not streamed or op.kind in _MATRIX
        reads = self._reads([op], op.operands, {}) if moves else ()
        return self._step(op, [op], reads, op.results if moves else (), {})

    def _fused(self, host: Group, shown: Mapping[int, int]) -> Step:
        reads = self._reads(host.ops, host.reads, shown)
        return self._step(host.anchor, host.ops, reads, tuple(host.writes), shown)

    def _reads(
        self, ops: Sequence[Op], wanted: Sequence[int] | set[int], shown: Mapping[int, int]
    ) -> tuple[tuple[int, int], ...]:
        """Bytes read of each tensor, the largest of what the operations need."""
        sizes: dict[int, int] = {}
        for op in ops:
            for operand, size in read_bytes(op, self.graph.tensors).items():
                tensor = shown.get(operand, operand)
                if tensor in wanted and self.graph.tensors[tensor].role != "constant":
                    whole = self.graph.tensors[operand].type.bytes
                    part = self._size(tensor) * size // whole if whole else 0
                    sizes[tensor] = max(part, sizes.get(tensor, 0))
        return tuple(sizes.items())

    def _step(
        self,
        anchor: Op,
        ops: Sequence[Op],
        reads: tuple[tuple[int, int], ...],
        writes: tuple[int, ...],
        shown: Mapping[int, int],
    ) -> Step:
        fresh = [op for op in ops if id(op) not in self._seen]
        self._seen.update(map(id, fresh))
        riders = dict.fromkeys(op.name for op in ops if op.name != anchor.name)
        return Step(
            anchor.name,
            anchor.phase,
            work_kind(anchor),
            tuple(sorted(riders)),
            reads,
            writes,
            self._work(ops),
            total([cost(op, self.graph.tensors) for op in fresh]),
            self._product(anchor, writes, shown) if reads else None,
        )

    def _work(self, ops: Sequence[Op]) -> Work:
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        for op in ops:
            spent = cost(op, self.graph.tensors)
            operations = FLOPS_PER_MAC * spent.macs + spent.elementwise + spent.transcendentals
            operations += spent.unknown_flops
            if operations:
                counts[work_kind(op), self._dtype(op)] += operations
        return tuple((kind, dtype, count) for (kind, dtype), count in counts.items())

    def _dtype(self, op: Op) -> str:
        types = op.operand_types or op.result_types
        own = max(types, key=lambda kind: kind.elements).dtype
        if self.precision and own.startswith(("f", "bf")):
            return self.precision
        return _NAMES.get(own, own)

    def _product(
        self, anchor: Op, writes: tuple[int, ...], shown: Mapping[int, int]
    ) -> Product | None:
        nest = loop_nest(anchor) if anchor.kind in _MATRIX else None
        if nest is None:
            return None
        operands = [shown.get(operand, operand) for operand in anchor.operands[:2]]
        elements = anchor.result_types[0].elements
        tensors = self.graph.tensors
        same = [tensor for tensor in writes if tensors[tensor].type.elements == elements]
        if self.precision:
            size = PRECISIONS[self.precision]
            nest = replace(nest, input_size=size, kernel_size=size, output_size=size)
        return Product(nest, operands[0], operands[-1], same[-1] if same else None)


def work_kind(op: Op) -> str:
    """The kind of work that an operation is, as hardware files name it."""
    if op.kind in kinds.TRANSCENDENTAL:
        return "transcendental"
    if op.kind in kinds.MOVEMENT and op.kind != "convert":
        return "movement"
    return _WORK.get(op.kind, "elementwise")
