"""Chunks kept after they were decoded, where the store keeps them: the next read of a part is a copy."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self

from numpy.typing import NDArray

from ..errors import ChunkDecodeError, ChunkMemoryError
from .chunk import ChunkReader
from .chunk_source import Scratch, ShardSource
from .grid import RegularGrid
from .metadata import ArrayMetadata
from .pieces import Coords, Index, Piece
from .stores.lru import LastUsed
from .stores.protocol import Buffer, Store
from .uneven import UnevenReader

__all__ = ["CachedReader", "open_reader"]


def open_reader(
    store: Store, path: str, metadata: ArrayMetadata, missing: Literal["fill", "raise"] = "fill"
) -> ChunkReader:
    """What reads the chunks of an array; it keeps them if the store does, and they are of fixed size.

    Raises as `ChunkReader`.
    """
    kept, dtype = store.decoded, metadata.dtype
    whole = not dtype.hasobject and dtype.kind != "T"
    if not isinstance(metadata.grid, RegularGrid):
        return UnevenReader(store, path, metadata, missing)
    if kept is None or not whole:
        return ChunkReader(store, path, metadata, missing)
    return CachedReader(store, path, metadata, missing, kept)


class CachedReader(ChunkReader):
    """Reads the chunks of one array, and keeps them decoded; those of an array made in its stead are others."""

    def __init__(
        self,
        store: Store,
        path: str,
        metadata: ArrayMetadata,
        missing: Literal["fill", "raise"],
        kept: LastUsed,
    ) -> None:
        super().__init__(store, path, metadata, missing)
        self._kept = kept
        self._opened = store.chunk_files(path).generation()

    def reading_ahead(self, order: Iterable[Coords], depth: int | None = None) -> Self:
        return super().reading_ahead(self._wanted(order), depth)

    def ask_ahead(self, order: Iterable[Coords], depth: int) -> None:
        super().ask_ahead(self._wanted(order), depth)

    def _wanted(self, order: Iterable[Coords]) -> Iterator[Coords]:
        """Those chunks that are not kept."""
        return (coords for coords in order if self._kept.get(*self._name(coords)) is None)

    def read_into(self, coords: Coords, out: NDArray[Any], scratch: Scratch) -> bool:
        return self.read_part(coords, None, out, scratch)

    def read_part(self, coords: Coords, inside: Index | None, out: NDArray[Any], scratch: Scratch) -> bool:
        chunk = self._chunk(coords, scratch)
        if chunk is None:
            return self._missing(coords, out, scratch)
        out[...] = chunk if inside is None else chunk[inside]
        return True

    def read_piece(self, piece: Piece, out: NDArray[Any], scratch: Scratch) -> None:
        coords, inside, where, _ = piece
        chunk = self._chunk(coords, scratch)
        if chunk is None:
            self._missing(coords, out, scratch, where)
        else:
            out[where] = chunk[inside]

    def read_inner(
        self, unit: Coords, pieces: Sequence[Piece], out: NDArray[Any], scratch: Scratch, sliced: bool
    ) -> None:
        assert isinstance(self.source, ShardSource)
        first = tuple(map(operator.mul, unit, self.source.per_shard))
        rest = []
        for piece in pieces:
            chunk = self._kept.get(*self._name(tuple(map(operator.add, first, piece[0]))))
            if chunk is None:
                rest.append(piece)
            else:
                out[piece[2]] = chunk[piece[1]]
        if not rest:
            return
        coords, since = first, self._kept.changes
        try:
            for number, raw in self.source.read(unit, [piece[0] for piece in rest], scratch):
                inner, inside, where, _ = rest[number]
                coords = tuple(map(operator.add, first, inner))
                if raw is None:
                    self._missing(coords, out, scratch, where)
                else:
                    out[where] = self._keep(coords, raw, scratch, since)[inside]
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)

    def _chunk(self, coords: Coords, scratch: Scratch) -> NDArray[Any] | None:
        """A whole chunk, not to be changed, or None where it is not stored."""
        found: NDArray[Any] | None = self._kept.get(*self._name(coords))
        if found is not None:
            return found
        since = self._kept.changes
        try:
            raw = self.source(coords, scratch)
            return None if raw is None else self._keep(coords, raw, scratch, since)
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._locate(error, coords)

    def _keep(self, coords: Coords, raw: Buffer, scratch: Scratch, since: int) -> NDArray[Any]:
        chunk = self._decode_spare(raw, scratch)
        if self._kept.takes(chunk.nbytes):
            chunk = chunk.copy(order="K")
            chunk.flags.writeable = False
            self._kept.put(*self._name(coords), chunk, chunk.nbytes, since)
        return chunk

    def _name(self, coords: Coords) -> tuple[str, object]:
        return self._key(coords), (self._opened, coords)
