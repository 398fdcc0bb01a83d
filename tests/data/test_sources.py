"""Any data set loads by name into the same shape, or fails with one line that says what to do."""

import pathlib

import numpy as np
import pytest

from resnets.data import Dataset, DatasetError, load, names
from resnets.data.digits import Digits
from resnets.errors import UserError

SMALL = "synthetic:height=4,width=4,channels=1,train=20,validation=5,test=10"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data directory in which the digits are prepared."""
    path = str(tmp_path_factory.mktemp("tfds"))
    load("digits", directory=path)
    return path


@pytest.fixture(autouse=True)
def forget_loaded() -> None:
    load.cache_clear()


def dataset(images: np.ndarray) -> Dataset:
    labels = np.zeros(len(images), np.int32)
    return Dataset("made", images, labels, {"train": (0, len(images))}, 2)


class TestSplits:
    def test_expressions_choose_the_examples(self, directory):
        whole = load("digits", directory=directory)
        data = load("digits", "train[:1000]", "train[1000:]", "test[:50%]", directory)
        assert data.splits == {"train": (0, 1000), "validation": (1000, 1257), "test": (1257, 1437)}
        np.testing.assert_array_equal(data.images[:1257], whole.split("train")[0])
        np.testing.assert_array_equal(data.split("test")[1], whole.split("test")[1][:180])

    def test_sums_of_splits_are_joined(self, directory):
        data = load("digits", train="train+validation", directory=directory)
        assert data.splits["train"] == (0, 1437)

    def test_a_split_that_is_not_asked_for_is_empty(self):
        images, labels = load(SMALL).split("validation")
        assert images.shape == (0, 4, 4, 1)
        assert labels.shape == (0,)

    def test_synthetic_data_takes_the_same_expressions(self):
        whole = load(SMALL)
        part = load(SMALL, train="train[5:10]", validation="train[10:]")
        np.testing.assert_array_equal(part.images[:15], whole.images[5:20])

    @pytest.mark.parametrize(
        ("expression", "reason"),
        [
            ("trian", "Unknown split 'trian'"),
            ("train[", "Unrecognized split format"),
            ("train[30:]", "incompatible with 20 examples"),
            ("train[5:5]", "no examples"),
            ("all[:3]", "does not support slice"),
        ],
    )
    def test_a_bad_expression_is_refused_with_its_field(self, expression, reason):
        with pytest.raises(DatasetError, match=reason) as caught:
            load(SMALL, train=expression)
        assert f"train={expression!r}" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_an_empty_split_of_the_data_set_is_refused(self):
        with pytest.raises(DatasetError, match=r"no examples; the splits are .*validation \(0\)"):
            load("synthetic:train=2", validation="validation")

    def test_splits_that_share_examples_are_refused(self):
        with pytest.raises(DatasetError, match=r"train='train' and validation=.* share examples"):
            load(SMALL, validation="train[15:]")

    def test_no_split_at_all_is_refused(self):
        with pytest.raises(DatasetError, match="all empty"):
            load(SMALL, train="", test="")

    def test_an_unknown_split_of_a_loaded_set_names_the_valid_ones(self):
        with pytest.raises(DatasetError, match=r"did you mean 'test'\? \(valid: train, validation"):
            load(SMALL).split("tset")


class TestNames:
    def test_all_are_listed(self):
        assert names() == ("digits", "cifar10", "cifar100", "synthetic")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("cifr10", "did you mean 'cifar10'"),
            ("", "valid: digits, cifar10"),
            ("digits:size=8", "unknown argument 'size'"),
            ("synthetic:hight=8", "did you mean 'height'"),
        ],
    )
    def test_a_wrong_name_suggests_the_right_one(self, name, reason):
        with pytest.raises(DatasetError, match=reason) as caught:
            load(name)
        assert isinstance(caught.value, UserError)
        assert "\n" not in str(caught.value)


class TestMemory:
    def test_a_repeated_call_returns_the_same_object(self):
        assert load(SMALL) is load(SMALL)

    def test_the_arrays_are_read_only(self):
        data = load(SMALL)
        assert not data.images.flags.writeable
        assert not data.labels.flags.writeable


class TestStatistics:
    def test_they_are_those_of_the_training_images_scaled_to_one(self):
        data = load("synthetic:train=40,test=5")
        scaled = data.split("train")[0] / 255
        mean, std = data.statistics()
        np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-12)

    def test_a_constant_channel_has_deviation_one(self):
        images = np.full((3, 2, 2, 2), 77, np.uint8)
        images[0, 0, 0, 1] = 0
        mean, std = dataset(images).statistics()
        assert mean[0] == pytest.approx(77 / 255)
        assert std[0] == 1
        assert 0 < std[1] < 1

    def test_there_are_none_of_an_empty_split(self):
        with pytest.raises(DatasetError, match="empty training split"):
            load(SMALL, train="").statistics()


class TestDirectory:
    def test_the_environment_names_the_default(self, directory, monkeypatch):
        monkeypatch.setenv("TFDS_DATA_DIR", directory)
        monkeypatch.setattr(Digits, "_split_generators", None)  # it must not be built again
        assert load("digits").splits["train"] == (0, 1257)

    def test_the_home_directory_may_be_abbreviated(self, directory, monkeypatch):
        monkeypatch.setenv("HOME", str(pathlib.Path(directory).parent))
        monkeypatch.setattr(Digits, "_split_generators", None)
        data = load("digits", directory=f"~/{pathlib.Path(directory).name}")
        assert data.splits["train"] == (0, 1257)

    def test_one_that_cannot_be_written_is_named(self, tmp_path):
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(DatasetError, match=f"cannot build digits in {file}: .*directory"):
            load("digits", directory=str(file))

    def test_building_prints_nothing(self, tmp_path, capfd):
        load("digits", directory=str(tmp_path))
        assert capfd.readouterr() == ("", "")

    def test_two_processes_may_build_at_once(self, tmp_path, monkeypatch):
        build = Digits._split_generators

        def overtaken(self: Digits, manager: object) -> object:
            monkeypatch.setattr(Digits, "_split_generators", build)
            load("digits", directory=str(tmp_path))  # the other one finishes first
            return build(self, manager)

        monkeypatch.setattr(Digits, "_split_generators", overtaken)
        assert load("digits", directory=str(tmp_path)).splits["test"] == (1257, 1617)
        assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1.0.0"]


class TestDamage:
    """What is prepared may have been cut off by a full disk or copied in part."""

    @pytest.fixture
    def prepared(self, tmp_path: pathlib.Path) -> pathlib.Path:
        load("digits", directory=str(tmp_path))
        load.cache_clear()
        return tmp_path / "digits" / "1.0.0"

    def refused(self, tmp_path: pathlib.Path, reason: str) -> None:
        with pytest.raises(DatasetError, match=reason) as caught:
            load("digits", directory=str(tmp_path))
        assert "\n" not in str(caught.value)

    def test_truncated_records(self, prepared, tmp_path):
        (records,) = prepared.glob("digits-train.*")
        records.write_bytes(records.read_bytes()[:1000])
        self.refused(tmp_path, f"{prepared} is damaged .*: delete it")

    def test_missing_records(self, prepared, tmp_path):
        (records,) = prepared.glob("digits-test.*")
        records.unlink()
        self.refused(tmp_path, f"{prepared} is damaged .*: delete it")

    def test_a_missing_description(self, prepared, tmp_path):
        (prepared / "dataset_info.json").unlink()
        self.refused(tmp_path, f"{prepared} holds no complete data set: delete it")

    def test_a_truncated_description(self, prepared, tmp_path):
        (prepared / "dataset_info.json").write_text("{")
        self.refused(tmp_path, "damaged description")

    def test_another_file_format(self, prepared, tmp_path):
        description = prepared / "dataset_info.json"
        description.write_text(description.read_text().replace("array_record", "tfrecord"))
        self.refused(tmp_path, "is prepared as tfrecord, not as array_record")
