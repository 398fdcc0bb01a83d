"""CIFAR-10 and CIFAR-100, prepared without TensorFlow.

TFDS's own builders read the archive through TensorFlow. These subclasses keep their names, versions
and features, so that either finds what the other prepared, and read the official binary archive
with tarfile and numpy.
"""

import hashlib
import logging
import os
import pathlib
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import UInt8
from PIL import Image
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.image_classification import cifar

from resnets.data.dataset import DatasetError

_SIZE = 32
_PIXELS = 3 * _SIZE * _SIZE
_TIMEOUT_S = 15

_logger = logging.getLogger(__name__)

Records = UInt8[np.ndarray, "examples bytes"]
"""Records of the binary format: the labels, one byte each, then the red, green and blue planes."""


def _recorded(name: str) -> dict[str, checksums.UrlInfo]:
    """Size and SHA-256 that TFDS recorded for each archive of a data set, by address."""
    path = tfds.core.tfds_path("url_checksums") / f"{name}.txt"
    return dict(checksums.load_url_infos(path))


class Cifar10(cifar.Cifar10, skip_registration=True):  # type: ignore[call-arg]
    """CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 images `[32, 32, 3]` of uint8, 10 classes.

    Preparing takes the official archive from `downloads/manual/` in the data directory, or
    downloads it to there. It raises `DatasetError` if there is neither archive nor network, or if
    the archive is not, byte for byte, the one whose SHA-256 TFDS recorded.
    """

    # As a plain attribute: TFDS's look-up imports a package that TFDS does not depend on.
    url_infos: ClassVar[dict[str, checksums.UrlInfo]] = _recorded("cifar10")

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        source = self._cifar_info
        expected = self.url_infos[source.url]
        archive = pathlib.Path(dl_manager.download_dir) / "manual" / str(expected.filename)
        if not archive.exists():
            _download(source.url, archive, expected)
        elif fault := _fault(archive, expected):
            raise DatasetError(f"{archive} {fault}: delete it and fetch {source.url} again")
        files = _read(archive, source.prefix)
        for key, file in zip(source.label_keys, source.label_files, strict=True):
            self.info.features[key].names = files[file].decode().split()

        def examples(split: str, names: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
            joined = b"".join(files[name] for name in names)
            records = np.frombuffer(joined, np.uint8)
            width = len(source.label_keys) + _PIXELS
            return self._generate_examples(f"{split}_", records.reshape(-1, width))

        return {
            "train": examples("train", source.train_files),
            "test": examples("test", source.test_files),
        }

    def _generate_examples(
        self, split_prefix: str, records: Records
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        keys = self._cifar_info.label_keys
        labels = records[:, : len(keys)].tolist()
        planes = records[:, len(keys) :].reshape(-1, 3, _SIZE, _SIZE)
        images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        for index, image in enumerate(images):
            example = dict(zip(keys, labels[index], strict=True))
            example["id"] = f"{split_prefix}{index:05d}"
            example["image"] = Image.fromarray(image)
            yield index, example  # TFDS shuffles by this key: its own builder uses the same


class Cifar100(  # type: ignore[call-arg]
    Cifar10,
    cifar.Cifar100,
    skip_registration=True,
):
    """CIFAR-100 (Krizhevsky 2009): as CIFAR-10, with 100 classes in 20 coarse ones."""

    url_infos: ClassVar[dict[str, checksums.UrlInfo]] = _recorded("cifar100")


def _read(archive: pathlib.Path, prefix: str) -> dict[str, bytes]:
    """Contents of the files right under `prefix`, by name."""
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file and member.name.startswith(prefix):
                files[member.name.removeprefix(prefix)] = file.read()
    return files


def _download(url: str, archive: pathlib.Path, expected: checksums.UrlInfo) -> None:
    # Not `dl_manager.download`: without a network it retries for more than three minutes.
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f"{archive.name}.{os.getpid()}.partial")
    _logger.info("downloading %s (%s) to %s", url, expected.size, archive)
    by_hand = f"fetch it in another way and put it at {archive}"
    try:
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,
            partial.open("wb") as file,
        ):
            shutil.copyfileobj(response, file, 1 << 20)
        if fault := _fault(partial, expected):
            raise DatasetError(f"what {url} sent {fault}: try again, or {by_hand}")
        partial.replace(archive)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DatasetError(f"cannot download {url} ({reason}): {by_hand}") from None
    finally:
        partial.unlink(missing_ok=True)


def _fault(archive: pathlib.Path, expected: checksums.UrlInfo) -> str | None:
    """Say how a file differs from the recorded one, or None."""
    size = archive.stat().st_size
    if size != expected.size:
        return f"has {size} bytes instead of {int(expected.size)}"
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == expected.checksum else f"is damaged (its SHA-256 is {digest})"
