"""Chunks whose shapes differ: one reader or writer a shape, made when a chunk of it is first met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, Self, TypeVar

from numpy.typing import NDArray

from .chunk import ChunkReader, ChunkWriter
from .chunk_source import Scratch, ShardSource
from .codecs.chain import build_chain
from .grid import RegularGrid
from .metadata import ArrayMetadata
from .pieces import Coords, Index, Piece
from .stores.protocol import Store

__all__ = ["UnevenReader", "UnevenWriter", "open_writer"]

Shape = tuple[int, ...]
One = TypeVar("One", ChunkReader, ChunkWriter)
MOST_SHAPES = 256  # readers or writers that are kept
MOST_SCRATCHES = 4  # shapes of which a thread keeps a chunk


class _ByShape(Generic[One]):
    """The reader or writer of each shape, alike but for their codecs' chains."""

    def __init__(self, of: One, kind: type[One], metadata: ArrayMetadata) -> None:
        self._of: One = of
        self._kind: type[One] = kind
        self._metadata = metadata
        self._made: dict[Shape, One] = {}

    def __call__(self, unit: Coords) -> One:
        """The one for a write unit."""
        shape = self._metadata.grid.stored_shape(unit)
        made = self._made.get(shape)
        if made is None:
            if len(self._made) >= MOST_SHAPES:
                self._made = {}
            made = self._made[shape] = self._make(shape)
        return made

    def _make(self, shape: Shape) -> One:
        made: One = self._kind.__new__(self._kind)
        vars(made).update(vars(self._of))
        metadata = self._metadata
        made._bind(build_chain(metadata.codecs, shape, metadata.dtype, metadata.fill))
        return made


class UnevenScratch(Scratch):
    """What one thread needs for chunks of several shapes."""

    __slots__ = ("_parts",)

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        super().__init__(make)
        self._parts: dict[Shape, Scratch] = {}

    def part(self, of: ChunkReader | ChunkWriter) -> Scratch:
        """The scratch of the reader or writer of one shape."""
        found = self._parts.get(of.chunk_shape)
        if found is None:
            if len(self._parts) >= MOST_SCRATCHES:
                self.gather()
                self._parts.clear()
            found = self._parts[of.chunk_shape] = of.new_scratch()
            found.each = self.each
        return found

    def gather(self) -> None:
        """Count the chunks that were missing in all parts as this one's."""
        for part in self._parts.values():
            self.empties += part.empties
            part.empties = 0


class UnevenReader(ChunkReader):
    """Reads chunks whose shapes differ, or the inner chunks of shards whose shapes do."""

    def __init__(
        self, store: Store, path: str, metadata: ArrayMetadata, missing: Literal["fill", "raise"] = "fill"
    ) -> None:
        super().__init__(store, path, metadata, missing)
        self._readers = _ByShape(self, ChunkReader, metadata)

    def _reader(self, coords: Coords) -> ChunkReader:
        """The reader for a chunk."""
        source = self.source
        return self._readers(source.split(coords)[0] if isinstance(source, ShardSource) else coords)

    def new_scratch(self) -> Scratch:
        return UnevenScratch(self._chain.new_chunk)

    def reading_ahead(self, order: Iterable[Coords], depth: int | None = None) -> Self:
        return self

    def new_chunk(self, coords: Coords | None = None) -> NDArray[Any]:
        return super().new_chunk() if coords is None else self._reader(coords).new_chunk()

    def as_chunk(self, spare: NDArray[Any], coords: Coords) -> NDArray[Any] | None:
        return spare if spare.shape == self._reader(coords).chunk_shape else None

    def read_into(self, coords: Coords, out: NDArray[Any], scratch: Scratch) -> bool:
        reader = self._reader(coords)
        return reader.read_into(coords, out, _part(scratch, reader))

    def read_part(self, coords: Coords, inside: Index | None, out: NDArray[Any], scratch: Scratch) -> bool:
        reader = self._reader(coords)
        return reader.read_part(coords, inside, out, _part(scratch, reader))

    def read_piece(self, piece: Piece, out: NDArray[Any], scratch: Scratch) -> None:
        reader = self._reader(piece[0])
        reader.read_piece(piece, out, _part(scratch, reader))

    def read_inner(
        self, unit: Coords, pieces: Sequence[Piece], out: NDArray[Any], scratch: Scratch, sliced: bool
    ) -> None:
        reader = self._readers(unit)
        reader.read_inner(unit, pieces, out, _part(scratch, reader), sliced)

    def check(self, scratch: Scratch) -> None:
        if isinstance(scratch, UnevenScratch):
            scratch.gather()
        super().check(scratch)


class UnevenWriter(ChunkWriter):
    """Writes units whose shapes differ."""

    def __init__(
        self, store: Store, path: str, metadata: ArrayMetadata, write_empty_chunks: bool = False
    ) -> None:
        super().__init__(store, path, metadata, write_empty_chunks)
        self._writers = _ByShape(self, ChunkWriter, metadata)

    def new_scratch(self) -> Scratch:
        return UnevenScratch(self._chain.new_chunk)

    def is_whole(self, coords: Coords) -> bool:
        return self._writers(coords).is_whole(coords)

    def write_unit(
        self, coords: Coords, data: NDArray[Any], scratch: Scratch, keep_empty: bool = False
    ) -> int:
        writer = self._writers(coords)
        return writer.write_unit(coords, data, _part(scratch, writer), keep_empty)

    def update_unit(
        self, coords: Coords, inside: tuple[slice, ...], value: NDArray[Any], scratch: Scratch
    ) -> int:
        writer = self._writers(coords)
        return writer.update_unit(coords, inside, value, _part(scratch, writer))

    def update_pieces(
        self,
        coords: Coords,
        parts: Iterable[Piece],
        values: NDArray[Any],
        scratch: Scratch,
        field: str | None = None,
    ) -> int:
        writer = self._writers(coords)
        return writer.update_pieces(coords, parts, values, _part(scratch, writer), field)


def _part(scratch: Scratch, of: ChunkReader | ChunkWriter) -> Scratch:
    assert isinstance(scratch, UnevenScratch)
    return scratch.part(of)


def open_writer(
    store: Store, path: str, metadata: ArrayMetadata, write_empty_chunks: bool = False
) -> ChunkWriter:
    """What writes the units of an array, of one shape or of several. Raises as `ChunkWriter`."""
    kind = ChunkWriter if isinstance(metadata.grid, RegularGrid) else UnevenWriter
    return kind(store, path, metadata, write_empty_chunks)
