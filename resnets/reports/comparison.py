"""The study's numbers: means by depth and arm, paired differences, mean curves.

Arms are paired against one reference arm: the one called `residual`, else the last of the manifest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from resnets.reports.results import Epoch, Final, Run, Study
from resnets.reports.statistics import Paired, Sample, paired, sample

Metric = Literal["train_error_pct", "test_error_pct"]
METRICS: tuple[Metric, ...] = ("train_error_pct", "test_error_pct")


@dataclass(frozen=True)
class Cell:
    """Final errors of one depth and arm over its done seeds; None without one.

    Attributes:
      depth: weight layers.
      arm: side of the comparison.
      train: training error, percent.
      test: test error, percent.
    """

    depth: int
    arm: str
    train: Sample | None
    test: Sample | None


@dataclass(frozen=True)
class Difference:
    """Final errors of an arm minus those of the reference, over the seeds both have.

    Attributes:
      depth: weight layers.
      arm: side of the comparison.
      reference: the other side.
      train: of training error, percentage points; None without a pair.
      test: of test error, percentage points.
    """

    depth: int
    arm: str
    reference: str
    train: Paired | None
    test: Paired | None


@dataclass(frozen=True)
class Point:
    """A curve's value at one epoch, over the `n` seeds that have it, in percent."""

    epoch: int
    n: int
    mean: float
    low: float
    high: float


def reference_arm(study: Study) -> str | None:
    """The arm that the others are paired with; None if there are not two."""
    if len(study.arms) < 2:
        return None
    return "residual" if "residual" in study.arms else study.arms[-1]


def value(record: Final | Epoch, metric: Metric) -> float | None:
    """One of the errors, percent."""
    return record.train_error_pct if metric == "train_error_pct" else record.test_error_pct


def finals(runs: Sequence[Run], metric: Metric) -> dict[int, float]:
    """Final error by seed, percent, of the done runs that have a finite one."""
    values = {run.seed: value(run.final, metric) for run in runs if run.final}
    return {seed: number for seed, number in values.items() if number is not None}


def _mean(runs: Sequence[Run], metric: Metric) -> Sample | None:
    return sample(list(finals(runs, metric).values()))


def cells(study: Study) -> tuple[Cell, ...]:
    """Every depth and arm of the manifest, depth by depth."""
    return tuple(
        Cell(depth, arm, _mean(runs, "train_error_pct"), _mean(runs, "test_error_pct"))
        for depth in study.depths
        for arm in study.arms
        if (runs := study.select(arm, depth))
    )


def _pair(study: Study, depth: int, arm: str, reference: str, metric: Metric) -> Paired | None:
    first = finals(study.select(arm, depth), metric)
    second = finals(study.select(reference, depth), metric)
    seeds = sorted(first.keys() & second.keys())
    return paired([first[seed] for seed in seeds], [second[seed] for seed in seeds])


def differences(study: Study) -> tuple[Difference, ...]:
    """Every depth, and every arm against the reference, where the manifest has both."""
    reference = reference_arm(study)
    if reference is None:
        return ()
    return tuple(
        Difference(
            depth,
            arm,
            reference,
            _pair(study, depth, arm, reference, "train_error_pct"),
            _pair(study, depth, arm, reference, "test_error_pct"),
        )
        for depth in study.depths
        for arm in study.arms
        if arm != reference and study.select(arm, depth) and study.select(reference, depth)
    )


def deepening(study: Study, arm: str, metric: Metric) -> tuple[int, int, Paired] | None:
    """An arm's deepest networks against its shallowest, over the seeds that both have.

    Returns:
      The two depths, and the error of the deeper minus that of the shallower, percentage points;
      None if the arm has done runs of one depth only, or no seed at both.
    """
    depths = [d for d in study.depths if finals(study.select(arm, d), metric)]
    if len(depths) < 2:
        return None
    deep, shallow = (finals(study.select(arm, depths[end]), metric) for end in (-1, 0))
    seeds = sorted(deep.keys() & shallow.keys())
    change = paired([deep[seed] for seed in seeds], [shallow[seed] for seed in seeds])
    return (depths[0], depths[-1], change) if change else None


def mean_curve(runs: Sequence[Run], metric: Metric) -> tuple[Point, ...]:
    """Mean and range over seeds at each epoch; a run that stopped counts as far as it went."""
    by_epoch: dict[int, list[float]] = {}
    for run in runs:
        for epoch in run.curve:
            number = value(epoch, metric)
            if number is not None:
                by_epoch.setdefault(epoch.epoch, []).append(number)
    return tuple(
        Point(epoch, len(numbers), sum(numbers) / len(numbers), min(numbers), max(numbers))
        for epoch, numbers in sorted(by_epoch.items())
    )


def gap_curve(
    study: Study, depth: int, arm: str, reference: str, metric: Metric
) -> tuple[Point, ...]:
    """What an arm errs more than the reference at each epoch, over the seeds of which both have it.

    Mean and range, percentage points.
    """
    sides = [_by_seed(study.select(name, depth), metric) for name in (arm, reference)]
    by_epoch: dict[int, list[float]] = {}
    for place in sorted(sides[0].keys() & sides[1].keys()):
        by_epoch.setdefault(place[0], []).append(sides[0][place] - sides[1][place])
    return tuple(
        Point(epoch, len(gaps), sum(gaps) / len(gaps), min(gaps), max(gaps))
        for epoch, gaps in by_epoch.items()
    )


def _by_seed(runs: Sequence[Run], metric: Metric) -> dict[tuple[int, int], float]:
    """An error by epoch and seed."""
    known = ((run.seed, epoch.epoch, value(epoch, metric)) for run in runs for epoch in run.curve)
    return {(epoch, seed): number for seed, epoch, number in known if number is not None}
