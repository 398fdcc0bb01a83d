"""The kernels of a compiled module: what they move, how often they run, the layers they serve."""

import collections
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

import jax

from resnets.analysis.hlo import Computation, Instruction, Module
from resnets.analysis.scopes import OPTIMIZER, Scopes

_SEQUENCES = ("while", "call", "conditional", "async-start")  # they run other computations' kernels
FREE = frozenset(
    [
        *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"),
        *("add-dependency", "opt-barrier", "partition-id", "replica-id", "domain"),
    ]
)
_FREE_CALLS = {"ConcatBitcast"}  # slices that were fetched side by side, seen as one array
_POOLING = {"reduce-window", "select-and-scatter"}
_VIEWS = ("broadcast", "iota", "reshape")
_PARTIAL = ("slice", "dynamic-slice", "gather")
PRODUCTS = ("convolution", "dot")
PRODUCT_TARGETS = ("__cudnn$conv", "__cublas")
_LIBRARIES = ("__cudnn", "__cublas")
_KEYS = re.compile(
    r"\['([^']+)'\]"
)  # of a parameter, as in `state.params['stage1']['conv']['kernel']`


@dataclasses.dataclass(frozen=True)
class Share:
    """What a kernel does for one layer.

    Attributes:
      layer: path of the module, slashes between; of the function or primitive for what has none.
      phase: `forward`, `backward`, `optimizer` or `other`.
      instructions: how many of the kernel's come from there.
      bytes: of the kernel's traffic in all its runs, what falls to the layer.
    """

    layer: str
    phase: str
    instructions: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Something that the device launches.

    Attributes:
      name: of the instruction.
      kind: of a fusion, target of a custom call, opcode of anything else.
      shares: the layers that it came from.
      phase: of the operation that it ends with.
      operand_bytes: read in one run.
      output_bytes: written in one run.
      flops: of one run by XLA's count; None where XLA gives none.
      products: convolutions and matrix products inside it.
      runs: how often it runs; None where nobody knows.
    """

    name: str
    kind: str
    shares: tuple[Share, ...]
    phase: str
    operand_bytes: int
    output_bytes: int
    flops: int | None
    products: int
    runs: int | None

    @property
    def bytes(self) -> int:
        """Read and written in all known runs."""
        return (self.runs or 0) * (self.operand_bytes + self.output_bytes)


def kernels(
    serialised: bytes, scopes: Scopes, xla_flops: Callable[[bytes], int | None] | None = None
) -> tuple[tuple[Kernel, ...], tuple[str, ...]]:
    """Read the kernels of an optimised module, for any backend.

    Args:
      serialised: the module as a protocol buffer.
      scopes: resolves the names of operations.
      xla_flops: counts the operations of a serialised module of one instruction.

    Returns:
      kernels in the order of the schedule, and warnings.
    """
    module, warnings = Module(serialised), list[str]()
    found = []
    for where, instruction, runs in scheduled(module, module.entry, 1, warnings):
        flops = None
        if xla_flops:
            try:
                flops = xla_flops(module.alone(where, instruction.id))
            except jax.errors.JaxRuntimeError as error:
                warnings.append(f"{instruction.name}: not counted by XLA: {str(error)[:200]}")
        found.append(kernel(module, where, instruction, runs, flops, scopes))
    return tuple(found), tuple(warnings)


def scheduled(
    module: Module, where: int, runs: int | None, warnings: list[str]
) -> Iterator[tuple[int, Instruction, int | None]]:
    """What a computation launches: where it stands, the instruction, how often it runs."""
    for instruction in module.computations[where].instructions.values():
        free = instruction.opcode in FREE or instruction.detail in _FREE_CALLS
        if free or instruction.opcode.endswith(("-done", "-update")):
            continue
        if instruction.opcode not in _SEQUENCES:
            yield where, instruction, runs
            continue
        times: list[int | None] = [1] * len(instruction.called)
        if instruction.opcode == "while":  # the condition is asked once more than the body runs
            rounds = instruction.rounds
            times = [None, None] if rounds is None else [rounds, rounds + 1]
        elif instruction.opcode == "conditional":
            times = [None] * len(instruction.called)
        if None in times:
            what = "rounds" if instruction.opcode == "while" else "branches taken"
            warnings.append(f"{instruction.name}: {what} not known; its kernels are not counted")
        for called, count in zip(instruction.called, times, strict=True):
            inner = None if runs is None or count is None else runs * count
            yield from scheduled(module, called, inner, warnings)


def kernel(
    module: Module,
    where: int,
    instruction: Instruction,
    runs: int | None,
    flops: int | None,
    scopes: Scopes,
) -> Kernel:
    """Describe one instruction that is launched."""
    around = module.computations[where]
    fused = list(module.fused(instruction))
    read, written = _traffic(module, around, instruction)
    named = [inner for inner in fused if inner.op_name and inner.opcode not in FREE]
    products = sum(
        inner.opcode in PRODUCTS or inner.detail.startswith(PRODUCT_TARGETS) for inner in fused
    )
    total, owner = (runs or 0) * (read + written), _owner(around, instruction)
    shares = _shares(named or [instruction], total, owner, scopes)
    return Kernel(
        instruction.name,
        instruction.detail or instruction.opcode,
        shares,
        scopes.resolve(instruction.op_name).phase if instruction.op_name else shares[0].phase,
        read,
        written,
        flops,
        products,
        runs,
    )


def _owner(where: Computation, instruction: Instruction) -> str:
    """The layer that the first of the network's variables among a kernel's operands belongs to."""
    operands = (where.instructions[number] for number in instruction.operands)
    keys = (_KEYS.findall(o.op_name) for o in operands if o.opcode == "parameter")
    return next(("/".join(path[:-1]) for path in keys if path), "")


def _shares(
    instructions: Sequence[Instruction], total: int, owner: str, scopes: Scopes
) -> tuple[Share, ...]:
    """Split a kernel's bytes over layers, in proportion to what they would write without fusion.

    Pooling weighs as often as its window has positions.
    Broadcasts and reshapes, which are never written, weigh nothing; where nothing else is there,
    each instruction weighs the same. What the optimiser does falls to the owner of the variables.
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    weights: collections.Counter[tuple[str, str]] = collections.Counter()
    for instruction in instructions:
        scope = scopes.resolve(instruction.op_name or instruction.opcode)
        layer = "/".join(scope.modules) or scope.function
        key = owner if owner and scope.phase == OPTIMIZER else layer, scope.phase
        counts[key] += 1
        taps = instruction.taps if instruction.opcode in _POOLING else 1
        weights[key] += 0 if instruction.opcode in _VIEWS else instruction.bytes * taps
    weights = weights if weights.total() else counts
    shares, seen, given = [], 0, 0
    for (layer, phase), count in counts.items():
        seen += weights[layer, phase]
        upto = total * seen // weights.total()
        shares.append(Share(layer, phase, count, upto - given))
        given = upto
    return tuple(shares)


def _traffic(module: Module, where: Computation, instruction: Instruction) -> tuple[int, int]:
    """Bytes that a kernel reads and writes.

    An operand counts once; what is only sliced or gathered from counts as the slices; an update in
    place counts as the update; scratch memory of library calls does not count.
    """
    operands = [where.instructions[number] for number in dict.fromkeys(instruction.operands)]
    if instruction.opcode == "fusion":
        inner = module.computations[instruction.called[0]].instructions
        parameters = [i for i in inner.values() if i.opcode == "parameter"]
        read = sum(_read(inner, parameter) for parameter in parameters)
        root = inner[module.computations[instruction.called[0]].root]
        results = [inner[n] for n in root.operands] if root.opcode == "tuple" else [root]
        return read, sum(_written(inner, result) for result in results)
    read = sum(operand.bytes for operand in operands)
    if instruction.opcode in _PARTIAL:
        return read - operands[0].bytes + instruction.bytes, instruction.bytes
    if instruction.opcode == "dynamic-update-slice":
        return read - operands[0].bytes, _written(where.instructions, instruction)
    library = instruction.detail.startswith(_LIBRARIES)
    if instruction.opcode == "copy-start" or (library and len(instruction.sizes) > 1):
        return read, instruction.sizes[0]
    return read, instruction.bytes


def _read(inner: dict[int, Instruction], value: Instruction) -> int:
    """Bytes of a value that its users inside a fusion read."""
    read = 0
    for user in inner.values():
        if value.id not in user.operands:
            continue
        first = user.operands[0] == value.id and value.id not in user.operands[1:]
        if first and user.opcode in _PARTIAL:
            read += user.bytes
        elif user.opcode == "bitcast":
            read += _read(inner, user)
        elif not (first and user.opcode == "dynamic-update-slice"):
            return value.bytes
    return min(read, value.bytes)


def _written(inner: dict[int, Instruction], value: Instruction) -> int:
    while value.opcode == "bitcast":
        value = inner[value.operands[0]]
    if value.opcode == "dynamic-update-slice":
        return inner[value.operands[1]].bytes
    return value.bytes
