"""Reductions by group: the group of each index along an axis is known."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops import moments
from lazyzarr.graph.ops.reductions import State, Tile, WideReduce, accumulator
from lazyzarr.graph.ops.sources import Held

__all__ = ["GroupReduce", "GroupVariance", "How", "group_reduce"]

Array = np.ndarray[Any, Any]
# Of a result's chunk, where it has several groups.
CHUNK_BYTES = 4 * 1024 * 1024
How = Literal["sum", "mean", "min", "max", "count", "var", "std", "first", "last"]


class GroupReduce(WideReduce):
    """A reduction of the elements of each group along an axis; options: what, labels (held), number of groups."""

    __slots__ = ()
    copies = 1

    def infer(self) -> None:
        """As many groups a chunk as the operand has indices, or more where chunks would be small."""
        super().infer()
        (axis,) = self.axes
        beside = math.prod(max(sizes, default=1) for i, sizes in enumerate(self.chunks) if i != axis)
        longest = max(self.operand.chunks[axis], default=1)
        length = max(longest, CHUNK_BYTES // max(beside * self.dtype.itemsize, 1), 1)
        sizes = (length,) * (self.width // length) + ((self.width % length,) if self.width % length else ())
        self.chunks = (*self.chunks[:axis], sizes or (0,), *self.chunks[axis + 1 :])

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
            self.take(tuple(part[here] for part in state), values, axis)

    def take(self, state: State, values: Array, axis: int) -> None:
        """Takes elements of one group into its state."""
        if self.how in ("min", "max"):
            function = np.minimum if self.how == "min" else np.maximum
            part = function.reduce(values, axis=axis, keepdims=True)
        elif self.how == "count":
            part = np.zeros((), state[0].dtype)
        else:
            # Times have no other dtype to be summed in, and NumPy takes no unit here.
            dtype = None if state[0].dtype.kind == "m" else state[0].dtype
            part = np.add.reduce(values, axis=axis, dtype=dtype, keepdims=True)
        self._join(state, part, np.int64(values.shape[axis]))

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


class GroupVariance(GroupReduce):
    """The variance, or its root, of each group along an axis; options as GroupReduce, and ddof."""

    __slots__ = ()
    copies = 3

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """Sums of deviations, and how many elements each group had."""
        return *moments.states(self.operand.dtype, self.dtype), np.dtype(np.int64)

    def folding_bytes(self, elements: int) -> int:
        """A group's elements, and what their sums take."""
        own = moments.folding_bytes(elements, self.operand.dtype, self.dtype)
        return super().folding_bytes(elements) + own

    def take(self, state: State, values: Array, axis: int) -> None:
        """Takes elements of one group into its sums."""
        moments.take(state[:-1], values, (axis,), state[-1])

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Joins the other's groups."""
        moments.join(state[:-1], other[:-1], state[-1], other[-1])
        state[-1][...] += other[-1]

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, or their root; NaN where there are too few elements."""
        free = np.maximum(state[-1] - self.params[3][3], 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            result = moments.variance(state[:-1], state[-1], free, self.how == "std")
        return np.where(free > 0, result, np.nan).astype(self.dtype)


def group_reduce(node: Node, labels: Array, groups: int, how: How, axis: int, ddof: float = 0) -> Node:
    """A reduction of each group along an axis; `labels` says the group of each index, below `groups`."""
    dtype: np.dtype[Any]
    if how in ("var", "std"):
        real = np.zeros(0, node.dtype).real.dtype
        dtype = np.dtype(np.float64) if node.dtype.kind in "biu" else real.newbyteorder("=")
        options = how, Held(labels), groups, ddof
        return make(GroupVariance, (node,), ((axis,), False, dtype, options))
    if how == "count":
        dtype = np.dtype(np.int64)
    elif how == "mean":
        dtype = np.dtype(np.float64) if node.dtype.kind in "biu" else node.dtype.newbyteorder("=")
    elif how == "sum":
        dtype = np.add.reduce(np.zeros(1, node.dtype)).dtype
    else:
        dtype = node.dtype.newbyteorder("=")
    return make(GroupReduce, (node,), ((axis,), False, dtype, (how, Held(labels), groups)))
