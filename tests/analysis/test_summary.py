"""A network at a glance: depth by its name, and small networks by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from resnets import models
from resnets.analysis.summary import summarise
from resnets.models import layers


@pytest.mark.parametrize("depth", [8, 20, 56, 110])
@pytest.mark.parametrize("arm", ["plain", "resnet"])
def test_the_depth_of_a_cifar_network_is_in_its_name(arm, depth):
    model = models.create(f"cifar_{arm}{depth}", scan_blocks=True)
    assert summarise(model, (32, 32, 3)).depth == depth


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_the_depth_of_an_imagenet_network_is_in_its_name(depth):
    model = models.create(f"resnet{depth}", scan_blocks=True)
    assert summarise(model, (224, 224, 3)).depth == depth


def test_identity_shortcuts_cost_no_multiply_adds():
    plain, residual = (
        summarise(models.create(f"cifar_{arm}32"), (32, 32, 3)) for arm in ("plain", "resnet")
    )
    assert plain == residual


class Branches(nn.Module):
    """Two parallel paths of one and two layers, in groups, then a dense layer."""

    @nn.compact
    def __call__(self, x, train):
        one = layers.Conv(6, (1, 1), name="short")(x)
        two = layers.Conv(4, (3, 3), groups=2, name="first")(x)
        two = layers.Conv(6, (3, 3), strides=2, name="second")(two)
        pooled = layers.global_average_pool(one) + layers.global_average_pool(two)
        return layers.classifier(pooled, 10, "float32")


def test_multiply_adds_and_the_longest_path_by_hand():
    summary = summarise(Branches(), (8, 8, 4))
    short = 64 * 4 * 6
    first = 64 * 9 * (4 // 2) * 4
    second = 16 * 9 * 4 * 6
    assert summary.macs == short + first + second + 6 * 10
    assert summary.depth == 3
    assert (summary.heaviest_layer, summary.heaviest_parameters) == ("second", 9 * 4 * 6)


@pytest.mark.parametrize("name", ["cifar_resnet26", "preact_resnet50"])
def test_a_scanned_network_has_the_summary_of_the_unrolled_one(name):
    shape = models.family(name).image_shape
    unrolled, scanned = (models.create(name, scan_blocks=scan) for scan in (False, True))
    assert summarise(scanned, shape) == summarise(unrolled, shape)


class Loop(nn.Module):
    """A layer that runs while its output is small, nobody knows how often."""

    @nn.compact
    def __call__(self, x, train):
        y = layers.Conv(3, (1, 1), name="conv")(x)
        return jax.lax.while_loop(lambda y: jnp.all(y < 9), lambda y: y + 1, y)


def test_a_loop_of_unknown_length_is_refused():
    with pytest.raises(ValueError, match="number of rounds depends on data"):
        summarise(Loop(), (4, 4, 3))
