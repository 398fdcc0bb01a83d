"""Handwritten digits, 8x8: the data set that every machine with scikit-learn has already.

The 1,797 images are the test part of the UCI "Optical Recognition of Handwritten Digits" data
(Alpaydin and Kaynak 1998), as `sklearn.datasets.load_digits` ships them.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int
from PIL import Image

SPLITS = {"train": 1257, "validation": 180, "test": 360}
"""Number of examples of each split: 70, 10 and 20 percent."""


def split_indices() -> dict[str, Int[np.ndarray, "examples"]]:
    """Positions in scikit-learn's array of each split's examples, in order.

    The splits are consecutive parts of one fixed random permutation, without stratification.
    """
    # RandomState, not Generator: only its stream is the same in every version of numpy.
    order = np.random.RandomState(0).permutation(sum(SPLITS.values()))
    parts = np.split(order, np.cumsum(list(SPLITS.values()))[:-1])
    return dict(zip(SPLITS, parts, strict=True))


class Digits(tfds.core.GeneratorBasedBuilder):
    """Images `[8, 8, 1]` of uint8, 15 times the original values 0 to 16; labels 0 to 9."""

    VERSION = tfds.core.Version("1.0.0")
    # Nothing is downloaded; TFDS's own look-up needs a package that it does not depend on.
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="scikit-learn's 1,797 handwritten digits, split 1257/180/360.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        from sklearn.datasets import load_digits  # two seconds, and only to build

        digits = load_digits()
        images = (digits.images * 15).astype(np.uint8)
        return {
            name: self._generate_examples(images[indices], digits.target[indices])
            for name, indices in split_indices().items()
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {"image": Image.fromarray(image), "label": label}
