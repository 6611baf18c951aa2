"""Writing blocks: the values of a box of the domain go to the write units of the target that it covers."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from lazyzarr.graph.sink import Sink

__all__ = ["UnitWriter"]

Array = np.ndarray[Any, Any]


class UnitWriter:
    """Writes to a sink, with buffers kept from unit to unit.

    Whole units are written as they are. A unit of which the box covers a part (the edges of a region) is
    read, changed and written back, under the array's lock where others can see the array.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._array = sink.handle.open()
        self._writer = self._array.writer()
        self._scratch = self._writer.new_scratch()
        self._buffer = np.empty(0, np.uint8)

    def buffer(self, shape: tuple[int, ...]) -> Array:
        """An array for a unit's values, valid until the next call."""
        nbytes = int(np.prod(shape, dtype=object)) * self._array.dtype.itemsize
        if self._buffer.nbytes < nbytes:
            self._buffer = np.empty(nbytes, np.uint8)
        return np.ndarray(shape, self._array.dtype, buffer=self._buffer.data if nbytes else np.empty(1, np.uint8).data)

    def write(self, low: tuple[int, ...], values: Array) -> None:
        """Writes the values of the box of the domain that begins at `low`."""
        sink = self._sink
        start = tuple(a + b for a, b in zip(sink.start, low, strict=True))
        spans = [
            list(_units_of(s, n, unit, extent))
            for s, n, unit, extent in zip(start, values.shape, sink.unit, sink.shape, strict=True)
        ]
        for parts in itertools.product(*spans):
            coords = tuple(part[0] for part in parts)
            here = values[(*(part[1] for part in parts), ...)]
            if all(part[3] for part in parts):
                with self._whole():
                    self._writer.write_unit(coords, here, self._scratch)
            else:
                with self._partial(), self._unit(coords):
                    self._writer.update_unit(coords, tuple(part[2] for part in parts), here, self._scratch)

    def _whole(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._sink.staged else self._array.lock.whole()

    def _partial(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._sink.staged else self._array.lock.partial()

    def _unit(self, coords: tuple[int, ...]) -> AbstractContextManager[Any]:
        return nullcontext() if self._sink.staged else self._array.lock.unit(coords)


def _units_of(start: int, count: int, unit: int, extent: int) -> list[tuple[int, slice, slice, bool]]:
    """For each unit that an interval meets: its index, the part of the interval, the part of the unit, all of it."""
    result = []
    for index in range(start // unit, -(-(start + count) // unit)):
        low, high = max(start, index * unit), min(start + count, (index + 1) * unit)
        whole = low == index * unit and high == min((index + 1) * unit, extent)
        result.append((index, slice(low - start, high - start), slice(low - index * unit, high - index * unit), whole))
    return result
