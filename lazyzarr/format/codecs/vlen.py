"""`vlen-utf8` and `vlen-bytes`: elements of any length, each after its own; v2's filters of those names, too.

Specification: zarr-extensions, codecs vlen-utf8 and vlen-bytes: the number of elements, and for each the
number of its bytes and the bytes, numbers as uint32, little-endian, elements in C order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numcodecs.vlen import VLenBytes, VLenUTF8
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    ChainBuilder,
    ChunkSpec,
    Codec,
    EncodedSize,
    check_configuration,
)

__all__ = ["ANY_LENGTH", "VLenBytesCodec", "VLenUTF8Codec", "decode_items", "encode_items"]

# The metadata does not say how long elements are. No compressor that stores them takes more than this.
ANY_LENGTH = EncodedSize(None, 2**31 - 1)

_CODERS = {"vlen-utf8": VLenUTF8(), "vlen-bytes": VLenBytes()}


def encode_items(name: str, array: NDArray[Any]) -> Buffer:
    """The bytes of an array of strings ("vlen-utf8") or bytes ("vlen-bytes"), in C order.

    Raises ChunkEncodeError where they are too many for one chunk.

    >>> bytes(encode_items("vlen-bytes", np.array([b"ab", b""], object)))
    b'\\x02\\x00\\x00\\x00\\x02\\x00\\x00\\x00ab\\x00\\x00\\x00\\x00'
    """
    # a copy: numcodecs wants memory that it might write to
    encoded: Buffer = _CODERS[name].encode(np.array(array, object, order="C").reshape(-1))
    if len(encoded) > ANY_LENGTH.limit:
        raise ChunkEncodeError(
            f"the chunk's elements take {len(encoded):,} bytes, one chunk has at most {ANY_LENGTH.limit:,}; "
            "make the chunks smaller",
            codec=name,
        )
    return encoded


def decode_items(name: str, buffer: Buffer, count: int) -> NDArray[Any]:
    """So many strings or bytes, as a flat array of Python objects.

    Raises ChunkDecodeError, ValueError for lengths that are not the buffer's.
    """
    told = int.from_bytes(memoryview(buffer)[:4], "little")
    if len(buffer) < 4 or told != count:
        raise ChunkDecodeError(f"{name}: {told:,} elements are stored, the chunk has {count:,}", codec=name)
    decoded: NDArray[Any] = _CODERS[name].decode(buffer)
    return decoded


@dataclass(frozen=True)
class VLenUTF8Codec(ArrayBytesCodec):
    """Store text of any length.

    >>> VLenUTF8Codec().to_config()
    {'name': 'vlen-utf8'}
    """

    name = "vlen-utf8"
    kind = "T"

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec, which has no configuration."""
        check_configuration(cls.name, configuration, [])
        return cls()

    def configuration(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> ItemsSerializer:
        """The codec for one kind of chunk. Raises MetadataValidationError for elements of another kind."""
        if chunk.dtype.kind != self.kind:
            raise MetadataValidationError(
                f"codec {self.name!r} stores {'strings' if self.kind == 'T' else 'bytes'} of any length, "
                f"not {chunk.dtype}"
            )
        return ItemsSerializer(self, chunk)


@dataclass(frozen=True)
class VLenBytesCodec(VLenUTF8Codec):
    """Store bytes of any length.

    >>> VLenBytesCodec().to_config()
    {'name': 'vlen-bytes'}
    """

    name = "vlen-bytes"
    kind = "O"


class ItemsSerializer:
    """Elements of any length in chunks of one shape."""

    memory = None
    size = ANY_LENGTH

    def __init__(self, codec: Codec, chunk: ChunkSpec) -> None:
        self.codec = codec
        self._shape = chunk.shape
        self._count = math.prod(chunk.shape)

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Fill `out` with Python's or NumPy's strings."""
        out[...] = decode_items(self.codec.name, buffer, self._count).reshape(self._shape)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer."""
        return [encode_items(self.codec.name, array)]
