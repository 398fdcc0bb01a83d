"""From what single operations take on a machine to its hardware file.

Kernels of a CPU run one after another, so that nothing overlaps and times add up: a step takes what
its product takes, what the element-wise work that rides on it takes as a pass of its own, and what
its operands and results take to move. Units' rates are therefore those of timed programs less the
moving that the projection adds again, and the time of an outer memory is what it takes longer than
the memory inside it.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from resnets.analysis.calibration.microbenchmarks import (
    FLOAT_BYTES,
    LEAST_PART,
    Product,
    compiled,
    filled,
    net,
    time_call,
)
from resnets.analysis.hardware import Hardware, Memory, Sample, Unit
from resnets.models.convolution import convolve

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CACHED_ELEMENTS = 2**16  # 256 KiB: in the second level of any cache
STREAM_SIZES = (*(2**power for power in range(14, 26)), 2**27, 2**29)
QUICK_SIZES = (2**15, 2**19, 2**22, 2**26 + 2**12)
_SLOWER = 0.8  # of the inner level's rate: a memory must be that much slower to be one of its own
_LEAST_NET = 0.1  # of a product's time is left when moving is taken off


class Stream(NamedTuple):
    """Bytes that a pass works on, and bytes/s that it reads and writes."""

    working_set: int
    rate: float


class Cache(NamedTuple):
    """A level of data cache: its bytes, and how many of this machine's cores share it."""

    level: int
    bytes: int
    cores: int


def caches() -> tuple[Cache, ...]:
    """Data caches of the first core, smallest first; none where the system does not tell."""
    found = []
    for folder in _CACHES.glob("index*"):
        names = ("level", "type", "size", "shared_cpu_map")
        try:
            level, kind, size, shared = ((folder / name).read_text().strip() for name in names)
            cores = int(shared.replace(",", ""), 16).bit_count()
            cache = Cache(int(level), int(size.removesuffix("K")) * 1024, cores)
        except (OSError, ValueError):
            continue
        if kind != "Instruction":
            found.append(cache)
    return tuple(sorted(found))


class Work(NamedTuple):
    """Something timed: operations, the bytes that it reads and writes, and seconds."""

    operations: int
    bytes: int
    seconds: float


def elementwise_work(rows: int = 2**13, channels: int = 64) -> Work:
    """A pass of normalisation and activation over an array: four operations an element."""
    x, each = filled(rows, channels), filled(channels)

    def passes(x: jax.Array, each: jax.Array, rounds: jax.Array) -> jax.Array:
        body = lambda _, x: jnp.maximum((x - each) * each + each, 0)  # noqa: E731
        return lax.fori_loop(0, rounds, body, x)

    more = max(4, 2**22 // x.size)
    run = compiled(passes, x, each, jnp.int32(1))
    first, last = (time_call(run, x, each, jnp.int32(n)).low for n in (1, 1 + more))
    return Work(4 * x.size, 2 * x.nbytes, max(last - first, LEAST_PART * last) / more)


def transcendental_work(elements: int = _CACHED_ELEMENTS) -> Work:
    """The exponential, the hyperbolic tangent and a power in turn."""
    seconds = net(_chain(lambda x: jnp.tanh(jnp.exp(x)) ** 0.75, 4), filled(elements))
    return Work(3 * 4 * elements, 2 * FLOAT_BYTES * elements, seconds)


def reduction_work(size: int = 64, channels: int = 64) -> Work:
    """A sum over all positions of four images, `size` squared."""
    images = filled(4, size, size, channels)
    return Work(images.size, images.nbytes, net(lambda x: x.sum((1, 2)), images))


def pooling_work(size: int = 64, channels: int = 64) -> Work:
    """3x3 max pooling of four images with stride 2: window less one for each result."""
    pool = partial(nn.max_pool, window_shape=(3, 3), strides=(2, 2))
    images = filled(4, size, size, channels)
    results = 4 * ((size - 3) // 2 + 1) ** 2 * channels
    return Work(8 * results, images.nbytes + FLOAT_BYTES * results, net(pool, images))


def block_overhead(most: int = 34) -> float:
    """Seconds of one more tiny convolution, normalisation and activation, its weights passed in."""

    def blocks(x: jax.Array, weights: list[tuple[jax.Array, ...]]) -> jax.Array:
        for kernel, mean, variance, scale, bias in weights:
            y = convolve(x, kernel, padding=((1, 1), (1, 1)))
            x = jnp.maximum((y - mean) * (lax.rsqrt(variance + 1e-5) * scale) + bias, 0)
        return x

    few, x = 2, filled(1, 4, 4, 4)
    block = (filled(3, 3, 4, 4) / 36, *(filled(4) for _ in range(4)))
    first, last = (
        time_call(compiled(blocks, x, [block] * n), x, [block] * n).low for n in (few, most)
    )
    return max(last - first, LEAST_PART * last) / (most - few)


def stream_rates(sizes: Sequence[int] = STREAM_SIZES) -> tuple[Stream, ...]:
    """Time element-wise passes, in place, over arrays of so many bytes."""

    def passes(x: jax.Array, rounds: jax.Array) -> jax.Array:
        return lax.fori_loop(0, rounds, lambda _, x: _scaled(x), x)

    def timed(size: int) -> Stream:
        array = filled(size // FLOAT_BYTES)
        few, many = 1, 1 + max(4, min(4096, 2**25 // size))
        run = compiled(passes, array, jnp.int32(1))
        first, last = (time_call(run, array, jnp.int32(n), repeats=3).low for n in (few, many))
        return Stream(size, 2 * size * (many - few) / max(last - first, LEAST_PART * last))

    return tuple(timed(size) for size in sizes)


def first_touch_rate(size: int = 2**26) -> float:
    """Bytes/s written into memory fresh from the system, as a program's large results are."""
    array = filled(size // FLOAT_BYTES)
    fresh = time_call(compiled(_scaled, array), array).low
    return size / max(fresh - net(_scaled, array), LEAST_PART * fresh)


def _scaled(x: jax.Array) -> jax.Array:
    return x * 0.999 + 0.001


def _chain(step: Callable[[jax.Array], jax.Array], length: int) -> Callable[[jax.Array], jax.Array]:
    return lambda x: functools.reduce(lambda y, _: step(y), range(length), x)


@dataclasses.dataclass(frozen=True)
class Records:
    """What was measured of a machine.

    Attributes:
      products: float32 products and convolutions.
      narrow: the same in bfloat16, if measured.
      streams: element-wise passes in place.
      first_touch: bytes/s written into fresh memory.
      elementwise: passes of normalisation and activation.
      transcendental: functions.
      reduction: a sum.
      pooling: a maximum over windows.
      overhead: seconds of a tiny layer.
      caches: as the system tells.
      cores: that programs run on.
      memory: bytes.
    """

    products: tuple[Product, ...]
    narrow: tuple[Product, ...]
    streams: tuple[Stream, ...]
    first_touch: float
    elementwise: Work
    transcendental: Work
    reduction: Work
    pooling: Work
    overhead: float
    caches: tuple[Cache, ...]
    cores: int
    memory: int


def fit(records: Records, name: str, description: str) -> Hardware:
    """Make the machine whose projections come nearest to what was measured.

    Raises:
      ValueError: there is no product among the records.
    """
    if not records.products:
        raise ValueError("a machine cannot be fitted without any product")
    memories = _memories(records)
    machine = Hardware(
        name, description, records.cores, memories, (_unit("any", "*", 1.0),), 0.0, 0.0
    )
    samples = _samples(records.products, machine)
    peak = {"float32": max(record.rate for record in records.products)}
    if records.narrow:
        peak["bfloat16"] = max(record.rate for record in records.narrow)
    inner = memories[0]

    def rate(work: Work) -> float:
        net_seconds = work.seconds - work.bytes / inner.read
        return work.operations / max(net_seconds, _LEAST_NET * work.seconds)

    units = (
        Unit("matrix", ("convolution", "product"), peak, samples=samples),
        # riding on a product it is a pass of its own, moving included
        _unit("vector", "*", records.elementwise.operations / records.elementwise.seconds),
        _unit("transcendental", "transcendental", rate(records.transcendental)),
        _unit("reduction", "reduction", rate(records.reduction)),
        _unit("pooling", "pooling", rate(records.pooling)),
    )
    return dataclasses.replace(machine, units=units, overhead=records.overhead)


def _unit(name: str, kind: str, rate: float) -> Unit:
    return Unit(name, (kind,), {"float32": rate})


def _memories(records: Records) -> tuple[Memory, ...]:
    """Levels that differ in speed, from the inside out; of those that do not, the outermost."""
    levels: list[tuple[str, float, bool, float]] = []
    inside = 0.0
    for cache in records.caches:
        per_core = cache.cores < records.cores
        total = cache.bytes * (records.cores if per_core else 1)
        within = [s.rate for s in records.streams if inside < s.working_set <= 0.75 * total]
        if within and total < records.memory:
            level = (f"l{cache.level}", float(cache.bytes), per_core, statistics.median(within))
            levels = [kept for kept in levels if level[3] < _SLOWER * kept[3]] + [level]
        inside = total
    beyond = [s.rate for s in records.streams if s.working_set > 2 * inside]
    outside = statistics.median(beyond) if beyond else min(s.rate for s in records.streams)
    memories, last = [], 0.0
    for name, size, per_core, rate in levels:
        added = _added(rate, last)
        memories.append(Memory(name, size, added, added, per_core=per_core))
        last = 1 / rate
    if memories:  # a pass waits for its writes; what only reads, such as of weights, may be faster
        swift = max(memories[0].read, *(sum(_moved(r)[:2]) / r.seconds for r in records.products))
        slow = memories[0].write / 2
        memories[0] = dataclasses.replace(memories[0], read=swift, write=slow, shared_bus=False)
    added = _added(outside, last)
    fresh = min(records.first_touch, added)
    external = Memory("external", float(records.memory), added, fresh, shared_bus=False)
    return (*memories, external)


def _added(rate: float, inner: float) -> float:
    """Bytes/s of what a memory takes beyond the seconds a byte of the one inside it."""
    longer = 1 / rate - inner
    return 1 / max(longer, 0.1 / rate)


def _samples(products: Sequence[Product], machine: Hardware) -> tuple[Sample, ...]:
    """Rates less the moving that a projection adds; one for each shape, the mean of several."""
    found: dict[tuple[int, int, int, int], list[float]] = {}
    for record in products:
        seconds = record.seconds - moving(record, machine)
        shape = (record.rows, record.channels, record.columns, record.taps)
        rate = record.flops / max(seconds, _LEAST_NET * record.seconds)
        found.setdefault(shape, []).append(rate)
    return tuple(Sample(*shape, statistics.harmonic_mean(r)) for shape, r in found.items())


def moving(record: Product, machine: Hardware) -> float:
    """Seconds that a projection gives to the operands and results of a product."""
    given, weights, result = _moved(record)
    outside, inner = machine.memories[-1], machine.memories[0]
    if inner is outside:
        return max((given + weights) / outside.read, result / outside.write)
    held = machine.total_capacity(machine.memories[-2])
    spilled = (given, result) if given + result > held else (0, 0)
    beyond = max((weights + spilled[0]) / outside.read, spilled[1] / outside.write)
    return max((given + weights) / inner.read, result / inner.write) + beyond


def _moved(record: Product) -> tuple[int, int, int]:
    """Bytes of the input, the weights and the result."""
    groups = record.groups * FLOAT_BYTES
    return (
        record.rows * record.stride**2 * record.channels * groups,
        record.channels * record.columns * record.taps * groups,
        record.rows * record.columns * groups,
    )
