"""CIFAR is read from the official binary archive, or refused with one line that says what to do."""

import io
import pathlib
import tarfile

import numpy as np
import pytest
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.image_classification import cifar as stock

from resnets.data import DatasetError, cifar, load

BUILDERS = {"cifar10": cifar.Cifar10, "cifar100": cifar.Cifar100}
TEN_NAMES = [f"name{i}" for i in range(10)]
HUNDRED_NAMES = [f"fine{i}" for i in range(100)]
TWENTY_NAMES = [f"coarse{i}" for i in range(20)]


def records(seed: int, *classes: int) -> np.ndarray:
    """Seven records: a label a column for each number of classes, then red, green, blue planes."""
    rng = np.random.default_rng(seed)
    labels = [rng.integers(0, n, (7, 1), np.uint8) for n in classes]
    return np.concatenate([*labels, rng.integers(0, 256, (7, 3072), np.uint8)], axis=1)


FILES = {
    "cifar10": {
        **{f"data_batch_{i}.bin": records(i, 10) for i in range(1, 6)},
        "test_batch.bin": records(6, 10),
        "batches.meta.txt": TEN_NAMES,
    },
    "cifar100": {
        "train.bin": records(1, 20, 100),
        "test.bin": records(2, 20, 100),
        "fine_label_names.txt": HUNDRED_NAMES,
        "coarse_label_names.txt": TWENTY_NAMES,
    },
}
FOLDERS = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}
ARCHIVES = {"cifar10": "cifar-10-binary.tar.gz", "cifar100": "cifar-100-binary.tar.gz"}
TRAIN_FILES = {"cifar10": [f"data_batch_{i}.bin" for i in range(1, 6)], "cifar100": ["train.bin"]}
TEST_FILE = {"cifar10": "test_batch.bin", "cifar100": "test.bin"}


def write_archive(name: str, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for file, content in FILES[name].items():
            lines = isinstance(content, list)
            data = ("\n".join(content) + "\n").encode() if lines else content.tobytes()
            member = tarfile.TarInfo(f"{FOLDERS[name]}/{file}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def trust(name: str, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small archive pass for the official one."""
    (url,) = (u for u in BUILDERS[name].url_infos if u.endswith(ARCHIVES[name]))
    monkeypatch.setattr(BUILDERS[name], "url_infos", {url: checksums.compute_url_info(path)})


@pytest.fixture(params=BUILDERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def archive(name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A complete archive where a user would put it."""
    path = tmp_path / "downloads" / "manual" / ARCHIVES[name]
    write_archive(name, path)
    trust(name, path, monkeypatch)
    return path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


def in_order(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    """Examples in an order of their own: TFDS shuffles them."""
    pairs = zip(images, labels, strict=True)
    return sorted((image.tobytes(), int(label)) for image, label in pairs)


@pytest.mark.usefixtures("archive")
def test_every_pixel_and_label_of_the_archive_comes_back(name, tmp_path):
    data = load(name, directory=str(tmp_path))
    assert data.images.shape == (len(TRAIN_FILES[name]) * 7 + 7, 32, 32, 3)
    assert data.num_classes == {"cifar10": 10, "cifar100": 100}[name]
    for split, files in {"train": TRAIN_FILES[name], "test": [TEST_FILE[name]]}.items():
        written = np.concatenate([FILES[name][file] for file in files])
        images = written[:, -3072:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        assert in_order(*data.split(split)) == in_order(images, written[:, -3073])


@pytest.mark.usefixtures("archive")
def test_the_stock_builder_finds_what_was_prepared(name, tmp_path):
    load(name, directory=str(tmp_path))
    builder = {"cifar10": stock.Cifar10, "cifar100": stock.Cifar100}[name](data_dir=tmp_path)
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": len(TRAIN_FILES[name]) * 7,
        "test": 7,
    }
    names = {"cifar10": TEN_NAMES, "cifar100": HUNDRED_NAMES}[name]
    assert builder.info.features["label"].names == names


@pytest.mark.usefixtures("archive")
def test_preparing_prints_nothing(name, tmp_path, capfd):
    load(name, directory=str(tmp_path))
    assert capfd.readouterr() == ("", "")


def test_a_truncated_archive_is_refused_and_nothing_is_built(name, archive, tmp_path):
    size = archive.stat().st_size
    with archive.open("r+b") as file:
        file.truncate(size // 2)
    with pytest.raises(DatasetError, match=f"{size // 2} bytes instead of {size}: delete it"):
        load(name, directory=str(tmp_path))
    assert not list((tmp_path / name).iterdir())


def test_a_damaged_archive_is_refused(name, archive, tmp_path):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        load(name, directory=str(tmp_path))


@pytest.mark.usefixtures("no_network")
def test_without_archive_and_network_it_says_what_to_put_where(name, tmp_path):
    with pytest.raises(DatasetError) as caught:
        load(name, directory=str(tmp_path))
    message = str(caught.value)
    assert f"https://www.cs.toronto.edu/~kriz/{ARCHIVES[name]}" in message
    assert str(tmp_path / "downloads" / "manual" / ARCHIVES[name]) in message
    assert "\n" not in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def served(name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An archive behind the address that the builder downloads from."""
    path = tmp_path / "server" / ARCHIVES[name]
    write_archive(name, path)
    info = BUILDERS[name]._cifar_info.fget(BUILDERS[name](data_dir=tmp_path))
    monkeypatch.setattr(BUILDERS[name], "_cifar_info", info._replace(url=path.as_uri()))
    monkeypatch.setattr(
        BUILDERS[name], "url_infos", {path.as_uri(): checksums.compute_url_info(path)}
    )
    return path


def test_a_download_is_kept_where_the_user_would_put_it(name, served, tmp_path):
    load(name, directory=str(tmp_path))
    kept = tmp_path / "downloads" / "manual" / ARCHIVES[name]
    assert kept.read_bytes() == served.read_bytes()


def test_a_download_that_breaks_off_is_refused_and_not_kept(name, served, tmp_path):
    served.write_bytes(served.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="bytes instead of"):
        load(name, directory=str(tmp_path))
    assert not list((tmp_path / "downloads" / "manual").iterdir())


def test_the_official_archives_are_the_ones_that_tfds_recorded(name):
    builder = BUILDERS[name]
    url = f"https://www.cs.toronto.edu/~kriz/{ARCHIVES[name]}"
    sizes = {"cifar10": 170052171, "cifar100": 168513733}
    assert builder.url_infos[url].size == sizes[name]
    assert builder.name == name
    assert str(builder.VERSION) == "3.0.2"
