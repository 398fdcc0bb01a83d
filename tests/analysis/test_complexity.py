"""Accuracy against operations: counts agree with torchvision's, numbers have sources, words fit."""

import csv
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets import models
from resnets.analysis import complexity, complexity_page
from resnets.analysis.complexity import Point
from resnets.analysis.published import published

CSV = Path(__file__).parent.parent / "models" / "torchvision_models.csv"


def point(network, macs, accuracy, **fields):
    fields = {"group": "ResNet", "data_set": "digits", "image_shape": (8, 8, 1)} | fields
    return Point(network=network, macs=macs, parameters=1000, accuracy_pct=accuracy, **fields)


class TestPublished:
    def test_every_number_belongs_to_a_registered_network_and_has_a_source(self):
        assert published().keys() <= set(models.names())
        for row in published().values():
            assert row.source
            assert 0 < row.top1_error_pct < 100
            assert row.top5_error_pct is None or row.top5_error_pct < row.top1_error_pct

    def test_the_paper_has_these(self):
        """He et al. 2015, table 6; torchvision's single-crop top-1 of ResNet-50, 76.15 %."""
        assert published()["cifar_resnet56"].top1_error_pct == 6.97
        assert published()["cifar_resnet110"].n == "best of 5"
        assert published()["resnet50"].top1_error_pct == 23.85
        assert published()["plain34"].crops == 10


class TestCounts:
    @pytest.mark.parametrize("name", ["alexnet", "googlenet"])
    def test_they_are_torchvisions(self, name):
        """Its GoogLeNet without auxiliary heads."""
        theirs = {row["model"]: row for row in csv.DictReader(CSV.read_text().splitlines())}[name]
        found = complexity.published_point(name)
        assert found.parameters == int(theirs["parameters"])
        assert found.gmacs == pytest.approx(float(theirs["gmacs"]), abs=0.002)

    def test_a_network_without_a_number_is_counted_all_the_same(self):
        found = complexity.published_point("lenet5")
        assert found.parameters == 61_706
        assert (found.accuracy_pct, found.data_set, found.source) == (None, "", "")

    def test_an_unknown_network_is_refused(self):
        with pytest.raises(ValueError, match=r"unknown network 'lenet6'.*lenet5"):
            complexity.published_point("lenet6")


def test_every_network_has_a_group():
    found = {complexity.group(name) for name in models.names()}
    assert found <= complexity_page.COLOURS.keys()
    assert complexity.group("cifar_plain20") == complexity.group("plain34") == "plain"
    assert complexity.group("preact_resnet164") == "ResNet"


class TestFinding:
    def test_it_names_the_network_that_a_cheaper_one_matches(self):
        points = [point("small", 2e6, 90.0), point("large", 8e6, 89.0), point("best", 9e6, 95.0)]
        assert complexity.finding(points) == (
            "On digits large takes 8 M multiply-adds for 89.00 % accuracy; "
            "small reaches 90.00 % with 2 M"
        )

    def test_it_says_where_more_operations_are_more_accurate_throughout(self):
        points = [point("small", 2e6, 90.0), point("large", 8e6, 91.0)]
        assert complexity.finding(points) == (
            "On digits large takes most operations, 8 M multiply-adds, and is the most accurate: "
            "91.00 %"
        )

    def test_one_network_is_a_question(self):
        assert complexity.finding([point("a", 1e6, 90.0)]).endswith("?")

    def test_ten_crops_are_compared_with_nothing(self):
        points = [point("a", 1e6, 90.0), point("b", 2e6, 91.0), point("c", 1e5, 99.0, crops=10)]
        assert "c " not in complexity.finding(points)
        assert [p.network for p in complexity.frontier(points)] == ["a", "b"]


def test_the_chart_leaves_ten_crops_to_the_table():
    """Their operations are those of one crop: beside the others they would look too good."""
    points = [point("a", 1e6, 90.0), point("b", 2e6, 91.0), point("c", 1e5, 99.0, crops=10)]
    figure = complexity_page.figure(points)
    assert {row["name"] for row in figure.panel.rows["points"]} == {"a", "b"}
    assert "In the table alone, since their accuracy is a mean over crops: c (10 crops)." in (
        figure.chart.caption
    )
    _, rows, _ = complexity_page.table(points)
    assert "c" in {row[0] for row in rows}


several = st.lists(
    st.builds(point, st.just("n"), st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20
)


@given(several)
def test_the_front_is_what_no_other_beats(points):
    front = complexity.frontier(points)
    for p in points:
        beaten = any(
            q.macs <= p.macs
            and q.accuracy_pct >= p.accuracy_pct
            and (q.macs, q.accuracy_pct) != (p.macs, p.accuracy_pct)
            for q in points
        )
        assert ((p.macs, p.accuracy_pct) in {(f.macs, f.accuracy_pct) for f in front}) != beaten


class TestTable:
    def test_a_column_that_nobody_fills_is_left_out(self):
        headings, rows, numeric = complexity_page.table([point("a", 2e9, 90.0, source="here")])
        assert headings == (
            "network", "data set", "image", "multiply-adds, 1e9", "parameters, 1e6", "accuracy, %",
            "source",
        )  # fmt: skip
        assert rows == [("a", "digits", "8x8x1", "2.000", "0.001", "90.00", "here")]
        assert numeric == [3, 4, 5]

    def test_the_csv_has_what_is_known_and_nothing_else(self):
        points = [
            point("a", 2_000_000, 90.0, low_pct=88.0, high_pct=92.0, n="3 seeds"),
            dataclasses.replace(point("b", 5, None), data_set=""),
        ]
        first, second = csv.DictReader(complexity_page.as_csv(points).splitlines())
        assert (first["macs"], first["accuracy_pct"], first["low_pct"]) == (
            "2000000",
            "90.0",
            "88.0",
        )
        assert (second["accuracy_pct"], second["data_set"], second["crops"]) == ("", "", "")


def test_a_chart_of_seeds_says_n_and_interval():
    points = [point("a", 2e6, 90.0, low_pct=88.0, high_pct=92.0, n="3 seeds", source="our runs")]
    figure = complexity_page.figure(points)
    assert "95 % t-interval, n = 3 seeds" in figure.chart.caption
    assert "1e6 (logarithmic)" in figure.chart.svg
    assert "accuracy on digits, %" in figure.chart.svg
