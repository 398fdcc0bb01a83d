"""The charts' content: what is drawn, in which colours, within which axes."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from resnets.drawing import symbols
from resnets.reports import layers, palette
from resnets.reports.chart_rows import curve_rows, final_rows, logarithmic
from resnets.reports.charts import WIDTH, Chart, draw, to_png
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


def test_however_many_arms_stand_nearer_to_their_depth_than_to_the_next(tmp_path: Path) -> None:
    """Depths are 1 apart, and arms of one depth do not share a place."""
    arms = tuple(f"arm{index}" for index in range(9))
    many = read_study(whole_study(tmp_path, lambda *_: 5.0, arms, (8, 56), 1))
    rows = final_rows(many, "train_error_pct")
    assert all(abs(r["place"] - r["at"]) < 0.5 for r in rows)
    assert len({r["place"] for r in rows}) == len(rows)


def test_every_shape_has_an_outline_and_no_series_looks_like_another() -> None:
    """Colours repeat after seven series, shapes after eight."""
    looks = list(zip(palette.arms(56), symbols.shapes(56), strict=True))
    assert len(set(looks)) == 56
    assert all(symbols.Swatch(shape=shape).outline for shape in symbols.SHAPES)


def svg_texts(svg: str) -> list[str]:
    """The words of a chart, and that it is well-formed."""
    texts = [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]
    return [" ".join(part for part in text.itertext() if part.strip()) for text in texts]


def test_every_chart_says_what_it_shows(drawn: tuple[Chart, ...]) -> None:
    """Title, axes with units, depths in order, arms, how many seeds and which interval."""
    own = {
        "curves": ("error, %", "epoch", "training", "test"),
        "final": ("final error, %", "training error", "test error", "depth, layers"),
        "difference": ("plain - <&>, points", "training error", "test error", "depth, layers"),
    }
    own |= {q.name: (q.title, f"{q.of}, in the order of the network") for q in layers.QUANTITIES}
    stated = dict.fromkeys(own, "spans all of them")
    stated["final"] = stated["difference"] = "95 % t-interval"
    assert [chart.name for chart in drawn] == list(own)
    for chart in drawn:
        words = svg_texts(chart.svg)
        assert not {*own[chart.name], "8", "20", "56"} - set(words)
        assert chart.title in " ".join(words)
        assert "n\u00a0=\u00a02" in chart.caption
        assert stated[chart.name] in chart.caption
    depths = [word for word in svg_texts(drawn[0].svg) if word in ("8", "20", "56")]
    assert depths[-3:] == ["8", "20", "56"]


def test_an_interval_beyond_what_an_error_can_be_is_not_cut_silently(tmp_path: Path) -> None:
    """Errors of 1 and 3 % have a 95 % interval of 2 -+ 12.7; of 50 and 70 %, of 60 -+ 127."""

    def error(arm: str, _: int, seed: int) -> float:
        return 50.0 + 20 * seed if arm == "plain" else 1.0 + 2 * seed

    wide = read_study(whole_study(tmp_path / "wide", error, depths=(8,), seeds=2))
    plain, residual = final_rows(wide, "train_error_pct")
    assert (plain["below"], plain["above"]) == (0.0, 100.0)
    assert residual["below"] == 0.0
    assert "above" not in residual
    _, final, difference, *_ = draw(wide)
    assert arrows(final) == ["triangle-down", "triangle-up"]
    assert arrows(difference) == ["triangle-up"], "58 -+ 114 points: 172, but not -56, is too much"
    assert all("Arrows: the interval goes on beyond" in c.caption for c in (final, difference))
    narrow = read_study(whole_study(tmp_path / "narrow", lambda *_: 5.0, depths=(8,), seeds=2))
    assert not any(arrows(chart) or "Arrows" in chart.caption for chart in draw(narrow)[1:3])


def arrows(chart: Chart) -> list[str]:
    """Shapes of the arrows of a chart's first panel."""
    marks = [layer["mark"] for layer in chart.panels[0].chart.to_dict()["layer"]]
    return [mark["shape"] for mark in marks if "shape" in mark]


def test_series_differ_without_colour(drawn: tuple[Chart, ...]) -> None:
    """Three depths have three marks, two arms two marks and two dashes."""
    for name, field, count in (("curves", "depth", 3), ("final", "arm", 2)):
        chart = next(chart for chart in drawn if chart.name == name)
        encodings = [layer["encoding"] for layer in chart.panels[0].chart.to_dict()["layer"]]
        shapes = [e["shape"]["scale"]["range"] for e in encodings if "shape" in e]
        assert all(len(set(shape)) == count for shape in shapes)
        assert {e["shape"]["field"] for e in encodings if "shape" in e} == {field}
    dashes = [e["strokeDash"] for e in encodings if "strokeDash" in e]
    assert len({tuple(dash) for dash in dashes[0]["scale"]["range"]}) == 2


def test_colours(drawn: tuple[Chart, ...]) -> None:
    """Every colour of a chart has a dark twin."""
    known = set(palette.dark_twins(3))
    for chart in drawn:
        elements = ElementTree.fromstring(chart.svg).iter()
        used = {e.get(key, "") for e in elements for key in ("fill", "stroke")}
        assert {c for c in used if c.startswith("#")} - known == set()
        used_words = {c for c in used if c and not c.startswith("#")}
        assert used_words <= {"none", "transparent"}, used_words


def test_means_and_bands(study: Study, drawn: tuple[Chart, ...]) -> None:
    """Rows hold mean and range over seeds; the axis holds all of them and starts at zero."""
    spec = drawn[0].panels[0].chart.to_dict()
    axes = [layer["encoding"]["y"]["scale"] for layer in spec["layer"]]
    assert all(axis == axes[0] for axis in axes)
    low, high = axes[0]["domain"]
    assert low == 0
    assert high == pytest.approx(1.04 * (29 + 61 * math.exp(-5 / 3)), abs=1e-3)
    rows = curve_rows(study, "plain")
    last = [r for r in rows if (r["depth"], r["epoch"], r["split"]) == (56, 3, "test")]
    assert len(last) == 1
    assert last[0]["n"] == 2
    assert last[0]["high"] - last[0]["low"] == pytest.approx(0.9933, abs=1e-2)
    assert last[0]["mean"] == pytest.approx((last[0]["high"] + last[0]["low"]) / 2, abs=1e-2)


def test_panels_share_their_axis(drawn: tuple[Chart, ...]) -> None:
    """Training and test panels have the same error axis."""
    layers = [layer for p in drawn[1].panels for layer in p.chart.to_dict()["layer"]]
    scales = [layer["encoding"]["y"]["scale"] for layer in layers]
    assert all(scale == scales[0] for scale in scales)


def test_a_logarithmic_axis_holds_every_error_but_zero() -> None:
    """From a round number below the smallest to the linear axis's end."""
    rows = [{"error": 0.0}, {"error": 0.07}, {"error": 61.0}]
    axis = logarithmic(rows, ("error",), 63.0)
    assert axis["domain"] == [pytest.approx(0.05), 63.0]
    assert axis["ticks"][0] == 0.05
    assert axis["ticks"][-1] == 50.0
    assert logarithmic([{"error": 0.0}], ("error",), 1.0)["domain"] == [0.1, 1.0]


def test_png(drawn: tuple[Chart, ...]) -> None:
    """Twice the size of the SVG, which is little wider than its panels."""
    png = to_png(drawn[0].svg)
    width = int.from_bytes(png[16:20], "big")
    svg = float(ElementTree.fromstring(drawn[0].svg).get("width", "0"))
    assert width == pytest.approx(2 * svg, abs=2)
    assert svg < WIDTH + 120
