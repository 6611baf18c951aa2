"""Writing blocks: the values of a box of the domain go to the write units of the target that it covers."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from lazyzarr.format.chunk_update import clear_beyond
from lazyzarr.format.grid import Axis
from lazyzarr.graph.region import place
from lazyzarr.graph.sink import Sink

__all__ = ["UnitWriter"]

Array = np.ndarray[Any, Any]


class UnitWriter:
    """Writes to a sink, with buffers kept from unit to unit.

    Whole units are written as they are. A unit of which the box covers a part (the edges of a region) is
    read, changed and written back, under the array's lock where others can see the array.
    """

    def __init__(self, sink: Sink, behind: int = 0) -> None:
        self._sink = sink
        self._array = sink.handle.open()
        self._writer, self._behind = self._array.writer().writing_behind(behind)
        self._scratch = self._writer.new_scratch()
        self._buffer = np.empty(1, np.uint8)
        self._views: dict[tuple[int, ...], Array] = {}
        self._cuts = [_Cuts(axis, start) for axis, start in zip(sink.axes, sink.start, strict=True)]

    def flush(self) -> None:
        """Waits until all is stored that was written; raises what failed."""
        if self._behind is not None:
            self._behind.flush()

    def settle(self) -> None:
        """Waits until nothing is written any more, after a failure."""
        if self._behind is not None:
            self._behind.settle()

    def buffer(self, shape: tuple[int, ...]) -> Array:
        """An array for a unit's values, valid until the next call."""
        view = self._views.get(shape)
        if view is None and self._array.dtype.hasobject:  # of strings memory holds addresses
            view = self._views[shape] = np.empty(shape, self._array.dtype)
        if view is None:
            single = self._sink.pads and all(map(operator.le, shape, self._sink.unit))
            whole = self._sink.unit if single else shape
            nbytes = math.prod(whole) * self._array.dtype.itemsize
            if self._buffer.nbytes < nbytes:
                self._views.clear()  # they lie in the smaller one, which goes first
                self._buffer = np.empty(0, np.uint8)
                self._buffer = np.empty(nbytes, np.uint8)
            view = self._views[shape] = self._in_buffer(whole)[place(map(slice, shape))]
        return view

    def _in_buffer(self, shape: tuple[int, ...]) -> Array:
        return np.ndarray(shape, self._array.dtype, buffer=self._buffer.data)

    def _padded(self, values: Array) -> Array:
        """The values of a whole unit, with fill beyond the array's edge, in the buffer that they lie in."""
        if not self._sink.pads or values.shape == self._sink.unit:
            return values
        unit = self._in_buffer(self._sink.unit)
        clear_beyond(unit, values.shape, self._writer.fill)
        return unit

    def write(self, low: tuple[int, ...], values: Array) -> None:
        """Writes the values of the box of the domain that begins at `low`."""
        spans = [cuts[o, n] for cuts, o, n in zip(self._cuts, low, values.shape, strict=True)]
        for parts in itertools.product(*spans):
            self._write_unit(tuple([part[0] for part in parts]), parts, values)

    def _write_unit(self, coords: tuple[int, ...], parts: tuple[Part, ...], values: Array) -> None:
        """Writes what goes to one unit: all of it, or a part."""
        whole = all(part[3] for part in parts)
        box, values = values.shape, values[place([part[1] for part in parts])]
        if whole and self._sink.staged:
            self._write_whole(coords, values, box)
            return
        whole = whole and self._writer.is_whole(coords)
        with self._locked(whole, coords):
            if whole:
                self._write_whole(coords, values, box)
            else:
                self._writer.update_unit(coords, tuple(part[2] for part in parts), values, self._scratch)

    def _write_whole(self, coords: tuple[int, ...], values: Array, box: tuple[int, ...]) -> None:
        """Writes all of a unit, which is a box of the domain or lies within one."""
        unit = self._padded(values) if values.shape == box else values
        self._writer.write_unit(coords, unit, self._scratch)

    @contextmanager
    def _locked(self, whole: bool, coords: tuple[int, ...]) -> Iterator[None]:
        """Holds the array's lock, where others can see the array."""
        if self._sink.staged:
            yield
            return
        lock = self._array.lock()
        with lock.whole() if whole else lock.partial():
            self._writer.check()
            with nullcontext() if whole else lock.unit(coords):
                yield


Part = tuple[int, slice, slice, bool]


class _Cuts(dict[tuple[int, int], list[Part]]):
    """For an interval along one axis, by where it begins and how long it is: which units it meets, and where."""

    def __init__(self, axis: Axis, start: int) -> None:
        self._axis, self._start = axis, start

    def __missing__(self, interval: tuple[int, int]) -> list[Part]:
        if len(self) >= MOST_INTERVALS:
            self.clear()
        parts = self[interval] = _units_of(self._start + interval[0], interval[1], self._axis)
        return parts


# Those of one column of blocks are met again and again.
MOST_INTERVALS = 4096


def _units_of(start: int, count: int, axis: Axis) -> list[Part]:
    """For each unit that an interval meets: its index, the part of the interval, the part of the unit, all of it."""
    result = []
    for index in range(axis.find(start), axis.find(start + count - 1) + 1 if count else 0):
        first, length = axis.start(index), axis.length(index)
        low, high = max(start, first), min(start + count, first + length)
        whole = high - low == length
        result.append((index, slice(low - start, high - start), slice(low - first, high - first), whole))
    return result
