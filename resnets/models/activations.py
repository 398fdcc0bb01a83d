"""Activation functions by name, and a ReLU with its gradient written out, whole or in halves."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from resnets.models.observation import show


@jax.custom_vjp
def _relu(x: Array) -> Array:
    return jax.nn.relu(x)


def _relu_forward(x: Array) -> tuple[Array, Array]:
    y = jax.nn.relu(x)
    return y, y


def _relu_backward(y: Array, dy: Array) -> tuple[Array]:
    return (jnp.where(y > 0, dy, jnp.zeros_like(dy)),)


_relu.defvjp(_relu_forward, _relu_backward)


def relu(x: Array) -> Array:
    """The larger of x and zero; its gradient is zero at zero.

    The result, which the next layer keeps anyway, says where the gradient passes. JAX's own keeps a
    mask beside it, which costs memory, and on CPU more time to read than the result itself.
    """
    y: Array = _relu(x)
    show("relu", y)
    return y


@jax.custom_vjp
def _open_relu(x: Array) -> Array:
    return jax.nn.relu(x)


_open_relu.defvjp(lambda x: (jax.nn.relu(x), None), lambda _, dy: (dy,))


def open_relu(x: Array) -> Array:
    """ReLU that lets every gradient pass: what reads the result must `gate` it first.

    Both together are `relu`. In a loop over blocks the one ends a block and the other begins the
    next, so that the result is kept once, as the next block's input, and not for its mask, too.
    """
    y: Array = _open_relu(x)
    show("relu", y)
    return y


@jax.custom_vjp
def gate(y: Array) -> Array:
    """The result of an `open_relu` as it is; stops the gradient where it is zero."""
    return y


gate.defvjp(lambda y: (y, y), _relu_backward)

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "leaky_relu": jax.nn.leaky_relu,
    "gelu": jax.nn.gelu,
    "swish": jax.nn.swish,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "identity": lambda x: x,
}
"""Activation functions by name."""
