"""A headless Chromium, and pages of studies for it."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnets.cli import browser as tools
from resnets.reports import write_report
from tests.reports.fake_study import diagnose, row, write_run, write_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEPTHS, ARMS, SEEDS, EPOCHS = (8, 20, 56), ("plain", "residual"), 3, 12
HOSTILE = '<img src="https://example.org/x" onerror="document.title=1"> </script><b>&amp;'


@dataclass
class Opened:
    """A page in a browser, and what went wrong or out while it was open."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def marks(self, panel: str, kind: str = "symbol") -> list[dict[str, float]]:
        """Centres of a panel's marks on the screen, those that have an area or a length."""
        return self.page.evaluate(
            """([panel, kind]) => [...document.querySelectorAll(
                 `#${panel} .drawing .mark-${kind}.role-mark path`)]
               .map((e) => e.getBoundingClientRect()).filter((r) => r.width || r.height)
               .map((r) => ({x: r.x + r.width / 2, y: r.y + r.height / 2}))""",
            [panel, kind],
        )

    def switch(self, key: str) -> None:
        """Press a switch and wait until the charts have followed."""
        self.page.click(f'[data-key="{key}"]')
        self.page.wait_for_timeout(150)

    def table(self, selector: str) -> list[dict[str, str]]:
        """The rows of a table by its headings."""
        headings, *rows = self.page.evaluate(
            """(s) => [...document.querySelector(s).rows]
                .map((row) => [...row.cells].map((cell) => cell.innerText))""",
            f"{selector} table",
        )
        return [dict(zip(headings, cells, strict=True)) for cells in rows]


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(tools.chromium()))
        yield browser
        browser.close()


Open = Callable[..., Opened]


@pytest.fixture
def open_page(chromium: "Browser") -> Iterator[Open]:
    """Open a file in a context of its own: `open_page(file, width=390, color_scheme="dark")`."""
    contexts = []

    def opened(file: Path, *, width: int = 1200, fragment: str = "", **options: Any) -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        result = Opened(context.new_page())
        address = f"{file.as_uri()}{fragment}"
        result.page.on("request", lambda request: result.requests.append(request.url))
        result.page.on("pageerror", lambda error: result.errors.append(str(error)))
        result.page.on(
            "console",
            lambda said: result.errors.append(said.text) if said.type != "log" else None,
        )
        result.page.goto(address)
        if options.get("java_script_enabled", True):
            result.page.wait_for_selector("html[data-ready]", timeout=60_000)
        return result

    yield opened
    for context in contexts:
        context.close()


def final(arm: str, depth: int, seed: int) -> float:
    """Final training error, percent: the deepest plain networks fail."""
    return 40.0 + 3 * seed if (arm, depth) == ("plain", 56) else 0.1 + depth / 100 + seed / 7


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms, three depths, three seeds done; hostile words, and a run that failed."""
    path = tmp_path_factory.mktemp("browser") / "degradation"
    grid = [(arm, depth, seed) for seed in range(SEEDS) for depth in DEPTHS for arm in ARMS]
    rows = [row(*place, note=HOSTILE) for place in (*grid, ("plain", 56, 3))]
    write_study(path, rows, question=HOSTILE)
    for place, r in zip(grid, rows, strict=False):
        error = final(*place)
        run = write_run(path, r["id"], error, error + 1, EPOCHS)
        diagnose(run, place[1], EPOCHS)
        config = json.loads((run / "config.json").read_text())
        config["config"] |= {"model": {"name": HOSTILE}}
        config["machine"] = {"processor": HOSTILE, "cores": 2, "system": "Linux"}
        (run / "config.json").write_text(json.dumps(config))
    failed = write_run(path, rows[-1]["id"], 80.0, 81.0, EPOCHS, done=False)
    (failed / "failed.json").write_text(json.dumps({"reason": f"loss is not finite {HOSTILE}"}))
    write_report(path)
    return path


@pytest.fixture(scope="session")
def report(study: Path) -> Path:
    """Its page."""
    return study / "report" / "report.html"


@pytest.fixture(scope="session")
def results(study: Path) -> list[dict[str, str]]:
    """Its results.csv."""
    with (study / "report" / "results.csv").open() as file:
        return list(csv.DictReader(file))
