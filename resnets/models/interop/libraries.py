"""The namings by name."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from resnets.models.interop import keras, torchvision
from resnets.models.interop.naming import Naming, Place, flatten


def _own(model: nn.Module, variables: Mapping[str, Any]) -> Naming:
    """Our paths, joined by slashes."""
    return Naming({path: Place("/".join(path)) for path in flatten(variables)})


NAMINGS: dict[str, Callable[[nn.Module, Mapping[str, Any]], Naming | None]] = {
    "own": _own,
    "torchvision": torchvision.naming,
    "keras": keras.naming,
}
"""How each library names the arrays of a network; None where it has no such network."""


def places(model: nn.Module, variables: Mapping[str, Any], naming: str) -> Naming:
    """Say where a library keeps each array of a network.

    Args:
      model: the network.
      variables: its variables or their shapes, unrolled (`resnets.models.stacking`).
      naming: a name in `NAMINGS`.

    Raises:
      ValueError: unknown naming; or the library has no such network, or only with other fields.
    """
    if naming not in NAMINGS:
        raise ValueError(f"naming={naming!r} is not one of {', '.join(map(repr, NAMINGS))}")
    found = NAMINGS[naming](model, variables)
    if found is None:
        raise ValueError(f"{naming} has no network of this form ({type(model).__name__})")
    return checked(found, naming)


def checked(found: Naming, naming: str) -> Naming:
    """Refuse a library's network that has other fields than this one.

    Raises:
      ValueError: naming the fields, theirs and ours.
    """
    if found.required:
        fields = ", ".join(f"{name}={theirs!r}" for name, theirs, _ in found.required)
        ours = ", ".join(f"{name}={value!r}" for name, _, value in found.required)
        raise ValueError(f"{naming}'s network has {fields}; this one has {ours}")
    return found
