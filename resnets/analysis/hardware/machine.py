"""A machine: memories from the inside out, compute units, overheads and the interconnect.

Sizes are bytes, rates bytes or operations a second, times seconds, energies joules.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Mapping

from resnets.errors import UserError, suggest

KINDS = (
    "convolution",
    "product",
    "reduction",
    "pooling",
    "elementwise",
    "transcendental",
    "movement",
)
"""Kinds of work that a unit may run."""

REST = "*"
"""Instead of a kind: whatever no other unit runs."""

DTYPES = (
    *("bool", "int4", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32"),
    *("uint64", "float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64"),
    *("complex64", "complex128"),
)
"""Data types by the names of numpy and ml_dtypes."""

TOPOLOGIES = ("ring", "torus2d", "torus3d", "switch")

_RESERVED = ("cores", "overhead", "overlap", "prefetch", "interconnect")


def _above_zero(name: str, value: float, may_be_infinite: bool = False) -> None:
    if not value > 0:
        raise UserError(f"{name} must be above zero, not {value:g}")
    if math.isinf(value) and not may_be_infinite:
        raise UserError(f"{name} must be finite")


def _not_negative(name: str, value: float | None) -> None:
    if value is not None and not 0 <= value < math.inf:
        raise UserError(f"{name} must be finite and not negative, not {value:g}")


def _named(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) or name in _RESERVED:
        raise UserError(
            f"name {name!r} must be a word of letters, digits, - and _, "
            f"and none of {', '.join(_RESERVED)}"
        )


@dataclasses.dataclass(frozen=True)
class Memory:
    """A level of the hierarchy.

    Attributes:
      name: as in tables and settings.
      capacity: bytes; of one core's memory where `per_core`.
      read: bytes a second that the level inside (for the innermost, the compute units) gets; the
        whole machine's. Infinity: never a bottleneck.
      write: the same in the other direction.
      shared_bus: both directions take turns on one bus; otherwise they run at the same time.
      per_core: it exists once in each core.
      energy: joules a byte, if known.
    """

    name: str
    capacity: float
    read: float = math.inf
    write: float = math.inf
    shared_bus: bool = True
    per_core: bool = False
    energy: float | None = None

    def __post_init__(self) -> None:
        _named(self.name)
        _above_zero(f"{self.name}.capacity", self.capacity, may_be_infinite=True)
        if self.shared_bus:
            _above_zero(f"{self.name}.bandwidth", self.read, may_be_infinite=True)
            if self.read != self.write:
                raise UserError(f"{self.name}.bandwidth is one for both directions of a shared bus")
        else:
            _above_zero(f"{self.name}.read", self.read, may_be_infinite=True)
            _above_zero(f"{self.name}.write", self.write, may_be_infinite=True)
        _not_negative(f"{self.name}.energy", self.energy)


@dataclasses.dataclass(frozen=True)
class Sample:
    """The measured rate of a product (or convolution) of one shape.

    Attributes:
      rows: output positions times images.
      channels: contracted features of a group.
      columns: output features of a group.
      taps: positions of the kernel; 1 for a product.
      rate: operations a second.
    """

    rows: int
    channels: int
    columns: int
    taps: int
    rate: float


@dataclasses.dataclass(frozen=True)
class Unit:
    """Something that computes.

    Attributes:
      name: as in tables and settings.
      runs: kinds of work, or `REST`.
      peak: operations a second of the whole machine for each data type.
      granule: rows, contracted channels and columns that it works in; what does not fill one is
        wasted.
      samples: measured rates, if calibrated.
      energy: joules an operation, if known.
    """

    name: str
    runs: tuple[str, ...]
    peak: Mapping[str, float] = dataclasses.field(hash=False)
    granule: tuple[int, int, int] | None = None
    samples: tuple[Sample, ...] = ()
    energy: float | None = None

    def __post_init__(self) -> None:
        _named(self.name)
        if not self.runs:
            raise UserError(f"{self.name}.runs is empty; valid: {', '.join((*KINDS, REST))}")
        for kind in self.runs:
            if kind not in (*KINDS, REST):
                raise UserError(
                    f"{self.name}.runs: unknown kind {kind!r}; {suggest(kind, (*KINDS, REST))}"
                )
        if not self.peak:
            raise UserError(f"{self.name}.peak names no data type; add float32")
        for dtype, rate in self.peak.items():
            if dtype not in DTYPES:
                raise UserError(
                    f"{self.name}.peak: unknown dtype {dtype!r}; {suggest(dtype, DTYPES)}"
                )
            _above_zero(f"{self.name}.peak.{dtype}", rate)
        if self.granule is not None and (
            len(self.granule) != 3 or any(size < 1 for size in self.granule)
        ):
            raise UserError(
                f"{self.name}.granule must be three whole numbers above zero: "
                f"rows, channels, columns; not {list(self.granule)}"
            )
        for place, sample in enumerate(self.samples):
            for field, value in dataclasses.asdict(sample).items():
                _above_zero(f"{self.name}.sample[{place}].{field}", value)
        _not_negative(f"{self.name}.energy", self.energy)


@dataclasses.dataclass(frozen=True)
class Interconnect:
    """Links between devices.

    Attributes:
      bandwidth: bytes a second of one device in one direction, all its links together.
      latency: seconds a message.
      topology: one of `TOPOLOGIES`.
    """

    bandwidth: float
    latency: float
    topology: str

    def __post_init__(self) -> None:
        _above_zero("interconnect.bandwidth", self.bandwidth)
        _not_negative("interconnect.latency", self.latency)
        if self.topology not in TOPOLOGIES:
            raise UserError(
                f"interconnect.topology: unknown {self.topology!r}; "
                f"{suggest(self.topology, TOPOLOGIES)}"
            )


@dataclasses.dataclass(frozen=True)
class Hardware:
    """A machine whose parts fit together; anything else raises UserError.

    Attributes:
      name: the file's.
      description: one line.
      cores: how often a memory that is `per_core` exists.
      memories: from the inside out; the last is external memory.
      units: together they run every kind of work.
      overhead: seconds an operation that is launched.
      overlap: share of the shorter of computing and moving that hides behind the longer, 0 to 1.
      interconnect: links to other devices, if described.
      prefetch: what a program is given (weights, images) is fetched beside the steps before.
    """

    name: str
    description: str
    cores: int
    memories: tuple[Memory, ...]
    units: tuple[Unit, ...]
    overhead: float
    overlap: float
    interconnect: Interconnect | None = None
    prefetch: bool = False

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise UserError(f"name {self.name!r} must be a word or a few")
        _above_zero("cores", self.cores)
        _not_negative("overhead", self.overhead)
        if not 0 <= self.overlap <= 1:
            raise UserError(f"overlap must be 0 to 1, not {self.overlap:g}")
        if not self.memories:
            raise UserError("memory: there is none; add a [[memory]], the last is external memory")
        _distinct([memory.name for memory in self.memories] + [unit.name for unit in self.units])
        if self.prefetch and len(self.memories) < 2:
            raise UserError(
                "prefetch needs a memory on chip to fetch into; add a [[memory]] for it"
            )
        self._check_order()
        self._check_kinds()

    def _check_order(self) -> None:
        for inner, outer in itertools.pairwise(self.memories):
            sizes = self.total_capacity(inner), self.total_capacity(outer)
            if not (sizes[0] < sizes[1] or math.isinf(sizes[1])):
                raise UserError(
                    f"{inner.name}.capacity is {sizes[0]:.6g} B in all and must be less than "
                    f"that of {outer.name}, {sizes[1]:.6g} B: memories stand from the inside out"
                )

    def _check_kinds(self) -> None:
        runner: dict[str, str] = {}
        for unit in self.units:
            for kind in unit.runs:
                if kind in runner:
                    raise UserError(
                        f"{unit.name}.runs: {kind!r} is run by {runner[kind]} already; "
                        "name it in one unit"
                    )
                runner[kind] = unit.name
        missing = [kind for kind in KINDS if kind not in runner]
        if missing and REST not in runner:
            raise UserError(
                f"unit: none runs {', '.join(missing)}; add them, or {REST!r}, to one unit's runs"
            )

    def memory(self, name: str) -> Memory:
        """Find a memory by its name.

        Raises:
          UserError: there is none of that name.
        """
        for memory in self.memories:
            if memory.name == name:
                return memory
        valid = (memory.name for memory in self.memories)
        raise UserError(f"{self.name}: unknown memory {name!r}; {suggest(name, valid)}")

    def unit_for(self, kind: str) -> Unit:
        """The unit that runs a kind of work: by its name first, then the one for the rest.

        Raises:
          UserError: there is no such kind.
        """
        if kind not in KINDS:
            raise UserError(f"unknown kind of work {kind!r}; {suggest(kind, KINDS)}")
        for wanted in (kind, REST):
            for unit in self.units:
                if wanted in unit.runs:
                    return unit
        raise AssertionError(f"{self.name}: no unit runs {kind}")

    def total_capacity(self, memory: Memory) -> float:
        """Bytes of a level in the whole machine."""
        return memory.capacity * (self.cores if memory.per_core else 1)


def _distinct(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError(f"name {name!r} is given twice; memories and units need their own")
        seen.add(name)
