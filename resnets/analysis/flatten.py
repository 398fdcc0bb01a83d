"""Run a program symbolically: inline calls, run out loops, keep what a device would execute."""

from collections.abc import Sequence

from resnets.analysis.kinds import ELEMENTWISE, FREE, FREE_TARGETS, GENERATED
from resnets.analysis.ops import Graph, Op, Tensor, live
from resnets.analysis.program import Block, Instruction, Program, Type
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import (
    COMPARED,
    FOLDED,
    LOOP,
    AnalysisError,
    Argument,
    Stack,
    Value,
    element_layer,
    elements,
    ids,
)

_Environment = dict[int, Value]

_MOST_OPS = 5_000_000


def flatten(
    program: Program, arguments: Sequence[Argument], scopes: Scopes, training: bool
) -> Graph:
    """Make the flat sequence of a program's operations.

    Args:
      program: the lowered program.
      arguments: what each argument of `main` is.
      scopes: resolves the names of operations.
      training: weights are converted in every step; otherwise they are stored as they are used.

    Raises:
      AnalysisError: a loop is too long to run out.
    """
    flattener = _Flattener(program, scopes, training)
    main = program.functions["main"]
    inputs: list[int] = []
    environment: _Environment = {}
    for number, kind, argument in zip(main.arguments, main.types, arguments, strict=True):
        environment[number] = flattener.argument(kind, argument)
        inputs += ids(environment[number])
    flattener.run(main, environment, "")
    outputs = [tensor for value in main.returns for tensor in ids(environment[value])]
    ops = live(flattener.ops, set(outputs))
    if training:
        _own_optimizer(ops, flattener.tensors)
    return Graph(ops, flattener.tensors, tuple(inputs), tuple(outputs), tuple(flattener.warnings))


def _own_optimizer(ops: list[Op], tensors: list[Tensor]) -> None:
    """Give what the optimiser does to the layers whose weights it changes."""
    for op in ops:
        owned = op.layer
        if op.phase == "optimizer":
            owned = next((tensors[o].owner for o in op.operands if tensors[o].owner), ())
            op.layer = owned or op.layer
        for result in op.results:
            tensors[result].owner = owned


class _Flattener:
    """Interprets instructions; `ops` grows in the order of execution."""

    def __init__(self, program: Program, scopes: Scopes, training: bool) -> None:
        self.functions, self.scopes, self.training = program.functions, scopes, training
        self.ops: list[Op] = []
        self.tensors: list[Tensor] = []
        self.warnings: list[str] = []
        self._known: dict[int, int] = {}
        self._rounds: list[int | None] = []  # the element that each loop around works on
        self._stored: dict[tuple[int, str], int] = {}

    def argument(self, kind: Type, argument: Argument) -> Value:
        if LOOP not in argument.owner or not kind.shape:
            return self._tensor(kind, argument.role, argument.owner)
        element = Type(kind.shape[1:], kind.dtype)
        return Stack(
            tuple(
                self._tensor(element, argument.role, element_layer(argument.owner, 0, index))
                for index in range(kind.shape[0])
            )
        )

    def _tensor(self, kind: Type, role: str, owner: tuple[str, ...] = ()) -> int:
        self.tensors.append(Tensor(kind, role, owner))
        return len(self.tensors) - 1

    def run(self, block: Block, environment: _Environment, prefix: str) -> None:
        """Run a block's instructions; their results are put into the environment."""
        for instruction in block.instructions:
            values = [environment[number] for number in instruction.operands]
            if instruction.kind == "while":
                results = self._loop(instruction, values, environment, prefix)
            elif instruction.kind in ("case", "if"):
                results = self._branch(instruction, values, environment, prefix)
            elif instruction.kind in ("func.call", "composite"):
                results = self._call(instruction, values, prefix)
            elif len(instruction.results) == 1:
                results = [self._single(instruction, values, prefix)]
            elif instruction.kind == "optimization_barrier":
                results = values
            else:
                results = self._emit(instruction, values, prefix)
            environment.update(zip(instruction.results, results, strict=True))

    def _name(self, instruction: Instruction, prefix: str) -> str:
        return f"{prefix}/{instruction.name}" if prefix else instruction.name

    def _call(self, instruction: Instruction, values: list[Value], prefix: str) -> list[Value]:
        callee = self.functions[instruction.attributes["callee"]]
        inner: _Environment = dict(zip(callee.arguments, values, strict=True))
        self.run(callee, inner, self._name(instruction, prefix))
        return [inner[number] for number in callee.returns]

    def _branch(
        self, instruction: Instruction, values: list[Value], outer: _Environment, prefix: str
    ) -> list[Value]:
        regions = instruction.regions
        chosen = self._value(values[0])
        if chosen is None and len(regions) > 1:
            where = self._name(instruction, prefix)
            self.warnings.append(f"{where}: a branch depends on data; its last case is counted")
        if chosen is None:
            chosen = len(regions) - 1
        elif instruction.kind == "if":
            chosen = 0 if chosen else 1
        region = regions[max(0, min(chosen, len(regions) - 1))]
        self.run(region, outer, prefix)
        return [outer[number] for number in region.returns]

    def _loop(
        self, instruction: Instruction, values: list[Value], outer: _Environment, prefix: str
    ) -> list[Value]:
        condition, body = instruction.regions
        scope = self.scopes.resolve(f"{self._name(instruction, prefix)}/x")
        while True:
            outer.update(zip(condition.arguments, values, strict=True))
            self.run(condition, outer, prefix)
            again = self._value(outer[condition.returns[0]])
            if again is None:
                where = self._name(instruction, prefix)
                self.warnings.append(f"{where}: the number of rounds depends on data; not counted")
                return self._emit(instruction, values, prefix)
            if not again:
                return values
            start = len(self.ops)
            outer.update(zip(body.arguments, values, strict=True))
            self._rounds.append(None)
            self.run(body, outer, prefix)
            index = self._rounds.pop()
            values = [outer[number] for number in body.returns]
            if index is not None:
                for op in self.ops[start:]:
                    op.layer = element_layer(op.layer, len(scope.modules), index)
            if len(self.ops) > _MOST_OPS:
                where = self._name(instruction, prefix)
                raise AnalysisError(f"{where}: a loop is too long: over {_MOST_OPS:,} operations")

    def _value(self, value: Value) -> int | None:
        return self._known.get(value) if isinstance(value, int) else None

    def _single(self, instruction: Instruction, values: list[Value], prefix: str) -> Value:
        """An instruction with one result, which may be a view of what is there already."""
        kind = instruction.kind
        if kind in GENERATED:
            return self._constant(instruction)
        annotates = kind == "custom_call" and instruction.attributes["target"] in FREE_TARGETS
        if kind in FREE or annotates:
            return self._view(values[0], instruction, prefix)
        if kind in ELEMENTWISE and all(self._is(value, "constant") for value in values):
            return self._folded(instruction, values)
        if kind == "dynamic_slice" and (element := self._element(instruction, values)) is not None:
            return element
        if kind == "dynamic_update_slice" and (stack := self._replaced(instruction, values)):
            return stack
        if kind == "convert" and not self.training and self._is(values[0], "weight"):
            return self._as_stored(values[0], instruction.result_types[0])
        if kind in ELEMENTWISE and any(isinstance(value, Stack) for value in values):
            return self._each(instruction, values, prefix)
        return self._emit(instruction, values, prefix)[0]

    def _constant(self, instruction: Instruction) -> int:
        number = self._tensor(Type((), instruction.result_types[0].dtype), "constant")
        value = instruction.attributes.get("value")
        if value is not None and not instruction.result_types[0].shape:
            self._known[number] = value
        return number

    def _view(self, value: Value, instruction: Instruction, prefix: str) -> Value:
        shape = instruction.result_types[0].shape
        if isinstance(value, Stack) and (not shape or shape[0] != len(value.elements)):
            whole = self._tensor(instruction.operand_types[0], "intermediate")
            self.ops.append(self._op("concatenate", instruction, value.elements, (whole,), prefix))
            return whole
        return value

    def _folded(self, instruction: Instruction, values: list[Value]) -> int:
        """Constants of constants are constants; whole numbers are computed, for loops' counters."""
        number = self._tensor(Type((), instruction.result_types[0].dtype), "constant")
        known = [self._value(value) for value in values]
        if not any(value is None for value in known):
            if instruction.kind == "compare":
                compared = COMPARED[instruction.attributes["direction"]]
                self._known[number] = int(compared(*known))  # type: ignore[arg-type]
            elif instruction.kind in FOLDED:
                self._known[number] = FOLDED[instruction.kind](*known)
        return number

    def _round(self, shape: tuple[int, ...], size: tuple[int, ...], at: list[Value]) -> int | None:
        """The index along the leading axis, where one whole element is meant and it is known."""
        index = self._value(at[0]) if at else None
        if index is None or not shape or (1, *shape[1:]) != size:
            return None
        if any(self._value(value) != 0 for value in at[1:]):
            return None
        if self._rounds and self._rounds[-1] is None:
            self._rounds[-1] = index
        return index

    def _element(self, instruction: Instruction, values: list[Value]) -> int | None:
        shape = instruction.operand_types[0].shape
        index = self._round(shape, instruction.attributes["sizes"], values[1:])
        if index is None:
            return None
        return elements(values[0], shape[0])[index]

    def _replaced(self, instruction: Instruction, values: list[Value]) -> Stack | None:
        array, update, *at = values
        shape, size = (kind.shape for kind in instruction.operand_types[:2])
        index = self._round(shape, size, at)
        if index is None or isinstance(update, Stack):
            return None
        replaced = list(elements(array, shape[0]))
        replaced[index] = update
        return Stack(tuple(replaced))

    def _is(self, value: Value, role: str) -> bool:
        return all(self.tensors[number].role == role for number in ids(value))

    def _as_stored(self, value: Value, kind: Type) -> Value:
        """Weights that inference converts are stored converted."""
        if isinstance(value, Stack):
            element = Type(kind.shape[1:], kind.dtype)
            stored = (self._as_stored(number, element) for number in value.elements)
            return Stack(tuple(number for number in stored if isinstance(number, int)))
        if (value, kind.dtype) not in self._stored:
            weight = self.tensors[value]
            copy = self._tensor(Type(weight.type.shape, kind.dtype), "weight", weight.owner)
            self._stored[value, kind.dtype] = copy
        return self._stored[value, kind.dtype]

    def _each(self, instruction: Instruction, values: list[Value], prefix: str) -> Stack:
        """Apply an element-wise operation to each element of stacks."""
        count = next(len(value.elements) for value in values if isinstance(value, Stack))
        result = instruction.result_types[0]
        kind = Type(result.shape[1:], result.dtype)
        operand_kinds = tuple(
            Type(k.shape[1:], k.dtype) if k.shape == result.shape else k
            for k in instruction.operand_types
        )
        columns = [elements(value, count) for value in values]
        made = []
        for operands in zip(*columns, strict=True):
            number = self._tensor(kind, "intermediate")
            op = self._op(instruction.kind, instruction, operands, (number,), prefix)
            op.operand_types, op.result_types = operand_kinds, (kind,)
            self.ops.append(op)
            made.append(number)
        return Stack(tuple(made))

    def _emit(self, instruction: Instruction, values: list[Value], prefix: str) -> list[Value]:
        results = tuple(self._tensor(kind, "intermediate") for kind in instruction.result_types)
        operands = tuple(number for value in values for number in ids(value))
        self.ops.append(self._op(instruction.kind, instruction, operands, results, prefix))
        return list(results)

    def _op(
        self,
        kind: str,
        instruction: Instruction,
        operands: tuple[int, ...],
        results: tuple[int, ...],
        prefix: str,
    ) -> Op:
        scope = self.scopes.resolve(self._name(instruction, prefix))
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
