"""Parts of what Blosc encoded: its blocks decode one by one, so a range of bytes takes those that it lies in.

A buffer is a header of 16 bytes, where each block begins, and the blocks (c-blosc's README_CHUNK_FORMAT). Some of its
blocks behind a header of their own are a buffer again.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError
from .blosc_decoder import decode_into
from .protocol import Buffer

__all__ = ["HEAD", "BloscIndex", "blosc_index"]

HEAD = 16
"""Bytes of the header."""
_header = struct.Struct("<4B3I")
_COPIED = 2  # the flag of a buffer that holds the bytes as they were
_NEWEST = 2  # the format's version; later ones are another library's


class BloscIndex(NamedTuple):
    """Where the blocks of a buffer are."""

    head: bytes
    """The first bytes, which tell all this."""
    nbytes: int
    """Decoded bytes."""
    blocksize: int
    """Decoded bytes of a block; the last may have fewer."""
    cbytes: int
    """Encoded bytes, all in all."""
    bounds: NDArray[np.int64] | None
    """Where each block begins and ends; None where all bytes are as they were."""

    def blocks(self, low: int, high: int) -> tuple[int, int]:
        """The first block that a range of decoded bytes lies in, and the one behind the last."""
        return low // self.blocksize, -(-high // self.blocksize)

    def alone(self, first: int, stop: int) -> int:
        """The first block to be decoded for some: one that is not full is known by standing behind another."""
        return first - 1 if stop - first == 1 and first and stop * self.blocksize > self.nbytes else first

    def decoded(self, first: int, stop: int) -> int:
        """How many bytes some blocks decode to."""
        return min(stop * self.blocksize, self.nbytes) - first * self.blocksize

    def encoded(self, first: int, stop: int) -> EncodedBlocks:
        """Some blocks as they are stored."""
        assert self.bounds is not None
        starts, ends = self.bounds[:, first:stop]
        return EncodedBlocks(self, first, starts, ends - starts)


class EncodedBlocks:
    """Some blocks as they are stored, in a room: one behind the other, after what is to be their header."""

    def __init__(
        self, index: BloscIndex, first: int, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        self._index, self._first, self._starts, self._lengths = index, first, starts, lengths
        self._places = HEAD + 4 * len(lengths) + np.cumsum(lengths) - lengths
        self.nbytes = int(self._places[-1] + lengths[-1])
        """Bytes of the room that they take."""

    def ranges(self, room: memoryview) -> tuple[list[tuple[int, int]], list[memoryview]]:
        """Where their bytes are in the chunk, and where in the room each of these ranges goes."""
        starts, places, lengths = self._starts, self._places, self._lengths
        if (starts[1:] == starts[:-1] + lengths[:-1]).all():
            starts, places, lengths = starts[:1], places[:1], lengths.sum(keepdims=True)
        ranges = list(zip(starts.tolist(), (starts + lengths).tolist(), strict=True))
        return ranges, [room[p : p + n] for p, n in zip(places.tolist(), lengths.tolist(), strict=True)]

    def decode(self, first: int, stop: int, room: memoryview, out: NDArray[np.uint8]) -> None:
        """Fill `out`, exactly, with some of the blocks, from the room that was filled as `ranges` says."""
        blocksize, places = self._index.blocksize, self._places[first - self._first : stop - self._first]
        head = _header.pack(*self._index.head[:4], len(out), min(blocksize, len(out)), self.nbytes)
        room[: HEAD + 4 * len(places)] = head + places.astype("<i4").tobytes()
        try:
            decode_into(room[: self.nbytes], out)
        except RuntimeError as error:
            raise ChunkDecodeError(f"blosc: {error}", codec="blosc") from error


def blosc_index(head: Buffer, nbytes: int) -> BloscIndex | int:
    """The index of a buffer that is to decode to so many bytes, or how many of its first bytes tell it.

    Raises ChunkDecodeError where these are no index of such a buffer.
    """
    if len(head) < HEAD:
        raise ChunkDecodeError(f"{len(head)} bytes are no blosc header", codec="blosc")
    version, _, flags, _, decoded, blocksize, cbytes = _header.unpack_from(head)
    if version > _NEWEST or decoded != nbytes or not 0 < blocksize <= nbytes:
        raise ChunkDecodeError(
            f"the blosc header, version {version}, has {cbytes:,} bytes decode to {decoded:,}, in blocks of "
            f"{blocksize:,}; the chunk has {nbytes:,}",
            codec="blosc",
        )
    if flags & _COPIED:
        return BloscIndex(bytes(head[:HEAD]), nbytes, blocksize, cbytes, None)
    count = -(-nbytes // blocksize)
    told: int = HEAD + 4 * count
    if len(head) < told:
        return told
    starts = np.frombuffer(head, "<i4", count, HEAD).astype(np.int64)
    order = np.sort(starts)
    ends = np.append(order, cbytes)[np.searchsorted(order, starts, "right")]
    if (starts < told).any() or (ends <= starts).any():
        raise ChunkDecodeError("the blosc header has blocks begin where none can be", codec="blosc")
    return BloscIndex(bytes(head[:told]), nbytes, blocksize, cbytes, np.stack([starts, ends]))
