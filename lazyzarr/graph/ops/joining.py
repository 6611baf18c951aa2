"""Joining: arrays one behind the other along an axis, and what follows from that: stack, pad, roll, tile.

A program reads of each array what a tile needs of it; only a tile across a seam is put together. Where that would
make too many programs, blocks are made instead.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.format.selection import parse_basic
from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, within
from lazyzarr.graph.ops.elementwise import astype
from lazyzarr.graph.ops.sources import memory
from lazyzarr.graph.ops.views import broadcast_to, index, rechunk
from lazyzarr.graph.region import Region, Span

__all__ = ["Concatenate", "PadMode", "Split", "along", "concatenate", "full", "pad", "part", "roll", "stack"]

Array = np.ndarray[Any, Any]
PadMode = Literal["constant", "edge", "wrap", "reflect", "symmetric", "empty"]


class Split(NamedTuple):
    """How the seams of a joined array cut a region that a tile asks for."""

    parts: list[Region | None]
    """What is asked of each input; None: nothing."""
    axis: int | None
    """The axis of the domain that the region moves along."""
    low: int
    """The first tile, by its place along that axis, for which the seams cut it like this."""
    high: int
    """The last one."""


class Concatenate(Computed):
    """Arrays of equal chunks one behind the other; parameters: the axis."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "concatenate"

    def infer(self) -> None:
        """The chunks of the inputs one behind the other; names that all agree on."""
        (axis,) = self.params
        first = self.inputs[0]
        along = tuple(size for node in self.inputs for size in node.chunks[axis] if size)
        self.chunks = (*first.chunks[:axis], along or (0,), *first.chunks[axis + 1 :])
        self.shape = tuple(map(sum, self.chunks))
        self.dtype = first.dtype
        names = [{node.dims[i] for node in self.inputs} - {None} for i in range(first.ndim)]
        self.dims = tuple(found.pop() if len(found) == 1 else None for found in names)

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block is one chunk of one input."""
        return [within(source.chunks) for source in self.inputs]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """A copy of the chunk."""
        (axis,) = self.params
        starts, extents = self.box(coords)
        seams = self.seams()
        which = bisect_right(seams, starts[axis]) - 1
        own = (*starts[:axis], starts[axis] - seams[which], *starts[axis + 1 :])
        return get(which, (own, extents)).copy()

    def seams(self) -> list[int]:
        """Where along the axis each input begins, and where the last one ends."""
        (axis,) = self.params
        return list(itertools.accumulate((node.shape[axis] for node in self.inputs), initial=0))

    def pull(self, region: Region) -> list[Region | None]:
        """What tiles anywhere in the domain need of each input: the region, within the input's ends."""
        (axis,) = self.params
        seams = self.seams()
        return [
            _at(region, axis, _within(region[axis], low, high)) for low, high in itertools.pairwise(seams)
        ]

    def split(self, region: Region, origin: tuple[int, ...]) -> Split:
        """What a tile at an origin needs of each input: each element of the region from one of them."""
        (axis,) = self.params
        span, seams = region[axis], self.seams()
        moved = 0 if span.axis is None else span.rate * origin[span.axis]
        parts: list[Region | None] = [None] * len(self.inputs)
        done, which = 0, 0
        while done < span.count:
            start = span.start + span.step * done
            which = bisect_right(seams, start + moved) - 1
            count = min(span.count - done, -((start + moved - seams[which + 1]) // span.step))
            own = span._replace(start=start - seams[which], count=count)
            parts[which] = _at(region, axis, own)
            done += count
        if not span.count:
            parts[0] = region
        if span.axis is None or not span.rate:
            return Split(parts, None, 0, 0)
        if sum(part is not None for part in parts) > 1:
            return Split(parts, span.axis, origin[span.axis], origin[span.axis])
        return Split(parts, span.axis, *_origins(span, seams[which], seams[which + 1]))

    def put(self, pieces: Sequence[Array], out: Array) -> None:
        """Puts what was asked of the inputs one behind the other."""
        (axis,) = self.params
        done = 0
        for piece in pieces:
            stop = done + piece.shape[axis]
            np.copyto(out[(*(slice(None),) * axis, slice(done, stop))], piece)
            done = stop


def _at(region: Region, axis: int, span: Span | None) -> Region | None:
    """The region with another span along an axis, None without one."""
    return None if span is None else (*region[:axis], span, *region[axis + 1 :])


def _within(span: Span, low: int, high: int) -> Span | None:
    """What a span asks for between two positions, counted from the first; None: nothing."""
    if span.axis is None or not span.rate:
        first = max(-((span.start - low) // span.step), 0)
        count = min(-((span.start - high) // span.step), span.count) - first
        start = span.start + span.step * first - low
        return span._replace(start=start, count=count) if count > 0 else None
    first, last = span.within or (low, high - 1)
    own = max(first, low) - low, min(last, high - 1) - low
    return span._replace(start=span.start - low, within=own) if own[0] <= own[1] else None


def _origins(span: Span, low: int, high: int) -> tuple[int, int]:
    """The first and last place of a tile, along its axis, at which a span lies between two positions."""
    first, last = low - span.start, high - 1 - span.last
    if span.rate < 0:
        first, last = last, first
    return -(-first // span.rate), last // span.rate


def concatenate(nodes: Sequence[Node], axis: int) -> Node:
    """The arrays one behind the other along an axis, in NumPy's common dtype.

    Raises ValueError for none, ShapeMismatchError where another axis differs.
    """
    if not nodes:
        raise ValueError("need at least one array to concatenate")
    for node in nodes[1:]:
        rest = [[n for i, n in enumerate(each.shape) if i != axis] for each in (nodes[0], node)]
        if node.ndim != nodes[0].ndim or rest[0] != rest[1]:
            raise ShapeMismatchError(
                f"concatenate along axis {axis}: shapes {nodes[0].shape} and {node.shape} differ elsewhere"
            )
    dtype = np.concatenate([np.empty(0, node.dtype) for node in nodes]).dtype
    long = [astype(node, dtype) for node in nodes if node.shape[axis]] or [astype(nodes[0], dtype)]
    if len(long) == 1:
        return long[0]
    # Blocks go through all inputs: where chunks differ across the axis, the largest input has its way.
    largest = max(long, key=lambda node: node.nbytes).chunks
    chunks = [(*largest[:axis], node.chunks[axis], *largest[axis + 1 :]) for node in long]
    return make(
        Concatenate, tuple(rechunk(node, grid) for node, grid in zip(long, chunks, strict=True)), (axis,)
    )


def stack(nodes: Sequence[Node], axis: int) -> Node:
    """The arrays one behind the other along a new axis. Raises ValueError, ShapeMismatchError."""
    for node in nodes:
        if node.shape != nodes[0].shape:
            raise ShapeMismatchError(f"stack: shapes {nodes[0].shape} and {node.shape} are to be equal")
    where = (*(slice(None),) * axis, None)
    return concatenate([part(node, where) for node in nodes], axis)


def part(node: Node, selection: Any) -> Node:
    """A basic selection of a node."""
    return index(node, parse_basic(selection, node.shape))


def along(node: Node, axis: int, start: int | None, stop: int | None, step: int = 1) -> Node:
    """A slice along one axis."""
    return part(node, (*(slice(None),) * axis, slice(start, stop, step)))


def roll(node: Node, shift: int, axis: int) -> Node:
    """The elements moved along an axis; those that leave it come in at the other end."""
    n = node.shape[axis]
    shift = shift % n if n else 0
    if not shift:
        return node
    turned = concatenate([along(node, axis, n - shift, None), along(node, axis, None, n - shift)], axis)
    return astype(turned, node.dtype)  # what is joined has the machine's byte order


def full(shape: tuple[int, ...], value: Any, dtype: np.dtype[Any]) -> Node:
    """A constant array, of which one element is held."""
    return broadcast_to(memory(np.array(value, dtype), (), ()), shape)


def pad(node: Node, axis: int, before: int, after: int, mode: PadMode, values: tuple[Any, Any]) -> Node:
    """More elements before and after an axis, as np.pad makes them.

    Raises ValueError where there is nothing to repeat.
    """
    n = node.shape[axis]
    if not before and not after:
        return node
    if mode in ("constant", "empty"):
        filled = values if mode == "constant" else (0, 0)
        shapes = [(*node.shape[:axis], count, *node.shape[axis + 1 :]) for count in (before, after)]
        ends = [full(shape, value, node.dtype) for shape, value in zip(shapes, filled, strict=True)]
        return concatenate([ends[0], node, ends[1]], axis)
    if not n:
        raise ValueError(f"axis {axis} is empty: it has nothing to pad with in the mode {mode!r}")
    parts = [node]
    if mode == "edge":
        shapes = [(*node.shape[:axis], count, *node.shape[axis + 1 :]) for count in (before, after)]
        parts.insert(0, broadcast_to(along(node, axis, 0, 1), shapes[0]))
        parts.append(broadcast_to(along(node, axis, n - 1, None), shapes[1]))
        return concatenate(parts, axis)
    position, left = 1, before
    while left > 0:  # outwards from the array, one period after the other
        length = min(left, _period(n, mode))
        parts.insert(0, _before(node, axis, length, mode, position))
        position, left = position + 1, left - length
    position, left = 1, after
    while left > 0:
        length = min(left, _period(n, mode))
        parts.append(_after(node, axis, length, mode, position))
        position, left = position + 1, left - length
    return concatenate(parts, axis)


def _period(n: int, mode: str) -> int:
    return max(n - 1, 1) if mode == "reflect" else n


def _before(node: Node, axis: int, length: int, mode: str, position: int) -> Node:
    """The `position`-th period before an axis, its last `length` elements."""
    n = node.shape[axis]
    if mode == "wrap":
        return along(node, axis, n - length, None)
    mirrored = position % 2 == 1
    if mode == "symmetric":
        return _reversed(node, axis, 0, length) if mirrored else along(node, axis, n - length, None)
    if n == 1:
        return along(node, axis, 0, 1)
    return _reversed(node, axis, 1, length) if mirrored else along(node, axis, n - 1 - length, n - 1)


def _after(node: Node, axis: int, length: int, mode: str, position: int) -> Node:
    """The `position`-th period after an axis, its first `length` elements."""
    n = node.shape[axis]
    if mode == "wrap":
        return along(node, axis, 0, length)
    mirrored = position % 2 == 1
    if mode == "symmetric":
        return _reversed(node, axis, n - length, length) if mirrored else along(node, axis, 0, length)
    if n == 1:
        return along(node, axis, 0, 1)
    return _reversed(node, axis, n - 1 - length, length) if mirrored else along(node, axis, 1, 1 + length)


def _reversed(node: Node, axis: int, start: int, length: int) -> Node:
    """`length` elements from `start` on, the last first."""
    return along(along(node, axis, start, start + length), axis, None, None, -1)
