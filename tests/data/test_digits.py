"""The digits are scikit-learn's, each of them in exactly one split, the same on every machine."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from resnets.data import Dataset, load
from resnets.data.digits import SPLITS, split_indices


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    directory = tmp_path_factory.mktemp("tfds")
    return load("digits", validation="validation", directory=str(directory))


def test_sizes(digits):
    assert {name: stop - start for name, (start, stop) in digits.splits.items()} == SPLITS
    assert SPLITS == {"train": 1257, "validation": 180, "test": 360}
    assert digits.images.shape == (1797, 8, 8, 1)
    assert (digits.images.dtype, digits.labels.dtype) == (np.uint8, np.int32)
    assert digits.num_classes == 10


def test_the_splits_hold_every_digit_of_scikit_learn_exactly_once(digits):
    original = load_digits()
    indices = np.concatenate(list(split_indices().values()))
    np.testing.assert_array_equal(np.sort(indices), np.arange(1797))
    np.testing.assert_array_equal(digits.images[..., 0], original.images[indices] * 15)
    np.testing.assert_array_equal(digits.labels, original.target[indices])


def test_the_split_never_changes():
    first = {name: indices[:4].tolist() for name, indices in split_indices().items()}
    assert first == {
        "train": [1081, 1707, 927, 713],
        "validation": [702, 375, 975, 1209],
        "test": [1442, 455, 584, 147],
    }


def test_building_twice_gives_the_same_examples(digits, tmp_path):
    again = load("digits", validation="validation", directory=str(tmp_path))
    np.testing.assert_array_equal(digits.images, again.images)
    np.testing.assert_array_equal(digits.labels, again.labels)


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_has_about_its_tenth_of_every_split(digits, split):
    _, labels = digits.split(split)
    shares = np.bincount(labels, minlength=10) / len(labels)
    assert 0.05 < shares.min() <= shares.max() < 0.15
