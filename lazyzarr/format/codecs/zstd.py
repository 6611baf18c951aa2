"""`zstd`: Zstandard, with a checksum of the content if asked for.

Specification: the registry's zstd codec; frames are RFC 8878. The library allocates and fills what a
frame's header promises, so the promise is compared with the chunk's size first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .protocol import Buffer, BytesBytesCodec, EncodedSize, check_configuration, joined
from .zstd_decoder import decode_into
from .zstd_encoder import compress_large
from .zstd_library import compress

__all__ = ["ZstdCodec", "content_size"]

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f
BLOCK = 128 * 1024  # bytes that a compressed block gives at most
LEVELS = (-131072, 22)


@dataclass(frozen=True, kw_only=True)
class ZstdCodec(BytesBytesCodec):
    """Compress with Zstandard.

    >>> ZstdCodec(level=3, checksum=True).to_config()
    {'name': 'zstd', 'configuration': {'level': 3, 'checksum': True}}
    """

    name = "zstd"
    in_place = True
    encodes_once = compress_large is not None

    level: int = 0
    """-131072 (fastest) to 22 (smallest); 0: the library's default."""
    checksum: bool = False
    """Whether a checksum of the decoded bytes is stored; reading always checks one that is there."""

    def __post_init__(self) -> None:
        if type(self.level) is not int or not LEVELS[0] <= self.level <= LEVELS[1]:
            raise MetadataValidationError(
                f'codec "zstd": level {self.level!r} is not within {LEVELS[0]} and {LEVELS[1]}'
            )
        if type(self.checksum) is not bool:
            raise MetadataValidationError(f'codec "zstd": checksum is {self.checksum!r}; it is true or false')

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"level": ..., "checksum": ...}`."""
        check_configuration(cls.name, configuration, ["level", "checksum"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """`{"level": ..., "checksum": ...}`."""
        return {"level": self.level, "checksum": self.checksum}

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """Mostly less than was given."""
        return size.compressed()

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One frame."""
        return [compress(joined(buffers), self.level, self.checksum)]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes, if the frames' headers promise a size that is allowed."""
        nbytes = size.exact
        if nbytes is None:
            nbytes = content_size(buffer)
            if nbytes is None:
                return _unsized(buffer, size)
        if nbytes > size.limit:
            raise _too_large(nbytes, size)
        out = np.empty(nbytes, np.uint8)
        self.decode_into(buffer, out)
        return out.data

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode into `out`, unless the frames' headers promise another size."""
        nbytes, view = out.nbytes, memoryview(buffer)
        if view[:4] != MAGIC or _frame_header(view, 0)[1] != nbytes:  # not the common case of one frame
            promised = content_size(view)
            if promised is not None and promised != nbytes:
                raise ChunkDecodeError(
                    f"the zstd header says {promised:,} bytes, the chunk has {nbytes:,}", codec="zstd"
                )
        # A frame of unknown size has to fill `out` exactly, or the library fails.
        decode_into(buffer, out)

    def decoded_size(self, buffer: Buffer) -> int | None:
        """What the frames' headers say."""
        return content_size(buffer)


def _unsized(buffer: Buffer, size: EncodedSize) -> Buffer:
    """The decoded bytes of frames that do not say their size; their blocks do, but for less than one."""
    most = _most(memoryview(buffer))
    if most > size.limit + BLOCK:
        raise _too_large(most, size)
    decoded: bytes = zstd.decompress(buffer)
    if len(decoded) > size.limit:
        raise _too_large(len(decoded), size)
    return decoded


def _too_large(nbytes: int, size: EncodedSize) -> ChunkDecodeError:
    return ChunkDecodeError(
        f"zstd frames of {nbytes:,} bytes, where at most {size.limit:,} can be", codec="zstd"
    )


def content_size(buffer: Buffer) -> int | None:
    """The decoded bytes that all frames' headers promise together; None if one does not say.

    >>> content_size(compress(b"abc", 3, False) * 2)
    6
    """
    view, at, total = memoryview(buffer), 0, 0
    while at < len(view):
        at, size = _frame(view, at)
        if size is None:
            return None
        total += size
    return total


def _most(view: memoryview) -> int:
    """The most bytes that all frames' blocks can decode to."""
    at = total = 0
    while at < len(view):
        at, _, most = _walked(view, at)
        total += most
    return total


def _frame(view: memoryview, at: int) -> tuple[int, int | None]:
    """Where the frame that begins at `at` ends, and its content size."""
    return _walked(view, at)[:2]


def _walked(view: memoryview, at: int) -> tuple[int, int | None, int]:
    """Where the frame that begins at `at` ends, its content size, and the most that its blocks can give."""
    if bytes(view[at + 1 : at + 4]) == SKIPPABLE and view[at] >> 4 == 5:  # skippable: holds no content
        return at + 8 + int.from_bytes(view[at + 4 : at + 8], "little"), 0, 0
    at, size, trailer = _frame_header(view, at)
    last = most = 0
    while not last:
        header = int.from_bytes(_taken(view, at, 3), "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else length)  # kind 1: one byte, repeated `length` times
        most += BLOCK if kind == 2 else length
    return at + trailer, size, most


def _frame_header(view: memoryview, at: int) -> tuple[int, int | None, int]:
    """Where the first block of a frame begins, the frame's content size, and its checksum's bytes."""
    if view[at : at + 4] != MAGIC:
        raise _not_zstd(view)
    flags = _taken(view, at + 4, 1)[0]
    single, kind = flags >> 5 & 1, flags >> 6
    at += 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
    width = (single, 2, 4, 8)[kind]
    size = int.from_bytes(_taken(view, at, width), "little") + (256 if kind == 1 else 0) if width else None
    return at + width, size, 4 * (flags >> 2 & 1)


def _taken(view: memoryview, at: int, length: int) -> memoryview:
    """A slice that has to be there in full."""
    part = view[at : at + length]
    if len(part) < length:
        raise _not_zstd(view)
    return part


def _not_zstd(view: memoryview) -> ChunkDecodeError:
    return ChunkDecodeError(f"{len(view):,} bytes are no zstd frames, or not all of them", codec="zstd")
