"""Charts of a projection: under which roof each layer stands, where its time goes, what is held."""

import dataclasses
import functools
import itertools
import math

from resnets.analysis.chart_titles import fullest, limits, longest, subtitle
from resnets.analysis.hardware import Memory, spell
from resnets.analysis.projection import OVERHEAD, Projection, StepTime
from resnets.analysis.rates import rate
from resnets.drawing import palette
from resnets.drawing.bars import Bar, stacked
from resnets.drawing.chart import Chart, drawn, write
from resnets.drawing.occupancy import Filling, over_time
from resnets.drawing.roofline import NO_BYTES, NO_WORK, Dot, Roof, under_roofs
from resnets.drawing.sweep import sweep
from resnets.errors import UserError

__all__ = ["Chart", "draw", "layer_times", "occupancy", "roofline", "sweep", "write"]

_KINDS = {
    "convolution": "convolution",
    "product": "matrix product",
    "pooling": "pooling, reduction",
    "reduction": "pooling, reduction",
    "elementwise": "element-wise",
    "transcendental": "element-wise",
    "movement": "data movement",
}
WORK = {
    "convolution": palette.BLUE,
    "matrix product": palette.VERMILION,
    "pooling, reduction": palette.GREEN,
    "element-wise": palette.PINK,
    "data movement": palette.GREY,
}
_UNITS = (palette.BLUE, palette.SKY, palette.GREEN)
_MEMORIES = (palette.VERMILION, palette.ORANGE, palette.PINK)
"""Memories from the outside in."""

FOLDS = {0: "layer", 2: "block", 1: "stage"}
"""Parts of the names that a bar stands for, and what it is then called; tried in this order."""

_WANT_OF_ROOM = {"refetch": "fetched again", "spill": "spilled", "partial": "partial sums"}


@dataclasses.dataclass(frozen=True)
class Layer:
    """The steps of a layer, or of a block or stage, in one phase.

    Attributes:
      name: of the layer, or what the names of its layers begin with.
      phase: as of the steps.
      steps: in order.
    """

    name: str
    phase: str
    steps: tuple[StepTime, ...]

    @functools.cached_property
    def operations(self) -> int:
        """Operations, those done again included."""
        return sum(count for time in self.steps for _, _, count in time.step.work)

    @functools.cached_property
    def estimate(self) -> float:
        """Seconds."""
        return sum(time.estimate for time in self.steps)

    @property
    def kind(self) -> str:
        """Of the work that takes longest."""
        return max(self.steps, key=lambda time: time.estimate).step.kind

    def moved(self, memory: str) -> int:
        """Bytes that a memory gives and takes."""
        return sum(time.read[memory] + time.written[memory] for time in self.steps)

    def seconds(self, resource: str) -> float:
        """Seconds of a unit, of a memory or of `overhead`."""
        if resource == OVERHEAD:
            return sum(time.overhead for time in self.steps)
        return sum(time.resources.get(resource, 0.0) for time in self.steps)


def layers(projection: Projection, depth: int = 0) -> tuple[Layer, ...]:
    """Gather steps by phase and by the first `depth` parts of their layers' names; 0: by layer."""
    gathered: dict[tuple[str, str], list[StepTime]] = {}
    for time in projection.steps:
        name = "/".join(time.step.layer.split("/")[: depth or None])
        gathered.setdefault((name, time.step.phase), []).append(time)
    return tuple(Layer(name, phase, tuple(steps)) for (name, phase), steps in gathered.items())


def roofline(projection: Projection, of: str = "") -> Chart:
    """Draw each layer's reached rate against its intensity, under the machine's roofs.

    Args:
      projection: to draw.
      of: what was projected: network, phase, batch, precision.
    """
    below = subtitle(projection, of)
    title = f"{limits(projection)} (roofline)", below
    dots, outer = layer_dots(projection), projection.hardware.memories[-1].name
    chart = under_roofs(dots, slopes(projection), levels(projection), WORK, outer, title)
    caption = (
        f"A dot for each layer: the operations a second that it reaches by the estimate, against "
        f"its operations for a byte that {outer} gives or takes; larger dots take more time. "
        f"Sloped roofs are memories, level ones compute units; {outer}'s slope, if there is one, "
        "limits every dot."
    )
    marks = [dot.mark for dot in dots]
    if idle := marks.count(NO_BYTES):
        caption += f" At the right edge: layers without {outer} traffic ({idle})."
    if still := marks.count(NO_WORK):
        caption += f" In the lower left corner: layers without operations ({still})."
    return drawn(chart, "roofline", caption)


def layer_dots(projection: Projection) -> tuple[Dot, ...]:
    """Each layer's place in the roofline."""
    outer = projection.hardware.memories[-1].name
    dots = []
    for layer in layers(projection):
        moved = layer.moved(outer)
        dots.append(
            Dot(
                f"{layer.name} {layer.phase}",
                _KINDS[layer.kind],
                layer.operations / moved if moved else math.inf,
                layer.operations / layer.estimate if layer.estimate else 0.0,
                layer.estimate / (projection.estimate or 1.0),
            )
        )
    return tuple(dots)


def slopes(projection: Projection) -> tuple[Roof, ...]:
    """The memories that can be a bottleneck; bytes a second."""
    return tuple(
        Roof((memory.name, _bandwidth(memory)), _both_ways(memory))
        for memory in projection.hardware.memories
        if not math.isinf(_both_ways(memory))
    )


def _both_ways(memory: Memory) -> float:
    """Bytes a second; of separate buses, that of both together."""
    return memory.read if memory.shared_bus else memory.read + memory.write


def _bandwidth(memory: Memory) -> str:
    if memory.shared_bus:
        return spell(memory.read, "B/s")
    return f"{spell(memory.read, 'B/s')} read + {spell(memory.write, 'B/s')} written"


def levels(projection: Projection) -> tuple[Roof, ...]:
    """The peaks of each unit in the dtypes that the schedule uses; equal ones are one roof."""
    used: dict[tuple[str, float], dict[str, int]] = {}
    for time in projection.steps:
        for kind, dtype, count in time.step.work:
            unit = projection.hardware.unit_for(kind)
            peak, _ = rate(unit, kind, dtype, None)
            counts = used.setdefault((unit.name, peak), {})
            counts[dtype] = counts.get(dtype, 0) + count
    return tuple(
        Roof((f"{name} {spell(peak, 'FLOP/s')}", *_dtypes(counts)), peak)
        for (name, peak), counts in sorted(used.items())
    )


def _dtypes(counts: dict[str, int]) -> list[str]:
    """The dtypes, the most used first, two a line."""
    ordered = sorted(counts, key=lambda dtype: (-counts[dtype], dtype))
    return [", ".join(ordered[n : n + 2]) for n in range(0, len(ordered), 2)]


def layer_times(projection: Projection, most: int = 40, of: str = "") -> Chart:
    """Draw where each layer's time goes; folded to blocks, then stages, beyond `most` bars."""
    below = subtitle(projection, of)
    rows, what = layer_bars(projection, most)
    present = {name for row in rows for name, length in row.segments.items() if length}
    all_colours = resources(projection)
    colours = {name: c for name, c in all_colours.items() if name in present} or all_colours
    title = longest(projection, rows), f"Time of each {what}; {below}"
    chart = stacked(rows, colours, ("time", "s"), "estimate", title)
    caption = (
        f"Seconds that each {what} needs of each compute unit, memory and launch, one after the "
        "other, in the order of execution; the black line is the estimate, with what overlaps."
    )
    return drawn(chart, "layer_times", caption)


def resources(projection: Projection) -> dict[str, str]:
    """Colours of all that a step may wait for, in the order in which it is drawn."""
    units = (unit.name for unit in projection.hardware.units)
    memories = (memory.name for memory in reversed(projection.hardware.memories))
    colours = dict(zip(units, itertools.cycle(_UNITS), strict=False))
    colours |= dict(zip(memories, itertools.cycle(_MEMORIES), strict=False))
    return colours | {OVERHEAD: palette.AXIS}


def layer_bars(projection: Projection, most: int) -> tuple[tuple[Bar, ...], str]:
    """At most `most` bars, and what each of them is.

    Where even the stages are too many, those that take least stand together at the end.
    """
    for depth in FOLDS:
        found = layers(projection, depth)
        if len(found) <= most:
            break
    what = FOLDS[depth]
    several = len({layer.phase for layer in found}) > 1

    def bar(layer: Layer) -> Bar:
        segments = {name: layer.seconds(name) for name in resources(projection)}
        return Bar(layer.name, layer.phase if several else "", segments, layer.estimate)

    if len(found) <= most:
        return tuple(map(bar, found)), what
    ranked = sorted(found, key=lambda layer: -layer.estimate)
    kept = [layer for layer in found if layer in ranked[: most - 1]]
    rest = tuple(time for layer in ranked[most - 1 :] for time in layer.steps)
    others = Layer(f"{len(found) - len(kept)} others", "all phases", rest)
    return (*map(bar, kept), bar(others)), what


def occupancy(projection: Projection, memory: str, of: str = "") -> Chart:
    """Draw what an on-chip memory holds over the time of the schedule.

    Raises:
      UserError: there is no such memory, or nothing was planned for it.
    """
    below, filling = subtitle(projection, of), memory_filling(projection, memory)
    limit = "" if math.isinf(filling.capacity) else f" of {spell(filling.capacity, 'B')}"
    chart = over_time(filling, (fullest(filling, memory), below))
    caption = (
        f"Bytes of tensors that {memory} holds{limit} while the schedule runs (residency "
        f"{projection.residency}, tiling {projection.tiling})"
    )
    caption += "; the band is set aside for tiles" * bool(limit and filling.workspace)
    if any(any(sizes) for sizes in filling.moved.values()):
        caption += ". Beneath: bytes that each step moves for want of room"
    return drawn(chart, f"occupancy_{memory}", caption + ".")


def memory_filling(projection: Projection, memory: str) -> Filling:
    """What an on-chip memory holds and moves, step by step.

    Raises:
      UserError: there is no such memory, or nothing was planned for it.
    """
    hardware = projection.hardware
    place = hardware.memories.index(hardware.memory(memory)) + 1
    outer = hardware.memories[place].name if place < len(hardware.memories) else ""
    if outer not in projection.plans:
        valid = ", ".join(_planned(projection)) or "none"
        raise UserError(f"nothing was planned for {memory!r} (valid: {valid})")
    plan = projection.plans[outer]
    moved = {name: [0] * len(plan.occupancy) for name in _WANT_OF_ROOM.values()}
    for event in plan.events:
        if event.kind in _WANT_OF_ROOM:
            moved[_WANT_OF_ROOM[event.kind]][event.step] += event.read + event.written
    times = [0.0, *itertools.accumulate(time.estimate for time in projection.steps)]
    spans = []
    timed = zip(
        (time.step.phase for time in projection.steps), itertools.pairwise(times), strict=True
    )
    for phase, group in itertools.groupby(timed, lambda pair: pair[0]):
        ends = [end for _, pair in group for end in pair]
        spans.append((phase, ends[0], ends[-1]))
    spans = spans if len(spans) > 1 else []
    return Filling(times, plan.occupancy, moved, plan.capacity, plan.workspace, spans)


def _planned(projection: Projection) -> list[str]:
    """The on-chip memories that have a plan."""
    pairs = itertools.pairwise(projection.hardware.memories)
    return [inner.name for inner, outer in pairs if outer.name in projection.plans]


def draw(projection: Projection, of: str = "") -> tuple[Chart, ...]:
    """Draw every chart that has something to show; without operations there is no roofline.

    Args:
      projection: to draw.
      of: what was projected: network, phase, batch, precision.
    """
    if not projection.steps:
        return ()
    roofs = (roofline(projection, of),) if levels(projection) else ()
    held = (occupancy(projection, memory, of) for memory in _planned(projection))
    return (*roofs, layer_times(projection, of=of), *held)
