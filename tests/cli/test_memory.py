"""What is said of memory before a run starts."""

import logging
import re

import pytest

from resnets.cli import memory
from resnets.training import machine
from resnets.training.config_file import load_config
from resnets.training.setup import prepare


@pytest.fixture(scope="module")
def plan():
    """Of a small network on the digits."""
    flags = ["--config.batch_size=32"]
    return prepare(load_config("configs/digits.py:depth=8", flags).to_dict())


def said(caplog, plan, at_once=1):
    with caplog.at_level(logging.INFO, logger="resnets"):
        memory.announce(plan, "run", at_once)
    return [record.getMessage() for record in caplog.records]


def test_one_line_says_what_a_run_needs_and_what_there_is(caplog, plan, monkeypatch):
    monkeypatch.setattr(machine, "device_memory", lambda _: 10**12)
    (line,) = said(caplog, plan)
    assert line.startswith("run: about ")
    assert "of 1000.00 GB" in line


def test_a_run_that_does_not_fit_is_named_with_what_takes_less(caplog, plan, monkeypatch):
    monkeypatch.setattr(machine, "device_memory", lambda _: 1000)
    line = said(caplog, plan)[-1]
    assert "more than there is" in line
    assert "--config.model.remat=block" in line


def test_runs_at_once_share_a_device(caplog, plan, monkeypatch):
    """There is room for one of them and a half; eight processors of a test have one memory."""
    monkeypatch.setattr(machine, "device_memory", lambda _: 10**12)
    monkeypatch.setattr(memory, "_size", str)
    (line,) = said(caplog, plan)
    devices, needed = map(int, re.findall(r"\d+", line)[:2])
    assert devices == 8
    caplog.clear()
    monkeypatch.setattr(machine, "device_memory", lambda _: devices * needed * 3 // 2)
    assert len(said(caplog, plan)) == 1
    caplog.clear()
    told, warned = said(caplog, plan, at_once=2)
    assert f"about 16 x {needed} of" in told
    assert "--max_parallel" in warned


def test_a_device_that_does_not_say_its_memory_is_not_found_too_small(caplog, plan, monkeypatch):
    monkeypatch.setattr(machine, "device_memory", lambda _: 0)
    (line,) = said(caplog, plan)
    assert "unknown" in line
