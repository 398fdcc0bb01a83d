"""Random data sets are what their specification says, and the same every time."""

import numpy as np
import pytest

from resnets.data import DatasetError, load
from resnets.data.synthetic import Synthetic

SPEC = "synthetic:height=5,width=4,channels=2,classes=3,train=60,validation=6,test=9"


def test_shapes_types_and_sizes_follow_the_specification():
    data = load(SPEC, validation="validation")
    assert data.images.shape == (75, 5, 4, 2)
    assert (data.images.dtype, data.labels.dtype) == (np.uint8, np.int32)
    assert data.splits == {"train": (0, 60), "validation": (60, 66), "test": (66, 75)}
    assert data.num_classes == 3


def test_pixels_cover_the_range_and_labels_the_classes():
    data = load(SPEC)
    assert set(data.labels.tolist()) == {0, 1, 2}
    assert (data.images.min(), data.images.max()) == (0, 255)


def test_the_same_specification_gives_the_same_examples():
    first = load(SPEC)
    load.cache_clear()
    again = load(SPEC)
    assert again is not first
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)


def test_another_seed_gives_other_examples():
    assert not np.array_equal(load(SPEC).images, load(f"{SPEC},seed=1").images)


def test_a_split_does_not_depend_on_the_size_of_another():
    images, labels = Synthetic(test=8, train=5).read("test", 0, 8)
    other_images, other_labels = Synthetic(test=8, train=50).read("test", 0, 8)
    np.testing.assert_array_equal(images, other_images)
    np.testing.assert_array_equal(labels, other_labels)


def test_splits_differ_from_each_other():
    data = Synthetic(train=8, test=8)
    assert not np.array_equal(data.read("train", 0, 8)[0], data.read("test", 0, 8)[0])


@pytest.mark.parametrize("field", ["height=0", "classes=0", "train=-1", "seed=-1"])
def test_an_impossible_size_is_refused_by_name(field):
    with pytest.raises(DatasetError, match=field):
        load(f"synthetic:{field}")
