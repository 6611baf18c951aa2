"""The k greatest or least values along an axis, and where they stand: k of each are kept, however long the axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.reductions import State, Tile, WideReduce

__all__ = ["TopK", "topk"]

Array = np.ndarray[Any, Any]


class TopK(WideReduce):
    """The k best values along one axis, the best first; options: k, whether the greatest are best, whether their
    positions are wanted.

    Of equals the first ones count; NaN is greater than numbers, as where NumPy sorts.
    """

    __slots__ = ()
    copies = 3

    @property
    def label(self) -> str:
        """topk or argtopk."""
        return "argtopk" if self._positions else "topk"

    @property
    def width(self) -> int:
        """How many are kept."""
        return int(self.params[3][0])

    @property
    def _greatest(self) -> bool:
        return bool(self.params[3][1])

    @property
    def _positions(self) -> bool:
        return bool(self.params[3][2])

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The best values so far, and where they stand if that is wanted."""
        values = self.operand.dtype.newbyteorder("=")
        return (values, np.dtype(np.int64)) if self._positions else (values,)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """The best of what there was and of the tile."""
        (axis,) = self.axes
        parts: tuple[Array, ...] = (tile.values,)
        if self._positions:
            n = tile.values.shape[axis]
            line = np.arange(tile.origin[axis], tile.origin[axis] + n)
            behind = (1,) * (tile.values.ndim - axis - 1)
            parts = (tile.values, np.broadcast_to(line.reshape(-1, *behind), tile.values.shape))
        self._take(state, parts, before)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """The best of both."""
        self._take(state, tuple(self._first(part, count) for part in other), before)

    def _first(self, values: Array, count: int) -> Array:
        """Those that were kept of so many elements."""
        (axis,) = self.axes
        return values[(*(slice(None),) * axis, slice(0, min(count, self.width)))]

    def _take(self, state: State, parts: State, before: int) -> None:
        (axis,) = self.axes
        pairs = [(self._first(mine, before), theirs) for mine, theirs in zip(state, parts, strict=True)]
        if before and self._positions and pairs[-1][0].min() > pairs[-1][1].min():
            pairs = [(theirs, mine) for mine, theirs in pairs]  # an axis may be walked from its end
        every = [np.concatenate(pair, axis) for pair in pairs]
        best = self._best(every, axis)
        for mine, found in zip(state, best, strict=True):
            self._first(mine, found.shape[axis])[...] = found

    def _best(self, every: list[Array], axis: int) -> list[Array]:
        """The k best, the best first."""
        k = min(self.width, every[0].shape[axis])
        before = (slice(None),) * axis
        if not self._positions:
            (values,) = every
            n = values.shape[axis]
            if k < n:
                values = np.partition(values, n - k if self._greatest else k - 1, axis)
            values = values[(*before, slice(n - k, None) if self._greatest else slice(0, k))]
            values = np.sort(values, axis)
            return [np.flip(values, axis) if self._greatest else values]
        if self._greatest:
            # A stable sort of the last first, read from its end: the greatest, the first of equals before the others.
            every = [np.flip(part, axis) for part in every]
        order = np.argsort(every[0], axis, kind="stable")
        if self._greatest:
            order = np.flip(order, axis)
        order = order[(*before, slice(0, k))]
        return [np.take_along_axis(part, order, axis) for part in every]

    def finish(self, state: State, count: int) -> Array:
        """The values, or where they stand."""
        return state[-1].astype(self.dtype, copy=False)

    def shaped(self, result: Array) -> Array:
        """The values: the axis stays."""
        return result


def topk(node: Node, k: int, axis: int, greatest: bool, positions: bool) -> TopK:
    """The node of the k best along an axis (k at most its length), or of where they stand."""
    dtype = np.dtype(np.intp) if positions else node.dtype.newbyteorder("=")
    return make(TopK, (node,), ((axis,), False, dtype, (k, greatest, positions)))
