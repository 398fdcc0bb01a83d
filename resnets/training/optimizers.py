"""Optimisers by name, as directions: the step multiplies them by the learning rate.

The learning rate is an argument of the compiled step, not a constant in it, so runs that differ in
it share one program.
"""

from collections.abc import Callable

import optax

from resnets.arguments import call


def sgd(momentum: float = 0.9, nesterov: bool = False) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum (He et al. 2015: 0.9)."""
    if momentum == 0.0:
        return optax.identity()
    return optax.trace(decay=momentum, nesterov=nesterov)


def adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2014)."""
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {"sgd": sgd, "adam": adam}
"""Optimisers by name."""


def direction(
    optimizer: str, weight_decay: float, clip_norm: float
) -> optax.GradientTransformation:
    """Build the map from gradients to the direction that the step descends.

    Args:
      optimizer: a call such as `sgd:momentum=0.9`.
      weight_decay: coupled L2 penalty: `weight_decay * parameter` is added to each gradient, of
        every parameter, before the optimiser (as He et al. and Caffe do).
      clip_norm: largest global norm of the gradients, before weight decay; 0 switches it off.

    Raises:
      UserError: unknown optimiser or argument.
    """
    parts = []
    if clip_norm:
        parts.append(optax.clip_by_global_norm(clip_norm))
    if weight_decay:
        parts.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*parts, call(optimizer, OPTIMIZERS, "config.optimizer"))
