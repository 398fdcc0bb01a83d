"""What the families share: initial values by closed form, statistics, pooling, mistakes."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import layers
from resnets.models.normalisation import normalise

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
CHANNELS, FEATURES, TAPS = 16, 48, 9
FAN_IN, FAN_OUT = TAPS * CHANNELS, TAPS * FEATURES
COUNT = TAPS * CHANNELS * FEATURES


def images(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


@pytest.fixture(scope="module")
def draw():
    """Initial 3x3 kernels of 16 to 48 channels, flattened, by initialiser."""

    @jit
    def all_kernels():
        shape = (3, 3, CHANNELS, FEATURES)
        return {name: f(KEY, shape).ravel() for name, f in layers.INITIALIZERS.items()}

    return jax.device_get(all_kernels())


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("he_normal_fan_out", 2 / FAN_OUT),
        ("he_normal_fan_in", 2 / FAN_IN),
        ("glorot_uniform", 2 / (FAN_IN + FAN_OUT)),
    ],
)
def test_variance_follows_the_fan(draw, name, variance):
    assert np.mean(draw[name]) == pytest.approx(0, abs=4 * np.sqrt(variance / COUNT))
    assert np.var(draw[name]) == pytest.approx(variance, rel=4 * np.sqrt(2 / COUNT))


@pytest.mark.parametrize("name", ["he_normal_fan_out", "he_normal_fan_in"])
def test_he_values_are_normal(draw, name):
    """A normal distribution has 4.55 % beyond two standard deviations, and kurtosis 3."""
    standard = draw[name] / np.std(draw[name])
    assert np.mean(np.abs(standard) > 2) == pytest.approx(0.0455, abs=0.01)
    assert np.mean(standard**4) == pytest.approx(3, abs=0.25)


def test_glorot_values_fill_their_interval(draw):
    bound = np.sqrt(6 / (FAN_IN + FAN_OUT))
    assert 0.99 * bound < np.max(np.abs(draw["glorot_uniform"])) <= bound


def test_truncated_normal_values_stop_at_two_deviations(draw):
    assert 0.039 < np.max(np.abs(draw["truncated_normal"])) <= 0.04
    assert np.std(draw["truncated_normal"]) == pytest.approx(0.02 * 0.8796, rel=0.03)


def convolution_of(x, **fields):
    layer = layers.Conv(8, (3, 3), **fields)
    variables = jit(layer.init)(KEY, x)
    return jit(layer.apply)(variables, x), variables["params"]


@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (5, 3), (7, 7)])
def test_without_padding_given_an_odd_kernel_keeps_the_size(kernel_size):
    layer = layers.Conv(8, kernel_size)
    y, _ = jax.eval_shape(lambda x: layer.init_with_output(KEY, x), images(2, 9, 11, 4))
    assert y.shape == (2, 9, 11, 8)


def test_padding_and_strides_set_the_size():
    x = images(2, 9, 11, 4)
    layer = layers.Conv(8, (3, 3), strides=2, padding=(0, 2))
    y, _ = jax.eval_shape(lambda x: layer.init_with_output(KEY, x), x)
    assert y.shape == (2, (9 - 3) // 2 + 1, (11 + 4 - 3) // 2 + 1, 8)


def test_groups_are_convolutions_side_by_side():
    x = images(2, 4, 4, 6)
    y, params = convolution_of(x, groups=2)
    halves = zip(np.split(x, 2, 3), np.split(params["kernel"], 2, 3), strict=True)
    apply = jit(lambda x, kernel: layers.Conv(4, (3, 3)).apply({"params": {"kernel": kernel}}, x))
    expected = np.concatenate([apply(x, kernel) for x, kernel in halves], 3)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_a_bias_starts_at_zero_and_shifts_its_channel():
    x = images(2, 4, 4, 3)
    layer = layers.Conv(8, (3, 3), use_bias=True)
    params = jit(layer.init)(KEY, x)["params"]
    np.testing.assert_array_equal(params["bias"], np.zeros(8))
    shift = jnp.arange(8, dtype=jnp.float32)
    apply = jit(lambda params: layer.apply({"params": params}, x))
    moved = apply({**params, "bias": shift}) - apply(params)
    np.testing.assert_allclose(moved, np.broadcast_to(shift, moved.shape), atol=1e-5)


def test_weights_are_float32_whatever_the_compute_dtype():
    y, params = convolution_of(images(2, 4, 4, 4), dtype="bfloat16", use_bias=True)
    assert y.dtype == jnp.bfloat16
    assert {p.dtype for p in params.values()} == {jnp.dtype("float32")}


@pytest.mark.parametrize("dtype", layers.DTYPES)
def test_batch_norm_standardises_and_keeps_float32_statistics(dtype):
    x = (3 + 2 * images(8, 4, 4, 5)).astype(dtype)
    norm = layers.BatchNorm(momentum=0.75, dtype=dtype)
    variables = jit(norm.init, static_argnums=2)(KEY, x, True)
    y, updates = jit(lambda v, x: norm.apply(v, x, True, mutable="batch_stats"))(variables, x)

    exact = np.asarray(x, np.float32)
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    stats = updates["batch_stats"]
    assert y.dtype == dtype
    assert {s.dtype for s in jax.tree.leaves((variables, updates))} == {jnp.dtype("float32")}
    np.testing.assert_allclose(stats["mean"], 0.25 * mean, rtol=1e-4)
    np.testing.assert_allclose(stats["var"], 0.75 + 0.25 * variance, rtol=1e-4)
    expected = (exact - mean) / np.sqrt(variance + 1e-5)
    rounding = 1e-5 if dtype == "float32" else 0.02
    np.testing.assert_allclose(np.asarray(y, np.float32), expected, atol=rounding)


@pytest.mark.parametrize(
    ("train", "dtype", "shape"),
    [
        (True, "float32", (4, 3, 3)),
        (True, "float32", (4, 1, 1)),
        (True, "bfloat16", (4, 3, 3)),
        (True, "bfloat16", (1, 3, 1)),
        (False, "float32", (4, 3, 3)),
        (False, "bfloat16", (1, 1, 1)),
    ],
)
def test_batch_norm_equals_that_of_flax(train, dtype, shape):
    x = (1 + images(*shape, 2)).astype(dtype)
    variables = {
        "params": {"scale": jnp.asarray([2.0, -1.0]), "bias": jnp.asarray([0.5, 0.0])},
        "batch_stats": {"mean": jnp.asarray([0.3, 1.0]), "var": jnp.asarray([4.0, 0.25])},
    }

    def with_gradients(apply):
        def weighted(params, x):
            given = {"params": params, "batch_stats": variables["batch_stats"]}
            y, updates = apply(given, x)
            return jnp.sum(y * jnp.sin(5 * x)), (y, updates)

        return jax.value_and_grad(weighted, (0, 1), has_aux=True)(variables["params"], x)

    @jit
    def both():
        ours = layers.BatchNorm(0.9, dtype=dtype)
        flax = nn.BatchNorm(not train, momentum=0.9, dtype=dtype)
        return (
            with_gradients(lambda v, x: ours.apply(v, x, train, mutable="batch_stats")),
            with_gradients(lambda v, x: flax.apply(v, x, mutable="batch_stats")),
        )

    def close(ours, flax):
        assert ours.dtype == flax.dtype
        rounding = 2e-5 if dtype == "float32" else 2**-6
        exact = (np.asarray(a, np.float32) for a in (ours, flax))
        np.testing.assert_allclose(*exact, atol=rounding, rtol=rounding)

    with jax.numpy_dtype_promotion("standard"):  # for flax
        jax.tree.map(close, *both())


@pytest.mark.parametrize("dtype", layers.DTYPES)
def test_batch_norm_keeps_one_array_for_its_gradients_in_the_dtype_of_its_input(dtype):
    x, channels = images(8, 4, 4, 5).astype(dtype), jnp.ones(5)
    _, back = jax.vjp(lambda *a: normalise(*a, 1e-5, dtype)[0], x, channels, channels)
    kept = [leaf for leaf in jax.tree.leaves(back) if jnp.shape(leaf) == x.shape]
    assert [leaf.dtype for leaf in kept] == [dtype]


def test_an_open_relu_and_the_gate_behind_it_are_a_relu():
    x = jnp.array([-2.0, -0.0, 0.0, 1e-30, 3.0])

    def both(x):
        return layers.gate(layers.open_relu(x))

    same = np.testing.assert_array_equal
    same(both(x), layers.relu(x))
    same(jax.vjp(both, x)[1](jnp.ones(5))[0], jax.vjp(layers.relu, x)[1](jnp.ones(5))[0])
    same(jax.vjp(layers.open_relu, x)[1](jnp.ones(5))[0], 1.0)


def test_relu_passes_gradients_where_its_input_is_positive():
    x = jnp.asarray([-1.0, -0.0, 0.0, 2**-99, 2.0, jnp.nan])
    for function in (layers.relu, jax.nn.relu):
        y, back = jax.vjp(function, x)
        np.testing.assert_array_equal(y, [0, 0, 0, 2**-99, 2, jnp.nan])
        np.testing.assert_array_equal(back(jnp.full(6, 3.0))[0], [0, 0, 0, 3, 3, 0])


def test_a_constant_channel_becomes_zero():
    norm = layers.BatchNorm()
    y, _ = jit(lambda x: norm.init_with_output(KEY, x, True))(jnp.full((4, 2, 2, 1), 0.7))
    np.testing.assert_allclose(y, np.zeros(y.shape), atol=1e-3)


def test_maxima_come_from_windows_that_the_padding_never_wins():
    images_below_zero = images(2, 5, 7, 3) - 10
    y = jit(lambda x: layers.max_pool(x, 3, 2, 1))(images_below_zero)
    x = np.asarray(images_below_zero)
    assert y.shape == (2, 3, 4, 3)
    for row, column in np.ndindex(3, 4):
        window = x[:, max(0, 2 * row - 1) : 2 * row + 2, max(0, 2 * column - 1) : 2 * column + 2]
        np.testing.assert_array_equal(y[:, row, column], window.max((1, 2)))


def test_global_average_pooling_takes_the_mean_over_positions():
    x = images(2, 3, 4, 5)
    np.testing.assert_allclose(layers.global_average_pool(x), x.mean((1, 2)), atol=1e-6)


class Classifier(nn.Module):
    dtype: str

    @nn.compact
    def __call__(self, features):
        return layers.classifier(features, 7, self.dtype)


@pytest.mark.parametrize("dtype", layers.DTYPES)
def test_logits_are_float32_with_one_column_a_class(dtype):
    logits, variables = jax.eval_shape(
        lambda x: Classifier(dtype).init_with_output(KEY, x), images(2, 5)
    )
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)
    assert variables["params"]["classifier"]["kernel"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0, 0, 2]),
        ("leaky_relu", [-0.01, 0, 2]),
        ("swish", [-1 / (1 + np.e), 0, 2 / (1 + np.exp(-2))]),
        ("tanh", np.tanh([-1, 0, 2])),
        ("sigmoid", 1 / (1 + np.exp([1.0, 0, -2]))),
        ("identity", [-1, 0, 2]),
    ],
)
def test_activations_are_what_their_names_say(name, expected):
    y = layers.ACTIVATIONS[name](jnp.asarray([-1.0, 0.0, 2.0]))
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_an_unknown_choice_names_the_field_and_the_valid_values():
    with pytest.raises(ValueError, match=r"^field='x' is not one of 'a', 1, None$"):
        layers.check_choice("field", "x", ("a", 1, None))


@pytest.mark.parametrize(
    ("layer", "shape"), [(layers.Conv, (1, 4, 4, 3)), (layers.Dense, (1, 3))], ids=["conv", "dense"]
)
@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [("initializer", "he_normal", layers.INITIALIZERS), ("dtype", "float16", layers.DTYPES)],
)
def test_an_unknown_initialiser_or_dtype_lists_the_known_ones(layer, shape, field, value, valid):
    size = {"kernel_size": (3, 3)} if layer is layers.Conv else {}
    with pytest.raises(ValueError, match=f"^{field}={value!r}") as caught:
        layer(8, **size, **{field: value}).init(KEY, jnp.zeros(shape))
    assert all(repr(name) in str(caught.value) for name in valid)


class Even(nn.Module):
    padding: tuple[int, int] | None

    @nn.compact
    def __call__(self, x):
        return layers.Conv(8, (3, 2), padding=self.padding, name="conv2")(x)


def test_an_even_kernel_must_be_given_its_padding():
    message = r"^conv2: kernel_size=\(3, 2\) is even .* give the padding(\n|$)"
    with pytest.raises(ValueError, match=message):
        Even(None).init(KEY, images(1, 4, 4, 3))
    y, _ = Even((1, 0)).init_with_output(KEY, images(1, 4, 4, 3))
    assert y.shape == (1, 4, 3, 8)


class Grouped(nn.Module):
    features: int
    groups: int

    @nn.compact
    def __call__(self, x):
        return layers.Conv(self.features, (3, 3), groups=self.groups, name="conv2")(x)


@pytest.mark.parametrize(("channels", "features", "groups"), [(6, 8, 3), (8, 6, 4), (4, 8, 8)])
def test_groups_that_do_not_divide_the_channels_name_the_layer(channels, features, groups):
    message = rf"^conv2: groups={groups} .*in \({channels}\) and out \({features}\)(\n|$)"
    with pytest.raises(ValueError, match=message):
        Grouped(features, groups).init(KEY, images(1, 4, 4, channels))
