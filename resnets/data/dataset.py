"""A data set in memory, and what can be wrong with one."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int32, UInt8

from resnets.errors import UserError, suggest

Images = UInt8[np.ndarray, "examples height width channels"]
Labels = Int32[np.ndarray, "examples"]


class DatasetError(UserError):
    """A data set that does not exist, or cannot be built or read where the user wants it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory, its splits one after another.

    Attributes:
      name: the name that `resnets.data.load` was given.
      images: uint8 `[examples, height, width, channels]`, read-only.
      labels: int32 `[examples]`, from 0 to `num_classes - 1`, read-only.
      splits: the first example and the one after the last, for each of `train`, `validation` and
        `test`; both are the same for a split that was not asked for.
      num_classes: number of classes.
    """

    name: str
    images: Images
    labels: Labels
    splits: Mapping[str, tuple[int, int]]
    num_classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def size(self, split: str) -> int:
        """Number of examples of `train`, `validation` or `test`."""
        first, last = self.splits[split]
        return last - first

    def split(self, name: str) -> tuple[Images, Labels]:
        """Look at one split without copying it.

        Args:
          name: `train`, `validation` or `test`.

        Returns:
          Images `[n, height, width, channels]` and labels `[n]`.

        Raises:
          DatasetError: no such split.
        """
        if name not in self.splits:
            raise DatasetError(f"{self.name} has no split {name!r}; {suggest(name, self.splits)}")
        span = slice(*self.splits[name])
        return self.images[span], self.labels[span]

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel of the training split, scaled to [0, 1].

        A channel that is constant gets the standard deviation 1, so that it can divide.

        Raises:
          DatasetError: the training split is empty.
        """
        images, _ = self.split("train")
        if not images.size:
            raise DatasetError(f"{self.name}: no statistics of an empty training split")
        moments = [_moments(images[..., channel]) for channel in range(images.shape[3])]
        return tuple(mean for mean, _ in moments), tuple(std or 1.0 for _, std in moments)


def _moments(channel: UInt8[np.ndarray, "examples height width"]) -> tuple[float, float]:
    counts = np.zeros(256, np.int64)
    for start in range(0, len(channel), 1024):  # bincount widens its input to int64
        counts += np.bincount(channel[start : start + 1024].ravel(), minlength=256)
    levels = np.arange(256)
    size, total = channel.size, int(counts @ levels)
    variance = int(counts @ levels**2) * size - total**2  # exact, so 0 for a constant channel
    return total / size / 255, math.sqrt(variance) / size / 255
