"""Writes operations on numbered tensors in the order of execution; on stacks, one an element."""

from resnets.analysis.ops import Op, Tensor
from resnets.analysis.program import Instruction, Type
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import Stack, Value, elements, ids

STORED = ("weight", "statistic", "constant", "derived")
"""Roles of what does not depend on the images."""


class Emitter:
    """The operations and tensors so far."""

    def __init__(self, scopes: Scopes) -> None:
        """Begin with nothing; `scopes` resolves the names of operations."""
        self.scopes = scopes
        self.ops: list[Op] = []
        self.tensors: list[Tensor] = []
        self.known: dict[int, int] = {}

    def tensor(self, kind: Type, role: str, owner: tuple[str, ...] = ()) -> int:
        """Add a tensor and return its number."""
        self.tensors.append(Tensor(kind, role, owner))
        return len(self.tensors) - 1

    def name(self, instruction: Instruction, prefix: str) -> str:
        """The full name of an instruction of a function that was called from `prefix`."""
        return f"{prefix}/{instruction.name}" if prefix else instruction.name

    def value(self, value: Value) -> int | None:
        """A whole number, where it is known."""
        return self.known.get(value) if isinstance(value, int) else None

    def has_role(self, value: Value, *roles: str) -> bool:
        """Whether all of a value has one of these roles."""
        return all(self.tensors[number].role in roles for number in ids(value))

    def emit(self, instruction: Instruction, values: list[Value], prefix: str) -> list[Value]:
        """Write the operation as it stands, on all elements of stacks."""
        operands = tuple(number for value in values for number in ids(value))
        role = self._result_role(operands)
        results = tuple(self.tensor(kind, role) for kind in instruction.result_types)
        self.ops.append(self._op(instruction.kind, instruction, operands, results, prefix))
        return list(results)

    def each(self, instruction: Instruction, values: list[Value], prefix: str) -> Value:
        """Apply an element-wise operation to each element of stacks."""
        kinds, result = instruction.operand_types, instruction.result_types[0]
        return self._at(instruction, prefix, tuple(values), kinds, result)

    def _at(
        self,
        instruction: Instruction,
        prefix: str,
        operands: tuple[Value, ...],
        kinds: tuple[Type, ...],
        result: Type,
        kind: str = "",
    ) -> Value:
        """An element-wise operation on values, element by element where one is a stack."""
        stacks = [operand for operand in operands if isinstance(operand, Stack)]
        if not stacks:
            numbers = tuple(operand for operand in operands if isinstance(operand, int))
            return self._one(instruction, prefix, numbers, kinds, result, kind)
        inner = Type(result.shape[1:], result.dtype)
        inner_kinds = tuple(
            Type(k.shape[1:], k.dtype) if k.shape == result.shape else k for k in kinds
        )
        columns = [elements(operand, len(stacks[0].elements)) for operand in operands]
        return Stack(
            tuple(
                self._at(instruction, prefix, row, inner_kinds, inner, kind)
                for row in zip(*columns, strict=True)
            )
        )

    def reduced(self, instruction: Instruction, values: list[Value], prefix: str) -> Value:
        """Reduce each element of a stack, then the results with one another."""
        whole, start = instruction.operand_types
        parts = list(elements(values[0], whole.shape[0]))
        element, result = Type(whole.shape[1:], whole.dtype), instruction.result_types[0]
        if element.shape != result.shape:
            initial = ids(values[1])[0]
            parts = [
                self._one(instruction, prefix, (*ids(part), initial), (element, start), result)
                for part in parts
            ]
        body = instruction.regions[0].instructions[0].kind
        reached = parts[0]
        for part in parts[1:]:
            pair = (reached, part)
            reached = self._at(instruction, prefix, pair, (result, result), result, body)
        return reached

    def _one(
        self,
        instruction: Instruction,
        prefix: str,
        operands: tuple[int, ...],
        kinds: tuple[Type, ...],
        result: Type,
        kind: str = "",
    ) -> int:
        """An operation on elements of stacks, in place of the instruction on whole stacks."""
        number = self.tensor(result, self._result_role(operands))
        name = kind or instruction.kind
        op = self._op(name, instruction, operands, (number,), prefix)
        op.operand_types, op.result_types = kinds, (result,)
        self.ops.append(op)
        return number

    def _result_role(self, operands: tuple[int, ...]) -> str:
        """What is computed of stored things alone is no activation."""
        stored = all(self.tensors[number].role in STORED for number in operands)
        return "derived" if stored and operands else "intermediate"

    def _op(
        self,
        kind: str,
        instruction: Instruction,
        operands: tuple[int, ...],
        results: tuple[int, ...],
        prefix: str,
    ) -> Op:
        scope = self.scopes.resolve(self.name(instruction, prefix))
        body = tuple(inner.kind for region in instruction.regions for inner in region.instructions)
        return Op(
            kind,
            operands,
            results,
            instruction.operand_types,
            instruction.result_types,
            scope.modules,
            scope.phase,
            scope.function,
            scope.recomputed,
            instruction.attributes,
            body,
        )
