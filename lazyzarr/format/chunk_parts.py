"""Parts of large chunks, read alone: some rows of what is stored plainly, or by Blosc, whose blocks decode one by one.

Each part is of one state of its chunk. Where a chunk is replaced meanwhile, one part may be of the old state and
another of the new, as it is with the inner chunks of a shard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ChunkDecodeError, ChunkMemoryError, StoreError
from .chunk import ChunkReader
from .chunk_source import FileSource, Scratch
from .codecs.blosc import BloscCodec
from .codecs.blosc_parts import HEAD, BloscIndex, blosc_index
from .grid import RectilinearGrid, RegularGrid
from .pieces import Coords
from .stores.protocol import Buffer

__all__ = ["PartsReader", "in_parts"]

LARGE = 8 * 1024 * 1024  # bytes of a chunk that is worth it
PART = 2 * 1024 * 1024  # bytes of a part, or of a block, where these are longer
MOST_BLOCKS = 4  # that end in another part than they begin in, and are kept for that
MOST_PARTS = 1_000_000  # along an axis: where each begins is kept
MOST_INDEXES = 64
ATTEMPTS = 100  # a chunk that is replaced as often while it is read is none


def in_parts(reader: ChunkReader) -> ChunkReader:
    """A reader of parts of the chunks, where these are large and can be read so; else the reader itself.

    A chunk is looked at for how long its blocks are.
    """
    if type(reader) is not ChunkReader or not isinstance(reader.grid, RegularGrid):
        return reader
    if not _can_be_parted(reader) or reader.nbytes < LARGE or reader.in_flight > 1 or 0 in reader.grid.shape:
        return reader
    shape = reader.grid.chunk_shape
    axis = next((i for i, n in enumerate(shape) if n > 1), 0)
    parts = PartsReader(reader, axis)
    rows = _rows(shape[axis], reader.nbytes, max(PART, parts.blocksize()))
    counts = reader.grid.grid_shape[axis] * -(-shape[axis] // rows)
    if 2 * rows > shape[axis] or counts > MOST_PARTS:
        return reader
    parts.cut(rows)
    return parts


def _can_be_parted(reader: ChunkReader) -> bool:
    """Whether a range of a chunk's bytes lies in a range of the stored ones, or in blocks that are known."""
    chain = reader.chain
    plain = isinstance(reader.source, FileSource) and chain.is_plain and chain.dtype.kind in "biufcmM"
    return plain and (not chain.tail or (len(chain.tail) == 1 and isinstance(chain.tail[0], BloscCodec)))


def _rows(n: int, nbytes: int, wanted: int) -> int:
    """Rows of a part of about so many bytes, of a chunk of n rows, so that all parts are nearly alike."""
    count = max(1, min(n, nbytes // wanted))
    return -(-n // count)


class PartsScratch(Scratch):
    """What one thread keeps between parts."""

    __slots__ = ("blocks",)

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        super().__init__(make)
        self.blocks: dict[tuple[str, int], tuple[BloscIndex, NDArray[np.uint8]]] = {}
        """Of chunks, the block of which another part begins with the rest."""

    def keep(self, name: str, number: int, index: BloscIndex, block: NDArray[np.uint8]) -> None:
        """Keep a block, and let the one go that was kept first where there are too many."""
        if len(self.blocks) >= MOST_BLOCKS:
            self.blocks.pop(next(iter(self.blocks)))
        self.blocks[name, number] = index, block.copy()


class PartsReader(ChunkReader):
    """Reads parts of chunks: each is some rows along one axis, before which no axis of a chunk is longer than 1."""

    def __init__(self, of: ChunkReader, axis: int) -> None:
        vars(self).update(vars(of))
        assert isinstance(of.source, FileSource)
        self._of, self._axis = of, axis
        self._indexes: dict[str, BloscIndex] = {}
        self._blosc = bool(self._chain.tail)
        self._row = self._chain.nbytes // self._chain.shape[axis]

    def blocksize(self) -> int:
        """Bytes of a block in the first chunk that is stored; 0 where none is, or there are no blocks."""
        if not self._blosc:
            return 0
        try:
            index = self._index(self._of.source.key((0,) * self.grid.ndim))
        except (ChunkDecodeError, StoreError):
            return 0  # told when it is read
        return 0 if index is None or index.bounds is None else index.blocksize

    def cut(self, rows: int) -> None:
        """Let parts have so many rows; the last one of a chunk may have fewer."""
        grid, axis = self._of.grid, self._axis
        n = self._chain.shape[axis]
        lengths = (rows,) * (n // rows) + ((n % rows,) if n % rows else ())
        self._rows, self._parts = rows, len(lengths)
        if n % rows:
            edges: list[Any] = list(grid.chunk_shape)
            edges[axis] = lengths * grid.grid_shape[axis]
            self.grid = RectilinearGrid(grid.shape, tuple(edges))
        else:
            shape = grid.chunk_shape
            self.grid = RegularGrid(grid.shape, (*shape[:axis], rows, *shape[axis + 1 :]))
        self.chunk_shape = self.grid.chunk_shape
        self.nbytes = rows * self._row

    def new_scratch(self) -> Scratch:
        return PartsScratch(self._chain.new_chunk)

    def new_chunk(self, coords: Coords | None = None) -> NDArray[Any]:
        shape = self.chunk_shape if coords is None else self.grid.stored_shape(coords)
        try:
            return np.empty(shape, self.dtype)
        except MemoryError as error:
            raise ChunkMemoryError(
                f"{self._url}: a part of shape {shape} of a chunk of shape {self._chain.shape} and data type "
                f"{self.dtype} takes more bytes than there is memory; if the chunks are not so large, its metadata "
                "is wrong"
            ) from error

    def read_into(self, coords: Coords, out: NDArray[Any], scratch: Scratch) -> bool:
        low = coords[self._axis] % self._parts * self._rows * self._row
        assert isinstance(scratch, PartsScratch)
        try:
            values = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
            if not self._read(self._of.source.key(self._unit(coords)), low, values, scratch):
                scratch.empties += 1
                return self._missing(coords, out, scratch)
            if self._chain.swapped:
                values.byteswap(inplace=True)
            if values is not out:
                out[...] = values
        except (ChunkDecodeError, ChunkMemoryError) as error:
            self._of._locate(error, self._unit(coords))
        return True

    def _read(self, name: str, low: int, values: NDArray[Any], scratch: PartsScratch) -> bool:
        """Fill an array with the bytes of a chunk from `low` on; False where it is not stored."""
        out = values.reshape(-1).view(np.uint8)
        if not self._blosc:
            return self._read_plain(name, low, out)
        for _ in range(ATTEMPTS):
            index = self._indexes.get(name) or self._index(name)
            if index is None:
                return False
            done = self._read_blocks(name, index, low, out, scratch)
            if done is not None:
                return done
            self._indexes.pop(name, None)
        raise StoreError(f"{name} was replaced {ATTEMPTS} times while it was read", self._path)

    def _read_blocks(
        self, name: str, index: BloscIndex, low: int, out: NDArray[np.uint8], scratch: PartsScratch
    ) -> bool | None:
        """Fill `out` with decoded bytes from `low` on; None where the index is no longer the chunk's."""
        if index.bounds is None:
            copied = self._ranges(name, index, [(HEAD + low, HEAD + low + len(out))])
            if not copied:
                return None if copied is None else False
            if len(copied[0]) != len(out):
                raise ChunkDecodeError("the blosc buffer ends before it should", codec="blosc")
            out[:] = np.frombuffer(copied[0], np.uint8)
            return True
        size = index.blocksize
        first, stop = index.blocks(low, low + len(out))
        known = scratch.blocks.pop((name, first), None)
        if known is not None and known[0] is index:
            begun = known[1][low - first * size :][: len(out)]
            out[: len(begun)] = begun
            out, low, first = out[len(begun) :], low + len(begun), first + 1
            if not len(out):
                scratch.blocks[name, first - 1] = known
                return True
        first = index.alone(first, stop)
        pieces = self._ranges(name, index, index.ranges(first, stop))
        if not pieces:
            return None if pieces is None else False
        begin, nbytes = first * size, index.decoded(first, stop)
        if (begin, nbytes) == (low, len(out)):
            index.decode(first, stop, pieces, out)
            return True
        blocks = np.empty(nbytes, np.uint8)
        index.decode(first, stop, pieces, blocks)
        out[:] = blocks[low - begin : low - begin + len(out)]
        if low + len(out) < begin + nbytes:
            scratch.keep(name, stop - 1, index, blocks[(stop - 1 - first) * size :])
        return True

    def _ranges(self, name: str, index: BloscIndex, ranges: list[tuple[int, int]]) -> Sequence[Buffer] | None:
        """Encoded bytes of a chunk; none where it is not stored, None where the index is no longer its."""
        # Read last, the index tells that the chunk is the same still; what lies before, that it ends where it should.
        asked = [*ranges, (index.cbytes, index.cbytes + 1), (0, len(index.head))]
        found = self._files.read_ranges(name, asked)
        if found is None:
            return []
        *pieces, beyond, head = found
        if bytes(head) != index.head:
            return None
        if len(beyond):
            raise ChunkDecodeError(f"there are more than the {index.cbytes:,} bytes", codec="blosc")
        return pieces

    def _read_plain(self, name: str, low: int, out: NDArray[np.uint8]) -> bool:
        nbytes = self._chain.nbytes
        found = self._files.read_ranges(name, [(low, low + len(out)), (nbytes - 1, nbytes + 1)])
        if found is None:
            return False
        if (len(found[0]), len(found[1])) != (len(out), 1):
            raise ChunkDecodeError(f"the chunk is not the {nbytes:,} bytes that it should be", codec="bytes")
        out[:] = np.frombuffer(found[0], np.uint8)
        return True

    def _index(self, name: str) -> BloscIndex | None:
        """Where the blocks of a chunk are; None where it is not stored."""
        told: BloscIndex | int = HEAD + 4096
        while isinstance(told, int):
            found = self._files.read_ranges(name, [(0, told)])
            if found is None:
                return None
            (head,) = found
            wanted, told = told, blosc_index(head, self._chain.nbytes)
            if isinstance(told, int) and len(head) < min(wanted, told):
                raise ChunkDecodeError(f"{len(head)} bytes hold no index of blocks", codec="blosc")
        if len(self._indexes) >= MOST_INDEXES:
            self._indexes.pop(next(iter(self._indexes)), None)
        self._indexes[name] = told
        return told

    def _unit(self, coords: Coords) -> Coords:
        """The chunk that a part is of."""
        axis = self._axis
        return (*coords[:axis], coords[axis] // self._parts, *coords[axis + 1 :])

    def _where(self, coords: Coords) -> str:
        return self._of._where(self._unit(coords))

    def _key(self, coords: Coords) -> str:
        return self._of._key(self._unit(coords))
