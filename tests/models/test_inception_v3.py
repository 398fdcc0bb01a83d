"""Inception v3: sizes, its auxiliary head, and the image sizes that it takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.models import inception

KEY = jax.random.key(0)
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
jit = functools.partial(jax.jit, compiler_options=FAST)  # these programs run once
NAME = "inception_v3"


@functools.cache
def shapes(size, **overrides):
    model = models.create(NAME, **overrides)
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(KEY, x, train=False), image)


def entries(tree):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(tree))


def test_parameters_without_the_head_are_torchvisions():
    """Those with it are in test_pinned_parameters.py."""
    assert entries(shapes(299, auxiliary=False)["params"]) == 23_834_568


def test_without_scales_variables_are_as_many_as_keras_counts():
    assert entries(shapes(75, auxiliary=False, bn_scale=False)) == 23_851_784


@pytest.mark.slow
def test_head_speaks_in_training_only():
    model = models.create(NAME, 7)
    x = jax.ShapeDtypeStruct((2, 299, 299, 3), jnp.float32)

    def run(x, train):
        variables = model.init(KEY, x, train=False)
        assert "auxiliary" not in variables
        mutable = ["batch_stats", "auxiliary"]
        return model.apply(variables, x, train=train, mutable=mutable, rngs={"dropout": KEY})

    logits, updated = jax.eval_shape(functools.partial(run, train=False), x)
    assert logits.shape == (2, 7)
    assert not updated.get("auxiliary")
    logits, updated = jax.eval_shape(functools.partial(run, train=True), x)
    assert logits.shape == (2, 7)
    assert list(updated["auxiliary"]) == ["head1"]
    (head,) = updated["auxiliary"]["head1"]
    assert (head.shape, head.dtype) == ((2, 7), jnp.float32)
    assert model.auxiliary_weight == 0.3


@pytest.mark.slow
def test_bfloat16_is_close_and_logits_are_float32():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 5, 4)), jnp.float32)
    results = []
    for dtype in ("float32", "bfloat16"):
        model = models.create("inception_v3", 10, auxiliary=False, dtype=dtype)
        image = jax.ShapeDtypeStruct((1, 75, 75, 3), jnp.float32)
        init = functools.partial(model.init_with_output, train=False)
        logits, _ = jax.eval_shape(init, KEY, image)
        assert (logits.shape, logits.dtype) == ((1, 10), jnp.float32)
        options = model.layer_options()
        block = inception.Mixed({"3x3": "8:1x1 8:1x3+8:3x1", "pool": "8:1x1"}, options)
        y, _ = jit(functools.partial(block.init_with_output, train=False))(KEY, x.astype(dtype))
        assert y.dtype == dtype
        results.append(y.astype(jnp.float32))
    exact, rough = results
    assert jnp.linalg.norm(rough - exact) < 3e-2 * jnp.linalg.norm(exact)


def test_layers_have_readable_names():
    module = shapes(75, auxiliary=False)["params"]["mixed_7b"]
    assert sorted(module["branch_3x3"]) == ["conv1", "conv2a", "conv2b"]
    assert module["branch_3x3"]["conv2a"]["conv"]["kernel"].shape == (1, 3, 384, 384)


def test_wrong_fields_and_layers_are_refused():
    with pytest.raises(ValueError, match="did you mean 'auxiliary'"):
        models.create(NAME, auxilary=False)
    unit = inception.Unit("64:3", {})
    with pytest.raises(ValueError, match="'64:3' is not a layer"):
        unit.init(KEY, jnp.zeros((1, 8, 8, 3)), train=False)
