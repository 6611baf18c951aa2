"""Products of matrices, by tiles: a block of the result is the sum over the boxes of both that it needs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of, within
from lazyzarr.graph.ops.views import broadcast_to, rechunk

__all__ = ["Matmul", "Tensordot", "matmul", "tensordot"]

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


class Product(Computed):
    """Blocks that are sums of products of two boxes, one after the other."""

    __slots__ = ()

    @property
    def working_bytes(self) -> int:
        """One product beside the sum of those before, and both boxes in the order and the dtype in which they are
        multiplied."""
        elements = [
            math.prod(max(sizes, default=0) for sizes in node.chunks) for node in (self, *self.inputs)
        ]
        return sum(elements) * self.dtype.itemsize


class Tensordot(Product):
    """Sums of products over axes of both; parameters: these axes of each, whose chunks are the same."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "tensordot"

    @property
    def _free(self) -> list[list[int]]:
        return [
            [axis for axis in range(node.ndim) if axis not in summed]
            for node, summed in zip(self.inputs, self.params, strict=True)
        ]

    def infer(self) -> None:
        """The axes of both that are not summed over."""
        pairs = list(zip(self.inputs, self._free, strict=True))
        self.chunks = tuple(node.chunks[axis] for node, free in pairs for axis in free)
        self.shape = tuple(map(sum, self.chunks))
        self.dims = tuple(node.dims[axis] for node, free in pairs for axis in free)
        one, other = (np.ones((1, 1), node.dtype) for node in self.inputs)
        self.dtype = np.tensordot(one, other, 1).dtype

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Boxes are chunks of both."""
        return [within(source.chunks) for source in self.inputs]

    def passes(self, i: int) -> float:
        """Each chunk is asked for with all chunks along the other's axes that are not summed over."""
        other = self.inputs[1 - i]
        return math.prod(len(other.chunks[axis]) for axis in self._free[1 - i])

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block: products of chunks, added up."""
        one, other = self.params
        free = self._free
        numbers = [list(coords[: len(free[0])]), list(coords[len(free[0]) :])]
        total: Array | None = None
        for summed in itertools.product(*(range(len(self.inputs[0].chunks[axis])) for axis in one)):
            pieces = []
            for i, axes in enumerate((one, other)):
                place = dict(zip(free[i], numbers[i], strict=True)) | dict(zip(axes, summed, strict=True))
                pieces.append(get(i, _chunk_box(self.inputs[i], [place[axis] for axis in range(len(place))])))
            part: Any = self._product(pieces[0], pieces[1])
            total = part if total is None else np.add(total, part, out=np.asarray(total))
        return np.asarray(total)

    def _product(self, one: Array, other: Array) -> Any:
        """The sums of products of two chunks."""
        if self.dtype.kind not in "fc" or 1 not in (one.size, other.size):
            return np.tensordot(one, other, axes=self.params)
        # np.dot has BLAS scale by what is one number, which makes 0 of all that is scaled by 0, NaN and infinities too.
        shape = [
            piece.shape[axis] for piece, free in zip((one, other), self._free, strict=True) for axis in free
        ]
        return np.matmul(one.reshape(-1, 1), other.reshape(1, -1)).reshape(shape)


class Matmul(Product):
    """Products of stacks of matrices; both have the same axes in front."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "matmul"

    def infer(self) -> None:
        """Rows of the first, columns of the second."""
        one, other = self.inputs
        self.chunks = (*one.chunks[:-1], other.chunks[-1])
        self.shape = tuple(map(sum, self.chunks))
        self.dims = (*one.dims[:-1], other.dims[-1])
        self.dtype = np.matmul(np.ones((1, 1), one.dtype), np.ones((1, 1), other.dtype)).dtype

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Boxes are chunks of both."""
        return [within(source.chunks) for source in self.inputs]

    def passes(self, i: int) -> float:
        """Each chunk is asked for with all chunks along the other's columns, or rows."""
        return len(self.chunks[-1 if i == 0 else -2])

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block: products of chunks, added up."""
        *front, row, column = coords
        total: Array | None = None
        for k in range(len(self.inputs[0].chunks[-1])):
            left = get(0, _chunk_box(self.inputs[0], [*front, row, k]))
            part = np.matmul(left, get(1, _chunk_box(self.inputs[1], [*front, k, column])))
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        return total


def _chunk_box(node: Node, numbers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The box of the chunk with these numbers."""
    starts = tuple(int(cuts_of(sizes)[i]) for sizes, i in zip(node.chunks, numbers, strict=True))
    return starts, tuple(sizes[i] for sizes, i in zip(node.chunks, numbers, strict=True))


def tensordot(one: Node, other: Node, axes: tuple[Axes, Axes]) -> Node:
    """Sums of products over the given axes of each (not negative). Raises ShapeMismatchError, ValueError."""
    if any(len(set(own)) != len(own) for own in axes):
        raise ValueError("duplicate axes are not allowed in tensordot")
    for own, theirs in zip(*axes, strict=True):
        if one.shape[own] != other.shape[theirs]:
            raise ShapeMismatchError(
                f"tensordot: axis {own} of {one.shape} and axis {theirs} of {other.shape} differ in length"
            )
    grid = list(other.chunks)
    for own, theirs in zip(*axes, strict=True):
        grid[theirs] = one.chunks[own]
    product = make(Tensordot, (one, rechunk(other, tuple(grid))), axes)
    if [len(own) + 1 for own in axes] != [one.ndim, other.ndim]:
        return product
    # Of one matrix and another; which way round they lie makes no difference.
    beside = math.prod(max(one.chunks[axis], default=1) for axis in axes[0])
    larger = [
        rechunk(
            node,
            tuple(
                chunks if axis in own else _joined(chunks, beside, 1, node.dtype.itemsize)
                for axis, chunks in enumerate(node.chunks)
            ),
        )
        for node, own in zip(product.inputs, axes, strict=True)
    ]
    return rechunk(make(Tensordot, tuple(larger), axes), product.chunks)


def matmul(one: Node, other: Node) -> Node:
    """The products of matrices, of two axes at least, whose front axes broadcast. Raises ShapeMismatchError."""
    if one.shape[-1] != other.shape[-2]:
        raise ShapeMismatchError(
            f"matmul: {one.shape} has rows of {one.shape[-1]}, {other.shape} columns of {other.shape[-2]}"
        )
    front = np.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    one = broadcast_to(one, (*front, *one.shape[-2:]))
    other = broadcast_to(other, (*front, *other.shape[-2:]))
    # Broadcast axes are one chunk: the other's cuts are as good.
    shared = tuple(max(pair, key=len) for pair in zip(one.chunks[:-2], other.chunks[:-2], strict=True))
    inside = one.chunks[-1]
    natural = (*shared, one.chunks[-2], other.chunks[-1])
    front_box = math.prod(max(sizes, default=1) for sizes in shared)
    rows, columns = (
        _joined(sizes, max(inside, default=1), front_box, one.dtype.itemsize) for sizes in natural[-2:]
    )
    pair = rechunk(one, (*shared, rows, inside)), rechunk(other, (*shared, inside, columns))
    return rechunk(make(Matmul, pair, ()), natural)


# Blocks of a product are about so long along both axes: their arithmetic takes longer then than to decode what they
# are made of. They take this much, at most, and so does each of the two boxes that are multiplied.
LONG, BOX_BYTES = 1024, 8_000_000


def _joined(sizes: tuple[int, ...], beside: int, front: int, itemsize: int) -> tuple[int, ...]:
    """The chunks along an axis, small ones together: no fewer than two, for there are several workers.

    So many elements lie `beside` each in a box, so many matrices in `front`.

    >>> _joined((250,) * 8, 500, 1, 8), _joined((250,) * 3, 500, 1, 8)
    ((1000, 1000), (500, 250))
    """
    half = -(-sum(sizes) // 2) + max(sizes, default=1) - 1
    square = math.isqrt(BOX_BYTES // max(front * itemsize, 1))
    most = min(LONG, half, square, BOX_BYTES // max(front * beside * itemsize, 1))
    found: list[int] = []
    for size in sizes:
        if found and found[-1] + size <= most:
            found[-1] += size
        else:
            found.append(size)
    return tuple(found)
