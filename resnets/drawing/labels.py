"""Places for names beside marks, so that none lies on another or on a mark."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

GAP = 3.0
_FAR = range(12, 121, 12)
"""Pixels from a mark at which a name with a leader stands; tried in this order."""
_WAYS = 16
"""Directions."""


@dataclass(frozen=True)
class Mark:
    """A round mark that wants a name beside it; pixels, y downwards.

    Attributes:
      x: its centre.
      y: its centre.
      radius: its own.
      width: of the name.
    """

    x: float
    y: float
    radius: float
    width: float


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _boxes(mark: Mark, height: float) -> list[Box]:
    """Where the name could stand: right, left, above, below, then at the corners."""
    reach, slant = mark.radius + GAP, 0.75 * mark.radius + GAP
    rows = {-1: -slant - height, 0: -height / 2, 1: slant}
    sides = [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)]
    boxes = []
    for across, down in sides:
        distance = reach if down == 0 else slant if across else 0.0
        left = mark.x - mark.width / 2
        if across:
            left = mark.x + distance if across > 0 else mark.x - distance - mark.width
        top = mark.y + (rows[down] if across else down * reach - (height if down < 0 else 0))
        boxes.append((left, top, left + mark.width, top + height))
    return boxes


def _apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def placed(
    marks: Sequence[Mark],
    height: float,
    width: float,
    depth: float,
    lines: Sequence[Box] = (),
) -> list[tuple[float, float] | None]:
    """Centres of the names, in the order of the marks; None for one that has no room.

    A name stands beside its mark, or, where there is no room, up to 120 pixels away, for a leader.

    Args:
      marks: the first ones choose first; those with room beside them before those without.
      height: of a name.
      width: of the field that marks and names stand in.
      depth: its height.
      lines: what else the names keep off.
    """
    bodies = [(m.x - m.radius, m.y - m.radius, m.x + m.radius, m.y + m.radius) for m in marks]
    names: dict[int, Box] = {}
    leaders: list[Line] = []
    for boxes in (_boxes, _away):
        for index, mark in enumerate(marks):
            if index in names:
                continue
            others = [body for place, body in enumerate(bodies) if place != index]
            taken = (*others, *names.values(), *lines)
            for box in boxes(mark, height):
                inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= depth
                if not inside or not all(_apart(box, other) for other in taken):
                    continue
                if any(_crosses(line, [box]) for line in leaders):
                    continue
                if boxes is _away:
                    line = leader(mark, box)
                    if _crosses(line, names.values()):
                        continue
                    leaders.append(line)
                names[index] = box
                break
    found = (names.get(index) for index in range(len(marks)))
    return [box and ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in found]


def _away(mark: Mark, height: float) -> Iterator[Box]:
    """Where a name with a leader could stand, near places first."""
    for far in _FAR:
        for way in range(_WAYS):
            angle = 2 * math.pi * way / _WAYS
            x = mark.x + (mark.radius + far) * math.cos(angle)
            y = mark.y + (mark.radius + far) * math.sin(angle)
            left = x - mark.width * (1 - math.cos(angle)) / 2
            yield left, y - height / 2, left + mark.width, y + height / 2


Line = tuple[tuple[float, float], tuple[float, float]]


def leader(mark: Mark, name: Box) -> Line:
    """A line from the middle of a mark to the nearest place of its name."""
    x = min(max(mark.x, name[0]), name[2])
    y = min(max(mark.y, name[1]), name[3])
    return (mark.x, mark.y), (x, y)


def _crosses(line: Line, names: Iterable[Box]) -> bool:
    """Whether a line runs through any name."""
    (x, y), (right, down) = line
    steps = [step / 40 for step in range(41)]
    places = [(x + s * (right - x), y + s * (down - y)) for s in steps]
    return any(n[0] <= a <= n[2] and n[1] <= b <= n[3] for n in names for a, b in places)
