"""LeNet-5: its size, its two forms, and the images it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import layers, registry
from resnets.models import lenet as lenet  # registers the network

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once


def shapes(model, size=32, channels=1):
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)["params"]


def count(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def images(size=32, batch=4, channels=1):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, channels)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


def test_lenet_has_61706_parameters_in_five_layers():
    tree = shapes(registry.create("lenet5"))
    assert count(tree) == 61_706
    assert {name: count(tree[name]) for name in tree} == {
        "conv1": 156,
        "conv3": 2416,
        "conv5": 48_120,
        "fc6": 10_164,
        "classifier": 850,
    }


def test_another_number_of_classes_changes_the_last_layer_only():
    assert count(shapes(registry.create("lenet5", 3))) == 61_706 - 7 * 85


def test_color_images_widen_the_first_layer_only():
    assert count(shapes(registry.create("lenet5"), channels=3)) == 61_706 + 2 * 25 * 6


@pytest.mark.parametrize(("size", "positions"), [(32, 1), (35, 1), (36, 4), (64, 81)])
def test_larger_images_leave_more_positions_for_the_dense_layers(size, positions):
    tree = shapes(registry.create("lenet5"), size)
    assert tree["fc6"]["kernel"].shape == (120 * positions, 84)


def test_padding_fits_the_images_of_mnist():
    assert count(shapes(registry.create("lenet5", padding=2), 28)) == 61_706


# --- what it computes --------------------------------------------------------------------------


def reference(params, x, activate, reduce):
    """The network from patches and matrix products, in NumPy."""

    def conv(layer, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (1, 2))
        return np.einsum("bhwcij,ijcf->bhwf", windows, layer["kernel"]) + layer["bias"]

    def pool(x):
        batch, height, width, channels = x.shape
        return reduce(x.reshape(batch, height // 2, 2, width // 2, 2, channels), axis=(2, 4))

    x = pool(activate(conv(params["conv1"], np.asarray(x))))
    x = pool(activate(conv(params["conv3"], x)))
    x = activate(conv(params["conv5"], x)).reshape(len(x), -1)
    x = activate(x @ params["fc6"]["kernel"] + params["fc6"]["bias"])
    return x @ params["classifier"]["kernel"] + params["classifier"]["bias"]


@pytest.mark.parametrize(
    ("options", "activate", "reduce"),
    [
        ({}, np.tanh, np.mean),
        ({"activation": "relu", "pooling": "max"}, lambda x: np.maximum(x, 0), np.max),
    ],
)
def test_both_forms_compute_what_the_paper_describes(options, activate, reduce):
    model = registry.create("lenet5", **options)
    rng = np.random.default_rng(1)
    params = jax.tree.map(
        lambda p: jnp.asarray(rng.standard_normal(p.shape) / p.size**0.25, jnp.float32),
        shapes(model),
    )
    logits = jit(functools.partial(model.apply, train=False))({"params": params}, images())
    expected = reference(params, images(), activate, reduce)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_bfloat16_compute_keeps_float32_parameters_and_logits():
    exact, rounded = registry.create("lenet5"), registry.create("lenet5", dtype="bfloat16")

    def compute(x):
        variables = exact.init(KEY, x, train=False)
        return [model.apply(variables, x, train=False) for model in (exact, rounded)]

    expected, logits = jit(compute)(images())
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((shapes(rounded), logits))}
    assert dtypes == {jnp.dtype("float32")}
    assert 0 < np.linalg.norm(logits - expected) < 3e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", layers.DTYPES)
@pytest.mark.parametrize("activation", layers.ACTIVATIONS)
def test_logits_are_float32_one_row_an_image_one_column_a_class(activation, dtype):
    model = registry.create("lenet5", 7, activation=activation, pooling="max", dtype=dtype)
    logits = jax.eval_shape(lambda x: model.init_with_output(KEY, x, train=True)[0], images())
    assert (logits.shape, logits.dtype) == ((4, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"activation": "relo"}, ["activation='relo'", "'tanh'", "'relu'"]),
        ({"pooling": "mean"}, ["pooling='mean'", "'average', 'max'"]),
        ({"initializer": "he"}, ["initializer='he'", "'glorot_uniform'"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ({"padding": -1}, ["padding=-1", "at least 0"]),
        ({"activations": "relu"}, ["'activations'", "did you mean 'activation'?", "pooling"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        registry.create("lenet5", **options)
    assert [part for part in parts if part not in str(caught.value)] == []
