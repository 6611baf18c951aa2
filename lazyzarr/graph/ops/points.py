"""Points: elements picked one by one, by integer arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

    @property
    def different(self) -> int:
        """Those of the input, at most."""
        return min(math.prod(self.shape), math.prod(self.inputs[0].shape))

    def passes(self, i: int) -> float:
        """Blocks that each chunk along the axis has elements for."""
        return self._asked()[0]

    def uses(self, i: int) -> float:
        """The part of the chunks along the axis that has elements for any block."""
        return self._asked()[1]

    def _asked(self) -> tuple[float, float]:
        axis, held, _ = self.params
        cuts = cuts_of(self.inputs[0].chunks[axis])
        return _share(held.value, cuts_of(self.chunks[axis]), len(cuts) - 1, lambda at: _chunk_of(at, cuts))

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

    def passes(self, i: int) -> float:
        """Blocks that each chunk has points for."""
        return self._asked()[0]

    def uses(self, i: int) -> float:
        """The part of the chunks that has points for any block."""
        return self._asked()[1]

    def _asked(self) -> tuple[float, float]:
        count, held, _ = self.params
        chunks = math.prod(map(len, self.inputs[0].chunks[:count]))
        return _share(held.value, cuts_of(self.chunks[0]), chunks, self._chunk)

    def _chunk(self, wanted: Points) -> Points:
        """The number of the chunk, along the leading axes, that each point lies in."""
        cuts = [cuts_of(sizes) for sizes in self.inputs[0].chunks[: self.params[0]]]
        along = tuple(_chunk_of(at, own) for at, own in zip(wanted, cuts, strict=True))
        return np.ravel_multi_index(along, tuple(len(own) - 1 for own in cuts))

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Boxes lie in one chunk of the input each."""
        return [within(self.inputs[0].chunks)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, from each chunk of the input that has some of its points."""
        _, held, _ = self.params
        starts, extents = self.box(coords)
        wanted: Points = held.value[:, starts[0] : starts[0] + extents[0]]
        out = np.empty(extents, self.dtype)
        for places in _groups(self._chunk(wanted)):
            part = wanted[:, places]
            low, high = part.min(axis=1), part.max(axis=1) + 1
            box = (*low.tolist(), *starts[1:]), (*(high - low).tolist(), *extents[1:])
            out[places] = get(0, box)[tuple(part - low[:, None])]
        return out


def _chunk_of(at: Points, cuts: Points) -> Points:
    """The number of the chunk that each position along an axis lies in."""
    return np.searchsorted(cuts, at, "right") - 1


def _share(
    wanted: Points, blocks: Points, chunks: int, chunk: Callable[[Points], Points]
) -> tuple[float, float]:
    """How many blocks each of so many chunks has wanted elements for, on the average, and which part has for any."""
    n = wanted.shape[-1]
    if not MOST_LOOKED_AT >= n > 0:
        return 1.0, 1.0
    number = chunk(wanted)
    pairs = _chunk_of(np.arange(n), blocks) * chunks + number
    return len(np.unique(pairs)) / chunks, len(np.unique(number)) / chunks


def _groups(number: Points) -> list[Points]:
    """The places of equal numbers, in ascending order of the numbers."""
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return np.split(order, cuts) if len(order) else []


def _by_chunk(wanted: Points, cuts: Points) -> list[tuple[int, int, Points]]:
    """For each chunk that has wanted elements: the first and one past the last of them, and where they go."""
    found = []
    for places in _groups(_chunk_of(wanted, cuts)):
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
