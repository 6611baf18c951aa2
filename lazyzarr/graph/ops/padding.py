"""Padding: arrays with more elements around them, which repeat those at the edges or come from the other end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from lazyzarr.graph.node import Node, make, pieces_of
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of

__all__ = ["Repeating", "beyond", "padded"]

Array = np.ndarray[Any, Any]
Points = np.ndarray[Any, np.dtype[np.int64]]
Repeating = Literal["edge", "wrap", "reflect", "symmetric"]
"""What is repeated beyond an edge, in np.pad's words."""


def beyond(at: Points, n: int, mode: Repeating) -> Points:
    """Positions along an axis of n elements, before 0 and from n on too, as those of the elements that are there.

    >>> beyond(np.arange(-2, 5), 3, "symmetric").tolist(), beyond(np.arange(-2, 5), 3, "reflect").tolist()
    ([1, 0, 0, 1, 2, 2, 1], [2, 1, 0, 1, 2, 1, 0])
    """
    if mode == "edge":
        return np.clip(at, 0, n - 1)
    if mode == "wrap":
        return at % n
    # There and back again; where the last element is not repeated, by one step less at each end.
    last = 2 * n - 1 if mode == "symmetric" else max(2 * n - 2, 1)
    within = at % (last + (mode == "symmetric"))
    return np.where(within < n, within, last - within)


class Padded(Computed):
    """An array with more elements around it; parameters: mode, elements before and after along each axis, chunks.

    A block asks for the chunk that it lies beside, so that nothing is decoded twice for what is repeated.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "pad"

    def infer(self) -> None:
        """The input with longer axes."""
        _, _, self.chunks = self.params
        self.shape = tuple(map(sum, self.chunks))
        self.dtype, self.dims = self.inputs[0].dtype, self.inputs[0].dims

    @property
    def in_step(self) -> bool:
        """Unless blocks beyond an edge ask for what lies at the other one, or mirror it: from there backwards."""
        (boxes,) = self.intervals()
        return bool(
            self.params[0] != "wrap" and all((np.diff(ends) >= 0).all() for along in boxes for ends in along)
        )

    @property
    def working_bytes(self) -> int:
        """A block that is longer along some axes only."""
        return math.prod(max(sizes, default=0) for sizes in self.chunks) * self.dtype.itemsize

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for the elements that it holds."""
        found = []
        for axis, sizes in enumerate(self.chunks):
            cuts = cuts_of(sizes)
            at = [self._along(axis, low, high) for low, high in itertools.pairwise(cuts.tolist())]
            found.append((np.array([low for low, _, _ in at]), np.array([high for _, high, _ in at])))
        return [tuple(found)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, in memory of its own."""
        starts, extents = self.box(coords)
        ends = enumerate(zip(starts, extents, strict=True))
        along = [self._along(axis, start, start + extent) for axis, (start, extent) in ends]
        asked = get(0, (tuple(low for low, _, _ in along), tuple(high - low for low, high, _ in along)))
        values = asked
        for axis, (_, _, places) in enumerate(along):
            if places is not None:
                values = np.take(values, places, axis)
        return values.copy() if values is asked else values

    def _along(self, axis: int, start: int, stop: int) -> tuple[int, int, Points | None]:
        """Between which positions of the input the elements of an interval lie, and where there, if not all in turn."""
        mode, widths, _ = self.params
        n, before = self.inputs[0].shape[axis], widths[axis][0]
        start, stop = start - before, stop - before
        if start >= 0 and stop <= n:
            return start, stop, None
        places = beyond(np.arange(start, stop), n, mode)
        low, high = int(places.min()), int(places.max()) + 1
        return low, high, places - low


def padded(node: Node, widths: Sequence[tuple[int, int]], mode: Repeating) -> Padded:
    """The node with so many more elements before and after each axis; axes that get some have some."""
    chunks = []
    for sizes, (before, after) in zip(node.chunks, widths, strict=True):
        sizes = tuple(n for n in sizes if n)
        first, last = (_ends(sizes, width, mode) for width in (before, after))
        if before and not first:
            sizes = (sizes[0] + before, *sizes[1:])
        if after and not last:
            sizes = (*sizes[:-1], sizes[-1] + after)
        chunks.append((*reversed(first), *sizes, *last) or (0,))
    return make(Padded, (node,), (mode, tuple(widths), tuple(chunks)))


def _ends(sizes: Sequence[int], width: int, mode: Repeating) -> tuple[int, ...]:
    """The blocks that lie beyond an edge, from there outwards; none where the last chunk takes what is there."""
    if not width or (mode != "wrap" and width <= min(sizes[0], sizes[-1])):
        return ()
    return tuple(_whole_periods(width, sum(sizes), max(sizes)))


def _whole_periods(width: int, n: int, most: int) -> Iterator[int]:
    """A width in pieces that no period ends within."""
    for period in pieces_of(width, n):
        yield from pieces_of(period, most)
