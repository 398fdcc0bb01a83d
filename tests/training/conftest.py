"""Small recipes, data and configs that the training tests share."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.data.augmentation import Preprocessing
from resnets.models import layers
from resnets.training.config_file import load_config
from resnets.training.setup import device_mesh
from resnets.training.state import DeviceData
from resnets.training.step import Recipe
from tests.data import fake_imagenet


class TinyNet(nn.Module):
    """One convolution, batch normalisation and a classifier: compiles in a moment."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, images, train):
        x = layers.Conv(8, (3, 3), name="conv")(images)
        x = jax.nn.relu(layers.BatchNorm(name="bn")(x, train))
        return layers.classifier(layers.global_average_pool(x), self.num_classes, "float32")


@pytest.fixture(scope="session")
def make_recipe():
    """Recipes of a tiny network on 8x8 images, on the first `devices` devices."""

    def make(devices=1, **fields):
        defaults = {
            "model": TinyNet(),
            "preprocessing": Preprocessing((0.5,), (0.25,), shift=1),
            "mesh": device_mesh(jax.devices()[:devices]),
            "batch_size": 16,
        }
        return Recipe(**defaults | fields)

    return make


@pytest.fixture(scope="session")
def small_data():
    """40 images of 8x8 in 4 classes that differ in brightness."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 40).astype(np.int32)
    noise = rng.integers(0, 64, (40, 8, 8, 1))
    images = (labels[:, None, None, None] * 48 + noise).astype(np.uint8)
    return DeviceData(jnp.asarray(images), jnp.asarray(labels))


@pytest.fixture
def small_config():
    """A config of a few seconds: the 8-layer network on a part of the digits."""

    def make(**overrides):
        fields = {
            "data.train": "train[:128]",
            "data.test": "test[:50]",
            "batch_size": 32,
            "epochs": 3,
            "schedule": "constant",
            "checkpoint_every": 1,
            "diagnostics": "off",
        } | overrides
        flags = [f"--config.{field}={value}" for field, value in fields.items()]
        return load_config("configs/digits.py:depth=8", flags).to_dict()

    return make


@pytest.fixture
def tiny_network(monkeypatch):
    """Every config's network is `TinyNet`, so that a whole run takes a moment."""
    from resnets.training import setup

    monkeypatch.setattr(setup.models, "create", lambda name, classes, **options: TinyNet(classes))


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    """Of a small ImageNet's archives; what is prepared of them is kept there, too."""
    path = tmp_path_factory.mktemp("feed")
    fake_imagenet.write_archives(path)
    return str(path)


@pytest.fixture
def streamed_config(directory):
    """A config of a few seconds on the small ImageNet: ten training and five test images."""

    def make(**overrides):
        fields = fake_imagenet.SMALL_RUN | {"data.directory": directory} | overrides
        flags = [f"--config.{field}={value}" for field, value in fields.items()]
        return load_config("configs/imagenet.py:model=lenet5", flags).to_dict()

    return make
