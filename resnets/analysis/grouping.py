"""Which operations run as one kernel when element-wise work rides on what produced its operand.

The rules are those that XLA's loop and epilogue fusions follow on any backend, without their
limits of size: a convolution, product, pooling or copy begins a kernel; what is computed element by
element from its result rides on it, reductions of its result too; what needs a finished reduction
for every element takes another pass. An element-wise result that a later kernel needs is computed
again there if that takes one large operand only, and stored otherwise. Reversals and transpositions
are addressing, not work. A kernel may also convert the weights that it reads, as on TPUs.
"""

import dataclasses
from collections.abc import Sequence

from resnets.analysis.kinds import ELEMENTWISE
from resnets.analysis.ops import Graph, Op

_VIEWS = ("reverse", "transpose")
_LONGEST_CHAIN = 48  # operations that are computed again to save one tensor


@dataclasses.dataclass
class Group:
    """Operations of one kernel, in order.

    Attributes:
      anchor: that it is built around.
      elements: of its largest result.
      late: results that need a finished reduction of the same kernel.
      ops: that it executes, those computed again included.
      reads: tensors that it reads; constants are not.
      writes: tensors that it stores.
    """

    anchor: Op
    elements: int
    late: set[int] = dataclasses.field(default_factory=set)
    ops: list[Op] = dataclasses.field(default_factory=list)
    reads: set[int] = dataclasses.field(default_factory=set)
    writes: list[int] = dataclasses.field(default_factory=list)


def group(
    ops: Sequence[Op], graph: Graph, converting: bool = False
) -> tuple[list[Group], dict[int, int]]:
    """Group operations into kernels.

    Args:
      ops: in order.
      graph: that they belong to.
      converting: kernels convert the weights that they read; otherwise another one does before.

    Returns:
      the kernels in order, and for each view the tensor that it shows.
    """
    grouping = _Grouping(graph, converting)
    for op in ops:
        grouping.place(op)
    return grouping.finish(), grouping.shown


class _Grouping:
    def __init__(self, graph: Graph, converting: bool) -> None:
        self.tensors, self.converting = graph.tensors, converting
        self.converted: dict[int, Op] = {}
        self.outputs = set(graph.outputs)
        self.groups: list[Group] = []
        self.home: dict[int, int] = {}
        self.maker: dict[int, Op] = {}
        self.shown: dict[int, int] = {}
        self.stored: set[int] = set()
        self._depth: dict[int, int] = {}

    def place(self, op: Op) -> None:
        """Find the kernel of one operation, given those of all before it."""
        if op.kind in _VIEWS:
            self.shown[op.results[0]] = self._root(op.operands[0])
            return
        if self.converting and op.kind == "convert" and self._of_weight(op):
            self.shown[op.results[0]] = self._root(op.operands[0])
            self.converted[op.results[0]] = op
            return
        self.maker.update(dict.fromkeys(op.results, op))
        operands = self._operands(op)
        elementwise = op.kind in ELEMENTWISE
        rides = elementwise or op.kind == "reduce"
        if not rides:
            for operand in operands:
                self._store(operand)
        homes = [self.home[operand] for operand in operands if operand in self.home]
        if elementwise and not homes and not self.outputs.intersection(op.results):
            return  # of weights and inputs alone: computed where it is needed
        if rides and homes and self._may_ride(op, operands, max(homes)):
            self._join(op, operands, max(homes))
        else:
            self._begin(op)

    def _of_weight(self, op: Op) -> bool:
        """Whether it only converts a weight that the program is given, and is no result of it."""
        given = self.tensors[self._root(op.operands[0])].role == "weight"
        return given and self.outputs.isdisjoint(op.results)

    def _root(self, tensor: int) -> int:
        return self.shown.get(tensor, tensor)

    def _operands(self, op: Op) -> list[int]:
        roots = dict.fromkeys(self._root(operand) for operand in op.operands)
        return [root for root in roots if self.tensors[root].role != "constant"]

    def _begin(self, op: Op) -> None:
        largest = max(self.tensors[result].type.elements for result in op.results)
        self.home.update(dict.fromkeys(op.results, len(self.groups)))
        self.groups.append(Group(op, largest))
        if op.kind == "reduce":
            self.groups[-1].late.update(op.results)
        self._fetch(op)

    def _may_ride(self, op: Op, operands: list[int], where: int) -> bool:
        host = self.groups[where]
        size = self.tensors[op.results[0]].type.elements
        waits = any(
            operand in host.late and self.tensors[operand].type.elements < size
            for operand in operands
        )
        grows = op.kind != "reduce" and size > host.elements
        again = op.kind == "reduce" and not host.late.isdisjoint(operands)
        return host.anchor.phase == op.phase and not (waits or grows or again)

    def _join(self, op: Op, operands: list[int], where: int) -> None:
        host = self.groups[where]
        self.home.update(dict.fromkeys(op.results, where))
        if op.kind == "reduce" or not host.late.isdisjoint(operands):
            host.late.update(op.results)
        self._fetch(op)

    def _fetch(self, op: Op) -> None:
        """Make sure that what an operation needs of earlier kernels can be had."""
        where = self.home[op.results[0]]
        for operand in self._operands(op):
            if operand in self.maker and self.home.get(operand) != where:
                self._make_available(operand)

    def _make_available(self, tensor: int) -> None:
        """Decide between storing a result and computing it again."""
        if tensor in self.stored:
            return
        sources = self._sources(tensor)
        size = self.tensors[tensor].type.elements
        large = [source for source in sources if self.tensors[source].type.elements >= size]
        if sources != {tensor} and len(large) <= 1 and self._chain(tensor) <= _LONGEST_CHAIN:
            self.stored.update(source for source in sources if source in self.maker)
        else:
            self._store(tensor)

    def _store(self, tensor: int) -> None:
        if tensor not in self.maker:
            return
        self.stored.add(tensor)
        if tensor not in self.home:  # of weights alone, but needed as a whole
            self._begin(self.maker[tensor])

    def _sources(self, tensor: int) -> set[int]:
        """What a result is computed from: stored tensors, or those that only a kernel can make."""
        found, open_ends = set[int](), [tensor]
        seen = {tensor}
        while open_ends:
            current = open_ends.pop()
            maker = self.maker.get(current)
            if maker is None or current in self.stored or maker.kind not in ELEMENTWISE:
                found.add(current)
                continue
            fresh = [operand for operand in self._operands(maker) if operand not in seen]
            seen.update(fresh)
            open_ends += fresh
        return found

    def _chain(self, tensor: int) -> int:
        """Length of the longest chain of element-wise operations up to a result."""
        if tensor in self._depth:
            return self._depth[tensor]
        maker = self.maker.get(tensor)
        depth = 0
        if maker is not None and tensor not in self.stored and maker.kind in ELEMENTWISE:
            depth = 1 + max(map(self._chain, self._operands(maker)), default=0)
        self._depth[tensor] = depth
        return depth

    def finish(self) -> list[Group]:
        """Fill the kernels with what the outputs need of them, the last one first."""
        needed = {self._root(output) for output in self.outputs}
        own: list[list[int]] = [[] for _ in self.groups]
        for tensor, where in self.home.items():
            own[where].append(tensor)
        for where in range(len(self.groups) - 1, -1, -1):
            host = self.groups[where]
            host.writes = [tensor for tensor in own[where] if tensor in needed]
            self._fill(host, where)
            needed.update(host.reads)
        return [host for host in self.groups if host.writes]

    def _fill(self, host: Group, where: int) -> None:
        executed: dict[int, Op] = {}
        open_ends = list(host.writes)
        seen = set(open_ends)
        while open_ends:
            tensor = open_ends.pop()
            maker = self.maker.get(tensor)
            elsewhere = self.home.get(tensor) != where
            if maker is None or (elsewhere and tensor in self.stored):
                host.reads.add(tensor)
                continue
            executed[id(maker)] = maker
            fresh = [operand for operand in self._operands(maker) if operand not in seen]
            seen.update(fresh)
            open_ends += fresh
        needed = [
            self.converted.get(operand) for op in executed.values() for operand in op.operands
        ]
        executed |= {id(op): op for op in needed if op is not None}
        host.ops = list(executed.values())
