"""map_overlap: a user's function that sees each chunk with the elements around it, and gives the chunk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.blocks import interval
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of
from lazyzarr.graph.ops.joining import pad
from lazyzarr.graph.ops.lending import Loan, answer, copied_bytes
from lazyzarr.graph.ops.padding import Repeating, beyond
from lazyzarr.graph.ops.user import note_user_error, promised, step_into, user_call
from lazyzarr.graph.ops.views import rechunk

__all__ = ["Boundary", "MapOverlap", "map_overlap"]

Array = np.ndarray[Any, Any]
Boundary = Literal["none", "reflect", "nearest", "periodic"] | int | float | complex
"""What lies beyond the array's edges; a number: that value."""

_PADDED: tuple[Boundary, ...] = ("periodic",)
"""Boundaries for which the inputs are longer: what lies beyond an edge comes from the other end."""
_REPEATING: dict[Boundary, Repeating] = {"reflect": "symmetric", "nearest": "edge"}
"""Boundaries beyond which blocks repeat what they ask for anyway."""


class MapOverlap(Computed):
    """A function of chunks and what is around them; parameters: function, keywords, dtype, chunks, depth
    before and after along each axis, and what lies beyond each axis' edges."""

    __slots__ = ()
    calls_user: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.params[0], "__name__", "map_overlap").strip("<>")

    def infer(self) -> None:
        """All but the dtype is the first input's, without what was added at its ends."""
        _, _, dtype, self.chunks, _, _ = self.params
        self.dtype, self.shape = np.dtype(dtype), tuple(map(sum, self.chunks))
        self.dims = self.inputs[0].dims

    @property
    def depth(self) -> tuple[tuple[int, int], ...]:
        """How many elements before and after its chunk a block sees, along each axis."""
        return self.params[4]  # type: ignore[no-any-return]

    @property
    def in_step(self) -> bool:
        """Always."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for its chunk and `depth` more at each side, or what is mirrored there."""
        found = []
        for sizes, depth, edge in zip(self.chunks, self.depth, self.params[5], strict=True):
            cuts = cuts_of(sizes)
            found.append(_needed(cuts[:-1], cuts[1:], int(cuts[-1]), depth, edge))
        return [tuple(found)] * len(self.inputs)

    @property
    def working_bytes(self) -> int:
        """What the function gives for the chunk and what is around it, what it is lent as copies, and edges added."""
        sides = zip(self.chunks, self.depth, strict=True)
        elements = math.prod(max(sizes, default=0) + sum(depth) for sizes, depth in sides)
        adds = any(edge not in ("none", *_PADDED) for edge in self.params[5])
        added = 2 * elements * sum(source.dtype.itemsize for source in self.inputs) if adds else 0
        return elements * self.dtype.itemsize + copied_bytes(self.inputs, self.intervals()) + added

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """What the function gives for the chunk and what is around it, without the latter."""
        around = list(self._around(coords))
        box = tuple(each.low for each in around), tuple(each.high - each.low for each in around)
        shape = tuple(each.stop - each.start for each in around)
        inside = tuple(each.inside for each in around)
        with Loan([_with_edges(get(i, box), around) for i in range(len(self.inputs))]) as lent:
            return self._values(lent, shape, coords)[inside].copy()  # no name: it may be what was lent

    def _values(self, lent: Sequence[Array], shape: tuple[int, ...], coords: tuple[int, ...]) -> Array:
        """What the function gives for the chunk and what is around it, which may be anybody's."""
        function, keywords, *_ = self.params
        try:
            values, _ = answer(function, lent, dict(keywords))
        except Exception as error:
            note_user_error(error, self._where(coords), step_into(self, coords))
            raise
        cure = "; the function gets a chunk with `depth` elements around it and gives the same shape"
        return promised(values, shape, self.dtype, lambda: self._where(coords), cure)

    def _where(self, coords: tuple[int, ...]) -> str:
        call = user_call("map_overlap", self)
        return (
            f"{call}, block {coords} = {interval(*self.box(coords))} of {self.dtype} with what is around it"
        )

    def _around(self, coords: tuple[int, ...]) -> Iterator[_Side]:
        """What the function sees along each axis."""
        own = zip(*self.box(coords), self.shape, self.depth, self.params[5], strict=True)
        for begin, extent, n, (less, more), edge in own:
            end = begin + extent
            low, high = (int(each) for each in _needed(begin, end, n, (less, more), edge))
            if edge == "none" or edge in _PADDED:
                start, stop = low, high
            else:
                start, stop = begin - less, end + more
            first = less if edge in _PADDED else begin - start
            yield _Side(start, stop, low, high, n, edge, slice(first, first + extent))


class _Side(NamedTuple):
    """What the function sees along an axis, and what is asked of the input for it: positions there."""

    start: int
    stop: int
    low: int
    high: int
    n: int
    """The axis' length; what lies before 0 and from here on is beyond its edges."""
    edge: Boundary
    inside: slice
    """Where the chunk lies in what the function sees."""


def _needed(begin: Any, end: Any, n: int, depth: tuple[int, int], edge: Boundary) -> tuple[Any, Any]:
    """What a chunk between two positions asks for along an axis: its interval, and what is around it."""
    less, more = depth
    if edge in _PADDED:
        return begin, end + less + more
    start, stop = begin - less, end + more
    low, high = np.maximum(start, 0), np.minimum(stop, n)
    if edge == "reflect":  # in a short chunk at an edge there may be less than is mirrored
        low, high = np.minimum(low, np.maximum(2 * n - stop, 0)), np.maximum(high, np.minimum(-start, n))
    return low, high


def _with_edges(values: Array, around: Sequence[_Side]) -> Array:
    """What was asked of an input with what lies beyond the edges."""
    for axis, side in enumerate(around):
        if (side.start, side.stop) == (side.low, side.high):
            continue
        if side.edge in _REPEATING:
            at = beyond(np.arange(side.start, side.stop), side.n, _REPEATING[side.edge])
            values = np.take(values, at - side.low, axis)
        else:
            shape = (*values.shape[:axis], side.stop - side.start, *values.shape[axis + 1 :])
            longer = np.full(shape, side.edge, values.dtype)
            first = side.low - side.start
            longer[(*(slice(None),) * axis, slice(first, first + values.shape[axis]))] = values
            values = longer
    return values


def map_overlap(
    function: Callable[..., Any],
    nodes: Sequence[Node],
    depth: Sequence[tuple[int, int]],
    boundary: Sequence[Boundary],
    keywords: dict[str, Any],
    dtype: np.dtype[Any] | None,
) -> MapOverlap:
    """The node of a function of chunks and `depth` elements before and after them, along each axis.

    All nodes have the first one's shape. Without `dtype` the function is asked once, with ones.
    """
    chunks = nodes[0].chunks
    if dtype is None:
        ones = [np.ones([sum(pair) + 1 for pair in depth], node.dtype) for node in nodes]
        try:
            with np.errstate(all="ignore"):
                dtype = np.asarray(function(*ones, **keywords)).dtype
        except Exception as error:
            error.add_note(
                "map_overlap called the function with a small block of ones to learn its dtype; give dtype="
            )
            raise
    edges = tuple(edge if any(pair) else "none" for pair, edge in zip(depth, boundary, strict=True))
    sources = tuple(_padded(rechunk(node, chunks), depth, edges) for node in nodes)
    return make(
        MapOverlap,
        sources,
        (function, tuple(keywords.items()), np.dtype(dtype), chunks, tuple(depth), edges),
    )


def _padded(node: Node, depth: Sequence[tuple[int, int]], edges: Sequence[Boundary]) -> Node:
    """The array with what comes from its other end. Raises what other edges, that are added later, cannot be."""
    for axis, ((less, more), edge) in enumerate(zip(depth, edges, strict=True)):
        if edge in _PADDED:
            node = pad(node, axis, less, more, "wrap", (0, 0))
        elif edge in _REPEATING and not node.shape[axis]:
            raise ValueError(f"axis {axis} is empty: it has nothing beyond its edges by boundary={edge!r}")
        elif edge != "none" and edge not in _REPEATING:
            np.array(edge, node.dtype)
    return node
