"""How fast this machine is at single operations, run as the networks run them: through JAX.

Rates depend on XLA's flags as much as on the machine. What is timed is the whole call, less that
of an empty program; fast passes over small arrays are timed as the difference of many and few.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from resnets.analysis.costs import FLOPS_PER_MAC
from resnets.models.convolution import convolve

FLOAT_BYTES = 4
_CHAINED_FLOPS = 5e8  # of a program: some milliseconds
LEAST_PART = 0.2  # of a call's time is left when an empty call is taken off: timings waver


def options() -> dict[str, str | bool]:
    """Options that programs are compiled with, here and where predictions are checked.

    On CPU, XLA would else fuse whole chains of convolutions into the pooling that follows, which
    is slower and cannot be told apart by layers.
    """
    if jax.default_backend() != "cpu":
        return {}
    kinds = ("CONVOLUTION", "DOT")
    chosen = ",".join(f"LIBRARY_FUSION_TYPE_INDIVIDUAL_{kind}" for kind in kinds)
    return {"xla_cpu_experimental_ynn_fusion_type": chosen}


class Timing(NamedTuple):
    """Seconds of one call: the median and the quartiles."""

    seconds: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Product:
    """A convolution, or a matrix product as one of a single tap, and the seconds that it took.

    For each of `groups` and each of `taps` it multiplies `[rows, channels]` by `[channels,
    columns]`; rows are the positions of the result in all images of the batch.
    """

    rows: int
    channels: int
    columns: int
    taps: int
    groups: int
    stride: int
    batch: int
    seconds: float

    @property
    def flops(self) -> int:
        """Operations, padded taps counted; a multiply-add is two."""
        return FLOPS_PER_MAC * self.rows * self.channels * self.columns * self.taps * self.groups

    @property
    def rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.seconds


class Shape(NamedTuple):
    """A square convolution of odd kernel, padded to keep the size at stride 1."""

    batch: int
    size: int
    channels: int
    features: int
    kernel: int
    stride: int = 1
    groups: int = 1

    def took(self, seconds: float) -> Product:
        """The record of it."""
        rows = self.batch * (1 + (self.size - 1) // self.stride) ** 2
        channels, columns = self.channels // self.groups, self.features // self.groups
        work = (rows, channels, columns, self.kernel**2, self.groups)
        return Product(*work, stride=self.stride, batch=self.batch, seconds=seconds)


PRODUCT_SHAPES = (
    *((rows, 640, 1024) for rows in (1, 4, 16, 96)),
    *((rows, 2048, 1024) for rows in (1, 4, 16)),
    *((rows, 5120, 3072) for rows in (1, 4, 16)),
    *((768, 96, 96), (96, 32, 32), (6, 32, 32), (6, 320, 80)),
)
"""Rows, channels, columns."""

_LAYERS = """
    30,16,16,3 30,3,16,3 30,16,32,3,2 15,32,32,3 15,32,64,3,2 9,64,64,3 60,16,16,3 60,32,32,3
    30,24,24,3 200,3,32,3 100,3,64,3 200,3,32,3,2 200,3,64,7,2 200,3,64,11,4
    30,1,8,5 30,3,8,5 12,8,16,5
    100,32,64,3 50,64,64,3 25,64,64,3 25,128,128,3 50,64,128,3,2 12,256,256,3 25,128,256,3,2
    6,512,512,3 12,256,512,3,2 20,512,512,3 30,80,160,3 16,160,320,3
    50,128,32,3 25,128,32,3 12,128,32,3 6,128,32,3
    25,96,128,3 25,16,48,3 12,112,224,3
    25,24,48,5 12,32,96,5 25,64,160,5 30,48,64,5
    50,64,64,1 50,64,256,1 50,256,64,1 50,256,128,1,2 25,512,128,1 25,128,512,1 25,192,64,1
    25,192,24,1 12,1024,256,1 12,256,1024,1 12,480,192,1 12,480,48,1 12,640,128,1
    6,2048,512,1 6,512,2048,1 6,832,256,1 6,832,64,1 6,832,128,1 16,768,192,1 25,320,128,1
    50,96,128,1 30,16,32,1,2 15,32,64,1,2
    50,128,128,3,1,32 25,256,256,3,1,32 12,512,512,3,1,32
"""
"""Size, channels, features, kernel, and stride and groups where they are not 1."""
CONVOLUTION_SHAPES = tuple(
    shape
    for batch in (1, 4, 16)
    for layer in _LAYERS.split()
    for shape in [Shape(batch, *map(int, layer.split(",")))]
    if shape.took(0.0).flops <= (0.3e9 if shape.groups > 1 else 2.5e9)  # 0.05 s on two cores
)
QUICK_SHAPES = tuple(
    Shape(1, *map(int, layer.split(",")))
    for layer in ("30,16,16,3", "15,32,32,3", "9,64,64,3", "25,128,128,3", "50,64,256,1")
)


def time_call(
    function: Callable[..., Any], *args: Any, repeats: int = 5, least_seconds: float = 0.005
) -> Timing:
    """Time a call, waiting for its result; the first calls do not count.

    Args:
      function: anything that returns arrays.
      args: what it is called with.
      repeats: timings to take.
      least_seconds: a timing is over as many calls as last this long.
    """
    jax.block_until_ready(function(*args))
    calls = max(1, math.ceil(least_seconds / max(time_loop(function, args, 1), 1e-7)))
    times = [time_loop(function, args, calls) / calls for _ in range(repeats)]
    return Timing(*np.quantile(times, (0.5, 0.25, 0.75)).tolist())


def time_loop(function: Callable[..., Any], args: Sequence[Any], calls: int) -> float:
    """Seconds of so many calls, one after the other."""
    start = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(function(*args))
    return time.perf_counter() - start


@functools.cache
def call_overhead() -> float:
    """Seconds of calling a program that does next to nothing, and waiting for it."""
    return time_call(compiled(lambda x: x + 1, jnp.zeros(8)), jnp.zeros(8)).low


class Chain(NamedTuple):
    """An operation, to be timed as networks run it: in a program, when the one before is done.

    Attributes:
      step: what is done with an array and weights.
      array: its shape.
      weights: their shape.
      flops: of one operation.
      dtype: of both.
    """

    step: Callable[[jax.Array, jax.Array], jax.Array]
    array: tuple[int, ...]
    weights: tuple[int, ...]
    flops: int
    dtype: str = "float32"

    @property
    def times(self) -> int:
        """Operations in the program: many short ones, a single long one."""
        return max(1, min(16, round(_CHAINED_FLOPS / self.flops)))

    def program(self) -> Callable[..., Any]:
        """Compile it: each operation has weights of its own and needs one element of the last."""

        def run(x: jax.Array, weights: list[jax.Array]) -> jax.Array:
            for own in weights:
                result = self.step(x, own)
                corner = lax.slice(result, (0,) * result.ndim, (1,) * result.ndim)
                x = lax.dynamic_update_slice(x, corner.reshape((1,) * x.ndim), (0,) * x.ndim)
            return x

        return compiled(run, *self.arguments(), donate_argnums=0)

    def arguments(self) -> tuple[jax.Array, list[jax.Array]]:
        """An array and weights for each operation."""
        scale = np.float32(1 / math.prod(self.weights[:-1]))
        weights = [jnp.array(_noise(self.weights) * scale, self.dtype) for _ in range(self.times)]
        return jnp.array(_noise(self.array), self.dtype), weights


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers, repeated: multipliers are slower on them than on zeros or ones."""
    return np.resize(_noise_block(), shape)


@functools.cache
def _noise_block() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(2**16 + 1, np.float32)


def chain_seconds(
    chains: Sequence[Chain], rounds: int = 5, note: Callable[[str], None] = lambda _: None
) -> list[float]:
    """Time one operation of each chain.

    Args:
      chains: all are timed in turn, so that what else runs on the machine slows no one alone.
      rounds: of all; the lower quartile counts.
      note: told how far it is.
    """
    times: list[list[float]] = [[] for _ in chains]
    programs: list[Callable[..., Any]] = []
    for turn in range(rounds):
        for place, chain in enumerate(chains):
            if not turn:
                programs.append(chain.program())
            call = _passing_on(programs[place], *chain.arguments())
            seconds = time_call(call, repeats=2).low
            times[place].append(max(seconds - call_overhead(), LEAST_PART * seconds) / chain.times)
        note(f"{len(chains)} operations, round {turn + 1} of {rounds}")
    return [float(np.quantile(several, 0.25)) for several in times]


def product_chain(rows: int, channels: int, columns: int, dtype: str = "float32") -> Chain:
    """A matrix product."""
    flops = FLOPS_PER_MAC * rows * channels * columns
    return Chain(jnp.matmul, (rows, channels), (channels, columns), flops, dtype)


def convolution_chain(shape: Shape, dtype: str = "float32") -> Chain:
    """A convolution as the networks' layers run it."""
    strides, pads = (shape.stride,) * 2, ((shape.kernel // 2,) * 2,) * 2
    step = partial(convolve, strides=strides, padding=pads, groups=shape.groups)
    kernel = (shape.kernel, shape.kernel, shape.channels // shape.groups, shape.features)
    images = (shape.batch, shape.size, shape.size, shape.channels)
    return Chain(step, images, kernel, shape.took(0.0).flops, dtype)


def product_rates(
    shapes: Sequence[tuple[int, int, int]] = PRODUCT_SHAPES,
    convolutions: Sequence[Shape] = (),
    dtype: str = "float32",
    rounds: int = 5,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[Product, ...]:
    """Time matrix products of given rows, channels and columns, and convolutions."""
    chains = [product_chain(*shape, dtype) for shape in shapes]
    chains += [convolution_chain(shape, dtype) for shape in convolutions]
    seconds = chain_seconds(chains, rounds, note)
    products = [
        Product(*shape, 1, 1, 1, 1, taken) for shape, taken in zip(shapes, seconds, strict=False)
    ]
    rest = zip(convolutions, seconds[len(shapes) :], strict=True)
    return (*products, *(shape.took(taken) for shape, taken in rest))


def filled(*shape: int) -> jax.Array:
    """An array of numbers that stay ordinary."""
    return jnp.full(shape, 0.5, jnp.float32)


def compiled(function: Callable[..., Any], *args: Any, **how: Any) -> Callable[..., Any]:
    """Compile for these arguments; `how` goes to `jax.jit`."""
    return jax.jit(function, **how).lower(*args).compile(compiler_options=options())


def _passing_on(run: Callable[..., Any], result: jax.Array, *args: Any) -> Callable[[], Any]:
    """A call that overwrites its last result, so that no call pays for fresh memory."""

    def call() -> jax.Array:
        nonlocal result
        result = run(result, *args)
        return result

    return call


def net(function: Callable[..., jax.Array], *args: Any) -> float:
    """Seconds of a program that overwrites its last result, less those of a call as such."""
    result = jnp.zeros_like(function(*args))
    run = compiled(
        lambda _, *args: function(*args), result, *args, donate_argnums=0, keep_unused=True
    )
    seconds = time_call(_passing_on(run, result, *args)).low  # other work only slows it down
    return max(seconds - call_overhead(), LEAST_PART * seconds)
