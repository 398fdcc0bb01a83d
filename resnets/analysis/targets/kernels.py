"""What a device's compiler says of each kernel: cycles, memories, tiles, copies, collectives."""

import collections
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from resnets.analysis.costs import FLOPS_PER_MAC
from resnets.analysis.hlo import Instruction, Module
from resnets.analysis.kernels import (
    PRODUCT_TARGETS,
    PRODUCTS,
    Kernel,
    kernel,
    scheduled,
)
from resnets.analysis.scopes import Scopes

_COPIES = ("copy", "copy-start", "slice-start", "dynamic-slice-start", "transpose")
_FETCHES = ("slice", "dynamic-slice", "copy")
_MOVES = {"parameter", "transpose", "convert", "bitcast", "copy", "reshape", "tuple"}
_COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)

_NO_ESTIMATE = 1 << 60
"""A TPU's compiler adds this to the cycles of a form that it would never choose, but had to."""

Work = Mapping[tuple[str, str], int]
"""Multiply-adds of one product of a layer in a phase."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A layer's part of a kernel; the parts of one kernel add up to 1.

    Attributes:
      layer: path, slashes between; the function or primitive of what has none.
      phase: `forward`, `backward`, `optimizer` or `other`.
      share: of the kernel.
      named: a layer or named scope stands behind it.
    """

    layer: str
    phase: str
    share: float
    named: bool


@dataclasses.dataclass(frozen=True)
class Placed:
    """A kernel on a device.

    Attributes:
      name: of the instruction.
      kind: of a fusion, target of a custom call, opcode of anything else.
      category: `product`, `elementwise`, `copy` or `collective`.
      parts: the layers that it works for, split by products if it has any, by bytes otherwise.
      runs: how often; None where nobody knows.
      cycles: of one run by the compiler's estimate; None where it gives none (as for GPUs).
      seconds: likewise, where the estimate is a time (as for a GPU's fusions).
      flops: of the products inside, by the network's own count; 0 where that has none.
      read_bytes: of one run, from the device's main memory.
      written_bytes: likewise.
      near_bytes: of operands and results that the compiler keeps in on-chip memory.
      tiles: the output window of one iteration, as the compiler writes it; empty for none.
    """

    name: str
    kind: str
    category: str
    parts: tuple[Part, ...]
    runs: int | None
    cycles: int | None
    seconds: float | None
    flops: int
    read_bytes: int
    written_bytes: int
    near_bytes: int
    tiles: tuple[int, ...]


def read_kernels(
    serialised: bytes, scopes: Scopes, work: Work | None = None
) -> tuple[list[Placed], list[str]]:
    """Read the kernels of an optimised module in the order of its schedule.

    Layers share a kernel by the multiply-adds of their products in it; if it has none, by bytes. A
    kernel that belongs to no layer, such as a prefetch or a change of layout, works for the first
    kernel after it that reads its result and belongs to one.

    Args:
      serialised: the module.
      scopes: resolves the names of operations.
      work: where it lacks a layer of a kernel, products count the same.
    """
    module, warnings = Module(serialised), list[str]()
    found: list[Placed] = []
    places: dict[int, tuple[int, int]] = {}
    for where, instruction, runs in scheduled(module, module.entry, 1, warnings):
        described = kernel(module, where, instruction, runs, None, scopes)
        places[len(found)] = where, instruction.id
        found.append(_placed(module, where, instruction, described, scopes, work or {}))
    readers = _readers(module)
    owned = {place: found[n].parts for n, place in places.items() if _in_layer(found[n])}
    starts = {
        called: (where, instruction.id)
        for where, computation in module.computations.items()
        for instruction in computation.instructions.values()
        if instruction.opcode == "async-start"
        for called in instruction.called
    }
    for number, (inside, inner) in places.items():
        if (
            inside in starts and found[number].kind in _FETCHES
        ):  # beside the kernels, for a later one
            found[number] = dataclasses.replace(found[number], category="copy")
        where, start = starts.get(inside, (inside, inner))
        if (inside, inner) not in owned:
            served = _served(where, start, readers, owned)
            if served:
                found[number] = dataclasses.replace(found[number], parts=served)
    return found, warnings


def _in_layer(placed: Placed) -> bool:
    return any(part.named for part in placed.parts)


def _readers(module: Module) -> dict[tuple[int, int], list[int]]:
    """Instructions that read each instruction of the same computation, in order."""
    readers: dict[tuple[int, int], list[int]] = {}
    for where, computation in module.computations.items():
        for instruction in computation.instructions.values():
            for operand in instruction.operands:
                readers.setdefault((where, operand), []).append(instruction.id)
    return readers


def _served(
    where: int,
    start: int,
    readers: dict[tuple[int, int], list[int]],
    owned: dict[tuple[int, int], tuple[Part, ...]],
) -> tuple[Part, ...]:
    """The parts of the nearest kernel downstream that belongs to a layer."""
    front, seen = [start], {start}
    while front:
        following = [r for number in front for r in readers.get((where, number), ())]
        for reader in following:
            if (where, reader) in owned:
                return owned[where, reader]
        front = [reader for reader in following if reader not in seen]
        seen.update(front)
    return ()


def _placed(
    module: Module,
    where: int,
    instruction: Instruction,
    described: Kernel,
    scopes: Scopes,
    work: Work,
) -> Placed:
    around = module.computations[where].instructions
    operands = [around[number] for number in dict.fromkeys(instruction.operands)]
    near_read = sum(_near(operand) for operand in operands)
    near_written = _near(instruction)
    config = _config(instruction)
    window = config.get("window_config", {})
    parts, macs = _parts(module, instruction, described, scopes, work)
    cycles = int(window.get("estimated_cycles") or config.get("estimated_cycles") or 0)
    return Placed(
        described.name,
        described.kind,
        _category(module, instruction, described),
        parts,
        described.runs,
        cycles if 0 < cycles < _NO_ESTIMATE else None,
        _seconds(config),
        FLOPS_PER_MAC * macs,
        max(0, described.operand_bytes - near_read),
        max(0, described.output_bytes - near_written),
        near_read + near_written,
        tuple(int(bound) for bound in window.get("output_window_bounds", ())),
    )


def _config(instruction: Instruction) -> dict[str, Any]:
    try:
        config = json.loads(instruction.config or b"{}")
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _near(instruction: Instruction) -> int:
    pairs = zip(instruction.sizes, instruction.spaces, strict=True)
    return sum(size for size, space in pairs if space)


def _seconds(config: dict[str, Any]) -> float | None:
    """Time of a GPU's kernel: of its several estimates the one that all fusions have."""
    costs = config.get("reification_cost", ())
    found = (cost.get("exec_time_us") for cost in costs if not cost.get("name"))
    microseconds = next(found, None)
    return None if microseconds is None else float(microseconds) / 1e6


def _category(module: Module, instruction: Instruction, described: Kernel) -> str:
    if instruction.opcode.removesuffix("-start").startswith(_COLLECTIVES):
        return "collective"
    if described.products:
        return "product"
    moved = {inner.opcode for inner in module.fused(instruction)}
    only_moves = instruction.opcode == "fusion" and moved <= _MOVES
    return "copy" if only_moves or instruction.opcode in _COPIES else "elementwise"


def _parts(
    module: Module, instruction: Instruction, described: Kernel, scopes: Scopes, work: Work
) -> tuple[tuple[Part, ...], int]:
    """The layers of the products inside by their work, else what its bytes are shared by.

    The number is the multiply-adds of the products, 0 where they are not known.
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    named: dict[tuple[str, str], bool] = {}
    for inner in module.fused(instruction):
        scope = scopes.resolve(inner.op_name or inner.opcode)
        key = "/".join(scope.modules) or scope.function, scope.phase
        named[key] = bool(scope.modules)
        if inner.opcode in PRODUCTS or inner.detail.startswith(PRODUCT_TARGETS):
            counts[key] += 1
    macs = 0
    if counts and counts.keys() <= work.keys():
        counts = collections.Counter({key: n * work[key] for key, n in counts.items()})
        macs = counts.total()
    if not counts:
        counts.update({(part.layer, part.phase): part.bytes for part in described.shares})
    if any(named.get(key) for key in counts):  # what stands at the root rides on a layer
        counts = collections.Counter({key: n for key, n in counts.items() if named.get(key)})
    if not counts.total():
        counts = collections.Counter(dict.fromkeys(counts, 1))
    whole = counts.total()
    parts = tuple(
        Part(layer, phase, count / whole, named.get((layer, phase), False))
        for (layer, phase), count in counts.items()
    )
    return parts, macs
