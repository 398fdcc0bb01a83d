"""AlexNet in one column and in two: sizes, forms, dropout and the images it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import alexnet, layers, registry

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
NAMES = ("alexnet", "alexnet_lrn")


def shapes(model, size=224):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def count(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def tiny(two_columns, **options):
    """A narrow network with all the layers."""
    options = {"grid": 2, "hidden": 16} | options
    return alexnet.AlexNet(5, (8, 12, 12, 12, 8), two_columns, **options)


def images(size=63, batch=4):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, 3)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "size", "expected"),
    [
        ("alexnet", 1000, 224, 61_100_840),
        ("alexnet", 10, 64, 57_044_810),
        ("alexnet", None, 227, 61_100_840),
        ("alexnet_lrn", 1000, 224, 60_965_224),
        ("alexnet_lrn", None, 227, 60_965_224),
        ("alexnet_lrn", 10, 64, 60_965_224 - 990 * 4097),
    ],
)
def test_networks_have_the_published_parameters_whatever_the_size(name, classes, size, expected):
    variables = shapes(registry.create(name, classes), size)
    assert set(variables) == {"params"}
    assert count(variables["params"]) == expected


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_the_papers_names(name):
    names = {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "classifier"}
    assert set(shapes(registry.create(name))["params"]) == names


def test_two_columns_halve_the_channels_that_conv2_conv4_and_conv5_see():
    params = shapes(registry.create("alexnet_lrn"))["params"]
    assert {k: v["kernel"].shape for k, v in params.items() if k.startswith("conv")} == {
        "conv1": (11, 11, 3, 96),
        "conv2": (5, 5, 48, 256),
        "conv3": (3, 3, 256, 384),
        "conv4": (3, 3, 192, 384),
        "conv5": (3, 3, 192, 256),
    }


def test_a_grid_of_5x5_leaves_26_million_weights_in_the_first_dense_layer():
    params = shapes(registry.create("alexnet", grid=5))["params"]
    assert params["fc6"]["kernel"].shape == (5 * 5 * 256, 4096)


# --- what it computes --------------------------------------------------------------------------


def test_local_response_normalisation_follows_the_first_two_convolutions(monkeypatch):
    seen = []

    def record(x, **options):
        seen.append((x.shape, options))
        return x

    monkeypatch.setattr(layers, "local_response_normalise", record)
    shapes(registry.create("alexnet_lrn"))
    assert seen == [((1, 55, 55, 96), {}), ((1, 27, 27, 256), {})]
    seen.clear()
    shapes(registry.create("alexnet"))
    assert seen == []


@pytest.mark.parametrize("size", [224, 227])
@pytest.mark.parametrize("name", NAMES)
def test_the_last_pooling_leaves_6x6_at_the_papers_sizes(name, size, monkeypatch):
    seen = []
    real = layers.adaptive_average_pool
    monkeypatch.setattr(
        layers, "adaptive_average_pool", lambda x, n: seen.append(x.shape) or real(x, n)
    )
    shapes(registry.create(name), size)
    assert seen == [(1, 6, 6, 256)]


@pytest.mark.parametrize("two_columns", [False, True])
def test_dropout_is_active_in_training_only(two_columns):
    model, still = tiny(two_columns), tiny(two_columns, dropout_rate=0.0)

    def compute(x):
        variables = model.init(KEY, x, train=False)
        trained = [
            model.apply(variables, x, train=True, rngs={"dropout": jax.random.key(seed)})
            for seed in (1, 2)
        ]
        undropped = still.apply(variables, x, train=True)
        return *trained, undropped, model.apply(variables, x, train=False)

    first, second, undropped, evaluated = jit(compute)(images())
    assert np.max(np.abs(first - second)) > 1e-3
    assert np.max(np.abs(first - evaluated)) > 1e-3
    np.testing.assert_allclose(evaluated, undropped, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("two_columns", [False, True])
def test_bfloat16_compute_keeps_float32_parameters_and_logits(two_columns):
    exact, rounded = tiny(two_columns), tiny(two_columns, dtype="bfloat16")

    def compute(x):
        variables = exact.init(KEY, x, train=False)
        return [model.apply(variables, x, train=False) for model in (exact, rounded)]

    expected, logits = jit(compute)(images())
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((shapes(rounded), logits))}
    assert dtypes == {jnp.dtype("float32")}
    assert 0 < np.linalg.norm(logits - expected) < 3e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", layers.DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_float32_one_row_an_image_one_column_a_class(name, dtype):
    model = registry.create(name, 7, dtype=dtype)
    rngs = {"params": KEY, "dropout": KEY}
    image = jax.ShapeDtypeStruct((2, 64, 80, 3), jnp.float32)
    logits = jax.eval_shape(lambda x: model.init_with_output(rngs, x, train=True)[0], image)
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"initializer": "he"}, ["initializer='he'", "'he_normal_fan_in'"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ({"dropout_rate": 1.0}, ["dropout_rate=1.0", "[0, 1)"]),
        ({"dropout_rate": math.nan}, ["dropout_rate=nan", "[0, 1)"]),
        ({"grid": 0}, ["grid=0", "at least 1"]),
        ({"hidden": 0}, ["hidden=0", "at least 1"]),
        ({"dropout": 0.1}, ["'dropout'", "did you mean 'dropout_rate'?", "hidden"]),
        ({"two_columns": True}, ["no field 'two_columns'"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        registry.create("alexnet", **options)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_the_smallest_valid_size_leaves_one_position():
    assert count(shapes(registry.create("alexnet", grid=1), 63)["params"]["fc6"]) == 257 * 4096
