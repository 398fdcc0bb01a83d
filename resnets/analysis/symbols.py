"""What the symbolic run of a program works with: arguments, stacks, and known whole numbers."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

LOOP = "blocks"  # the module name under which networks stack the blocks of a loop


class AnalysisError(ValueError):
    """A program that cannot be analysed; says where and why."""


@dataclasses.dataclass(frozen=True)
class Argument:
    """What one argument of the program is.

    Attributes:
      role: `weight`, `statistic`, `input` or `state`.
      owner: path of the module that it belongs to.
    """

    role: str
    owner: tuple[str, ...]


class Stack(NamedTuple):
    """An array whose leading axis counts the rounds of a loop, kept as its elements."""

    elements: tuple[int, ...]


Value = int | Stack
FOLDED: dict[str, Callable[..., int]] = {
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
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
}
"""Arithmetic on whole numbers that are known: counters of loops and choices of branches."""


def ids(value: Value) -> tuple[int, ...]:
    """The tensors of a value."""
    return value.elements if isinstance(value, Stack) else (value,)


def elements(value: Value, count: int) -> tuple[int, ...]:
    """One tensor for each round; all rounds see the same one unless it is a stack."""
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
