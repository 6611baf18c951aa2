"""`blosc`: a byte or bit shuffle and a fast compressor, block by block.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/blosc/index.html
Its header (16 bytes, c-blosc's README_CHUNK_FORMAT) is checked before the library sees it: the library
believes it, past the end of the buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .blosc_decoder import decode_into
from .blosc_encoder import compress_large
from .protocol import Buffer, BytesBytesCodec, ChunkSpec, EncodedSize, check_configuration, joined

__all__ = ["BloscCodec"]

CNAMES = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
MEMBERS = ("typesize", "cname", "clevel", "shuffle", "blocksize")
LARGEST = 2**31 - 1 - blosc.MAX_OVERHEAD  # sizes in the header are signed 32-bit numbers

_header = struct.Struct("<4x3I").unpack_from
LARGE = 256 * 1024  # bytes from which a copy costs more than a call by ctypes
_compress = blosc.compress


@dataclass(frozen=True, kw_only=True)
class BloscCodec(BytesBytesCodec):
    """Compress with Blosc; `typesize` and `shuffle` follow from the elements where they are not given.

    >>> BloscCodec(cname="lz4", typesize=4).to_config()["configuration"]["shuffle"]
    'shuffle'
    """

    name = "blosc"
    in_place = True
    encodes_once = compress_large is not None

    typesize: int | None = None
    """Bytes of an element."""
    cname: Literal["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"] = "zstd"
    """The compressor."""
    clevel: int = 5
    """0 (none) to 9 (smallest)."""
    shuffle: Literal["noshuffle", "shuffle", "bitshuffle"] | None = None
    """The shuffle; None: by bytes, for elements of one byte by bits."""
    blocksize: int = 0
    """Bytes of a block; 0: Blosc chooses."""

    def __post_init__(self) -> None:
        self._require("cname", self.cname in CNAMES, f"one of {', '.join(CNAMES)}")
        self._require(
            "shuffle", self.shuffle is None or self.shuffle in SHUFFLES, f"one of {', '.join(SHUFFLES)}"
        )
        self._require("clevel", _is_int(self.clevel) and 0 <= self.clevel <= 9, "0 to 9")
        self._require(
            "blocksize", _is_int(self.blocksize) and 0 <= self.blocksize < 2**31, "0 or a number of bytes"
        )
        typesize = self.typesize
        self._require("typesize", typesize is None or (_is_int(typesize) and typesize > 0), "at least 1")
        # The library's own threads would fight with ours, which are over chunks. Said here, not when
        # this module is imported: that alone must not change what other users of numcodecs see.
        blosc.use_threads = False

    def _require(self, member: str, holds: bool, wanted: str) -> None:
        if not holds:
            value = getattr(self, member)
            raise MetadataValidationError(f'codec "blosc": {member} is {value!r}; it is {wanted}')

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration."""
        check_configuration(cls.name, configuration, MEMBERS)
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """All five members, in the specification's order."""
        typesize = self.typesize or 1
        shuffle = self.shuffle or ("bitshuffle" if typesize == 1 else "shuffle")
        return {
            "typesize": typesize,
            "cname": self.cname,
            "clevel": self.clevel,
            "shuffle": shuffle,
            "blocksize": self.blocksize,
        }

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec with the elements' size and the shuffle that suits it."""
        if chunk.nbytes > LARGEST:
            raise MetadataValidationError(
                f'codec "blosc" takes at most {LARGEST:,} bytes, chunks {chunk.shape} of {chunk.dtype} '
                f'have {chunk.nbytes:,}; make them smaller, or compressors="zstd"'
            )
        sized = self if self.typesize is not None else replace(self, typesize=chunk.dtype.itemsize)
        return replace(sized, shuffle=sized.configuration()["shuffle"])

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """At most the header more than was given, by this encoder; others' are allowed some slack."""
        return size.compressed()

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One compressed buffer."""
        shuffle = SHUFFLES.index(self.shuffle or "shuffle")
        cname = self.cname.encode()
        data = joined(buffers)
        large = memoryview(data).nbytes >= LARGE
        compress = compress_large if large and compress_large is not None else _compress
        return [compress(data, cname, self.clevel, shuffle, self.blocksize, self.typesize or 1)]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes, if the header promises a size that is allowed."""
        nbytes = size.exact
        if nbytes is None and len(buffer) >= 16:
            nbytes = min(_header(buffer)[0], size.limit)
        out = np.empty(nbytes or 0, np.uint8)
        self.decode_into(buffer, out)
        return out.data

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode into `out`, once the header says exactly its size and the buffer's."""
        if len(buffer) < 16:
            raise ChunkDecodeError(f"{len(buffer)} bytes are no blosc header", codec="blosc")
        nbytes, blocksize, cbytes = _header(buffer)
        if nbytes != out.nbytes or cbytes != len(buffer) or blocksize > nbytes:
            raise ChunkDecodeError(
                f"the blosc header has {cbytes:,} bytes decode to {nbytes:,}, in blocks of {blocksize:,}; "
                f"there are {len(buffer):,}, and the chunk has {out.nbytes:,}",
                codec="blosc",
            )
        decode_into(buffer, out)

    def decoded_size(self, buffer: Buffer) -> int | None:
        """What the header says."""
        return _header(buffer)[0] if len(buffer) >= 16 else None


def _is_int(value: object) -> bool:
    return type(value) is int
