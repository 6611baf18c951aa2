"""Lines: functions of whole lines along an axis, whose blocks may be cut anywhere between two lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.views import Rechunk

__all__ = ["Lines", "by_line", "line_chunks"]

# What sorting and partitioning functions of NumPy take for a block, beside the block and their result: a copy,
# where they look for NaN, and the nan-forms an array of positions.
COPIES = 3


class Lines(MapBlocks):
    """A function of chunks that hold whole lines; parameters as UserBlocks, the keyword `axis` says along which."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The name of NumPy's function."""
        words = dict(self.params[2])
        return getattr(words.get("function", self.params[0]), "__name__", "lines").strip("<>")

    @property
    def axis(self) -> int:
        """The axis along which each chunk of the input is whole."""
        return int(dict(self.params[2])["axis"])

    @property
    def working_bytes(self) -> int:
        """Bytes that the function takes for a block."""
        source = self.inputs[0]
        return COPIES * math.prod(max(sizes, default=0) for sizes in source.chunks) * source.dtype.itemsize

    def recut(self, sizes: Sequence[int]) -> Lines:
        """The same values in other blocks, given their lengths along the other axes."""
        source, axis = self.inputs[0], self.axis
        grid = list(line_chunks(source, axis, sizes))
        base = source.inputs[0] if isinstance(source, Rechunk) else source
        inner = base if base.chunks == tuple(grid) else make(Rechunk, (base,), (tuple(grid),), source.origin)
        grid[axis] = self.chunks[axis]
        return make(Lines, (inner,), (*self.params[:4], tuple(grid), self.params[5]), self.origin)


def by_line(
    function: Callable[..., Any],
    node: Node,
    length: int | None,
    dtype: np.dtype[Any],
    words: dict[str, Any],
) -> Node:
    """A function of whole lines along the axis that `words` name, which makes them so long (None: as they were).

    The node's chunks hold whole lines.
    """
    axis = words["axis"]
    grid = node.chunks if length is None else (*node.chunks[:axis], (length,), *node.chunks[axis + 1 :])
    return make(Lines, (node,), (function, (0,), tuple(words.items()), dtype, grid, ()))


def line_chunks(node: Node, axis: int, sizes: Sequence[int]) -> Chunks:
    """Chunks of whole lines, of these lengths along the other axes; those that a node has are kept where they fit."""
    return tuple(
        own if i != axis and max(own, default=1) == size else _cut(n, n if i == axis else size)
        for i, (own, size, n) in enumerate(zip(node.chunks, sizes, node.shape, strict=True))
    )


def _cut(n: int, size: int) -> tuple[int, ...]:
    whole, rest = divmod(n, max(size, 1))
    return (size,) * whole + ((rest,) if rest or not n else ())
