"""Streamed batches follow from the seed and the step; every example is met, or named as corrupt."""

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from resnets.data import DatasetError, View, stream, streaming
from resnets.data.crops import decode
from resnets.data.streaming import Batch
from resnets.errors import RunError
from tests.data import fake_imagenet

VIEW = View(size=24, resize=28, crop="area:smallest=0.2", flip=True)
BATCH, STEPS = 4, 2  # whole batches of the ten training examples


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("streamed")
    fake_imagenet.write_archives(path)
    return str(path)


@pytest.fixture
def dataset(directory):
    return stream("imagenet2012", VIEW, directory=directory)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def assert_equal(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert equal(a, b)


def joined(batches):
    """All examples of several batches as one."""
    return Batch(*map(np.concatenate, zip(*batches, strict=True)))


def corrupt_number(dataset):
    names = [dataset.records["train"][i].file_name for i in range(dataset.size("train"))]
    return names.index(fake_imagenet.CORRUPT)


class TestTraining:
    def test_batches_have_one_shape_and_the_bytes_of_images(self, dataset):
        for batch in dataset.train_batches(0, BATCH, 0, 5):
            assert (batch.images.shape, batch.images.dtype) == ((BATCH, 24, 24, 3), np.uint8)
            for array, dtype in zip(batch[1:], (np.int32, np.bool_, np.int32), strict=True):
                assert (array.shape, array.dtype) == ((BATCH,), dtype)
            assert batch.counted.all()

    @pytest.mark.slow
    def test_a_run_that_goes_on_sees_what_one_never_interrupted_sees(self, dataset):
        whole = list(dataset.train_batches(7, BATCH, 0, 7))
        for step in (1, 2, 5):
            assert_equal(dataset.train_batches(7, BATCH, step, 7), whole[step:])

    def test_worker_processes_change_nothing(self, dataset, directory):
        whole = list(dataset.train_batches(3, BATCH, 1, 6))
        processes = stream("imagenet2012", VIEW, directory=directory, workers=2)
        assert_equal(processes.train_batches(3, BATCH, 1, 6), whole)

    def test_another_seed_gives_another_order(self, dataset):
        one, other = (joined(dataset.train_batches(seed, BATCH, 0, 6)) for seed in (0, 1))
        assert not np.array_equal(one.labels, other.labels)

    def test_an_epoch_takes_each_example_at_most_once_in_an_order_of_its_own(self, directory):
        """Seen by the bytes of whole images, which no crop changes."""
        still = View(size=24, resize=24, crop="area:smallest=1", flip=False)
        still = stream("imagenet2012", still, directory=directory)
        orders = [
            [image.tobytes() for image in joined(still.train_batches(0, 5, *steps)).images]
            for steps in ((0, 2), (2, 4))
        ]
        readable = dataset_bytes(still)
        for order in orders:
            # The corrupt one's place is taken by another, which is there twice.
            assert set(order) == readable
            assert len(order) == 10
        assert orders[0] != orders[1]

    def test_an_example_is_cropped_anew_in_every_epoch(self, dataset):
        images = joined(dataset.train_batches(0, 10, 0, 3)).images.reshape(3, 10, -1)
        for one, other in itertools.combinations(images, 2):
            assert not {row.tobytes() for row in one} & {row.tobytes() for row in other}

    def test_a_view_follows_from_seed_epoch_and_example(self, dataset):
        """Whatever the batch is that the example is in."""
        single = joined(dataset.train_batches(5, 1, 0, 10))
        batches = joined(dataset.train_batches(5, 5, 0, 2))
        assert equal(single, batches)

    def test_a_corrupt_example_is_told_and_replaced_by_the_next(self, dataset):
        number = corrupt_number(dataset)
        batch = joined(dataset.train_batches(0, 10, 0, 1))
        (place,) = np.flatnonzero(batch.corrupt >= 0)
        assert batch.corrupt[place] == number
        following = dataset.records["train"][(number + 1) % 10]
        assert batch.labels[place] == following.label
        rng = np.random.default_rng([0, 1, 0, number])
        np.testing.assert_array_equal(
            batch.images[place], VIEW.train(decode(following.content), rng)
        )

    def test_nothing_but_corrupt_examples_is_an_error_and_not_a_loop(self, dataset, monkeypatch):
        monkeypatch.setattr(streaming, "decode", lambda content: None)
        with pytest.raises(DatasetError, match="corrupt"):
            next(dataset.train_batches(0, BATCH, 0, 1))

    @pytest.mark.parametrize("parts", [2, pytest.param(4, marks=pytest.mark.slow)])
    def test_the_shares_of_several_hosts_make_up_the_batch(self, dataset, parts):
        whole = list(dataset.train_batches(0, BATCH, 0, 5))
        shares = [list(dataset.train_batches(0, BATCH, 0, 5, (i, parts))) for i in range(parts)]
        assert_equal(map(joined, zip(*shares, strict=True)), whole)


def dataset_bytes(dataset):
    """What each readable training image looks like whole."""
    rng = np.random.default_rng(0)
    images = (decode(dataset.records["train"][i].content) for i in range(10))
    return {dataset.view.train(image, rng).tobytes() for image in images if image}


class TestEvaluation:
    @pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
    def test_each_example_is_there_once_in_order_and_exact(self, dataset, batch_size):
        batches = list(dataset.eval_batches("test", batch_size))
        assert {len(batch.labels) for batch in batches} == {batch_size}
        everything = joined(batches)
        records = [dataset.records["test"][i] for i in range(5)]
        readable = [i for i, record in enumerate(records) if decode(record.content)]
        assert len(readable) == 4
        assert np.flatnonzero(everything.counted).tolist() == readable
        for i in readable:
            assert everything.labels[i] == records[i].label
            expected = VIEW.evaluate(decode(records[i].content))
            np.testing.assert_array_equal(everything.images[i], expected)

    def test_a_corrupt_example_is_told_and_does_not_count(self, dataset):
        batch = joined(dataset.eval_batches("test", 8))
        (number,) = batch.corrupt[batch.corrupt >= 0]
        assert dataset.records["test"][number].file_name == "ILSVRC2012_val_00000004.JPEG"
        assert not batch.counted[number]
        assert not batch.images[~batch.counted].any()

    @pytest.mark.slow
    def test_worker_processes_change_nothing(self, dataset, directory):
        processes = stream("imagenet2012", VIEW, directory=directory, workers=1)
        assert_equal(processes.eval_batches("train", 3), dataset.eval_batches("train", 3))

    def test_the_shares_of_two_hosts_make_up_the_batch(self, dataset):
        shares = [list(dataset.eval_batches("test", 4, (i, 2))) for i in range(2)]
        assert_equal(map(joined, zip(*shares, strict=True)), dataset.eval_batches("test", 4))


class TestSplits:
    def test_expressions_choose_the_examples(self, dataset, directory):
        part = stream(
            "imagenet2012", VIEW, "train[:2]+train[7:]", "train[2:5]", "", directory=directory
        )
        assert [part.size(role) for role in ("train", "validation", "test")] == [5, 3, 0]
        for role, numbers in {"train": [0, 1, 7, 8, 9], "validation": [2, 3, 4]}.items():
            chosen = [part.records[role][i] for i in range(part.size(role))]
            assert chosen == [dataset.records["train"][i] for i in numbers]

    def test_an_empty_split_has_no_batches(self, directory):
        nothing = stream("imagenet2012", VIEW, test="", directory=directory)
        assert list(nothing.eval_batches("test", 4)) == []

    @pytest.mark.parametrize(
        ("splits", "says"),
        [
            ({"train": "trian"}, "Unknown split 'trian'"),
            ({"validation": "train[5:]"}, "share examples"),
            ({"test": "test"}, "Unknown split 'test'"),
        ],
    )
    def test_a_wrong_split_is_one_line(self, directory, splits, says):
        with pytest.raises(DatasetError, match=says) as caught:
            stream("imagenet2012", VIEW, directory=directory, **splits)
        assert "\n" not in str(caught.value)


def test_damaged_files_are_named_before_anything_starts(tmp_path):
    fake_imagenet.write_archives(tmp_path)
    stream("imagenet2012", VIEW, directory=str(tmp_path))
    for file in tmp_path.rglob("*.array_record*"):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DatasetError, match=r"is damaged .* delete it") as caught:
        stream("imagenet2012", VIEW, directory=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_consumer_that_stops_early_leaves_no_process_behind(directory):
    before = set(multiprocessing.active_children())
    dataset = stream("imagenet2012", VIEW, directory=directory, workers=1)
    batches = dataset.train_batches(0, BATCH, 0, 1000)
    next(batches)
    assert set(multiprocessing.active_children()) > before
    batches.close()
    assert set(multiprocessing.active_children()) == before


def test_a_worker_that_is_killed_ends_the_run_with_one_line(directory):
    """As the system does to a process that takes too much memory."""
    dataset = stream("imagenet2012", VIEW, directory=directory, workers=1)
    batches = dataset.train_batches(0, BATCH, 0, 1000)
    before = set(multiprocessing.active_children())
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - before
    worker.kill()
    with pytest.raises(RunError, match=r"decoding stopped: .* exit code -9; fewer") as caught:
        for _ in batches:
            pass
    assert "\n" not in str(caught.value)


KILLED = """
import sys
from resnets.data import View, stream
view = View(size=24, resize=28, crop="area", flip=True)
if __name__ == "__main__":
    batches = stream("imagenet2012", view, directory=sys.argv[1], workers=1)
    stepper = batches.train_batches(0, 4, 0, 100000)
    next(stepper)
    import multiprocessing
    print(multiprocessing.active_children()[0].pid, "tensorflow" in sys.modules, flush=True)
    sys.stdin.read()
"""


def test_workers_end_with_a_parent_that_is_killed_and_tensorflow_is_not_imported(
    directory, tmp_path
):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(script), directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        worker, tensorflow = process.stdout.readline().split()
        assert tensorflow == "False"
        os.kill(int(worker), 0)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        if "State:\tZ" in Path(f"/proc/{worker}/status").read_text():
            break
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{worker}").exists()
