"""Reads that need no plan: some elements of one stored array, handed on as they are.

Out of few chunks they take no longer than the plan for them would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.format.pieces import count_pieces
from lazyzarr.format.selection import Range
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.order import Output
from lazyzarr.graph.plan import BASE
from lazyzarr.graph.program import Program, compile_program, view_of
from lazyzarr.graph.region import Span
from lazyzarr.graph.schedule import Scheduler

__all__ = ["DirectRead", "direct_read"]

Array = np.ndarray[Any, Any]

# Of more than this a plan takes a part of the time that does not show, and bounds the memory better.
MOST_BYTES = 64_000_000


class DirectRead:
    """A program for all of its root's elements that loads once of a stored array, and makes but views of that."""

    def __init__(self, program: Program, source: ZarrSource) -> None:
        self._program, self._array = program, source.array
        (self._load,) = program.loads
        self._nbytes = math.prod(program.tile_shape) * source.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes in memory at most: all chunks decoded, what is loaded, and a copy of what it is looked at as."""
        reader = self._array.reader()
        ranges = [Range(span.start, span.step, span.count) for span in self._load.region]
        # What is broadcast is larger than what is loaded.
        return count_pieces(ranges, reader.grid) * reader.nbytes + self._load.nbytes + self._nbytes

    def values(self) -> Array:
        """The root's values, in memory of their own. Raises what reading a stored array raises."""
        loaded = np.empty(self._load.shape, self._array.dtype)
        self._array.get_basic_selection(tuple(map(_slice, self._load.region)), out=loaded)
        registers = {self._load.register: loaded}
        for step in self._program.steps:
            registers[step.register] = view_of(step)(registers[step.arguments[0]])
        found = registers[self._program.roots[0]]
        return found if found.flags.c_contiguous and found.flags.writeable else found.copy()


def direct_read(
    outputs: Sequence[Output], scheduler: Scheduler, memory: Callable[[], int]
) -> DirectRead | None:
    """How the outputs are read without a plan; None where they want one.

    They want one where anything is computed or written, where who runs it is not this process on all of its cores or
    wants to be told of tasks, and where there is work for several tasks, or for more memory than `memory` gives.
    """
    if len(outputs) != 1 or outputs[0].sink is not None or not scheduler.is_usual:
        return None
    root = outputs[0].node
    source = _looked_at(root)
    if source is None or 0 in root.shape:
        return None
    read = DirectRead(compile_program([root], root.shape), source)
    most = min(MOST_BYTES, memory() - BASE)
    return read if read.nbytes <= most else None


def _slice(span: Span) -> slice:
    """The elements of a span, as a slice of its axis."""
    beyond = span.last + (1 if span.step > 0 else -1)
    return slice(span.start, beyond if beyond >= 0 else None, span.step)


def _looked_at(node: Node) -> ZarrSource | None:
    """The stored array of which a node's values are elements as they stand there; None where they are others."""
    dtype = node.dtype
    while not isinstance(node, ZarrSource):
        if node.is_leaf or not node.is_view or len(node.inputs) != 1:
            return None
        (node,) = node.inputs
    return node if node.array.dtype == dtype else None
