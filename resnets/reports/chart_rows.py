"""What the charts draw, as rows of plain values: curves, final errors, differences."""

import math
from typing import Any

from resnets.reports.comparison import METRICS, Metric, differences, finals, mean_curve
from resnets.reports.results import Study
from resnets.reports.statistics import interval, sample

Row = dict[str, Any]

SPLITS: dict[Metric, str] = dict(zip(METRICS, ("training", "test"), strict=True))
ARM_GAP, DOT_GAP = 0.16, 0.05
"""On an axis of depths, whose neighbours are 1 apart: between arms, from a mean to its runs."""
ARMS_REACH = 0.8
"""What all arms of a depth take together at most, so that they do not mix with the next depth's."""

MOST = 100.0
"""Percent that an error reaches at most; points by which two errors differ at most."""

MARKS = 5
"""Marks along a curve; those of one depth stand between those of the next."""


def curve_rows(study: Study, arm: str) -> list[Row]:
    """A row a depth, split and epoch: mean and range over seeds, percent; `mark` where one stands.

    The marks of one curve are evenly spread over its own points, and each depth's begin a little
    later than those of the one before, so that curves on top of each other show all of theirs.
    """
    rows = []
    for order, depth in enumerate(study.depths):
        runs = study.select(arm, depth)
        for metric in METRICS:
            points = mean_curve(runs, metric)
            marked = _marked(len(points), (order + 1) / (len(study.depths) + 1))
            for index, point in enumerate(points):
                row: Row = {"arm": arm, "depth": depth, "split": SPLITS[metric]}
                row |= {"epoch": point.epoch, "n": point.n, "mean": round(point.mean, 3)}
                row |= {"low": round(point.low, 3), "high": round(point.high, 3)}
                rows.append(row | ({"mark": 1} if index in marked else {}))
    return rows


def _marked(points: int, offset: float) -> set[int]:
    count = min(points, MARKS)
    return {min(points - 1, int((i + offset) * points / count)) for i in range(count)}


def _place(study: Study, depth: int, arm: str, arms: tuple[str, ...]) -> Row:
    """Where a depth stands on an axis of depths, and where an arm's value beside the others."""
    at = study.depths.index(depth)
    gap = min(ARM_GAP, ARMS_REACH / len(arms))
    shift = gap * (arms.index(arm) - (len(arms) - 1) / 2)
    return {"at": at, "place": round(at + shift, 3)}


def final_rows(study: Study, metric: Metric) -> list[Row]:
    """A row an arm and depth: mean final error and the ends of its 95 % interval, percent."""
    rows = []
    for arm in study.arms:
        for depth in study.depths:
            errors = sample(list(finals(study.select(arm, depth), metric).values()))
            if errors is None:
                continue
            row: Row = {"arm": arm, "depth": depth, "split": SPLITS[metric], "n": errors.n}
            low, high = interval(errors)
            row |= {"mean": errors.mean, "low": low, "high": high}
            rows.append(row | _past(row, 0.0) | _place(study, depth, arm, study.arms))
    return rows


def seed_rows(study: Study, metric: Metric) -> list[Row]:
    """A row a done run: its final error, percent."""
    return [
        {"arm": arm, "depth": depth, "split": SPLITS[metric], "seed": seed, "error": error}
        | {"place": round(_place(study, depth, arm, study.arms)["place"] + DOT_GAP, 3)}
        for arm in study.arms
        for depth in study.depths
        for seed, error in finals(study.select(arm, depth), metric).items()
    ]


def difference_rows(study: Study, metric: Metric) -> list[Row]:
    """A row a depth and arm: what it errs more than the reference, percentage points."""
    found = differences(study)
    arms = tuple(dict.fromkeys(difference.arm for difference in found))
    rows = []
    for difference in found:
        pair = difference.train if metric == "train_error_pct" else difference.test
        if pair is None:
            continue
        row: Row = {"arm": difference.arm, "reference": difference.reference}
        row |= {"depth": difference.depth, "split": SPLITS[metric], "n": pair.n}
        row |= {"mean": pair.mean, "low": pair.low, "high": pair.high}
        rows.append(row | _past(row, -MOST) | _place(study, difference.depth, difference.arm, arms))
    return rows


def _past(row: Row, least: float) -> Row:
    """`below` and `above`: the edges that an interval passes; errors stay between, it need not."""
    low, high = row["low"], row["high"]
    past = {"below": least} if low is not None and low < least else {}
    return past | ({"above": MOST} if high is not None and high > MOST else {})


def passes(rows: list[Row]) -> bool:
    """Whether any interval goes on beyond what its number can be."""
    return any(key in row for row in rows for key in ("below", "above"))


def extent(rows: list[Row], keys: tuple[str, ...]) -> tuple[float, float]:
    """The smallest and the largest of some fields over all rows that have them."""
    values = [row[key] for row in rows for key in keys if row.get(key) is not None]
    return min(values), max(values)


def error_top(rows: list[Row], keys: tuple[str, ...]) -> float:
    """Where an axis of errors ends: a bit above the largest, at most at 100 %."""
    return min(MOST, max(1.0, 1.04 * extent(rows, keys)[1]))


def logarithmic(rows: list[Row], keys: tuple[str, ...], top: float) -> dict[str, list[float]]:
    """Ends and ticks of a logarithmic axis of errors; 0 %, which it has not, stands at its foot."""
    values = [row[key] for row in rows for key in keys if (row.get(key) or 0) > 0]
    smallest = min(values, default=top / 10)
    foot = 10.0 ** math.floor(math.log10(smallest))
    foot = max(f for f in (foot, 2 * foot, 5 * foot) if f <= smallest * 1.0001)
    decades = range(math.floor(math.log10(foot)), math.ceil(math.log10(top)) + 1)
    steps = (1, 2, 5) if len(decades) <= 5 else (1,)
    ticks = [float(f"{step}e{power}") for power in decades for step in steps]
    return {"domain": [foot, top], "ticks": [t for t in ticks if foot <= t <= top]}
