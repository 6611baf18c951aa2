"""`bytes`: an array's memory in C order, little or big endian.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/bytes/index.html
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    ChainBuilder,
    ChunkSpec,
    EncodedSize,
    check_configuration,
    flat_bytes,
)

__all__ = ["BytesCodec", "MemorySerializer", "has_byte_order"]


def has_byte_order(dtype: np.dtype[Any]) -> bool:
    """Whether elements of a dtype have a byte order.

    >>> has_byte_order(np.dtype("f4")), has_byte_order(np.dtype("S5")), has_byte_order(np.dtype("?"))
    (True, False, False)
    """
    if dtype.hasobject or (dtype.itemsize == 1 and dtype.names is None):  # NumPy differs on ml_dtypes'
        return False
    return dtype.newbyteorder("S") != dtype


def has_buffer(dtype: np.dtype[Any]) -> bool:
    """Whether Python's buffers can hold a dtype, or numcodecs knows how to make them; not so ml_dtypes'.

    >>> has_buffer(np.dtype("f4")), has_buffer(np.dtype("M8[s]"))
    (True, True)
    """
    if dtype.kind in "mM":
        return True
    try:
        _ = np.empty(0, dtype).data
    except (ValueError, TypeError, BufferError):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class BytesCodec(ArrayBytesCodec):
    """Store the elements as they lie in memory.

    >>> BytesCodec(endian="big").to_config()
    {'name': 'bytes', 'configuration': {'endian': 'big'}}
    """

    name = "bytes"

    endian: Literal["little", "big"] | None = "little"
    """Byte order of an element; None only for elements that have none."""

    def __post_init__(self) -> None:
        if self.endian not in ("little", "big", None):
            raise MetadataValidationError(
                f'codec "bytes": endian is {self.endian!r}; it is "little" or "big"'
            )

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration that may omit `endian`."""
        check_configuration(cls.name, configuration, ["endian"])
        return cls(endian=configuration.get("endian"))

    def configuration(self) -> dict[str, Any]:
        """`{"endian": ...}`, or nothing for elements without a byte order."""
        return {} if self.endian is None else {"endian": self.endian}

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec without `endian` where the elements have none."""
        return self if has_byte_order(chunk.dtype) else replace(self, endian=None)

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> MemorySerializer | CopySerializer:
        """The codec for one kind of chunk; elements of several bytes need `endian`."""
        if chunk.dtype.hasobject:
            raise MetadataValidationError(
                f'codec "bytes" stores elements of one length, not {chunk.dtype}; "vlen-utf8" and "vlen-bytes" do'
            )
        if self.endian is None and chunk.dtype.names:  # as `structured` was written first, always little
            return replace(self, endian="little").bind(chunk, build)
        if self.endian is None and has_byte_order(chunk.dtype):
            raise MetadataValidationError(f'codec "bytes" lacks endian, which {chunk.dtype} elements need')
        native = self.endian in (None, sys.byteorder)
        if not has_buffer(chunk.dtype):
            return CopySerializer(self.resolve(chunk), chunk, native)
        return MemorySerializer(
            self.resolve(chunk), chunk, chunk.dtype if native else chunk.dtype.newbyteorder("S")
        )


class MemorySerializer:
    """Elements of one dtype in C order and nothing else."""

    def __init__(self, codec: BytesCodec, chunk: ChunkSpec, memory: np.dtype[Any]) -> None:
        self.codec = codec
        self.shape = chunk.shape
        self.memory = memory
        self.size = EncodedSize(chunk.nbytes, chunk.nbytes)

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Copy the stored elements into `out`, in native byte order."""
        stored = np.frombuffer(buffer, np.uint8)
        if stored.size != self.size.exact:
            raise ChunkDecodeError(f"{stored.size:,} bytes, the chunk has {self.size.exact:,}", codec="bytes")
        out[...] = stored.view(self.memory).reshape(self.shape)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The elements' memory: the array's own where it has that layout."""
        return [flat_bytes(np.ascontiguousarray(array, self.memory)).data]


class CopySerializer:
    """The same for dtypes whose memory cannot be handed to a decompressor."""

    memory = None

    def __init__(self, codec: BytesCodec, chunk: ChunkSpec, native: bool) -> None:
        self.codec = codec
        self.size = EncodedSize(chunk.nbytes, chunk.nbytes)
        self._chunk = chunk
        self._native = native

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Copy the stored elements into `out`, in native byte order."""
        stored = np.frombuffer(buffer, np.uint8)
        if stored.size != self.size.exact:
            raise ChunkDecodeError(f"{stored.size:,} bytes, the chunk has {self.size.exact:,}", codec="bytes")
        if not self._native:
            stored = self._swapped(stored)
        out[...] = stored.view(self._chunk.dtype).reshape(self._chunk.shape)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The elements' memory."""
        elements = flat_bytes(np.ascontiguousarray(array, self._chunk.dtype))
        return [(elements if self._native else self._swapped(elements)).data]

    def _swapped(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # the complex types of ml_dtypes swap the first element alone; all of them have parts of two bytes
        dtype = np.dtype("u2") if self._chunk.dtype.name.endswith("complex32") else self._chunk.dtype
        return flat_bytes(memory.view(dtype).byteswap())
