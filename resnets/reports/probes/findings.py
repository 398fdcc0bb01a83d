"""Rows and pictures of probed runs, and the statistics that charts and summaries share."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resnets.drawing.lines import Point

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Findings:
    """What a probe found in one run or in several.

    Attributes:
      what: the probe.
      split: of the data that it looked at.
      examples: how many it looked at in each run.
      series: names of the runs or arms, in the order of the legend.
      tables: rows by the name of their file; each has `series` and `run`.
      pictures: arrays by name, of the first run of each series.
    """

    what: str
    split: str
    examples: int
    series: Sequence[str]
    tables: Mapping[str, Sequence[Row]]
    pictures: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Runs of each series, the least."""
        rows = next(iter(self.tables.values()))
        return min(len({row["run"] for row in rows if row["series"] == s}) for s in self.series)

    def of(self, table: str, **fields: Any) -> list[Row]:
        """Rows of a table with these values."""
        return [
            row
            for row in self.tables[table]
            if all(row[name] == value for name, value in fields.items())
        ]

    def counted(self) -> str:
        """`360 test images, n = 3 runs of each, 56 layers`."""
        runs = f"n\u00a0=\u00a0{self.runs} run{'s' * (self.runs > 1)}"
        each = " of each" * (len(self.series) > 1)
        rows = (row for table in self.tables.values() for row in table)
        depths = sorted({row["depth"] for row in rows if "depth" in row})
        layers = f", {' and '.join(map(str, depths))} layers" * bool(depths)
        return f"{self.examples} {self.split} images, {runs}{each}{layers}"


def mean(values: Iterable[float | None]) -> float:
    """Mean of the numbers among the values; NaN of none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def points(
    rows: Sequence[Row],
    series: Sequence[str],
    x: str,
    y: str,
    band: bool = True,
    least: Callable[[float], float] = lambda value: value,
) -> list[Point]:
    """The mean of `y` at each `x` and series, with the smallest and the largest as a band.

    Args:
      rows: of a table.
      series: in order.
      x: column of places.
      y: column of values; rows without one are left out.
      band: whether there is one.
      least: what values become, such as no less than a log axis can show.
    """
    found = []
    for name in series:
        groups: dict[float, list[float]] = {}
        for row in rows:
            if row["series"] == name and row[y] is not None and math.isfinite(row[y]):
                groups.setdefault(row[x], []).append(least(row[y]))
        for place in sorted(groups):
            values = groups[place]
            ends = (min(values), max(values)) if band and len(values) > 1 else (None, None)
            found.append(Point(name, place, sum(values) / len(values), *ends))
    return found


def per_series(findings: Findings, table: str, column: str, **fields: Any) -> dict[str, float]:
    """Mean of a column by series."""
    return {
        name: mean(row[column] for row in findings.of(table, series=name, **fields))
        for name in findings.series
    }


def said(values: Mapping[str, float], unit: str, digits: int = 1) -> str:
    """`plain 12.3 %, residual 4.0 %`; of one series only the number; 1,683 in whole units."""

    def number(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"

    shown = {name: f"{number(value)}{unit}" for name, value in values.items()}
    if len(shown) == 1:
        return next(iter(shown.values()))
    return ", ".join(f"{name} {value}" for name, value in shown.items())
