"""The pages of `complexity` and `analyze --html` in a real browser."""

import csv
from pathlib import Path

import pytest

from resnets.analysis import complexity_page
from resnets.analysis.complexity import Point
from resnets.cli import browser as tools
from resnets.cli.__main__ import main
from resnets.drawing.pages import write_page
from tests.browser.conftest import Open, Opened

pytestmark = pytest.mark.browser

KINDS = ("complexity", "account", "projection")
HOSTILE = '<img src="https://example.org/x"> </script><b>&amp;'


def point(name: str, group: str, gmacs: float, accuracy: float | None, data_set: str) -> Point:
    """A network by its numbers."""
    macs, parameters = round(gmacs * 1e9), round(gmacs * 7e6)
    reach = {} if accuracy is None else {"low_pct": accuracy - 1, "high_pct": accuracy + 1}
    shown = "" if accuracy is None else data_set
    return Point(name, group, shown, (32, 32, 3), macs, parameters, accuracy, n="3 seeds",
                 source=HOSTILE, **reach)  # fmt: skip


POINTS = [
    point("vgg16", "VGG", 15.47, 71.59, "ImageNet"),
    point("resnet50", "ResNet", 4.089, 76.15, "ImageNet"),
    point("resnet152", "ResNet", 11.514, 78.31, "ImageNet"),
    point("googlenet", "Inception", 1.498, 69.78, "ImageNet"),
    point("cifar_resnet20", "ResNet", 0.0406, 91.25, "CIFAR-10"),
    point("cifar_resnet56", "ResNet", 0.125, 93.03, "CIFAR-10"),
    point("lenet5", "others", 0.0004, None, ""),
]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind, as the verbs write them."""
    folder = tmp_path_factory.mktemp("pages")
    files = {kind: folder / f"{kind}.html" for kind in KINDS}
    write_page(complexity_page.page(POINTS, "complexity.csv"), files["complexity"])
    network = ["analyze", "cifar_resnet8", "--phase=train", "--batch_size=2"]
    assert main([*network, f"--html={files['account']}", "--format=csv"]) == 0
    machine = ["--hardware=tpu_v5e", "--format=csv"]
    assert main([*network, *machine, f"--html={files['projection']}"]) == 0
    return files


def marks(opened: Opened, panel: str) -> int:
    """How many bubbles a chart shows."""
    return len(opened.marks(panel))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_for_nothing_and_complains_of_nothing(
    open_page: Open, pages: dict[str, Path], kind: str
) -> None:
    opened = open_page(pages[kind])
    for panel in opened.page.query_selector_all(".panel"):
        panel.focus()
        opened.page.keyboard.press("ArrowRight")
    assert opened.requests == [pages[kind].as_uri()]
    assert opened.errors == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_a_phone(open_page: Open, pages: dict[str, Path], kind: str) -> None:
    opened = open_page(pages[kind], width=390, has_touch=True, is_mobile=True)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_fault(
    open_page: Open, pages: dict[str, Path], kind: str, scheme: str
) -> None:
    opened = open_page(pages[kind], color_scheme=scheme, bypass_csp=True)
    opened.page.add_script_tag(path=tools.axe())
    found = opened.page.evaluate("axe.run(document)")
    faults = [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]]
    assert faults == []
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_stands_on_paper_and_without_scripts(
    open_page: Open, pages: dict[str, Path], kind: str
) -> None:
    opened = open_page(pages[kind], java_script_enabled=False)
    figures = len(opened.page.query_selector_all("figure"))
    assert figures >= 2
    assert len(opened.page.query_selector_all("figure svg[viewBox]")) >= figures
    printed = open_page(pages[kind], color_scheme="dark")
    printed.page.emulate_media(media="print")
    panels = printed.page.query_selector_all(".panel")
    stills = printed.page.query_selector_all(".still")
    assert len(panels) == len(stills)
    assert not any(panel.is_visible() for panel in panels)
    assert all(still.is_visible() for still in stills)


class TestComplexity:
    """Accuracy against operations."""

    @pytest.fixture
    def opened(self, open_page: Open, pages: dict[str, Path]) -> Opened:
        return open_page(pages["complexity"], color_scheme="light")

    def test_the_table_has_the_numbers_of_the_csv(self, opened: Opened) -> None:
        written = list(csv.DictReader(complexity_page.as_csv(POINTS).splitlines()))
        shown = {row["network"]: row for row in opened.table('[aria-label="All networks"]')}
        assert len(shown) == len(written) == len(POINTS)
        for row in written:
            own = shown[row["network"]]
            assert float(own["multiply-adds, 1e9"]) == pytest.approx(int(row["macs"]) / 1e9, 1e-3)
            assert float(own["parameters, 1e6"]) == pytest.approx(
                int(row["parameters"]) / 1e6, abs=5e-4
            )
            accuracy = row["accuracy_pct"]
            assert own["accuracy, %"] == (f"{float(accuracy):.2f}" if accuracy else "")
        assert shown["lenet5"]["data set"] == "none known"

    def test_a_chart_a_data_set_and_a_bubble_a_network(self, opened: Opened) -> None:
        assert marks(opened, "imagenet") == 4
        assert marks(opened, "cifar-10") == 2

    def test_a_group_goes_and_comes_back(self, opened: Opened) -> None:
        opened.switch("group:ResNet")
        assert (marks(opened, "imagenet"), marks(opened, "cifar-10")) == (2, 0)
        opened.switch("group:ResNet")
        assert (marks(opened, "imagenet"), marks(opened, "cifar-10")) == (4, 2)

    def test_the_pointer_gets_the_values_of_the_nearest_bubble(self, opened: Opened) -> None:
        opened.page.locator("#imagenet").scroll_into_view_if_needed()
        leftmost = min(opened.marks("imagenet"), key=lambda mark: mark["x"])
        opened.page.mouse.move(leftmost["x"] + 3, leftmost["y"] + 2)
        text = opened.page.inner_text("#imagenet .readout")
        assert text.startswith("googlenet\n")
        assert "69.78 %" in text
        assert "1.5 G" in text
        ring = opened.page.locator("#imagenet .ring").bounding_box()
        assert ring["x"] + ring["width"] / 2 == pytest.approx(leftmost["x"], abs=1.5)
        assert ring["y"] + ring["height"] / 2 == pytest.approx(leftmost["y"], abs=1.5)
        opened.page.mouse.move(1, 1)
        assert opened.page.is_hidden("#imagenet .readout")

    def test_arrow_keys_go_from_few_operations_to_many(self, opened: Opened) -> None:
        opened.page.focus("#imagenet")
        said = []
        for _ in range(4):
            opened.page.keyboard.press("ArrowRight")
            said.append(opened.page.evaluate("document.getElementById('said').textContent"))
        names = [text.splitlines()[0] for text in said]
        assert names == ["googlenet", "resnet50", "resnet152", "vgg16"]

    def test_the_headline_states_the_finding(self, opened: Opened) -> None:
        assert opened.page.inner_text("h1").replace("\u00a0", " ") == (
            "On ImageNet vgg16 takes 15.5 G multiply-adds for 71.59 % accuracy; "
            "resnet50 reaches 76.15 % with 4.09 G"
        )

    def test_words_stay_words(self, opened: Opened) -> None:
        assert opened.page.query_selector_all("main img, main b") == []
        assert HOSTILE in opened.page.inner_text("main")


class TestCosts:
    """What a network costs, and what it takes on a machine."""

    @pytest.mark.parametrize("kind", ["account", "projection"])
    def test_the_table_has_the_numbers_of_the_csv(
        self, open_page: Open, pages: dict[str, Path], kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["analyze", "cifar_resnet8", "--phase=train", "--batch_size=2", "--format=csv"])
        written = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        shown = open_page(pages[kind]).table('[aria-label="What each layer costs"]')
        assert len(shown) == len(written) + 1, "and the total"
        for own, row in zip(shown, written, strict=False):
            assert (own["layer"], own["phase"]) == (row["name"], row["phase"])
            for heading, field in (
                ("multiply-adds", "macs"),
                ("operations, FLOP", "flops"),
                ("weights, B", "weight_bytes"),
                ("outputs, B", "output_bytes"),
            ):
                assert own[heading].replace(",", "") == row[field]

    def test_times_are_those_of_the_csv(
        self, open_page: Open, pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        network = ["analyze", "cifar_resnet8", "--phase=train", "--batch_size=2"]
        main([*network, "--hardware=tpu_v5e", "--format=csv"])
        written = list(csv.DictReader(capsys.readouterr().out.splitlines()))
        shown = open_page(pages["projection"]).table('[aria-label="What each layer takes"]')
        assert [row["layer"] for row in shown] == [row["name"] for row in written]
        for own, row in zip(shown, written, strict=True):
            time = float(own["time, µs"].replace(",", ""))
            assert time == pytest.approx(1e6 * float(row["time_s"]), abs=6e-4)

    def test_bars_answer_layer_by_layer(self, open_page: Open, pages: dict[str, Path]) -> None:
        opened = open_page(pages["projection"])
        opened.page.focus("#layer_times_forward")
        opened.page.keyboard.press("Home")
        text = opened.page.inner_text("#layer_times_forward .readout")
        assert "estimate" in text
        assert "hbm" in text

    def test_dots_of_the_roofline_answer(self, open_page: Open, pages: dict[str, Path]) -> None:
        opened = open_page(pages["projection"])
        opened.page.focus("#roofline")
        opened.page.keyboard.press("End")
        ring = opened.page.locator("#roofline .ring").bounding_box()
        centre = (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
        distances = [
            max(abs(mark["x"] - centre[0]), abs(mark["y"] - centre[1]))
            for mark in opened.marks("roofline")
        ]
        assert min(distances) < 1.5
        assert "FLOP/s" in opened.page.inner_text("#roofline .readout")
