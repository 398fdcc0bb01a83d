"""Where another library keeps each array of a network, and in which layout.

A naming is data: for every path of our variables the name of its array there and how the two are
laid out. Reading and writing follow from the same table.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

Path = tuple[str, ...]
"""Collection, modules and leaf: `("params", "stage1", "block0", "conv1", "kernel")`."""

LAYOUTS = ("same", "conv", "dense", "flattened")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and how another library keeps an array.

    Attributes:
      name: of the array there.
      layout: `same`; `conv` for OIHW where we have HWIO; `dense` for [out, in] where we have
        [in, out]; `flattened` for a dense layer that reads feature maps flattened channels first.
      cells: channels, rows and columns of those feature maps.
      folded: name of a convolution's bias there, which the mean of our normalisation absorbs.
    """

    name: str
    layout: str = "same"
    cells: tuple[int, int, int] | None = None
    folded: str | None = None

    def ours(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Take our array from theirs, float32."""
        array = np.asarray(arrays[self.name], np.float32)
        if self.layout == "conv" and array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif self.layout == "flattened" and self.cells and array.ndim == 2:
            channels, rows, columns = self.cells
            if array.shape[1] == channels * rows * columns:
                maps = array.reshape(-1, channels, rows, columns)
                array = maps.transpose(2, 3, 1, 0).reshape(array.shape[1], -1)
            else:
                array = array.T
        elif self.layout == "dense" and array.ndim == 2:
            array = array.T
        if self.folded is not None and self.folded in arrays:
            array = array - np.asarray(arrays[self.folded], np.float32)
        return array

    def theirs(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Make their arrays from ours: a folded bias becomes zero."""
        if self.layout == "conv":
            array = array.transpose(3, 2, 0, 1)
        elif self.layout == "flattened" and self.cells:
            channels, rows, columns = self.cells
            maps = array.reshape(rows, columns, channels, -1)
            array = maps.transpose(3, 2, 0, 1).reshape(-1, channels * rows * columns)
        elif self.layout == "dense":
            array = array.T
        # safetensors writes the memory of a view, not its values.
        result = {self.name: np.ascontiguousarray(array)}
        if self.folded is not None:
            result[self.folded] = np.zeros_like(array)
        return result


@dataclasses.dataclass(frozen=True)
class Naming:
    """How one library names the arrays of one network.

    Attributes:
      places: by our path.
      constants: arrays there that have no counterpart here, with the value to write.
      required: fields that the library's network has, where ours differs: field, theirs, ours.
    """

    places: Mapping[Path, Place]
    constants: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    required: tuple[tuple[str, Any, Any], ...] = ()


def flatten(variables: Mapping[str, Any]) -> dict[Path, Any]:
    """Map paths to leaves."""
    return traverse_util.flatten_dict(dict(variables))


def differing(fields: Mapping[str, Any], design: Any) -> tuple[tuple[str, Any, Any], ...]:
    """The fields of a design that have another value than a library's network has."""
    return tuple(
        (field, theirs, getattr(design, field))
        for field, theirs in fields.items()
        if getattr(design, field) != theirs
    )
