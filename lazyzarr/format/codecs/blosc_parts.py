"""Parts of what Blosc encoded: its blocks decode one by one, so a range of bytes takes those that it lies in.

A buffer is a header of 16 bytes, where each block begins, and the blocks (c-blosc's README_CHUNK_FORMAT). Some of its
blocks behind a header of their own are a buffer again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
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

    def ranges(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Where the bytes of some blocks are."""
        assert self.bounds is not None
        starts, ends = self.bounds[:, first:stop]
        if (starts[1:] == ends[:-1]).all():
            return [(int(starts[0]), int(ends[-1]))]
        return list(zip(starts.tolist(), ends.tolist(), strict=True))

    def decoded(self, first: int, stop: int) -> int:
        """How many bytes some blocks decode to."""
        return min(stop * self.blocksize, self.nbytes) - first * self.blocksize

    def decode(self, first: int, stop: int, pieces: Sequence[Buffer], out: NDArray[np.uint8]) -> None:
        """Fill `out`, exactly, with some blocks, from the bytes that `ranges` names."""
        assert self.bounds is not None
        starts, ends = self.bounds[:, first:stop]
        lengths = ends - starts
        if sum(map(len, pieces)) != lengths.sum():
            raise ChunkDecodeError("the blosc buffer ends before its last block", codec="blosc")
        places = HEAD + 4 * (stop - first) + np.cumsum(lengths) - lengths
        size = int(places[-1] + lengths[-1])
        head = _header.pack(*self.head[:4], len(out), min(self.blocksize, len(out)), size)
        try:
            decode_into(b"".join([head, places.astype("<i4").tobytes(), *pieces]), out)
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
