"""Predictions held against measurements: networks in all, and each network's layers.

What is predicted comes from the lowered program and a hardware file alone. XLA's passes over a
network's results are measured with the layers that they work for; a projection lets them ride on a
product, so that their seconds are added to the layer that they ride on.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from resnets.analysis.calibration.fit import moving
from resnets.analysis.calibration.measured import Measured, measure
from resnets.analysis.calibration.microbenchmarks import (
    QUICK_SHAPES,
    Product,
    call_overhead,
    options,
    product_rates,
)
from resnets.analysis.fusion import schedule
from resnets.analysis.hardware import Hardware
from resnets.analysis.lower import Lowered
from resnets.analysis.projection import Projection, project
from resnets.analysis.rates import at_shape

FUSION, RESIDENCY, TILING = "epilogue", "belady", "once"
"""Of the predictions. Element-wise work rides on products; caches keep what is needed soonest; and
samples are of whole products, whose tiles XLA chose."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """Seconds of a layer, those that ride on it included."""

    name: str
    predicted: float
    measured: float


@dataclasses.dataclass(frozen=True)
class Check:
    """A network predicted and measured.

    Attributes:
      model: its name.
      batch: images at once.
      image: height and width.
      predicted: seconds of a call.
      measured: the same, lower quartile of `runs` less an empty call; what else runs on a machine
        only slows it down.
      drift: how much longer single convolutions took just before than the file says of them.
      median: of the same, in seconds.
      high: upper quartile, in seconds.
      runs: timings.
      explained: share of a profiled call in which a named kernel runs.
      layers: in order.
    """

    model: str
    batch: int
    image: tuple[int, int]
    predicted: float
    measured: float
    drift: float
    median: float
    high: float
    runs: int
    explained: float
    layers: tuple[Layer, ...]

    @property
    def ratio(self) -> float:
        """Predicted seconds for each measured one."""
        return self.predicted / self.measured

    @property
    def correlation(self) -> float:
        """Rank correlation of the layers."""
        pairs = [(layer.predicted, layer.measured) for layer in self.layers]
        return spearman(*zip(*pairs, strict=True)) if pairs else math.nan


def predict(lowered: Lowered, machine: Hardware) -> Projection:
    """Project an inference program as calibrated machines are meant to be used."""
    return project(schedule(lowered.graph, FUSION, training=False), machine, RESIDENCY, TILING)


def check(
    lowered: Lowered,
    machine: Hardware,
    model: str,
    batch: int,
    image: tuple[int, int],
    repeats: int = 5,
) -> Check:
    """Predict a network, then run it here."""
    found, slowed = predict(lowered, machine), drift(machine)
    here = measure(lowered, repeats, options=options())
    return Check(
        model,
        batch,
        image,
        found.estimate,
        max(here.low - call_overhead(), here.low / 2),
        slowed,
        here.seconds,
        here.high,
        here.runs,
        here.explained,
        joined(found, here),
    )


def drift(machine: Hardware) -> float:
    """How much longer some convolutions take now than the file says: 1 if all is as it was."""
    records = product_rates((), QUICK_SHAPES, rounds=1)
    return statistics.median(record.seconds / _told(record, machine) for record in records)


def _told(record: Product, machine: Hardware) -> float:
    sample = (record.rows, record.channels, record.columns, record.taps)
    return record.flops / at_shape(machine.unit_for("convolution"), sample) + moving(
        record, machine
    )


def joined(found: Projection, here: Measured) -> tuple[Layer, ...]:
    """Predicted and measured seconds of each layer that has a step of its own."""
    predicted: dict[str, float] = {}
    hosts: dict[str, str] = {}
    for taken in found.steps:
        name = taken.step.layer
        predicted[name] = predicted.get(name, 0.0) + taken.estimate
        for rider in taken.step.riders:
            hosts.setdefault(rider, name)
    seconds = dict.fromkeys(predicted, 0.0)
    for name, taken_here in here.layers.items():
        host = name if name in predicted else hosts.get(name, "")
        if host in seconds:
            seconds[host] += taken_here
    return tuple(Layer(name, predicted[name], seconds[name]) for name in predicted)


def folded(layers: Sequence[Layer], depth: int) -> tuple[Layer, ...]:
    """Add up the layers whose names begin with the same `depth` parts; 0: none are."""
    if not depth:
        return tuple(layers)
    sums: dict[str, tuple[float, float]] = {}
    for layer in layers:
        name = "/".join(layer.name.split("/")[:depth])
        predicted, measured = sums.get(name, (0.0, 0.0))
        sums[name] = predicted + layer.predicted, measured + layer.measured
    return tuple(Layer(name, *seconds) for name, seconds in sums.items())


def mape(pairs: Sequence[tuple[float, float]]) -> float:
    """Mean absolute error of predictions in percent of what was measured; pairs in this order."""
    return 100 * statistics.mean(abs(told / seen - 1) for told, seen in pairs)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation; not a number where either has one value only."""
    ranks = [rankdata(values) for values in (first, second)]
    if len(first) < 2 or any(np.ptp(several) == 0 for several in ranks):
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def summary(checks: Sequence[Check]) -> Mapping[str, float]:
    """Error over all rows in percent, the median ratio, and the median rank correlation."""
    correlations = [c.correlation for c in checks if not math.isnan(c.correlation)]
    return {
        "mape_pct": mape([(c.predicted, c.measured) for c in checks]),
        "mape_less_drift_pct": mape([(c.predicted * c.drift, c.measured) for c in checks]),
        "median_drift": statistics.median(c.drift for c in checks),
        "median_ratio": statistics.median(c.ratio for c in checks),
        "median_rank_correlation": statistics.median(correlations) if correlations else math.nan,
    }
