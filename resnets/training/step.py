"""One training step as a pure function, and the recipe that it depends on."""

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from resnets.data.augmentation import Preprocessing, augment
from resnets.training import optimizers
from resnets.training.state import TrainState, Variables, moving_average, zero_step


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What the compiled program depends on; runs with equal recipes share one compilation.

    The seed and the learning rates are not here: they are arguments of the program.

    Attributes:
      model: the network.
      preprocessing: how bytes become its input.
      mesh: the devices, one axis named `data`; the batch is split over it.
      batch_size: images a step, over all devices.
      optimizer: a call such as `sgd:momentum=0.9`.
      weight_decay: coupled L2 penalty.
      clip_norm: largest global norm of the gradients; 0 switches clipping off.
      label_smoothing: share of the target probability spread over all classes.
      average_decay: of the moving average of the variables; 0 switches it off.
      accumulation: the batch is worked off in this many equal parts, one after another.
      guarded: a step that makes anything non-finite is taken back.
    """

    model: nn.Module
    preprocessing: Preprocessing
    mesh: Mesh
    batch_size: int
    optimizer: str = "sgd:momentum=0.9"
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    average_decay: float = 0.0
    accumulation: int = 1
    guarded: bool = False

    @property
    def part_size(self) -> int:
        """Images that are worked off at once, over all devices."""
        return self.batch_size // self.accumulation

    @property
    def platform(self) -> str:
        """Of the devices: `cpu`, `gpu`, `tpu`."""
        return str(self.mesh.devices.flat[0].platform)

    def direction(self) -> optax.GradientTransformation:
        """The optimiser, from gradients to the direction of descent."""
        return optimizers.direction(self.optimizer, self.weight_decay, self.clip_norm)

    def split_batch(self, x: Array) -> Array:
        """Split the leading axis over the devices."""
        sharding = NamedSharding(self.mesh, PartitionSpec("data"))
        return jax.lax.with_sharding_constraint(x, sharding)

    def replicate(self, tree: Any) -> Any:
        """Keep a copy on every device."""
        return jax.lax.with_sharding_constraint(tree, NamedSharding(self.mesh, PartitionSpec()))


@partial(jax.jit, static_argnums=(0, 2))
def initialise(recipe: Recipe, key: PRNGKeyArray, image_shape: tuple[int, int, int]) -> TrainState:
    """Make the state before the first step.

    Args:
      recipe: the run's recipe.
      key: random key of the initial values.
      image_shape: `(height, width, channels)`.
    """
    images = jnp.zeros((1, *image_shape), jnp.float32)
    variables = recipe.model.init(key, images, train=False)
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    state = TrainState(
        step=zero_step(),
        params=params,
        batch_stats=batch_stats,
        opt_state=recipe.direction().init(params),
        average=None,
    )
    if recipe.average_decay:
        state = dataclasses.replace(state, average=jax.tree.map(jnp.copy, state.variables()))
    return recipe.replicate(state)


def cross_entropy(
    logits: Float[Array, "batch classes"], labels: Int[Array, " batch"], smoothing: float
) -> Float[Array, " batch"]:
    """Cross-entropy in nats against labels smoothed as in Szegedy et al. 2015."""
    targets = jax.nn.one_hot(labels, logits.shape[-1])
    return optax.softmax_cross_entropy(logits, optax.smooth_labels(targets, smoothing))


def wrong(
    logits: Float[Array, "batch classes"], labels: Int[Array, " batch"]
) -> Bool[Array, " batch"]:
    """Where the largest logit is not the label's."""
    return jnp.argmax(logits, -1).astype(labels.dtype) != labels


def train_step(
    recipe: Recipe,
    state: TrainState,
    images: UInt8[Array, "batch height width channels"],
    labels: Int[Array, " batch"],
    learning_rate: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """Take one step of training.

    Named scopes say in the lowered program which operations belong to no layer.

    Args:
      recipe: the run's recipe.
      state: the state before.
      images: bytes.
      labels: class indices.
      learning_rate: of this step.
      key: random key of this step.

    Returns:
      The state after, and the batch's mean `loss` (without weight decay) and `error` share.
    """
    gradients, batch_stats, metrics = _gradients(recipe, state, images, labels, key)
    with jax.named_scope("optimizer"):
        updates, opt_state = recipe.direction().update(gradients, state.opt_state, state.params)
        step_size = -learning_rate
        descent = jax.tree.map(lambda update: step_size * update, updates)
        after = dataclasses.replace(
            state,
            step=state.step + 1,
            params=optax.apply_updates(state.params, descent),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        if state.average is not None:
            average = moving_average(state.average, after.variables(), recipe.average_decay)
            after = dataclasses.replace(after, average=average)
    return after, metrics


def _gradients(
    recipe: Recipe, state: TrainState, images: Array, labels: Array, key: PRNGKeyArray
) -> tuple[Any, Any, dict[str, Array]]:
    """Gradients of the mean loss, running statistics and metrics, part by part if so asked."""
    parts = recipe.accumulation
    if parts == 1:
        gradients, updated, metrics = part_gradients(
            recipe, state.params, state.batch_stats, images, labels, key
        )
        return gradients, updated.get("batch_stats", {}), metrics

    def split(x: Array) -> Array:
        return x.reshape(parts, -1, *x.shape[1:])

    def one(batch_stats: Any, part: tuple[Array, Array, Array]) -> tuple[Any, Any]:
        images, labels, index = part
        part_key = jax.random.fold_in(key, index)
        gradients, updated, metrics = part_gradients(
            recipe, state.params, batch_stats, images, labels, part_key
        )
        return updated.get("batch_stats", {}), (gradients, metrics)

    batch_stats, stacked = jax.lax.scan(
        one, state.batch_stats, (split(images), split(labels), jnp.arange(parts))
    )
    gradients, metrics = jax.tree.map(lambda x: jnp.mean(x, axis=0), stacked)
    return gradients, batch_stats, metrics


def part_gradients(
    recipe: Recipe,
    params: Any,
    batch_stats: Any,
    images: Array,
    labels: Array,
    key: PRNGKeyArray,
    collections: tuple[str, ...] = (),
) -> tuple[Any, dict[str, Any], dict[str, Array]]:
    """Gradients of the mean loss over images that are worked off at once.

    Args:
      recipe: the run's recipe.
      params: parameters.
      batch_stats: running statistics.
      images: bytes, `[batch, height, width, channels]`.
      labels: class indices, `[batch]`.
      key: random key of augmentation and dropout.
      collections: of the network's variables to return, beside the running statistics.

    Returns:
      The gradients, the collections after, and the mean `loss` and `error` share.
    """
    augment_key, dropout_key = jax.random.split(key)
    with jax.named_scope("augment"):
        x = augment(recipe.split_batch(images), recipe.preprocessing, augment_key)

    def loss_of(params: Any) -> tuple[Array, tuple[dict[str, Any], Array]]:
        logits, updated = recipe.model.apply(
            {"params": params, "batch_stats": batch_stats},
            x,
            train=True,
            mutable=["batch_stats", "auxiliary", *collections],
            rngs={"dropout": dropout_key},
        )
        with jax.named_scope("loss"):
            loss = jnp.mean(cross_entropy(logits, labels, recipe.label_smoothing))
            for head in jax.tree.leaves(updated.get("auxiliary", {})):
                extra = jnp.mean(cross_entropy(head, labels, recipe.label_smoothing))
                loss += recipe.model.auxiliary_weight * extra
            error = jnp.mean(wrong(logits, labels).astype(jnp.float32))
        updated = {name: updated[name] for name in ("batch_stats", *collections) if name in updated}
        return loss, (updated, error)

    (loss, (updated, error)), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    return gradients, updated, {"loss": loss, "error": error}


def apply(
    recipe: Recipe, variables: Variables, images: Float[Array, "batch height width channels"]
) -> Float[Array, "batch classes"]:
    """Evaluation-mode logits."""
    logits: Array = recipe.model.apply(variables, images, train=False)  # type: ignore[assignment]
    return logits
