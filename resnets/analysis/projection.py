"""Time of a schedule on a machine: what each unit and each memory takes, and which of them binds.

The model is a roofline (Williams et al. 2009) of as many roofs as the machine has compute units and
memory boundaries, step by step: `lower` if everything overlaps, `upper` if nothing does, `estimate`
with the overlap and overhead that the hardware file states. On a machine that fetches ahead, the
estimate of a step runs from the end of the one before.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence

from resnets.analysis.hardware import Hardware, Memory
from resnets.analysis.hierarchy import Plan, plan
from resnets.analysis.prefetch import Stage, spans
from resnets.analysis.rates import rate
from resnets.analysis.schedule import Schedule, Step

OVERHEAD = "overhead"


@dataclasses.dataclass(frozen=True)
class StepTime:
    """What one step takes; seconds and bytes.

    Attributes:
      step: that it is.
      units: seconds of each compute unit.
      memories: seconds that each memory takes to serve the level inside it.
      read: bytes that each memory gives.
      written: bytes that each memory takes in.
      overhead: seconds to launch it.
      estimate: seconds, with the machine's overlap and overhead.
    """

    step: Step
    units: Mapping[str, float]
    memories: Mapping[str, float]
    read: Mapping[str, int]
    written: Mapping[str, int]
    overhead: float
    estimate: float

    @property
    def resources(self) -> dict[str, float]:
        """Seconds of each unit and memory."""
        return {**self.units, **self.memories}

    @property
    def lower(self) -> float:
        """Seconds if everything overlaps."""
        return max(self.resources.values(), default=0.0)

    @property
    def upper(self) -> float:
        """Seconds if nothing overlaps."""
        return sum(self.resources.values()) + self.overhead

    @property
    def bound(self) -> str:
        """What it waits for longest: a unit, a memory or `overhead`."""
        times = {**self.resources, OVERHEAD: self.overhead}
        return max(times, key=lambda name: times[name])


@dataclasses.dataclass(frozen=True)
class Projection:
    """What a schedule takes on a machine.

    Attributes:
      hardware: the machine.
      schedule: what it does.
      residency: the policy of the plans.
      tiling: likewise.
      steps: in order.
      plans: of each memory whose outer boundary takes time or is the last, by its name.
      warnings: assumptions that the hardware file forced.
    """

    hardware: Hardware
    schedule: Schedule
    residency: str
    tiling: str
    steps: tuple[StepTime, ...]
    plans: Mapping[str, Plan]
    warnings: tuple[str, ...]

    @functools.cached_property
    def resources(self) -> dict[str, float]:
        """Seconds of each unit and memory over all steps."""
        totals: dict[str, float] = {}
        for step in self.steps:
            for name, seconds in step.resources.items():
                totals[name] = totals.get(name, 0.0) + seconds
        return totals

    @functools.cached_property
    def estimate(self) -> float:
        """Seconds: the sum of the steps."""
        return sum(step.estimate for step in self.steps)

    @property
    def lower(self) -> float:
        """Seconds if everything overlaps, one step with the next too."""
        return max(self.resources.values(), default=0.0)

    @property
    def upper(self) -> float:
        """Seconds if nothing overlaps."""
        return sum(step.upper for step in self.steps)

    @property
    def overhead(self) -> float:
        """Seconds to launch all steps."""
        return sum(step.overhead for step in self.steps)

    @property
    def bound(self) -> str:
        """The resource whose steps, those that it binds, take longest."""
        bound: dict[str, float] = {}
        for step in self.steps:
            bound[step.bound] = bound.get(step.bound, 0.0) + step.estimate
        return max(bound, key=lambda name: bound[name], default=OVERHEAD)

    @property
    def floor(self) -> float:
        """Seconds to move what no on-chip memory, however large, can save."""
        outer = self.hardware.memories[-1]
        read = sum(self.schedule.sizes[tensor] for tensor in self.schedule.inputs)
        return _seconds(outer, read, self.schedule.compulsory_bytes - read)

    @functools.cached_property
    def energy(self) -> float | None:
        """Joules of what the file gives an energy for; None if it gives none."""
        joules, known = 0.0, False
        for unit in self.hardware.units:
            if unit.energy is not None:
                known = True
                joules += unit.energy * sum(
                    count
                    for step in self.schedule.steps
                    for kind, _, count in step.work
                    if self.hardware.unit_for(kind) is unit
                )
        for memory in self.hardware.memories:
            if memory.energy is not None:
                known = True
                joules += memory.energy * sum(
                    step.read.get(memory.name, 0) + step.written.get(memory.name, 0)
                    for step in self.steps
                )
        return joules if known else None


def project(
    schedule: Schedule, hardware: Hardware, residency: str = "belady", tiling: str = "search"
) -> Projection:
    """Project a schedule onto a machine.

    Args:
      schedule: steps and tensors.
      hardware: the machine.
      residency: of `hierarchy.RESIDENCIES`.
      tiling: of `hierarchy.TILINGS`.

    Raises:
      AnalysisError: not even the smallest tile of some product fits a memory.
    """
    plans = {}
    for inner, outer in moved_between(hardware):
        tile = inner.capacity if inner.per_core else None
        capacity = hardware.total_capacity(inner)
        plans[outer.name] = plan(schedule, capacity, residency, tiling, tile)
    return timed(schedule, hardware, plans, residency, tiling)


def moved_between(hardware: Hardware) -> list[tuple[Memory, Memory]]:
    """Memories and the next one out, where moving takes time; external memory always."""
    outermost = hardware.memories[-1]
    return [
        (inner, outer)
        for inner, outer in itertools.pairwise(hardware.memories)
        if outer is outermost or min(outer.read, outer.write) < math.inf
    ]


def timed(
    schedule: Schedule,
    hardware: Hardware,
    plans: Mapping[str, Plan],
    residency: str,
    tiling: str,
) -> Projection:
    """Time a schedule whose traffic is planned; `plans` by the memory that is moved from."""
    traffic = {name: planned.by_step() for name, planned in plans.items()}
    innermost = hardware.memories[0]
    if innermost.name not in traffic:
        traffic[innermost.name] = [_operands(schedule, step) for step in schedule.steps]
    warnings: dict[str, None] = dict.fromkeys(schedule.warnings)
    steps = []
    for number, step in enumerate(schedule.steps):
        units: dict[str, float] = {}
        for kind, dtype, count in step.work:
            unit = hardware.unit_for(kind)
            reached, assumed = rate(unit, kind, dtype, step.product)
            warnings.update(dict.fromkeys(assumed))
            units[unit.name] = units.get(unit.name, 0.0) + count / reached
        moved = {name: of_step[number] for name, of_step in traffic.items()}
        memories = {name: _seconds(hardware.memory(name), *moved[name]) for name in moved}
        steps.append(
            StepTime(
                step,
                units,
                memories,
                {name: read for name, (read, _) in moved.items()},
                {name: written for name, (_, written) in moved.items()},
                hardware.overhead,
                _estimate(hardware, units, memories),
            )
        )
    if hardware.prefetch:
        steps = _fetched_ahead(schedule, hardware, steps)
    return Projection(hardware, schedule, residency, tiling, tuple(steps), plans, tuple(warnings))


def _estimate(
    hardware: Hardware, units: Mapping[str, float], memories: Mapping[str, float]
) -> float:
    """Seconds of a step, with the machine's overlap and overhead."""
    times = [*units.values(), *memories.values()]
    hidden = hardware.overlap * (sum(times) - max(times, default=0.0))
    return hardware.overhead + sum(times) - hidden


def _fetched_ahead(
    schedule: Schedule, hardware: Hardware, steps: Sequence[StepTime]
) -> list[StepTime]:
    """The steps with what the program is given fetched beside the steps before."""
    outer, room = hardware.memories[-1], hardware.total_capacity(hardware.memories[-2])
    stages, seen = [], set[int]()
    for timed_step in steps:
        fresh = {t: size for t, size in timed_step.step.reads if t in schedule.inputs - seen}
        seen.update(fresh)
        read, written = timed_step.read[outer.name], timed_step.written[outer.name]
        ahead = min(sum(fresh.values()), read)
        own = _seconds(outer, read - ahead, written)
        memories = {**timed_step.memories, outer.name: own}
        stages.append(Stage(_estimate(hardware, timed_step.units, memories), ahead, own))
    found = spans(stages, outer.read, room)
    return [
        dataclasses.replace(timed_step, estimate=span)
        for timed_step, span in zip(steps, found, strict=True)
    ]


def _operands(schedule: Schedule, step: Step) -> tuple[int, int]:
    """What the innermost memory gives and takes: operands and results once."""
    return sum(size for _, size in step.reads), sum(schedule.sizes[t] for t in step.writes)


def _seconds(memory: Memory, read: int, written: int) -> float:
    if memory.shared_bus:
        return (read + written) / memory.read
    return max(read / memory.read, written / memory.write)
