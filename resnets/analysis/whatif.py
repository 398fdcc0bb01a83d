"""What a network would take on other machines: sweeps over the numbers of a hardware file.

The program is lowered and scheduled once. A memory is planned again only where a capacity changes;
every other number changes times alone.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

from resnets.analysis.hardware import Hardware, keys, read_number, replace, value_of
from resnets.analysis.hierarchy import Plan, plan
from resnets.analysis.projection import Projection, moved_between, timed
from resnets.analysis.schedule import Schedule
from resnets.errors import UserError

_RANGE = re.compile(r"(?P<first>[^:]+):(?P<last>[^:]+):(?P<how>[x+])(?P<step>.+)")
_MOST = 100_000

SAVED = ("overhead", "latency")
"""Numbers that cost more the smaller they are; of all others more is dearer."""

_NUDGE = 1.05


@dataclasses.dataclass(frozen=True)
class Axis:
    """One number that varies.

    Attributes:
      key: as `hardware.keys` lists it.
      values: in base units.
    """

    key: str
    values: tuple[float, ...]


def axis(hardware: Hardware, text: str) -> Axis:
    """Read `KEY=FIRST:LAST:xFACTOR`, `KEY=FIRST:LAST:+STEP` or `KEY=A,B,C`.

    Raises:
      UserError: unknown key, wrong unit, or a range that never ends.
    """
    key, equals, values = text.partition("=")
    if not equals or not values:
        raise UserError(f"--vary={text} must read KEY=FIRST:LAST:xFACTOR, FIRST:LAST:+STEP or A,B")
    if ":" not in values:
        chosen = (read_number(hardware, key, value) for value in values.split(","))
        return Axis(key, tuple(chosen))
    match = _RANGE.fullmatch(values)
    if not match:
        raise UserError(f"--vary={text}: {values} must read FIRST:LAST:xFACTOR or FIRST:LAST:+STEP")
    first, last = (read_number(hardware, key, match[name]) for name in ("first", "last"))
    if match["how"] == "x":
        try:
            factor = float(match["step"])
        except ValueError:
            factor = 0.0
        if not (factor > 1 and 0 < first <= last < math.inf):
            raise UserError(f"--vary={text}: x needs a factor above 1 and 0 < FIRST <= LAST")
        count = math.floor(math.log(last / first) / math.log(factor) + 1e-9) + 1
        return Axis(key, _counted(text, count, lambda place: first * factor**place))
    step = read_number(hardware, key, match["step"])
    if not (step > 0 and first <= last < math.inf):
        raise UserError(f"--vary={text}: + needs a step above 0 and FIRST <= LAST")
    count = math.floor((last - first) / step + 1e-9) + 1
    return Axis(key, _counted(text, count, lambda place: first + step * place))


def _counted(text: str, count: int, value: Any) -> tuple[float, ...]:
    if count > _MOST:
        raise UserError(f"--vary={text} has {count:,} values; at most {_MOST:,}")
    return tuple(value(place) for place in range(count))


class Sweep:
    """Projects one schedule onto variants of one machine; remembers plans."""

    def __init__(self, schedule: Schedule, hardware: Hardware, residency: str, tiling: str) -> None:
        """Begin with nothing planned."""
        self.schedule, self.hardware = schedule, hardware
        self.residency, self.tiling = residency, tiling
        self._plans: dict[tuple[float, float | None], Plan] = {}

    def project(self, hardware: Hardware) -> Projection:
        """Project onto one machine.

        Raises:
          AnalysisError: not even the smallest tile of some product fits a memory.
        """
        plans = {}
        for inner, outer in moved_between(hardware):
            tile = inner.capacity if inner.per_core else None
            known = (hardware.total_capacity(inner), tile)
            if known not in self._plans:
                self._plans[known] = plan(
                    self.schedule, known[0], self.residency, self.tiling, tile
                )
            plans[outer.name] = self._plans[known]
        return timed(self.schedule, hardware, plans, self.residency, self.tiling)

    def points(self, axes: Sequence[Axis]) -> list[dict[str, Any]]:
        """Project onto every combination of the values.

        Returns:
          A row each: the keys' values, `time_s`, its bounds, `bound`, the bytes of external
          memory, and `pareto`: no other row is as fast with as little of everything that varies.
        """
        rows = []
        outer = self.hardware.memories[-1].name
        for values in itertools.product(*(a.values for a in axes)):
            machine = self.hardware
            for varied, value in zip(axes, values, strict=True):
                machine = replace(machine, varied.key, value)
            found = self.project(machine)
            rows.append(
                dict(zip((a.key for a in axes), values, strict=True))
                | {
                    "time_s": found.estimate,
                    "time_lower_s": found.lower,
                    "time_upper_s": found.upper,
                    "bound": found.bound,
                    "external_bytes": found.plans[outer].bytes if found.plans else 0,
                }
            )
        _mark_front(rows, [a.key for a in axes])
        return rows

    def sensitivity(self) -> dict[str, float]:
        """Percent that the time changes by for one percent more of each number, at the base."""
        slopes = {}
        for key in keys(self.hardware):
            value = value_of(self.hardware, key)
            if not 0 < value < math.inf:
                continue
            times = []
            for nudged in (value / _NUDGE, value * _NUDGE):
                try:
                    times.append(self.project(replace(self.hardware, key, nudged)).estimate)
                except UserError:  # a share above one, a memory larger than the next
                    times.append(math.nan)
            slopes[key] = math.log(times[1] / times[0]) / (2 * math.log(_NUDGE))
        return {key: slope for key, slope in slopes.items() if not math.isnan(slope)}


def _mark_front(rows: list[dict[str, Any]], varied: Sequence[str]) -> None:
    """Mark the rows that no other row dominates in time and in the price of what varies."""
    priced = [
        (*(-row[k] if k.endswith(SAVED) else row[k] for k in varied), row["time_s"]) for row in rows
    ]
    order = sorted(range(len(rows)), key=lambda place: priced[place])
    front: list[tuple[float, ...]] = []
    for place in order:
        point = priced[place]
        beaten = any(all(a <= b for a, b in zip(known, point, strict=True)) for known in front)
        rows[place]["pareto"] = not beaten
        if not beaten:
            front.append(point)
