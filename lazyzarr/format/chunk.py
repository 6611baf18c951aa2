"""One chunk in, one chunk out: the only place where "missing" becomes fill.

A reader reads what can be read alone, chunks or the inner chunks of shards. A writer writes units, chunks or
whole shards, and must hold the array's write lock.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from itertools import chain as one_after_the_other
from typing import Any, Literal, NoReturn, Self, TypeVar

from numpy.typing import NDArray

from ..errors import (
    BaseZarrError,
    ChunkDecodeError,
    ChunkEncodeError,
    ChunkError,
    ChunkMemoryError,
    ChunkNotFoundError,
    LockUnavailableError,
    StoreError,
)
from .ahead import Ahead, depth_for
from .behind import Behind
from .chunk_source import FileSource, Scratch, ShardSource
from .chunk_update import ShardUpdate, clear_beyond
from .codecs.chain import CodecChain, build_chain
from .codecs.fill import FillTest
from .codecs.sharding import Shard
from .grid import Grid, RegularGrid
from .keys import join_path
from .metadata import ArrayMetadata
from .pieces import Coords, Index, Piece
from .requests import pool_of
from .stores.protocol import Buffer, Store
from .watch import ArrayWatch

__all__ = ["ChunkReader", "ChunkWriter"]

_Error = TypeVar("_Error", bound=ChunkError)


class ChunkReader:
    """Reads the chunks of one array; any number of threads, each with a scratch of its own.

    Parameters
    ----------
    store, path
        Where the array is.
    metadata : ArrayMetadata
        What it is.
    missing : "fill" or "raise"
        Whether a chunk that is not stored reads as fill, or raises ChunkNotFoundError.
    """

    def __init__(
        self, store: Store, path: str, metadata: ArrayMetadata, missing: Literal["fill", "raise"] = "fill"
    ) -> None:
        self._files = files = store.chunk_files(path)
        self._encode_key = metadata.chunk_key_encoding.encoder(metadata.ndim)
        self.units = metadata.grid
        """The grid of write units."""
        chain = build_chain(metadata.codecs, metadata.chunk_shape, metadata.dtype, metadata.fill)
        inner = chain.inner_chain()
        self.grid: Grid = metadata.grid if inner is None else RegularGrid(metadata.shape, inner.shape)
        """The grid of chunks that are read: of inner chunks, where the array is sharded."""
        self._bind(chain)
        self.dtype = metadata.dtype
        self.fill = metadata.fill
        self._store = store
        self._raises = missing == "raise"
        self._watch = ArrayWatch(store, path, metadata, files)
        self._watch.check_opened()
        self._url, self._path = store.url(path), path

    def _bind(self, units: CodecChain) -> None:
        """Take the chain of write units of one shape."""
        inner = units.inner_chain()
        self._chain = units if inner is None else inner
        self.source: FileSource | ShardSource | Ahead
        if isinstance(units.serializer, Shard) and inner is not None:
            split = None if isinstance(self.units, RegularGrid) else self._split
            self.source = ShardSource(self._files, self._encode_key, units, units.serializer, split)
        else:
            self.source = FileSource(self._files, self._encode_key, self._chain.size.limit)
        self.chunk_shape = self._chain.shape
        """Elements along each axis of a chunk that is read; of the longest, if they differ."""
        self.nbytes = self._chain.nbytes
        """Decoded bytes of a chunk."""
        self.encoded_limit = self._chain.size.limit
        """The most bytes that a stored chunk can have."""
        self._decode = self._chain.decode_into
        self._decode_spare = self._chain.decode_spare

    def _split(self, coords: Coords) -> tuple[Coords, Coords]:
        """The shard of an inner chunk, and the chunk's coordinates within it, where shards differ in length."""
        starts = [axis.start(i) for axis, i in zip(self.grid.axes, coords, strict=True)]
        unit = tuple(axis.find(start) for axis, start in zip(self.units.axes, starts, strict=True))
        return unit, tuple(map(operator.sub, coords, self._first(unit)))

    def _first(self, unit: Coords) -> Coords:
        """The first inner chunk of a shard."""
        return tuple(
            inner.find(outer.start(i))
            for inner, outer, i in zip(self.grid.axes, self.units.axes, unit, strict=True)
        )

    def new_scratch(self) -> Scratch:
        """What one thread needs to read chunks; to be dropped with the batch, and `check`ed before."""
        return Scratch(self._chain.new_chunk, self.nbytes if isinstance(self.source, FileSource) else None)

    @property
    def chain(self) -> CodecChain:
        """The codecs of a chunk that is read."""
        return self._chain

    @property
    def in_flight(self) -> int:
        """How many chunks are worth asking for at once; 0 where answers come at once."""
        return self._store.in_flight

    def reading_ahead(self, order: Iterable[Coords], depth: int | None = None) -> Self:
        """A reader that asks for chunks before they are wanted, where answers take long; to be `close`d.

        Parameters
        ----------
        order
            The coordinates of the chunks that will be read, in that order; others can be read as well.
        depth
            How many are asked for ahead: at most what the store is worth, and for what there is room.
        """
        pool = pool_of(self._store)
        if pool is None or isinstance(self.source, Ahead):
            return self
        nbytes = min(self.encoded_limit, 2 * self.nbytes + 65536)  # what is of any length has no real limit
        most = depth_for(self.in_flight, nbytes) if depth is None else depth
        other = copy.copy(self)
        other.source = Ahead(self.source, order, max(1, most), pool, lambda: Scratch(self._chain.new_chunk))
        return other

    def waiting(self, nbytes: int) -> tuple[Executor, int] | None:
        """The threads in which to do work that mostly waits, of so many bytes each; None where it does not."""
        return None if isinstance(self.source, Ahead) else _waiting(self._store, nbytes)

    def ask_ahead(self, order: Iterable[Coords], depth: int) -> None:
        """Let a reader that reads ahead ask for other chunks from now on, so many at once; 0: for none."""
        if isinstance(self.source, Ahead):
            self.source.begin(order, depth)

    def close(self) -> None:
        """Ask for nothing ahead any more."""
        self.ask_ahead((), 0)

    def new_chunk(self, coords: Coords | None = None) -> NDArray[Any]:
        """An array of the chunks' shape and dtype, in the layout that decodes without a copy.

        `coords` say which chunk it is for, where their shapes differ. Raises ChunkMemoryError.
        """
        try:
            return self._chain.new_chunk()
        except ChunkMemoryError as error:
            raise ChunkMemoryError(f"{self._url}: {error}; {_SMALLER}") from error

    def as_chunk(self, spare: NDArray[Any], coords: Coords) -> NDArray[Any] | None:
        """The memory of a chunk that `new_chunk` made as one for other coordinates; None where it does not fit."""
        return spare

    def decodes_into(self, out: NDArray[Any]) -> bool:
        """Whether a chunk is decoded straight into memory that lies like `out`."""
        return self._chain.encode_view(out).flags.c_contiguous

    def read_into(self, coords: Coords, out: NDArray[Any], scratch: Scratch) -> bool:
        """Fill `out`, of the chunks' shape and any strides; whether the chunk was stored.

        Raises ChunkDecodeError, ChunkMemoryError, StoreError, and ChunkNotFoundError if missing chunks are
        to raise.
        """
        try:
            raw = self.source(coords, scratch)
            if raw is None:
                return self._missing(coords, out, scratch)
            self._decode(raw, out, scratch)
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)
        return True

    def read_part(self, coords: Coords, inside: Index | None, out: NDArray[Any], scratch: Scratch) -> bool:
        """Fill `out` with a part of a chunk (None: all of it, by way of the scratch); else as `read_into`."""
        try:
            raw = self.source(coords, scratch)
            if raw is None:
                return self._missing(coords, out, scratch)
            chunk = self._decode_spare(raw, scratch)
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)
        out[...] = chunk if inside is None else chunk[inside]
        return True

    def read_piece(self, piece: Piece, out: NDArray[Any], scratch: Scratch) -> None:
        """Fill what a piece of a chunk, cut by any indices, is of `out`; else as `read_into`."""
        coords, inside, where, _ = piece
        try:
            raw = self.source(coords, scratch)
            if raw is None:
                self._missing(coords, out, scratch, where)
                return
            chunk = self._decode_spare(raw, scratch)
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)
        out[where] = chunk[inside]

    def read_inner(
        self, unit: Coords, pieces: Sequence[Piece], out: NDArray[Any], scratch: Scratch, sliced: bool
    ) -> None:
        """Fill `out` with pieces of one shard, whose coordinates are those within the shard.

        `sliced` says that they go to slices of `out`, into which whole chunks are decoded.
        """
        assert isinstance(self.source, ShardSource)
        first = coords = self._first(unit)
        try:
            for number, raw in self.source.read(unit, [piece[0] for piece in pieces], scratch):
                inner, inside, where, whole = pieces[number]
                coords = tuple(map(operator.add, first, inner))
                if raw is None:
                    self._missing(coords, out, scratch, where)
                elif sliced and whole and (view := out[where]).shape == self.chunk_shape:
                    self._decode(raw, view, scratch)
                else:
                    out[where] = self._decode_spare(raw, scratch)[inside]
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)

    def check(self, scratch: Scratch) -> None:
        """Believe what was read, and what was missing, since the last check, or raise ArrayReplacedError."""
        self._watch.check_meaning()
        if scratch.empties:
            scratch.empties = 0
            self._watch.check_reading()

    def _missing(self, coords: Coords, out: NDArray[Any], scratch: Scratch, where: Any = ...) -> bool:
        if self._raises:
            self.check(scratch)
            raise ChunkNotFoundError(f"{self._where(coords)} is not stored", self._key(coords))
        out[where] = self.fill
        return False

    def _locate(self, error: ChunkDecodeError | ChunkMemoryError, coords: Coords) -> NoReturn:
        with suppress(StoreError, BaseZarrError):  # what could not be decoded is the news
            self._watch.check_meaning(look=True)
        wrong = "the file is damaged, or the metadata is not the array's"
        raise _located(
            error,
            self._where(coords),
            self._key(coords),
            wrong if isinstance(error, ChunkDecodeError) else "",
        ) from (error.__cause__ or error)

    def _where(self, coords: Coords) -> str:
        return _where(self._url, self.source.key(coords), self.grid.extent(coords))

    def _key(self, coords: Coords) -> str:
        return join_path(self._path, self.source.key(coords))


_SMALLER = (
    "if the chunks are really so large, store the array in smaller ones where there is more memory; if not, "
    "its metadata is wrong"
)


def _located(error: _Error, where: str, key: str, more: str = "") -> _Error:
    """The same error with the place it is about, and what to do."""
    said = [str(error), more, _SMALLER if isinstance(error, ChunkMemoryError) else ""]
    return type(error)(f"{where}: {'; '.join(filter(None, said))}", key, error.codec)


def _where(url: str, key: str, extent: Sequence[tuple[int, int]]) -> str:
    """What a chunk is called in an error's text."""
    spans = ", ".join(f"{start}:{stop}" for start, stop in extent)
    return f"{url} chunk {key} = [{spans}]"


def _waiting(store: Store, nbytes: int) -> tuple[Executor, int] | None:
    pool = pool_of(store)
    return None if pool is None else (pool, depth_for(store.in_flight, nbytes))


class ChunkWriter:
    """Writes the write units of one array, chunks or whole shards; who writes holds the array's lock.

    Parameters
    ----------
    store, path
        Where the array is.
    metadata : ArrayMetadata
        What it is.
    write_empty_chunks : bool
        Whether units of nothing but fill are stored; else they are deleted.
    """

    def __init__(
        self, store: Store, path: str, metadata: ArrayMetadata, write_empty_chunks: bool = False
    ) -> None:
        self._files = files = store.update_files(path)
        self._key = metadata.chunk_key_encoding.encoder(metadata.ndim)
        self.grid = metadata.grid
        """The grid of write units."""
        self.dtype = metadata.dtype
        self.fill = metadata.fill
        self._write_empty = write_empty_chunks
        self._bind(build_chain(metadata.codecs, metadata.chunk_shape, metadata.dtype, metadata.fill))
        self._store = store
        self.shares_edge = files.compares
        """Whether others may add elements beyond the edge at any time: then what lies there is kept."""
        self.alone = False
        """Whether who writes has the array for itself, and has just looked at it."""
        self._changing = files.changing if files.compares else None
        if store.compares and store.reach != "thread" and not files.compares:
            raise LockUnavailableError(f"{store!r} around {store.url()} does not pass on conditional writes")
        self._write = files.write
        self._delete = files.delete
        self._is_fill = FillTest(metadata.fill)
        self._watch = ArrayWatch(store, path, metadata, files)
        self._url, self._path = store.url(path), path

    def _bind(self, chain: CodecChain) -> None:
        """Take the chain of units of one shape."""
        self._chain = chain
        self.chunk_shape = chain.shape
        """Elements along each axis of a write unit; of the longest, if they differ."""
        self._shard = chain.serializer if isinstance(chain.serializer, Shard) and not chain.tail else None
        self.source = FileSource(self._files, self._key, chain.size.limit)
        inner = chain.inner_chain()
        self._update: ShardUpdate | None = None
        self.inner: RegularGrid | None = None
        """The grid of inner chunks, where units are shards."""
        if self._shard is not None and inner is not None:
            stored = ShardSource(self._files, self._key, chain, self._shard)
            # A store that compares deletes without looking: what a change leaves empty is stored.
            keeps_empty = self._write_empty or self._files.compares
            self._update = ShardUpdate(chain, self._shard, inner, stored, keeps_empty)
            self.inner = RegularGrid(self.grid.shape, inner.shape)
        self.nbytes = (inner or chain).nbytes
        """Decoded bytes of what is encoded at once: a chunk, or an inner chunk of a shard."""

    def new_scratch(self) -> Scratch:
        """What one thread needs to write units."""
        if self._shard is not None:
            return Scratch(self._shard.inner.new_chunk)
        return Scratch(self._chain.new_chunk, self._chain.nbytes)

    def check(self) -> None:
        """Raise ArrayReplacedError unless the array is the one that was opened; asked under the lock."""
        if not self.alone:
            self._watch.check_writing()

    def waiting(self) -> tuple[Executor, int] | None:
        """The threads in which to write units, where answers take long."""
        return _waiting(self._store, 3 * self._chain.nbytes)

    def writing_behind(self, depth: int) -> tuple[Self, Behind | None]:
        """A writer for one thread whose writes are under way when it goes on, and what waits for them.

        Only for an array that nobody sees yet: what is empty is not deleted, as it was never there.
        """
        pool = pool_of(self._store)
        if pool is None or depth < 2:
            return self, None
        other, behind = copy.copy(self), Behind(self._write, depth, pool)
        other._write, other._delete = behind.put, lambda name: None
        return other, behind

    def is_whole(self, coords: Coords) -> bool:
        """Whether a unit may be written without a look at what is stored: if all of it is this writer's."""
        if not self.shares_edge:
            return True
        return all(
            stop - start == n
            for (start, stop), n in zip(self.grid.extent(coords), self.chunk_shape, strict=True)
        )

    def write_unit(
        self, coords: Coords, data: NDArray[Any], scratch: Scratch, keep_empty: bool = False
    ) -> int:
        """Store a whole unit (clipped at the array's edge); the bytes stored, 0 if it is nothing but fill.

        With `keep_empty`, nothing but fill is stored too. Raises ChunkEncodeError, ChunkMemoryError, StoreError.
        """
        key = self._key(coords)
        try:
            if self._shard is not None:
                return self._write_shard(
                    key, self._shard.stream(self._chain.encode_view(data), self._write_empty, scratch.each)
                )
            staged = self._chain.stage(data, scratch)
            if not (self._write_empty or keep_empty) and self._is_fill(staged):
                self._delete(key)
                return 0
            buffers = self._chain.encode_staged(staged)
        except (ChunkEncodeError, ChunkMemoryError) as error:
            raise _located(error, self._where(coords), join_path(self._path, key)) from (
                error.__cause__ or error
            )
        self._write(key, buffers)
        return sum(map(len, buffers))

    def _write_shard(self, key: str, stream: Iterator[Buffer]) -> int:
        """Store a shard as its inner chunks are encoded, unless there is none."""
        first = next(stream, None)
        if first is None:
            self._delete(key)
            return 0
        nbytes = 0

        def counted() -> Iterator[Buffer]:
            nonlocal nbytes
            for piece in one_after_the_other([first], stream):
                nbytes += len(piece)
                yield piece

        self._write(key, counted())
        return nbytes

    def update_unit(
        self, coords: Coords, inside: tuple[slice, ...], value: NDArray[Any], scratch: Scratch
    ) -> int:
        """Change a part of a unit; the bytes stored then. The caller holds the lock of the unit.

        Raises ChunkDecodeError if the unit that is stored is damaged, ChunkEncodeError, StoreError.
        """
        # As one piece of the unit, or as one of each inner chunk that it touches.
        parts: Iterable[Piece] = [((), inside, (...,), False)]
        if self._update is not None:
            parts = self._update.pieces(inside)
        return self.update_pieces(coords, parts, value, scratch)

    def update_pieces(
        self,
        coords: Coords,
        parts: Iterable[Piece],
        values: NDArray[Any],
        scratch: Scratch,
        field: str | None = None,
    ) -> int:
        """Change pieces of a unit; the bytes stored then. The caller holds the lock of the unit.

        Parameters
        ----------
        coords
            The unit.
        parts
            What of `values` goes where: of a shard one piece for each inner chunk, whose coordinates are those
            within the shard, else one piece.
        field
            The only field of the elements that is set; None for all of them.

        Raises ChunkDecodeError if the unit that is stored is damaged, ChunkEncodeError, StoreError.
        """
        if self._changing is None:
            return self._update_pieces(coords, parts, values, scratch, field)
        parts = list(parts)
        return self._changing(
            self._key(coords), lambda: self._update_pieces(coords, parts, values, scratch, field)
        )

    def _update_pieces(
        self,
        coords: Coords,
        parts: Iterable[Piece],
        values: NDArray[Any],
        scratch: Scratch,
        field: str | None,
    ) -> int:
        extent = self.grid.extent(coords)
        lengths = self.chunk_shape if self.shares_edge else [stop - start for start, stop in extent]
        try:
            if self._update is not None:
                stream = self._update.stream(coords, lengths, parts, values, field, scratch)
                return self._write_shard(self._key(coords), stream)
            raw = self.source(coords, scratch)
            if raw is None:
                chunk = scratch.chunk
                chunk[...] = self.fill
            else:
                chunk = self._chain.decode_spare(raw, scratch)
        except (ChunkDecodeError, ChunkMemoryError) as error:
            cure = "nothing was written. To replace the chunk write all of it"
            raise _located(
                error,
                self._where(coords),
                join_path(self._path, self._key(coords)),
                cure if isinstance(error, ChunkDecodeError) else "nothing was written",
            ) from (error.__cause__ or error)
        for _, inside, where, _ in parts:
            (chunk if field is None else chunk[field])[inside] = values[where]
        clear_beyond(chunk, lengths, self.fill)
        return self.write_unit(coords, chunk, scratch, self._changing is not None)

    def _where(self, coords: Coords) -> str:
        return _where(self._url, self._key(coords), self.grid.extent(coords))
