"""Points: elements picked one by one, by integer arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make, pieces_of
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of, within
from lazyzarr.graph.ops.sources import Held

__all__ = ["Take", "Vindex", "take", "vindex"]

Array = np.ndarray[Any, Any]
Points = np.ndarray[Any, np.dtype[np.int64]]
MOST_LOOKED_AT = 10_000_000  # positions that are looked through for the sake of a plan
POINTS = 1_000_000  # in a block of picked points, at most
REPEATED = 4  # how many times as long as the source's a chunk may be where elements are repeated


class Take(Computed):
    """Elements picked along one axis; parameters: axis, positions (held), chunks."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "take"

    def infer(self) -> None:
        """The input with another number of elements along the axis."""
        _, _, self.chunks = self.params
        self.shape = tuple(map(sum, self.chunks))
        self.dtype, self.dims = self.inputs[0].dtype, self.inputs[0].dims

    def passes(self, i: int) -> float:
        """Blocks that each chunk along the axis has elements for."""
        axis, held, _ = self.params
        wanted: Points = held.value
        if not MOST_LOOKED_AT >= len(wanted) > 0:
            return 1.0
        cuts = cuts_of(self.inputs[0].chunks[axis])
        block = np.searchsorted(cuts_of(self.chunks[axis]), np.arange(len(wanted)), "right")
        pairs = block * len(cuts) + np.searchsorted(cuts, wanted, "right")
        return len(np.unique(pairs)) / (len(cuts) - 1)

    def from_chunks(self, source: Node) -> Take:
        """The same values, picked from an input of the same values in other chunks."""
        return make(Take, (source,), self.params, self.origin)

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Boxes lie in one chunk of the input each."""
        return [within(self.inputs[0].chunks)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, from each chunk of the input that has some of its elements."""
        axis, held, _ = self.params
        starts, extents = self.box(coords)
        wanted: Points = held.value[starts[axis] : starts[axis] + extents[axis]]
        out = np.empty(extents, self.dtype)
        for low, high, places in _by_chunk(wanted, cuts_of(self.inputs[0].chunks[axis])):
            box = (
                (*starts[:axis], low, *starts[axis + 1 :]),
                (*extents[:axis], high - low, *extents[axis + 1 :]),
            )
            before = (slice(None),) * axis
            out[(*before, places)] = get(0, box)[(*before, wanted[places] - low)]
        return out


class Vindex(Computed):
    """Elements picked by a coordinate along each of the leading axes; parameters: how many axes, the
    coordinates (held, one row an axis), chunks."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "vindex"

    def infer(self) -> None:
        """One axis of points in the place of those picked from."""
        count, _, self.chunks = self.params
        source = self.inputs[0]
        self.shape = tuple(map(sum, self.chunks))
        self.dtype, self.dims = source.dtype, (None, *source.dims[count:])

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Boxes lie in one chunk of the input each."""
        return [within(self.inputs[0].chunks)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, from each chunk of the input that has some of its points."""
        count, held, _ = self.params
        starts, extents = self.box(coords)
        wanted: Points = held.value[:, starts[0] : starts[0] + extents[0]]
        source = self.inputs[0]
        cuts = [cuts_of(sizes) for sizes in source.chunks[:count]]
        chunk = np.array([np.searchsorted(c, w, "right") - 1 for c, w in zip(cuts, wanted, strict=True)])
        out = np.empty(extents, self.dtype)
        number = np.ravel_multi_index(tuple(chunk), tuple(len(c) - 1 for c in cuts))
        for places in _groups(number):
            part = wanted[:, places]
            low, high = part.min(axis=1), part.max(axis=1) + 1
            box = (*low.tolist(), *starts[1:]), (*(high - low).tolist(), *extents[1:])
            out[places] = get(0, box)[tuple(part - low[:, None])]
        return out


def _groups(number: Points) -> list[Points]:
    """The places of equal numbers, in ascending order of the numbers."""
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return np.split(order, cuts) if len(order) else []


def _by_chunk(wanted: Points, cuts: Points) -> list[tuple[int, int, Points]]:
    """For each chunk that has wanted elements: the first and one past the last of them, and where they go."""
    found = []
    for places in _groups(np.searchsorted(cuts, wanted, "right") - 1):
        part = wanted[places]
        found.append((int(part.min()), int(part.max()) + 1, places))
    return found


def take(node: Node, positions: Points, axis: int) -> Node:
    """The elements at these positions (not negative, within the axis) along an axis."""
    most = max(node.chunks[axis], default=1)
    rising = len(positions) > 1 and bool((np.diff(positions) >= 0).all())
    sizes = _by_source(positions, node.chunks[axis], most) if rising else pieces_of(len(positions), most)
    chunks = (*node.chunks[:axis], sizes, *node.chunks[axis + 1 :])
    return make(Take, (node,), (axis, Held(positions), chunks))


def vindex(node: Node, coordinates: Sequence[Points]) -> Node:
    """The elements at these coordinates along the leading axes (all of one length, not negative, within)."""
    count = len(coordinates)
    table = np.array(coordinates, np.int64)
    beside = math.prod(max(sizes, default=1) for sizes in node.chunks[count:])
    sizes = pieces_of(table.shape[1], max(POINTS // max(beside, 1), 1))
    chunks: Chunks = (sizes, *node.chunks[count:])
    return make(Vindex, (node,), (count, Held(table), chunks))


def _by_source(positions: Points, chunks: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Chunks of rising positions that end where the source's do, so that no chunk of it is read for two of them.

    >>> _by_source(np.array([0, 1, 3, 4, 5, 7]), (3, 3, 3), 3)
    (2, 3, 1)
    """
    counts = np.diff(np.searchsorted(positions, cuts_of(chunks)))
    sizes: list[int] = []
    for count in counts[counts > 0].tolist():
        if sizes and sizes[-1] + count <= most:
            sizes[-1] += count  # few of each: of several chunks together
        elif count > REPEATED * most:
            sizes.extend(pieces_of(count, most))
        else:
            sizes.append(count)
    return tuple(sizes)
