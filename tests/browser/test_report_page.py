"""The report page in a real browser: it stands alone, says what the files say, and answers."""

import itertools
import json
import re
import statistics
from collections import defaultdict
from pathlib import Path

import pytest

from resnets.cli import browser as tools
from tests.browser.conftest import ARMS, DEPTHS, HOSTILE, SEEDS, Open, Opened

pytestmark = pytest.mark.browser

ERRORS = ("curves-0", "curves-1", "final-0", "final-1", "difference-0", "difference-1")
BY_LAYER = (
    *("responses-0", "responses-1", "gradients-0", "gradients-1"),
    *("updates-0", "updates-1", "branches-0", "dead-0", "dead-1"),
)
"""Plain networks have no branches."""
PANELS = ERRORS + BY_LAYER


@pytest.fixture
def opened(open_page: Open, report: Path) -> Opened:
    """The page as a reader with a wide, light screen has it."""
    return open_page(report, color_scheme="light")


def test_it_asks_for_nothing_and_complains_of_nothing(opened: Opened, report: Path) -> None:
    opened.page.click('[data-axis="logarithmic"]')
    opened.switch("arm:plain")
    opened.page.wait_for_timeout(300)
    assert opened.requests == [report.as_uri()]
    assert opened.errors == []


def test_every_run_has_the_numbers_of_results_csv(
    opened: Opened, results: list[dict[str, str]]
) -> None:
    opened.page.click("#runs summary")
    shown = {r["run"]: r for r in opened.table("#runs")}
    assert len(results) == len(ARMS) * len(DEPTHS) * SEEDS
    for r in results:
        assert shown[r["run"]]["train error, %"] == f"{float(r['train_error_pct']):.2f}"
        assert shown[r["run"]]["test error, %"] == f"{float(r['test_error_pct']):.2f}"
        assert shown[r["run"]]["steps"] == r["steps"]
        assert shown[r["run"]]["wall time, s"] == f"{float(r['wall_s']):.1f}"
    assert [run for run in shown if run not in {r["run"] for r in results}] == ["plain-d56-s3"]


def test_final_errors_are_means_of_results_csv(
    opened: Opened, results: list[dict[str, str]]
) -> None:
    values = defaultdict(list)
    for r in results:
        values[r["depth"], r["arm"]].append(float(r["test_error_pct"]))
    for r in opened.table('[aria-label="Final errors"]'):
        own = values[r["depth"], r["arm"]]
        text = f"{statistics.mean(own):.2f} ± {statistics.stdev(own):.2f} ({len(own)})"
        assert r["test error, % (n)"] == text


def test_the_headline_states_the_finding(opened: Opened) -> None:
    headline = opened.page.inner_text("h1").replace("\u00a0", " ")
    assert headline == (
        "So far plain networks degrade with depth: 43.0 % training error at 56 layers, "
        "against 0.80 % for residual ones"
    )


def test_an_arm_goes_and_comes_back(opened: Opened) -> None:
    before = {panel: len(opened.marks(panel)) for panel in PANELS}
    arms, depths = len(ARMS), len(DEPTHS)
    arrows = arms  # at 8 layers, where 95 % intervals begin below 0 %
    assert before["final-0"] == arms * depths * (1 + SEEDS) + arrows
    assert before["difference-0"] == depths
    opened.switch("arm:plain")
    assert opened.page.is_hidden("#curves-0")
    assert opened.page.is_visible("#curves-1")
    assert len(opened.marks("final-0")) == before["final-0"] // 2
    assert opened.marks("difference-0") == []
    opened.switch("arm:plain")
    assert {panel: len(opened.marks(panel)) for panel in PANELS} == before
    opened.switch("arm:residual")
    assert opened.marks("difference-0") == [], "a difference needs both arms"


def test_a_depth_and_a_split_leave_every_chart(opened: Opened) -> None:
    assert len(opened.marks("curves-0", "line")) == 2 * len(DEPTHS)
    opened.switch("depth:20")
    assert len(opened.marks("curves-0", "line")) == 2 * (len(DEPTHS) - 1)
    assert len(opened.marks("final-1")) == len(ARMS) * (len(DEPTHS) - 1) * (1 + SEEDS)
    assert len(opened.marks("difference-1")) == len(DEPTHS) - 1
    opened.switch("split:training")
    assert len(opened.marks("curves-0", "line")) == len(DEPTHS) - 1
    assert opened.page.is_hidden("#final-0")


def test_the_pointer_gets_the_values_of_the_nearest_epoch(opened: Opened, study: Path) -> None:
    runs = [study / "runs" / f"residual-d20-s{seed}" / "metrics.jsonl" for seed in range(SEEDS)]
    records = [[json.loads(line) for line in file.read_text().splitlines()] for file in runs]
    epoch = 6
    means = [
        statistics.mean(
            r[f"{split}_error_pct"]
            for own in records
            for r in own
            if r.get("epoch") == epoch and r["kind"] == "epoch"
        )
        for split in ("train", "test")
    ]
    opened.page.locator("#curves-1").scroll_into_view_if_needed()
    tick = opened.page.locator("#curves-1 .role-axis-label text", has_text=re.compile(r"^6$"))
    place = tick.bounding_box()
    opened.page.mouse.move(place["x"] + place["width"] / 2 + 5, place["y"] - 100)
    text = opened.page.inner_text("#curves-1 .readout")
    assert text.startswith(f"epoch {epoch}\n")
    rows = [line.split() for line in text.splitlines()]
    shown = next(r for r in rows if r[0] == "20")
    assert [float(n) for n in shown[1:] if n != "%"] == pytest.approx(means, abs=0.051)
    assert len(opened.page.query_selector_all("#curves-1 .spot")) == 2 * len(DEPTHS)
    opened.page.mouse.move(1, 1)
    assert opened.page.is_hidden("#curves-1 .readout")


def test_spots_of_the_readout_lie_on_the_marks(opened: Opened) -> None:
    opened.page.locator("#final-0").scroll_into_view_if_needed()
    opened.page.focus("#final-0")
    opened.page.keyboard.press("End")
    spots = opened.page.evaluate(
        """[...document.querySelectorAll("#final-0 .spot")].map(e => e.getBoundingClientRect())
           .map(r => ({x: r.x + r.width / 2, y: r.y + r.height / 2}))"""
    )
    assert len(spots) == len(ARMS)
    for spot in spots:
        distances = [
            max(abs(spot["x"] - mark["x"]), abs(spot["y"] - mark["y"]))
            for mark in opened.marks("final-0")
        ]
        assert min(distances) < 2.0


def test_arrow_keys_read_the_values_aloud(opened: Opened) -> None:
    opened.page.focus("#difference-0")
    opened.page.keyboard.press("ArrowLeft")
    text = opened.page.inner_text("#difference-0 .readout")
    assert text.startswith("56 layers\n")
    assert "42.2" in text, "plain 43.0, residual 0.80"
    assert "3" in text.split()
    said = opened.page.evaluate("document.getElementById('said').textContent")
    assert said == text
    opened.page.keyboard.press("Home")
    assert opened.page.inner_text("#difference-0 .readout").startswith("8 layers\n")
    opened.page.keyboard.press("Escape")
    assert opened.page.is_hidden("#difference-0 .readout")


def axis_labels(opened: Opened, panel: str) -> list[float]:
    """The numbers at the error axis of a panel."""
    texts = opened.page.evaluate(
        """(panel) => [...document.querySelectorAll(`#${panel} .role-axis-label text`)]
           .filter(e => e.getAttribute("text-anchor") === "end").map(e => e.textContent)""",
        panel,
    )
    return [float(text) for text in texts]


@pytest.mark.parametrize(
    ("panel", "last", "value"),
    [
        ("responses-1", "stage1/block55/bn1", "0.0179"),
        ("gradients-1", "stage1/block55/conv1", "1e-56"),
        ("updates-1", "stage1/block55/conv1", "0.001"),
        ("branches-0", "stage1/block55", "0.0179"),
        ("dead-1", "stage1/block55/relu1", "10"),
    ],
)
def test_a_chart_by_layer_reads_the_value_and_the_name_of_a_layer(
    opened: Opened, panel: str, last: str, value: str
) -> None:
    assert len(opened.marks(panel, "line")) == len(DEPTHS)
    opened.page.focus(f"#{panel}")
    opened.page.keyboard.press("End")
    text = opened.page.inner_text(f"#{panel} .readout")
    assert text.splitlines()[0].endswith(" 56")
    assert text.split()[-3:] == ["56", value, last]
    opened.switch("depth:56")
    assert len(opened.marks(panel, "line")) == len(DEPTHS) - 1


def test_the_error_axis_becomes_logarithmic(opened: Opened) -> None:
    linear, marks = axis_labels(opened, "final-0"), opened.marks("final-0")
    steps = {round(b - a, 6) for a, b in itertools.pairwise(linear)}
    assert linear[0] == 0
    assert len(steps) == 1
    opened.page.click('[data-axis="logarithmic"]')
    opened.page.wait_for_timeout(400)
    logarithmic = axis_labels(opened, "final-0")
    assert logarithmic[:4] == [0.1, 0.2, 0.5, 1.0]
    assert opened.marks("final-0") != marks
    assert axis_labels(opened, "difference-0")[0] <= 0, "differences may be negative: linear"
    opened.page.click('[data-axis="linear"]')
    opened.page.wait_for_timeout(400)
    assert opened.marks("final-0") == marks


def test_the_address_keeps_what_the_switches_say(open_page: Open, report: Path) -> None:
    first = open_page(report)
    first.switch("depth:8")
    first.page.click('[data-axis="logarithmic"]')
    fragment = "#" + first.page.url.partition("#")[2]
    again = open_page(report, fragment=fragment)
    assert again.page.get_attribute('[data-key="depth:8"]', "aria-pressed") == "false"
    assert len(again.marks("curves-0", "line")) == 2 * (len(DEPTHS) - 1)
    assert axis_labels(again, "final-0")[0] > 0


def test_it_fits_a_phone(open_page: Open, report: Path) -> None:
    opened = open_page(report, width=390, has_touch=True, is_mobile=True)
    opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    widths = opened.page.evaluate(
        "[...document.querySelectorAll('.drawing svg')].map(e => e.getBoundingClientRect().right)"
    )
    assert len(widths) == len(PANELS)
    assert all(300 < right <= 390 for right in widths)
    opened.page.locator("#final-0").scroll_into_view_if_needed()
    opened.page.tap("#final-0 .drawing", position={"x": 300, "y": 100})
    box = opened.page.locator("#final-0 .readout").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def background(opened: Opened) -> str:
    """The colour of the paper."""
    return opened.page.evaluate("getComputedStyle(document.body).backgroundColor")


def stroke(opened: Opened) -> str:
    """The colour of the first curve."""
    return opened.page.evaluate(
        "getComputedStyle(document.querySelector('#curves-0 .mark-line path')).stroke"
    )


def test_the_theme_follows_the_system_and_then_the_reader(open_page: Open, report: Path) -> None:
    light, dark = (open_page(report, color_scheme=scheme) for scheme in ("light", "dark"))
    assert background(light) == "rgb(255, 255, 255)"
    assert background(dark) != background(light)
    assert stroke(dark) != stroke(light)
    light.page.click("#theme")
    assert background(light) == background(dark)
    assert stroke(light) == stroke(dark)
    light.page.reload()
    light.page.wait_for_selector("html[data-ready]")
    assert background(light) == background(dark)


def test_paper_is_white_and_has_whole_charts(open_page: Open, report: Path) -> None:
    opened = open_page(report, color_scheme="dark")
    opened.page.emulate_media(media="print")
    assert background(opened) == "rgb(255, 255, 255)"
    assert opened.page.is_hidden(".switches")
    assert opened.page.is_visible(".still svg")
    assert opened.page.is_hidden("#curves-0")


def test_without_scripts_the_charts_stand_still(open_page: Open, report: Path) -> None:
    opened = open_page(report, java_script_enabled=False)
    assert len(opened.page.query_selector_all(".still svg")) == 8
    assert opened.page.is_visible(".still svg")
    assert opened.page.is_hidden(".switches")
    assert opened.page.is_visible('[aria-label="Final errors"]')


def test_words_of_the_files_stay_words(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.page.query_selector_all("main img, main b, header img") == []
    assert opened.page.title() != "1"
    assert opened.page.inner_text(".question") == HOSTILE
    text = opened.page.inner_text("main")
    assert text.count(HOSTILE) >= 4, "overrides, config, machine, the reason of the failed run"


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault(open_page: Open, report: Path, scheme: str, width: int) -> None:
    """Contrast, names, roles, order and access by keyboard, all details open."""
    opened = open_page(report, width=width, color_scheme=scheme, bypass_csp=True)
    opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    opened.switch("depth:8")
    opened.page.add_script_tag(path=tools.axe())
    found = opened.page.evaluate("axe.run(document)")
    faults = [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]]
    assert faults == []
    assert {"color-contrast", "button-name"} <= {rule["id"] for rule in found["passes"]}


def test_the_keyboard_reaches_every_control(opened: Opened) -> None:
    """Tab visits switches, panels and details in their order, and each shows its focus."""
    seen = []
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        name, outline = opened.page.evaluate(
            """(() => {
                const e = document.activeElement, { outlineStyle } = getComputedStyle(e);
                return [e.id || e.dataset.key || e.dataset.axis || e.tagName, outlineStyle];
            })()"""
        )
        if name == "BODY":
            break
        assert outline != "none", name
        seen.append(name)
    switches = [f"arm:{a}" for a in ARMS] + [f"depth:{d}" for d in DEPTHS]
    switches += ["split:training", "split:test", "linear", "logarithmic"]
    assert seen[: len(switches) + 1 + len(PANELS)] == ["theme", *switches, *PANELS]
    assert seen.count("SUMMARY") == 3
