"""Data-parallel training over many devices, from the projection of one device's training step.

Weak scaling: every device works on a batch of its own of the same size, so that it computes what
the projection says and waits for all-reduces on top of that. Gradients are summed in buckets while
the backward pass goes on; the optimiser begins when all of them have arrived, as clipping by the
global norm needs it. Normalisation over the whole batch waits in both passes for the sums of its
vectors: the trainer's step is one program over all devices, and that is how XLA partitions it.

Left out: the memory bandwidth that an all-reduce takes from computing, differences in speed between
devices, slower links between groups of devices, and the sums of the loss and the error.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from resnets.analysis.hardware import Interconnect
from resnets.analysis.ops import Graph, Op
from resnets.analysis.projection import Projection
from resnets.analysis.schedule import Schedule
from resnets.analysis.symbols import AnalysisError

BUCKET = 4 * 2**20
"""Bytes of gradients that are collected before they are summed."""

_TORUS = {"torus2d": 2, "torus3d": 3}
_PASSES = ("forward", "backward")
_OPAQUE = (
    "the schedule does not show what passes between its steps: it must be that of a training step "
    "with accumulation=1, fused as in 'none' or 'epilogue'"
)


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A training step on a number of devices; seconds, and bytes of one device.

    Attributes:
      devices: how many; each has a batch of the same size.
      step_s: the whole step.
      compute_s: of it, what one device takes on its own.
      gradient_bytes: gradients that a device makes.
      statistics_bytes: vectors of normalisations that it waits for; 0 if not synchronised.
      all_reduces: operations on the network; 0 for one device.
      communication_s: during which the network is busy.
      exposed_s: of it, what computing waits for.
      efficiency: time of one device by that of all, 0 to 1.
    """

    devices: int
    step_s: float
    compute_s: float
    gradient_bytes: int
    statistics_bytes: int
    all_reduces: int
    communication_s: float
    exposed_s: float
    efficiency: float


class Gradient(NamedTuple):
    """A gradient: the step that makes it, its tensor and its bytes."""

    step: int
    tensor: int
    bytes: int


class _Request(NamedTuple):
    """An all-reduce that computing can begin after some seconds of its own."""

    ready: float
    bytes: int
    blocking: bool


def scale(
    graph: Graph,
    projection: Projection,
    devices: Sequence[int],
    bucket: int = BUCKET,
    synchronised: bool = True,
) -> list[Scaled]:
    """Predict data-parallel training, for each number of devices.

    Args:
      graph: of one device's training step with accumulation=1 (`lower.training_step`).
      projection: of its schedule, fused as in `none` or `epilogue`.
      devices: how many, any numbers from 1.
      bucket: bytes of gradients that are collected before they are summed; 0 sums each alone.
      synchronised: normalisations use statistics of all devices' images, as the trainer's do;
        otherwise of their own.

    Raises:
      AnalysisError: the hardware file has no interconnect; a number of devices is below 1; the
        schedule does not show the gradients.
    """
    links = projection.hardware.interconnect
    if links is None:
        file = projection.hardware.name
        raise AnalysisError(f"{file}: the hardware file has no [interconnect] table; add one")
    if wrong := [count for count in devices if count < 1]:
        raise AnalysisError(f"devices={wrong[0]} must be 1 or more")
    summed = gradients(graph, projection.schedule)
    waited = statistics(graph, projection.schedule) if synchronised else {}
    sizes = sum(gradient.bytes for gradient in summed), sum(waited.values())
    requests, end = _requests(projection, summed, waited, bucket)
    compute = projection.estimate
    found = []
    for count in devices:
        busy, exposed = _simulate(requests, end, count, links)
        step, number = compute + exposed, len(requests) if count > 1 else 0
        share = compute / step if step else 1.0
        found.append(Scaled(count, step, compute, *sizes, number, busy, exposed, share))
    return found


def gradients(graph: Graph, schedule: Schedule) -> list[Gradient]:
    """Find what the backward pass hands to the optimiser, in the order in which it is made.

    Those of a normalisation's scale are among them, though XLA takes them from statistics that are
    summed already where those are synchronised: a few bytes in a thousand.

    Raises:
      AnalysisError: it is nothing, or more than there are weights.
    """
    wanted = {
        tensor for step in schedule.steps if step.phase == "optimizer" for tensor, _ in step.reads
    }
    found = [
        Gradient(number, tensor, schedule.sizes[tensor])
        for number, step in enumerate(schedule.steps)
        if step.phase == "backward"
        for tensor in step.writes
        if tensor in wanted
    ]
    elements = sum(graph.tensors[gradient.tensor].type.elements for gradient in found)
    inputs = (graph.tensors[number] for number in graph.inputs)
    if not 0 < elements <= sum(x.type.elements for x in inputs if x.role == "weight"):
        raise AnalysisError(_OPAQUE)
    return found


def statistics(graph: Graph, schedule: Schedule) -> dict[int, int]:
    """Find the sums over the batch that either pass goes on computing with.

    They are reductions over the images whose results flow, through operations on no more elements,
    into one on more; sums that only the optimiser reads are gradients. For each step that makes
    some their bytes are given: they are sent together.

    Raises:
      AnalysisError: no step of the schedule shows what becomes of them.
    """
    users: dict[int, list[Op]] = {}
    for op in graph.ops:
        for operand in op.operands if op.phase in _PASSES else ():
            users.setdefault(operand, []).append(op)
    maker = {tensor: n for n, step in enumerate(schedule.steps) for tensor in step.writes}
    found: dict[int, int] = {}
    for op in _batch_reductions(graph):
        reached, spreads = _flow(op, users)
        if not spreads:
            continue
        # Nothing that depends on the sum is stored before the step that makes it.
        number = min((maker[tensor] for tensor in reached & maker.keys()), default=None)
        if number is None:
            raise AnalysisError(_OPAQUE)
        found[number] = found.get(number, 0) + sum(kind.bytes for kind in op.result_types)
    return found


def _batch_reductions(graph: Graph) -> Iterator[Op]:
    """Vectors that are sums over the leading axis of what is computed image by image."""
    tensors = graph.tensors
    inputs = (number for number in graph.inputs if tensors[number].role == "input")
    images = max(inputs, key=lambda number: len(tensors[number].type.shape), default=None)
    by_image = {images}
    for op in graph.ops:
        if by_image.isdisjoint(op.operands):
            continue
        if not _mixes_images(op):
            by_image.update(op.results)
        # A number is of the loss: of a batch of one image that may look like a sum over images.
        elif op.kind == "reduce" and op.phase in _PASSES and op.result_types[0].shape:
            yield op


def _mixes_images(op: Op) -> bool:
    """Whether it sums over the leading axis, as reductions and kernel gradients do."""
    if op.kind == "reduce":
        return 0 in op.attributes["dimensions"]
    if op.kind == "dot_general":
        return 0 in op.attributes["contracted"]
    return op.kind == "convolution" and op.attributes["window"].input_dims[0] != 0


def _flow(op: Op, users: Mapping[int, Sequence[Op]]) -> tuple[set[int], bool]:
    """What is computed from a result without growing, and whether anything larger is."""
    size = max(kind.elements for kind in op.result_types)
    reached, open_ends, spreads = set(op.results), list(op.results), False
    while open_ends:
        for user in users.get(open_ends.pop(), ()):
            if max(kind.elements for kind in user.result_types) > size:
                spreads = True
                continue
            fresh = [result for result in user.results if result not in reached]
            reached.update(fresh)
            open_ends += fresh
    return reached, spreads


def _requests(
    projection: Projection,
    summed: Sequence[Gradient],
    waited: Mapping[int, int],
    bucket: int,
) -> tuple[list[_Request], float]:
    """All-reduces in the order in which they can begin, and when the optimiser could begin."""
    buckets = _buckets(summed, bucket)
    requests: list[_Request] = []
    clock = 0.0
    for number, step in enumerate(projection.steps):
        if step.step.phase == "optimizer":
            continue
        clock += step.estimate
        if number in waited:
            requests.append(_Request(clock, waited[number], True))
        requests += [_Request(clock, size, False) for size in buckets.get(number, ())]
    return requests, clock


def _buckets(summed: Sequence[Gradient], bucket: int) -> dict[int, list[int]]:
    """Bytes of the buckets by the step that fills them; the last is sent as it is."""
    found: dict[int, list[int]] = {}
    pending = 0
    for place, gradient in enumerate(summed, 1):
        pending += gradient.bytes
        if pending >= bucket or place == len(summed):
            found.setdefault(gradient.step, []).append(pending)
            pending = 0
    return found


def _simulate(
    requests: Sequence[_Request], end: float, devices: int, links: Interconnect
) -> tuple[float, float]:
    """Seconds that the network is busy, and those that computing waits for it.

    There is one network. Gradients take it in the order in which they come; an all-reduce that
    computing waits for is done at once, and delays those under way by the time that it takes.
    """
    busy = blocked = free = 0.0
    for request in requests:
        seconds = all_reduce_seconds(request.bytes, devices, links)
        busy += seconds
        free = max(free, request.ready + blocked) + seconds
        if request.blocking:
            blocked += seconds
    return busy, blocked + max(0.0, free - (end + blocked))


def all_reduce_seconds(size: float, devices: int, links: Interconnect) -> float:
    """Seconds to sum an array of `size` bytes over all devices and give each the result.

    Everywhere 2 (N - 1) / N of the array cross a device's links in each direction, the least there
    is (Patarasuk & Yuan 2009). Messages wait for one another 2 (N - 1) times in a ring that is
    worked in both directions; in a torus 2 (n - 1) times for each side n, by reduce-scatters along
    one side after the other and all-gathers back, parts of the array in different orders so that
    all links work; at a switch 2 ceil(log2 N) times, by halving and doubling (Rabenseifner 2004).
    A small array in a ring is summed sooner up a binomial tree and sent down again, whole, in
    2 ceil(log2 N) rounds: the paths of a round share no link, and a message counts as one however
    far it goes. The quicker is taken. In a torus, whose latency is that between neighbours, no
    tree is tried.
    """
    if devices == 1:
        return 0.0
    moved = 2 * (devices - 1) / devices * size / links.bandwidth
    rounds = 2 * (devices - 1).bit_length()
    if links.topology == "switch":
        return moved + rounds * links.latency
    if links.topology in _TORUS:
        sides = torus_sides(devices, _TORUS[links.topology])
        return moved + 2 * sum(side - 1 for side in sides) * links.latency
    tree = rounds * (links.latency + size / links.bandwidth)
    return min(moved + 2 * (devices - 1) * links.latency, tree)


@functools.cache
def torus_sides(devices: int, dimensions: int) -> tuple[int, ...]:
    """Sides of the torus of so many devices whose sum is least, the shortest first."""
    if dimensions == 1:
        return (devices,)
    shortest = itertools.takewhile(lambda a: a**dimensions <= devices, itertools.count(1))
    return min(
        ((a, *torus_sides(devices // a, dimensions - 1)) for a in shortest if devices % a == 0),
        key=sum,
    )
