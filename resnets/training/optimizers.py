"""Optimisers by name, as directions: the step multiplies them by the learning rate.

The learning rate is an argument of the compiled step, not a constant in it, so runs that differ in
it share one program.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from optax import contrib

from resnets.arguments import call


def sgd(momentum: float = 0.9, nesterov: bool = False) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum (He et al. 2015: 0.9)."""
    if momentum == 0.0:
        return optax.identity()
    return optax.trace(decay=momentum, nesterov=nesterov)


def adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2014)."""
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)


def adamw(
    weight_decay: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv 1711.05101)."""
    return optax.chain(adam(b1, b2, eps), optax.add_decayed_weights(weight_decay))


def _matrices(params: Any) -> Any:
    """Which axes of a kernel are the inputs and which the outputs; None for all else.

    The leading axis of a loop's stacked kernels is in neither: each block's is a matrix of its own.
    """

    def axes(path: Any, leaf: Any) -> contrib.MuonDimensionNumbers | None:
        *above, name = (str(part.key) for part in path)
        if name != "kernel" or "classifier" in above:
            return None
        inputs = (-2,) if leaf.ndim == 2 else (-4, -3, -2)
        return contrib.MuonDimensionNumbers(inputs, (-1,))

    return jax.tree_util.tree_map_with_path(axes, params)


def muon(
    weight_decay: float, momentum: float = 0.95, adam_share: float = 0.1
) -> optax.GradientTransformation:
    """Momentum of each kernel, made orthogonal (Jordan et al. 2024).

    Source: kellerjordan.github.io/posts/muon. A kernel is a matrix from all its inputs to its
    output channels. The classifier, biases and scales follow AdamW with `adam_share` of the
    learning rate. Weight decay is decoupled.
    """
    descent = contrib.muon(
        learning_rate=1.0,
        beta=momentum,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
        adam_learning_rate=adam_share,
        muon_weight_dimension_numbers=_matrices,
    )
    return optax.chain(descent, optax.scale(-1.0))


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "muon": muon,
}
"""Optimisers by name."""

DECOUPLED = ("adamw", "muon")
"""Those that take the weight decay themselves, beside the gradients."""


def direction(
    optimizer: str, weight_decay: float, clip_norm: float
) -> optax.GradientTransformation:
    """Build the map from gradients to the direction that the step descends.

    Args:
      optimizer: a call such as `sgd:momentum=0.9`.
      weight_decay: coupled L2 penalty: `weight_decay * parameter` is added to each gradient, of
        every parameter, before the optimiser (as He et al. and Caffe do); with `adamw` and `muon`
        to each direction, after it.
      clip_norm: largest global norm of the gradients, before weight decay; 0 switches it off.

    Raises:
      UserError: unknown optimiser or argument.
    """
    parts = []
    if clip_norm:
        parts.append(optax.clip_by_global_norm(clip_norm))
    name = optimizer.partition(":")[0].strip()
    if weight_decay and name not in DECOUPLED:
        parts.append(optax.add_decayed_weights(weight_decay))
    found = call(optimizer, OPTIMIZERS, "config.optimizer", weight_decay=weight_decay)
    return optax.chain(*parts, found)
