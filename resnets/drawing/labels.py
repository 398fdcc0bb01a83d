"""Places for names beside marks, so that none lies on another or on a mark."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 3.0


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

    Args:
      marks: the first ones choose first.
      height: of a name.
      width: of the field that marks and names stand in.
      depth: its height.
      lines: what else the names keep off.
    """
    taken: list[Box] = [
        (m.x - m.radius, m.y - m.radius, m.x + m.radius, m.y + m.radius) for m in marks
    ]
    centres: list[tuple[float, float] | None] = []
    for index, mark in enumerate(marks):
        others = taken[:index] + taken[index + 1 :]
        free = (
            box
            for box in _boxes(mark, height)
            if box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= depth
            if all(_apart(box, other) for other in (*others, *lines))
        )
        box = next(free, None)
        if box:
            taken.append(box)
        centres.append(box and ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    return centres
