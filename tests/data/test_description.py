"""What a config's data look like, told without loading them."""

import pytest

from resnets import data
from resnets.data.cifar import Cifar10, Cifar100
from resnets.errors import UserError


def test_digits_are_as_loaded():
    loaded = data.load("digits")
    assert data.describe({"name": "digits"}) == (loaded.image_shape, loaded.num_classes)


@pytest.mark.parametrize(("name", "builder"), [("cifar10", Cifar10), ("cifar100", Cifar100)])
def test_cifar_is_as_its_builder_says(name, builder, tmp_path):
    features = builder(data_dir=str(tmp_path)).info.features
    expected = (features["image"].shape, features["label"].num_classes)
    assert data.describe({"name": name}) == expected


def test_synthetic_data_a_crop_and_streamed_images():
    synthetic = {"name": "synthetic:height=9,width=7,channels=1,classes=4"}
    assert data.describe(synthetic) == ((9, 7, 1), 4)
    assert data.describe({"name": "cifar10", "crop": 28}) == ((28, 28, 3), 10)
    assert data.describe({"name": "imagenet2012", "image_size": 299}) == ((299, 299, 3), 1000)


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="unknown name 'cifar11'; did you mean 'cifar1"):
        data.describe({"name": "cifar11"})
