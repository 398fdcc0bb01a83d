"""Multiply-adds of convolutions and matrix products, with padded taps and without."""

import functools
import math

import numpy as np

from resnets.analysis.program import Type, Window


@functools.lru_cache(maxsize=65536)
def valid_taps(
    size: int,
    taps: int,
    outputs: int,
    stride: int,
    before: int,
    input_dilation: int,
    kernel_dilation: int,
) -> int:
    """Count the pairs of an output position and a tap along one axis that meet an input position.

    Neither the zeros of the padding nor those between dilated input positions count.

    Args:
      size: input positions.
      taps: of the kernel.
      outputs: output positions.
      stride: of the window.
      before: padding at the beginning; negative for cropping.
      input_dilation: distance of input positions, zeros between them.
      kernel_dilation: distance of taps.
    """
    positions = np.arange(outputs) * stride - before
    met = positions[:, None] + np.arange(taps) * kernel_dilation
    inside = (met >= 0) & (met <= (size - 1) * input_dilation) & (met % input_dilation == 0)
    return int(inside.sum())


def _window_positions(
    operands: tuple[Type, ...], result: Type, window: Window, backward: bool
) -> int:
    """Positions at which every tap counts: those of the output, or of a gradient's operand.

    An input gradient meets each position of the output's gradient with every tap, as the layer did;
    its own outputs may be more (a layer without padding) or fewer. Gradients of kernels, whose
    features are the input's first dimension in JAX, and of transposed layers, which have a stride,
    are counted by their outputs.
    """
    outputs = math.prod(result.shape[axis] for axis in window.output_dims[1:-1])
    outputs //= math.prod(window.input_dilation)
    inputs = math.prod(operands[0].shape[axis] for axis in window.input_dims[1:-1])
    kernel_gradient = window.input_dims[-1] == 0
    if not backward or kernel_gradient or set(window.strides) != {1}:
        return outputs
    return inputs if set(window.input_dilation) != {1} else min(inputs, outputs)


def convolution_macs(
    operands: tuple[Type, ...], result: Type, window: Window, backward: bool = False
) -> tuple[int, int]:
    """Multiply-adds of a convolution: with padded taps, and valid ones only.

    The first is the papers' count: every output sees every tap. Of a gradient (`backward`) it is
    the count of the layer itself: neither zeros between the positions of a dilated operand nor
    those around it count.
    """
    image, kernel = operands[:2]
    batch, *spatial, features = window.output_dims
    input_features, *kernel_spatial, _ = window.kernel_dims
    per_tap = result.shape[batch] * result.shape[features] * kernel.shape[input_features]
    taps = math.prod(kernel.shape[axis] for axis in kernel_spatial)
    padded = per_tap * taps * _window_positions(operands, result, window, backward)
    valid = per_tap
    for axis in range(len(spatial)):
        valid *= valid_taps(
            image.shape[window.input_dims[axis + 1]],
            kernel.shape[kernel_spatial[axis]],
            result.shape[spatial[axis]],
            window.strides[axis],
            window.padding[axis][0],
            window.input_dilation[axis],
            window.kernel_dilation[axis],
        )
    return padded, valid


def product_macs(operands: tuple[Type, ...], result: Type, contracted: tuple[int, ...]) -> int:
    """Multiply-adds of a matrix product."""
    return result.elements * math.prod(operands[0].shape[axis] for axis in contracted)
