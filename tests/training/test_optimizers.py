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


def test_adamw_decays_beside_the_gradient_not_through_it():
    """Its direction is Adam's plus the decay times the parameter (Loshchilov and Hutter 2017)."""
    with jax.numpy_dtype_promotion("standard"):
        decayed = directions("adamw", GRADIENTS, PARAMS, weight_decay=0.1)
        plain = directions("adam", GRADIENTS, PARAMS)
    for got, adam in zip(decayed, plain, strict=True):
        np.testing.assert_allclose(got, adam + 0.1 * np.asarray(PARAMS), rtol=1e-6)


def muon(tree, text="muon", weight_decay=0.0):
    """Muon's direction in the first step, for gradients that are also the parameters."""
    with jax.numpy_dtype_promotion("standard"):
        transform = direction(text, weight_decay, 0.0)
        return transform.update(tree, transform.init(tree), tree)[0]


def kernel(*shape):
    return jax.random.normal(jax.random.key(shape[-1]), shape)


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (3, 3, 2, 24), (1, 1, 6, 6)])
def test_muon_makes_a_kernel_orthogonal(shape):
    """All singular values of inputs x outputs become about equal: 0.68 to 1.13 after five steps.

    That is the iteration's range for its coefficients (Jordan et al. 2024). The direction stays on
    the side of the gradient, and is sqrt(outputs / inputs) times as long where that is above 1.
    """
    gradient = kernel(*shape)
    rows, columns = shape[0] * shape[1] * shape[2], shape[3]
    taken = np.asarray(muon({"conv": {"kernel": gradient}})["conv"]["kernel"])
    values = np.linalg.svd(taken.reshape(rows, columns), compute_uv=False)
    values /= np.sqrt(max(1.0, columns / rows))
    assert 0.65 < values.min() < values.max() < 1.25
    assert np.sum(taken * np.asarray(gradient)) > 0


def test_muon_takes_each_kernel_of_a_loop_by_itself():
    """The leading axis is the blocks of a loop: scaling one of them changes no direction."""
    gradient = kernel(2, 3, 3, 4, 8)
    scaled = gradient * jnp.array([1.0, 100.0]).reshape(2, 1, 1, 1, 1)
    for tree in (gradient, scaled):
        together = muon({"blocks": {"conv1": {"kernel": tree}}})["blocks"]["conv1"]["kernel"]
        for index in (0, 1):
            alone = muon({"conv1": {"kernel": tree[index]}})["conv1"]["kernel"]
            np.testing.assert_allclose(together[index], alone, rtol=1e-3, atol=1e-4)


def test_muon_leaves_scales_biases_and_the_classifier_to_a_share_of_adams_rate():
    """Adam's first step is the sign of the gradient; with Nesterov's look ahead b1 / (1 + b1) more.

    The gradient's share of the moment is 1 - b1, and two steps on the correction is 1 - b1^2.
    """
    tree = {
        "blocks": {"bn1": {"scale": kernel(3, 4)}},  # two axes, but no matrix
        "classifier": {"kernel": kernel(4, 3), "bias": kernel(3)},
    }
    taken = muon(tree, "muon:adam_share=0.5")
    for got, gradient in zip(jax.tree.leaves(taken), jax.tree.leaves(tree), strict=True):
        np.testing.assert_allclose(got, 0.5 * (1 + 0.9 / 1.9) * np.sign(gradient), rtol=1e-3)


def test_muon_decays_weights_beside_the_gradient():
    tree = {"conv": {"kernel": kernel(3, 3, 4, 8)}}
    more = muon(tree, weight_decay=0.1)["conv"]["kernel"] - muon(tree)["conv"]["kernel"]
    np.testing.assert_allclose(more, 0.1 * tree["conv"]["kernel"], rtol=1e-3, atol=1e-5)


def test_clipping_bounds_the_global_norm_before_weight_decay():
    got = directions("sgd:momentum=0", GRADIENTS[:1], PARAMS, weight_decay=0.1, clip_norm=1.0)[0]
    unit = np.asarray(GRADIENTS[0]) / np.sqrt(5)
    np.testing.assert_allclose(got, unit + 0.1 * np.asarray(PARAMS), rtol=1e-6)


def test_an_unknown_optimizer_names_the_nearest():
    with pytest.raises(UserError, match=r"config.optimizer.*did you mean 'sgd'"):
        direction("sdg", 0.0, 0.0)
