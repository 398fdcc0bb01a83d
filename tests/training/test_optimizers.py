"""Directions of descent against hand-written recurrences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.errors import UserError
from resnets.training.optimizers import direction


def directions(text, gradients, params, weight_decay=0.0, clip_norm=0.0):
    transform = direction(text, weight_decay, clip_norm)
    state = transform.init(params)
    taken = []
    for gradient in gradients:
        update, state = transform.update(gradient, state, params)
        taken.append(np.asarray(update))
    return taken


GRADIENTS = [jnp.array([1.0, -2.0]), jnp.array([0.5, 0.5]), jnp.array([-1.0, 3.0])]
PARAMS = jnp.array([10.0, -20.0])


def test_momentum_accumulates_past_gradients():
    first, second, third = directions("sgd:momentum=0.9", GRADIENTS, PARAMS)
    velocity = np.zeros(2)
    for got, gradient in zip((first, second, third), GRADIENTS, strict=True):
        velocity = 0.9 * velocity + np.asarray(gradient)
        np.testing.assert_allclose(got, velocity, rtol=1e-6)


def test_nesterov_looks_one_step_ahead():
    first = directions("sgd:momentum=0.9,nesterov=true", GRADIENTS[:1], PARAMS)[0]
    np.testing.assert_allclose(first, 1.9 * np.asarray(GRADIENTS[0]), rtol=1e-6)


def test_without_momentum_the_direction_is_the_gradient():
    np.testing.assert_array_equal(
        directions("sgd:momentum=0", GRADIENTS[:1], PARAMS)[0], GRADIENTS[0]
    )


def test_weight_decay_is_coupled():
    got = directions("sgd:momentum=0.9", GRADIENTS[:2], PARAMS, weight_decay=0.1)
    decayed = [np.asarray(g) + 0.1 * np.asarray(PARAMS) for g in GRADIENTS[:2]]
    np.testing.assert_allclose(got[1], 0.9 * decayed[0] + decayed[1], rtol=1e-6)


def test_adam_first_step_is_the_sign_of_the_gradient():
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to an integer power
        got = directions("adam", GRADIENTS[:1], PARAMS)[0]
    np.testing.assert_allclose(got, np.sign(GRADIENTS[0]), rtol=1e-4)


def test_clipping_bounds_the_global_norm_before_weight_decay():
    got = directions("sgd:momentum=0", GRADIENTS[:1], PARAMS, weight_decay=0.1, clip_norm=1.0)[0]
    unit = np.asarray(GRADIENTS[0]) / np.sqrt(5)
    np.testing.assert_allclose(got, unit + 0.1 * np.asarray(PARAMS), rtol=1e-6)


def test_an_unknown_optimizer_names_the_nearest():
    with pytest.raises(UserError, match=r"config.optimizer.*did you mean 'sgd'"):
        direction("sdg", 0.0, 0.0)
