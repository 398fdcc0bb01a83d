"""Read and write a network's variables as safetensors files."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from resnets.models import stacking
from resnets.models.interop.keras import renumber
from resnets.models.interop.libraries import NAMINGS, checked, places
from resnets.models.interop.naming import Naming, flatten
from resnets.models.interop.naming import Path as ArrayPath

_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What came of reading a file into a network.

    Attributes:
      file: its path.
      naming: the naming that it has, a name in `NAMINGS`.
      arrays: how many of the network's arrays come from it.
      head: arrays of the head, which keep their initial values as asked.
      missing: our names of arrays that it does not hold, which keep their initial values.
      unused: its names of arrays that the network does not have.
    """

    file: str
    naming: str
    arrays: int
    head: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """The report, a line each."""
        total = self.arrays + len(self.head) + len(self.missing)
        first = f"{self.arrays} of {total} arrays loaded from {self.file} ({self.naming} naming)"
        rest = (
            ("new head, initial values", self.head),
            ("not in the file, initial values", self.missing),
            ("in the file, not in the network", self.unused),
        )
        return (first, *(f"{what}: {_some(names)}" for what, names in rest if names))


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def read_arrays(file: str | Path) -> dict[str, np.ndarray]:
    """Read all arrays of a safetensors file.

    Raises:
      ValueError: there is no such file, or it is damaged or of another format.
    """
    if Path(file).is_dir():
        raise ValueError(f"{file} is a directory, not a safetensors file")
    try:
        return safetensors.numpy.load_file(file)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}") from None
    except safetensors.SafetensorError as error:
        raise ValueError(f"{file} is not a whole safetensors file: {error}") from None


def named(
    model: nn.Module, variables: Mapping[str, Any], naming: str = "own"
) -> dict[str, np.ndarray]:
    """Name a network's variables as a file does, loops unrolled.

    Raises:
      ValueError: as `save`, but for the file.
    """
    unrolled = stacking.unstack(variables)
    table = places(model, unrolled, naming)
    arrays = dict(table.constants)
    for path, leaf in flatten(unrolled).items():
        arrays |= table.places[path].theirs(np.asarray(leaf, np.float32))
    return arrays


def save(
    file: str | Path,
    model: nn.Module,
    variables: Mapping[str, Any],
    naming: str = "own",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network's variables, loops unrolled.

    Args:
      file: where to; an existing file is replaced.
      model: the network.
      variables: its parameters and batch statistics.
      naming: a name in `NAMINGS`.
      metadata: strings to store beside the arrays.

    Raises:
      ValueError: unknown naming; or the library has no such network, or only with other fields;
        or the file cannot be written.
    """
    arrays = named(model, variables, naming)
    partial = Path(f"{file}.partial")
    try:
        safetensors.numpy.save_file(arrays, partial, {"naming": naming, **(metadata or {})})
        partial.replace(file)
    except (OSError, safetensors.SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise ValueError(f"{file} cannot be written: {error}") from None


def load(
    file: str | Path,
    model: nn.Module,
    variables: Mapping[str, Any],
    new_head: bool = False,
    arrays: dict[str, np.ndarray] | None = None,
) -> tuple[dict[str, Any], Loaded]:
    """Replace a network's variables by those of a file in any naming that fits.

    Args:
      file: a safetensors file; half-precision arrays become float32.
      model: the network.
      variables: its initial parameters and batch statistics, unrolled or with loops.
      new_head: leave the layers that make the logits at their initial values.
      arrays: by name, where they have been read from `file` already.

    Returns:
      The variables, in the form that they came in, and a report.

    Raises:
      ValueError: the file cannot be read, fits no naming of the network, has arrays of other
        shapes, or belongs to a network with other fields; names them.
    """
    arrays = read_arrays(file) if arrays is None else arrays
    initial = stacking.unstack(variables)
    naming, table, arrays = _recognise(file, model, initial, arrays)
    head = _head(model, initial) if new_head else set()
    values, missing, kept, used, wrong = {}, [], [], set(table.constants), []
    for path, leaf in flatten(initial).items():
        place, values[path] = table.places[path], leaf
        used |= {place.name, place.folded or place.name}
        if path in head:
            kept.append("/".join(path))
        elif place.name not in arrays:
            missing.append("/".join(path))
        else:
            values[path] = place.ours(arrays)
            if values[path].shape != leaf.shape:
                wrong.append(f"{place.name} {values[path].shape}, the network has {leaf.shape}")
    if wrong:
        hint = "" if new_head else "; config.init_new_head=true leaves the classifier out"
        raise ValueError(f"{file}: shapes differ (in our layout): {_some(tuple(wrong))}{hint}")
    loaded = len(values) - len(missing) - len(kept)
    unused = tuple(sorted(arrays.keys() - used))
    report = Loaded(str(file), naming, loaded, tuple(kept), tuple(missing), unused)
    nested = traverse_util.unflatten_dict(values)
    return stacking.stack(nested, variables), report


def _recognise(
    file: str | Path, model: nn.Module, variables: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[str, Naming, dict[str, np.ndarray]]:
    """The naming in which the file has most of the network's arrays."""
    best = 0
    for name, make in NAMINGS.items():
        candidate = renumber(arrays) if name == "keras" else arrays
        table = make(model, variables)
        names = {place.name for place in table.places.values()} if table else set()
        if table and len(names & candidate.keys()) > best:
            best, naming, fitting, found = len(names & candidate.keys()), name, table, candidate
    if not best:
        raise ValueError(
            f"{file} holds no array of this network in the naming of {', '.join(NAMINGS)}; "
            f"it holds {_some(tuple(sorted(arrays))) or 'nothing'}"
        )
    try:
        return naming, checked(fitting, naming), found
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _head(model: nn.Module, variables: Mapping[str, Any]) -> set[ArrayPath]:
    """The arrays of the modules that make the logits: `classifier`, or what the network names."""
    name = getattr(model, "head", "classifier")
    return {path for path in flatten(variables) if name in path}
