"""Three ways of ending a network: what each flattens, and which sizes of image it takes."""

import functools
import math

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import goodfellow, layers, registry

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
NAMES = tuple(f"goodfellow_{ending}" for ending in goodfellow.ENDINGS)


def shapes(model, size=256):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)["params"]


def count(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def images(size=20, batch=4):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, 3)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("goodfellow_fixed", 16 * 16 * 64, 16_423_720),
        ("goodfellow_grid", 3 * 3 * 64, 615_720),
        ("goodfellow_conv", 3 * 3 * 64, 615_720),
    ],
)
def test_networks_have_the_parameters_of_the_figure(name, inputs, expected):
    convolutions = (9 * 3 + 1) * 64 + (9 * 64 + 1) * 64
    ending = (inputs + 1) * 1000
    assert count(shapes(registry.create(name))) == convolutions + ending == expected


@pytest.mark.parametrize(
    ("name", "units"),
    [("goodfellow_fixed", 16_384), ("goodfellow_grid", 576), ("goodfellow_conv", 0)],
)
def test_the_endings_flatten_as_many_units_as_the_figure_says(name, units):
    tree = shapes(registry.create(name))
    dense = [layer["kernel"].shape for layer in tree.values() if layer["kernel"].ndim == 2]
    assert dense == ([(units, 1000)] if units else [])
    assert set(tree) == {"conv1", "conv2", "classifier" if units else "conv3"}


@pytest.mark.parametrize("name", NAMES)
def test_only_the_fixed_ending_depends_on_the_size_of_the_image(name):
    model = registry.create(name, 10)
    same = count(shapes(model, 256)) == count(shapes(model, 96))
    assert same == (name != "goodfellow_fixed")


@pytest.mark.parametrize("name", NAMES)
def test_only_the_fixed_ending_refuses_another_size_with_the_same_weights(name):
    model = registry.create(name, 10)

    def evaluate(x, wide):
        return model.apply(model.init(KEY, x, train=False), wide, train=False)

    arguments = (jax.ShapeDtypeStruct((2, n, n, 3), jnp.float32) for n in (32, 48))
    if name == "goodfellow_fixed":
        with pytest.raises(flax.errors.ScopeParamShapeError, match="kernel"):
            jax.eval_shape(evaluate, *arguments)
    else:
        assert jax.eval_shape(evaluate, *arguments).shape == (2, 10)


# --- what it computes --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_endings_compute_what_the_figure_draws(name):
    model, x = registry.create(name, 5), images(32)
    params = jit(functools.partial(model.init, train=False))(KEY, x)["params"]

    def conv(layer, x):
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2)
        )
        return np.einsum("bhwcij,ijcf->bhwf", windows, layer["kernel"]) + layer["bias"]

    def pool(x):
        n = x.shape[1] // 4
        return np.max(x.reshape(len(x), n, 4, n, 4, -1), axis=(2, 4))

    maps = pool(np.maximum(conv(params["conv1"], x), 0))
    maps = np.maximum(conv(params["conv2"], maps), 0)
    if name == "goodfellow_conv":
        expected = conv(params["conv3"], pool(maps)).mean((1, 2))
    else:
        cells = ((0, 3), (2, 6), (5, 8))  # thirds of 8 positions, rounded outwards
        means = [maps[:, a:b, c:d].mean((1, 2)) for a, b in cells for c, d in cells]
        flat = np.concatenate(means, 1) if "grid" in name else pool(maps).reshape(len(x), -1)
        expected = flat @ params["classifier"]["kernel"] + params["classifier"]["bias"]
    logits = jit(functools.partial(model.apply, train=False))({"params": params}, x)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_compute_keeps_float32_parameters_and_logits(name):
    exact, rounded = registry.create(name, 5), registry.create(name, 5, dtype="bfloat16")

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
    image = jax.ShapeDtypeStruct((2, 16, 30, 3), jnp.float32)
    logits = jax.eval_shape(lambda x: model.init_with_output(KEY, x, train=True)[0], image)
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"initializer": "he"}, ["initializer='he'", "'he_normal_fan_in'"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ({"ending": "grid"}, ["no field 'ending'", "initializer, dtype"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        registry.create("goodfellow_fixed", **options)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_an_unknown_ending_names_the_valid_ones():
    with pytest.raises(ValueError, match="ending='mean' is not one of 'fixed', 'grid', 'conv'"):
        goodfellow.Goodfellow(10, "mean")
