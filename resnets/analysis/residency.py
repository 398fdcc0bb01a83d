"""Which bytes of which tensors stay on chip between the steps of a schedule.

Tensors are held byte by byte: a part of a feature map may stay while the rest is written out. With
that, keeping the bytes whose next use is nearest (Belady 1966; here with results that must be
written before they are given up) is a stack algorithm in the sense of Mattson et al. 1970: what a
smaller memory holds, a larger one holds too, so that no traffic rises with capacity.
"""

import abc
import dataclasses
import heapq
import math
from typing import Literal

from resnets.analysis.schedule import Schedule, Step

Kind = Literal["load", "refetch", "store", "spill", "partial"]


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Bytes that cross the boundary.

    Attributes:
      step: during which.
      tensor: whose bytes.
      kind: `load` of an input for the first time, `refetch` of what has been on chip before,
        `store` of an output, `spill` of something that is needed again, `partial` sums of a tiled
        product.
      read: bytes towards the compute units.
      written: bytes away from them.
    """

    step: int
    tensor: int
    kind: Kind
    read: int
    written: int


class Walk(abc.ABC):
    """Goes through a schedule and notes what has to move; how much is held is up to a policy.

    Attributes:
      events: what crosses the boundary.
      occupancy: bytes held during each step.
      kept: bytes that stay of each tensor that a step writes, by step and tensor.
    """

    def __init__(self, schedule: Schedule) -> None:
        """Begin with nothing held; inputs lie outside."""
        self.schedule = schedule
        self.events: list[Event] = []
        self.occupancy: list[int] = []
        self.kept: dict[tuple[int, int], int] = {}
        self.held: dict[int, int] = {}
        self._uses = schedule.uses
        self._place: dict[int, int] = {}
        self._outside: dict[int, int] = {}  # bytes of a result that lie outside
        self._seen: set[int] = set()

    @abc.abstractmethod
    def hold(self, number: int, step: Step) -> int:
        """Decide what is held from now on, in `held`; return the bytes held during the step.

        A tensor that a step reads in part only can be held no further than it was.
        """

    def run(self) -> None:
        """Go through all steps."""
        for number, step in enumerate(self.schedule.steps):
            self._fetch(number, step)
            for tensor in step.writes:
                self._outside[tensor] = 0
            self.occupancy.append(self.hold(number, step))
            self._write(number, step)

    def next_use(self, tensor: int, after: int) -> int | None:
        """The next step after one that reads a tensor; asked for in the order of the steps."""
        steps = self._uses.get(tensor, ())
        place = self._place.get(tensor, 0)
        while place < len(steps) and steps[place] <= after:
            place += 1
        self._place[tensor] = place
        return steps[place] if place < len(steps) else None

    def _fetch(self, number: int, step: Step) -> None:
        for tensor, size in step.reads:
            whole = self.schedule.sizes[tensor]
            missing = size * (whole - self.held.get(tensor, 0)) // whole if whole else 0
            if missing:
                first = tensor in self.schedule.inputs and tensor not in self._seen
                self.events.append(
                    Event(number, tensor, "load" if first else "refetch", missing, 0)
                )
            self._seen.add(tensor)

    def _write(self, number: int, step: Step) -> None:
        for tensor in step.writes:
            self.kept[number, tensor] = self.held.get(tensor, 0)
            if tensor in self.schedule.outputs:
                whole = self.schedule.sizes[tensor]
                self.events.append(Event(number, tensor, "store", 0, whole))
                self._outside[tensor] = whole
            else:
                self.given_up(number, tensor)

    def given_up(self, number: int, tensor: int) -> None:
        """Write what is no longer held of a result that is needed again."""
        lost = self.schedule.sizes[tensor] - self.held.get(tensor, 0)
        unsaved = lost - self._outside.get(tensor, lost)
        if unsaved > 0:
            self.events.append(Event(number, tensor, "spill", 0, unsaved))
            self._outside[tensor] = lost


class Belady(Walk):
    """Holds the bytes whose next use is nearest; equal ones by the tensors' numbers."""

    def __init__(self, schedule: Schedule, room: float) -> None:
        """Hold at most `room` bytes."""
        super().__init__(schedule)
        self._room = room if math.isinf(room) else math.floor(room)
        self._total = 0
        self._furthest: list[tuple[int, int]] = []

    def hold(self, number: int, step: Step) -> int:
        """What the step finds on chip stays until it is done; all else may be given up for it."""
        pinned = {tensor: self.held.get(tensor, 0) for tensor, _ in step.reads}
        for tensor, size in step.reads:
            self._keep(tensor, number, whole=size == self.schedule.sizes[tensor])
        for tensor in step.writes:
            self._keep(tensor, number, whole=True)
        self._shrink(number, pinned, set(step.writes))
        during = self._total
        for tensor in pinned:
            if self.next_use(tensor, number) is None:
                self._total -= self.held.pop(tensor, 0)
        return during

    def _keep(self, tensor: int, number: int, whole: bool) -> None:
        following = self.next_use(tensor, number)
        if following is None:
            return
        if whole:
            size = self.schedule.sizes[tensor]
            self._total += size - self.held.get(tensor, 0)
            self.held[tensor] = size
        heapq.heappush(self._furthest, (-following, -tensor))

    def _shrink(self, number: int, pinned: dict[int, int], fresh: set[int]) -> None:
        again = []
        while self._total > self._room and self._furthest:
            following, tensor = self._furthest[0]
            tensor = -tensor
            heapq.heappop(self._furthest)
            held = self.held.get(tensor, 0)
            if not held or -following != self.next_use(tensor, number):
                continue
            given = min(held - pinned.get(tensor, 0), self._total - int(self._room))
            self.held[tensor] = held - given
            self._total -= given
            again.append((following, -tensor))
            if given and tensor not in fresh and tensor in self._outside:
                self.given_up(number, tensor)
        for entry in again:
            heapq.heappush(self._furthest, entry)
