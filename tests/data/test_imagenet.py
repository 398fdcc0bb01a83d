"""ImageNet is built from the official archives as TFDS builds it, or refused with one line."""

import io
import resource

import numpy as np
import pytest
from PIL import Image
from tensorflow_datasets.core import shuffle
from tensorflow_datasets.datasets.imagenet2012 import imagenet2012_dataset_builder as stock

from resnets.data import DatasetError, View, stream
from tests.data import fake_imagenet

VIEW = View(size=32, resize=36, crop="area", flip=False)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A data directory in which the small ImageNet is prepared."""
    path = tmp_path_factory.mktemp("imagenet")
    fake_imagenet.write_archives(path)
    stream("imagenet2012", VIEW, directory=str(path))
    return path


@pytest.fixture
def folder(tmp_path):
    """Where the archives of an unprepared directory lie."""
    return fake_imagenet.write_archives(tmp_path)


def stored(dataset, split):
    """Content and label by file name."""
    records = (dataset.records[split][i] for i in range(dataset.size(split)))
    return {record.file_name: (record.content, record.label) for record in records}


def test_every_file_and_label_of_the_archives_comes_back(directory):
    dataset = stream("imagenet2012", VIEW, directory=str(directory))
    assert dataset.num_classes == 1000
    train = stored(dataset, "train")
    expected = {
        name: (content, label)
        for label, files in enumerate(fake_imagenet.train_files().values())
        for name, content in files.items()
    }
    cmyk = fake_imagenet.CMYK
    assert train.keys() == expected.keys()
    assert {k: v for k, v in train.items() if k != cmyk} == {
        k: v for k, v in expected.items() if k != cmyk
    }
    validation = fake_imagenet.validation_files()
    assert {name: content for name, (content, _) in stored(dataset, "test").items()} == validation


def test_validation_labels_are_those_that_tfds_ships(directory):
    builder = stock.Builder(data_dir=directory)
    lines = (stock.imagenet_common.tfds.core.tfds_path(LABELS)).read_text().split()
    names = builder.info.features["label"].names
    found = stored(stream("imagenet2012", VIEW, directory=str(directory)), "test")
    for i, name in enumerate(sorted(found)):
        assert names[found[name][1]] == lines[i]


LABELS = "datasets/imagenet2012/validation_labels.txt"


def test_the_files_that_are_cmyk_by_mistake_are_stored_as_rgb(directory):
    content, label = stored(stream("imagenet2012", VIEW, directory=str(directory)), "train")[
        fake_imagenet.CMYK
    ]
    image = Image.open(io.BytesIO(content))
    original = fake_imagenet.train_files()[fake_imagenet.SYNSETS[2]][fake_imagenet.CMYK]
    expected = Image.open(io.BytesIO(original)).convert("RGB")
    assert (image.mode, image.format, label) == ("RGB", "JPEG", 2)
    difference = np.abs(np.asarray(image, float) - np.asarray(expected, float))
    assert difference.mean() < 3  # it was encoded again


def test_the_stock_builder_finds_what_was_prepared(directory):
    builder = stock.Builder(data_dir=directory)
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert sizes == {"train": 10, "validation": 5}
    assert builder.info.file_format.value == "array_record"
    assert str(builder.version) == "5.1.0"


def test_the_order_is_the_same_when_it_is_sorted_through_files(directory, folder, monkeypatch):
    """As for the real archives, which do not fit into memory."""
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000)
    in_memory = stored(stream("imagenet2012", VIEW, directory=str(directory)), "train")
    parent = folder.parents[1]
    through_files = stored(stream("imagenet2012", VIEW, directory=str(parent)), "train")
    assert list(through_files.items()) == list(in_memory.items())
    assert list(through_files) != sorted(through_files)


def test_sorting_through_files_may_open_as_many_as_the_system_allows(folder, monkeypatch):
    """TFDS opens a thousand at once, and the usual soft limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard - 1), hard))
    try:
        stream("imagenet2012", VIEW, directory=str(folder.parents[1]))
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("missing", ["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"])
def test_without_an_archive_it_says_what_to_put_where(folder, tmp_path, missing):
    (folder / missing).unlink()
    with pytest.raises(DatasetError, match=r"image-net\.org") as caught:
        stream("imagenet2012", VIEW, directory=str(tmp_path))
    message = str(caught.value)
    assert f"put {missing} into {folder}" in message
    assert "\n" not in message


@pytest.mark.parametrize("archive", ["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"])
def test_a_truncated_archive_is_named_and_nothing_is_built(folder, tmp_path, archive):
    path = folder / archive
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DatasetError, match=f"{archive} is damaged") as caught:
        stream("imagenet2012", VIEW, directory=str(tmp_path))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "imagenet2012").iterdir())


@pytest.mark.parametrize(
    ("archive", "files", "says"),
    [
        ("ILSVRC2012_img_train.tar", {"n99999999.tar": b""}, "not the archive of a class"),
        ("ILSVRC2012_img_val.tar", {"cat.JPEG": b""}, "not an image of the validation set"),
    ],
)
def test_files_that_do_not_belong_there_are_named(folder, tmp_path, archive, files, says):
    (folder / archive).write_bytes(fake_imagenet.pack(files))
    with pytest.raises(DatasetError, match=f"{next(iter(files))} is {says}"):
        stream("imagenet2012", VIEW, directory=str(tmp_path))
