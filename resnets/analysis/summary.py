"""A network at a glance: parameters, multiply-adds, depth, heaviest layer."""

import dataclasses

import flax.linen as nn

from resnets.analysis import lower
from resnets.analysis.costs import cost
from resnets.analysis.ops import Graph
from resnets.analysis.symbols import AnalysisError

_WEIGHTED = ("convolution", "dot_general")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What one row of the table of networks says.

    Attributes:
      parameters: trainable parameters, those of auxiliary heads too.
      macs: multiply-adds of convolutions and products for one image, padded taps counted.
      depth: weighted layers on the longest path from the image to the logits.
      heaviest_layer: the layer with the most parameters.
      heaviest_parameters: how many it has.
    """

    parameters: int
    macs: int
    depth: int
    heaviest_layer: str
    heaviest_parameters: int


def summarise(model: nn.Module, image_shape: tuple[int, int, int]) -> Summary:
    """Summarise a network in evaluation mode; nothing is allocated or run.

    Args:
      model: a network; scanning its stages gives the same summary sooner.
      image_shape: `(height, width, channels)`.

    Raises:
      AnalysisError: the network cannot take images of this shape, or it loops unknown times.
    """
    lowered = lower.inference(model, image_shape)
    graph, parameters = lowered.graph, lowered.parameters
    if graph.warnings:
        raise AnalysisError(graph.warnings[0])
    macs = sum(cost(op, graph.tensors).macs for op in graph.ops if op.kind in _WEIGHTED)
    heaviest = max(parameters, key=lambda layer: parameters[layer])
    return Summary(
        sum(parameters.values()), macs, _depth(graph), "/".join(heaviest), parameters[heaviest]
    )


def _depth(graph: Graph) -> int:
    """Weighted layers on the longest path to an output."""
    depth = dict.fromkeys(graph.inputs, 0)
    for op in graph.ops:
        reached = max((depth.get(operand, 0) for operand in op.operands), default=0)
        depth.update(dict.fromkeys(op.results, reached + (op.kind in _WEIGHTED)))
    return max(depth.get(output, 0) for output in graph.outputs)
