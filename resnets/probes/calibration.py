"""Whether a network is as often right as it is sure, and what it takes for what.

Guo, Pleiss, Sun and Weinberger 2017 (arXiv 1706.04599): predictions are sorted into bins by their
confidence, the largest probability; the expected calibration error is the mean distance of
accuracy and confidence over the bins, each weighed by its share of the examples.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax

Probabilities = Float[np.ndarray, "examples classes"]
Labels = Int[np.ndarray, " examples"]

BINS = 15
"""Bins of equal width, as in the paper."""


@dataclasses.dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence.

    Attributes:
      low: confidence above which they lie; the first bin has its end too.
      high: confidence up to which they lie.
      count: how many there are.
      confidence: their mean confidence; NaN of none.
      accuracy: share of them that is right; NaN of none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy are apart.

    Attributes:
      bins: from the lowest confidence to the highest.
      count: examples.
      accuracy: share that is right.
      confidence: mean.
      expected_error: the expected calibration error, a share.
      largest_error: the largest distance of accuracy and confidence in a bin, a share.
      loss: mean negative log-likelihood, nats.
    """

    bins: tuple[Bin, ...]
    count: int
    accuracy: float
    confidence: float
    expected_error: float
    largest_error: float
    loss: float


@dataclasses.dataclass(frozen=True)
class Confused:
    """A wrong prediction.

    Attributes:
      example: its place among the examples.
      label: what it is.
      predicted: what it was taken for.
      confidence: probability of that.
    """

    example: int
    label: int
    predicted: int
    confidence: float


def probabilities(logits: Float[np.ndarray, "examples classes"]) -> Probabilities:
    """Softmax, in double precision, so that it adds up to one."""
    return np.exp(log_softmax(np.asarray(logits, np.float64), axis=-1))


def calibration(shares: Probabilities, labels: Labels, bins: int = BINS) -> Calibration:
    """Sort predictions into bins of equal width by confidence.

    Args:
      shares: probabilities `[examples, classes]`.
      labels: `[examples]`.
      bins: how many.
    """
    confidence, right = shares.max(axis=-1), shares.argmax(axis=-1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        mean = [
            float(values[inside].mean()) if inside.any() else float("nan")
            for values in (confidence, right)
        ]
        ends = float(edges[index]), float(edges[index + 1])
        found.append(Bin(*ends, int(inside.sum()), *mean))
    gaps = [(b.count / len(labels), abs(b.accuracy - b.confidence)) for b in found if b.count]
    own = np.take_along_axis(shares, labels[:, None].astype(np.int64), axis=-1)[:, 0]
    with np.errstate(divide="ignore"):
        loss = float(-np.log(own).mean())
    return Calibration(
        tuple(found),
        len(labels),
        float(right.mean()),
        float(confidence.mean()),
        sum(share * gap for share, gap in gaps),
        max(gap for _, gap in gaps),
        loss,
    )


def confusion(
    predicted: Int[np.ndarray, " examples"], labels: Labels, classes: int
) -> Int[np.ndarray, "classes classes"]:
    """How many examples of each class (row) were taken for each class (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def most_confused(shares: Probabilities, labels: Labels, count: int) -> Sequence[Confused]:
    """Wrong predictions, the surest first, at most so many."""
    predicted, confidence = shares.argmax(axis=-1), shares.max(axis=-1)
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        Confused(int(n), int(labels[n]), int(predicted[n]), float(confidence[n])) for n in order
    ]
