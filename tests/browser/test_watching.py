"""The page of a study that goes on: the browser that shows it follows by itself."""

import threading
from pathlib import Path

import pytest

from resnets.cli.__main__ import main
from resnets.reports import watching, write_report
from resnets.reports.status import StudyStatus
from tests.browser.conftest import Open
from tests.reports.fake_study import finish, row, write_run, write_study

pytestmark = pytest.mark.browser

RUNS = ("plain-d8-s0", "residual-d8-s0")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two runs under way, none of them done."""
    path = write_study(tmp_path / "study", [row(arm, 8, 0) for arm in ("plain", "residual")])
    for run in RUNS:
        write_run(path, run, 2.0, 3.0, done=False)
    return path


def test_the_page_follows_the_study_and_ends_with_it(
    study: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 1)
    monkeypatch.setattr(watching, "_LONGEST_S", 1.0)
    said: list[StudyStatus] = []
    follower = threading.Thread(target=watching.watch, args=(study, said.append, 0.2))
    page = study / "report" / "report.html"
    follower.start()
    while not page.exists():
        follower.join(0.1)
    opened = open_page(page)
    assert "0 of 2 runs are done" in opened.page.inner_text("#progress")
    opened.switch("split:training")

    finish(study / "runs" / RUNS[0], 2.0, 3.0)
    opened.page.wait_for_function("document.body.innerText.includes('1 of 2 runs are done')")
    opened.page.wait_for_selector("html[data-ready]")
    pressed = opened.page.get_attribute('[data-key="split:training"]', "aria-pressed")
    assert pressed == "false", "a refresh keeps what the reader has chosen"

    finish(study / "runs" / RUNS[1], 1.0, 2.0)
    follower.join(30.0)
    assert not follower.is_alive()
    assert [status.counts["done"] for status in said] == [0, 1]
    write_report(study)
    opened.page.wait_for_function("!document.getElementById('pause')")
    assert opened.errors == []
    assert set(opened.requests) == {page.as_uri()}


def test_a_reader_can_stop_the_refreshing(study: Path, open_page: Open) -> None:
    from resnets.reports import read_study, write_page
    from resnets.reports.status import status_of

    read = read_study(study)
    write_page(read, status_of(read), refresh_s=1)
    opened = open_page(study / "report" / "report.html")
    opened.page.click("#pause")
    opened.page.evaluate("window.stays = true")
    opened.page.wait_for_timeout(2500)
    assert opened.page.evaluate("window.stays") is True


def test_watching_a_study_that_is_done_reports_at_once(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in RUNS:
        finish(study / "runs" / run, 2.0, 3.0)
    assert main(["report", str(study), "--watch"]) == 0
    assert "All 2 runs are done." in capsys.readouterr().out
    assert "pause" not in (study / "report" / "report.html").read_text().partition("<main>")[2]
