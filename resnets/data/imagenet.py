"""ImageNet (ILSVRC 2012), prepared without TensorFlow from the official archives.

TFDS's own builder reads the archives through TensorFlow. This subclass keeps its name, version,
features, keys and order of the examples, so that either finds what the other prepared.
"""

import io
import pathlib
import re
import tarfile
from collections.abc import Iterator
from typing import IO, Any, ClassVar

import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.datasets.imagenet2012 import imagenet2012_dataset_builder as stock

from resnets.data.dataset import DatasetError

MEAN = (0.485, 0.456, 0.406)
"""Mean of each channel of the training images, scaled to [0, 1], as everybody rounds it."""
STD = (0.229, 0.224, 0.225)
"""Standard deviation of each channel, likewise."""

_TRAIN, _VALIDATION = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_LABELS = "datasets/imagenet2012/validation_labels.txt"


class Imagenet2012(stock.Builder, skip_registration=True):  # type: ignore[call-arg]
    """ImageNet (Russakovsky et al. 2014): 1,281,167 + 50,000 JPEG files, 1,000 classes.

    Preparing takes the official archives from `downloads/manual/` in the data directory, and twice
    their size beside them. It raises `DatasetError` if one is missing or damaged.
    """

    # As a plain attribute: TFDS's look-up imports a package that TFDS does not depend on.
    url_infos: ClassVar[dict[str, Any]] = {}

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = pathlib.Path(dl_manager.download_dir) / "manual"
        missing = [name for name in (_TRAIN, _VALIDATION) if not (folder / name).is_file()]
        if missing:
            raise DatasetError(
                f"imagenet2012 is built from archives that image-net.org gives to who registers "
                f"there: put {' and '.join(missing)} into {folder}"
            )
        return {
            "train": self._generate_train(folder / _TRAIN),
            "validation": self._generate_validation(folder / _VALIDATION),
        }

    def _generate_train(self, archive: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
        known = set(self.info.features["label"].names)
        for class_file, content in _members(archive):
            synset = class_file.removesuffix(".tar")
            if synset not in known:
                raise DatasetError(f"{archive}: {class_file} is not the archive of a class")
            for name, image in _members(archive, content):
                yield name, {"file_name": name, "image": _fixed(name, image), "label": synset}

    def _generate_validation(self, archive: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
        labels = tfds.core.tfds_path(_LABELS).read_text().split()
        for name, image in _members(archive):
            number = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", name)
            if not number:
                raise DatasetError(f"{archive}: {name} is not an image of the validation set")
            label = labels[int(number[1]) - 1]
            yield name, {"file_name": name, "image": image, "label": label}


def _members(
    archive: pathlib.Path, content: IO[bytes] | None = None
) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the files of an archive, or of one that lies in it."""
    try:
        with tarfile.open(archive, "r:", content) as tar:
            for member in tar:
                if file := tar.extractfile(member):
                    yield pathlib.PurePath(member.name).name, file
    except tarfile.TarError as error:
        raise DatasetError(f"{archive} is damaged ({error}): fetch it again") from None


def _fixed(name: str, image: IO[bytes]) -> IO[bytes]:
    """Store the few files that are not RGB or grayscale JPEG as what they should be.

    The stock builder does the same through TensorFlow, from the same lists.
    """
    if name not in (*stock.CMYK_IMAGES, *stock.PNG_IMAGES):
        return image
    encoded = io.BytesIO()
    Image.open(image).convert("RGB").save(encoded, "JPEG", quality=100)
    encoded.seek(0)
    return encoded
