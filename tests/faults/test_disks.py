"""Disks that fill up, turn read-only or go away, and clocks that jump: nothing is lost."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from resnets.errors import RunError
from resnets.training import integrity
from resnets.training.loop import train
from tests.faults.conftest import outcome
from tests.faults.test_kills import await_, launch

pytestmark = pytest.mark.faults


def fill(folder, leave):
    """Take all the space of a file system but `leave` bytes."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            os.truncate(file.fileno(), max(0, file.tell() // 4096 * 4096 - leave))


def intact(run):
    """Steps of the checkpoints that are what was saved."""
    return sorted(integrity.check(path)["step"] for path in run.glob("checkpoints/[0-9]*"))


def fails_in_one_line(config, run, says):
    with pytest.raises(RunError) as caught:
        train(config, run, "run")
    message = str(caught.value)
    assert says in message, message
    assert "\n" not in message
    assert not (run / "done.json").exists()


@pytest.mark.parametrize("leave_kb", [0, 4, 12, 20, 28, 36, 44, 52, 60])
def test_a_disk_that_fills_up_during_a_save(config, whole, tmp_path, mount, at_step, leave_kb):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", disk)
    run = disk / "run"

    def fill_up():
        while intact(run) != [4]:  # the save before is complete
            time.sleep(0.01)
        fill(disk, leave_kb * 1024)

    at_step(5, fill_up)
    fails_in_one_line(config, run, "No space left on device")
    assert intact(run)[:1] == [4]
    (disk / "filler").unlink()
    train(config, run, "run")
    assert outcome(run) == whole


def test_the_command_says_it_in_one_line_and_exits_with_one(tmp_path, mount):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", disk)
    run = disk / "run"
    process = launch(run, epochs=200)
    await_(process, lambda: any(run.glob("checkpoints/[0-9]*")))
    filling = threading.Thread(target=fill, args=(disk, 0))
    filling.start()
    _, err = process.communicate(timeout=300)
    filling.join()
    assert process.returncode == 1
    (own,) = [line for line in err.splitlines() if line.startswith("launch.sh")]
    assert "No space left on device" in own
    assert "Traceback" not in err
    assert intact(run)


def test_a_directory_that_turns_read_only_while_it_is_written(
    config, whole, tmp_path, mount, at_step
):
    run = tmp_path / "run"

    def lock_up():
        while intact(run) != [4]:
            time.sleep(0.01)
        for rest in (".saving", ".deleted"):
            (run / "checkpoints" / rest).mkdir(exist_ok=True)
        mount("--bind", run / "checkpoints" / ".saving", run / "checkpoints" / ".saving")
        mount("-o", "remount,ro,bind", run / "checkpoints" / ".saving")

    at_step(5, lock_up)
    fails_in_one_line(config, run, "Read-only file system")
    assert intact(run) == [4]
    for _ in range(2):
        subprocess.run(["umount", run / "checkpoints" / ".saving"], check=False)
    train(config, run, "run")
    assert outcome(run) == whole


def test_a_read_only_directory(config, whole, cut, mount):
    before = sorted(str(path) for path in cut.rglob("*"))
    mount("--bind", cut, cut)
    mount("-o", "remount,ro,bind", cut)
    fails_in_one_line(config, cut, "Read-only file system")
    assert sorted(str(path) for path in cut.rglob("*")) == before
    subprocess.run(["umount", cut], check=True)
    train(config, cut, "cut")
    assert outcome(cut) == whole


def test_a_mount_that_vanishes(config, whole, tmp_path, mount, at_step):
    real, place = tmp_path / "real", tmp_path / "place"
    real.mkdir()
    place.mkdir()
    mount("--bind", real, place)

    def vanish():
        while intact(place / "run") != [4]:
            time.sleep(0.01)
        subprocess.run(["umount", "-l", place], check=True)

    at_step(5, vanish)
    fails_in_one_line(config, place / "run", "No such file or directory")
    assert list(place.iterdir()) == []
    assert intact(real / "run") == [4]
    mount("--bind", real, place)
    (place / "run" / "lock.json").unlink()  # of this very process, which could not reach it
    train(config, place / "run", "run")
    assert outcome(place / "run") == whole


def test_a_clock_that_jumps_back(config, whole, cut, monkeypatch, tmp_path):
    clock = {"now": 2e9}

    def backwards():
        clock["now"] -= 3600.0
        return clock["now"]

    monkeypatch.setattr(time, "time", backwards)
    train(config, cut, "cut")
    train(config, tmp_path / "other", "other")
    monkeypatch.undo()
    assert outcome(cut) == whole
    assert outcome(tmp_path / "other")[1] == whole[1]


def test_files_with_dates_of_the_future_are_like_any_other(config, whole, cut):
    for path in [cut, *cut.rglob("*")]:
        os.utime(path, (4e9, 4e9))
    train(config, cut, "cut")
    assert outcome(cut) == whole
    shutil.rmtree(cut)
