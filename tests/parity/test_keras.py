"""Parity with Keras applications: the same random weights give the same logits.

Keras is an independent implementation. Its weights travel as a safetensors file in its own naming.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import functools
import importlib.metadata

import jax
import numpy as np
import pytest
import safetensors.numpy

from resnets.models import interop
from resnets.models.interop.keras import renumber

FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once

# Our name and fields, Keras's name, image size.
NETWORKS = {
    "vgg16": ({"grid": 1, "hidden": 4096}, "VGG16", 32),
    "resnet50": ({"strided": "1x1"}, "ResNet50", 40),
    "preact_resnet50": ({"keras": True}, "ResNet50V2", 40),
    "inception_v3": (
        {"auxiliary": False, "bn_scale": False, "count_padding": False},
        "InceptionV3",
        75,
    ),
    "inception_resnet_v2": ({"auxiliary": False}, "InceptionResNetV2", 75),
    "densenet121": ({}, "DenseNet121", 40),
}


@pytest.fixture(scope="module")
def applications(tmp_path_factory):
    """Keras's networks; its configuration file goes to a temporary place."""
    os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    import keras

    def zeros(_, shape, dtype=None):  # `randomise` replaces them, and drawing is slow
        return np.zeros(shape, np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
        yield keras.applications


def randomise(network):
    """Weights that keep activations near one through all layers."""
    rng = np.random.default_rng(0)
    for variable in network.variables:
        shape, kind = variable.shape, variable.name
        if kind == "kernel":
            value = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[:-1]))
        elif kind in ("gamma", "moving_variance"):
            value = 1.0 + 0.25 * np.tanh(rng.standard_normal(shape))
        else:
            value = 0.3 * rng.standard_normal(shape)
        variable.assign(value.astype(np.float32))


def reference(applications, name, size):
    """Images, logits and arrays of one of Keras's networks with random weights."""
    with jax.numpy_dtype_promotion("standard"):
        network = getattr(applications, name)(
            weights=None, classes=10, input_shape=(size, size, 3), classifier_activation=None
        )
        randomise(network)
        images = np.random.default_rng(1).standard_normal((2, size, size, 3)).astype(np.float32)
        values = [v.value for v in network.trainable_variables]
        fixed = [v.value for v in network.non_trainable_variables]
        run = jit(lambda t, f, x: network.stateless_call(t, f, x, training=False)[0])
        logits = np.asarray(run(values, fixed, images))
    return images, logits, {v.path: np.asarray(v.value) for v in network.variables}


LONGER = ("inception_resnet_v2", "densenet121", "inception_v3", "vgg16", "preact_resnet50")
"""Five seconds and more each; `--parity` runs them."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LONGER else ()) for n in NETWORKS]
)
def test_logits_are_those_of_keras_and_weights_return_to_it(name, applications, compare, tmp_path):
    fields, keras_name, size = NETWORKS[name]
    images, expected, arrays = reference(applications, keras_name, size)
    file = tmp_path / "keras.safetensors"
    safetensors.numpy.save_file(arrays, file)
    version = f"Keras {importlib.metadata.version('keras')} on JAX"
    model, variables = compare(name, 10, fields, file, images, expected, version, "keras")

    back = tmp_path / "back.safetensors"
    interop.save(back, model, variables, "keras")
    returned, arrays = interop.read_arrays(back), renumber(arrays)
    assert returned.keys() == arrays.keys()
    for array, value in returned.items():
        bias = array.replace("bn/moving_mean", "conv/bias")
        if name == "resnet50" and array.endswith("moving_mean"):
            value = value + arrays[bias]  # the mean has absorbed it
            np.testing.assert_allclose(value, arrays[array], atol=1e-6, err_msg=array)
        elif name == "resnet50" and array.endswith("conv/bias"):
            np.testing.assert_array_equal(value, 0.0, array)
        else:
            np.testing.assert_array_equal(value, arrays[array], array)
