"""TFDS data sets in ArrayRecord files, prepared where that has not been done, without TensorFlow.

`shuffle.py` of TFDS sorts more than a gigabyte through files that it opens with TensorFlow; here it
gets the standard library's functions in their place.
"""

import contextlib
import functools
import io
import logging
import resource
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError
from PIL.PngImagePlugin import PngImageFile
from tensorflow_datasets.core import constants, shuffle
from tensorflow_datasets.proto import tf_example_pb2

from resnets.data.dataset import DatasetError, Images, Labels

_logger = logging.getLogger(__name__)


class Prepared:
    """A TFDS data set with the features `image` and `label`, in ArrayRecord files.

    Args:
      builder: makes the builder, given `data_dir`.
      directory: where TFDS keeps its data sets; empty for TFDS's own default.

    Raises:
      DatasetError: it is not prepared and cannot be, or what is prepared is damaged.
    """

    def __init__(
        self, builder: Callable[..., tfds.core.GeneratorBasedBuilder], directory: str
    ) -> None:
        root = str(Path(directory or constants.get_default_data_dir()).expanduser())
        make = functools.partial(builder, data_dir=root)
        try:
            self._builder = make()
            if not self._builder.info.splits:
                _prepare(self._builder, make)
                self._builder = make()
        except ParseError as error:
            raise DatasetError(f"damaged description of a data set in {root}: {error}") from None
        if not self._builder.info.splits:
            raise DatasetError(f"{self.directory} holds no complete data set: delete it")

    @property
    def splits(self) -> tfds.core.SplitDict:
        """Names and sizes of the splits."""
        return self._builder.info.splits

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self._builder.info.features["label"].num_classes)

    def read(self, split: str, start: int, stop: int) -> tuple[Images, Labels]:
        """Read and decode the examples of a split, stored as PNG, from `start` to before `stop`.

        Raises:
          DatasetError: the files are damaged, or not of the ArrayRecord format.
        """
        source = self.records(split)
        with damage_named(self.directory):
            records: Sequence[bytes] = source.__getitems__(range(start, stop))
        pixels, labels = bytearray(), []
        for record in records:
            example = tf_example_pb2.Example.FromString(record).features.feature
            png = io.BytesIO(example["image"].bytes_list.value[0])
            pixels += PngImageFile(png).tobytes()  # a third faster than Image.open
            labels.append(example["label"].int64_list.value[0])
        shape = self._builder.info.features["image"].shape
        images = np.frombuffer(pixels, np.uint8).reshape(len(labels), *shape)
        return images, np.array(labels, np.int32)

    @property
    def directory(self) -> str:
        """Where its files are."""
        return str(self._builder.data_dir)

    def records(self, split: str) -> Any:
        """Open a split for random access to its records, each a serialised `tf.train.Example`.

        The source opens its files when it first reads from them, and can be pickled.

        Raises:
          DatasetError: the files are not of the ArrayRecord format.
        """
        # Raw records: decoding them here takes half the time of TFDS's generic decoder.
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        try:
            return self._builder.as_data_source(split, deserialize_method=raw)
        except NotImplementedError:
            format_found = self._builder.info.file_format.value
            raise DatasetError(
                f"{self.directory} is prepared as {format_found}, not as array_record: "
                "choose another directory, or delete it"
            ) from None


@contextlib.contextmanager
def damage_named(directory: str) -> Iterator[None]:
    """Turn what array_record raises for every file that it cannot read into a `DatasetError`."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{directory} is damaged ({reason}): delete it, to be built again"
        ) from None


def _prepare(
    builder: tfds.core.GeneratorBasedBuilder,
    make: Callable[[], tfds.core.GeneratorBasedBuilder],
) -> None:
    _logger.info("building %s in %s", builder.name, builder.data_dir)
    tfds.disable_progress_bar()
    shuffle.tf = _files_without_tensorflow()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints; stdout is the answer's
            builder.download_and_prepare(file_format="array_record")
    except OSError as error:
        # Another process that builds the same set may have been first: then its files count.
        if not make().info.splits:
            raise DatasetError(
                f"cannot build {builder.name} in {builder.data_dir_root}: {error}"
            ) from None


def _files_without_tensorflow() -> types.SimpleNamespace:
    """What TFDS's shuffler uses of TensorFlow."""
    gfile = types.SimpleNamespace(
        GFile=_open_bucket, exists=lambda path: path.exists(), remove=lambda path: path.unlink()
    )
    return types.SimpleNamespace(
        io=types.SimpleNamespace(gfile=gfile),
        errors=types.SimpleNamespace(ResourceExhaustedError=()),
    )


def _open_bucket(path: Path, mode: str) -> IO[Any]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:  # a thousand buckets are open at once, and the usual soft limit is 1024
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return path.open(mode)
