"""Inception v4: sizes, its auxiliary head, and the image sizes that it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.models.inception import Mixed

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
    ("overrides", "expected"),
    [
        ({"auxiliary": False}, 42_648_232),
        pytest.param(
            {"auxiliary": False, "bn_scale": True},
            42_679_816,  # timm's
            marks=pytest.mark.slow,
        ),
    ],
)
def test_parameters(overrides, expected):
    """Those of the default form are in test_pinned_parameters.py."""
    assert entries(shapes("inception_v4", 299, **overrides)["params"]) == expected


def test_wrong_fields_are_refused():
    with pytest.raises(ValueError, match="did you mean 'auxiliary'"):
        models.create("inception_v4", auxilary=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v4"])
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
        model = models.create("inception_v4", 10, auxiliary=False, dtype=dtype)
        image = jax.ShapeDtypeStruct((1, 75, 75, 3), jnp.float32)
        init = functools.partial(model.init_with_output, train=False)
        logits, _ = jax.eval_shape(init, KEY, image)
        assert (logits.shape, logits.dtype) == ((1, 10), jnp.float32)
        options = model.layer_options()
        block = Mixed({"3x3": "8:1x1 8:1x3+8:3x1", "pool": "8:1x1"}, options)
        y, _ = jit(functools.partial(block.init_with_output, train=False))(KEY, x.astype(dtype))
        assert y.dtype == dtype
        results.append(y.astype(jnp.float32))
    exact, rough = results
    assert jnp.linalg.norm(rough - exact) < 3e-2 * jnp.linalg.norm(exact)
