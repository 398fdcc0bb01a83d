"""Checkpoints that can be trusted: sealed, verified, set aside, pruned."""

import errno
import json
import logging
import os
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnets.errors import RunError
from resnets.training import checkpoints as module
from resnets.training import durable
from resnets.training.checkpoints import Checkpoints, Tag, read, steps
from resnets.training.integrity import NAME, DamagedError, check, seal
from resnets.training.state import TrainState


def state_of(step):
    """A small state whose every number depends on its step."""
    params = {"dense": {"kernel": jnp.arange(12.0).reshape(3, 4) + step, "bias": jnp.zeros(4)}}
    trace = jax.tree.map(lambda x: x * 0.5, params)
    return TrainState(jnp.int32(step), params, {}, (trace,), None)


def save(checkpoints, *wanted, **tag):
    for step in wanted:
        checkpoints.save(state_of(step), step, {"wall_s": 0.5 * step}, Tag(**tag))
    checkpoints.wait()


@pytest.fixture
def directory(tmp_path):
    """Checkpoints of steps 1 and 2."""
    with Checkpoints(tmp_path / "checkpoints", keep=3) as checkpoints:
        save(checkpoints, 1, 2)
    return tmp_path / "checkpoints"


def restored_step(directory):
    with Checkpoints(directory, keep=3) as checkpoints:
        found = checkpoints.restore(state_of(0))
    return int(found[0].step) if found else None


def test_what_is_restored_is_what_was_saved_bit_for_bit(directory):
    with Checkpoints(directory, keep=3) as checkpoints:
        state, host = checkpoints.restore(state_of(0))
        early, _ = checkpoints.restore(state_of(0), at_most=1)
    jax.tree.map(np.testing.assert_array_equal, state, state_of(2))
    assert host == {"wall_s": 1.0}
    assert int(early.step) == 1
    assert int(read(directory)["step"]) == 2


def test_a_manifest_lists_every_file_with_its_size_and_hash(directory):
    import hashlib

    folder = directory / "2"
    listed = json.loads((folder / NAME).read_text())["files"]
    files = {str(f.relative_to(folder)): f for f in folder.rglob("*") if f.is_file()}
    assert listed.keys() == files.keys() - {NAME}
    for name, (size, digest) in listed.items():
        content = files[name].read_bytes()
        assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def cut(file):
    os.truncate(file, file.stat().st_size - 1)


@pytest.mark.parametrize("harm", [flip, cut, os.unlink])
@pytest.mark.parametrize("name", [NAME, "state/manifest.ocdbt", "host/metadata"])
def test_a_damaged_checkpoint_is_named_and_set_aside_and_the_one_before_is_used(
    directory, caplog, harm, name
):
    harm(directory / "2" / name)
    with caplog.at_level(logging.WARNING):
        assert int(read(directory)["step"]) == 1
        assert sorted(steps(directory)) == [1, 2]  # reading moves nothing
        assert restored_step(directory) == 1
    assert all(word in caplog.text for word in (f"{directory / '2'} is damaged", name, "set aside"))
    assert steps(directory) == [1]
    assert (directory / "damaged" / "2" / "state").is_dir()


def test_nothing_that_was_set_aside_is_overwritten(directory):
    flip(directory / "2" / NAME)
    with Checkpoints(directory, keep=3) as checkpoints:
        checkpoints.restore(state_of(0))
        save(checkpoints, 2)
    flip(directory / "2" / NAME)
    assert restored_step(directory) == 1
    assert sorted(path.name for path in (directory / "damaged").iterdir()) == ["2", "2-1"]


def test_without_an_intact_checkpoint_a_run_begins_anew(directory):
    for step in (1, 2):
        flip(directory / str(step) / NAME)
    assert restored_step(directory) is None


def test_what_a_killed_save_leaves_is_not_a_checkpoint(directory):
    (directory / ".saving" / "3.orbax-checkpoint-tmp").mkdir(parents=True)
    (directory / ".deleted" / "0").mkdir(parents=True)
    assert restored_step(directory) == 2
    assert sorted(path.name for path in directory.iterdir()) == ["1", "2"]


def test_files_that_the_manifest_does_not_list_are_no_damage(directory):
    (directory / "2" / ".nfs0001").write_text("open elsewhere")
    assert restored_step(directory) == 2


def test_the_newest_planned_ones_the_best_and_a_newest_unplanned_one_stay(tmp_path):
    with Checkpoints(tmp_path, keep=2, keep_best=True) as checkpoints:
        for step, metric in ((1, 0.5), (2, 0.1), (3, 0.3), (4, None)):
            save(checkpoints, step, metric=metric)
        save(checkpoints, 5, planned=False)
        assert sorted(steps(tmp_path)) == [2, 3, 4, 5]
        save(checkpoints, 6, metric=0.2)
        assert sorted(steps(tmp_path)) == [2, 4, 6]
    assert int(read(tmp_path)["step"]) == 6
    assert int(read(tmp_path, best=True)["step"]) == 2


def test_of_a_path_given_up_only_what_lies_behind_the_turn_stays(tmp_path):
    with Checkpoints(tmp_path, keep=9) as checkpoints:
        save(checkpoints, 2, 4, 6)
        checkpoints.forget_after(4, rewinds=1)
        save(checkpoints, 5, rewinds=1)
        checkpoints.forget_after(4, rewinds=1)
        assert sorted(steps(tmp_path)) == [2, 4, 5]


def test_a_save_does_not_hold_the_loop_up(tmp_path, monkeypatch):
    """The loop goes on while a save waits for its disk, and may give its buffers up."""
    slow, real = threading.Event(), module.integrity.seal

    def slowly(*args):
        assert slow.wait(10)
        real(*args)

    monkeypatch.setattr(module.integrity, "seal", slowly)
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        state = state_of(1)
        checkpoints.save(state, 1, {}, Tag())
        checkpoints.check()
        for leaf in jax.tree.leaves(state):
            leaf.delete()
        assert steps(tmp_path) == []
        slow.set()
        checkpoints.wait()
        saved, _ = checkpoints.restore(state_of(0))
    jax.tree.map(np.testing.assert_array_equal, saved, state_of(1))


def test_a_disk_that_does_not_take_it_is_one_line_and_the_last_one_stays(directory, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.integrity, "seal", full)
    with Checkpoints(directory, keep=1) as checkpoints:
        checkpoints.save(state_of(3), 3, {}, Tag())
        with pytest.raises(RunError, match=r"No space left on device; step 2 is kept") as caught:
            checkpoints.wait()
    assert "\n" not in str(caught.value)
    assert restored_step(directory) == 2


def test_what_shows_where_a_mount_was_is_not_written_to(directory):
    with Checkpoints(directory, keep=1) as checkpoints:
        directory.rename(directory.with_name("unmounted"))
        directory.mkdir()
        checkpoints.save(state_of(3), 3, {}, Tag())
        with pytest.raises(RunError, match="not the one that was opened"):
            checkpoints.wait()
    assert list(directory.iterdir()) == []


def test_an_intact_checkpoint_of_another_network_is_not_called_damaged(directory):
    other = TrainState(jnp.int32(0), {"conv": jnp.zeros(3)}, {}, (), None)
    with (
        Checkpoints(directory, keep=3) as checkpoints,
        pytest.raises(RunError, match="is intact but cannot be read") as caught,
    ):
        checkpoints.restore(other)
    assert "\n" not in str(caught.value)
    assert sorted(steps(directory)) == [1, 2]


def test_every_bit_of_a_manifest_counts(tmp_path):
    (tmp_path / "weights").write_bytes(b"0123456789")
    seal(tmp_path, {"step": 4})
    assert check(tmp_path) == {"step": 4}
    content = (tmp_path / NAME).read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / NAME).write_bytes(changed)
        with pytest.raises(DamagedError, match=r"manifest\.json"):
            check(tmp_path)


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path):
    durable.check_space(tmp_path, 1)
    with pytest.raises(OSError, match="No space left on device") as caught:
        durable.check_space(tmp_path, 2**62)
    assert caught.value.errno == errno.ENOSPC
