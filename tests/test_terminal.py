"""What is printed for eyes and what for files: the same words, with colours on a terminal only."""

import re

import pytest

from resnets.terminal import STATES, print_table
from resnets.training.progress import Display, RunProgress

ROWS = (("run", "status", "error, %"), ("plain", "failed", "1.50"), ("\x1b[2J", "done", "10.25"))
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever rich writes to counts as a terminal of 80 columns."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)


def test_off_a_terminal_a_table_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, {2}, "title", STATES)
    assert capsys.readouterr().out.splitlines() == [
        "title",
        "run    status  error, %",
        "plain  failed      1.50",
        "?[2J   done       10.25",
    ]


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_states_have_colours(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, {2}, "title", STATES)
    text = capsys.readouterr().out
    assert COLOUR.search(text)
    assert "─" in text
    assert "\x1b[2J" not in text, "a name must not clear the screen"


@pytest.mark.usefixtures("terminal")
def test_no_color_is_honoured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(ROWS, {2}, "title", STATES)
    text = capsys.readouterr().out
    assert "failed" in text
    assert "─" in text
    assert not COLOUR.search(text)


def test_off_a_terminal_a_run_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(runs=2) as display:
        run = display.run("[1/2] plain-d8", total_steps=10, first_step=0)
        for step in range(11):
            run.update(step, "train 9.0 % error")
        run.end("train 1.0 %, test 2.0 % error")
        display.ended()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "[1/2] plain-d8: done in 0 s, train 1.0 %, test 2.0 % error\n"


def test_a_long_run_says_each_minute_how_it_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunProgress, "line_seconds", 0.0)
    Display().run("plain", total_steps=10, first_step=0).update(5, "train 9.0 % error")
    assert capsys.readouterr().err == "plain: step 5/10, train 9.0 % error, 0 s, 0 s left\n"


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_bars_show_all_runs_and_those_under_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Display(runs=2) as display:
        run = display.run("[1/2] plain-d8", total_steps=10, first_step=0)
        run.update(5, "train 9.0 % error")
        run.end("train 1.0 %, test 2.0 % error")
        display.ended()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "[1/2] plain-d8: done in 0 s, train 1.0 %, test 2.0 % error" in text
    assert "1 of 2 ended" in text
    assert "50 %" in text
