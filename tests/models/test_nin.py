"""Network in network: sizes, pooling, dropout and the images it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import layers, nin, registry

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
NAMES = ("nin", "nin_cifar")


def shapes(model, size=64):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)["params"]


def count(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def closed_form(blocks):
    """Weights and biases of `(size of the first kernel, widths)`, on images of 3 channels."""
    total, channels = 0, 3
    for size, widths in blocks:
        for kernel, features in zip((size, 1, 1), widths, strict=True):
            total += (kernel * kernel * channels + 1) * features
            channels = features
    return total


def tiny(dropped=1, **options):
    """Two narrow mlpconv layers."""
    blocks = (
        nin.MlpConvDesign((16, 16, 16), 3, padding=1),
        nin.MlpConvDesign((16, 16, 5), 3, padding=1),
    )
    return nin.NiN(blocks, dropped, **options)


def images(size=9, batch=4):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, 3)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "expected"), [(None, 7_439_608), (1000, 7_439_608), (10, 2_015_398)]
)
def test_the_imagenet_network_has_the_parameters_of_its_specification(classes, expected):
    widths = (96, 256, 384, classes or 1000)
    blocks = [(k, (w, w, w)) for k, w in zip((11, 5, 3, 3), widths, strict=True)]
    assert count(shapes(registry.create("nin", classes))) == closed_form(blocks) == expected


@pytest.mark.parametrize(("classes", "expected"), [(None, 966_986), (10, 966_986), (100, 984_356)])
def test_the_cifar_network_has_the_parameters_of_its_specification(classes, expected):
    blocks = [(5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192, classes or 10))]
    assert (
        count(shapes(registry.create("nin_cifar", classes), 32)) == closed_form(blocks) == expected
    )


@pytest.mark.parametrize(("name", "blocks"), [("nin", 4), ("nin_cifar", 3)])
def test_layers_have_the_documented_names(name, blocks):
    tree = shapes(registry.create(name))
    assert set(tree) == {f"mlpconv{index}" for index in range(1, blocks + 1)}
    assert all(set(block) == {"conv1", "conv2", "conv3"} for block in tree.values())


@pytest.mark.parametrize(
    ("name", "size", "sides"),
    [("nin", 224, [54, 27, 13]), ("nin", 39, [8, 4, 2]), ("nin_cifar", 32, [32, 16])],
)
def test_pooling_halves_and_keeps_the_window_that_hangs_over(name, size, sides, monkeypatch):
    seen = []
    real = layers.max_pool

    def record(x, window, strides, **options):
        assert (window, strides) == (3, 2)
        y = real(x, window, strides, **options)
        seen.append((x.shape[1], y.shape[1]))
        return y

    monkeypatch.setattr(layers, "max_pool", record)
    shapes(registry.create(name), size)
    assert seen == [(side, side // 2) for side in sides]


# --- what it computes --------------------------------------------------------------------------


def test_a_network_in_network_is_a_perceptron_slid_over_the_image():
    model = nin.MlpConv(nin.MlpConvDesign((4, 5, 6), 3, 2, 1), "he_normal_fan_in", "float32")
    x = images()
    params = model.init(KEY, x)["params"]
    params = jax.tree.map(lambda p: p + 0.1 if p.ndim == 1 else p, params)
    y = model.apply({"params": params}, x)
    patch = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, 4:7, 6:9]
    hidden = np.einsum("bijc,ijcf->bf", patch, params["conv1"]["kernel"]) + 0.1
    for name in ("conv2", "conv3"):
        hidden = np.maximum(hidden, 0) @ params[name]["kernel"][0, 0] + 0.1
    assert y.shape == (4, 5, 5, 6)
    np.testing.assert_allclose(y[:, 2, 3], np.maximum(hidden, 0), rtol=1e-4, atol=1e-5)


def test_dropout_is_active_in_training_only():
    model, still = tiny(), tiny(dropout_rate=0.0)

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


@pytest.mark.parametrize(("name", "expected"), [("nin", 1), ("nin_cifar", 2)])
def test_dropout_follows_the_last_poolings(name, expected, monkeypatch):
    rates = []
    monkeypatch.setattr(layers, "dropout", lambda x, rate, train: rates.append(rate) or x)
    shapes(registry.create(name))
    assert rates == [0.5] * expected


def test_bfloat16_compute_keeps_float32_parameters_and_logits():
    exact, rounded = tiny(), tiny(dtype="bfloat16")

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
    image = jax.ShapeDtypeStruct((2, 40, 50, 3), jnp.float32)
    logits = jax.eval_shape(lambda x: model.init_with_output(rngs, x, train=True)[0], image)
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"initializer": "he"}, ["initializer='he'", "'he_normal_fan_in'"]),
        ({"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ({"dropout_rate": 1.0}, ["dropout_rate=1.0", "[0, 1)"]),
        ({"dropout": 0.1}, ["'dropout'", "did you mean 'dropout_rate'?", "initializer"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(name, options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        registry.create(name, **options)
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(("name", "size"), [("nin", 39), ("nin_cifar", 4)])
def test_the_smallest_valid_size_leaves_something_to_average(name, size):
    model = registry.create(name, 3)
    variables = jax.tree.map(lambda p: jnp.full(p.shape, 1e-3), {"params": shapes(model)})
    logits = jit(functools.partial(model.apply, train=False))(variables, images(size, 1))
    assert np.all(np.isfinite(logits))
