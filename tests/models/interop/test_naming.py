"""Names, shapes and layouts of other libraries: exact for every network that they have too."""

import csv
import hashlib
from pathlib import Path

import jax
import numpy as np
import pytest

from resnets import models
from resnets.models import interop
from resnets.models.interop.keras import renumber
from resnets.models.interop.naming import Place, flatten

SIZE = 299  # what Inception-v3's auxiliary head needs to be made

SLIM = {"auxiliary": False, "bn_scale": False, "count_padding": False}
FIELDS = {
    "torchvision": {"googlenet": {"bn": True, "five_by_five": False}},
    "keras": {
        "inception_v3": SLIM,
        "inception_resnet_v2": SLIM,
        **{f"resnet{depth}": {"strided": "1x1"} for depth in (50, 101, 152)},
        **{f"preact_resnet{depth}": {"keras": True} for depth in (50, 101, 152)},
    },
}


# One of each form; the others differ in their numbers only, and are checked by the slow group.
QUICK = {
    "torchvision": "alexnet vgg11 vgg11_bn googlenet inception_v3 resnet18 resnet50 densenet121",
    "keras": "vgg16 resnet50 preact_resnet50",  # logits of the others are compared: tests/parity
}


def listed():
    """The library, the network, and the recorded number and hash of its names and shapes.

    They were taken from torchvision 0.28.0 and Keras 3.15.1: SHA-256 of a sorted line
    `name (shape)` for each array.
    """
    rows = []
    for library in FIELDS:
        with (Path(__file__).parent / f"{library}_names.csv").open() as file:
            for row in csv.DictReader(file):
                quick = row["network"] in QUICK[library].split()
                marks = () if quick else pytest.mark.slow
                rows.append(pytest.param(library, *row.values(), marks=marks))
    return rows


def shapes(name, **fields):
    model = models.create(name, **fields)
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return model, jax.eval_shape(lambda k, x: model.init(k, x, train=False), key, image)


@pytest.mark.parametrize(("library", "name", "arrays", "sha256"), listed())
def test_names_and_shapes_are_those_of_the_library(library, name, arrays, sha256):
    model, variables = shapes(name, **FIELDS[library].get(name, {}))
    table = interop.places(model, variables, library)
    theirs = {key: value.shape for key, value in table.constants.items()}
    for path, leaf in flatten(variables).items():
        values = np.broadcast_to(np.float32(0), leaf.shape)
        theirs |= {key: v.shape for key, v in table.places[path].theirs(values).items()}
    assert len(theirs) == int(arrays)
    text = "".join(f"{key} {shape}\n" for key, shape in sorted(theirs.items()))
    assert hashlib.sha256(text.encode()).hexdigest() == sha256


def test_kernels_change_their_layout_there_and_back():
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    place = Place("w", "conv")
    there = place.theirs(kernel)
    assert there["w"].shape == (5, 4, 2, 3)
    assert there["w"][4, 1, 0, 2] == kernel[0, 2, 1, 4]
    np.testing.assert_array_equal(place.ours(there), kernel)


def test_a_dense_layer_on_feature_maps_reads_the_same_positions():
    maps = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)  # H, W, C
    weights = np.random.default_rng(1).standard_normal((60, 7)).astype(np.float32)
    there = Place("w", "flattened", (5, 3, 4)).theirs(weights)["w"]
    channels_first = maps.transpose(2, 0, 1).reshape(-1)
    np.testing.assert_allclose(there @ channels_first, maps.reshape(-1) @ weights, rtol=1e-5)
    np.testing.assert_array_equal(Place("w", "flattened", (5, 3, 4)).ours({"w": there}), weights)


def test_a_folded_bias_moves_the_mean():
    place = Place("bn/moving_mean", folded="conv/bias")
    arrays = {"bn/moving_mean": np.float32([3.0, 5.0]), "conv/bias": np.float32([1.0, -1.0])}
    np.testing.assert_array_equal(place.ours(arrays), [2.0, 6.0])
    there = place.theirs(np.float32([2.0, 6.0]))
    np.testing.assert_array_equal(there["bn/moving_mean"], [2.0, 6.0])
    np.testing.assert_array_equal(there["conv/bias"], [0.0, 0.0])


def test_keras_counts_go_on_in_a_process_that_made_other_networks():
    later = {"conv2d_94/kernel": 1, "conv2d_95/kernel": 2, "batch_normalization_94/beta": 3}
    expected = {"conv2d/kernel": 1, "conv2d_1/kernel": 2, "batch_normalization/beta": 3}
    assert renumber(later) == expected
    assert renumber(expected) == expected


@pytest.mark.parametrize(
    ("library", "name", "fields", "message"),
    [
        ("torch", "resnet18", {}, "naming='torch' is not one of 'own', 'torchvision', 'keras'"),
        ("torchvision", "lenet5", {"padding": 0}, "torchvision has no network of this form"),
        ("torchvision", "preact_resnet50", {}, "torchvision has no network of this form"),
        (
            "torchvision",
            "resnet50",
            {"strided": "1x1"},
            "strided='3x3'; this one has strided='1x1'",
        ),
        ("torchvision", "googlenet", {}, "bn=True, five_by_five=False; this one has bn=False"),
        ("keras", "resnet50", {}, "keras's network has strided='1x1'"),
        ("keras", "preact_resnet50", {}, "keras's network has keras=True"),
        ("keras", "resnext50_32x4d", {}, "keras has no network of this form"),
        ("keras", "vgg16_bn", {}, "keras has no network of this form"),
    ],
)
def test_a_network_that_the_library_has_not_is_refused(library, name, fields, message):
    model = models.create(name, **fields)
    with pytest.raises(ValueError, match=message):
        interop.places(model, {}, library)
