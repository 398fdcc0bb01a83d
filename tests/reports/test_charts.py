"""The charts' content: what is drawn, in which colours, within which axes."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from resnets.reports import palette
from resnets.reports.charts import NARROW, WIDE, Chart, curves, draw, final_against_depth, to_png
from resnets.reports.results import Study, read_study
from tests.reports.fake_study import whole_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two arms, three depths, two seeds; an arm whose name is markup."""
    path = tmp_path_factory.mktemp("study")
    return read_study(
        whole_study(path, lambda _, depth, seed: depth / 2 + seed, ("plain", "<&>"), (8, 20, 56), 2)
    )


@pytest.fixture(scope="module")
def drawn(study: Study) -> tuple[Chart, ...]:
    """Its charts."""
    return draw(study)


def svg_texts(svg: str) -> list[str]:
    """The words of a chart, and that it is well-formed."""
    return [e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]


def test_words_and_units(drawn: tuple[Chart, ...]) -> None:
    """Titles, axes with units, every depth and arm, in both layouts."""
    both = {"curves": ("Error against epoch", "error, %", "epoch", "training", "test")}
    both["final"] = ("Final error against depth", "final error, %", "training error", "test error")
    assert [chart.name for chart in drawn] == list(both)
    for chart in drawn:
        for svg in (chart.wide, chart.narrow):
            words = svg_texts(svg)
            missing = {*both[chart.name], "depth, layers", "8", "20", "56", "plain", "<&>"}
            assert not missing - set(words)


def test_colours(drawn: tuple[Chart, ...]) -> None:
    """Every colour of a chart has a dark twin, but the grey of the dash legend."""
    known = set(palette.dark_twins(3))
    for chart in drawn:
        elements = ElementTree.fromstring(chart.wide).iter()
        used = {e.get(key, "") for e in elements for key in ("fill", "stroke")}
        assert {c for c in used if c.startswith("#")} - known <= {"#888"}
        used_words = {c for c in used if c and not c.startswith("#")}
        assert used_words <= {"none", "transparent", "gray"}, used_words


def test_narrow_fits_a_phone(drawn: tuple[Chart, ...]) -> None:
    """Panels one below the other, at most 360 pixels wide; the wide chart fits the page."""
    for chart in drawn:
        narrow, wide = (ElementTree.fromstring(svg) for svg in (chart.narrow, chart.wide))
        assert float(narrow.get("width", "0")) <= 360 < float(wide.get("width", "0")) <= 860
        assert float(narrow.get("height", "0")) > float(wide.get("height", "0"))


def test_means_and_bands(study: Study) -> None:
    """Rows hold mean and range over seeds; the axis holds all of them and starts at zero."""
    spec = curves(study, WIDE).to_dict()
    panel = spec["concat"][0]
    axes = [layer["encoding"]["y"]["scale"] for layer in panel["layer"]]
    assert axes[0] == axes[1]
    low, high = axes[0]["domain"]
    assert low == 0
    assert high == pytest.approx(1.04 * (29 + 61 * math.exp(-5 / 3)))
    data = spec["datasets"][panel["data"]["name"]]
    last = [r for r in data if (r["depth"], r["epoch"], r["split"]) == (56, 3, "test")]
    assert len(last) == 1
    assert last[0]["high"] - last[0]["low"] == pytest.approx(0.9933, abs=1e-3)
    assert last[0]["mean"] == pytest.approx((last[0]["high"] + last[0]["low"]) / 2, abs=1e-3)


@pytest.mark.parametrize(("width", "columns"), [(WIDE, 2), (NARROW, 1)])
def test_panels_share_their_axis(study: Study, width: int, columns: int) -> None:
    """Training and test panels have the same error axis."""
    spec = final_against_depth(study, width).to_dict()
    scales = [layer["encoding"]["y"]["scale"] for p in spec["concat"] for layer in p["layer"]]
    assert all(scale == scales[0] for scale in scales)
    assert spec["columns"] == columns


def test_png(drawn: tuple[Chart, ...]) -> None:
    """Twice the size of the SVG."""
    png = to_png(drawn[0].wide)
    width = int.from_bytes(png[16:20], "big")
    assert width == pytest.approx(
        2 * float(ElementTree.fromstring(drawn[0].wide).get("width")), abs=2
    )
