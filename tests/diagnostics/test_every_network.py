"""Every registered network can be diagnosed; traced only, so a network of 1001 layers is cheap."""

import jax
import jax.numpy as jnp
import pytest

from resnets import models
from resnets.diagnostics import activations, parameters
from resnets.models.observation import COLLECTION

FIRST = {models.family(name).regex.pattern: name for name in reversed(models.names())}
NAMES = sorted({*FIRST.values(), "cifar_resnet20", "resnet18"})
QUICK = {"cifar_resnet20", "nin_cifar"}
CASES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
WITH_ADDITIONS = ("resne", "inception_resnet")


@pytest.mark.parametrize("name", CASES)
def test_quantities_of_a_network(name):
    """One of each family."""
    model = models.create(name)
    shape = (2, *models.family(name).image_shape)
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    listener = activations.Listener()

    def run(key, images):
        variables = model.init({"params": key, "dropout": key}, images, train=False)
        rngs = {"dropout": key}
        with listener.listening():
            _, kept = model.apply(
                variables,
                images,
                train=True,
                mutable=["batch_stats", "auxiliary", COLLECTION],
                rngs=rngs,
            )
        return variables, kept

    variables, kept = jax.eval_shape(run, jax.random.key(0), images)
    quantities, samples, maps = activations.sort_out(kept.get(COLLECTION, {}))
    expected = set()
    if "batch_stats" in variables:
        expected.add("response_std")
        assert samples.keys() == quantities["response_std"].keys()
    if any(word in name for word in WITH_ADDITIONS):
        expected.add("branch_to_shortcut")
    assert expected <= set(quantities)
    assert set(quantities) <= expected | {"dead_relu_share"}
    assert all(layer in listener.order for found in quantities.values() for layer in found)
    assert all(name in listener.order for name, _ in parameters.weight_layers(variables["params"]))
    assert maps
