"""The whole account of a network: rows, totals, and what could not be counted."""

import collections
import dataclasses

import flax.linen as nn

from resnets.analysis import lower
from resnets.analysis.costs import RULES, Cost, total
from resnets.analysis.layers import Layer, rows
from resnets.analysis.memory import ActivationMemory, activation_memory
from resnets.analysis.ops import Graph
from resnets.training.step import Recipe


@dataclasses.dataclass(frozen=True)
class Account:
    """What a network costs.

    Attributes:
      phase: `inference` or `train`.
      batch_size: images at once.
      image_shape: `(height, width, channels)`.
      platform: whose program was read.
      layers: rows in the order of execution.
      total: of all rows.
      parameters: trainable parameters that the program uses.
      compulsory_bytes: each weight, input and output once: no schedule moves less. Running
        statistics do not count in inference: they fold into the weights.
      activations: memory that training must keep; None for inference.
      warnings: what was not counted, or not exactly.
    """

    phase: str
    batch_size: int
    image_shape: tuple[int, int, int]
    platform: str
    layers: tuple[Layer, ...]
    total: Cost
    parameters: int
    compulsory_bytes: int
    activations: ActivationMemory | None
    warnings: tuple[str, ...]

    @property
    def streamed_bytes(self) -> int:
        """Operands and results of convolutions and products, once each."""
        return self.total.streamed_bytes

    @property
    def coverage_flops(self) -> float:
        """Share of the operations that have a rule, where one without counts one an element."""
        known = self.total.flops + self.total.transcendentals
        return known / (known + self.total.unknown_flops) if known else 1.0

    @property
    def coverage_bytes(self) -> float:
        """Share of the bytes that operations with a rule move."""
        return 1.0 - self.total.unknown_bytes / self.total.bytes if self.total.bytes else 1.0

    @property
    def unnamed_flops(self) -> float:
        """Share of the operations outside layers and named scopes."""
        unnamed = sum(layer.cost.flops for layer in self.layers if not layer.named)
        return unnamed / self.total.flops if self.total.flops else 0.0


def cost(
    model: nn.Module,
    image_shape: tuple[int, int, int],
    batch_size: int = 1,
    platform: str = "tpu",
) -> Account:
    """Account for one forward pass of any Linen module, nothing being allocated or run.

    Args:
      model: from `[batch, height, width, channels]` to anything.
      image_shape: `(height, width, channels)`.
      batch_size: images at once.
      platform: whose program is read: `tpu`, `cuda` or `cpu`.

    Raises:
      AnalysisError: the module cannot be traced with these images.
    """
    lowered = lower.inference(model, image_shape, batch_size, platform)
    return account(lowered, "inference", batch_size, image_shape)


def training_cost(
    recipe: Recipe, image_shape: tuple[int, int, int], platform: str = "tpu"
) -> Account:
    """Account for one step of the trainer: forward, backward, optimiser.

    Raises:
      AnalysisError: the step cannot be traced with these images.
    """
    lowered = lower.training_step(recipe, image_shape, platform)
    return account(lowered, "train", recipe.batch_size, image_shape)


def account(
    lowered: lower.Lowered, phase: str, batch_size: int, image_shape: tuple[int, int, int]
) -> Account:
    """Account for a lowered program."""
    layers = rows(lowered)
    graph = lowered.graph
    training = phase == "train"
    return Account(
        phase,
        batch_size,
        image_shape,
        lowered.platform,
        layers,
        total([layer.cost for layer in layers]),
        sum(layer.parameters for layer in layers),
        _compulsory(graph, training),
        activation_memory(graph) if training else None,
        (*graph.warnings, *_without_rule(graph)),
    )


def _compulsory(graph: Graph, training: bool) -> int:
    used = {number for op in graph.ops for number in op.operands}
    roles = ("weight", "input", "statistic", "state") if training else ("weight", "input")
    numbers = [
        number
        for number, tensor in enumerate(graph.tensors)
        if number in used and tensor.role in roles
    ]
    return sum(graph.tensors[number].type.bytes for number in {*numbers} | {*graph.outputs})


def _without_rule(graph: Graph) -> tuple[str, ...]:
    counts = collections.Counter(
        op.attributes.get("target", op.kind) for op in graph.ops if op.kind not in RULES
    )
    return tuple(
        f"{count} operations of kind {kind} have no rule: their arithmetic is not counted"
        for kind, count in counts.items()
    )
