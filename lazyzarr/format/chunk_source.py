"""Where the encoded bytes of one chunk are: a file of its own, or a part of a shard.

A shard may be replaced between the reading of its index and of what the index names. So the index' end, which
is its checksum, is read again together with the data; if it differs, the index is read anew. Therefore an index can
be kept from one call to the next, and a part of a shard costs one read of what neighbours in it.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ChunkDecodeError, StoreError
from .codecs.chain import CodecChain
from .codecs.crc32c import Crc32cCodec
from .codecs.protocol import Each, Spare
from .codecs.sharding import Shard, ShardIndex, ShardingCodec
from .stores.files import TooLongError
from .stores.protocol import Buffer, ByteRange, ChunkFiles

__all__ = ["FileSource", "InnerPlaces", "Scratch", "ShardSource"]

Coords = tuple[int, ...]
ROOM = 256 * 1024 * 1024  # bytes of a read buffer at most; a larger chunk's is made when it is read
LARGE = 16 * 1024 * 1024  # bytes of a shard that are read in one go
GAP = 4096  # bytes between two inner chunks that are rather read than skipped
INDEXES = 1024 * 1024  # bytes of shards' indexes that a scratch keeps, and a source
AHEAD = (
    2 * 1024 * 1024
)  # bytes that are read ahead at most, where one inner chunk after the other is asked for
ATTEMPTS = 100  # a shard that is replaced as often while it is read is no shard


class Scratch(Spare):
    """What one thread keeps between chunks, so that no memory is allocated for each."""

    __slots__ = ("each", "empties", "indexes", "raw", "window")

    def __init__(self, make: Callable[[], NDArray[Any]], nbytes: int | None = None) -> None:
        super().__init__(make)
        room = 0 if nbytes is None else min(nbytes + nbytes // 16 + 4096, ROOM)
        # A bytearray would be filled with zeros first; of this memory only what is read into is touched.
        self.raw = cast("bytearray", np.empty(room, np.uint8).data)
        """Room for a file's bytes."""
        self.empties = 0
        """Chunks that were missing since the last check."""
        self.indexes: dict[Coords, KnownIndex] = {}
        """Of the shards that were read last, as they were since the batch began."""
        self.each: Each = map
        """What encodes the inner chunks of a shard: map, or what does so in several threads."""
        self.window = Window((), 0, 0, b"")
        """What was read of a shard last, one inner chunk at a time."""


class KnownIndex(NamedTuple):
    """A shard's index, and the end of its bytes that tells it from another one."""

    places: ShardIndex
    tail: bytes


class Window(NamedTuple):
    """A stretch of a shard's bytes that was read."""

    shard: Coords
    start: int
    asked: int
    """Where the inner chunk ends that was asked for last; beyond it was read ahead."""
    data: Buffer

    def find(self, shard: Coords, start: int, stop: int) -> Buffer | None:
        """The bytes of an inner chunk, if they were read."""
        if shard != self.shard or start < self.start or stop > self.start + len(self.data):
            return None
        return memoryview(self.data)[start - self.start : stop - self.start]

    def ahead(self, shard: Coords, start: int) -> int:
        """How many bytes behind a chunk are worth reading with it: more, the longer chunks follow one another."""
        if shard != self.shard or not 0 <= start - self.asked <= GAP:
            return 0
        return min(2 * len(self.data), AHEAD)


class FileSource:
    """Chunks that are files of their own."""

    def __init__(self, files: ChunkFiles, key: Callable[[Coords], str], limit: int) -> None:
        files.limit = max(limit, files.limit or 0)  # chunks of other lengths may be larger
        self.key = key
        self._key = key
        self._read = files.read

    def __call__(self, coords: Coords, scratch: Scratch) -> Buffer | None:
        """The encoded bytes of a chunk until the next one is read, or None."""
        try:
            raw = self._read(self._key(coords), scratch.raw)
        except StoreError as error:
            if isinstance(error.__cause__, TooLongError):
                raise ChunkDecodeError(str(error.__cause__.strerror)) from error
            raise
        if raw is None:
            scratch.empties += 1
        return raw


class InnerPlaces:
    """Where in a shard's index an inner chunk stands: it runs over the stored axes, coordinates over the array's."""

    def __init__(self, chain: CodecChain, shard: Shard) -> None:
        strides = [math.prod(shard.counts[i + 1 :]) for i in range(len(shard.counts))]
        order = [chain.axes.index(axis) for axis in range(len(chain.axes))]
        self.counts = tuple(shard.counts[i] for i in order)
        """Inner chunks along each axis of the array."""
        self._strides = tuple(strides[i] for i in order)

    def position(self, inner: Coords) -> int:
        """The position of an inner chunk, given by its coordinates within the shard."""
        return sum(map(operator.mul, inner, self._strides))


class ShardSource:
    """Chunks that are parts of shards."""

    def __init__(
        self,
        files: ChunkFiles,
        key: Callable[[Coords], str],
        chain: CodecChain,
        shard: Shard,
        split: Callable[[Coords], tuple[Coords, Coords]] | None = None,
    ) -> None:
        self._files = files
        self._split = split  # where shards differ in length, what `split` cannot tell by division
        self._shard_key = key
        self._shard = shard
        n = shard.index_nbytes
        self._tail_nbytes = tail = 4 if isinstance(shard.codec.index_codecs[-1], Crc32cCodec) else n
        self._tail_range: ByteRange = (n - tail, n) if shard.index_first else (-tail, None)
        self._places = InnerPlaces(chain, shard)
        self.per_shard = self._places.counts
        """Inner chunks along each axis of the array."""
        self._indexes: dict[Coords, KnownIndex] = {}  # of shards that may have been replaced since

    def key(self, coords: Coords) -> str:
        """The key of the shard that holds an inner chunk."""
        return self._shard_key(self.split(coords)[0])

    def split(self, coords: Coords) -> tuple[Coords, Coords]:
        """The shard that holds an inner chunk, and the chunk's coordinates within it."""
        if self._split is not None:
            return self._split(coords)
        return (
            tuple(map(operator.floordiv, coords, self.per_shard)),
            tuple(map(operator.mod, coords, self.per_shard)),
        )

    def __call__(self, coords: Coords, scratch: Scratch) -> Buffer | None:
        """The encoded bytes of an inner chunk, or None."""
        shard, inside = self.split(coords)
        known = scratch.indexes.get(shard)
        if known is not None:
            span = known.places.span(self._places.position(inside))
            found = None if span is None else self._next(shard, span, known, scratch)
            if span is None or found is not None:
                return found
        return next(self.read(shard, [inside], scratch))[1]

    def _next(
        self, shard: Coords, span: tuple[int, int], known: KnownIndex, scratch: Scratch
    ) -> Buffer | None:
        """An inner chunk, and what lies behind it if the last one lay before it; None if the shard was replaced."""
        start, stop = span
        window = scratch.window
        found = window.find(shard, start, stop)
        if found is None:
            wanted = (start, stop + window.ahead(shard, start))
            read = self._files.read_ranges(self._shard_key(shard), (wanted, self._tail_range))
            if read is None or read[1] != known.tail:
                return None
            window = Window(shard, start, stop, read[0])
            found = window.find(shard, start, stop)
        scratch.window = window._replace(asked=stop)
        return found

    def read(
        self, shard: Coords, inner: Sequence[Coords], scratch: Scratch
    ) -> Iterator[tuple[int, Buffer | None]]:
        """Several inner chunks of one shard: (number in `inner`, encoded bytes or None), in stored order."""
        name, wanted = self._shard_key(shard), list(range(len(inner)))
        places = list(map(self._places.position, inner))
        for _ in range(ATTEMPTS):
            known = self._known(shard, name, scratch)
            if known is None:
                scratch.empties += len(wanted)
                yield from ((number, None) for number in wanted)
                return
            spans = [(known.places.span(places[number]), number) for number in wanted]
            stored = sorted((*span, number) for span, number in spans if span is not None)
            done = 0
            for run in _runs(stored):
                found = self._files.read_ranges(name, [*run.ranges, self._tail_range])
                if found is None or found[-1] != known.tail:  # replaced since its index was read
                    break
                scratch.indexes[shard] = known
                yield from run.cut(found)
                done += len(run.chunks)
            absent = [number for span, number in spans if span is None]
            wanted = absent + [number for _, _, number in stored[done:]]
            if len(wanted) == len(absent) and self._still(shard, name, known, scratch):
                yield from ((number, None) for number in absent)
                return
            self.forget(shard, scratch)
        raise ChunkDecodeError(
            "the shard was replaced each time that it was read", codec=self._shard.codec.name
        )

    def forget(self, shard: Coords, scratch: Scratch) -> None:
        """Read a shard's index anew next time: it was replaced."""
        scratch.indexes.pop(shard, None)
        self._indexes.pop(shard, None)

    def _known(self, shard: Coords, name: str, scratch: Scratch) -> KnownIndex | None:
        """The shard's index, read where it is not kept; None where there is no shard."""
        known = scratch.indexes.get(shard) or self._indexes.get(shard)
        if known is not None:
            return known
        found = self._files.read_ranges(name, [self._shard.index_range])
        if found is None:
            return None
        index = self._shard.read_index(found[0])
        known = KnownIndex(index, bytes(memoryview(found[0])[-self._tail_nbytes :]))
        for kept in (scratch.indexes, self._indexes):
            if (len(kept) + 1) * self._shard.index_nbytes > INDEXES and kept:
                with contextlib.suppress(RuntimeError):  # another thread made room at the same time
                    kept.pop(next(iter(kept)), None)  # the oldest
            kept[shard] = known
        return known

    def _still(self, shard: Coords, name: str, known: KnownIndex, scratch: Scratch) -> bool:
        """Whether the shard has the index that is known; asked once a batch."""
        if shard not in scratch.indexes:
            found = self._files.read_ranges(name, [self._tail_range])
            if found is None or found[0] != known.tail:
                return False
            scratch.indexes[shard] = known
        return True


class _Run:
    """Inner chunks that are read in one go."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, int, int]] = []
        self.ranges: list[tuple[int, int]] = []

    def cut(self, found: Sequence[Buffer]) -> Iterator[tuple[int, Buffer]]:
        """(number, encoded bytes) of each chunk, from the ranges that were read."""
        views = [memoryview(buffer) for buffer in found]
        which = 0
        for start, stop, number in self.chunks:
            while stop > self.ranges[which][1]:
                which += 1
            first = self.ranges[which][0]
            part = views[which][start - first : stop - first]
            if len(part) != stop - start:
                raise ChunkDecodeError(
                    f"the shard ends inside an inner chunk at {start:,}:{stop:,}", codec=ShardingCodec.name
                )
            yield number, part


def _runs(stored: Sequence[tuple[int, int, int]]) -> Iterator[_Run]:
    """The chunks, (start, stop, number) by start, in runs of some MB whose neighbours share a range."""
    run, nbytes = _Run(), 0
    for start, stop, number in stored:
        if run.chunks and nbytes + stop - start > LARGE:
            yield run
            run, nbytes = _Run(), 0
        if run.ranges and start - run.ranges[-1][1] <= GAP:
            nbytes += stop - run.ranges[-1][1]
            run.ranges[-1] = (run.ranges[-1][0], stop)
        else:
            nbytes += stop - start
            run.ranges.append((start, stop))
        run.chunks.append((start, stop, number))
    if run.chunks:
        yield run
