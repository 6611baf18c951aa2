"""Scattering: an array with other values at points, each of which lies in one block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, Session, cuts_of, within
from lazyzarr.graph.ops.sources import Held

__all__ = ["Scatter", "scatter"]

Array = np.ndarray[Any, Any]


class Scatter(Computed):
    """The first input with values of the second at points along some axes; parameters: these axes, the points
    (held, one row an axis). The second has an axis of points, and then the first one's other axes."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "setitem"

    @property
    def _points(self) -> Array:
        return self.params[1].value  # type: ignore[no-any-return]

    def infer(self) -> None:
        """All is the first input's."""
        source = self.inputs[0]
        self.shape, self.chunks, self.dims, self.dtype = (
            source.shape,
            source.chunks,
            source.dims,
            source.dtype,
        )

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for its chunk, and for all points' values over the other axes of it."""
        axes, points = self.params[0], self._points
        own = within(self.chunks)
        rest = tuple(own[axis] for axis in range(self.ndim) if axis not in axes)
        return [own, ((np.array([0]), np.array([points.shape[1]])), *rest)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The chunk with the values of the points in it."""
        return self.session()(coords, get)

    def session(self) -> Session:
        """What makes blocks, and knows which points lie in which."""
        axes, points = self.params[0], self._points
        grid = tuple(len(self.chunks[axis]) for axis in axes)
        own = [
            np.searchsorted(cuts_of(self.chunks[a]), p, "right") - 1
            for a, p in zip(axes, points, strict=True)
        ]
        number = np.ravel_multi_index(own, grid)
        order = np.argsort(number, kind="stable")
        ends = np.searchsorted(number[order], np.arange(int(np.prod(grid)) + 1))

        def block(coords: tuple[int, ...], get: Get) -> Array:
            starts, extents = self.box(coords)
            out = get(0, (starts, extents)).copy()
            here = int(np.ravel_multi_index([coords[axis] for axis in axes], grid))
            inside = order[ends[here] : ends[here + 1]]
            if len(inside):
                rest = [axis for axis in range(self.ndim) if axis not in axes]
                box = (0, *(starts[a] for a in rest)), (points.shape[1], *(extents[a] for a in rest))
                front = np.moveaxis(out, axes, range(len(axes)))
                where = tuple(points[i, inside] - starts[axis] for i, axis in enumerate(axes))
                front[where] = get(1, box)[inside]
            return out

        return block


def scatter(node: Node, values: Node, axes: Sequence[int], points: Sequence[Array]) -> Node:
    """The node with values at points along axes (of one length, not negative, within): of one point the last."""
    return make(Scatter, (node, values), (tuple(axes), Held(np.array(points, np.int64))))
