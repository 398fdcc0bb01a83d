"""Runs that are harmed, and the one that is not, to compare with."""

import contextlib
import json
import os
import shutil
import subprocess

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resnets.errors import Preempted
from resnets.training import loop
from resnets.training.loop import train
from tests.training.conftest import small_config, tiny_network  # noqa: F401

VOLATILE = {"wall_s", "images_per_s", "steps/images_per_s"}


def outcome(run):
    """All that a run leaves, without times: final numbers and hashes, records, curves."""
    done = json.loads((run / "done.json").read_text())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"]) - VOLATILE
    return (
        {k: v for k, v in done.items() if k not in VOLATILE},
        [{k: v for k, v in line.items() if k not in VOLATILE} for line in lines],
        {tag: [(scalar.step, scalar.value) for scalar in events.Scalars(tag)] for tag in tags},
    )


@pytest.fixture
def config(small_config, tiny_network):  # noqa: F811
    """Three epochs of four steps, a checkpoint after each of the first two and at the end."""
    return small_config(log_every=3, average_decay=0.9)


@pytest.fixture
def whole(config, tmp_path):
    """What the run leaves that nothing happens to."""
    train(config, tmp_path / "whole", "whole")
    return outcome(tmp_path / "whole")


@pytest.fixture
def at_step(monkeypatch):
    """Make something happen when a run has taken so many steps, once."""

    def plan(step, action):
        real, left = loop.run_steps, [action]

        def run_steps(feed, state, *args):
            if int(state.step) >= step and left:
                left.pop()()
            return real(feed, state, *args)

        monkeypatch.setattr(loop, "run_steps", run_steps)

    return plan


@pytest.fixture
def cut(config, tmp_path, at_step):
    """A run that ended in its third epoch, with checkpoints of steps 4 and 8."""

    def end():
        raise Preempted

    at_step(9, end)
    run = tmp_path / "cut"
    with pytest.raises(Preempted):
        train(config, run, "cut")
    for extra in (run / "checkpoints").iterdir():
        if extra.name not in ("4", "8"):
            shutil.rmtree(extra)
    return run


@pytest.fixture
def mount():
    """Mount what the test needs, and unmount it again."""
    places = []

    def do(*arguments):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is refused here: {done.stderr.strip()}")
        places.append(arguments[-1])

    if os.geteuid():
        pytest.skip("mounting needs root")
    yield do
    for place in reversed(places):
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
