"""One training step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets import models
from resnets.data.augmentation import normalise
from resnets.training.step import cross_entropy, initialise, train_step, wrong

SHAPE = (8, 8, 1)


def one_step(recipe, data, learning_rate=0.1, size=16):
    state = initialise(recipe, jax.random.key(0), SHAPE)
    step = jax.jit(train_step, static_argnums=0)
    images, labels = data.images[:size], data.labels[:size]
    after, metrics = step(
        recipe, state, images, labels, jnp.float32(learning_rate), jax.random.key(1)
    )
    return state, after, metrics


def test_cross_entropy_of_even_logits_is_log_classes():
    loss = cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 1, 3]), 0.0)
    np.testing.assert_allclose(loss, np.log(4) * np.ones(3), rtol=1e-6)


def test_label_smoothing_mixes_in_the_uniform_distribution():
    logits = jnp.array([[1.0, 2.0, 3.0, 4.0]])
    log_p = jax.nn.log_softmax(logits)[0]
    expected = -(0.9 * log_p[2] + 0.1 * log_p.mean())
    np.testing.assert_allclose(cross_entropy(logits, jnp.array([2]), 0.1)[0], expected, rtol=1e-6)


def test_wrong_is_where_the_largest_logit_is_not_the_label():
    logits = jnp.array([[0.0, 1.0], [2.0, 1.0]])
    np.testing.assert_array_equal(wrong(logits, jnp.array([1, 1])), [False, True])


def test_a_step_counts_moves_every_parameter_and_the_statistics(make_recipe, small_data):
    before, after, metrics = one_step(make_recipe(), small_data)
    assert int(after.step) == int(before.step) + 1
    assert np.isfinite(metrics["loss"])
    for tree in ("params", "batch_stats"):
        pairs = zip(
            jax.tree_util.tree_leaves_with_path(getattr(before, tree)),
            jax.tree.leaves(getattr(after, tree)),
            strict=True,
        )
        for (path, old), new in pairs:
            assert not np.array_equal(old, new), jax.tree_util.keystr(path)


def test_the_update_is_minus_rate_times_gradient_without_momentum(make_recipe, small_data):
    recipe = make_recipe(optimizer="sgd:momentum=0")
    before, slow, _ = one_step(recipe, small_data, 0.01)
    _, fast, _ = one_step(recipe, small_data, 0.02)

    def check(old, one, two):
        np.testing.assert_allclose(two - old, 2 * (one - old), rtol=1e-2, atol=1e-5)

    jax.tree.map(check, before.params, slow.params, fast.params)


def test_loss_falls_in_a_few_steps(make_recipe, small_data):
    recipe = make_recipe()
    state = initialise(recipe, jax.random.key(0), SHAPE)
    step = jax.jit(train_step, static_argnums=0)
    losses = []
    for index in range(12):
        key = jax.random.key(index)
        batch = small_data.images[:16], small_data.labels[:16]
        state, metrics = step(recipe, state, *batch, jnp.float32(0.05), key)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.6 * losses[0]


def test_eight_devices_compute_what_one_does(make_recipe, small_data):
    model = models.create("cifar_resnet8", 4)
    _, alone, one = one_step(make_recipe(1, model=model), small_data)
    _, together, eight = one_step(make_recipe(8, model=model), small_data)
    np.testing.assert_allclose(one["loss"], eight["loss"], rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        (alone.params, alone.batch_stats),
        (together.params, together.batch_stats),
    )
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(together))


def test_the_same_seed_gives_the_same_step_and_another_does_not(make_recipe, small_data):
    recipe = make_recipe()
    same = initialise(recipe, jax.random.key(0), SHAPE)
    again = initialise(recipe, jax.random.key(0), SHAPE)
    other = initialise(recipe, jax.random.key(1), SHAPE)
    assert np.array_equal(*(s.params["conv"]["kernel"] for s in (same, again)))
    assert not np.array_equal(*(s.params["conv"]["kernel"] for s in (same, other)))


def test_accumulated_gradients_are_the_mean_over_the_parts(make_recipe, small_data):
    recipe = make_recipe(optimizer="sgd:momentum=0", accumulation=2)
    before, after, metrics = one_step(recipe, small_data, 1.0)
    losses, gradients, batch_stats = [], [], before.batch_stats
    for part in range(2):
        half = slice(8 * part, 8 * part + 8)
        augment_key = jax.random.split(jax.random.fold_in(jax.random.key(1), part))[0]

        def loss_of(params, half=half, key=augment_key, batch_stats=batch_stats):
            from resnets.data.augmentation import augment

            x = augment(small_data.images[half], recipe.preprocessing, key)
            variables = {"params": params, "batch_stats": batch_stats}
            logits, updated = recipe.model.apply(variables, x, train=True, mutable=["batch_stats"])
            return cross_entropy(logits, small_data.labels[half], 0.0).mean(), updated

        (loss, updated), gradient = jax.value_and_grad(loss_of, has_aux=True)(before.params)
        batch_stats = updated["batch_stats"]
        losses.append(loss)
        gradients.append(gradient)
    np.testing.assert_allclose(metrics["loss"], np.mean(losses), rtol=1e-5)

    def check(old, new, one, two):
        np.testing.assert_allclose(new, old - (one + two) / 2, rtol=1e-4, atol=1e-4)

    jax.tree.map(check, before.params, after.params, *gradients)


def test_the_moving_average_moves_by_one_minus_decay(make_recipe, small_data):
    before, after, _ = one_step(make_recipe(average_decay=0.75), small_data)

    def check(old, new, average):
        np.testing.assert_allclose(average, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-6)

    jax.tree.map(check, before.variables(), after.variables(), after.average)


def test_equal_recipes_are_one_key_of_the_compilation_cache(make_recipe):
    assert make_recipe() == make_recipe()
    assert hash(make_recipe()) == hash(make_recipe())
    assert make_recipe() != make_recipe(weight_decay=0.1)


def test_bfloat16_compute_keeps_float32_parameters_and_statistics(make_recipe, small_data):
    model = models.create("cifar_resnet8", 4, dtype="bfloat16")
    _, after, metrics = one_step(make_recipe(model=model), small_data)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((after.params, after.batch_stats))}
    assert dtypes == {jnp.dtype("float32")}
    assert metrics["loss"].dtype == jnp.float32


def test_dropout_and_augmentation_follow_the_key(make_recipe, small_data):
    recipe = make_recipe()
    state = initialise(recipe, jax.random.key(0), SHAPE)
    step = jax.jit(train_step, static_argnums=0)
    batch = small_data.images[:16], small_data.labels[:16], jnp.float32(0.1)
    losses = [float(step(recipe, state, *batch, jax.random.key(k))[1]["loss"]) for k in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_evaluation_normalises_and_does_not_augment(make_recipe, small_data):
    recipe = make_recipe()
    wide = dataclasses.replace(recipe.preprocessing, shift=3, flip=True)
    np.testing.assert_array_equal(
        normalise(small_data.images, recipe.preprocessing), normalise(small_data.images, wide)
    )


@pytest.mark.slow  # test_every_network.py has a scanned form, too
def test_every_parameter_of_a_scanned_network_gets_a_gradient(make_recipe, small_data):
    model = models.create("cifar_resnet20", 4, scan_blocks=True)
    before, after, _ = one_step(make_recipe(model=model, optimizer="sgd:momentum=0"), small_data)
    moved = jax.tree.map(lambda old, new: bool(np.any(old != new)), before.params, after.params)
    assert all(jax.tree.leaves(moved)), moved
