"""How long a network takes on this machine: the whole call, and each layer by JAX's profiler.

The profiler names the kernels as the optimised program does. On CPU a kernel may return before its
work is done (Eigen's convolutions do), and its end is noted only after the kernels that follow it
on the same thread; so it is taken to end, at the latest, where the first kernel that reads its
result begins. Where kernels overlap they share the time, so that all together never exceed it.
"""

import collections
import dataclasses
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from resnets.analysis.calibration.microbenchmarks import time_call, time_loop
from resnets.analysis.costs import cost
from resnets.analysis.hlo import Instruction, Module
from resnets.analysis.kernels import Kernel, kernels
from resnets.analysis.lower import Lowered
from resnets.analysis.scopes import Scopes
from resnets.analysis.symbols import AnalysisError

_PROFILED_SECONDS = 0.1  # of a short program several calls are profiled
_MOST_PROFILED_CALLS = 50


@dataclasses.dataclass(frozen=True)
class Measured:
    """A network on this machine.

    Attributes:
      seconds: of one call, unprofiled: the median.
      low: lower quartile of the same, in seconds.
      high: upper quartile, in seconds.
      runs: how many timings these are of.
      layers: seconds of one profiled call by layer, as in `kernels.Share`.
      kernels: seconds of one profiled call by kernel.
      profiled: seconds of one profiled call.
      explained: share of `profiled` in which a named kernel runs.
      divided: seconds of kernels that several layers with convolutions or products share; within
        them the layers' seconds are an estimate, in proportion to multiply-adds.
      unmatched: seconds of work that no kernel stands for.
    """

    seconds: float
    low: float
    high: float
    runs: int
    layers: Mapping[str, float]
    kernels: Mapping[str, float]
    profiled: float
    explained: float
    divided: float
    unmatched: float


class Span(NamedTuple):
    """A kernel at work, from `start` to `end` in nanoseconds."""

    name: str
    start: float
    end: float


def measure(
    lowered: Lowered, repeats: int = 5, seed: int = 0, options: Mapping[str, Any] | None = None
) -> Measured:
    """Run a lowered inference program on this machine with random variables and images.

    Args:
      lowered: what `lower.inference` gives.
      repeats: timings of the whole call, and calls profiled, or more where they are short.
      seed: of the random numbers.
      options: of XLA, by name, to compile with.

    Raises:
      AnalysisError: the program is lowered for another platform than this machine's.
    """
    device = jax.devices()[0]
    here = "cuda" if device.platform == "gpu" else device.platform
    if here != lowered.platform:
        raise AnalysisError(f"a program for {lowered.platform} cannot be run on {here}")
    program = lowered.lowered.compile(compiler_options=dict(options or {}))
    serialised = program.runtime_executable().hlo_modules()[0].as_serialized_hlo_module_proto()
    found, _ = kernels(serialised, Scopes(lowered.modules[()], lowered.modules, training=False))
    flow = order(Module(serialised), frozenset(kernel.name for kernel in found))
    arguments = _arguments(lowered.lowered.args_info[0], seed)
    timing = time_call(program, *arguments, repeats=repeats)
    calls = min(_MOST_PROFILED_CALLS, max(repeats, int(_PROFILED_SECONDS / timing.seconds)))
    seen, profiled = profile(program, arguments, calls)
    seconds = {name: taken / calls for name, taken in occupied(spans(seen, flow)).items()}
    taken, unmatched = by_kernel(found, seconds, flow)
    layers, divided = by_layer(found, taken, _macs(lowered))
    explained = sum(taken.values()) / profiled
    return Measured(*timing, repeats, layers, taken, profiled, explained, divided, unmatched)


def _arguments(shapes: Any, seed: int) -> Any:
    """Random variables and images that keep every activation an ordinary number.

    Small weights and biases near one do that at any depth; statistics are positive. Denormal
    numbers would be slow, and negative variances not numbers.
    """
    random = np.random.default_rng(seed)

    def leaf(path: Any, info: Any) -> Any:
        if not np.issubdtype(info.dtype, np.floating):
            return np.zeros(info.shape, info.dtype)
        statistic = any(getattr(part, "key", "") == "batch_stats" for part in path)
        if len(info.shape) < 2 or statistic:
            return random.uniform(0.5, 1.5, info.shape).astype(info.dtype)
        fan_in = math.prod(info.shape[-4:-1])
        scale = 0.1 / math.sqrt(fan_in) if any(hasattr(part, "key") for part in path) else 1.0
        return (scale * random.standard_normal(info.shape, np.float32)).astype(info.dtype)

    return jax.device_put(jax.tree_util.tree_map_with_path(leaf, shapes), jax.devices()[0])


def profile(program: Any, arguments: Sequence[Any], calls: int) -> tuple[Any, float]:
    """Profile some calls; what the profiler saw, and the seconds of one."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # thousands of events, none of them a kernel
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            seconds = time_loop(program, arguments, calls) / calls
        [file] = Path(folder).rglob("*.xplane.pb")
        return jax.profiler.ProfileData.from_serialized_xspace(file.read_bytes()), seconds


class Order(NamedTuple):
    """What a program's kernels wait for.

    Attributes:
      readers: for each kernel the kernels that read its result.
      containers: for each loop, call and conditional the kernels that run inside it.
    """

    readers: Mapping[str, frozenset[str]]
    containers: Mapping[str, frozenset[str]]


def order(module: Module, names: frozenset[str]) -> Order:
    """Read the flow of data between kernels of these names, into and out of loops and calls too."""
    values: dict[int, Instruction] = {}
    users: dict[int, list[int]] = collections.defaultdict(list)
    containers: dict[str, frozenset[str]] = {}

    def walk(where: int) -> frozenset[str]:
        inner = module.computations[where].instructions
        values.update(inner)
        for value in inner.values():
            for operand in value.operands:
                users[operand].append(value.id)
        for value in inner.values():
            if value.called and value.name not in names:
                containers[value.name] = enter(value)
        inside = frozenset(value.name for value in inner.values()) & names
        return inside.union(*(containers.get(value.name, ()) for value in inner.values()))

    def enter(container: Instruction) -> frozenset[str]:
        called = [module.computations[number] for number in container.called]
        inner = [value for computation in called for value in computation.instructions.values()]
        given = [value.id for value in inner if value.opcode == "parameter"]
        again = given if container.opcode == "while" else []
        for computation in called:
            users[computation.root] += [*users[container.id], *again]
        users[container.id] = given
        return frozenset[str]().union(*map(walk, container.called))

    def readers(number: int) -> Iterator[str]:
        seen, waiting = set[int](), list(users[number])
        while waiting:
            user = waiting.pop()
            if user in seen:
                continue
            seen.add(user)
            if values[user].name in names:
                yield values[user].name
            else:
                waiting += users[user]

    walk(module.entry)
    kernel_values = (value for value in values.values() if value.name in names)
    return Order({value.name: frozenset(readers(value.id)) for value in kernel_values}, containers)


def spans(profile: Any, flow: Order) -> list[Span]:
    """Find the program's work in a profile: on devices if it is there, else on threads of the host.

    An event belongs to the program where it carries `hlo_op` or is called as a kernel; on a device
    everything in a stream does.
    """
    device, host, ends = list[Span](), list[tuple[Span, int]](), dict[int, float]()
    for plane in profile.planes:
        on_device = plane.name.startswith("/device:")
        for line in plane.lines:
            stream = on_device and line.name.startswith("Stream")
            for event in line.events:
                stats = dict(event.stats)
                end = event.start_ns + event.duration_ns
                if event.name.startswith("end: ") and "_c" in stats:
                    ends[stats["_c"]] = end
                elif "hlo_op" in stats or event.name in flow.readers or stream:
                    span = Span(str(stats.get("hlo_op", event.name)), event.start_ns, end)
                    device += [span] * on_device
                    host.append((span, stats.get("_p", 0)))
    chosen = device or _ended(host, ends, flow)
    running = {span.name for span in chosen}
    hollow = {name for name, inner in flow.containers.items() if not running.isdisjoint(inner)}
    return [span for span in chosen if span.name not in hollow]


def _ended(host: Sequence[tuple[Span, int]], ends: Mapping[int, float], flow: Order) -> list[Span]:
    """Move the end of what went on after its call returned to where it must have ended."""
    starts: dict[str, list[float]] = collections.defaultdict(list)
    for span, _ in host:
        starts[span.name].append(span.start)
    found = []
    for span, number in host:
        noted = ends.get(number, span.end)
        read = (t for n in flow.readers.get(span.name, ()) for t in starts[n] if t >= span.end)
        found.append(span._replace(end=max(span.end, min([noted, *read]))))
    return found


def occupied(found: Sequence[Span]) -> dict[str, float]:
    """Seconds by name; what overlaps shares the time equally."""
    running = [span for span in found if span.end > span.start]
    edges = [(span.start, True, place) for place, span in enumerate(running)]
    edges += [(span.end, False, place) for place, span in enumerate(running)]
    seconds: dict[str, float] = collections.defaultdict(float)
    active, last = set[int](), 0.0
    for moment, begins, place in sorted(edges):
        for other in active:
            seconds[running[other].name] += (moment - last) / len(active) * 1e-9
        last = moment
        (active.add if begins else active.discard)(place)
    return dict(seconds)


def by_kernel(
    found: Sequence[Kernel], seconds: Mapping[str, float], flow: Order
) -> tuple[dict[str, float], float]:
    """Seconds of each kernel, and of what is none.

    A call or loop that shows as one piece is divided by its kernels' bytes.
    """
    taken = {kernel.name: seconds.get(kernel.name, 0.0) for kernel in found}
    for name in seconds.keys() & flow.containers.keys():
        inner = {k.name: float(k.bytes) for k in found if k.name in flow.containers[name]}
        for member, part in _parts(inner).items():
            taken[member] += seconds[name] * part
    strange = seconds.keys() - taken.keys() - {n for n, inner in flow.containers.items() if inner}
    return taken, sum(seconds[name] for name in strange)


def by_layer(
    found: Sequence[Kernel], seconds: Mapping[str, float], macs: Mapping[str, int]
) -> tuple[dict[str, float], float]:
    """Seconds of each layer, and those of kernels in which several layers have products.

    Args:
      found: kernels.
      seconds: of each, by name.
      macs: multiply-adds by layer; they divide a kernel with products, bytes any other.
    """
    layers: dict[str, float] = collections.defaultdict(float)
    divided = 0.0
    for kernel in found:
        named = {share.layer: 0.0 for share in kernel.shares}
        weights = {name: float(macs.get(name, 0)) for name in named if kernel.products}
        if any(weights.values()):
            several = sum(weight > 0 for weight in weights.values()) > 1
            divided += seconds[kernel.name] * several
        else:
            weights = named
            for share in kernel.shares:
                weights[share.layer] += share.bytes
        for layer, part in _parts(weights).items():
            layers[layer] += seconds[kernel.name] * part
    return dict(layers), divided


def _parts(weights: Mapping[str, float]) -> dict[str, float]:
    """Parts of one in proportion; equal parts where nothing weighs anything."""
    whole = sum(weights.values())
    return {name: weight / whole if whole else 1 / len(weights) for name, weight in weights.items()}


def _macs(lowered: Lowered) -> dict[str, int]:
    found: collections.Counter[str] = collections.Counter()
    for op in lowered.graph.ops:
        found[op.name] += cost(op, lowered.graph.tensors).macs
    return found
