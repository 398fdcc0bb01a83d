"""TensorBoard in a real browser: it opens on the degradation curves and has this study's data."""

import json
import re
import statistics
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest

from resnets.cli.served import served
from resnets.diagnostics.readings import Readings
from resnets.reports.results import read_study
from resnets.reports.tensorboard import layout
from resnets.training.metrics import MetricsWriter, read
from tests.reports.fake_study import diagnose, whole_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ARMS, DEPTHS, SEEDS, EPOCHS = ("plain", "residual"), (8, 56), 2, 12
LAYER, MODULE = "stage1/block0/bn1", "stem_conv"
CARD = "tf-custom-scalar-multi-line-chart-card"


def error(arm: str, depth: int, seed: int) -> float:
    """Final training error, percent."""
    return 40.0 + seed if (arm, depth) == ("plain", 56) else 1.0 + depth / 56 + seed / 7


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight runs with the event files that training writes."""
    path = whole_study(
        tmp_path_factory.mktemp("board") / "study", error, ARMS, DEPTHS, SEEDS, EPOCHS
    )
    rng = np.random.default_rng(0)
    readings = Readings(
        quantities={},
        samples={LAYER: rng.normal(size=500)},
        maps={MODULE: rng.normal(size=(8, 8, 4))},
        filters={MODULE: rng.normal(size=(3, 3, 1, 4))},
        order=(MODULE, LAYER),
    )
    for run in sorted((path / "runs").iterdir()):
        diagnose(run, 4, epoch=EPOCHS)
        result = json.loads((run / "done.json").read_text())
        config = {"batch_size": 64, "model.name": f"net-{run.name}"}
        with MetricsWriter(run, read(run / "metrics.jsonl"), config) as writer:
            writer.picture(12 * EPOCHS, readings)
            writer.final({k: result[k] for k in ("train_error_pct", "test_error_pct")})
    return path


@pytest.fixture(scope="module")
def address(study: Path) -> Iterator[str]:
    """What TensorBoard says where it is."""
    with served(study) as said:
        yield said


@dataclass
class Board:
    """A page of TensorBoard, and what went out or wrong while it was open."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def board(chromium: "Browser", address: str) -> Iterator[Board]:
    """The start page, as one who types the address without its fragment gets it."""
    context = chromium.new_context(viewport={"width": 1300, "height": 1000})
    found = Board(context.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on(
        "console",
        lambda said: found.errors.append(said.text) if said.type == "error" else None,
    )
    found.page.goto(address.partition("#")[0])
    found.page.wait_for_selector(CARD, timeout=60_000)
    yield found
    context.close()


def asked(address: str, path: str) -> Any:
    """What an endpoint answers."""
    with urllib.request.urlopen(address.partition("#")[0] + path, timeout=30) as answer:
        return json.loads(answer.read())


def test_it_opens_on_the_degradation_curves(board: Board, address: str, study: Path) -> None:
    for place in (address, board.page.url):
        assert place.partition("#")[2].startswith("custom_scalars")
        assert "_smoothingWeight=0" in place, "the curves as measured"
    categories = layout(read_study(study))
    for name, charts in categories.items():
        board.page.get_by_text(name, exact=True).first.wait_for()
        for chart in charts:
            board.page.locator(CARD, has_text=chart).first.wait_for(state="attached")
    assert board.page.locator(CARD).count() == sum(map(len, categories.values()))


def until(board: Board, ask: Callable[[], Any], right: Callable[[Any], bool]) -> Any:
    """The answer once it is right: charts fade in."""
    for _ in range(100):
        if right(found := ask()):
            return found
        board.page.wait_for_timeout(200)
    raise AssertionError(found)


def lines(board: Board) -> int:
    """Long paths in the first chart."""
    long = "paths => paths.filter(p => (p.getAttribute('d') || '').length > 60).length"
    return int(board.page.locator(CARD).first.locator("svg path").evaluate_all(long))


def test_a_chart_draws_a_line_a_depth(board: Board) -> None:
    assert until(board, lambda: lines(board), lambda found: found >= len(DEPTHS))


def test_the_axes_hold_the_curves_from_their_beginning(board: Board) -> None:
    """TensorBoard would leave the first epochs out as outliers: they begin near 90 %."""
    assert board.page.evaluate("localStorage.getItem('_ignoreYOutliers')") == "false"
    texts = board.page.locator(CARD).first.locator(".y-axis text, .vz-axis text, svg text")
    highest = "texts => Math.max(...texts.map(t => Number(t.textContent)).filter(Number.isFinite))"
    assert until(board, lambda: texts.evaluate_all(highest), lambda found: found >= 60)


def test_a_reader_who_wants_outliers_left_out_keeps_that(board: Board, address: str) -> None:
    board.page.evaluate("localStorage.setItem('_ignoreYOutliers', 'true')")
    board.page.goto(address.partition("#")[0])
    board.page.wait_for_selector(CARD, timeout=60_000)
    assert board.page.evaluate("localStorage.getItem('_ignoreYOutliers')") == "true"


READ = """() => [...document.querySelectorAll('vz-line-chart-tooltip')]
    .flatMap(tip => [...tip.shadowRoot.querySelectorAll('tbody tr')])
    .map(row => [...row.cells].map(cell => cell.textContent.trim()))"""
"""Rows of the boxes beside the pointer."""


def test_the_pointer_reads_the_values(board: Board, study: Path) -> None:
    place = board.page.locator(CARD).first.locator("vz-line-chart2").bounding_box()
    assert place

    def read() -> list[list[str]]:
        for part in (0.9, 0.97):
            x, y = place["x"] + part * place["width"], place["y"] + 0.5 * place["height"]
            board.page.mouse.move(x, y)
        return list(board.page.evaluate(READ))

    rows = until(board, read, bool)
    said = {row[1].partition(" ")[0]: row[2:5] for row in rows}
    for depth in DEPTHS:
        last = [run.curve[-1] for run in read_study(study).select("plain", depth)]
        mean = statistics.mean(record.test_error_pct for record in last)
        smoothed, value, step = map(float, said[f"test_error_pct/plain/depth{depth}"])
        assert smoothed == value == pytest.approx(mean, rel=1e-3), "four digits"
        assert step == EPOCHS


def test_a_depth_that_is_switched_off_is_not_drawn(board: Board) -> None:
    until(board, lambda: lines(board), lambda found: found >= len(DEPTHS))
    board.page.wait_for_timeout(1000)
    every = lines(board)
    box = board.page.locator(f"[id='checkbox-tensorboard/depth{DEPTHS[-1]}']")
    box.click()
    until(board, lambda: lines(board), lambda found: found == every - 1)
    assert box.get_attribute("aria-checked") == "false"
    box.press("Space")  # the keyboard brings it back
    until(board, lambda: lines(board), lambda found: found == every)


def test_a_phone_shows_it_without_scrolling_sideways(board: Board) -> None:
    board.page.set_viewport_size({"width": 390, "height": 844})
    board.page.wait_for_timeout(1000)
    assert board.page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_nothing_leaves_this_machine_and_nothing_complains(board: Board) -> None:
    board.page.wait_for_timeout(3000)
    outside = [u for u in board.requests if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", u)]
    assert outside == []
    assert board.errors == []


def test_the_curves_are_the_studys_means(address: str, study: Path) -> None:
    for arm in ARMS:
        runs = read_study(study).select(arm, 56)
        tag = quote(f"^test_error_pct/{arm}/depth56$")
        run = quote("tensorboard/depth56", safe="")
        path = f"data/plugin/custom_scalars/scalars?tag={tag}&run={run}"
        ((_, points),) = asked(address, path)["tag_to_events"].items()
        last = [run.curve[-1].test_error_pct for run in runs]
        assert points[-1][1:] == [EPOCHS, pytest.approx(statistics.mean(last), rel=1e-6)]
    gap = quote("^gap_train_error_pct/plain-residual/depth56$")
    run = quote("tensorboard/depth56", safe="")
    answer = asked(address, f"data/plugin/custom_scalars/scalars?tag={gap}&run={run}")
    ((_, points),) = answer["tag_to_events"].items()
    expected = statistics.mean(error("plain", 56, s) - error("residual", 56, s) for s in (0, 1))
    assert points[-1][2] == pytest.approx(expected * (1 - np.exp(-5)), rel=1e-3)


def test_the_endpoints_have_every_run(address: str, study: Path) -> None:
    runs = {f"runs/{run.name}/tensorboard" for run in (study / "runs").iterdir()}
    scalars = asked(address, "data/plugin/scalars/tags")
    layer = "gradient_norm/stage1/block0/conv1"
    assert all({"train_error_pct", layer} <= scalars[run].keys() for run in runs)
    images = asked(address, "data/plugin/images/tags")
    assert all({f"filters/{MODULE}", f"feature_maps/{MODULE}"} <= images[r].keys() for r in runs)
    histograms = asked(address, "data/plugin/histograms/tags")
    assert all(f"responses/{LAYER}" in histograms[run] for run in runs)
    texts = asked(address, "data/plugin/text/tags")
    assert all(any(tag.startswith("config") for tag in texts[run]) for run in runs)


def test_the_table_of_hyperparameters_has_configs_and_final_errors(
    board: Board, address: str
) -> None:
    base = address.partition("#")[0]
    board.page.goto(f"{base}?tab=hparams#hparams")
    # 42.000: 40, 1 for the seed, 1 for the test error.
    for text in ("net-plain-d56-s1", "final/test_error_pct", "42.000"):
        board.page.get_by_text(text, exact=True).first.wait_for(timeout=60_000)


def test_images_are_pictures(board: Board, address: str) -> None:
    run, tag = quote("runs/plain-d8-s0/tensorboard", safe=""), quote(f"filters/{MODULE}")
    found = asked(address, f"data/plugin/images/images?run={run}&tag={tag}&sample=0")
    query = found[0]["query"]
    place = f"{address.partition('#')[0]}data/plugin/images/individualImage?{query}"
    with urllib.request.urlopen(place, timeout=30) as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
