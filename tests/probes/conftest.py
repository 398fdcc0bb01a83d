"""Small networks and images that the probes' tests share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.models.residual_block import BlockDesign
from resnets.models.resnet import ResNet


@pytest.fixture(scope="session")
def images():
    """Six images of 8x8, normalised."""
    return jnp.asarray(np.random.default_rng(0).normal(size=(6, 8, 8, 1)), jnp.float32)


@pytest.fixture(scope="session")
def labels():
    return jnp.asarray([0, 1, 2, 3, 0, 1])


@pytest.fixture(scope="session")
def make_network():
    """Two stages of blocks with 4 and 8 channels, and variables of which none is zero or one."""

    def make(blocks=3, scan_blocks=False, **design):
        model = ResNet(
            num_classes=4,
            stage_sizes=(blocks, blocks),
            stem="cifar",
            width=4,
            design=BlockDesign(**{"shortcut": "A"} | design),
            scan_blocks=scan_blocks,
        )
        variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)
        random = np.random.default_rng(1)

        def disturbed(path, leaf):
            noise = random.uniform(0.2, 0.4, leaf.shape).astype(np.float32)
            return leaf if "kernel" in str(path[-1]) else leaf + noise

        return model, jax.tree_util.tree_map_with_path(disturbed, variables)

    return make


@pytest.fixture(scope="session")
def lenet():
    """A network without blocks and without normalisation, on images of 32x32."""
    model = models.create("lenet5", 4)
    return model, model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
