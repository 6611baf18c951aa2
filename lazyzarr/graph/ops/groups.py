"""Reductions that sort values apart: histograms, counts of integers, and reductions by group."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator
from lazyzarr.graph.ops.sources import Held

__all__ = ["Bincount", "GroupReduce", "Histogram", "How", "bincount", "group_reduce", "histogram"]

Array = np.ndarray[Any, Any]
How = Literal["sum", "mean", "min", "max", "count"]


class Histogram(Reduce):
    """How many values lie in each bin; options: the edges (held). The only axis of the result runs over the bins."""

    __slots__ = ()
    name = "histogram"

    @property
    def edges(self) -> Array:
        """The edges of the bins, ascending."""
        return self.params[3][0].value  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """The number of bins."""
        return len(self.edges) - 1

    def infer(self) -> None:
        """One axis of bins."""
        self.shape, self.chunks, self.dims = (self.width,), ((self.width,),), (None,)
        self.dtype = np.dtype(self.params[2])

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The counts."""
        return (np.dtype(np.int64),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Counts the tile's values."""
        state[0][...] += np.histogram(tile.values, self.edges)[0].reshape(state[0].shape)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Adds the other's counts."""
        np.add(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The counts."""
        return state[0].astype(self.dtype)

    def shaped(self, result: Array) -> Array:
        """The counts along one axis."""
        return result.reshape(self.shape)


class Bincount(Histogram):
    """How often each integer from 0 on occurs; options: how many of them."""

    __slots__ = ()
    name = "bincount"

    @property
    def width(self) -> int:
        """One more than the largest integer."""
        return int(self.params[3][0])

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Counts the tile's values. Raises ValueError for one that is not counted."""
        counts = np.bincount(tile.values.reshape(-1), minlength=self.width)
        if len(counts) > self.width:
            raise ValueError(
                f"bincount: {len(counts) - 1} occurs, and minlength={self.width} counts up to it only"
            )
        state[0][...] += counts.reshape(state[0].shape)


class GroupReduce(Reduce):
    """A reduction of the elements of each group along an axis; options: what, labels (held), number of groups."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """What is done to each group."""
        return f"group-{self.how}"

    @property
    def how(self) -> How:
        """What is done to each group."""
        return self.params[3][0]  # type: ignore[no-any-return]

    @property
    def labels(self) -> Array:
        """The group of each index along the axis; negative: of none."""
        return self.params[3][1].value  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """The number of groups."""
        return int(self.params[3][2])

    def infer(self) -> None:
        """The operand's axes, that of the groups with one element a group."""
        source, (axis,) = self.operand, self.axes
        self.shape = (*source.shape[:axis], self.width, *source.shape[axis + 1 :])
        self.chunks = (*source.chunks[:axis], (self.width,), *source.chunks[axis + 1 :])
        self.dims, self.dtype = source.dims, np.dtype(self.params[2])

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The totals or extrema, and how many elements each group had."""
        kind = self.operand.dtype.newbyteorder("=") if self.how in ("min", "max") else accumulator(self.dtype)
        return kind, np.dtype(np.int64)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes the tile's elements into their groups."""
        (axis,) = self.axes
        labels = self.labels[tile.origin[axis] : tile.origin[axis] + tile.values.shape[axis]]
        front = (slice(None),) * axis
        for group in np.unique(labels[labels >= 0]):
            own = labels == group
            values = tile.values if own.all() else tile.values[(*front, own)]
            here = (*front, slice(group, group + 1))
            count = values.shape[axis]
            if self.how in ("min", "max"):
                function = np.minimum if self.how == "min" else np.maximum
                part = function.reduce(values, axis=axis, keepdims=True)
            elif self.how == "count":
                part = np.zeros((), state[0].dtype)
            else:
                part = np.add.reduce(values, axis=axis, dtype=state[0].dtype, keepdims=True)
            self._join((state[0][here], state[1][here]), part, np.int64(count))

    def _join(self, state: State, part: Any, count: Any) -> None:
        """Takes values that stand for so many elements each into the state; of none they say nothing."""
        if self.how in ("min", "max"):
            function = np.minimum if self.how == "min" else np.maximum
            both = function(state[0], part)
            np.copyto(state[0], np.where(state[1] == 0, part, both), where=np.asarray(count) > 0)
        else:
            state[0][...] += part
        state[1][...] += count

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes the other's groups into this one's."""
        self._join(state, other[0], other[1])

    def finish(self, state: State, count: int) -> Array:
        """The results; of a group without elements the sum is 0, the mean NaN.

        Raises ValueError for extrema of no elements.
        """
        if self.how == "count":
            return state[1].astype(self.dtype)
        if self.how == "mean":
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.true_divide(state[0], state[1]).astype(self.dtype)
        if self.how in ("min", "max") and not state[1].all():
            raise ValueError(f"a group has no elements, and so no {self.how}")
        return state[0].astype(self.dtype)

    def shaped(self, result: Array) -> Array:
        """The results: the axis of the groups stays."""
        return result


def histogram(node: Node, edges: Array) -> Node:
    """The counts of values in bins between ascending edges."""
    return make(Histogram, (node,), (tuple(range(node.ndim)), False, np.dtype(np.intp), (Held(edges),)))


def bincount(node: Node, length: int) -> Node:
    """How often each integer below `length` occurs."""
    return make(Bincount, (node,), (tuple(range(node.ndim)), False, np.dtype(np.intp), (length,)))


def group_reduce(node: Node, labels: Array, groups: int, how: How, axis: int) -> Node:
    """A reduction of each group along an axis; `labels` says the group of each index, below `groups`."""
    dtype: np.dtype[Any]
    if how == "count":
        dtype = np.dtype(np.int64)
    elif how == "mean":
        dtype = np.dtype(np.float64) if node.dtype.kind in "biu" else node.dtype.newbyteorder("=")
    elif how == "sum":
        dtype = np.add.reduce(np.zeros(1, node.dtype)).dtype
    else:
        dtype = node.dtype.newbyteorder("=")
    return make(GroupReduce, (node,), ((axis,), False, dtype, (how, Held(labels), groups)))
