"""Accuracy against operations and parameters: a point a network, with what it takes and gives."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from resnets import models
from resnets.analysis import lower
from resnets.analysis.costs import total
from resnets.analysis.layers import rows
from resnets.analysis.published import published
from resnets.analysis.symbols import AnalysisError
from resnets.arguments import parse_value, split_call
from resnets.models.resnet import ResNet

Shape = tuple[int, int, int]

GIGA = 1e9

GROUPS = {
    "Krizhevsky": "AlexNet, NiN",
    "Lin et al.": "AlexNet, NiN",
    "Simonyan": "VGG",
    "Szegedy": "Inception",
    "after Szegedy": "Inception",
    "He et al.": "ResNet",
    "Zagoruyko": "wide ResNet, ResNeXt",
    "Xie et al.": "wide ResNet, ResNeXt",
    "Huang et al.": "DenseNet",
}
"""What a network is drawn as, by how its paper's authors begin; in the order of the papers."""

OTHERS, PLAIN = "others", "plain"


@dataclasses.dataclass(frozen=True)
class Point:
    """A network on the chart.

    Attributes:
      network: its name.
      group: networks that share a colour.
      data_set: that the accuracy is of; empty where none is known.
      image_shape: `(height, width, channels)` that operations are counted at.
      macs: multiply-adds of one image, padded taps counted.
      parameters: that the forward pass reads.
      accuracy_pct: share of images whose class is the first guess; None where none is known.
      low_pct: lower end of its 95 % interval over seeds; None where there is none.
      high_pct: upper end.
      top5_accuracy_pct: share whose class is among the first five guesses.
      crops: parts of an image whose predictions were averaged.
      n: runs behind it, in words.
      source: where the accuracy comes from.
    """

    network: str
    group: str
    data_set: str
    image_shape: Shape
    macs: int
    parameters: int
    accuracy_pct: float | None
    low_pct: float | None = None
    high_pct: float | None = None
    top5_accuracy_pct: float | None = None
    crops: int | None = None
    n: str = ""
    source: str = ""

    @property
    def gmacs(self) -> float:
        """Multiply-adds in 1e9."""
        return self.macs / GIGA


def group(name: str) -> str:
    """The group that a registered network is drawn in.

    >>> group("vgg16"), group("plain18"), group("lenet5")
    ('VGG', 'plain', 'others')
    """
    if "plain" in name:
        return PLAIN
    paper = models.family(name).paper
    return next((g for authors, g in GROUPS.items() if paper.startswith(authors)), OTHERS)


def count(model: nn.Module, image_shape: Shape) -> tuple[int, int]:
    """Multiply-adds of one image and parameters that the forward pass reads.

    Args:
      model: a network; residual ones are traced with their stages as loops, which is quicker and
        gives the same sums.
      image_shape: `(height, width, channels)`.

    Raises:
      AnalysisError: the network cannot take such images, or not all operations can be counted.
    """
    if isinstance(model, ResNet):
        model = model.clone(scan_blocks=True)
    lowered = lower.inference(model, image_shape)
    if lowered.graph.warnings:
        raise AnalysisError(lowered.graph.warnings[0])
    layers = rows(lowered)
    macs = total([layer.cost for layer in layers]).macs
    return macs, sum(layer.parameters for layer in layers)


def published_point(name: str) -> Point:
    """Count a registered network and look up its published accuracy.

    Operations are counted at the image size that the accuracy was measured at.

    Raises:
      ValueError: there is no such network; names the nearest.
    """
    family = models.family(name)
    found = published().get(name)
    shape, fields = family.image_shape, {}
    if found:
        _, values = split_call(found.network)
        fields = {key: _field(text) for key, text in values.items()}
        size = found.image_size
        shape = (size, size, shape[2]) if size else shape
    macs, parameters = count(models.create(name, **fields), shape)
    if not found:
        return Point(name, group(name), "", shape, macs, parameters, None)
    top5 = found.top5_error_pct
    return Point(
        name,
        group(name),
        found.data_set,
        shape,
        macs,
        parameters,
        round(100 - found.top1_error_pct, 4),
        top5_accuracy_pct=None if top5 is None else round(100 - top5, 4),
        crops=found.crops,
        n=found.n,
        source=found.source,
    )


def _field(text: str) -> Any:
    return parse_value(text, bool) if text in ("true", "false") else text


def data_sets(points: Sequence[Point]) -> tuple[str, ...]:
    """The data sets that any point has an accuracy on, in order of their first point."""
    return tuple(dict.fromkeys(point.data_set for point in points if point.data_set))


def comparable(points: Sequence[Point]) -> list[Point]:
    """Those whose accuracy is of one look at an image, as their operations are."""
    return [p for p in points if p.accuracy_pct is not None and (p.crops or 1) == 1]


def frontier(points: Sequence[Point]) -> list[Point]:
    """Networks that none with fewer or as many operations is as accurate as; cheapest first."""
    best: list[Point] = []
    for point in sorted(comparable(points), key=lambda p: (p.macs, -_accuracy(p))):
        if not best or _accuracy(point) > _accuracy(best[-1]):
            best.append(point)
    return best


def finding(points: Sequence[Point]) -> str:
    """What a chart of one data set's points shows, in a sentence; a question where it is too few.

    It is the network that a cheaper one matches with the smallest share of its operations.

    Args:
      points: at least one, each with an accuracy.
    """
    known, data_set = comparable(points), points[0].data_set
    if len(known) < 2:
        return f"How accurate is a network on {data_set} for the operations that it takes?"
    pairs = [
        (p, min(rivals, key=lambda q: q.macs))
        for p in known
        if (rivals := [q for q in known if q.macs < p.macs and _accuracy(q) >= _accuracy(p)])
    ]
    if not pairs:
        most = max(known, key=lambda p: (p.macs, _accuracy(p)))
        return (
            f"On {data_set} {most.network} takes most operations, {operations(most.macs)} "
            f"multiply-adds, and is the most accurate: {most.accuracy_pct:.2f} %"
        )
    dear, cheap = max(pairs, key=lambda pair: pair[0].macs / pair[1].macs)
    return (
        f"On {data_set} {dear.network} takes {operations(dear.macs)} multiply-adds for "
        f"{dear.accuracy_pct:.2f} % accuracy; {cheap.network} reaches "
        f"{cheap.accuracy_pct:.2f} % with {operations(cheap.macs)}"
    )


def _accuracy(point: Point) -> float:
    return point.accuracy_pct or 0.0


def operations(macs: float) -> str:
    """A number of multiply-adds with its prefix.

    >>> operations(4.089e9), operations(40.6e6)
    ('4.09 G', '40.6 M')
    """
    size, prefix = (1e9, "G") if macs >= 1e9 else (1e6, "M") if macs >= 1e6 else (1e3, "k")
    return f"{macs / size:.3g} {prefix}"
