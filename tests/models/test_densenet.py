"""Densely connected networks: sizes, connections, and options."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from resnets import models
from resnets.models import densenet
from resnets.models.densenet import DenseDesign, DenseLayer, DenseNet
from tests.models.test_pinned_parameters import PARAMETERS

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once


@functools.cache
def shapes(name, size=32, **overrides):
    model = models.create(name, **overrides)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def parameters(name, **overrides):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(shapes(name, **overrides)["params"]))


def closed_form(depth, growth, bottleneck):
    """Parameters by the paper's formula: three equal blocks, two transitions, ten classes."""
    per_block = (depth - 4) // (6 if bottleneck else 3)
    channels = 2 * growth if bottleneck else 16
    total = 27 * channels
    for block in range(3):
        for _ in range(per_block):
            if bottleneck:
                total += 2 * channels + channels * 4 * growth
                total += 2 * 4 * growth + 9 * 4 * growth * growth
            else:
                total += 2 * channels + 9 * channels * growth
            channels += growth
        if block < 2:
            kept = channels // 2 if bottleneck else channels
            total += 2 * channels + channels * kept
            channels = kept
    return total + 2 * channels + 10 * channels + 10


def tiny(block_sizes=(2, 1), stem="cifar", bottleneck=True, **options):
    return DenseNet(3, block_sizes, stem, 4, DenseDesign(3, bottleneck, 0.5, **options))


def images(size=8, batch=4, channels=3):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, channels)), jnp.float32)


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("densenet_cifar40_12", (40, 12, False)),
        ("densenet_cifar100_12", (100, 12, False)),
        ("densenet_bc100_12", (100, 12, True)),
    ],
)
def test_registered_cifar_networks_have_the_parameters_of_the_papers_formula(name, arguments):
    """The pinned numbers are those of the networks, by test_pinned_parameters.py."""
    assert PARAMETERS[name] == closed_form(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("densenet_cifar7_4", (7, 4, False)), ("densenet_bc10_4", (10, 4, True))],
)
def test_any_cifar_network_has_the_parameters_of_the_papers_formula(name, arguments):
    assert parameters(name) == closed_form(*arguments)


@pytest.mark.parametrize(
    "name",
    [
        "densenet121",
        pytest.param("densenet161", marks=pytest.mark.slow),
        "densenet_cifar40_12",
        "densenet_bc100_12",
    ],
)
def test_a_network_has_as_many_weighted_layers_as_its_name_says(name):
    paths = traverse_util.flatten_dict(shapes(name)["params"])
    depth = "".join(c if c.isdigit() else " " for c in name).split()[0]
    assert sum(path[-1] == "kernel" for path in paths) == int(depth)


def test_layers_have_the_documented_names():
    params = shapes("densenet121")["params"]
    assert {"stem_conv", "stem_bn", "final_bn", "classifier", "block4", "transition3"} < set(params)
    assert set(params["block1"]) == {f"layer{i}" for i in range(1, 7)}
    assert set(params["block1"]["layer1"]) == {"bn1", "conv1", "bn2", "conv2"}
    assert set(params["transition1"]) == {"bn", "conv"}
    assert set(shapes("densenet_cifar7_4")["params"]["block1"]["layer1"]) == {"bn1", "conv1"}


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("densenet121", 224, [(56, 256), (28, 128), (28, 512), (14, 256), (14, 1024)]),
        ("densenet_bc100_12", 32, [(32, 216), (16, 108), (16, 300), (8, 150), (8, 342)]),
    ],
)
def test_blocks_add_channels_and_transitions_halve_both(name, size, expected):
    model = models.create(name)
    kinds = (densenet.DenseBlock, densenet.Transition)

    def run(x):
        return model.init_with_output(
            KEY,
            x,
            train=False,
            mutable=True,
            capture_intermediates=lambda m, _: isinstance(m, kinds),
        )[1]["intermediates"]

    tree = jax.eval_shape(run, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    order = ["block1", "transition1", "block2", "transition2", "block3"]
    found = [tree[name]["__call__"][0].shape for name in order]
    assert [(s[1], s[3]) for s in found] == expected


# --- what a layer computes ---------------------------------------------------------------------


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_layer_keeps_its_input_and_appends_the_new_channels(bottleneck):
    x = images(4)
    layer = DenseLayer(DenseDesign(5, bottleneck, 0.5))
    y, _ = layer.init_with_output(KEY, x, train=False)
    assert y.shape == (4, 4, 4, 8)
    np.testing.assert_array_equal(y[..., :3], x)
    assert np.std(y[..., 3:]) > 0.1


def test_a_transition_takes_means_of_two_by_two():
    """With equal weights it computes the mean of activated channels over each window."""
    x = jnp.abs(images(5))
    module = densenet.Transition(DenseDesign(3, True, 0.4))
    state = module.init(KEY, x, train=False)
    params = {**state["params"], "conv": {"kernel": jnp.full((1, 1, 3, 1), 1.0)}}
    found = module.apply({**state, "params": params}, x, train=False)
    summed = np.sum(x, axis=-1, keepdims=True)[:, :4, :4] / math.sqrt(1 + 1e-5)
    expected = summed.reshape(4, 2, 2, 2, 2, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_every_parameter_gets_a_gradient(bottleneck):
    x, model = images(), tiny(bottleneck=bottleneck)

    @jit
    def gradients(key):
        variables = model.init(key, x, train=False)

        def loss(params):
            logits, _ = model.apply(
                {**variables, "params": params}, x, train=True, mutable="batch_stats"
            )
            return jnp.sum(logits * jnp.arange(3.0)) + jnp.sum(logits**2)

        return jax.grad(loss)(variables["params"])

    flat = traverse_util.flatten_dict(gradients(KEY), sep="/")
    assert [name for name, g in flat.items() if not np.linalg.norm(g) > 1e-5] == []


def test_dropout_zeroes_new_channels_in_training_only():
    layer = DenseLayer(DenseDesign(50, False, 0.5, dropout=0.5))
    x = images(8, 2)
    y, state = layer.init_with_output(KEY, x, train=False)
    assert np.mean(np.asarray(y[..., 3:]) == 0) < 0.01
    y, _ = layer.apply(state, x, train=True, mutable="batch_stats", rngs={"dropout": KEY})
    np.testing.assert_array_equal(y[..., :3], x)
    assert abs(np.mean(np.asarray(y[..., 3:]) == 0) - 0.5) < 0.05


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("stem", "bottleneck"), [("cifar", False), ("imagenet", True)])
def test_logits_are_float32_one_row_an_image_one_column_a_class(stem, bottleneck, train):
    model = tiny((1, 1), stem, bottleneck, dtype="bfloat16", dropout=0.2)
    x = jax.ShapeDtypeStruct((5, 33, 33, 1), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(KEY, x, train=False), x)
    apply = functools.partial(model.apply, train=train, mutable="batch_stats")
    logits, _ = jax.eval_shape(apply, variables, x, rngs={"dropout": KEY})
    assert (logits.shape, logits.dtype) == ((5, 3), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("densenet_cifar41_12", {}, ["3n+4", "40 and 43"]),
        ("densenet_bc101_12", {}, ["6n+4", "100 and 106"]),
        ("densenet_bc4_12", {}, ["6n+4", "10 and 16"]),
        ("densenet_bc100_0", {}, ["growth=0", "at least 1"]),
        ("densenet121", {"compression": 0.0}, ["compression=0.0", "(0, 1]"]),
        ("densenet121", {"dropout": 1.0}, ["dropout=1.0", "[0, 1)"]),
        ("densenet121", {"bn_momentum": math.nan}, ["bn_momentum=nan", "[0, 1)"]),
        ("densenet121", {"dtype": "float16"}, ["dtype='float16'", "'float32', 'bfloat16'"]),
        ("densenet121", {"initializer": "he"}, ["initializer='he'", "'he_normal_fan_out'"]),
        ("densenet121", {"drop_out": 0.2}, ["'drop_out'", "did you mean 'dropout'?"]),
    ],
)
def test_mistakes_name_the_field_and_the_valid_values_in_one_line(name, options, parts):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        models.create(name, **options)
    assert [part for part in parts if part not in str(caught.value)] == []
