"""Networks by name."""

import dataclasses
import difflib
import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn

Builder = Callable[..., nn.Module]
Shape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Family:
    """Networks that one builder makes.

    Attributes:
      regex: matches their names in full.
      build: makes a network from a name, the number of classes or None, and overrides.
      paper: who and when.
      image_shape: `(height, width, channels)` of the images that the paper takes.
    """

    regex: re.Pattern[str]
    build: Builder
    paper: str
    image_shape: Shape


_families: dict[str, Family] = {}
_names: list[str] = []


def register(
    pattern: str, names: tuple[str, ...], *, paper: str, image_shape: Shape
) -> Callable[[Builder], Builder]:
    """Register a builder for every name that `pattern` matches in full.

    The builder is called with the name, the number of classes or None, and the overrides.

    Args:
      pattern: regular expression over names.
      names: the members to list, in the order of the paper's table.
      paper: who and when, for the table of networks.
      image_shape: `(height, width, channels)` of the images that the paper takes.

    Raises:
      ValueError: a name or the pattern is registered already, or a name does not match.
    """
    compiled = re.compile(pattern)

    def add(builder: Builder) -> Builder:
        if pattern in _families:
            raise ValueError(f"pattern {pattern!r} is registered already")
        for name in names:
            if _find(name):
                raise ValueError(f"{name!r} is registered already")
            if not compiled.fullmatch(name):
                raise ValueError(f"{name!r} does not match its pattern {pattern!r}")
        _families[pattern] = Family(compiled, builder, paper, image_shape)
        _names.extend(names)
        return builder

    return add


def _find(name: str) -> Family | None:
    return next((f for f in _families.values() if f.regex.fullmatch(name)), None)


def family(name: str) -> Family:
    """Look up the family of a network.

    Raises:
      ValueError: unknown name; names the nearest and all valid ones.
    """
    found = _find(name)
    if found is None:
        near = difflib.get_close_matches(name, _names, 1, 0.3)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown network {name!r}; {hint}Known: {', '.join(_names)}")
    return found


def names() -> tuple[str, ...]:
    """List every registered network; the CIFAR families take further depths, too."""
    return tuple(_names)


def create(name: str, num_classes: int | None = None, **overrides: Any) -> nn.Module:
    """Create a network by name.

    Args:
      name: one of `names()`, or another member of a family (`cifar_resnet26`).
      num_classes: size of the last layer; None takes that of the network's own data set.
      **overrides: fields of the family (`shortcut="B"`, `dtype="bfloat16"`).

    Returns:
      A Linen module: `module.apply(variables, images, train=False)` takes
      `[batch, height, width, channels]` and returns float32 logits `[batch, classes]`.

    Raises:
      ValueError: unknown name, depth or field, or a value out of range; names the valid ones.
    """
    found = family(name)
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes={num_classes} must be at least 1")
    return found.build(name, num_classes, **overrides)


def check_fields(network: str, overrides: dict[str, Any], valid: tuple[str, ...]) -> None:
    """Refuse overrides that are not fields of the family.

    Raises:
      ValueError: naming the nearest valid field and all of them.
    """
    for field in overrides:
        if field not in valid:
            near = difflib.get_close_matches(field, valid, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"{network} has no field {field!r}; {hint}Its fields: {', '.join(valid)}"
            )
