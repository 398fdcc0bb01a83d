"""One writer a run directory."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from resnets.errors import RunError
from resnets.training import lock
from resnets.training.lock import NAME, identity, locked


@pytest.fixture
def other_process():
    """A living process that is not this one."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def write(directory, **changes):
    (directory / NAME).write_text(json.dumps(identity() | changes))


def refusal(directory):
    with pytest.raises(RunError) as caught, locked(directory):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_lock_names_its_owner_and_goes_with_it(tmp_path):
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text()) == identity()
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_told_the_host_and_the_process(tmp_path, other_process):
    started = lock._started(other_process.pid)
    write(tmp_path, pid=other_process.pid, started=started)
    before = (tmp_path / NAME).read_bytes()
    assert f"process {other_process.pid} on host {identity()['host']}" in refusal(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_so_is_a_second_thread(tmp_path):
    with locked(tmp_path):
        assert f"process {os.getpid()}" in refusal(tmp_path)
    with locked(tmp_path):
        pass


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write(tmp_path, pid=gone.pid, started="12345")
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text()) == identity()


def test_so_is_that_of_one_whose_number_another_process_has_now(tmp_path, other_process):
    write(tmp_path, pid=other_process.pid, started="1")
    with locked(tmp_path):
        pass


def test_so_is_that_of_one_that_is_dead_but_not_buried(tmp_path):
    zombie = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    write(tmp_path, pid=zombie.pid, started=lock._started(zombie.pid))
    zombie.kill()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    with locked(tmp_path):
        pass
    zombie.communicate()


def test_so_is_one_from_before_the_machine_started_again(tmp_path):
    write(tmp_path, boot="another")
    with locked(tmp_path):
        pass


def test_the_lock_of_another_host_is_refused_with_the_file_to_remove(tmp_path):
    write(tmp_path, host="node17", pid=42)
    message = refusal(tmp_path)
    assert "process 42 on host node17" in message
    assert f"remove {tmp_path / NAME}" in message


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "node17"}', "[" * 9999, "\x00"])
def test_a_lock_that_cannot_be_read_is_refused_with_the_file_to_remove(tmp_path, content):
    (tmp_path / NAME).write_text(content)
    assert f"remove {tmp_path / NAME}" in refusal(tmp_path)


def test_of_many_that_find_a_stale_lock_at_once_one_gets_it(tmp_path):
    for _ in range(20):
        write(tmp_path, boot="another")
        barrier = Barrier(8)

        def attempt(_, barrier=barrier):
            barrier.wait()
            try:
                with locked(tmp_path):
                    barrier.wait()
                    return 1
            except RunError:
                barrier.wait()
                return 0

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 1


def test_without_hard_links_the_lock_still_works(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(lock.os, "link", no_links)
    with locked(tmp_path):
        assert f"process {os.getpid()}" in refusal(tmp_path)
    assert list(tmp_path.iterdir()) == []
