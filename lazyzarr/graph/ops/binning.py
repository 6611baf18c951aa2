"""Binning: how many values, or how much weight, lies in each bin or at each integer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.elementwise import Elementwise, call
from lazyzarr.graph.ops.pairs import pair, parted
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator
from lazyzarr.graph.ops.sources import Held, memory

__all__ = ["Bincount", "Histogram", "bin_numbers", "bincount", "edges_between", "histogram", "ranged"]

Array = np.ndarray[Any, Any]
EXACT = 2**53 // 65536


class Binned(Reduce):
    """Counts, or sums of weights, along one axis of bins; values are paired with weights where these are summed."""

    __slots__ = ()
    copies = 1

    @property
    def _weighted(self) -> bool:
        return self.operand.dtype.names is not None

    def infer(self) -> None:
        """One axis of bins."""
        self.shape, self.chunks, self.dims = (self.width,), ((self.width,),), (None,)
        self.dtype = np.dtype(self.params[2])

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The counts, or the sums."""
        wide = {"i": np.dtype(np.int64), "u": np.dtype(np.uint64)}
        return (wide.get(self.dtype.kind, accumulator(self.dtype)),)

    @abstractmethod
    def counted(self, values: Array, weights: Array | None) -> Array:
        """The counts or sums of a tile's values."""

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Counts the tile's values."""
        values, weights = parted(tile.values) if self._weighted else (tile.values, None)
        if weights is not None:
            weights = weights.astype(state[0].dtype, copy=False)
        state[0][...] += self.counted(values, weights).reshape(state[0].shape).astype(state[0].dtype)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Adds the other's counts."""
        np.add(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The counts."""
        return state[0].astype(self.dtype)

    def shaped(self, result: Array) -> Array:
        """The counts along one axis."""
        return result.reshape(self.shape)


class Histogram(Binned):
    """How many values lie in each bin; options: the edges (held), and the range where all bins are of one width."""

    __slots__ = ()
    name = "histogram"

    @property
    def width(self) -> int:
        """The number of bins: of no edges none."""
        return max(len(self.params[3][0].value) - 1, 0)

    def counted(self, values: Array, weights: Array | None) -> Array:
        """NumPy's histogram, which is faster where all bins are of one width, but adds up whole numbers as float64."""
        edges, limits = self.params[3]
        if limits is None or (weights is not None and _is_large(weights)):
            return np.histogram(values, edges.value, weights=weights)[0]
        return np.histogram(values, self.width, limits, weights=weights)[0]


def _is_large(weights: Array) -> bool:
    """Whether whole numbers are too large for sums in float64, which NumPy makes of 65,536 values each."""
    if weights.dtype.kind not in "iu" or not weights.size:
        return False
    return int(weights.max()) >= EXACT or int(weights.min()) <= -EXACT


class Bincount(Binned):
    """How often each integer from 0 on occurs; options: how many of them."""

    __slots__ = ()
    name = "bincount"

    @property
    def width(self) -> int:
        """One more than the largest integer."""
        return int(self.params[3][0])

    def counted(self, values: Array, weights: Array | None) -> Array:
        """NumPy's bincount. Raises ValueError for an integer that is not counted."""
        flat = values.reshape(-1)
        if flat.dtype == np.uint64:  # of which NumPy makes no positions
            flat = np.minimum(flat, np.uint64(np.iinfo(np.int64).max)).astype(np.int64)
        most = int(flat.max(initial=0))
        if most >= self.width:
            raise ValueError(
                f"bincount: {most} occurs, and minlength={self.width} counts up to {self.width - 1}"
            )
        if weights is None:
            return np.bincount(flat, minlength=self.width)
        if flat.min(initial=0) < 0:
            raise ValueError(f"bincount: {flat.min()} occurs; it counts integers from 0 on")
        # np.bincount adds up float64, which holds neither all whole numbers nor longdouble.
        total = np.zeros(self.width, weights.dtype)
        np.add.at(total, flat, weights.reshape(-1))
        return total


class Ranged(Bincount):
    """How many values lie in each bin, of values that are the numbers of bins already; options as Bincount."""

    __slots__ = ()
    name = "histogram"


class BinNumbers(Elementwise):
    """The number of the bin of each value; parameters as Elementwise, keywords: how many bins of one width."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "bins"

    @property
    def hint(self) -> str:
        """That the range is looked for first."""
        bins = dict(self.params[2])["bins"]
        return f"2 passes: range for bins={bins} first; give range=(lo, hi) for one"


def numbers_of(values: Array, low: Array, high: Array, bins: int) -> Array:
    """The number of the bin of each value, of so many of one width from `low` to `high`.

    Raises ValueError, as NumPy, for limits that are not finite.
    """
    if not values.size:
        return np.zeros(np.shape(values), np.intp)
    edges = _edges(low.reshape(-1)[0], high.reshape(-1)[0], bins)
    number = np.searchsorted(edges, values.reshape(-1), "right") - 1
    return np.clip(number, 0, bins - 1).reshape(values.shape)


def edges_of(place: Array, low: Array, high: Array, bins: int, dtype: np.dtype[Any]) -> Array:
    """Those edges of the bins that stand at these places."""
    if not place.size or not low.size:
        return np.zeros(np.shape(place), dtype)
    return _edges(low.reshape(-1)[0], high.reshape(-1)[0], bins)[place]


def _edges(low: Any, high: Any, bins: int) -> Array:
    """NumPy's edges of so many bins of one width over values from `low` to `high`; of none, from 0 to 1."""
    limits = np.array([low, high] if not low > high else [], np.asarray(low).dtype)
    return np.histogram_bin_edges(limits, bins)


def bin_numbers(node: Node, low: Node, high: Node, bins: int) -> Node:
    """The node of the number of each value's bin, of so many of one width from `low` to `high` (one value each)."""
    return call(BinNumbers, numbers_of, [node, low, high], (("bins", bins),), np.dtype(np.intp))


def edges_between(low: Node, high: Node, bins: int) -> Node:
    """The node of the edges of so many bins of one width from `low` to `high` (one value each)."""
    dtype = np.histogram_bin_edges(np.zeros(1, low.dtype), bins).dtype
    place = memory(np.arange(bins + 1), ((bins + 1,),), (None,))
    words = (("bins", bins), ("dtype", dtype))
    return call(Elementwise, edges_of, [place, low, high], words, dtype)


def histogram(node: Node, edges: Array, limits: Sequence[Any] | None, weights: Node | None) -> Node:
    """The counts of values in bins between ascending edges; `limits`: of which all bins are of one width."""
    uniform = None if limits is None else tuple(limits)
    own = None if weights is None or uniform else weights.dtype.newbyteorder("=")
    return _binned(Histogram, node, weights, (Held(edges), uniform), own)


def bincount(node: Node, length: int, weights: Node | None, dtype: Any = None) -> Node:
    """How often each integer below `length` occurs, or the sum of its weights."""
    return _binned(Bincount, node, weights, (length,), dtype)


def ranged(numbers: Node, bins: int, weights: Node | None) -> Node:
    """The counts of values in bins, from the number of each value's bin."""
    return _binned(Ranged, numbers, weights, (bins,), None)


def _binned(
    kind: type[Binned], node: Node, weights: Node | None, options: tuple[Any, ...], dtype: Any
) -> Node:
    operand = node if weights is None else pair(node, weights)
    axes = tuple(range(operand.ndim))
    own = np.dtype(np.intp) if weights is None else operand.dtype["beside"]
    return make(kind, (operand,), (axes, False, np.dtype(own if dtype is None else dtype), options))
