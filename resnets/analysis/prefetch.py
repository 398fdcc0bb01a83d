"""Fetching ahead: what a program is given comes on chip beside the kernels before its reader.

XLA's TPU compiler starts such copies of weights as early as the on-chip memory has room. A step
then waits only for what has not arrived yet.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Stage(NamedTuple):
    """One step as the queue of copies sees it.

    Attributes:
      duration: seconds of the step once what it fetches is there.
      ahead: bytes that it reads and that can be fetched before it begins.
      moving: seconds for which it needs the outer memory itself.
    """

    duration: float
    ahead: float
    moving: float


def spans(stages: Sequence[Stage], rate: float, room: float) -> list[float]:
    """Seconds from the end of one step to the end of the next, waiting included.

    Copies run one after the other in the order of the steps, while no step moves anything itself.

    Args:
      stages: in order.
      rate: bytes a second of the outer memory.
      room: bytes on chip for what is fetched and not used yet; a step that needs more fetches when
        all before it are done.
    """
    clock = busy = held = 0.0
    used = 0
    ends: list[float] = []
    found = []
    for number, stage in enumerate(stages):
        held += stage.ahead
        while held > room and used < number:
            held -= stages[used].ahead
            used += 1
        start = clock
        if stage.ahead:
            busy = max(busy, ends[used - 1] if used else 0.0) + stage.ahead / rate
            start = max(clock, busy)
        busy += stage.moving
        end = start + stage.duration
        found.append(end - clock)
        ends.append(end)
        clock = end
    return found
