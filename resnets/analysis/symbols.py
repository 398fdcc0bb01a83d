"""What the symbolic run of a program works with: arguments, stacks, and known whole numbers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from resnets.models.stacking import LOOP


class AnalysisError(ValueError):
    """A program that cannot be analysed; says where and why."""


@dataclasses.dataclass(frozen=True)
class Argument:
    """What one argument of the program is.

    Attributes:
      role: `weight`, `statistic`, `input` or `state`.
      owner: path of the module that it belongs to.
      stacked: parts of the path outside the loop whose rounds its leading axis counts; None if it
        counts none.
    """

    role: str
    owner: tuple[str, ...]
    stacked: int | None = None


class Stack(NamedTuple):
    """An array whose leading axis counts the rounds of a loop, kept as its elements.

    In a loop around a loop the elements are stacks themselves. One element stands for the array of
    its shape with a leading axis of one, too.
    """

    elements: "tuple[Value, ...]"


Value = int | Stack
_FOLDED: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "minimum": min,
    "maximum": max,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "select": lambda condition, yes, no: yes if condition else no,
    "convert": lambda a: a,
    "negate": lambda a: -a,
    "clamp": lambda low, a, high: min(max(low, a), high),
}
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
}


def fold(kind: str, direction: str, numbers: Sequence[int | None]) -> int | None:
    """Compute with whole numbers that are known: counters of loops and choices of branches.

    Args:
      kind: of the operation.
      direction: of a comparison.
      numbers: the operands; None for one that is not known.

    Returns:
      The result; None if it is not known.
    """
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return None
    if kind == "compare":
        return int(_COMPARED[direction](known[0], known[1]))
    return _FOLDED[kind](*known) if kind in _FOLDED else None


def ids(value: Value) -> tuple[int, ...]:
    """The tensors of a value."""
    if not isinstance(value, Stack):
        return (value,)
    return tuple(number for element in value.elements for number in ids(element))


def elements(value: Value, count: int) -> tuple[Value, ...]:
    """One value for each round; all rounds see the same one unless it is a stack."""
    return value.elements if isinstance(value, Stack) else (value,) * count


def element_layer(layer: tuple[str, ...], depth: int, index: int) -> tuple[str, ...]:
    """Name one round of a loop: `blocks` becomes `block1`, another module gets its number.

    Args:
      layer: path of a module inside the loop.
      depth: how many parts of it lie outside.
      index: which round, from 0.
    """
    if LOOP in layer:
        return tuple(f"block{index + 1}" if part == LOOP else part for part in layer)
    if len(layer) > depth:
        return (*layer[:depth], f"{layer[depth]}[{index}]", *layer[depth + 1 :])
    return layer
