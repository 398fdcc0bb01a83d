"""Random images and labels of any shape: for tests, benchmarks and sizes that no data set has."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from resnets.data.dataset import DatasetError, Images, Labels


@dataclasses.dataclass(frozen=True)
class Synthetic:
    """Random examples: every pixel uniform over 0 to 255, every label uniform over the classes.

    The same fields give the same examples on every machine. A split's examples do not depend on
    the size of another.

    Attributes:
      height: rows of an image.
      width: columns of an image.
      channels: channels of an image.
      classes: number of classes.
      train: number of training examples.
      validation: number of validation examples.
      test: number of test examples.
      seed: of the random numbers.

    Raises:
      DatasetError: a size below 1, or a number of examples or a seed below 0.
    """

    height: int = 32
    width: int = 32
    channels: int = 3
    classes: int = 10
    train: int = 512
    validation: int = 0
    test: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for field, value in dataclasses.asdict(self).items():
            least = 0 if field in ("train", "validation", "test", "seed") else 1
            if value < least:
                raise DatasetError(f"synthetic: {field}={value} must be at least {least}")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.classes

    @property
    def splits(self) -> tfds.core.SplitDict:
        """Names and sizes of the three splits."""
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return tfds.core.SplitDict(
            [
                tfds.core.SplitInfo(name, shard_lengths=[n], num_bytes=0, filename_template=None)
                for name, n in sizes.items()
            ]
        )

    def read(self, split: str, start: int, stop: int) -> tuple[Images, Labels]:
        """Draw a split and take its examples from `start` to before `stop`.

        Returns:
          Images `[n, height, width, channels]` and labels `[n]`.
        """
        rng = np.random.default_rng([self.seed, list(self.splits).index(split)])
        examples = self.splits[split].num_examples
        labels = rng.integers(0, self.classes, examples, np.int32)
        shape = (examples, self.height, self.width, self.channels)
        return rng.integers(0, 256, shape, np.uint8)[start:stop], labels[start:stop]
