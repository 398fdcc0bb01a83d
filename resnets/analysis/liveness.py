"""How much memory a lowered program needs while it runs, from the lifetimes of its values.

Unlike the flat sequence of `ops`, the program keeps its loops here: a loop holds its stacks as a
whole until it ends, as a device's buffers do, and not one element after the other.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from resnets.analysis import kinds
from resnets.analysis.program import Block, Instruction, Program, Type

_VIEWS = frozenset(
    ("broadcast_in_dim", "concatenate", "dynamic_slice", "pad", "reverse", "slice", "transpose")
)
_FUSED = kinds.ELEMENTWISE | kinds.GENERATED | _VIEWS
"""Operations that are computed where they are read, unless what reads them needs an array."""

_SAME = frozenset(("reshape", "bitcast_convert", "optimization_barrier"))
_PLACED = frozenset(("custom_call", "sdy.sharding_constraint"))
_INTO_PLACE = frozenset(("dynamic_update_slice",))
_REDUCTIONS = frozenset(("reduce",))
"""They read their operands without needing them as arrays."""


@dataclasses.dataclass(frozen=True)
class _Step:
    """An instruction after calls are inlined, on values numbered through the whole block."""

    kind: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    types: tuple[Type, ...]
    regions: tuple[Block, ...]


class _Inliner:
    """Writes out the calls of one block."""

    def __init__(self, functions: Mapping[str, Block], first: int) -> None:
        self.functions, self.next = functions, first
        self.steps: list[_Step] = []

    def add(self, block: Block, names: dict[int, int]) -> tuple[int, ...]:
        """Append a block's instructions; return the values that it returns."""
        for instruction in block.instructions:
            operands = tuple(names[o] for o in instruction.operands)
            if instruction.kind in ("func.call", "composite"):
                callee = self.functions[instruction.attributes["callee"]]
                returned = self.add(callee, dict(zip(callee.arguments, operands, strict=True)))
                names.update(zip(instruction.results, returned, strict=True))
                continue
            self._append(instruction, operands, names)
        return tuple(names[value] for value in block.returns)

    def _append(
        self, instruction: Instruction, operands: tuple[int, ...], names: dict[int, int]
    ) -> None:
        outside = sorted(set[int]().union(*map(_captured, instruction.regions)))
        operands += tuple(names[value] for value in outside)
        results = tuple(range(self.next, self.next + len(instruction.results)))
        self.next += len(results)
        names.update(zip(instruction.results, results, strict=True))
        self.steps.append(
            _Step(
                instruction.kind,
                operands,
                results,
                instruction.result_types,
                instruction.regions,
            )
        )


def _captured(block: Block) -> set[int]:
    """Values that a region reads of what is around it."""
    made = {*block.arguments}
    read = {*block.returns}
    for instruction in block.instructions:
        read.update(instruction.operands)
        made.update(instruction.results)
        for region in instruction.regions:
            read |= _captured(region)
    return read - made


class _Block:
    """Lifetimes of the values of one block.

    Values that nothing needs as arrays are no buffers: what they are computed from lives until
    they are last read.
    """

    def __init__(self, functions: Mapping[str, Block], block: Block) -> None:
        self.functions = functions
        given = (*block.arguments, *sorted(_captured(block)))
        inliner = _Inliner(functions, len(given))
        names = dict(zip(given, range(len(given)), strict=True))
        self.arguments = range(len(given))
        self.returns = inliner.add(block, names)
        self.steps = inliner.steps
        self.sizes = {
            value: type_.bytes
            for step in self.steps
            for value, type_ in zip(step.results, step.types, strict=True)
        }
        self.source = {value: step for step in self.steps for value in step.results}
        self.owner = self._owners()
        self.stored = self._stored()
        self.roots: dict[int, frozenset[int]] = {}

    def _owners(self) -> dict[int, int]:
        """The value whose buffer each value lies in."""
        owner = {value: value for value in (*self.arguments, *self.sizes)}
        for step in self.steps:
            if step.kind in _SAME | _INTO_PLACE or _annotation(step):
                owner.update(
                    (result, owner[operand])
                    for result, operand in zip(step.results, step.operands, strict=False)
                )
            elif step.kind == "while":
                body = step.regions[1]
                owner.update(
                    (result, owner[operand])
                    for result, operand, given, returned in zip(
                        step.results, step.operands, body.arguments, body.returns, strict=False
                    )
                    if given == returned
                )
        return owner

    def _stored(self) -> set[int]:
        """Owners that are buffers: of what is no element-wise work, and of what that reads."""
        stored = {self.owner[value] for value in (*self.arguments, *self.returns)}
        for step in self.steps:
            if step.kind in _FUSED or step.kind in _SAME or _annotation(step):
                continue
            if step.kind in _INTO_PLACE:
                stored.add(self.owner[step.operands[0]])
                continue
            stored.update(self.owner[value] for value in step.results)
            if step.kind not in _REDUCTIONS:
                stored.update(self.owner[value] for value in step.operands)
        return stored

    def _roots(self, values: Iterable[int]) -> frozenset[int]:
        """The buffers that these values are computed from."""
        found: set[int] = set()
        for value in values:
            owner = self.owner[value]
            if owner in self.stored:
                found.add(owner)
                continue
            if owner not in self.roots:
                self.roots[owner] = self._roots(self.source[owner].operands)
            found |= self.roots[owner]
        return frozenset(found)

    def peak(self, outer: bool) -> int:
        """Most bytes alive at once, arguments not counted.

        Args:
          outer: of a whole program, whose outputs lie elsewhere; in a loop only those do that take
            the place of an argument that nothing reads any more.
        """
        reads = [self._reads(step) for step in self.steps]
        last = {root: number for number, roots in enumerate(reads) for root in roots}
        returned = {self.owner[value] for value in self.returns}
        last.update((owner, len(self.steps)) for owner in returned)
        elsewhere = set(self.arguments) | (returned if outer else self._in_place(last))
        if outer:
            elsewhere |= self._in_outputs(last, returned)
        ending: dict[int, list[int]] = {}
        for root, number in last.items():
            ending.setdefault(number, []).append(root)
        alive: set[int] = set()
        now = most = 0
        for number, step in enumerate(self.steps):
            made = {self.owner[value] for value in step.results} & self.stored
            dead = [root for root in ending.get(number, ()) if root in alive]
            taken = self._taken_over(step, dead)
            new = made - alive - elsewhere
            alive |= new
            now += sum(self.sizes[value] for value in new)
            most = max(most, now - taken + self._inside(step))
            for root in (*dead, *(value for value in new if value not in last)):
                alive.discard(root)
                now -= self.sizes[root]
        return most

    def _in_place(self, last: Mapping[int, int]) -> set[int]:
        """What a loop hands on in the place of what it was given."""
        made = {self.owner[v]: n for n, step in enumerate(self.steps) for v in step.results}
        return {
            self.owner[value]
            for given, value in zip(self.arguments, self.returns, strict=False)
            if last.get(given, -1) <= made.get(self.owner[value], -1)
        }

    def _in_outputs(self, last: Mapping[int, int], returned: set[int]) -> set[int]:
        """What an output of the same size is computed from, element by element and last of all."""
        found: set[int] = set()
        for number, step in enumerate(self.steps):
            if step.kind in _FUSED and self.owner[step.results[0]] in returned:
                size = step.types[0].bytes
                ending = (root for root in self._roots(step.operands) if last[root] == number)
                found.update([r for r in ending if self.sizes.get(r) == size][:1])
        return found

    def _reads(self, step: _Step) -> frozenset[int]:
        """Buffers that must be there when a step runs; none if it runs where it is read."""
        made = {self.owner[value] for value in step.results}
        fused = step.kind in _FUSED and not made & self.stored
        return frozenset() if fused else self._roots(step.operands)

    def _taken_over(self, step: _Step, dead: Iterable[int]) -> int:
        """Bytes of operands that end here and whose place the results take."""
        if step.kind == "while":
            own = {self.owner[value] for value in step.operands}
            kept = {self.owner[value] for value in step.results}
            return sum(self.sizes[root] for root in dead if root in own - kept)
        if step.kind not in _FUSED:
            return 0
        sizes = [self.sizes[root] for root in dead]
        return next((size for size in sizes if size == step.types[0].bytes), 0)

    def _inside(self, step: _Step) -> int:
        """What the bodies of a loop or a choice need beside what they are given."""
        if step.kind not in ("while", "case", "if"):
            return 0
        return max((_Block(self.functions, body).peak(False) for body in step.regions), default=0)


def _annotation(step: _Step) -> bool:
    """Whether it only says on which devices a value lies."""
    return step.kind in _PLACED and len(step.operands) == len(step.results) == 1


def temporary_bytes(program: Program) -> int:
    """Bytes that a program needs beside its arguments and outputs, at its fullest moment."""
    return _Block(program.functions, program.functions["main"]).peak(True)


def arguments_bytes(program: Program) -> int:
    """Bytes of what a program is given."""
    return sum(type_.bytes for type_ in program.functions["main"].types)
