"""A study of a hundred runs over as many epochs as CIFAR's recipe has."""

from pathlib import Path

import pytest

from resnets.reports import write_report
from tests.browser.conftest import Open
from tests.reports.fake_study import whole_study

pytestmark = pytest.mark.browser

DEPTHS = (8, 14, 20, 26, 32, 38, 44, 50, 56, 110)


def test_its_page_is_small_and_every_depth_has_its_own_look(
    tmp_path: Path, open_page: Open
) -> None:
    study = whole_study(
        tmp_path / "s", lambda _, d, s: d / 9 + s, depths=DEPTHS, seeds=5, epochs=164
    )
    write_report(study)
    page = study / "report" / "report.html"
    assert page.stat().st_size < 5e6
    opened = open_page(page)
    assert len(opened.marks("curves-0", "line")) == 2 * len(DEPTHS)
    looks = opened.page.evaluate(
        """[...document.querySelectorAll('[data-key^="depth:"]')]
           .map(b => b.dataset.colour + b.querySelector("path:last-of-type").getAttribute("d"))"""
    )
    assert len(set(looks)) == len(DEPTHS)
    opened.page.set_viewport_size({"width": 390, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
