"""Computed blocks: nodes whose values come block by block, each made from boxes of the inputs.

They are read like sources: a block is made when a tile first needs it, and kept like a decoded chunk.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Chunks, Node
from lazyzarr.graph.region import Region

__all__ = ["Box", "Computed", "Get", "Intervals", "Session", "cuts_of", "within"]

Array = np.ndarray[Any, Any]
Box = tuple[tuple[int, ...], tuple[int, ...]]
"""Where a part of an array begins, and its extents."""
Get = Callable[[int, Box], Array]
"""The values of a box of an input, given by its position; valid until the next box of that input is asked for."""
Session = Callable[[tuple[int, ...], Get], Array]
"""Gives the values of the block at coordinates, as `compute`."""
Intervals = tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]
"""Starts and stops along an axis."""


class Computed(Node):
    """A node that makes its values by whole blocks: its chunks."""

    __slots__ = ()

    @property
    def is_leaf(self) -> bool:
        """Always: values come by whole blocks."""
        return True

    def pull(self, region: Region) -> Sequence[Region | None]:
        """Never asked: blocks say themselves what they need."""
        raise NotImplementedError

    def passes(self, i: int) -> float:
        """How often, on the average, each box of an input is asked for until all blocks are made."""
        return 1.0

    def uses(self, i: int) -> float:
        """Of the boxes of an input, the part that any block asks for."""
        return 1.0

    @property
    def working_bytes(self) -> int:
        """Bytes that making a block takes, beside the block and the boxes that it asks for."""
        return 0

    @property
    def reads_itself(self) -> bool:
        """Whether it takes what it needs of a stored input itself: no chunk of that is decoded or kept for it."""
        return False

    @property
    def in_step(self) -> bool:
        """Whether along each axis a block asks for the interval of its own number, or for the only one."""
        return False

    @abstractmethod
    def intervals(self) -> list[tuple[Intervals, ...]]:
        """For each input, along each axis of it: the intervals in one of which each box lies that a block asks for."""

    @abstractmethod
    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The values of the block at these coordinates, in memory of their own."""

    def session(self) -> Session:
        """What makes blocks one after the other, and may remember what they have in common."""
        return self.compute

    def box(self, coords: tuple[int, ...]) -> Box:
        """Where the block at these coordinates lies."""
        cuts = [cuts_of(sizes) for sizes in self.chunks]
        starts = tuple(int(axis[i]) for axis, i in zip(cuts, coords, strict=True))
        return starts, tuple(sizes[i] for sizes, i in zip(self.chunks, coords, strict=True))


# The boundaries of chunks are asked for once a block.
_cuts: dict[tuple[int, ...], np.ndarray[Any, np.dtype[np.int64]]] = {}
_MOST_CUTS = 256


def cuts_of(sizes: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The boundaries of chunks of these sizes.

    >>> cuts_of((2, 3)).tolist()
    [0, 2, 5]
    """
    found = _cuts.get(sizes)
    if found is None:
        if len(_cuts) >= _MOST_CUTS:
            _cuts.clear()
        found = _cuts[sizes] = np.array(list(itertools.accumulate(sizes, initial=0)), np.int64)
        found.flags.writeable = False
    return found


def within(chunks: Chunks) -> tuple[Intervals, ...]:
    """The intervals of boxes that lie in one chunk each."""
    return tuple((cuts[:-1], cuts[1:]) for cuts in map(cuts_of, chunks))
