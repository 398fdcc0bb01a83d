"""Inception-ResNets: sizes, their auxiliary head, and what a residual block computes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.models.inception_resnet import Residual

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once


@functools.cache
def shapes(name, size, **overrides):
    model = models.create(name, **overrides)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def entries(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("version", "overrides", "expected"),
    [
        (1, {"auxiliary": False}, 22_742_808),
        (2, {"auxiliary": False}, 55_813_192),
        pytest.param(
            *(2, {"auxiliary": False, "bn_scale": True}, 55_843_464),  # timm's
            marks=pytest.mark.slow,
        ),
    ],
)
def test_parameters(version, overrides, expected):
    """Those of the default form are in test_pinned_parameters.py."""
    assert entries(shapes(f"inception_resnet_v{version}", 299, **overrides)["params"]) == expected


@pytest.mark.slow
def test_variables_of_v2_are_as_many_as_keras_counts():
    assert entries(shapes("inception_resnet_v2", 75, auxiliary=False)) == 55_873_736


@pytest.mark.parametrize("last", [False, True])
def test_residual_is_scaled_and_added(last):
    options = {"bn_scale": False, "bn_momentum": 0.9, "count_padding": False}
    options |= {"initializer": "he_normal_fan_out", "dtype": "float32"}
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 3, 3, 4)), jnp.float32)
    block = Residual({"1x1": "2:1x1"}, options, 0.5, last)
    variables = block.init(KEY, x, train=False)
    params = variables["params"]
    inner = x @ params["mixed"]["branch_1x1"]["conv1"]["conv"]["kernel"][0, 0]
    inner = jnp.maximum(inner / math.sqrt(1 + 1e-3), 0)
    branch = inner @ params["projection"]["kernel"][0, 0] + params["projection"]["bias"]
    expected = x + branch if last else jnp.maximum(x + 0.5 * branch, 0)
    np.testing.assert_allclose(block.apply(variables, x, train=False), expected, atol=1e-5)


def test_version_is_no_field():
    with pytest.raises(ValueError, match="no field 'version'"):
        models.create("inception_resnet_v1", version=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_resnet_v1", "inception_resnet_v2"])
def test_head_speaks_in_training_only(name):
    model = models.create(name, 7)
    x = jax.ShapeDtypeStruct((2, 299, 299, 3), jnp.float32)

    def run(x):
        variables = model.init(KEY, x, train=False)
        assert "auxiliary" not in variables
        results = []
        for train in (False, True):
            mutable = ["batch_stats", "auxiliary"]
            rngs = {"dropout": KEY}
            results.append(model.apply(variables, x, train=train, mutable=mutable, rngs=rngs))
        return results

    evaluation, training = jax.eval_shape(run, x)
    assert evaluation[0].shape == training[0].shape == (2, 7)
    assert not evaluation[1].get("auxiliary")
    (head,) = training[1]["auxiliary"].pop("head1")
    assert (head.shape, head.dtype) == ((2, 7), jnp.float32)
    assert not training[1]["auxiliary"]


@pytest.mark.slow
def test_bfloat16_is_close_and_logits_are_float32():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 5, 4)), jnp.float32)
    results = []
    for dtype in ("float32", "bfloat16"):
        model = models.create("inception_resnet_v2", 10, auxiliary=False, dtype=dtype)
        image = jax.ShapeDtypeStruct((1, 75, 75, 3), jnp.float32)
        init = functools.partial(model.init_with_output, train=False)
        logits, _ = jax.eval_shape(init, KEY, image)
        assert (logits.shape, logits.dtype) == ((1, 10), jnp.float32)
        options = model.layer_options()
        block = Residual({"1x1": "4:1x1", "3x3": "4:1x1 8:1x7 4:7x1"}, options, 0.5)
        y, _ = jit(functools.partial(block.init_with_output, train=False))(KEY, x.astype(dtype))
        assert y.dtype == dtype
        results.append(y.astype(jnp.float32))
    exact, rough = results
    assert jnp.linalg.norm(rough - exact) < 3e-2 * jnp.linalg.norm(exact)
