"""A step as Flax's own examples are written: a host loop, unrolled blocks, derived gradients.

XLA has its own defaults, under which CPUs run convolutions on one thread, or with `--our_flags` the
settings that `launch.sh` makes.
"""

from functools import partial
from typing import Any

from benchmarks.steps import serving

asked = serving.options()
if asked.our_flags:
    from resnets.cli import backend

    backend.configure()

import flax.linen as nn  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from flax.training.train_state import TrainState  # noqa: E402


class Block(nn.Module):
    """A basic block with a zero-padded shortcut."""

    features: int
    strides: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[batch, height, width, channels]` to the same with `features` channels."""
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype)
        norm = partial(nn.BatchNorm, use_running_average=False, momentum=0.9, dtype=self.dtype)
        y = conv(self.features, (3, 3), (self.strides, self.strides))(x)
        y = norm()(conv(self.features, (3, 3))(nn.relu(norm()(y))))
        if y.shape != x.shape:
            x = x[:, :: self.strides, :: self.strides]
            x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.features - x.shape[-1])))
        return nn.relu(x + y)


class ResNet(nn.Module):
    """He et al.'s network for CIFAR."""

    depth: int
    classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits."""
        x = nn.Conv(16, (3, 3), use_bias=False, dtype=self.dtype)(x)
        x = nn.BatchNorm(use_running_average=False, momentum=0.9, dtype=self.dtype)(x)
        x = nn.relu(x)
        for stage in range(3):
            for place in range((self.depth - 2) // 6):
                x = Block(16 * 2**stage, 2 if stage and not place else 1, self.dtype)(x)
        return nn.Dense(self.classes, dtype=self.dtype)(jnp.mean(x, axis=(1, 2)))


class State(TrainState):
    """With the running statistics."""

    batch_stats: Any


@jax.jit
def train_step(state: State, images: jax.Array, labels: jax.Array) -> tuple[State, jax.Array]:
    """One step of SGD."""

    def loss_of(params: Any) -> tuple[jax.Array, Any]:
        given = {"params": params, "batch_stats": state.batch_stats}
        logits, updated = state.apply_fn(given, images, mutable=["batch_stats"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        penalty = sum(jnp.sum(jnp.square(x)) for x in jax.tree.leaves(params) if x.ndim > 1)
        return losses.mean() + 0.5e-4 * penalty, updated["batch_stats"]

    (loss, batch_stats), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return state.apply_gradients(grads=gradients, batch_stats=batch_stats), loss


def main() -> None:
    """Serve."""
    model = ResNet(int(asked.network.removeprefix("cifar_resnet")), asked.classes, asked.dtype)
    random = np.random.default_rng(0)
    shape = (asked.batch, asked.size, asked.size, asked.channels)
    images = jnp.asarray(random.standard_normal(shape), asked.dtype)
    labels = jnp.asarray(random.integers(0, asked.classes, asked.batch))
    variables = jax.jit(model.init)(jax.random.key(0), images)
    optimizer = optax.sgd(0.01, 0.9)
    state = State.create(apply_fn=model.apply, tx=optimizer, **variables)

    def steps(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, loss = train_step(state, images, labels)
        jax.block_until_ready(loss)

    serving.serve(steps, {"jax": jax.__version__, "device": str(jax.devices()[0].device_kind)})


if __name__ == "__main__":
    main()
