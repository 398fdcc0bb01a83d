"""Numbers with units, read and written without loss: "128 MiB", "819 GB/s", "2 us"."""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from resnets.errors import UserError, suggest

_LARGE = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_SHORT = {"": 0, "m": -3, "u": -6, "n": -9}
_FAINT = {"": 0, "n": -9, "p": -12}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}

_DECIMAL: Mapping[str, Mapping[str, int]] = {
    "B": _LARGE,
    "B/s": _LARGE,
    "FLOP/s": _LARGE,
    "s": _SHORT,
    "J/B": _FAINT,
    "J/FLOP": _FAINT,
}
"""Powers of ten of each prefix that a unit may have."""

_EXAMPLES = {
    "B": "128 MiB",
    "B/s": "819 GB/s",
    "FLOP/s": "197 TFLOP/s",
    "s": "2 us",
    "J/B": "20 pJ/B",
    "J/FLOP": "1 pJ/FLOP",
}

_PATTERN = re.compile(
    r"([+-]?(?:inf|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?))\s*(.*)"
)


def _scales(unit: str) -> dict[str, Fraction]:
    """Every spelling of a unit with its size in the unit itself."""
    scales = {prefix + unit: Fraction(10) ** power for prefix, power in _DECIMAL[unit].items()}
    if unit.startswith("B"):
        scales |= {prefix + unit: Fraction(2**power) for prefix, power in _BINARY.items()}
    return scales


def quantity(text: str, unit: str) -> float:
    """Read a number with its unit; the space between them is optional.

    Args:
      text: such as "256KiB" or "1.2 TB/s"; "inf B" is infinity.
      unit: the unit of the result: B, B/s, FLOP/s, s, J/B or J/FLOP.

    Raises:
      UserError: no number, no unit or a wrong one; negative, not a number, or too large.

    >>> quantity("256KiB", "B")
    262144.0
    """
    example = f"write it as {_EXAMPLES[unit]!r}"
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r} is no number with a unit; {example}")
    number, spelling = match.groups()
    scales = _scales(unit)
    if not spelling:
        raise UserError(f"{text!r} has no unit; {example}")
    if spelling not in scales:
        raise UserError(f"{text!r} has no valid unit; {suggest(spelling, scales)}")
    if number.endswith(("inf", "nan")):
        value = float(number)
    else:
        try:
            value = float(Fraction(number) * scales[spelling])
        except OverflowError:
            raise UserError(f"{text!r} is too large; {example}") from None
    if not value >= 0:
        raise UserError(f"{text!r} is negative or not a number; {example}")
    return value


def spell(value: float, unit: str) -> str:
    """Write a number with the prefix that makes it short; `quantity` reads the same value back.

    >>> spell(134217728, "B")
    '128 MiB'
    """
    if math.isinf(value):
        return f"inf {unit}"
    exact = Decimal(repr(float(value)))
    powers = sorted((power, prefix) for prefix, power in _DECIMAL[unit].items())
    power, prefix = powers[0] if exact else (0, "")
    for larger in powers:
        if exact.scaleb(-larger[0]) >= 1:
            power, prefix = larger
    texts = [f"{_plain(exact.scaleb(-power))} {prefix}{unit}"]
    if unit.startswith("B") and float(value).is_integer() and value:
        whole = int(value)
        texts += [
            f"{whole >> power} {prefix}{unit}"
            for prefix, power in _BINARY.items()
            if whole % (1 << power) == 0
        ]
    return min(texts, key=len)


def _plain(number: Decimal) -> str:
    number = number.normalize()
    return f"{number:f}" if abs(number.adjusted()) < 20 else f"{number:e}"
