"""Crops on the host, against their definitions."""

import io

import numpy as np
import pytest
from PIL import Image

from resnets.data import DatasetError, View
from resnets.data.crops import RandomArea, RandomScale, centre, decode
from resnets.errors import UserError
from tests.data.fake_imagenet import jpeg

BILINEAR = Image.Resampling.BILINEAR


def picture(width, height, seed=0):
    """An image in which every pixel differs from its neighbours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


class FromList:
    """Stands in for a random generator: gives what the test wrote down, in order."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        share = self.values.pop(0)
        return low + share * (high - low)

    def integers(self, low, high=None):
        value = self.values.pop(0)
        assert (0 if high is None else low) <= value < (low if high is None else high)
        return value

    def random(self):
        return self.values.pop(0)


class TestDecode:
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_every_mode_becomes_rgb(self, mode):
        content = jpeg(1, 30, 20, mode)
        image = decode(content)
        expected = Image.open(io.BytesIO(content)).convert("RGB")
        assert (image.mode, image.size) == ("RGB", (30, 20))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))

    def test_grey_has_three_equal_channels(self):
        pixels = np.asarray(decode(jpeg(1, 30, 20, "L")))
        assert pixels.std() > 0
        np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])

    @pytest.mark.parametrize("kept", [0, 1, 2, 100, 400])
    def test_a_file_that_ends_early_is_corrupt(self, kept):
        content = jpeg(1, 60, 50)
        assert len(content) > 410
        assert decode(content[:kept]) is None
        assert decode(content[: len(content) - 20]) is None

    def test_a_file_of_something_else_is_corrupt(self):
        assert decode(b"<html>not found</html>" * 50) is None


class TestCentre:
    @pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 40), (31, 31), (200, 33)])
    def test_the_shorter_side_is_resized_and_the_middle_cropped(self, width, height):
        image = picture(width, height)
        shorter = min(width, height)
        resized = np.asarray(
            image.resize((width * 24 // shorter, height * 24 // shorter), BILINEAR)
        )
        rows, columns = resized.shape[:2]
        assert min(rows, columns) == 24
        top, left = round((rows - 20) / 2), round((columns - 20) / 2)
        np.testing.assert_array_equal(
            centre(image, 24, 20), resized[top : top + 20, left : left + 20]
        )

    def test_as_much_is_cut_left_as_right_and_above_as_below(self):
        pixels = np.zeros((24, 24, 3), np.uint8)
        pixels[2:22, 2:22] = 255
        assert (centre(Image.fromarray(pixels), 24, 20) == 255).all()

    def test_resizing_averages_over_what_it_shrinks(self):
        """Antialiased: a fine chessboard becomes grey, not black or white."""
        board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
        small = centre(Image.fromarray(np.repeat(board[..., None], 3, 2)), 16, 16)
        assert np.abs(small.astype(int) - 127).max() < 10


class TestRandomArea:
    def test_areas_and_ratios_are_those_of_szegedy(self):
        rng = np.random.default_rng(0)
        boxes = np.array([RandomArea().box(400, 400, rng) for _ in range(4000)])
        left, top, width, height = boxes.T
        assert (left >= 0).all()
        assert (left + width <= 400).all()
        assert (top >= 0).all()
        assert (top + height <= 400).all()
        areas, ratios = width * height / 160_000, width / height
        assert 0.075 < areas.min() < 0.09
        assert areas.max() > 0.9
        assert 0.73 < ratios.min() < 0.77
        assert 1.3 < ratios.max() < 1.36
        # The logarithm of the ratio is uniform: of a square image as many crops are wide as high.
        assert abs(np.mean(ratios > 1) - 0.5) < 0.03

    def test_the_crop_follows_from_the_numbers_drawn(self):
        # Half way from 0.2 to 1 of 200 x 160 pixels, at the smallest ratio: 3 wide to 4 high.
        assert RandomArea(0.2).box(200, 160, FromList(0.5, 0.0, 20, 0)) == (20, 0, 120, 160)

    def test_a_crop_that_does_not_fit_is_drawn_again(self):
        # A whole image of 200 x 100 at ratio 1 is 141 high; then an eighth of it is 50 x 50.
        rng = FromList(1.0, 0.5, 0.0, 0.5, 7, 9)
        assert RandomArea(0.125).box(200, 100, rng) == (7, 9, 50, 50)

    def test_after_ten_attempts_it_is_the_largest_centre_within_the_ratios(self):
        assert RandomArea().box(300, 90, FromList(*[1.0, 0.5] * 10)) == (90, 0, 120, 90)
        assert RandomArea().box(90, 300, FromList(*[1.0, 0.5] * 10)) == (0, 90, 90, 120)

    def test_the_crop_is_resized_by_itself(self):
        """Nothing outside of it enters."""
        image = picture(200, 100)
        crop = RandomArea(0.125)(image, 20, FromList(0.0, 0.5, 7, 9))
        expected = image.crop((7, 9, 57, 59)).resize((20, 20), BILINEAR)
        np.testing.assert_array_equal(crop, np.asarray(expected))


class TestRandomScale:
    @pytest.mark.parametrize(("width", "height"), [(70, 50), (50, 70)])
    def test_it_is_a_window_of_the_resized_image(self, width, height):
        image = picture(width, height)
        crop = RandomScale(24, 40)(image, 20, FromList(30, 3, 5))
        size = (30 * width // 50, 30 * height // 50)
        resized = np.asarray(image.resize(size, BILINEAR))
        difference = crop.astype(int) - resized[5:25, 3:23]
        assert np.abs(difference).max() <= 1  # of 255: the filters' weights round differently
        assert np.abs(resized[5:25, 3:23].astype(int) - resized[4:24, 3:23]).max() > 20

    def test_lengths_and_places_are_uniform(self):
        class Noting(FromList):
            def integers(self, low, high=None):
                drawn.append((low, high))
                return 24 if high else 0

        drawn = []
        RandomScale(24, 40)(picture(48, 24), 20, Noting())
        assert drawn == [(24, 41), (29, None), (5, None)]


class TestView:
    def test_half_of_the_training_images_are_mirrored(self):
        image = picture(20, 20)
        plain = View(20, 20, "scale:smallest=20,largest=20", flip=False)
        flipping = View(20, 20, "scale:smallest=20,largest=20", flip=True)
        rng = np.random.default_rng(0)
        original = plain.train(image, rng)
        mirrored = 0
        for _ in range(400):
            pixels = flipping.train(image, rng)
            flipped = (pixels == original[:, ::-1]).all()
            assert flipped or (pixels == original).all()
            mirrored += flipped
        assert abs(mirrored - 200) < 40

    def test_evaluation_takes_the_centre(self):
        image = picture(50, 40)
        view = View(20, 24, "area", flip=True)
        np.testing.assert_array_equal(view.evaluate(image), centre(image, 24, 20))

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"size": 0}, "image_size=0 must be at least 1"),
            ({"size": 25}, "at most config.data.resize=24"),
            ({"crop": "zoom"}, "unknown name 'zoom'"),
            ({"crop": "area:smallest=0"}, "above 0 and at most 1"),
            ({"crop": "area:smallest=1.5"}, "above 0 and at most 1"),
            ({"crop": "scale:smallest=10,largest=30"}, "must be at least 20, the image size"),
            ({"crop": "scale:smallest=30,largest=25"}, "at most largest=25"),
        ],
    )
    def test_sizes_that_do_not_fit_are_refused_by_name(self, fields, says):
        with pytest.raises(UserError) as caught:
            View(**{"size": 20, "resize": 24, "crop": "area", "flip": True} | fields)
        assert says in str(caught.value)
        assert "config.data." in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_wrong_size_is_a_mistake_in_the_data(self):
        with pytest.raises(DatasetError):
            View(25, 24, "area", flip=True)
