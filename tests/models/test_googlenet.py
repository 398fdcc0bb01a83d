"""GoogLeNet: sizes, what its options change, its auxiliary heads, and what bottlenecks save."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

import resnets.models.googlenet
from resnets import models

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
TORCHVISION = {"bn": True, "five_by_five": False}


@functools.cache
def shapes(name, size, **overrides):
    model = models.create(name, **overrides)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def parameters(name, size, **overrides):
    return sum(
        math.prod(p.shape) for p in jax.tree.leaves(shapes(name, size, **overrides)["params"])
    )


def images(size, batch=2):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((batch, size, size, 3)), jnp.float32)


def outputs(model, size):
    """Shapes of the logits and of what is sown, in evaluation and in training."""
    x = images(size)

    def run(train):
        variables = model.init(KEY, x, train=False)
        mutable = ["batch_stats", "auxiliary"]
        rngs = {"dropout": KEY}
        return model.apply(variables, x, train=train, mutable=mutable, rngs=rngs)

    return [jax.eval_shape(functools.partial(run, train)) for train in (False, True)]


@pytest.mark.parametrize(
    ("overrides", "expected", "size"),
    [
        ({}, 13_378_280, 64),  # at 224 in test_pinned_parameters.py
        ({"auxiliary": False}, 6_998_552, 64),
        (TORCHVISION, 13_004_888, 224),
        (TORCHVISION | {"auxiliary": False}, 6_624_904, 64),
    ],
)
def test_parameters_are_the_published_ones_at_any_size(overrides, expected, size):
    assert parameters("googlenet", size, **overrides) == expected


@pytest.mark.parametrize("size", [32, 224])
def test_heads_speak_in_training_only(size):
    evaluation, training = outputs(models.create("googlenet", 7), size)
    assert evaluation[0].shape == training[0].shape == (2, 7)
    assert not evaluation[1].get("auxiliary")
    heads = training[1]["auxiliary"]
    assert {k: [(x.shape, x.dtype) for x in v] for k, v in heads.items()} == {
        "head1": [((2, 7), jnp.float32)],
        "head2": [((2, 7), jnp.float32)],
    }


@pytest.mark.slow
def test_without_heads_there_is_no_trace_of_them():
    model = models.create("googlenet", auxiliary=False)
    assert not [k for k in shapes("googlenet", 32, auxiliary=False)["params"] if "aux" in k]
    assert not outputs(model, 32)[1][1].get("auxiliary")
    assert "auxiliary" not in shapes("googlenet", 32)


def test_heads_weigh_as_in_the_paper():
    assert models.create("googlenet").auxiliary_weight == 0.3


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [{}, TORCHVISION])
def test_bfloat16_is_close_and_logits_are_float32(overrides):
    model = models.create("googlenet", 10, **overrides)
    x = images(32)
    variables = jit(functools.partial(model.init, train=False))(KEY, x)
    exact = jit(functools.partial(model.apply, train=False))(variables, x)
    half = models.create("googlenet", 10, dtype="bfloat16", **overrides)
    rough = jit(functools.partial(half.apply, train=False))(variables, x)
    assert exact.shape == (2, 10)
    assert exact.dtype == rough.dtype == jnp.float32
    assert jnp.linalg.norm(rough - exact) < 3e-2 * jnp.linalg.norm(exact)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("googlenet", {"auxilary": True}, "did you mean 'auxiliary'"),
        ("googlenet", {"dtype": "float16"}, "dtype='float16'"),
        ("googlenet", {"initializer": "zeros"}, "initializer='zeros'"),
        ("googlenet", {"dropout_rate": 1.0}, "dropout_rate=1.0"),
        ("inception_naive", {"auxiliary": True}, "no field 'auxiliary'"),
    ],
)
def test_wrong_fields_are_refused(name, overrides, message):
    with pytest.raises(ValueError, match=message):
        models.create(name, **overrides)


@pytest.mark.parametrize(
    ("bottlenecks", "multiply_adds", "channels"),
    [(False, 854_196_224, 672), (True, 271_351_808, 480)],
)
def test_bottlenecks_make_the_textbook_module_cheap(bottlenecks, multiply_adds, channels):
    params = shapes("inception_naive", 28, bottlenecks=bottlenecks)["params"]
    flat = traverse_util.flatten_dict(params["inception"], sep="/")
    kernels = [math.prod(v.shape) for k, v in flat.items() if k.endswith("kernel")]
    assert 28 * 28 * sum(kernels) == multiply_adds
    assert params["classifier"]["kernel"].shape == (channels, 10)


def test_naive_network_runs():
    model = resnets.models.googlenet.InceptionNaive(5)
    x = images(8)
    logits, _ = jit(functools.partial(model.init_with_output, train=False))(KEY, x)
    assert logits.shape == (2, 5)
    assert logits.dtype == jnp.float32
