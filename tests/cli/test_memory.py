"""What is said of memory before a run starts."""

import logging

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


def said(caplog, plan):
    with caplog.at_level(logging.INFO, logger="resnets"):
        memory.announce(plan, "run")
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


def test_a_device_that_does_not_say_its_memory_is_not_found_too_small(caplog, plan, monkeypatch):
    monkeypatch.setattr(machine, "device_memory", lambda _: 0)
    (line,) = said(caplog, plan)
    assert "unknown" in line
