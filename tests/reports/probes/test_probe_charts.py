"""What charts of probes are drawn from: means, bands, intervals, pictures."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.stats import binomtest

from resnets.drawing.pictures import INK, SIGNED, Frame, Picture, coloured, grey, pictures
from resnets.reports.probes import Findings, draw, summary
from resnets.reports.probes.findings import mean, points, said
from resnets.reports.probes.sureness import bins, wilson


def row(series, run, kind, error, **fields):
    empty = {"count": 0, "choice": None, "place": None, "stage": None, "blocks": ""}
    return {"series": series, "run": run, "kind": kind, "error_pct": error} | empty | fields


@pytest.fixture
def lesions():
    """Two runs of one network with two blocks: without the second one the error triples."""
    rows = [
        made
        for run, whole in (("a", 10.0), ("b", 20.0))
        for made in (
            row("net", run, "none", whole),
            row("net", run, "delete", whole, place=1, stage="stage1", blocks="stage1/block0"),
            row("net", run, "delete", 3 * whole, place=2, stage="stage2", blocks="stage2/block0"),
        )
    ]
    return Findings("lesion", "test", 50, ("net",), {"lesion": rows})


def test_a_point_is_the_mean_and_its_band_the_extremes(lesions):
    first, second = points(lesions.of("lesion", kind="delete"), ["net"], "place", "error_pct")
    assert (first.x, first.y, first.low, first.high) == (1, 15, 10, 20)
    assert (second.x, second.y, second.low, second.high) == (2, 45, 30, 60)


def test_values_that_are_not_there_count_for_nothing():
    assert mean([1.0, None, math.nan, 3.0]) == 2.0
    assert math.isnan(mean([]))


def test_the_answer_names_the_worst_block(lesions):
    (answer,) = summary(lesions)
    assert answer["error, %"] == 15
    assert answer["one block deleted, mean %"] == 30
    assert (answer["worst block"], answer["without it, %"]) == ("stage2/block0", 45)


def test_the_title_says_the_cost_and_the_caption_the_number_of_runs(lesions):
    (chart,) = draw(lesions)
    text = "".join(ET.fromstring(chart.svg).itertext()).replace("\u00a0", " ")
    assert "points of error on average: 15.0" in text
    assert "n = 2 runs" in text
    assert "50 test images" in text
    assert "error, %" in text


def test_the_depth_of_a_studys_runs_is_said(lesions):
    assert lesions.counted() == "50 test images, n\u00a0=\u00a02 runs"
    rows = [one | {"depth": 56} for one in lesions.tables["lesion"]]
    deep = Findings("lesion", "test", 50, ("net",), {"lesion": rows})
    assert deep.counted() == "50 test images, n\u00a0=\u00a02 runs, 56 layers"


def test_one_series_is_not_named():
    assert said({"net": 1.25}, " %") == "1.2 %"
    assert said({"a": 1.0, "b": 2.0}, " %", 0) == "a 1 %, b 2 %"


def test_numbers_of_three_figures_and_more_are_whole():
    assert said({"plain": 1682.59, "residual": 8.554}, "", 2) == "plain 1,683, residual 8.55"
    assert said({"worst": -340.7}, " %") == "-341 %"


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 7), (9, 10), (40, 40)])
def test_wilsons_interval_is_scipys(right, count):
    ends = binomtest(right, count).proportion_ci(method="wilson")
    assert wilson(right / count, count) == pytest.approx((ends.low, ends.high))


def test_predictions_of_the_same_images_by_several_runs_do_not_count_as_more_images():
    def one(run):
        return {"run": run, "low": 0.8, "high": 0.9, "count": 40, "accuracy": 0.75}

    ((alone,), (thrice,)) = bins([one("a")]), bins([one("a"), one("b"), one("c")])
    assert (thrice["lowest"], thrice["highest"]) == (alone["lowest"], alone["highest"])
    assert alone["highest"] - alone["lowest"] > 20
    (apart,) = bins([one("a"), one("b") | {"count": 0, "accuracy": math.nan}])
    assert apart["lowest"] == alone["lowest"], "a run without predictions there has no part"


def test_scales_begin_and_end_with_their_stops():
    ends = coloured(np.array([[0.0, 0.5, 1.0]]), SIGNED)
    assert ends[0, 1].tolist() == pytest.approx([255, 255, 255], abs=2)
    assert coloured(np.array([[0.0]]), INK).tolist() == [[[255, 255, 255]]]
    assert grey(np.array([[[7]]], np.uint8)).tolist() == [[[7, 7, 7]]]


def test_pictures_stand_in_a_well_formed_drawing_and_lines_break_before_the_edge():
    shown = Picture(np.zeros((4, 4, 3), np.uint8), ("a < b",), [Frame(1, 1, 2, 2, "#000000", True)])
    root = ET.fromstring(pictures([("one & two", [shown] * 5)], "title", "caption", 300))
    images = [element for element in root.iter() if element.tag.endswith("image")]
    places = [(float(image.get("x")), float(image.get("y"))) for image in images]
    assert len(set(places)) == 5
    assert all(x + 300 <= 760 for x, _ in places)
    assert "a < b" in "".join(root.itertext())
