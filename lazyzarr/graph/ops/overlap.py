"""map_overlap: a user's function that sees each chunk with the elements around it, and gives the chunk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.blocks import interval
from lazyzarr.graph.ops.computed import Box, Computed, Get, Intervals, cuts_of
from lazyzarr.graph.ops.joining import PadMode, pad
from lazyzarr.graph.ops.lending import Loan, answer, copied_bytes
from lazyzarr.graph.ops.user import note_user_error, promised, step_into, user_call
from lazyzarr.graph.ops.views import rechunk

__all__ = ["Boundary", "MapOverlap", "map_overlap"]

Array = np.ndarray[Any, Any]
Boundary = Literal["none", "reflect", "nearest", "periodic"] | int | float | complex
"""What lies beyond the array's edges; a number: that value."""

_PADDING: dict[object, PadMode] = {"reflect": "symmetric", "nearest": "edge", "periodic": "wrap"}


class MapOverlap(Computed):
    """A function of chunks and what is around them; parameters: function, keywords, dtype, chunks, depth
    before and after along each axis, padded (whether the inputs are longer there, by so much)."""

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
    def in_step(self) -> bool:
        """Always."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for its chunk and `depth` more at each side."""
        *_, depth, padded = self.params
        found = []
        for sizes, (less, more), longer in zip(self.chunks, depth, padded, strict=True):
            cuts = cuts_of(sizes)
            both = less + more
            lows, highs = (cuts[:-1], cuts[1:] + both) if longer else (cuts[:-1] - less, cuts[1:] + more)
            most = int(cuts[-1]) + both * longer
            found.append((np.maximum(lows, 0), np.minimum(highs, most)))
        return [tuple(found)] * len(self.inputs)

    @property
    def working_bytes(self) -> int:
        """What the function gives for the chunk and what is around it, and what it is lent as copies."""
        boxes = self.intervals()
        elements = math.prod(int((stops - starts).max(initial=0)) for starts, stops in boxes[0])
        return elements * self.dtype.itemsize + copied_bytes(self.inputs, boxes)

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """What the function gives for the chunk and what is around it, without the latter."""
        box, inside = self._halo(coords)
        with Loan([get(i, box) for i in range(len(self.inputs))]) as lent:
            return self._values(lent, box[1], coords)[inside].copy()

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

    def _halo(self, coords: tuple[int, ...]) -> tuple[Box, tuple[slice, ...]]:
        """The box that a block asks for, and where in it the block lies."""
        *_, depth, padded = self.params
        starts, extents, inside = [], [], []
        own = zip(*self.box(coords), self.shape, depth, padded, strict=True)
        for start, extent, n, (less, more), longer in own:
            stop = start + extent
            low, high = (start, stop + less + more) if longer else (max(0, start - less), min(n, stop + more))
            first = less if longer else start - low
            starts.append(low)
            extents.append(high - low)
            inside.append(slice(first, first + extent))
        return (tuple(starts), tuple(extents)), tuple(inside)


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
    padded = tuple(any(pair) and edge != "none" for pair, edge in zip(depth, boundary, strict=True))
    sources = tuple(_padded(rechunk(node, chunks), depth, boundary) for node in nodes)
    return make(
        MapOverlap,
        sources,
        (function, tuple(keywords.items()), np.dtype(dtype), chunks, tuple(depth), padded),
    )


def _padded(node: Node, depth: Sequence[tuple[int, int]], boundary: Sequence[Boundary]) -> Node:
    """The array with what lies beyond its edges."""
    for axis, ((less, more), edge) in enumerate(zip(depth, boundary, strict=True)):
        if edge != "none":
            mode = _PADDING.get(edge, "constant")
            node = pad(node, axis, less, more, mode, (edge, edge))
    return node
