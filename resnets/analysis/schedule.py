"""What a machine is given to do: steps in order, and the tensors that pass between them.

A step is what runs as one kernel: operations fused as a scenario of `fusion` says. Inside it
nothing needs memory; what it reads and writes are tensors of known size, so that a planner can
decide which of them stay on chip.
"""

import dataclasses
import functools
from collections.abc import Mapping

from resnets.analysis.costs import Cost
from resnets.analysis.nests import LoopNest

Work = tuple[tuple[str, str, int], ...]
"""Operations by kind of work and dtype: `(("convolution", "float32", 236_027_904), ...)`."""


@dataclasses.dataclass(frozen=True)
class Product:
    """The convolution or matrix product of a step, and where its operands are.

    Attributes:
      nest: its loops.
      input: tensor.
      kernel: tensor.
      output: the tensor that the step writes in its place; None if it writes none of its size.
    """

    nest: LoopNest
    input: int
    kernel: int
    output: int | None


@dataclasses.dataclass(frozen=True)
class Step:
    """One kernel.

    Attributes:
      layer: of the operation that it is built around.
      phase: `forward`, `backward`, `optimizer` or `other`.
      kind: of that operation, as work: `convolution`, `product`, `pooling`, `reduction`,
        `elementwise`, `transcendental` or `movement`.
      riders: other layers whose operations it does on the way.
      reads: tensors and the bytes of each that are read.
      writes: tensors, written whole.
      work: operations, those done again because their results are not kept included.
      cost: of the operations that are done here first; adds up to the account's total.
      product: its convolution or matrix product.
    """

    layer: str
    phase: str
    kind: str
    riders: tuple[str, ...]
    reads: tuple[tuple[int, int], ...]
    writes: tuple[int, ...]
    work: Work
    cost: Cost
    product: Product | None = None


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Steps in order.

    Attributes:
      steps: what runs, one after the other.
      sizes: bytes of each tensor by its number.
      inputs: tensors that are read and lie in external memory at the beginning: weights, images,
        state.
      outputs: tensors that steps write and that must lie there at the end.
      warnings: what could not be followed, a line each.
    """

    steps: tuple[Step, ...]
    sizes: Mapping[int, int]
    inputs: frozenset[int]
    outputs: frozenset[int]
    warnings: tuple[str, ...] = ()

    @property
    def compulsory_bytes(self) -> int:
        """Each input that is read, and each output, once: no machine moves less."""
        return sum(self.sizes[tensor] for tensor in (*self.inputs, *self.outputs))

    @functools.cached_property
    def uses(self) -> Mapping[int, list[int]]:
        """The steps that read each tensor, in order."""
        found: dict[int, list[int]] = {}
        for number, step in enumerate(self.steps):
            for tensor, _ in step.reads:
                found.setdefault(tensor, []).append(number)
        return found

    @property
    def unplanned_bytes(self) -> int:
        """Traffic if nothing stays on chip between two steps."""
        return sum(
            sum(size for _, size in step.reads) + sum(self.sizes[tensor] for tensor in step.writes)
            for step in self.steps
        )
