"""Two-dimensional convolution that stays fast on CPU: inside loops, and on very small images.

XLA's CPU backend rewrites convolutions to its fast layout in the entry computation only. The
gradients that JAX derives are laid out otherwise, so inside `lax.scan` or `while` they fall back to
a naive loop, 20 to 80 times slower. Here both gradients are ordinary `NHWC x HWIO -> NHWC`
convolutions, which need no rewriting. A kernel larger than its image (3x3 on 2x2, the last stage of
an 8x8 network) is a small matrix product: 7 times faster there. Other platforms keep the plain
convolution and JAX's gradients, which their compilers recognise.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

_FEW = 32
"""Channels up to which a product with the identity is faster than a transposition."""
_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def _convolve(
    x: Array, kernel: Array, strides: Pair, padding: Padding, dilation: Pair, groups: int = 1
) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=_DIMENSIONS,
        feature_group_count=groups,
    )


def _overhangs(
    x: Array, kernel: Array, strides: Pair, padding: Padding, dilation: Pair, groups: int
) -> bool:
    """Whether the kernel is larger than the image both ways, and every window touches the image."""
    larger = all(
        size < taps <= size + low + high and 0 <= low < taps and 0 <= high < taps
        for size, taps, (low, high) in zip(x.shape[1:3], kernel.shape[:2], padding, strict=True)
    )
    return larger and strides == (1, 1) and dilation == (1, 1) and groups == 1


def _as_product(x: Array, kernel: Array, padding: Padding) -> Array:
    """The stride-1 convolution as one product of flattened images with a banded matrix."""
    batch, height, width, channels = x.shape
    rows = height + sum(padding[0]) - kernel.shape[0] + 1
    columns = width + sum(padding[1]) - kernel.shape[1] + 1
    margin = ((rows, height), (columns, width), (0, 0), (0, 0))
    framed = jnp.pad(kernel, margin)

    def taps_seen_from(row: int, column: int) -> Array:
        top, left = rows + padding[0][0] - row, columns + padding[1][0] - column
        return framed[top : top + height, left : left + width]

    grid = [[taps_seen_from(r, c) for c in range(columns)] for r in range(rows)]
    matrix = jnp.stack([jnp.stack(line, 3) for line in grid], 3)
    product = x.reshape(batch, -1) @ matrix.reshape(height * width * channels, -1)
    return product.reshape(batch, rows, columns, kernel.shape[3])


def _evaluate(
    x: Array, kernel: Array, strides: Pair, padding: Padding, dilation: Pair, groups: int
) -> Array:
    def plain(x: Array, kernel: Array) -> Array:
        return _convolve(x, kernel, strides, padding, dilation, groups)

    if _overhangs(x, kernel, strides, padding, dilation, groups):
        small = partial(_as_product, padding=padding)
        return lax.platform_dependent(x, kernel, cpu=small, default=plain)
    return plain(x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def convolve(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "kernel_height kernel_width group_channels features"],
    strides: Pair = (1, 1),
    padding: Padding = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Float[Array, "batch out_height out_width features"]:
    """Cross-correlate `x` with `kernel`, as every convolution layer does.

    Args:
      x: images, `[batch, height, width, channels]`.
      kernel: weights, `[kernel_height, kernel_width, channels / groups, features]`, the dtype of x.
      strides: step of the window, vertical and horizontal.
      padding: zeros before and after, vertical and horizontal.
      dilation: spacing of the kernel's taps, vertical and horizontal.
      groups: number of independent channel groups.

    Returns:
      `[batch, out_height, out_width, features]`.
    """
    return _evaluate(x, kernel, strides, padding, dilation, groups)


def _forward(
    x: Array, kernel: Array, strides: Pair, padding: Padding, dilation: Pair, groups: int
) -> tuple[Array, tuple[Array, Array]]:
    return _evaluate(x, kernel, strides, padding, dilation, groups), (x, kernel)


def _spread(dy: Array, strides: Pair) -> Array:
    """Put `strides - 1` zeros between the rows and columns of an output gradient."""
    if strides == (1, 1):
        return dy
    interior = ((0, 0, 0), (0, 0, strides[0] - 1), (0, 0, strides[1] - 1), (0, 0, 0))
    return lax.pad(dy, jnp.zeros((), dy.dtype), interior)


def _input_gradient(
    dy: Array, kernel: Array, size: Pair, strides: Pair, padding: Padding, dilation: Pair
) -> Array:
    """dx: the spread output gradient convolved with the flipped, transposed kernel."""
    flipped = jnp.swapaxes(jnp.flip(kernel, (0, 1)), 2, 3)
    pads = []
    for axis in range(2):
        reach = dilation[axis] * (kernel.shape[axis] - 1)
        spread = (dy.shape[axis + 1] - 1) * strides[axis] + 1
        before = reach - padding[axis][0]
        pads.append((before, size[axis] + reach - spread - before))
    if kernel.shape[:2] == (1, 1):  # multiply first: a strided 1x1 would multiply zeros
        dx = _convolve(dy, flipped, (1, 1), ((0, 0), (0, 0)), (1, 1))
        edges = tuple((low, high, 0) for low, high in pads)
        return lax.pad(
            _spread(dx, strides), jnp.zeros((), dx.dtype), ((0, 0, 0), *edges, (0, 0, 0))
        )
    return _convolve(_spread(dy, strides), flipped, (1, 1), (pads[0], pads[1]), dilation)


def _kernel_gradient(
    x: Array, dy: Array, kernel_size: Pair, strides: Pair, padding: Padding, dilation: Pair
) -> Array:
    """dw: the input convolved with the output gradient; channels and batch change places."""
    if kernel_size == (1, 1):
        return _product_of_positions(x, dy, strides, padding)
    pads = []
    for axis in range(2):
        reach = dilation[axis] * (kernel_size[axis] - 1)
        spread = (dy.shape[axis + 1] - 1) * strides[axis] + 1
        before = padding[axis][0]
        pads.append((before, spread + reach - x.shape[axis + 1] - before))
    window = jnp.transpose(dy, (1, 2, 0, 3))
    dw = _convolve(_channels_first(x), window, dilation, (pads[0], pads[1]), strides)
    return jnp.transpose(dw, (1, 2, 0, 3))


def _product_of_positions(x: Array, dy: Array, strides: Pair, padding: Padding) -> Array:
    """Kernel gradient of a 1x1: the positions that it saw times the output gradient."""
    edges = tuple((low, high, 0) for low, high in padding)
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    rows, columns = ((n - 1) * step + 1 for n, step in zip(dy.shape[1:3], strides, strict=True))
    seen = x[:, : rows : strides[0], : columns : strides[1]]
    return (seen.reshape(-1, x.shape[3]).T @ dy.reshape(-1, dy.shape[3]))[None, None]


def _channels_first(x: Array) -> Array:
    """`[batch, height, width, channels]` to `[channels, height, width, batch]`.

    Of few channels as a product with the identity, which is exact: XLA transposes channel by
    channel, and fetches the whole array from memory for each.
    """
    if x.shape[3] > _FEW:
        return jnp.transpose(x, (3, 1, 2, 0))
    height, width, channels = x.shape[1:]
    batch_last = jnp.transpose(x, (1, 2, 0, 3)).reshape(-1, channels)
    rows = jnp.eye(channels, dtype=x.dtype) @ batch_last.T
    return rows.reshape(channels, height, width, -1)


def _backward(
    strides: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    residuals: tuple[Array, Array],
    dy: Array,
) -> tuple[Array, Array]:
    def derived(x: Array, kernel: Array, dy: Array) -> tuple[Array, Array]:
        def forward(x: Array, kernel: Array) -> Array:
            return _convolve(x, kernel, strides, padding, dilation, groups)

        dx, dw = jax.vjp(forward, x, kernel)[1](dy)
        return dx, dw

    def canonical(x: Array, kernel: Array, dy: Array) -> tuple[Array, Array]:
        if _overhangs(x, kernel, strides, padding, dilation, groups):
            dx, dw = jax.vjp(partial(_as_product, padding=padding), x, kernel)[1](dy)
            return dx, dw
        height, width = x.shape[1:3]
        kernel_height, kernel_width = kernel.shape[:2]
        return (
            _input_gradient(dy, kernel, (height, width), strides, padding, dilation),
            _kernel_gradient(x, dy, (kernel_height, kernel_width), strides, padding, dilation),
        )

    if groups > 1:
        return derived(*residuals, dy)
    return lax.platform_dependent(*residuals, dy, cpu=canonical, default=derived)


convolve.defvjp(_forward, _backward)
