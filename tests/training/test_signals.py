"""Signals that ask a run to stop."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time
from resnets.training import signals
signals.GRACE_S = float(sys.argv[2])
with signals.Signals() as heard:
    print("ready", flush=True)
    {wait}
    print("saved", flush=True)
    sys.exit(heard.exit_code)
"""
POLLING = "while not heard.stop.is_set(): time.sleep(0.01)"
# Such as a compiler: while it lasts the main thread runs no Python, and holds no lock.
BUSY = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 1 << 30)"
WAITING = POLLING + "\n    time.sleep(60)"


@pytest.fixture
def start():
    processes = []

    def start(wait, grace=30.0):
        command = [sys.executable, "-c", PROGRAM.format(wait=wait), "-", str(grace)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_the_first_signal_lets_the_run_save(start, number, code):
    process = start(POLLING)
    process.send_signal(number)
    assert process.communicate(timeout=10) == (b"saved\n", b"")
    assert process.returncode == code


@pytest.mark.parametrize("wait", [BUSY, WAITING])
def test_a_second_signal_ends_it_at_once_whatever_the_main_thread_does(start, wait):
    process = start(wait)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert (process.returncode, out) == (75, b"")
    assert b"a second signal" in err


def test_a_run_that_cannot_answer_is_ended_after_the_grace(start):
    process = start(BUSY, grace=0.2)
    process.send_signal(signal.SIGINT)
    assert b"busy for" in process.communicate(timeout=10)[1]
    assert process.returncode == 130


def test_a_run_that_has_answered_may_save_for_longer(start):
    process = start(WAITING, grace=0.2)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.6)
