"""Sinks: what is to be written where; a description, and no I/O."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lazyzarr.format.array import Array, ArrayHandle
from lazyzarr.format.array_codecs import writing_nbytes
from lazyzarr.format.chunk_grids import AxisEdges, grid_of
from lazyzarr.format.grid import Axis, EvenAxis
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
    edges: tuple[AxisEdges, ...] | None = None
    """Along each axis the length of all units, or of each, where they differ; `unit` is the longest then."""

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """How each axis of the target is cut into units."""
        return grid_of(self.shape, self.edges or self.unit).axes

    @cached_property
    def _array(self) -> Array:
        return self.handle.open()  # held, so that who writes does not open it again

    @property
    def sharded(self) -> bool:
        """Whether the write unit is a shard."""
        return self._array.metadata.shards is not None

    @cached_property
    def pads(self) -> bool:
        """Whether units that the array's edge cuts are put together as whole ones, and so are not copied to be."""
        plain = not self.sharded and not self._array.dtype.hasobject
        aligned = self.edges is None and not any(map(operator.mod, self.start, self.unit))
        return aligned and plain and self._has_edge

    @property
    def _has_edge(self) -> bool:
        """Whether nobody else adds elements beyond the edge meanwhile."""
        return self.staged or not self._array.store.compares

    def writing_bytes(self, largest: int, domain: tuple[int, ...]) -> int:
        """Bytes that writing units of so many elements takes at most: their values, and copies of them, as they are
        staged, encoded, changed."""
        ends = tuple(map(operator.add, self.start, domain))
        whole = self.edges is None and not any(map(operator.mod, (*self.start, *ends), 2 * self.unit))
        store = self._array.store
        changed = not (whole or self.staged or (self._has_edge and self._all_of_units(ends)))
        single = self.pads and largest <= math.prod(self.unit)
        elements = math.prod(self.unit) if single else largest
        copies = writing_nbytes(
            self._array.metadata,
            self.unit,
            whole=whole or (single and not changed),
            changed=changed,
            streams=not (store.in_flight or store.gathers),
            gathers=store.gathers,
        )
        return elements * self.itemsize + copies

    def _all_of_units(self, ends: tuple[int, ...]) -> bool:
        """Whether of each unit as much is written as lies within the array."""
        return self.edges is None and all(
            start % unit == 0 and (end % unit == 0 or end == n)
            for start, end, unit, n in zip(self.start, ends, self.unit, self.shape, strict=True)
        )

    def cuts(self, domain: tuple[int, ...]) -> tuple[Cuts, ...]:
        """The boundaries of write units, as cuts of the domain."""
        result = []
        for start, unit, n, axis in zip(self.start, self.unit, domain, self.axes, strict=True):
            inside = (
                np.arange((start // unit + 1) * unit - start, n, unit, dtype=np.int64)
                if isinstance(axis, EvenAxis)
                else axis.starts(np.arange(axis.find(start) + 1, axis.find(start + max(n, 1) - 1) + 1))
                - start
            )
            result.append(np.concatenate([[0], inside, [n]]) if n else np.array([0, 0]))
        return tuple(result)

    def box(self, coords: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where in the target a unit begins, and its extents, clipped at the target's edge."""
        start = tuple(axis.start(i) for axis, i in zip(self.axes, coords, strict=True))
        return start, tuple(axis.length(i) for axis, i in zip(self.axes, coords, strict=True))
