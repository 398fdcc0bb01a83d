"""What axes need: prefixes of units, powers of ten, places for labels side by side."""

import math
from collections.abc import Sequence

_PREFIXES = (("p", -12), ("n", -9), ("µ", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9))
_LARGER = (("T", 12), ("P", 15), ("E", 18))
_BINARY = (("", 0), ("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40))


def prefixed(largest: float, unit: str, binary: bool = False) -> tuple[float, str]:
    """The size and the spelling of the unit in which the largest value is at least one.

    >>> prefixed(0.0042, "s")
    (0.001, 'ms')
    """
    if binary:
        sizes = [(float(2**power), prefix) for prefix, power in _BINARY]
    else:
        sizes = [(float(f"1e{power}"), prefix) for prefix, power in (*_PREFIXES, *_LARGER)]
    fitting = [size for size in sizes if size[0] <= largest * (1 + 1e-9)]
    size, prefix = fitting[-1] if fitting else (1.0, "") if not largest else sizes[0]
    return size, prefix + unit


def spelled(value: float, unit: str, digits: int = 4) -> str:
    """A number with its unit, rounded to so many digits.

    >>> spelled(3.352e12, "B/s")
    '3.352 TB/s'
    """
    size, spelling = prefixed(abs(value), unit)
    return f"{value / size:.{digits}g} {spelling}"


def powers(low: float, high: float, most: int = 9) -> list[float]:
    """Powers of ten from `low` to `high`, evenly left out if there are more than `most`."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / most))
    return [10.0**power for power in range(first, last + 1) if power % step == 0]


def spread(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Centres of labels near those wanted so that none lies on another; in the same order.

    Args:
      wanted: centres; pixels, as all.
      sizes: extent of each label.
      low: where the first may begin.
      high: where the last should end; they run over `low` if there is no room.
    """
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    centres = list(wanted)
    edge = low
    for n in order:
        centres[n] = max(centres[n], edge + sizes[n] / 2)
        edge = centres[n] + sizes[n] / 2
    edge = high
    for n in reversed(order):
        centres[n] = min(centres[n], edge - sizes[n] / 2)
        edge = centres[n] - sizes[n] / 2
    return centres
