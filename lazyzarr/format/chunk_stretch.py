"""Stretches of chunks that are stored as they lie in memory: any range of their bytes, read where it goes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ChunkDecodeError
from .chunk import ChunkReader
from .chunk_source import FileSource, Scratch
from .pieces import Coords
from .stores.protocol import ChunkFiles

__all__ = ["StretchReader", "read_plain"]


def read_plain(files: ChunkFiles, name: str, nbytes: int, low: int, out: NDArray[np.uint8]) -> bool:
    """Fill `out` with the bytes from `low` on of a chunk of so many; False where it is not stored."""
    ends = memoryview(bytearray(2))
    asked = [(low, low + len(out)), (nbytes - 1, nbytes + 1)]
    found = files.read_ranges_into(name, asked, [out.data, ends])
    if found is None:
        return False
    if found != [len(out), 1]:
        raise ChunkDecodeError(f"the chunk is not the {nbytes:,} bytes that it should be", codec="bytes")
    return True


class StretchReader(ChunkReader):
    """Reads ranges of the bytes of chunks that are files of their own, and that no codec changes."""

    def __init__(self, of: ChunkReader) -> None:
        vars(self).update(vars(of))
        assert isinstance(of.source, FileSource)
        assert of.chain.is_plain
        self._key_of = of.source.key

    def new_scratch(self) -> Scratch:
        """What one thread keeps: no room for chunks, as what is read goes where it is wanted."""
        return Scratch(self._chain.new_chunk)

    def read_stretch(self, coords: Coords, low: int, out: NDArray[np.uint8], scratch: Scratch) -> None:
        """Fill `out` with the bytes of a chunk from `low` on; raises what `read_into` does."""
        try:
            stored = read_plain(self._files, self._key_of(coords), self.nbytes, low, out)
        except ChunkDecodeError as error:
            self._locate(error, coords)
        if not stored:
            scratch.empties += 1
            self._missing(coords, out, scratch)
