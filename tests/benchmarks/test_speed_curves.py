"""The charts of docs/speed.md: titles say what the committed tables say, axes name quantities."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import curves
from resnets.drawing.chart import Chart


@pytest.fixture(scope="module")
def drawn() -> dict[str, Chart]:
    """All charts by name."""
    return {chart.name: chart for chart in curves.charts()}


def words(chart: Chart) -> str:
    """All words of a chart."""
    found = ElementTree.fromstring(chart.svg).itertext()
    return " ".join(part for part in found if part.strip()).replace("\u00a0", " ")


def test_the_documentation_shows_every_chart(drawn: dict[str, Chart]) -> None:
    page = Path("docs/speed.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(speed/(\w+)\.svg\)", page)) == set(drawn)


def test_every_chart_says_how_many_were_measured_and_on_what(drawn: dict[str, Chart]) -> None:
    for chart in drawn.values():
        assert re.search(r"median of \d|n = 1 study", words(chart)), chart.name
        assert " cores of " in words(chart)


def test_axes_name_a_quantity_with_its_unit(drawn: dict[str, Chart]) -> None:
    for name, axis in (
        ("step_ms_at_depth", "time of a training step, ms"),
        ("images_per_s_at_devices", "training speed, images/s"),
        ("compile_s_depth", "time to compile, s"),
        ("study_s_runs", "time, s"),
    ):
        assert axis in words(drawn[name])


def test_a_title_has_the_tables_numbers(drawn: dict[str, Chart]) -> None:
    one, two = (r for r in curves.read("scaling") if r["axis"] == "devices")
    how = "slower" if two["images_per_s"] < one["images_per_s"] else "faster"
    said = f"are {how} than 1: {two['images_per_s']:.0f} images/s against"
    assert said in words(drawn["images_per_s_at_devices"])
    assert "1.0 " not in words(drawn["images_per_s_at_devices"]), "devices are whole"
