"""Pictures of filters and feature maps."""

import numpy as np
import pytest

from resnets.training.pictures import filter_tiles, grid, stretched


def test_a_grid_puts_tiles_in_rows_with_lines_between():
    tiles = [np.full((24, 24, 1), value) for value in (0.0, 0.5, 1.0)]
    picture = grid(tiles)
    assert picture.shape == (2 * 25 + 1, 2 * 25 + 1, 1)
    assert (picture[1, 1, 0], picture[1, 26, 0], picture[26, 1, 0]) == (0, 128, 255)
    assert set(picture[0, :, 0]) == {255}
    assert picture[26, 26, 0] == 255, "no fourth tile"


@pytest.mark.parametrize(("size", "shown"), [(3, 24), (7, 28), (48, 48), (112, 38)])
def test_tiles_are_enlarged_or_thinned_out(size, shown):
    assert grid([np.zeros((size, size, 1))]).shape == (shown + 2, shown + 2, 1)


def test_filters_are_in_colour_if_the_images_are():
    kernel = np.zeros((3, 3, 3, 5))
    kernel[1, 1, 0, 2], kernel[0, 0, 1, 2] = 1.0, -1.0
    tiles = filter_tiles(kernel)
    assert len(tiles) == 5
    assert tiles[2].shape == (3, 3, 3)
    np.testing.assert_array_equal(tiles[2][1, 1], [1.0, 0.5, 0.5])
    np.testing.assert_array_equal(tiles[0], np.full((3, 3, 3), 0.5))
    assert filter_tiles(np.zeros((3, 3, 64, 2)))[0].shape == (3, 3, 1)


def test_values_that_are_not_finite_are_grey():
    np.testing.assert_array_equal(stretched(np.array([1.0, np.nan])), [0.5, 0.5])
