"""Parts of large chunks, read alone: some rows of what is stored plainly, or by Blosc, whose blocks decode one by one.

Each part is of one state of its chunk. Where a chunk is replaced meanwhile, one part may be of the old state and
another of the new, as it is with the inner chunks of a shard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ChunkDecodeError, ChunkMemoryError, StoreError
from .chunk import ChunkReader
from .chunk_source import FileSource, Scratch
from .chunk_stretch import read_plain
from .codecs.blosc import BloscCodec
from .codecs.blosc_parts import HEAD, BloscIndex, EncodedBlocks, blosc_index
from .grid import RectilinearGrid, RegularGrid
from .pieces import Coords

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
    rows = _rows(shape[axis], reader.nbytes, max(PART, parts.blocksize))
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

    __slots__ = ("_spare", "blocks")

    def __init__(self, make: Callable[[], NDArray[Any]], nbytes: int) -> None:
        super().__init__(make, nbytes)
        self.blocks: dict[tuple[str, int], tuple[BloscIndex, NDArray[np.uint8]]] = {}
        """Of chunks, the block of which another part begins with the rest."""
        self._spare = np.empty(0, np.uint8)

    def room(self, nbytes: int) -> memoryview:
        """Memory for encoded bytes."""
        if len(self.raw) < nbytes:
            self.raw = cast("bytearray", np.empty(nbytes, np.uint8).data)
        return cast("memoryview", self.raw)

    def memory(self, nbytes: int) -> NDArray[np.uint8]:
        """Memory for decoded blocks, to be given back or kept."""
        spare, self._spare = self._spare, self._spare[:0]
        return spare[:nbytes] if len(spare) >= nbytes else np.empty(nbytes, np.uint8)

    def give_back(self, memory: NDArray[np.uint8]) -> None:
        """Let memory be used again."""
        self._spare = memory if memory.base is None else memory.base

    def keep(self, name: str, number: int, index: BloscIndex, block: NDArray[np.uint8]) -> None:
        """Keep a block, and let the one go that was kept first where there are too many."""
        if len(self.blocks) >= MOST_BLOCKS:
            self.give_back(self.blocks.pop(next(iter(self.blocks)))[1])
        self.blocks[name, number] = index, block


class PartsReader(ChunkReader):
    """Reads parts of chunks: each is some rows along one axis, before which no axis of a chunk is longer than 1."""

    def __init__(self, of: ChunkReader, axis: int) -> None:
        vars(self).update(vars(of))
        assert isinstance(of.source, FileSource)
        self._of, self._axis = of, axis
        self._indexes: dict[str, BloscIndex] = {}
        self._blosc = bool(self._chain.tail)
        self._row = self._chain.nbytes // self._chain.shape[axis]
        self.blocksize = self._look() if self._blosc else 0
        """Bytes of a block in the first chunk that is stored; 0 where none is, or there are no blocks."""

    def _look(self) -> int:
        try:
            index = self._index(self._of.source.key((0,) * self.grid.ndim))
        except (ChunkDecodeError, StoreError):
            return 0  # told when it is read
        return 0 if index is None or index.bounds is None else index.blocksize

    @property
    def encoded_nbytes(self) -> int:
        """Bytes that the encoded blocks of a part may take while it is read."""
        return (self.nbytes + 2 * self.blocksize) * 9 // 8 if self._blosc else 0

    @property
    def kept_nbytes(self) -> int:
        """Bytes that a thread keeps of blocks, besides the parts."""
        return (MOST_BLOCKS + 2) * self.blocksize

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
        return PartsScratch(self._chain.new_chunk, self.encoded_nbytes)

    def new_chunk(self, coords: Coords | None = None) -> NDArray[Any]:
        shape = self.chunk_shape if coords is None else self.grid.stored_shape(coords)
        try:
            # Shorter parts lie in the memory of a long one, so that each can take the place of any other.
            return np.empty(self.chunk_shape, self.dtype)[tuple(map(slice, shape))]
        except MemoryError as error:
            raise ChunkMemoryError(
                f"{self._url}: a part of shape {shape} of a chunk of shape {self._chain.shape} and data type "
                f"{self.dtype} takes more bytes than there is memory; if the chunks are not so large, its metadata "
                "is wrong"
            ) from error

    def as_chunk(self, spare: NDArray[Any], coords: Coords) -> NDArray[Any] | None:
        assert spare.base is not None
        part: NDArray[Any] = spare.base[tuple(map(slice, self.grid.stored_shape(coords)))]
        return part

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
            return read_plain(self._files, name, self._chain.nbytes, low, out)
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
            return self._fill(name, index, [(HEAD + low, HEAD + low + len(out))], [out.data])
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
            scratch.give_back(known[1])
        encoded = index.encoded(index.alone(first, stop), stop)
        room = scratch.room(encoded.nbytes)
        filled = self._fill(name, index, *encoded.ranges(room))
        while filled and len(out):
            done = self._decode_some(name, index, encoded, room, low, out, scratch)
            out, low = out[done:], low + done
        return filled

    def _decode_some(
        self,
        name: str,
        index: BloscIndex,
        encoded: EncodedBlocks,
        room: memoryview,
        low: int,
        out: NDArray[np.uint8],
        scratch: PartsScratch,
    ) -> int:
        """Fill the beginning of `out`: with the whole blocks that come first, where they go, or with a part of one."""
        size, high = index.blocksize, low + len(out)
        block = low // size
        whole = high if high == index.nbytes else high // size * size
        if low == block * size < whole and index.alone(block, -(-whole // size)) == block:
            encoded.decode(block, -(-whole // size), room, out[: whole - low])
            return whole - low
        first = index.alone(block, block + 1)
        memory = scratch.memory(index.decoded(first, block + 1))
        encoded.decode(first, block + 1, room, memory)
        values = memory[low - first * size :][: len(out)]
        out[: len(values)] = values
        if low + len(values) < min((block + 1) * size, index.nbytes):
            scratch.keep(name, block, index, memory[(block - first) * size :])
        else:
            scratch.give_back(memory)
        return len(values)

    def _fill(
        self, name: str, index: BloscIndex, ranges: list[tuple[int, int]], rooms: list[memoryview]
    ) -> bool | None:
        """Read encoded bytes of a chunk; False where it is not stored, None where the index is no longer its."""
        # Read last, the index tells that the chunk is the same still; what lies before, that it ends where it should.
        head, beyond = memoryview(bytearray(len(index.head))), memoryview(bytearray(1))
        asked = [*ranges, (index.cbytes, index.cbytes + 1), (0, len(head))]
        found = self._files.read_ranges_into(name, asked, [*rooms, beyond, head])
        if found is None:
            return False
        if found[-1] != len(head) or head != index.head:
            return None
        if found[-2]:
            raise ChunkDecodeError(f"there are more than the {index.cbytes:,} bytes", codec="blosc")
        if found[:-2] != list(map(len, rooms)):
            raise ChunkDecodeError("the blosc buffer ends before it should", codec="blosc")
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
