"""`gzip`: RFC 1952, every stream ends in a checksum of its own.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/gzip/index.html
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .protocol import Buffer, BytesBytesCodec, EncodedSize, check_configuration, flat_bytes, inflate, joined

__all__ = ["GzipCodec"]

GZIP = 16 + zlib.MAX_WBITS  # zlib's way to ask for gzip's header and trailer


@dataclass(frozen=True, kw_only=True)
class GzipCodec(BytesBytesCodec):
    """Compress with gzip.

    >>> GzipCodec(level=1).to_config()
    {'name': 'gzip', 'configuration': {'level': 1}}
    """

    name = "gzip"
    in_place = True

    level: int = 5
    """0 (none) to 9 (smallest)."""

    def __post_init__(self) -> None:
        if type(self.level) is not int or not 0 <= self.level <= 9:
            raise MetadataValidationError(f'codec "gzip": level is {self.level!r}; it is 0 to 9')

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"level": ...}`."""
        check_configuration(cls.name, configuration, ["level"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """`{"level": ...}`."""
        return {"level": self.level}

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """Mostly less than was given."""
        return size.compressed()

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One gzip stream; zlib writes no time into it, so equal chunks are equal files."""
        return [zlib.compress(joined(buffers), self.level, GZIP)]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes of all streams in the buffer."""
        return inflate(self.name, lambda: zlib.decompressobj(GZIP), buffer, size)

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode piece by piece: zlib gives no way to decode into the caller's memory."""
        size = EncodedSize(out.nbytes, out.nbytes)
        decoded = inflate(self.name, lambda: zlib.decompressobj(GZIP), buffer, size, flat_bytes(out))
        if len(decoded) != out.nbytes:
            raise ChunkDecodeError(
                f"gzip gave {len(decoded):,} bytes, the chunk has {out.nbytes:,}", codec="gzip"
            )
