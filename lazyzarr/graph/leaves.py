"""Leaves at work: where tiles get the values that their programs load, and which decoded chunks are kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.format.chunk import ChunkReader
from lazyzarr.format.chunk_parts import PartsReader
from lazyzarr.format.chunk_source import Scratch
from lazyzarr.format.grid import Axis, EvenAxis
from lazyzarr.graph.locate import Locators, Part, locator, moved
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.lending import is_left
from lazyzarr.graph.ops.sources import DaskSource, ForeignSource, MemorySource, ZarrSource
from lazyzarr.graph.region import Region, place

__all__ = [
    "ArrayLeaf",
    "Buffer",
    "ChunkCache",
    "ChunkedLeaf",
    "Decoded",
    "Leaf",
    "Room",
    "is_uniform",
    "open_leaf",
    "uniform",
]

Array = np.ndarray[Any, Any]
Loader = Callable[[tuple[int, ...]], Array]
Buffer = Callable[[tuple[int, ...], np.dtype[Any]], Array]
"""An array of a shape and dtype, in memory that is used again for the next one asked for."""


class Tile(NamedTuple):
    """What a program is run for, as one of its loads sees it."""

    shape: tuple[int, ...]
    domain: tuple[int, ...]
    """The shape of what tiles are cut of."""
    alone: bool
    """Whether the program loads nothing else of that leaf, and each tile other elements."""


class ArrayLeaf:
    """Values that are in memory already: loads are views."""

    def __init__(self, array: Array) -> None:
        self._array = array.view()
        self._array.flags.writeable = False

    def loader(self, region: Region, tile: Tile, buffer: Buffer, locators: Locators) -> Loader:
        """What gives the region's values for a tile at an origin."""
        array, spans = self._array, region

        def load(origin: tuple[int, ...]) -> Array:
            return array[place(moved(span, origin) for span in spans)]  # type: ignore[no-any-return]

        return load

    def check(self) -> None:
        """Nothing can be missing."""


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


class Decoded:
    """Bytes that a task has decoded so far: one thread counts, others look."""

    __slots__ = ("nbytes",)

    def __init__(self) -> None:
        self.nbytes = 0


class Room:
    """Memory for the encoded bytes of a chunk, shared by the leaves of a task: one decodes before the next reads."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._users: list[Scratch] = []
        self.decoded = Decoded()

    def share(self, scratch: Scratch) -> None:
        """Lets a scratch read into the room, which is as large as the largest of them wants it."""
        self._users.append(scratch)
        if len(scratch.raw) > len(self._raw):
            self._raw = scratch.raw
        for user in self._users:
            user.raw = self._raw


class ChunkCache:
    """The decoded chunks of a leaf that are kept: the ones used last, in buffers used again.

    A chunk that is handed out stays as it is until `capacity` others were asked for after it, and until who
    asked for it begins another tile. Where `fetch` makes arrays of its own (`reuse` is false), the one that
    goes is let go before.
    """

    def __init__(
        self, fetch: Callable[[tuple[int, ...], Array | None], Array], capacity: int, reuse: bool = True
    ) -> None:
        self._fetch, self._capacity, self._reuse = fetch, max(capacity, 1), reuse
        self._kept: dict[tuple[int, ...], Array] = {}
        self._lent: dict[object, set[tuple[int, ...]]] = {}
        self._asking: set[tuple[int, ...]] = set()

    def begin(self, who: object) -> None:
        """Another tile of this one begins, who needs nothing of the last any more."""
        self._asking = self._lent.setdefault(who, set())
        self._asking.clear()

    def get(self, coords: tuple[int, ...], copied: bool = False) -> Array:
        """The chunk at these coordinates; one that is `copied` at once is not held for the tile."""
        kept = self._kept
        chunk = kept.pop(coords, None)
        if chunk is None:
            spare = self._spared() if len(kept) >= self._capacity else None
            chunk = self._fetch(coords, spare if self._reuse else (spare := None))
        kept[coords] = chunk
        if not copied:
            self._asking.add(coords)
        return chunk

    def _spared(self) -> Array | None:
        """The chunk that was used longest ago, if nobody works with it or keeps it; such as are too many go, too."""
        lent = set[tuple[int, ...]]().union(*self._lent.values())
        idle = (coords for coords in self._kept if coords not in lent)
        spare = None
        for coords in list(itertools.islice(idle, len(self._kept) - self._capacity + 1)):
            spare = self._kept.pop(coords)
        return None if spare is None or is_left(spare) else spare


class ChunkedLeaf:
    """Values that come by chunks: a load is a view of one chunk, or put together from several."""

    def __init__(
        self,
        cuts: tuple[list[int] | int, ...],
        cache: ChunkCache,
        dtype: np.dtype[Any],
        check: Callable[[], None],
        stored: _StoredChunks | None = None,
    ) -> None:
        self._cache, self._dtype, self.check, self._stored = cache, dtype, check, stored
        self.begin = cache.begin
        """Tells that another tile of one who asks begins."""
        self.cuts = cuts
        """Along each axis the chunks' length, or where they end."""

    def read_ahead(self, order: Iterable[tuple[int, ...]], depth: int) -> None:
        """Lets the next chunks, given in their order, be asked for ahead, so many at once; 0: no longer."""
        if self._stored is not None:
            self._stored.ask_ahead(order, depth)

    @property
    def uniform(self) -> bool:
        """Whether there was a chunk that is one value throughout: one that is not stored."""
        return self._stored is not None and self._stored.lacks

    def loader(self, region: Region, tile: Tile, buffer: Buffer, locators: Locators) -> Loader:
        """What gives the region's values for a tile at an origin; parts of chunks are put together in `buffer`."""
        get = self._cache.get
        gather = self._gatherer(tuple(span.count for span in region), tile, buffer)
        locate = locator(locators, region, self.cuts, tile.shape, tile.domain)

        def load(origin: tuple[int, ...]) -> Array:
            coords, inside, several = locate(origin)
            if several is not None:
                return gather(several)
            chunk = get(coords)
            return chunk if inside is None else chunk[inside]

        return load

    def _gatherer(
        self, shape: tuple[int, ...], tile: Tile, buffer: Buffer
    ) -> Callable[[list[list[Part]]], Array]:
        """What puts a region together from the parts of several chunks.

        A chunk of which no other tile needs anything is decoded where it goes, or aside for the part that does, and not
        kept.
        """
        get, dtype = self._cache.get, self._dtype
        # What is asked for ahead is what the cache will ask for.
        direct = tile.alone and self._stored is not None and self._stored.at_once
        read = self._stored.read if direct and self._stored is not None else None

        def gather(axes: list[list[Part]]) -> Array:
            out = buffer(shape, dtype)
            same = out.size > 0
            for parts in itertools.product(*axes):
                chunks, insides, wheres, own, whole = zip(*parts, strict=True)
                if read is not None and all(own):
                    stored = read(chunks, None if all(whole) else insides, out[wheres])
                else:
                    chunk = get(chunks, copied=True)
                    out[wheres] = chunk[insides]
                    stored = not is_uniform(chunk)
                same = same and not stored
            # Those of a stored array are the chunks that it lacks; of others each may show another element.
            return uniform(out) if same and self.uniform else out

        return gather


Leaf = ArrayLeaf | ChunkedLeaf


def open_leaf(node: Node, capacity: int, values: Mapping[Node, Array], room: Room) -> Leaf:
    """The leaf of a source, or of a reduction whose result is among the values."""
    if isinstance(node, ZarrSource):
        return _zarr_leaf(node.array.parts_reader().reading_ahead(()), capacity, room)
    if isinstance(node, MemorySource):
        return ArrayLeaf(node.array)
    if isinstance(node, ForeignSource):
        return _foreign_leaf(node, capacity, lambda coords, where: node.sliced.get(where))
    if isinstance(node, DaskSource):
        return _foreign_leaf(node, capacity, lambda coords, where: values[node][coords])
    return ArrayLeaf(values[node])


class _StoredChunks:
    """A stored array's chunks, decoded into kept buffers, or where they go.

    It does not know the leaf that it is of: what holds itself stays in memory until the collector comes by.
    """

    def __init__(self, reader: ChunkReader, room: Room) -> None:
        self._reader, self._scratch = reader, reader.new_scratch()
        room.share(self._scratch)
        self._decoded = room.decoded
        self._unused: list[Array] = []  # buffers of chunks that were not stored
        self.lacks = False
        """Whether there was a chunk that is not stored."""
        self.at_once = reader.in_flight < 2 and not isinstance(reader, PartsReader)
        """Whether nothing is asked for ahead, and each chunk can be decoded aside."""
        self.ask_ahead = reader.ask_ahead

    def fetch(self, coords: tuple[int, ...], spare: Array | None) -> Array:
        """A chunk, in the memory of one that is spare where it fits."""
        if spare is None or is_uniform(spare):
            spare = self._unused.pop() if self._unused else None
        chunk = None if spare is None else self._reader.as_chunk(spare, coords)
        if chunk is None:
            spare = None  # let go before another one is made
            chunk = self._reader.new_chunk(coords)
        chunk.flags.writeable = True
        self._decoded.nbytes += chunk.nbytes
        if not self._reader.read_into(coords, chunk, self._scratch) and chunk.ndim:
            self._unused.append(chunk)
            self.lacks = True
            return uniform(chunk)
        # Decoded chunks are lent to programs and to users' functions.
        chunk.flags.writeable = False
        return chunk

    def read(self, coords: tuple[int, ...], inside: tuple[slice, ...] | None, out: Array) -> bool:
        """Decodes a chunk, or a part of it, where it goes; whether it was stored."""
        if inside is None:
            stored = self._reader.read_into(coords, out, self._scratch)
        else:
            stored = self._reader.read_part(coords, inside, out, self._scratch)
        self.lacks = self.lacks or not stored
        self._decoded.nbytes += out.nbytes
        return stored

    def check(self) -> None:
        """Raises ArrayReplacedError where chunks were missing because the array is another by now."""
        self._reader.check(self._scratch)


def _zarr_leaf(reader: ChunkReader, capacity: int, room: Room) -> ChunkedLeaf:
    """A stored array's chunks, decoded into kept buffers, or where they go."""
    stored = _StoredChunks(reader, room)
    cuts = tuple(map(_axis_cuts, reader.grid.axes))
    return ChunkedLeaf(cuts, ChunkCache(stored.fetch, capacity), reader.dtype, stored.check, stored)


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
