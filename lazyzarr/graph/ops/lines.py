"""Lines: functions of whole lines along an axis, whose blocks may be cut anywhere between two lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.format.codecs.steps import contiguous_parts
from lazyzarr.graph.node import Chunks, Node, make, pieces_of
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.places import by_ranks
from lazyzarr.graph.ops.views import Rechunk

__all__ = ["Lines", "by_line", "by_parts", "line_chunks"]

# Elements of lines that are handed to a function of NumPy at once, if one line is not longer: what it takes on its way
# is little then, and stays in a core's cache, where sorting lines that lie across memory takes a third less time.
PART = 65536
# What functions of ordered values take on their way: copies of their lines, masks for each element, which NumPy's
# medians with NaN make more of where lines are short, and copies of quantiles before they lie in order.
COPIES, MASK, SHORT_MASKS, RANKED_COPIES = 2, 2, 16, 6
SHORT = 600


class Lines(MapBlocks):
    """A function of chunks that hold whole lines; parameters as UserBlocks, the keyword `axis` says along which."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The name of NumPy's function."""
        words, function = dict(self.params[2]), self.params[0]
        while "function" in words:
            function, words = words["function"], words.get("words", {})
        return getattr(function, "__name__", "lines").strip("<>")

    @property
    def axis(self) -> int:
        """The axis along which each chunk of the input is whole."""
        return int(dict(self.params[2])["axis"])

    @property
    def in_order(self) -> bool:
        """Whether it is a matter of how the values of lines are ordered: then sorted runs of them do, too."""
        return self.ordering is not None or self.ranking is not None

    @property
    def ordering(self) -> tuple[bool, str | None] | None:
        """Where it sorts: whether it gives positions, and NumPy's word for how; None: it does something else."""
        words = dict(self.params[2])
        if self.params[0] is not by_parts or words["function"] not in (np.sort, np.argsort):
            return None
        return words["function"] is np.argsort, words["words"]["kind"]

    @property
    def ranking(self) -> tuple[Callable[..., Any], Any, str] | None:
        """Where it gives medians or quantiles: NumPy's function, the quantiles, and the method that places them."""
        words = dict(self.params[2])
        if self.params[0] is not by_parts or words["function"] is not by_ranks:
            return None
        function, asked = words["words"]["function"], words["words"]["words"]
        return function, asked.get("q"), asked.get("method", "linear")

    @property
    def working_bytes(self) -> int:
        """Bytes that the function takes for some lines of a block."""
        source, axis = self.inputs[0], self.axis
        lines = math.prod(max(sizes, default=0) for i, sizes in enumerate(source.chunks) if i != axis)
        given, made = source.shape[axis], self.shape[axis]
        at_once = min(lines, _lines_at_once(given, made))
        line = (COPIES * source.dtype.itemsize + (MASK if given > SHORT else SHORT_MASKS)) * given
        copies = RANKED_COPIES if made != given or given <= SHORT else 1 + (at_once < lines)
        return at_once * (line + copies * self.dtype.itemsize * made)

    def recut(self, sizes: Sequence[int]) -> Lines:
        """The same values in other blocks, given their lengths along the other axes."""
        source, axis = self.inputs[0], self.axis
        grid = list(line_chunks(source, axis, sizes))
        base = source.inputs[0] if isinstance(source, Rechunk) else source
        inner = base if base.chunks == tuple(grid) else make(Rechunk, (base,), (tuple(grid),), source.origin)
        grid[axis] = self.chunks[axis]
        return make(Lines, (inner,), (*self.params[:4], tuple(grid), self.params[5]), self.origin)


def by_line(
    function: Callable[..., Any], node: Node, length: int, dtype: np.dtype[Any], words: dict[str, Any]
) -> Node:
    """A function of whole lines along the axis that `words` name, which makes them so long.

    The node's chunks hold whole lines.
    """
    axis = words["axis"]
    grid = (*node.chunks[:axis], (length,), *node.chunks[axis + 1 :])
    return make(Lines, (node,), (function, (0,), tuple(words.items()), dtype, grid, ()))


def by_parts(
    block: Any, function: Callable[..., Any], words: dict[str, Any], axis: int, length: int
) -> np.ndarray[Any, Any]:
    """What a function of NumPy's gives for lines along their last axis, made of some lines of a block at a time.

    It makes lines of a length.
    """
    lines = np.moveaxis(block, axis, -1)
    *others, given = lines.shape
    at_once = _lines_at_once(given, length)
    if math.prod(others) <= at_once:
        return np.moveaxis(function(np.ascontiguousarray(lines), **words), -1, axis)
    parts = contiguous_parts(tuple(others), at_once)
    first = next(parts)
    values = function(np.ascontiguousarray(lines[first]), **words)
    found = np.empty((*block.shape[:axis], length, *block.shape[axis + 1 :]), values.dtype)
    ordered = np.moveaxis(found, axis, -1)
    ordered[first] = values
    for part in parts:
        ordered[part] = function(np.ascontiguousarray(lines[part]), **words)
    return found


def _lines_at_once(given: int, made: int) -> int:
    """How many lines of a length are handed to a function at once, which makes them so long."""
    return max(1, PART // max(given, made, 1))


def line_chunks(node: Node, axis: int, sizes: Sequence[int]) -> Chunks:
    """Chunks of whole lines, of these lengths along the other axes; those that a node has are kept where they fit."""
    return tuple(
        own if i != axis and max(own, default=1) == size else pieces_of(n, n if i == axis else size)
        for i, (own, size, n) in enumerate(zip(node.chunks, sizes, node.shape, strict=True))
    )
