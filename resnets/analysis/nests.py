"""Convolutions and matrix products as one form of loop nest, for what is planned on top of it."""

import dataclasses
import functools
import math

import numpy as np

from resnets.analysis.convolutions import valid_taps
from resnets.analysis.ops import Op
from resnets.analysis.program import Type, Window

_Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class LoopNest:
    """A convolution; a matrix product is one whose kernel has a single tap.

    Pairs are of rows and columns. Sizes are elements but for the last three.

    Attributes:
      groups: independent convolutions side by side; the following counts are those of one.
      images: batch of the output.
      rows: output positions down.
      columns: output positions across.
      features: of the output.
      channels: contracted features of the input.
      input_rows: input positions down, padding and zeros of the dilation left out.
      input_columns: the same across.
      kernel_rows: taps down.
      kernel_columns: taps across.
      stride: of the window.
      kernel_dilation: distance of taps.
      input_dilation: distance of input positions, zeros between them.
      padding_before: the first position; negative for cropping.
      input_size: bytes an element.
      kernel_size: bytes an element.
      output_size: bytes an element.
    """

    groups: int
    images: int
    rows: int
    columns: int
    features: int
    channels: int
    input_rows: int
    input_columns: int
    kernel_rows: int = 1
    kernel_columns: int = 1
    stride: _Pair = (1, 1)
    kernel_dilation: _Pair = (1, 1)
    input_dilation: _Pair = (1, 1)
    padding_before: _Pair = (0, 0)
    input_size: int = 4
    kernel_size: int = 4
    output_size: int = 4

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return self.kernel_rows * self.kernel_columns

    @property
    def axes(self) -> tuple["Axis", "Axis"]:
        """Rows and columns, each as one axis."""
        counts = (
            (self.input_rows, self.kernel_rows, self.rows),
            (self.input_columns, self.kernel_columns, self.columns),
        )
        across = zip(
            self.stride, self.padding_before, self.input_dilation, self.kernel_dilation, strict=True
        )
        rows, columns = (Axis(*count, *how) for count, how in zip(counts, across, strict=True))
        return rows, columns

    @property
    def macs(self) -> int:
        """Multiply-adds with padded taps, but without zeros between input positions."""
        positions = self.rows * self.columns // math.prod(self.input_dilation)
        return self._per_tap * self.taps * positions

    @property
    def valid_macs(self) -> int:
        """Multiply-adds without padded taps."""
        rows, columns = self.axes
        return self._per_tap * rows.valid_taps * columns.valid_taps

    @property
    def _per_tap(self) -> int:
        return self.groups * self.images * self.features * self.channels

    @property
    def input_bytes(self) -> int:
        """Of the input of all groups."""
        positions = self.images * self.input_rows * self.input_columns
        return self.groups * positions * self.channels * self.input_size

    @property
    def kernel_bytes(self) -> int:
        """Of the kernels of all groups."""
        return self.groups * self.features * self.channels * self.taps * self.kernel_size

    @property
    def output_bytes(self) -> int:
        """Of the output of all groups."""
        positions = self.images * self.rows * self.columns
        return self.groups * positions * self.features * self.output_size


@dataclasses.dataclass(frozen=True)
class Axis:
    """A convolution along one spatial axis.

    Output o meets with tap t position `o stride + t kernel_dilation - before`; input i is at
    position `i input_dilation`.

    Attributes:
      inputs: positions, those of the dilation's zeros left out.
      taps: of the kernel.
      outputs: positions.
      stride: of the window.
      before: padding; negative for cropping.
      input_dilation: distance of inputs.
      kernel_dilation: distance of taps.
    """

    inputs: int
    taps: int
    outputs: int
    stride: int = 1
    before: int = 0
    input_dilation: int = 1
    kernel_dilation: int = 1

    @property
    def valid_taps(self) -> int:
        """Pairs of an output and a tap that meet an input."""
        return valid_taps(*dataclasses.astuple(self))

    def fetched(self, tile: int) -> tuple[int, int]:
        """Inputs that tiles of so many outputs fetch: the largest of them, and all together.

        A tile fetches all inputs from its first window's beginning to its last one's end, or to the
        next tile's beginning where that is further. The first tile fetches what lies before it too,
        the last what lies behind, so that together they fetch every input at least once.
        """
        first = np.arange(0, self.outputs, tile)
        last = np.minimum(first + tile, self.outputs) - 1
        extent = max((self.taps - 1) * self.kernel_dilation + 1, self.stride)
        begin = -((self.before - first * self.stride) // self.input_dilation)
        end = -((self.before - last * self.stride - extent) // self.input_dilation)
        begin[0], end[-1] = 0, self.inputs
        counts = end.clip(0, self.inputs) - begin.clip(0, self.inputs)
        return int(counts.max()), int(counts.sum())

    @property
    def touched(self) -> tuple[int, int]:
        """Inputs that meet a tap, and taps that meet an input."""
        taps = np.arange(self.taps)[:, None] * self.kernel_dilation
        met = np.arange(self.outputs) * self.stride - self.before + taps
        place, between = np.divmod(met, self.input_dilation)
        valid = (between == 0) & (place >= 0) & (place < self.inputs)
        return len(np.unique(place[valid])), int(valid.any(1).sum())

    @property
    def reuse(self) -> int:
        """Taps that an input meets at most: they differ by a period, and so do their outputs."""
        period = self.stride // math.gcd(self.stride, self.kernel_dilation)
        return min(-(-self.taps // period), self.outputs)


def loop_nest(op: Op) -> LoopNest | None:
    """Read the loop nest of a `convolution` or `dot_general`.

    Returns:
      None for other kinds, for what has no elements, and for windows that extend over more than two
      axes.
    """
    if op.kind not in ("convolution", "dot_general"):
        return None
    (left, right), result = op.operand_types[:2], op.result_types[0]
    if not (left.elements and right.elements and result.elements):
        return None
    if op.kind == "convolution":
        return _convolution(left, right, result, op.attributes["window"])
    return _product(left, right, result, op.attributes["contracted"])


def _size(kind: Type) -> int:
    """Bytes an element; at least one."""
    return max(1, kind.bytes // kind.elements)


def _convolution(image: Type, kernel: Type, result: Type, window: Window) -> LoopNest | None:
    """A group has its own output features, and its own input features or its own images."""
    places = zip(
        window.input_dims[1:-1], window.kernel_dims[1:-1], window.output_dims[1:-1], strict=True
    )
    axes = [
        Axis(
            image.shape[input_axis],
            kernel.shape[kernel_axis],
            result.shape[output_axis],
            window.strides[place],
            window.padding[place][0],
            window.input_dilation[place],
            window.kernel_dilation[place],
        )
        for place, (input_axis, kernel_axis, output_axis) in enumerate(places)
    ]
    axes += [Axis(1, 1, 1)] * (2 - len(axes))
    *outer, rows, columns = axes
    if any(axis != Axis(axis.inputs, 1, axis.inputs) for axis in outer):
        return None
    groups = window.feature_groups * window.batch_groups
    images = result.shape[window.output_dims[0]]  # with groups of the batch, already those of one
    return LoopNest(
        groups=groups,
        images=images * math.prod(axis.outputs for axis in outer),
        rows=rows.outputs,
        columns=columns.outputs,
        features=result.shape[window.output_dims[-1]] // groups,
        channels=kernel.shape[window.kernel_dims[0]],
        input_rows=rows.inputs,
        input_columns=columns.inputs,
        kernel_rows=rows.taps,
        kernel_columns=columns.taps,
        stride=(rows.stride, columns.stride),
        kernel_dilation=(rows.kernel_dilation, columns.kernel_dilation),
        input_dilation=(rows.input_dilation, columns.input_dilation),
        padding_before=(rows.before, columns.before),
        input_size=_size(image),
        kernel_size=_size(kernel),
        output_size=_size(result),
    )


def _product(left: Type, right: Type, result: Type, contracted: tuple[int, ...]) -> LoopNest:
    """[B, M, K] x [B, K, N]: the batch B follows from the sizes B M K, B K N and B M N."""
    channels = math.prod(left.shape[axis] for axis in contracted)
    both_rows, both_features = left.elements // channels, right.elements // channels
    groups = both_rows * both_features // result.elements
    rows = both_rows // groups
    return LoopNest(
        groups=groups,
        images=1,
        rows=rows,
        columns=1,
        features=both_features // groups,
        channels=channels,
        input_rows=rows,
        input_columns=1,
        input_size=_size(left),
        kernel_size=_size(right),
        output_size=_size(result),
    )


def lower_bound(nest: LoopNest, capacity: float) -> float:
    """Bytes that any order of the multiply-adds moves between a memory and what is behind it.

    At least every element that a valid tap needs is read, and every output written. Beyond that, in
    any stretch of the run that reads 2 C bytes, C the capacity, no more than 3 C bytes of operands
    take part. Of one tap the multiply-adds are at most the root of the product of the inputs,
    weights and outputs that take part (Loomis and Whitney 1949; Irony, Toledo, Tiskin 2004); taps
    share no weights, and an input meets at most u of them, so by Cauchy and Schwarz all taps
    together do at most sqrt(u I W O) <= sqrt(u C^3 / (i w o)), with sizes i, w, o of elements. So
    V valid multiply-adds need 2 V sqrt(i w o / (u C)) - 2 C bytes: for products and equal sizes the
    bound of Smith et al. 2019. Groups share nothing, which leaves it true. The first use of an
    output needs no read, but the write at its end makes up for that.

    Args:
      nest: what is computed; partial sums are stored as the output is, and never added up.
      capacity: bytes.
    """
    if capacity <= 0:
        return math.inf
    needed, work = _needs(nest)
    if math.isinf(capacity):
        return needed
    return max(needed, work / math.sqrt(capacity) - 2 * capacity)


@functools.lru_cache(maxsize=4096)
def _needs(nest: LoopNest) -> tuple[float, float]:
    """Bytes of what is read or written at all, and the first term of the bound without C."""
    rows, columns = nest.axes
    inputs, taps = (a * b for a, b in zip(rows.touched, columns.touched, strict=True))
    needed = (
        nest.input_bytes * inputs // (nest.input_rows * nest.input_columns)
        + nest.kernel_bytes * taps // nest.taps
        + nest.output_bytes
    )
    sizes = nest.input_size * nest.kernel_size * nest.output_size
    work = 2 * nest.valid_macs * math.sqrt(sizes / (rows.reuse * columns.reuse))
    return float(needed), work
