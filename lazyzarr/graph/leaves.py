"""Leaves at work: where tiles get the values that their programs load, and which decoded chunks are kept."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from lazyzarr.format.chunk import ChunkReader
from lazyzarr.format.grid import Axis, EvenAxis, RegularGrid
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.sources import DaskSource, ForeignSource, MemorySource, ZarrSource
from lazyzarr.graph.region import Region, Span, place

__all__ = [
    "ArrayLeaf",
    "Buffer",
    "ChunkCache",
    "ChunkedLeaf",
    "Leaf",
    "Locators",
    "is_uniform",
    "open_leaf",
    "uniform",
]

Array = np.ndarray[Any, Any]
Loader = Callable[[tuple[int, ...]], Array]
Buffer = Callable[[tuple[int, ...], np.dtype[Any]], Array]
"""An array of a shape and dtype, in memory that is used again for the next one asked for."""


class ArrayLeaf:
    """Values that are in memory already: loads are views."""

    def __init__(self, array: Array) -> None:
        self._array = array.view()
        self._array.flags.writeable = False

    def loader(self, region: Region, buffer: Buffer, locators: Locators) -> Loader:
        """What gives the region's values for a tile at an origin."""
        array, spans = self._array, region

        def load(origin: tuple[int, ...]) -> Array:
            return array[place(_moved(span, origin) for span in spans)]  # type: ignore[no-any-return]

        return load

    def check(self) -> None:
        """Nothing can be missing."""


def _moved(span: Span, origin: tuple[int, ...]) -> slice:
    start = span.start if span.axis is None else span.start + span.rate * origin[span.axis]
    return slice(start, start + (span.count - 1) * span.step + 1, span.step)


def is_uniform(values: Array) -> bool:
    """Whether an array shows one element throughout, as chunks do that are not stored.

    >>> is_uniform(np.broadcast_to(1, (2, 3))), is_uniform(np.ones((2, 3)))
    (True, False)
    """
    return values.ndim > 0 and not any(values.strides)


def uniform(values: Array) -> Array:
    """An array of one value throughout as a view of one element, which is a copy.

    >>> uniform(np.ones((2, 3))).strides
    (0, 0)
    """
    return np.broadcast_to(values[(slice(0, 1),) * values.ndim].copy(), values.shape)


class ChunkCache:
    """The decoded chunks of a leaf that are kept: the ones used last, in buffers used again.

    A chunk that is handed out stays as it is until `capacity` others were asked for after it. Where
    `fetch` makes arrays of its own (`reuse` is false), the one that goes is let go before.
    """

    def __init__(
        self, fetch: Callable[[tuple[int, ...], Array | None], Array], capacity: int, reuse: bool = True
    ) -> None:
        self._fetch, self._capacity, self._reuse = fetch, max(capacity, 1), reuse
        self._kept: dict[tuple[int, ...], Array] = {}

    def get(self, coords: tuple[int, ...]) -> Array:
        """The chunk at these coordinates."""
        kept = self._kept
        chunk = kept.pop(coords, None)
        if chunk is None:
            spare = kept.pop(next(iter(kept))) if len(kept) >= self._capacity else None
            chunk = self._fetch(coords, spare if self._reuse else (spare := None))
        kept[coords] = chunk
        return chunk


class ChunkedLeaf:
    """Values that come by chunks: a load is a view of one chunk, or put together from several."""

    def __init__(
        self,
        cuts: tuple[list[int] | int, ...],
        cache: ChunkCache,
        dtype: np.dtype[Any],
        check: Callable[[], None],
        read_ahead: Callable[[Iterable[tuple[int, ...]], int], None] = lambda order, depth: None,
    ) -> None:
        self._cuts, self._cache, self._dtype, self.check = cuts, cache, dtype, check
        self.cuts = cuts
        """Along each axis the chunks' length, or where they end."""
        self.read_ahead = read_ahead
        """Lets the next chunks, given in their order, be asked for ahead, so many at once; 0: no longer."""
        self.uniform = False
        """Whether there was a chunk that is one value throughout: one that is not stored."""

    def loader(self, region: Region, buffer: Buffer, locators: Locators) -> Loader:
        """What gives the region's values for a tile at an origin; parts of chunks are put together in `buffer`."""
        get = self._cache.get
        gather = self._gatherer(tuple(span.count for span in region), buffer)
        known = (region, tuple(cuts if isinstance(cuts, int) else id(cuts) for cuts in self._cuts))
        locate = locators.setdefault(known, Locator(region, self._cuts))

        def load(origin: tuple[int, ...]) -> Array:
            coords, part, several = locate(origin)
            if several is not None:
                return gather(coords, several)
            chunk = get(coords)
            return chunk if part is None else chunk[part]

        return load

    def _gatherer(
        self, shape: tuple[int, ...], buffer: Buffer
    ) -> Callable[[tuple[int, ...], list[Any]], Array]:
        """What puts a region together from the parts of several chunks."""
        get, dtype = self._cache.get, self._dtype

        def gather(coords: tuple[int, ...], places: list[Any]) -> Array:
            out = buffer(shape, dtype)
            parts = [
                part if isinstance(part, list) else [(coord, part, slice(None))]
                for coord, part in zip(coords, places, strict=True)
            ]
            same = out.size > 0
            for combination in itertools.product(*parts):
                chunk = get(tuple(part[0] for part in combination))
                out[tuple(part[2] for part in combination)] = chunk[tuple(part[1] for part in combination)]
                same = same and is_uniform(chunk)
            # Those of a stored array are the chunks that it lacks; of others each may show another element.
            return uniform(out) if same and self.uniform else out

        return gather


Found = tuple[tuple[int, ...], Any, list[Any] | None]
"""A chunk's coordinates, the part of it (None: all), and the parts in several chunks, where one is not enough."""


class Locator:
    """Where in a grid a region lies for a tile; loads of one region from arrays of one grid share it."""

    __slots__ = ("_axes", "_found", "_origin")

    def __init__(self, region: Region, grid: tuple[list[int] | int, ...]) -> None:
        self._axes = [(span.axis or 0, _Entries(span, cuts)) for span, cuts in zip(region, grid, strict=True)]
        self._origin: tuple[int, ...] | None = None
        self._found: Found = ((), None, None)

    def __call__(self, origin: tuple[int, ...]) -> Found:
        """Where the region lies for a tile at an origin."""
        if origin is self._origin:
            return self._found
        at = origin or (0,)  # a tile of no axes still has leaves that have some
        entries = [table[at[axis]] for axis, table in self._axes]
        part, several = None, None
        for entry in entries:
            if not entry[2]:
                parts = [entry[1] for entry in entries]
                part = place(parts)
                several = None if all(entry[3] for entry in entries) else parts
                break
        self._origin, self._found = origin, (tuple([entry[0] for entry in entries]), part, several)
        return self._found


Locators = dict[Any, Locator]
"""Locators by region and grid."""

Entry = tuple[int, Any, bool, bool]


class _Entries(dict[int, Entry]):
    """Where a span lies, by the tile's origin along its axis; computed when first asked."""

    def __init__(self, span: Span, cuts: list[int] | int) -> None:
        self._span, self._cuts = span, cuts

    def __missing__(self, origin: int) -> Entry:
        at = 0 if self._span.axis is None else origin
        entry = self[origin] = _entry(self._span, self._cuts, at)
        return entry


def _entry(span: Span, cuts: list[int] | int, origin: int) -> Entry:
    """Where a span lies for a tile: (chunk, slice in it, all of it, one chunk only), or the parts in several."""
    start = span.start + span.rate * origin
    last = start + span.step * (span.count - 1)
    first_chunk, last_chunk = _chunk_at(cuts, start), _chunk_at(cuts, last)
    if first_chunk == last_chunk:
        low, high = _bounds(cuts, first_chunk)
        here = slice(start - low, last - low + 1, span.step)
        return first_chunk, here, here == slice(0, high - low, 1), True
    return first_chunk, _parts(span, cuts, start, first_chunk, last_chunk), False, False


def _parts(
    span: Span, cuts: list[int] | int, start: int, first: int, last: int
) -> list[tuple[int, slice, slice]]:
    """(chunk, slice in it, slice of the load) for each chunk that a span has elements in."""
    parts, done = [], 0
    for chunk in range(first, last + 1):
        low, high = _bounds(cuts, chunk)
        position = start + done * span.step
        count = min(-(-(high - position) // span.step), span.count - done)
        if count > 0:
            stop = position + (count - 1) * span.step + 1
            parts.append((chunk, slice(position - low, stop - low, span.step), slice(done, done + count)))
            done += count
    # A walk towards the start shares its first chunk with the next tile: used last, it is the one kept.
    return parts if span.rate >= 0 else parts[::-1]


def _chunk_at(cuts: list[int] | int, position: int) -> int:
    return position // cuts if isinstance(cuts, int) else bisect_right(cuts, position) - 1


def _bounds(cuts: list[int] | int, chunk: int) -> tuple[int, int]:
    return (chunk * cuts, (chunk + 1) * cuts) if isinstance(cuts, int) else (cuts[chunk], cuts[chunk + 1])


Leaf = ArrayLeaf | ChunkedLeaf


def open_leaf(node: Node, capacity: int, values: Mapping[Node, Array]) -> Leaf:
    """The leaf of a source, or of a reduction whose result is among the values."""
    if isinstance(node, ZarrSource):
        return _zarr_leaf(node.array.reader().reading_ahead(()), capacity)
    if isinstance(node, MemorySource):
        return ArrayLeaf(node.array)
    if isinstance(node, ForeignSource):
        return _foreign_leaf(node, capacity, lambda coords, where: node.array[where])
    if isinstance(node, DaskSource):
        return _foreign_leaf(node, capacity, lambda coords, where: values[node][coords])
    return ArrayLeaf(values[node])


def _zarr_leaf(reader: ChunkReader, capacity: int) -> ChunkedLeaf:
    """A stored array's chunks, decoded into kept buffers."""
    scratch, even = reader.new_scratch(), isinstance(reader.grid, RegularGrid)
    buffers: list[Array] = []  # those that a missing chunk left unused

    def fetch(coords: tuple[int, ...], spare: Array | None) -> Array:
        if spare is None or is_uniform(spare):
            spare = buffers.pop() if buffers else None
        fits = spare is not None and (even or spare.shape == reader.grid.stored_shape(coords))
        chunk = spare if spare is not None and fits else reader.new_chunk(coords)
        chunk.flags.writeable = True
        if not reader.read_into(coords, chunk, scratch) and chunk.ndim:
            buffers.append(chunk)
            leaf.uniform = True
            return uniform(chunk)
        # Decoded chunks are lent to programs and to users' functions.
        chunk.flags.writeable = False
        return chunk

    leaf = ChunkedLeaf(
        tuple(map(_axis_cuts, reader.grid.axes)),
        ChunkCache(fetch, capacity),
        reader.dtype,
        lambda: reader.check(scratch),
        reader.ask_ahead,
    )
    return leaf


def _axis_cuts(axis: Axis) -> list[int] | int:
    """Where an axis is cut into chunks as they are stored: their one length, or every boundary."""
    if isinstance(axis, EvenAxis):
        return int(axis.edge)
    return list(itertools.accumulate(axis.edges, initial=0))


def _foreign_leaf(
    node: Node, capacity: int, give: Callable[[tuple[int, ...], tuple[slice, ...]], Any]
) -> ChunkedLeaf:
    """Chunks that others give, by their coordinates or by where they lie."""
    cuts = tuple(list(itertools.accumulate(sizes, initial=0)) for sizes in node.chunks)

    def fetch(coords: tuple[int, ...], spare: Array | None) -> Array:
        where = tuple(slice(axis[i], axis[i + 1]) for axis, i in zip(cuts, coords, strict=True))
        values = np.asarray(give(coords, where))
        expected = tuple(s.stop - s.start for s in where)
        if values.shape != expected:
            values = values.reshape(expected)
        return values if values.dtype == node.dtype else values.astype(node.dtype)

    return ChunkedLeaf(cuts, ChunkCache(fetch, capacity, reuse=False), node.dtype, lambda: None)
