"""Reshapes: the same elements in C order under another shape."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, within

__all__ = ["Reshape", "reshape"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Group(NamedTuple):
    """Axes of the input and of the output that hold the same elements in the same order."""

    own: range
    new: range

    @property
    def same(self) -> bool:
        """Whether one axis stays as it is."""
        return len(self.own) == len(self.new) == 1


class Reshape(Computed):
    """Elements in C order under another shape; parameters: the chunks of the output.

    Along each group of axes a block is a stretch of neighbouring elements.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "reshape"

    def infer(self) -> None:
        """The names of axes that stay."""
        (self.chunks,) = self.params
        source = self.inputs[0]
        self.shape, self.dtype = tuple(map(sum, self.chunks)), source.dtype
        names: list[str | None] = [None] * len(self.shape)
        for group in groups_of(source.shape, self.shape):
            if group.same:
                names[group.new[0]] = source.dims[group.own[0]]
        self.dims = tuple(names)

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Axes that stay are asked for by chunk, the others by as much as a block's elements may reach along them."""
        source = self.inputs[0]
        found = list(within(source.chunks))
        for group in groups_of(source.shape, self.shape):
            if group.same:
                continue
            most = math.prod(max(self.chunks[axis], default=1) for axis in group.new)
            inner = 1
            for axis in reversed(group.own):
                n = source.shape[axis]
                reach = max(1, min(n, most // max(inner, 1) + 2))
                starts = np.arange(0, n, reach)
                # A box may begin anywhere: it lies in one of these.
                found[axis] = (starts, np.minimum(starts + 2 * reach, n))
                inner *= n
        return [tuple(found)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, put together from boxes of the input."""
        source = self.inputs[0]
        starts, extents = self.box(coords)
        groups = groups_of(source.shape, self.shape)
        runs = []
        for group in groups:
            inside = tuple(self.shape[axis] for axis in group.new)
            first = _flat(tuple(starts[axis] for axis in group.new), inside)
            count = math.prod(extents[axis] for axis in group.new)
            own = tuple(source.shape[axis] for axis in group.own)
            runs.append([(at - first, *box) for at, box in _boxes(first, first + count, own)])
        out = np.empty([math.prod(extents[axis] for axis in group.new) for group in groups], self.dtype)
        for parts in itertools.product(*runs):
            box = (
                tuple(itertools.chain(*(p[1] for p in parts))),
                tuple(itertools.chain(*(p[2] for p in parts))),
            )
            lengths = [math.prod(part[2]) for part in parts]
            place = tuple(slice(part[0], part[0] + n) for part, n in zip(parts, lengths, strict=True))
            out[place] = get(0, box).reshape(lengths)
        return out.reshape(extents)


def _flat(coords: Shape, shape: Shape) -> int:
    """The position in C order of coordinates in a shape."""
    at = 0
    for coordinate, n in zip(coords, shape, strict=True):
        at = at * n + coordinate
    return at


def _boxes(start: int, stop: int, shape: Shape) -> Iterator[tuple[int, tuple[Shape, Shape]]]:
    """The boxes of a shape, in order, that hold the elements from start to stop in C order, each with its start.

    >>> list(_boxes(1, 6, (2, 4)))
    [(1, ((0, 1), (1, 3))), (4, ((1, 0), (1, 2)))]
    """
    while start < stop:
        size, axis = 1, len(shape)
        # The largest run of whole trailing axes that begins here and does not go too far.
        while axis and start % (size * shape[axis - 1]) == 0 and start + size * shape[axis - 1] <= stop:
            axis -= 1
            size *= shape[axis]
        coords = np.unravel_index(start, shape) if shape else ()
        lows = [int(coordinate) for coordinate in coords]
        counts = [1] * axis + list(shape[axis:])
        if axis:
            counts[axis - 1] = min(shape[axis - 1] - lows[axis - 1], (stop - start) // size)
        yield start, (tuple(lows), tuple(counts))
        start += math.prod(counts)


def groups_of(own: Shape, new: Shape) -> list[Group]:
    """The groups of axes that hold the same elements, as small as they can be.

    >>> [(list(a), list(b)) for a, b in groups_of((2, 6, 5), (2, 2, 3, 5))]
    [([0], [0]), ([1], [1, 2]), ([2], [3])]
    """
    if 0 in own or not own or not new:
        return [Group(range(len(own)), range(len(new)))]
    groups = []
    i = j = 0
    while i < len(own) and j < len(new):
        a, b, left, right = i + 1, j + 1, own[i], new[j]
        while left != right:
            if left < right:
                left, a = left * own[a], a + 1
            else:
                right, b = right * new[b], b + 1
        groups.append(Group(range(i, a), range(j, b)))
        i, j = a, b
    # Axes of length 1 at the end belong to the last group.
    if i < len(own) or j < len(new):
        last = groups.pop()
        groups.append(Group(range(last.own.start, len(own)), range(last.new.start, len(new))))
    return groups


def reshape(node: Node, shape: Shape) -> Node:
    """The elements in C order under another shape of the same size.

    Raises ShapeMismatchError where the sizes differ.
    """
    if math.prod(shape) != math.prod(node.shape):
        raise ShapeMismatchError(f"an array of shape {node.shape} has no shape {shape}: the sizes differ")
    if shape == node.shape:
        return node
    return make(Reshape, (node,), (_chunks(node, shape),))


def _chunks(node: Node, shape: Shape) -> Chunks:
    """Blocks of about a chunk's size: along axes that stay the chunks, in the others neighbouring elements."""
    if 0 in shape:
        return tuple((n,) for n in shape)
    result: list[tuple[int, ...]] = [()] * len(shape)
    for group in groups_of(node.shape, shape):
        if group.same:
            result[group.new[0]] = node.chunks[group.own[0]]
            continue
        target = math.prod(max(node.chunks[axis], default=1) for axis in group.own)
        left = target
        for axis in reversed(group.new):
            n = shape[axis]
            length = max(min(n, left), 1)
            whole, rest = divmod(n, length)
            result[axis] = (length,) * whole + ((rest,) if rest else ())
            # Only where an axis is whole do its blocks and the next one's make one stretch.
            left = left // n if length == n else 1
    return tuple(result)
