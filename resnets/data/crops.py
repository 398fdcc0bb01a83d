"""From a JPEG file to the pixels that a network sees, on the host.

Every size is in pixels; images are decoded whole, for `Image.draft` would change the filter, and
applies to files of twice the size of ImageNet's.
"""

import dataclasses
import functools
import io
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from resnets.arguments import call
from resnets.data.dataset import DatasetError

Pixels = UInt8[np.ndarray, "height width 3"]
_ATTEMPTS = 10  # of Szegedy's crop, then the largest centre crop within the ratios is taken
_RATIOS = (3 / 4, 4 / 3)  # width over height


def decode(content: bytes) -> Image.Image | None:
    """Decode a file to RGB; None if it is damaged, which includes one that ends early."""
    try:
        return Image.open(io.BytesIO(content)).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def centre(image: Image.Image, resize: int, size: int) -> Pixels:
    """Resize the shorter side to `resize`, bilinear with antialiasing, and crop the centre."""
    width, height = _with_shorter_side(image, resize)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _with_shorter_side(image: Image.Image, length: int) -> tuple[int, int]:
    shorter = min(image.size)
    return length * image.width // shorter, length * image.height // shorter


@dataclasses.dataclass(frozen=True)
class RandomArea:
    """A crop of random area and aspect ratio, resized (Szegedy et al. 2014).

    Attributes:
      smallest: share of the image's area.
    """

    smallest: float = 0.08

    def check(self, size: int) -> None:
        """Refuse a share that is none.

        Raises:
          DatasetError: naming it.
        """
        if not 0.0 < self.smallest <= 1.0:
            raise DatasetError(f"smallest={self.smallest} must be above 0 and at most 1")

    def __call__(self, image: Image.Image, size: int, rng: np.random.Generator) -> Pixels:
        """Take the crop as `[size, size, 3]`."""
        left, top, width, height = self.box(image.width, image.height, rng)
        crop = image.crop((left, top, left + width, top + height))
        return np.asarray(crop.resize((size, size), Image.Resampling.BILINEAR))

    def box(self, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw left, top, width and height of the crop of an image of `width` by `height`."""
        for _ in range(_ATTEMPTS):
            area = width * height * rng.uniform(self.smallest, 1.0)
            ratio = math.exp(rng.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
                return int(left), int(top), w, h
        w = min(width, round(height * _RATIOS[1]))
        h = min(height, round(width / _RATIOS[0]))
        return (width - w) // 2, (height - h) // 2, w, h


@dataclasses.dataclass(frozen=True)
class RandomScale:
    """The shorter side resized to a random length, then a random square (He et al. 2015).

    Attributes:
      smallest: length of the shorter side.
      largest: length of the shorter side.
    """

    smallest: int = 256
    largest: int = 480

    def check(self, size: int) -> None:
        """Refuse lengths that a square of `size` does not fit into.

        Raises:
          DatasetError: naming them.
        """
        if not size <= self.smallest <= self.largest:
            raise DatasetError(
                f"smallest={self.smallest} must be at least {size}, the image size, "
                f"and at most largest={self.largest}"
            )

    def __call__(self, image: Image.Image, size: int, rng: np.random.Generator) -> Pixels:
        """Take the crop as `[size, size, 3]`."""
        width, height = _with_shorter_side(
            image, int(rng.integers(self.smallest, self.largest + 1))
        )
        left, top = rng.integers(width - size + 1), rng.integers(height - size + 1)
        # The same pixels as of resizing everything and cropping, without computing the others.
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + size) * across, (top + size) * down)
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))


RandomCrop = RandomArea | RandomScale

_CROPS: dict[str, Callable[..., RandomCrop]] = {"area": RandomArea, "scale": RandomScale}


@dataclasses.dataclass(frozen=True)
class View:
    """How files become the images of a batch.

    Attributes:
      size: height and width of the images.
      resize: shorter side before the centre crop of evaluation.
      crop: of training: `area:smallest=0.08` or `scale:smallest=256,largest=480`.
      flip: mirror half of the training images left to right.

    Raises:
      DatasetError: a crop that does not fit its image.
      UserError: an unknown crop.
    """

    size: int
    resize: int
    crop: str
    flip: bool

    def __post_init__(self) -> None:
        if not 1 <= self.size <= self.resize:
            raise DatasetError(
                f"config.data.image_size={self.size} must be at least 1 and at most "
                f"config.data.resize={self.resize}"
            )
        try:
            self._random_crop.check(self.size)
        except DatasetError as error:
            raise DatasetError(f"config.data.train_crop={self.crop!r}: {error}") from None

    @functools.cached_property
    def _random_crop(self) -> RandomCrop:
        crop: RandomCrop = call(self.crop, _CROPS, "config.data.train_crop")
        return crop

    def train(self, image: Image.Image, rng: np.random.Generator) -> Pixels:
        """Draw a training view."""
        pixels = self._random_crop(image, self.size, rng)
        if self.flip and rng.random() < 0.5:
            return pixels[:, ::-1]
        return pixels

    def evaluate(self, image: Image.Image) -> Pixels:
        """Take the one view of evaluation."""
        return centre(image, self.resize, self.size)
