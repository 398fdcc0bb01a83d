"""VGG: sizes, batch normalisation, dropout and the images it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.models import layers, registry, vgg

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
DEPTHS = (11, 13, 16, 19)


def shapes(model, size=32):
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def count(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def tiny(batch_norm=False, **options):
    """Two narrow stages."""
    options = {"width": 4, "grid": 3, "hidden": 16} | options
    return vgg.VGG(5, (1, 2), batch_norm, **options)


def images(size=9, batch=4):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, 3)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg11", 132_868_840 - 2 * 2752),
        ("vgg11_bn", 132_868_840),
        ("vgg13", 133_047_848),
        ("vgg13_bn", 133_047_848 + 2 * 2944),
        ("vgg16", 138_357_544),
        ("vgg16_bn", 138_365_992),
        ("vgg19", 143_667_240),
        ("vgg19_bn", 143_678_248),
    ],
)
def test_networks_have_torchvisions_parameters(name, expected):
    variables = shapes(registry.create(name))
    assert count(variables["params"]) == expected
    assert ("batch_stats" in variables) == name.endswith("_bn")


@pytest.mark.parametrize("size", [75, 224])
def test_parameters_do_not_depend_on_the_size_of_the_image(size):
    assert count(shapes(registry.create("vgg16", 10), size)) == 138_357_544 - 990 * 4097


def test_the_first_dense_layer_has_102_million_weights():
    assert math.prod(shapes(registry.create("vgg16"))["params"]["fc6"]["kernel"].shape) == (
        7 * 7 * 512 * 4096
    )


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_network_has_as_many_weighted_layers_as_its_name_says(depth):
    params = shapes(registry.create(f"vgg{depth}"))["params"]
    assert len(params) == depth
    assert {"conv1_1", "conv5_2", "fc6", "fc7", "classifier"} <= set(params)


def test_channels_double_each_stage_up_to_512():
    params = shapes(registry.create("vgg16_bn"))["params"]
    last = [params[name]["kernel"].shape[-1] for name in ("conv1_2", "conv2_2", "conv3_3")]
    assert last == [64, 128, 256]
    assert params["conv5_3"]["kernel"].shape == (3, 3, 512, 512)
    assert params["bn4_3"]["scale"].shape == (512,)


# --- what it computes --------------------------------------------------------------------------


def test_224x224_images_leave_7x7_positions(monkeypatch):
    seen = []
    real = layers.adaptive_average_pool
    monkeypatch.setattr(
        layers, "adaptive_average_pool", lambda x, n: seen.append(x.shape) or real(x, n)
    )
    shapes(registry.create("vgg11"), 224)
    assert seen == [(1, 7, 7, 512)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_dropout_is_active_in_training_only(batch_norm):
    model, still = tiny(batch_norm), tiny(batch_norm, dropout_rate=0.0)

    def compute(x):
        variables = model.init(KEY, x, train=False)
        trained = [
            network.apply(
                variables,
                x,
                train=True,
                rngs={"dropout": jax.random.key(seed)},
                mutable="batch_stats",
            )[0]
            for network in (model, still)
            for seed in (1, 2)
        ]
        return *trained, *(n.apply(variables, x, train=False) for n in (model, still))

    first, second, same, again, evaluated, reference = jit(compute)(images())
    assert np.max(np.abs(first - second)) > 1e-3
    np.testing.assert_array_equal(same, again)
    np.testing.assert_array_equal(evaluated, reference)


def test_running_statistics_move_in_training_only():
    model = tiny(True, bn_momentum=0.75)
    conv = layers.Conv(4, (3, 3), use_bias=True)

    def compute(x):
        variables = model.init(KEY, x, train=False)
        run = functools.partial(model.apply, variables, x, mutable="batch_stats")
        moved = run(train=True, rngs={"dropout": KEY})[1]
        kept = run(train=False)[1]
        first = conv.apply({"params": variables["params"]["conv1_1"]}, x)
        return moved["batch_stats"], kept["batch_stats"], variables["batch_stats"], first

    moved, kept, before, first = jit(compute)(images() + 1)
    expected = 0.25 * first.mean((0, 1, 2))
    np.testing.assert_allclose(moved["bn1_1"]["mean"], expected, rtol=1e-4, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, kept, before)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_bfloat16_compute_keeps_float32_variables_and_logits(batch_norm):
    exact, rounded = tiny(batch_norm), tiny(batch_norm, dtype="bfloat16")

    def compute(x):
        variables = exact.init(KEY, x, train=False)
        return [model.apply(variables, x, train=False) for model in (exact, rounded)]

    expected, logits = jit(compute)(images())
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((shapes(rounded), logits))}
    assert dtypes == {jnp.dtype("float32")}
    assert 0 < np.linalg.norm(logits - expected) < 3e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", layers.DTYPES)
@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_logits_are_float32_one_row_an_image_one_column_a_class(name, dtype):
    model = registry.create(name, 7, dtype=dtype)
    rngs = {"params": KEY, "dropout": KEY}
    image = jax.ShapeDtypeStruct((2, 32, 40, 3), jnp.float32)
    logits = jax.eval_shape(lambda x: model.init_with_output(rngs, x, train=True)[0], image)
    assert (logits.shape, logits.dtype) == ((2, 7), jnp.float32)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("vgg16", {"initializer": "he"}, ["initializer='he'", "'he_normal_fan_in'"]),
        ("vgg16", {"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ("vgg16", {"dropout_rate": 1.0}, ["dropout_rate=1.0", "[0, 1)"]),
        ("vgg16_bn", {"bn_momentum": -0.1}, ["bn_momentum=-0.1", "[0, 1)"]),
        ("vgg16", {"bn_momentum": 0.9}, ["vgg16 has no field 'bn_momentum'", "dropout_rate"]),
        ("vgg16", {"grid": 0}, ["grid=0", "at least 1"]),
        ("vgg16", {"hidden": -1}, ["hidden=-1", "at least 1"]),
        ("vgg16", {"width": 0}, ["width=0", "at least 1"]),
        ("vgg16", {"dropout": 0.1}, ["'dropout'", "did you mean 'dropout_rate'?", "hidden"]),
        ("vgg12", {}, ["unknown network 'vgg12'", "vgg13"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(name, options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        registry.create(name, **options)
    assert [part for part in parts if part not in str(caught.value)] == []
