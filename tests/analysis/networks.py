"""Small networks of a user's own, and recipes to train them, for the tests of the analysis."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from resnets.data.augmentation import Preprocessing
from resnets.training.setup import device_mesh
from resnets.training.step import Recipe


def recipe(model, batch_size=4, channels=3, **fields):
    """The trainer's recipe on one device."""
    mesh = device_mesh(jax.devices()[:1])
    preprocessing = Preprocessing((0.5,) * channels, (0.5,) * channels)
    return Recipe(model, preprocessing, mesh, batch_size, weight_decay=1e-4, **fields)


class TwoLayers(nn.Module):
    """A convolution, a rectifier, a mean over positions and a dense layer; it knows no `train`."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(8, (3, 3), use_bias=False, name="conv")(x))
        return nn.Dense(5, name="head")(jnp.mean(x, (1, 2)))


class Block(nn.Module):
    """A dense layer between tanhs."""

    @nn.compact
    def __call__(self, x, train):
        return jnp.tanh(nn.Dense(x.shape[-1], name="dense")(x))


class Tower(nn.Module):
    """Blocks in a row on flattened pixels, as they are, rematerialised, or as one loop."""

    blocks: int = 3
    form: str = "row"

    @nn.compact
    def __call__(self, images, train):
        x = images.reshape(images.shape[0], -1)
        if self.form == "loop":
            scanned = nn.scan(
                lambda block, x, _: (block(x, train), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=self.blocks,
            )
            x, _ = scanned(Block(name="layers"), x, None)
        else:
            kind = nn.remat(Block, static_argnums=(2,)) if self.form == "remat" else Block
            for index in range(self.blocks):
                x = kind(name=f"layer{index}")(x, train)
        return nn.Dense(3, name="head")(x)
