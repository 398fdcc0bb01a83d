"""Normalisation, shifts and flips, against every crop and mirror there can be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.data.augmentation import (
    Preprocessing,
    augment,
    evaluation_view,
    normalise,
    random_shift,
)

KEY = jax.random.key(0)
PLAIN = Preprocessing((0.4, 0.6), (0.2, 0.3))
BATCH, HEIGHT, WIDTH = 1024, 5, 6


def random_bytes(batch=BATCH, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.integers(0, 256, (batch, HEIGHT, WIDTH, 2)), jnp.uint8)


def augmented(images, key=KEY, **options):
    return np.asarray(augment(images, Preprocessing(PLAIN.mean, PLAIN.std, **options), key))


def offsets_of(moved, original, shift):
    """For each image, the offsets at which it is a crop of its zero-padded original."""
    frame = ((0, 0), (shift, shift), (shift, shift), (0, 0))
    padded = np.pad(np.asarray(original), frame)
    corners = [(r, c) for r in range(2 * shift + 1) for c in range(2 * shift + 1)]
    crops = np.stack([padded[:, r : r + HEIGHT, c : c + WIDTH] for r, c in corners])
    equal = (crops == np.asarray(moved)).all((2, 3, 4))
    return [[corner for corner, hit in zip(corners, hits, strict=True) if hit] for hits in equal.T]


def test_normalised_images_have_mean_0_and_deviation_1():
    images = random_bytes()
    scaled = np.asarray(images) / 255
    statistics = [tuple(map(float, f(scaled, (0, 1, 2)))) for f in (np.mean, np.std)]
    x = np.asarray(normalise(images, Preprocessing(*statistics)))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean((0, 1, 2), np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 1, 2), np.float64), 1, atol=1e-5)


def test_bytes_are_scaled_to_one_before_the_statistics_apply():
    images = jnp.broadcast_to(jnp.asarray([0, 255], jnp.uint8), (1, 1, 1, 2))
    x = normalise(images, Preprocessing((0.5, 0.5), (0.25, 0.5)))
    np.testing.assert_allclose(x.ravel(), [-2, 1], rtol=1e-6)


def test_without_shift_and_flip_images_are_normalised_only():
    images = random_bytes()
    np.testing.assert_array_equal(augmented(images), normalise(images, PLAIN))


@pytest.mark.parametrize("shift", [1, 2])
def test_each_shifted_image_is_one_crop_of_its_padded_original_and_every_crop_occurs(shift):
    images = random_bytes()
    found = offsets_of(augmented(images, shift=shift), normalise(images, PLAIN), shift)
    assert {len(offsets) for offsets in found} == {1}
    _, counts = np.unique([offset for (offset,) in found], axis=0, return_counts=True)
    expected = BATCH / (2 * shift + 1) ** 2
    assert len(counts) == (2 * shift + 1) ** 2
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_the_two_directions_are_drawn_independently():
    images = random_bytes()
    found = offsets_of(augmented(images, shift=1), normalise(images, PLAIN), 1)
    rows, columns = np.array([offset for (offset,) in found]).T
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.12


def test_flipped_images_are_exact_mirrors_and_half_of_all():
    images = random_bytes()
    original, flipped = np.asarray(normalise(images, PLAIN)), augmented(images, flip=True)
    kept = (flipped == original).all((1, 2, 3))
    mirrored = (flipped == original[:, :, ::-1]).all((1, 2, 3))
    assert np.all(kept != mirrored)
    assert np.mean(mirrored) == pytest.approx(0.5, abs=2 / np.sqrt(BATCH))


def test_shifts_and_flips_combine_independently():
    images = random_bytes()
    x = normalise(images, PLAIN)
    both = augmented(images, shift=1, flip=True)
    straight, mirrored = offsets_of(both, x, 1), offsets_of(both[:, :, ::-1], x, 1)
    assert {len(a) + len(b) for a, b in zip(straight, mirrored, strict=True)} == {1}
    kinds = {(bool(b), *(a + b)) for a, b in zip(straight, mirrored, strict=True)}
    assert len(kinds) == 2 * 9


def test_one_key_gives_one_result_and_another_key_another():
    images = random_bytes()
    first, again, other = (
        augmented(images, key, shift=2, flip=True) for key in (KEY, KEY, jax.random.key(1))
    )
    np.testing.assert_array_equal(first, again)
    assert np.mean((first != other).any((1, 2, 3))) > 0.9


def test_an_image_moves_whatever_its_neighbours_show():
    images, others = random_bytes(), random_bytes(seed=1).at[3].set(random_bytes()[3])
    moved, among_others = (augmented(x, shift=2, flip=True) for x in (images, others))
    np.testing.assert_array_equal(moved[3], among_others[3])


def test_shifting_moves_all_channels_together_and_keeps_the_dtype():
    ones = jnp.ones((BATCH, HEIGHT, WIDTH, 2), jnp.bfloat16)
    moved = random_shift(ones, 2, KEY)
    assert (moved.shape, moved.dtype) == (ones.shape, ones.dtype)
    np.testing.assert_array_equal(moved[..., 0], moved[..., 1])


class TestCrop:
    def test_each_training_image_is_one_square_of_its_original_and_every_square_occurs(self):
        images = random_bytes()
        x = np.asarray(normalise(images, PLAIN))
        corners = [(r, c) for r in range(HEIGHT - 4 + 1) for c in range(WIDTH - 4 + 1)]
        crops = np.stack([x[:, r : r + 4, c : c + 4] for r, c in corners])
        hits = (crops == augmented(images, crop=4)).all((2, 3, 4))
        np.testing.assert_array_equal(hits.sum(0), 1)
        expected = BATCH / len(corners)
        assert np.all(np.abs(hits.sum(1) - expected) < 4 * np.sqrt(expected))

    def test_with_a_shift_the_square_is_one_of_the_padded_image(self):
        images = random_bytes()
        frame = ((0, 0), (1, 1), (1, 1), (0, 0))
        padded = np.pad(np.asarray(normalise(images, PLAIN)), frame)
        corners = [(r, c) for r in range(HEIGHT + 2 - 4 + 1) for c in range(WIDTH + 2 - 4 + 1)]
        crops = np.stack([padded[:, r : r + 4, c : c + 4] for r, c in corners])
        hits = (crops == augmented(images, crop=4, shift=1)).all((2, 3, 4))
        np.testing.assert_array_equal(hits.sum(0), 1)
        assert hits.any(1).all()

    def test_evaluation_takes_the_centre_and_the_whole_image_without_a_crop(self):
        images = random_bytes()
        x = normalise(images, PLAIN)
        cropped = evaluation_view(images, Preprocessing(PLAIN.mean, PLAIN.std, crop=4))
        np.testing.assert_array_equal(cropped, x[:, 0:4, 1:5])
        three = evaluation_view(images, Preprocessing(PLAIN.mean, PLAIN.std, crop=3))
        np.testing.assert_array_equal(three, x[:, 1:4, 1:4])
        np.testing.assert_array_equal(evaluation_view(images, PLAIN), x)
