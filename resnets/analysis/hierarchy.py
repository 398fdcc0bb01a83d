"""What crosses the outer boundary of one on-chip memory, given its capacity.

A memory holds tensors between steps (`residency`) and the tiles that a step works on (`tiling`);
how much is set aside for tiles is chosen from a few shares, for the least traffic. Both parts move
less the more room they have, so that traffic never rises with capacity.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

from resnets.analysis.residency import Belady, Event, Walk
from resnets.analysis.schedule import Product, Schedule
from resnets.analysis.symbols import AnalysisError
from resnets.analysis.tiling import Tiling, tilings

RESIDENCIES = ("none", "belady", "optimal")
TILINGS = ("once", "search", "double")
SHARES = (0.0625, 0.125, 0.25, 0.5, 0.75, 1.0)
"""Parts of a memory that may be set aside for the tiles that a step works on."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a memory holds and what crosses its outer boundary.

    Attributes:
      residency: the policy.
      capacity: bytes, all cores together.
      workspace: bytes set aside for tiles.
      events: in order.
      occupancy: bytes of tensors held during each step; the tiles are not among them.
      kept: bytes that stay of each tensor that a step writes, by step and tensor.
      tiles: of the steps that have a product, where tiles were searched for.
    """

    residency: str
    capacity: float
    workspace: float
    events: tuple[Event, ...]
    occupancy: tuple[int, ...]
    kept: Mapping[tuple[int, int], int]
    tiles: Mapping[int, Tiling]

    @functools.cached_property
    def read(self) -> int:
        """Bytes towards the compute units."""
        return sum(event.read for event in self.events)

    @functools.cached_property
    def written(self) -> int:
        """Bytes away from them."""
        return sum(event.written for event in self.events)

    @property
    def bytes(self) -> int:
        """All traffic across the boundary."""
        return self.read + self.written

    def by_kind(self) -> dict[str, int]:
        """Traffic of each kind of event."""
        sums: dict[str, int] = {}
        for event in self.events:
            sums[event.kind] = sums.get(event.kind, 0) + event.read + event.written
        return sums

    def by_step(self) -> list[tuple[int, int]]:
        """Bytes read and written by each step."""
        sums = [[0, 0] for _ in self.occupancy]
        for event in self.events:
            sums[event.step][0] += event.read
            sums[event.step][1] += event.written
        return [(read, written) for read, written in sums]


def plan(
    schedule: Schedule,
    capacity: float,
    residency: str = "belady",
    tiling: str = "once",
    tile_capacity: float | None = None,
) -> Plan:
    """Plan one memory.

    Args:
      schedule: steps and tensors.
      capacity: bytes, all cores together; may be infinite.
      residency: `none` keeps nothing between steps; `belady` what is needed soonest; `optimal`
        minimises traffic (a linear program; see `optimal`).
      tiling: `once` takes every operand of a step once, however large; `search` cuts products that
        do not fit into tiles and counts what is fetched again; `double` searches for tiles that
        are fetched while the ones before are worked on, which takes room for both.
      tile_capacity: bytes that one tile may take, if a core sees only its own part.

    Raises:
      AnalysisError: not even the smallest tile of some product fits.
    """
    if residency not in RESIDENCIES or tiling not in TILINGS:
        valid = RESIDENCIES if residency not in RESIDENCIES else TILINGS
        wrong = residency if residency not in RESIDENCIES else tiling
        raise AnalysisError(f"{wrong!r} is not one of {', '.join(valid)}")
    if tiling == "once":
        return _held(schedule, capacity, 0.0, residency)
    best: Plan | None = None
    for share in SHARES if residency != "none" else (1.0,):
        workspace = capacity * share
        kept = capacity - workspace if math.isfinite(capacity) else capacity
        held = _held(schedule, kept, workspace, residency)
        if best is not None and held.bytes >= best.bytes:
            break  # what is held less of moves more, and tiles come on top
        limit = min(workspace, tile_capacity or workspace)
        tiled = _tiled(schedule, held, limit, tiling == "double")
        if tiled and (best is None or tiled.bytes < best.bytes):
            best = dataclasses.replace(tiled, capacity=capacity)
    if best is None:
        limit = min(capacity, tile_capacity or capacity)
        raise AnalysisError(_too_small(schedule, limit, tiling == "double"))
    return best


def _held(schedule: Schedule, kept: float, workspace: float, residency: str) -> Plan:
    room = kept if residency != "none" else 0.0
    if residency == "optimal" and room:
        from resnets.analysis.optimal import Optimal

        walk: Walk = Optimal(schedule, room)
    else:
        walk = Belady(schedule, room)
    walk.run()
    return Plan(
        residency,
        kept + workspace,
        workspace,
        tuple(walk.events),
        tuple(walk.occupancy),
        walk.kept,
        {},
    )


def _tiled(schedule: Schedule, held: Plan, limit: float, double: bool) -> Plan | None:
    """Cut the products into tiles of at most `limit` bytes; None if one cannot be cut so small."""
    missing: dict[tuple[int, int], int] = {}
    for event in held.events:
        if event.read:
            missing[event.step, event.tensor] = event.read
    events, tiles = list(held.events), {}
    for number, step in enumerate(schedule.steps):
        product = step.product
        if product is None:
            continue
        read = dict(step.reads)
        outside = [
            missing.get((number, tensor), 0) / read[tensor] if read.get(tensor) else 0.0
            for tensor in (product.input, product.kernel)
        ]
        output = product.output
        whole = schedule.sizes[output] if output is not None else 0
        stays = held.kept.get((number, output), 0) if output is not None else 0
        outside.append(1 - stays / whole if whole else 1.0)
        candidates = tilings(product.nest, double)
        index = candidates.best(limit, (outside[0], outside[1], outside[2]))
        if index is None:
            return None
        tiles[number] = candidates[index]
        events += _again(number, product, tiles[number], outside)
    events.sort(key=lambda event: event.step)
    return dataclasses.replace(held, events=tuple(events), tiles=tiles)


def _again(
    number: int, product: Product, tile: Tiling, outside: Sequence[float]
) -> Iterator[Event]:
    """What a tiling moves beyond every operand once, as far as it is not on chip."""
    nest = product.nest
    for tensor, moved, once, share in (
        (product.input, tile.input_bytes, nest.input_bytes, outside[0]),
        (product.kernel, tile.kernel_bytes, nest.kernel_bytes, outside[1]),
    ):
        if extra := round(max(0, moved - once) * share):
            yield Event(number, tensor, "refetch", extra, 0)
    if extra := round((tile.output_bytes - nest.output_bytes) * outside[2] / 2):
        tensor = product.output if product.output is not None else product.input
        yield Event(number, tensor, "partial", extra, extra)


def _too_small(schedule: Schedule, limit: float, double: bool) -> str:
    """Say which layer needs more room than there is."""
    needs = [
        (tilings(step.product.nest, double).smallest, step.layer)
        for step in schedule.steps
        if step.product is not None
    ]
    most, layer = max(needs)
    return f"{layer}: its smallest tile takes {most:,} bytes, a tile may take {limit:,.0f}"
