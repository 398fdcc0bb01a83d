"""Processes of one run: what they agree on, and how they end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resnets.errors import RunError, UserError
from resnets.training.links import Place, free_port
from resnets.training.pace import Pace
from resnets.training.processes import ALONE, Team, assemble


def gathered(count, act):
    """What `act(team)` gives at each of so many processes, here threads."""
    port = free_port()
    places = [Place(f"127.0.0.1:{port}", count, index, 20.0) for index in range(count)]

    def one(place):
        with assemble(place, "test") as team:
            return act(team)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, places))


def test_a_run_of_one_process_asks_only_itself():
    stop = threading.Event()
    assert ALONE.first
    assert ALONE.share(lambda: 3) == 3
    assert ALONE.gather("a") == ["a"]
    assert ALONE.in_turn(lambda: 4) == 4
    assert not ALONE.any_set(stop)
    stop.set()
    assert ALONE.any_set(stop)
    ALONE.check_same("config", {"a": (1, 2)})
    with pytest.raises(ZeroDivisionError), ALONE:
        _ = 1 / 0


def test_the_first_decides_and_hears_all():
    asked = []

    def act(team: Team):
        shared = team.share(lambda: asked.append(team.index) or {"loss": 0.1, "step": 7})
        team.check_same("config", {"rate": 0.1, "sizes": (1, 2)})
        return shared, team.gather(team.index * 10)

    results = gathered(3, act)
    assert asked == [0]
    assert [shared for shared, _ in results] == [{"loss": 0.1, "step": 7}] * 3
    assert [values for _, values in results] == [[0, 10, 20], [], []]


def test_the_first_acts_before_the_others():
    order = []

    def act(team):
        if team.first:
            time.sleep(0.2)
        return team.in_turn(lambda: order.append(team.index))

    gathered(3, act)
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]


@pytest.mark.parametrize("asked", [0, 1])
def test_all_stop_at_the_same_question_whoever_was_asked(asked):
    def act(team):
        stop, answers = threading.Event(), []
        while not answers or not answers[-1]:
            if team.index == asked and len(answers) == 3:
                stop.set()
            answers.append(team.any_set(stop))
            team.gather(None)  # as the sums of a step keep them together
        return len(answers)

    counts = gathered(2, act)
    assert counts[0] == counts[1]
    assert counts[0] in (4, 5)


def test_the_first_paces_all():
    def act(team):
        pace = Pace(team)
        for _ in range(3):
            with pace.call(pace.amount()):
                time.sleep(0.6 if team.index else 0.0)
        return pace.amount()

    assert gathered(2, act) == [8, 8]


PROGRAM = """
import sys, time
from resnets.errors import UserError, RunError
from resnets.training.links import Place
from resnets.training.processes import assemble
address, count, index, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), 20.0
try:
    with assemble(Place(address, count, index, seconds), "program") as team:
        team.at_exit(lambda: print("released", flush=True))
        {act}
except (UserError, RunError) as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""
WAITING = "print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def start():
    started, port = [], free_port()

    def start(act, index, count=2):
        command = [sys.executable, "-c", PROGRAM.format(act=act), f"127.0.0.1:{port}"]
        process = subprocess.Popen(
            [*command, str(count), str(index)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ends(process):
    _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize(("error", "status"), [("UserError", 2), ("RunError", 1)])
def test_what_one_fails_of_ends_all_with_its_line_and_status(start, failing, error, status):
    fail = f"raise {error}('the disk is full')"
    # One that waits in a step, and one that asks.
    acts = [WAITING, "team.share(lambda: 1); team.gather(1); " + WAITING, WAITING]
    acts[failing] = fail
    processes = [start(act, index, 3) for index, act in enumerate(acts)]
    for process in processes:
        assert ends(process) == (status, "program: the disk is full\n")


def test_what_nobody_expected_is_shown_where_it_happened_and_named_elsewhere(start):
    first, second = start(WAITING, 0), start("1 / 0", 1)
    line = "program: process 1 failed: ZeroDivisionError: division by zero\n"
    assert ends(first) == (1, line)
    status, err = ends(second)
    assert status == 1
    assert err.endswith(line)
    assert "Traceback" in err


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_is_noticed_at_once(start, killed):
    processes = [start(WAITING, 0), start(WAITING, 1)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    processes[killed].send_signal(signal.SIGKILL)
    began = time.monotonic()
    other = processes[1 - killed]
    out, err = other.communicate(timeout=30)
    assert time.monotonic() - began < (3 if killed == 0 else 9)
    assert other.returncode == 1
    assert f"process {killed} (127.0.0.1) is gone" in err
    assert "released" in out


def test_a_signal_that_cannot_be_answered_ends_all_with_its_status(start):
    first, second = start(WAITING, 0), start("team.end(75, 'busy for 6 s')", 1)
    assert ends(first) == ends(second) == (75, "program: busy for 6 s\n")


def test_processes_that_were_given_different_configs_are_told_what_differs(start):
    act = "team.check_same('config', {'rate': 0.1 + 0.1 * team.index, 'depth': 8})"
    processes = [start(act, index) for index in range(2)]
    line = (
        "program: process 1 was given another config than process 0: rate (0.1 at process 0, 0.2 "
        "at 1); start all with the same arguments\n"
    )
    assert [ends(process) for process in processes] == [(2, line)] * 2


def test_processes_that_count_differently_are_told_so(start):
    first, second = start("pass", 0, count=3), start("pass", 1, count=2)
    said = "process 1 (127.0.0.1) was started as one of 2, process 0 as one of 3"
    for process in (first, second):
        status, err = ends(process)
        assert status == 2
        assert said in err
        assert "Traceback" not in err


def test_two_processes_of_one_number_are_told_so(start):
    processes = [start("pass", index, count=3) for index in (0, 1, 1)]
    for process in processes:
        status, err = ends(process)
        assert (status, "two processes were started as --process=1" in err) == (2, True)


def test_a_process_that_does_not_come_is_named():
    place = Place(f"127.0.0.1:{free_port()}", 3, 0, 0.3)
    with pytest.raises(RunError, match=r"process 1, 2 of 3 did not come to 127\.0\.0\.1:"):
        assemble(place, "test")


def test_a_first_process_that_is_not_there_is_named():
    place = Place(f"127.0.0.1:{free_port()}", 2, 1, 0.3)
    with pytest.raises(RunError, match=r"cannot be reached at .* \(Connection refused\)"):
        assemble(place, "test")


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as taken:
        place = Place(f"127.0.0.1:{taken.getsockname()[1]}", 2, 0, 0.3)
        with pytest.raises(UserError, match="cannot listen on port"):
            assemble(place, "test")


def test_another_service_at_the_port_is_no_run():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer():
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"220 mail ready\r\n")

        threading.Thread(target=answer).start()
        place = Place(f"127.0.0.1:{other.getsockname()[1]}", 2, 1, 1.0)
        with pytest.raises(RunError, match="is not the first process of a run"):
            assemble(place, "test")


def test_strangers_at_the_port_are_not_let_in():
    port = free_port()

    def knock():
        for said in (b"GET / HTTP/1.1\r\n\r\n", b'["hello", "me"]\n', json.dumps(1).encode()):
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(said)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(assemble, Place(f"127.0.0.1:{port}", 2, 0, 20.0), "test")
        time.sleep(0.3)
        knock()
        second = pool.submit(assemble, Place(f"127.0.0.1:{port}", 2, 1, 20.0), "test")
        teams = [first.result(), second.result()]
        assert list(pool.map(lambda team: team.share(lambda: "in"), teams)) == ["in", "in"]
        list(pool.map(lambda team: team.__exit__(None, None, None), teams))
