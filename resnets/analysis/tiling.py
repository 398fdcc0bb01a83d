"""Tilings of a loop nest for a memory of limited capacity, and the least traffic that any needs.

Three loops walk over tiles: of output features (k), of output rows (r) and of input channels (c).
They nest in any order; groups are outside of them, and the window is inside every tile. A tile of
rows is some rows of one image, or several whole images; single rows are cut by columns in tilings
only that are smaller than any of whole rows.

The input is indexed by r and c, the kernel by c and k, the output by r and k. A tile is fetched
again whenever its index changes from one iteration to the next: in each trip of the third loop if
that encloses one that indexes it, and once otherwise (loops of one trip do not count). Output that
is fetched n times is written n times and read n - 1 times; partial sums are stored as it is.

An input tile is the contiguous block of input under its windows, clipped to the image, with the
positions that a stride leaves between it and the next tile; what lies before the first window or
behind the last belongs to the first and last tile. So the tiles of every tiling cover the input:
the untiled nest moves each operand once, and nothing moves less.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from resnets.analysis.nests import LoopNest
from resnets.analysis.nests import lower_bound as lower_bound

_Integers = npt.NDArray[np.int64]

ORDERS = tuple(map("".join, itertools.permutations("ckr")))
"""Of the loops, outermost first; in alphabetical order."""

_OPERANDS = (("rc", "k"), ("ck", "r"), ("rk", "c"))
"""The loops that index input, kernel and output, and the one that does not."""

_FINE, _COARSE = 64, 32
"""Sizes a dimension that are tried where two dimensions vary, and where three do."""


@dataclasses.dataclass(frozen=True)
class Tiling:
    """One way to cut a nest. Tile sizes are the largest; those at the end may be smaller.

    Attributes:
      features: output features of a tile.
      rows: output rows of a tile.
      images: whole images of a tile; 1 where rows are cut.
      columns: output columns of a tile.
      channels: input channels of a tile.
      order: of the loops over features (k), rows (r) and channels (c), outermost first.
      working_set: bytes of the largest tiles, with second buffers if there are any.
      input_bytes: fetched, of all groups.
      kernel_bytes: the same.
      output_bytes: written, and partial sums read.
    """

    features: int
    rows: int
    images: int
    columns: int
    channels: int
    order: str
    working_set: int
    input_bytes: int
    kernel_bytes: int
    output_bytes: int

    @property
    def bytes(self) -> int:
        """All traffic."""
        return self.input_bytes + self.kernel_bytes + self.output_bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Tilings:
    """Tilings of a nest that no other beats, as columns, by increasing working set.

    Attributes:
      sizes: features, rows, images, columns and channels of a tile, `[5, n]`.
      orders: indices into `ORDERS`, `[n]`.
      working_set: bytes, `[n]`.
      traffic: bytes of input, kernel and output, `[3, n]`.
    """

    sizes: _Integers
    orders: _Integers
    working_set: npt.NDArray[np.float64]
    traffic: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.orders)

    def __getitem__(self, index: int) -> Tiling:
        """One of them."""
        features, rows, images, columns, channels = map(int, self.sizes[:, index])
        order, working_set = ORDERS[self.orders[index]], int(self.working_set[index])
        traffic = map(int, self.traffic[:, index])
        return Tiling(features, rows, images, columns, channels, order, working_set, *traffic)

    @property
    def smallest(self) -> int:
        """The least working set, bytes."""
        return int(self.working_set[0])

    def best(
        self, capacity: float, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> int | None:
        """Choose the tiling of least traffic among those that fit; of equals the smallest.

        Args:
          capacity: bytes.
          weights: of a byte of input, kernel and output.

        Returns:
          Its index, or None if nothing fits.
        """
        fitting = int(self.working_set.searchsorted(capacity, side="right"))
        if not fitting:
            return None
        return int((np.array(weights, np.float64) @ self.traffic[:, :fitting]).argmin())


def _sizes(extent: int, most: int, every: bool = False) -> _Integers:
    """Tile sizes to try, 1 and the extent among them, at most so many.

    They are the smallest for their numbers of trips; `every` takes all if they are few, as a larger
    last window may be cheaper at a border. What is too many is thinned geometrically.
    """
    tiles = np.arange(1, extent + 1)
    if not (every and extent <= most):
        tiles = np.unique(-(-extent // tiles))
    if len(tiles) <= most:
        return tiles
    wanted = np.geomspace(1, extent, most)
    return np.unique(tiles[np.searchsorted(tiles, wanted * (1 - 1e-9)).clip(max=len(tiles) - 1)])


def _whole_rows(nest: LoopNest, most: int) -> _Integers:
    """Ways to cut the output positions into groups of images or into rows of an image.

    Returns:
      A table `[6, n]` of rows, images and columns of a tile, input positions of the largest tile
      and of all together, and the number of tiles.
    """
    down, _ = nest.axes
    plane = nest.input_rows * nest.input_columns
    found = []
    for images in map(int, _sizes(nest.images, most)):
        inputs = (images * plane, nest.images * plane)
        found.append((nest.rows, images, nest.columns, *inputs, -(-nest.images // images)))
    for rows in map(int, _sizes(nest.rows, most, every=True)[:-1]):
        largest, total = (nest.input_columns * positions for positions in down.fetched(rows))
        trips = nest.images * -(-nest.rows // rows)
        found.append((rows, 1, nest.columns, largest, nest.images * total, trips))
    return np.array(found).T


def _parts_of_rows(nest: LoopNest, most: int) -> _Integers:
    """Ways to cut them into parts of single rows, in the same form."""
    down, across = nest.axes
    of_a_row, of_all = down.fetched(1)
    found = []
    for columns in map(int, _sizes(nest.columns, most, every=True)[:-1]):
        largest, total = across.fetched(columns)
        trips = nest.images * nest.rows * -(-nest.columns // columns)
        inputs = (of_a_row * largest, nest.images * of_all * total)
        found.append((1, 1, columns, *inputs, trips))
    return np.array(found, np.int64).reshape(-1, 6).T


def _refetches(order: str, several: dict[str, bool]) -> tuple[bool, ...]:
    """Whether input, kernel and output are fetched in every trip of the loop that they lack."""
    return tuple(
        several[other]
        and any(several[loop] and order.index(loop) > order.index(other) for loop in indices)
        for indices, other in _OPERANDS
    )


def _cases(nest: LoopNest) -> Iterator[tuple[dict[str, bool], int, tuple[bool, ...]]]:
    """Which loops run more than once, an order, and what is fetched again; no worse orders."""
    extents = (nest.features, nest.images * nest.rows * nest.columns, nest.channels)
    possible = ((False, True) if extent > 1 else (False,) for extent in extents)
    for runs in itertools.product(*possible):
        several = dict(zip("krc", runs, strict=True))
        found: dict[tuple[bool, ...], int] = {}
        for number, order in enumerate(ORDERS):
            found.setdefault(_refetches(order, several), number)
        for again, number in found.items():
            fewer = (all(a <= b for a, b in zip(o, again, strict=True)) for o in found)
            if sum(fewer) == 1:
                yield several, number, again


def _candidates(
    nest: LoopNest, double_buffered: bool, cut: Callable[[LoopNest, int], _Integers]
) -> _Integers:
    """A table `[10, n]` of five sizes, order, working set and three traffics.

    A loop that makes nothing fetched again takes the smallest tiles, as that costs no traffic.
    """
    places = {most: cut(nest, most) for most in (_COARSE, _FINE)}
    found = []
    for several, order, again in _cases(nest):
        by_features, _, by_channels = again
        cubic = several["k"] and several["c"] and by_features and by_channels
        most = _COARSE if cubic else _FINE
        k = _tiles(nest.features, several["k"], by_features, most)[:, None, None]
        c = _tiles(nest.channels, several["c"], by_channels, most)
        place = places[most]
        place = place[:, (place[5] > 1) == several["r"], None]
        held = _working_set(nest, several, double_buffered, (k, place, c))
        moved = _traffic(nest, again, (k, place, c))
        columns = (k, *place[:3], c, np.int64(order), held, *moved)
        table = np.stack([np.broadcast_to(column, held.shape) for column in columns])
        found.append(_staircase(table) if cubic else table.reshape(10, -1))
    return np.concatenate(found, axis=1)


def _tiles(extent: int, several: bool, again: bool, most: int) -> _Integers:
    if not several:
        return np.array([extent])
    return _sizes(extent, most)[:-1] if again else np.array([1])


def _working_set(
    nest: LoopNest, several: dict[str, bool], double_buffered: bool, tiling: tuple[_Integers, ...]
) -> _Integers:
    """Bytes of the largest tiles, `[features, places, channels]`."""
    k, place, c = tiling
    counts = (place[3] * c, nest.taps * k * c, place[:3].prod(0) * k)
    sizes = (nest.input_size, nest.kernel_size, nest.output_size)
    total = np.zeros((), np.int64)
    for count, size, (indices, _) in zip(counts, sizes, _OPERANDS, strict=True):
        moves = nest.groups > 1 or any(several[loop] for loop in indices)
        total = total + count * size * (1 + (double_buffered and moves))
    return total


def _traffic(
    nest: LoopNest, again: tuple[bool, ...], tiling: tuple[_Integers, ...]
) -> Iterator[_Integers]:
    """Bytes of input, kernel and output, to be broadcast to `[features, places, channels]`."""
    k, place, c = tiling
    often = (-(-nest.features // k), place[5], 2 * -(-nest.channels // c) - 1)
    inputs = nest.groups * nest.channels * nest.input_size * place[4]
    once = (inputs, np.array(nest.kernel_bytes), np.array(nest.output_bytes))
    for size, times, repeated in zip(once, often, again, strict=True):
        yield size * times if repeated else size


def _staircase(table: _Integers) -> _Integers:
    """Of each channel tile, for which kernel and output traffic are fixed, what is not beaten."""
    table = np.moveaxis(table, 3, 1).reshape(10, table.shape[3], -1)
    ascending = table[6].argsort(axis=1, kind="stable")
    table = np.take_along_axis(table, ascending[None], axis=2)
    least = np.minimum.accumulate(table[7], axis=1)
    return table[:, np.diff(least, prepend=least[:, :1] + 1) < 0]


def _front(table: _Integers, chunk: int = 256) -> _Integers:
    """Leave out what another beats or equals in working set and traffic; sort by working set."""
    table = table[:, np.lexsort((table[5], table[7:].sum(0), table[6]))]
    ranks = np.stack([np.unique(t, return_inverse=True)[1] for t in table[7:]]).astype(np.int32)
    kept = np.empty(0, np.int64)
    for start in range(0, table.shape[1], chunk):  # what beats another stands before it
        own = np.arange(start, min(start + chunk, table.shape[1]))
        own = own[~_beaten(ranks[:, own], ranks[:, kept]).any(0)]
        among = np.triu(_beaten(ranks[:, own], ranks[:, own]), 1)
        kept = np.concatenate([kept, own[~among.any(0)]])
    return table[:, kept]


def _beaten(points: npt.NDArray[np.int32], others: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Whether others are no worse in all respects, `[others, points]`."""
    beaten = others[0, :, None] <= points[0]
    for mine, theirs in zip(points[1:], others[1:], strict=True):
        beaten &= theirs[:, None] <= mine
    return beaten


@functools.lru_cache(maxsize=512)
def tilings(nest: LoopNest, double_buffered: bool = False) -> Tilings:
    """Find the tilings of a nest that no other beats in working set and all three traffics.

    Args:
      nest: what to cut.
      double_buffered: room for a second tile of each operand that has more than one, so that
        fetching overlaps with computing.
    """
    table = _candidates(nest, double_buffered, _whole_rows)
    parts = _candidates(nest, double_buffered, _parts_of_rows)
    parts = parts[:, parts[6] < table[6].min()]
    table = _front(np.concatenate([table, parts], axis=1))
    numbers = table[6:].astype(np.float64)
    return Tilings(table[:5], table[5], numbers[0], numbers[1:])
