"""Run a program symbolically: inline calls, run out loops, keep what a device would execute."""

from collections.abc import Sequence

from resnets.analysis.emit import STORED, Emitter
from resnets.analysis.kinds import ELEMENTWISE, FREE, FREE_TARGETS, GENERATED
from resnets.analysis.ops import Graph, live, own_optimizer
from resnets.analysis.program import Block, Instruction, Program, Type
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import (
    AnalysisError,
    Argument,
    Stack,
    Value,
    element_layer,
    elements,
    fold,
    ids,
)

_Environment = dict[int, Value]

_MOST_OPS = 5_000_000


def flatten(
    program: Program, arguments: Sequence[Argument], scopes: Scopes, prepared: bool
) -> Graph:
    """Make the flat sequence of a program's operations.

    Args:
      program: the lowered program.
      arguments: what each argument of `main` is.
      scopes: resolves the names of operations.
      prepared: weights are stored in the dtype that they are used in; otherwise the program
        converts them.

    Raises:
      AnalysisError: a loop is too long to run out.
    """
    flattener = _Flattener(program, scopes, prepared)
    main = program.functions["main"]
    inputs: list[int] = []
    environment: _Environment = {}
    for number, kind, argument in zip(main.arguments, main.types, arguments, strict=True):
        environment[number] = flattener.argument(kind, argument)
        inputs += ids(environment[number])
    flattener.run(main, environment, "")
    outputs = [tensor for value in main.returns for tensor in ids(environment[value])]
    ops = live(flattener.ops, set(outputs))
    if not prepared:
        own_optimizer(ops, flattener.tensors)
    return Graph(ops, flattener.tensors, tuple(inputs), tuple(outputs), tuple(flattener.warnings))


class _Flattener(Emitter):
    """Interprets instructions."""

    def __init__(self, program: Program, scopes: Scopes, prepared: bool) -> None:
        super().__init__(scopes)
        self.functions, self.prepared = program.functions, prepared
        self.warnings: list[str] = []
        self._rounds: list[int | None] = []  # the element that each loop around works on
        self._stored: dict[tuple[int, str], int] = {}

    def argument(self, kind: Type, argument: Argument) -> Value:
        if argument.stacked is None:
            return self.tensor(kind, argument.role, argument.owner)
        element = Type(kind.shape[1:], kind.dtype)
        owners = (
            element_layer(argument.owner, argument.stacked, index) for index in range(kind.shape[0])
        )
        return Stack(tuple(self.tensor(element, argument.role, owner) for owner in owners))

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
                results = self.emit(instruction, values, prefix)
            environment.update(zip(instruction.results, results, strict=True))

    def _call(self, instruction: Instruction, values: list[Value], prefix: str) -> list[Value]:
        callee = self.functions[instruction.attributes["callee"]]
        inner: _Environment = dict(zip(callee.arguments, values, strict=True))
        self.run(callee, inner, self.name(instruction, prefix))
        return [inner[number] for number in callee.returns]

    def _branch(
        self, instruction: Instruction, values: list[Value], outer: _Environment, prefix: str
    ) -> list[Value]:
        regions = instruction.regions
        chosen = self.value(values[0])
        if chosen is None and len(regions) > 1:
            where = self.name(instruction, prefix)
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
        scope = self.scopes.resolve(f"{self.name(instruction, prefix)}/x")
        while True:
            outer.update(zip(condition.arguments, values, strict=True))
            self.run(condition, outer, prefix)
            again = self.value(outer[condition.returns[0]])
            if again is None:
                where = self.name(instruction, prefix)
                self.warnings.append(f"{where}: the number of rounds depends on data; not counted")
                return self.emit(instruction, values, prefix)
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
                where = self.name(instruction, prefix)
                raise AnalysisError(f"{where}: a loop is too long: over {_MOST_OPS:,} operations")

    def _single(self, instruction: Instruction, values: list[Value], prefix: str) -> Value:
        """An instruction with one result, which may be a view of what is there already."""
        kind = instruction.kind
        if kind in GENERATED:
            return self._constant(instruction)
        annotates = kind == "custom_call" and instruction.attributes["target"] in FREE_TARGETS
        if kind in FREE or annotates:
            return self._view(values[0], instruction, prefix)
        if kind in ELEMENTWISE and all(self.has_role(value, "constant") for value in values):
            return self._folded(instruction, values)
        if kind == "dynamic_slice" and (element := self._element(instruction, values)) is not None:
            return element
        if kind == "dynamic_update_slice" and (stack := self._replaced(instruction, values)):
            return stack
        if kind == "convert" and self.prepared and self.has_role(values[0], "weight"):
            return self._as_stored(values[0], instruction.result_types[0])
        if any(isinstance(value, Stack) for value in values):
            if kind in ELEMENTWISE:
                return self.each(instruction, values, prefix)
            if kind == "reduce" and instruction.attributes["dimensions"][0] == 0:
                return self.reduced(instruction, values, prefix)
        return self.emit(instruction, values, prefix)[0]

    def _constant(self, instruction: Instruction) -> int:
        number = self.tensor(Type((), instruction.result_types[0].dtype), "constant")
        value = instruction.attributes.get("value")
        if value is not None and not instruction.result_types[0].shape:
            self.known[number] = value
        return number

    def _view(self, value: Value, instruction: Instruction, prefix: str) -> Value:
        shape = instruction.result_types[0].shape
        seen = instruction.operand_types[0].shape
        alone = shape == (1, *seen) or seen == (1, *shape)  # a round of a loop around this one
        if isinstance(value, Stack) and not alone and shape[:1] != (len(value.elements),):
            whole = self.tensor(instruction.operand_types[0], "intermediate")
            self.ops.append(self._op("concatenate", instruction, ids(value), (whole,), prefix))
            return whole
        return value

    def _folded(self, instruction: Instruction, values: list[Value]) -> int:
        """Constants of constants are constants; whole numbers are computed, for loops' counters."""
        number = self.tensor(Type((), instruction.result_types[0].dtype), "constant")
        direction = instruction.attributes.get("direction", "")
        known = fold(instruction.kind, direction, [self.value(value) for value in values])
        if known is not None:
            self.known[number] = known
        return number

    def _round(self, shape: tuple[int, ...], size: tuple[int, ...], at: list[Value]) -> int | None:
        """The index along the leading axis, where one whole element is meant and it is known."""
        index = self.value(at[0]) if at else None
        if index is None or not shape or (1, *shape[1:]) != size:
            return None
        return None if any(self.value(value) != 0 for value in at[1:]) else index

    def _element(self, instruction: Instruction, values: list[Value]) -> Value | None:
        shape = instruction.operand_types[0].shape
        index = self._round(shape, instruction.attributes["sizes"], values[1:])
        if index is None:
            return None
        stacked = isinstance(values[0], Stack) and self.has_role(values[0], *STORED)
        if stacked and self._rounds and self._rounds[-1] is None:
            self._rounds[-1] = index  # weights of its own: the round is a layer of its own
        return elements(values[0], shape[0])[index]

    def _replaced(self, instruction: Instruction, values: list[Value]) -> Stack | None:
        array, update, *at = values
        shape, size = (kind.shape for kind in instruction.operand_types[:2])
        index = self._round(shape, size, at)
        if index is None or (isinstance(update, Stack) and len(update.elements) != size[1]):
            return None
        replaced = list(elements(array, shape[0]))
        replaced[index] = update
        return Stack(tuple(replaced))

    def _as_stored(self, value: Value, kind: Type) -> Value:
        """Weights that inference converts are stored converted."""
        if isinstance(value, Stack):
            element = Type(kind.shape[1:], kind.dtype)
            return Stack(tuple(self._as_stored(part, element) for part in value.elements))
        if (value, kind.dtype) not in self._stored:
            weight = self.tensors[value]
            copy = self.tensor(Type(weight.type.shape, kind.dtype), "weight", weight.owner)
            self._stored[value, kind.dtype] = copy
        return self._stored[value, kind.dtype]
