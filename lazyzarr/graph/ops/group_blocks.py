"""Reductions by group, one group after the other: a block of the result is made of the chunks of its group alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, finer, make
from lazyzarr.graph.ops.computed import Box, Computed, Get, Intervals, within
from lazyzarr.graph.ops.groups import GroupReduce
from lazyzarr.graph.ops.sources import ZarrSource

__all__ = ["GroupBlocks", "group_blocks"]

Array = np.ndarray[Any, Any]
# Bytes of what is reduced at once, where chunks are read by parts: beside it there is its state.
SLAB_BYTES = 4 * 1024 * 1024
# A result of fewer bytes is held as a whole, with its state.
LEAST_RESULT = 16_000_000


class GroupBlocks(Computed):
    """A reduction by group of an array whose chunks are of one index each along the axis; parameters: the kind of the
    reduction, the extents of what is reduced at once, and the reduction's parameters."""

    __slots__ = ()

    @property
    def reduce(self) -> GroupReduce:
        """The reduction that it gives the values of."""
        kind, _, *params = self.params
        found: GroupReduce = make(kind, self.inputs, tuple(params))
        return found

    @property
    def slab(self) -> tuple[int, ...]:
        """The extents of what is reduced at once."""
        return self.params[1]  # type: ignore[no-any-return]

    @property
    def label(self) -> str:
        """What is done to each group."""
        return self.reduce.label

    def infer(self) -> None:
        """As the reduction, in blocks of one group."""
        reduce = self.reduce
        (axis,) = reduce.axes
        self.shape, self.dtype, self.dims = reduce.shape, reduce.dtype, reduce.dims
        self.chunks = (*reduce.chunks[:axis], (1,) * reduce.width, *reduce.chunks[axis + 1 :])

    @property
    def working_bytes(self) -> int:
        """Of what is reduced at once, the state and what folding it makes."""
        reduce = self.reduce
        wide = sum(dtype.itemsize for dtype in reduce.state_dtypes())
        elements = math.prod(self.slab)
        return elements * 2 * wide + reduce.folding_bytes(elements)

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for the elements of its group, index by index, and slab by slab."""
        return [within(finer(self.inputs[0].chunks, self.slab))]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The reduction of the group's elements at each place."""
        reduce = self.reduce
        (axis,) = reduce.axes
        starts, extents = self.box(coords)
        out = np.empty(extents, self.dtype)
        members = np.flatnonzero(reduce.labels == coords[axis]).tolist()
        for (low, lengths), where in _slabs(starts, extents, self.slab):
            state = reduce.start(lengths)
            for i in members:
                values = get(0, ((*low[:axis], i, *low[axis + 1 :]), lengths))
                reduce.take(state, values, axis)
            out[where] = reduce.finish(state, len(members))
        return out


def _slab(source: Node) -> tuple[int, ...]:
    """The extents of what is reduced at once: some of the parts in which large chunks are read, else a chunk."""
    chunk = tuple(max(sizes, default=1) for sizes in source.chunks)
    if not isinstance(source, ZarrSource) or source.array.parts_reader() is source.array.reader():
        return chunk
    part = source.array.parts_reader().grid.chunk_shape
    together = max(1, SLAB_BYTES // (math.prod(part) * source.dtype.itemsize))
    return tuple(min(n, m * together) if m < n else n for n, m in zip(chunk, part, strict=True))


def _slabs(
    starts: tuple[int, ...], extents: tuple[int, ...], slab: tuple[int, ...]
) -> Iterator[tuple[Box, tuple[slice, ...]]]:
    """The slabs of a block, and where in the block each lies."""
    for at in itertools.product(*(range(0, n, m) for n, m in zip(extents, slab, strict=True))):
        lengths = tuple(min(m, n - i) for i, n, m in zip(at, extents, slab, strict=True))
        low = tuple(start + i for start, i in zip(starts, at, strict=True))
        yield (low, lengths), tuple(slice(i, i + n) for i, n in zip(at, lengths, strict=True))


def group_blocks(reduce: GroupReduce) -> GroupBlocks | None:
    """The reduction group by group, where that decodes no chunk twice and the result is large; else None."""
    (axis,) = reduce.axes
    if reduce.nbytes < LEAST_RESULT or set(reduce.operand.chunks[axis]) != {1}:
        return None
    return make(GroupBlocks, (reduce.operand,), (type(reduce), _slab(reduce.operand), *reduce.params))
