"""Final errors of a trial's runs, by seed, and what else claims read off them."""

import csv
import functools
import statistics
from collections.abc import Sequence
from pathlib import Path

from experiments.claims.claim import Table
from resnets.errors import RunError
from resnets.reports.comparison import Metric, finals
from resnets.reports.results import Run, Study

TRAIN: Metric = "train_error_pct"
TEST: Metric = "test_error_pct"
NAMES = {TRAIN: "training error", TEST: "test error"}

AGAIN = 0.5
"""Our reading of `as accurate`: fewer than half as many errors more. A margin in points would be
larger than the errors of networks that have learned digits."""

TENTH = 0.1
"""Our reading of `do not get worse`, said beside networks that do: by less than this share."""

GUESSING = 90.0
"""Percent of errors of a network that says any one of the ten digits always."""

Group = tuple[str, int]
"""Arm and depth."""


def errors(study: Study, group: Group, metric: Metric) -> tuple[float, ...]:
    """Final errors of an arm at a depth, percent, in the order of the seeds.

    A run whose loss was not finite at its end counts as guessing. (Reports of studies leave such
    runs out of their means and list them; here a claim about stability would lose its evidence.)

    Raises:
      RunError: the trial has no such runs.
    """
    runs = study.select(*group)
    if not runs:
        raise RunError(f"{study.path} has no runs of {group[0]} at {group[1]} layers")
    found = finals(runs, metric)
    return tuple(found.get(seed, GUESSING) for seed in sorted(run.seed for run in runs))


def difference(study: Study, first: Group, second: Group, metric: Metric) -> tuple[float, ...]:
    """Errors of the first less those of the second, seed by seed, in percentage points."""
    pairs = zip(errors(study, first, metric), errors(study, second, metric), strict=True)
    return tuple(one - other for one, other in pairs)


def left_of(margin: float, values: Sequence[float]) -> tuple[float, ...]:
    """What is left of a margin, value by value: above zero says `no more than the margin`."""
    return tuple(margin - value for value in values)


@functools.cache
def committed(study: str) -> dict[Group, float]:
    """Mean training error, percent, in the committed results of a whole study."""
    found: dict[Group, list[float]] = {}
    file = Path(__file__).parents[1] / "results" / f"{study}.csv"
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            group = row["arm"], int(row["depth"])
            found.setdefault(group, []).append(float(row["train_error_pct"] or GUESSING))
    return {group: statistics.fmean(values) for group, values in found.items()}


def groups(study: Study) -> list[Group]:
    """Arms and depths in the order of the manifest."""
    return list(dict.fromkeys((run.arm, run.depth) for run in study.runs))


def error_table(study: Study) -> Table:
    """Mean and standard deviation of the final errors."""
    rows = []
    for group in groups(study):
        runs = study.select(*group)
        shown = [spread(errors(study, group, metric)) for metric in (TRAIN, TEST)]
        rows.append((group[0], str(group[1]), *shown, str(len(runs)), f"{_seconds(runs):.0f}"))
    headings = ("arm", "layers", "training error, %", "test error, %", "seeds", "s a run")
    return Table(f"Digits, final epoch, mean ± standard deviation: {study.name}", headings, rows)


def spread(values: Sequence[float]) -> str:
    """`0.42 ± 0.30`."""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{deviation}"


def _seconds(runs: Sequence[Run]) -> float:
    times = [run.final.wall_s for run in runs if run.final and run.final.wall_s is not None]
    return statistics.fmean(times) if times else 0.0


@functools.cache
def published() -> dict[tuple[str, str], dict[str, str]]:
    """Published results by network and metric, as the table beside this file has them."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8") as file:
        return {(row["model"], row["metric"]): row for row in csv.DictReader(file)}
