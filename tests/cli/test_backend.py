"""Settings of the process: where compiled programs are kept, and who decides."""

import warnings

import pytest

from resnets.cli import backend


@pytest.fixture
def environment(monkeypatch):
    """An empty environment; warning filters are put back."""
    found = {}
    monkeypatch.setattr(backend.os, "environ", found)
    with warnings.catch_warnings():
        yield found


def test_runs_side_by_side_share_what_they_compile(environment, tmp_path):
    backend.configure(tmp_path)
    folder = environment["JAX_COMPILATION_CACHE_DIR"]
    assert folder.startswith(str(tmp_path / backend.COMPILED))
    assert not any(tmp_path.iterdir()), "JAX makes it when there is something to keep"


def test_programs_for_another_processor_are_kept_apart(environment, tmp_path, monkeypatch):
    backend.configure(tmp_path)
    here = environment.pop("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setattr(backend.Path, "read_text", lambda *_, **__: "flags : sse2 amx\n")
    backend.configure(tmp_path)
    assert environment["JAX_COMPILATION_CACHE_DIR"] != here


def test_the_user_may_choose_another_place_or_none(environment, tmp_path):
    environment["JAX_COMPILATION_CACHE_DIR"] = ""
    backend.configure(tmp_path)
    assert environment["JAX_COMPILATION_CACHE_DIR"] == ""


def test_commands_without_runs_keep_nothing(environment):
    backend.configure()
    assert "JAX_COMPILATION_CACHE_DIR" not in environment
