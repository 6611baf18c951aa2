"""`crc32c`: a checksum of four bytes after the data.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/crc32c/index.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError
from .protocol import Buffer, BytesBytesCodec, EncodedSize, check_configuration, flat_bytes

__all__ = ["Crc32cCodec"]

_crc32c = google_crc32c.value
_extend = google_crc32c.extend


@dataclass(frozen=True, kw_only=True)
class Crc32cCodec(BytesBytesCodec):
    """Append a checksum, and refuse bytes that do not have it.

    >>> Crc32cCodec().encode([b"123456789"])[-1].hex()
    '839206e3'
    """

    name = "crc32c"
    in_place = True
    cuts = True
    checked: ClassVar[bool] = True

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec; it has nothing to configure."""
        check_configuration(cls.name, configuration, [])
        return cls()

    def configuration(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def trusting(self) -> Self:
        """The same codec, that believes the bytes against their checksum."""
        return UncheckedCrc32cCodec()  # type: ignore[return-value]

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """Four bytes more."""
        return size.plus(4)

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """The same pieces and one of four bytes."""
        crc = 0
        for piece in buffers:
            crc = _extend(crc, piece if isinstance(piece, bytes) else np.frombuffer(piece, np.uint8))
        return [*buffers, crc.to_bytes(4, "little")]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The bytes without their checksum, not copied."""
        n = len(buffer)
        if n < 4:
            raise ChunkDecodeError(f"{n} bytes cannot hold a checksum", codec="crc32c")
        data = memoryview(buffer)[:-4]
        if not self.checked:
            return data
        # google_crc32c takes no memory that could be written to, unless it comes as an array.
        if _crc32c(np.frombuffer(data, np.uint8)) != int.from_bytes(buffer[-4:], "little"):
            raise ChunkDecodeError(f"crc32c checksum mismatch in {n:,} bytes", codec="crc32c")
        return data

    def decoded_size(self, buffer: Buffer) -> int | None:
        """Without the checksum."""
        return max(len(buffer) - 4, 0)

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Check and copy."""
        data = self.decode(buffer, EncodedSize(out.nbytes, out.nbytes))
        if len(data) != out.nbytes:
            raise ChunkDecodeError(f"{len(data):,} bytes, the chunk has {out.nbytes:,}", codec="crc32c")
        flat_bytes(out)[:] = np.frombuffer(data, np.uint8)


class UncheckedCrc32cCodec(Crc32cCodec):
    """The codec where `array.verify_checksums` is off: writers of old left wrong sums."""

    checked = False
