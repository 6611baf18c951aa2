"""Sinks: what is to be written where; a description, and no I/O."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np

from lazyzarr.format.array import ArrayHandle
from lazyzarr.graph.layout import Cuts

__all__ = ["Sink"]


@dataclass(frozen=True)
class Sink:
    """A stored array, or a region of one, that takes a node's values."""

    handle: ArrayHandle
    """The array that is written: the staged one where it is new."""
    url: str
    """Where it will be found."""
    shape: tuple[int, ...]
    """The target's shape."""
    unit: tuple[int, ...]
    """The write unit: a shard where there are shards, else a chunk."""
    itemsize: int
    start: tuple[int, ...]
    """Where in the target the domain's origin lies."""
    staged: bool
    """Whether nobody else can see the target yet, so that no lock is needed."""

    def cuts(self, domain: tuple[int, ...]) -> tuple[Cuts, ...]:
        """The boundaries of write units, as cuts of the domain."""
        result = []
        for start, unit, n in zip(self.start, self.unit, domain, strict=True):
            inside = np.arange((start // unit + 1) * unit - start, n, unit, dtype=np.int64)
            result.append(np.concatenate([[0], inside, [n]]) if n else np.array([0, 0]))
        return tuple(result)

    def box(self, coords: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where in the target a unit begins, and its extents, clipped at the target's edge."""
        start = tuple(map(operator.mul, coords, self.unit))
        return start, tuple(map(min, self.unit, map(operator.sub, self.shape, start)))
