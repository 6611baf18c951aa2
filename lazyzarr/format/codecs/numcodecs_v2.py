"""Zarr v2's filters and compressors: numcodecs' configurations, `{"id": ...}`.

blosc, zstd and gzip become this package's codecs. The others run in numcodecs, except that nothing which
decompresses may allocate more than the chunk can need, and that pickle, which runs code, is refused.
"""

from __future__ import annotations

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Self

import numcodecs
import numpy as np
from numcodecs.errors import UnknownCodecError as NumcodecsUnknownCodecError
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError, PickleCodecDisabledError, UnknownCodecError
from .blosc import SHUFFLES, BloscCodec
from .gzip import GzipCodec
from .objects_v2 import ObjectSerializer
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    BytesBytesCodec,
    ChainBuilder,
    ChunkSpec,
    EncodedSize,
    check_configuration,
    flat_bytes,
    inflate,
    joined,
)
from .zstd import ZstdCodec

__all__ = ["Numcodec", "V2Filters", "v2_codec"]

LZMA_MEMORY = 128 * 1024 * 1024  # the strongest preset takes 65 MiB; a header can ask for 4 GiB


def v2_codec(configuration: Mapping[str, Any]) -> BytesBytesCodec:
    """The codec that a v2 document's `{"id": ...}` means.

    Raises UnknownCodecError, MetadataValidationError for a wrong configuration, PickleCodecDisabledError.

    >>> v2_codec({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}).name
    'blosc'
    """
    members = {key: _number(value) for key, value in configuration.items()}
    name = members.pop("id", None)
    if not isinstance(name, str):
        raise MetadataValidationError(
            f'{dict(configuration)} is no v2 codec, such as {{"id": "zlib", "level": 1}}'
        )
    if name in _OWN:
        return _OWN[name](members)
    return Numcodec(name, members)


def _number(value: Any) -> Any:
    """netCDF-C writes numbers as strings."""
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]+", value) else value


def _blosc(members: Mapping[str, Any]) -> BloscCodec:
    # Its typesize is the elements', whatever the document says; other writers leave it out.
    shuffle = members.get("shuffle", 1)
    if shuffle not in (-1, 0, 1, 2):
        raise MetadataValidationError(f'codec "blosc": shuffle is {shuffle!r}; it is -1, 0, 1 or 2')
    kept = {key: members[key] for key in ("cname", "clevel", "blocksize") if key in members}
    named = None if shuffle == -1 else SHUFFLES[shuffle]
    return BloscCodec.from_config({"cname": "lz4", **kept, "shuffle": named})


def _zstd(members: Mapping[str, Any]) -> ZstdCodec:
    # A checksum belongs to the frame, so it can be written where the document says nothing of it; and
    # it says nothing in ours: tensorstore refuses the member.
    return ZstdCodec(level=members.get("level", 0), checksum=members.get("checksum", True))


def _gzip(members: Mapping[str, Any]) -> GzipCodec:
    return GzipCodec(level=members.get("level", 1))


_OWN: dict[str, Callable[[Mapping[str, Any]], BytesBytesCodec]] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "gzip": _gzip,
}


class Numcodec(BytesBytesCodec):
    """A codec of numcodecs; as a filter it may be handed elements instead of bytes."""

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        if name == "pickle":
            raise PickleCodecDisabledError(
                "this array is stored with pickle, and unpickling runs whatever code the file holds; "
                "convert the array with the program that wrote it"
            )
        self.name = name
        self._members = dict(members)
        try:
            self._codec = numcodecs.get_codec({"id": name, **members})
        except NumcodecsUnknownCodecError as error:
            raise UnknownCodecError(f"codec {name!r} is not known here, nor to numcodecs") from error
        except (TypeError, ValueError) as error:
            raise MetadataValidationError(f"codec {name!r} with {dict(members)}: {error}") from error
        self._streams = _STREAMS.get(name)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"id": ...}`."""
        members = dict(configuration)
        return cls(members.pop("id"), members)

    def configuration(self) -> dict[str, Any]:
        """`{"id": ...}` and its members."""
        return {"id": self.name, **self._members}

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """Unknown, but not many times more."""
        return size.compressed()

    def encode_array(self, array: Any) -> Any:
        """What numcodecs makes of an array or buffer: again one of them."""
        return self._codec.encode(array)

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One buffer."""
        return [_as_buffer(self._codec.encode(joined(buffers)))]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes."""
        if self._streams is not None:
            return inflate(self.name, self._streams(self._codec), buffer, size)
        if self.name == "lz4":
            _check_lz4(buffer, size)
        return _as_buffer(self._codec.decode(buffer))

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode and copy."""
        decoded = self.decode(buffer, EncodedSize(out.nbytes, out.nbytes))
        if len(decoded) != out.nbytes:
            raise ChunkDecodeError(
                f"{self.name} gave {len(decoded):,} bytes, the chunk has {out.nbytes:,}", codec=self.name
            )
        flat_bytes(out)[:] = np.frombuffer(decoded, np.uint8)


def _lzma(codec: Any) -> Callable[[], Any]:
    if codec.format == lzma.FORMAT_RAW:
        return lambda: lzma.LZMADecompressor(codec.format, None, codec.filters)
    return lambda: lzma.LZMADecompressor(codec.format, LZMA_MEMORY)


# What may be decompressed bit by bit, so that a stream that goes on and on is noticed.
_STREAMS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "zlib": lambda codec: zlib.decompressobj,
    "bz2": lambda codec: bz2.BZ2Decompressor,
    "lzma": _lzma,
}


def _check_lz4(buffer: Buffer, size: EncodedSize) -> None:
    """numcodecs' LZ4 believes the length before the block."""
    promised = int.from_bytes(memoryview(buffer)[:4], "little", signed=True)
    if len(buffer) < 5 or promised < 0 or promised > size.limit or size.exact not in (None, promised):
        raise ChunkDecodeError(
            f"the lz4 header says {promised:,} bytes, where {size.limit:,} can be", codec="lz4"
        )


def _as_buffer(encoded: Any) -> Buffer:
    """What a numcodecs codec gave, as bytes or a view of them."""
    if isinstance(encoded, bytes):
        return encoded
    return flat_bytes(np.ascontiguousarray(encoded)).data


class V2Filters(ArrayBytesCodec):
    """A v2 document's filters, one after the other, from the elements to bytes."""

    name = "v2.filters"

    def __init__(
        self, filters: list[Mapping[str, Any]], endian: str = "little", allow_pickle: bool = False
    ) -> None:
        self._documents = [dict(document) for document in filters]
        self.endian = endian
        self._unpickled = 1 if allow_pickle else 0  # the first filter, which the caller vouches for
        self.filters = [v2_codec(document) for document in filters[self._unpickled :]]

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"filters": [...], "endian": "little" or "big"}`."""
        check_configuration(cls.name, configuration, ["filters", "endian", "allow_pickle"], ["filters"])
        return cls(
            configuration["filters"],
            configuration.get("endian") or "little",
            bool(configuration.get("allow_pickle")),
        )

    def configuration(self) -> dict[str, Any]:
        """`{"filters": [...], "endian": ...}`."""
        return {"filters": self._documents, "endian": self.endian}

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> FilterSerializer | ObjectSerializer:
        """The filters for one kind of chunk."""
        if chunk.dtype.hasobject:
            rest = self.filters[1 - self._unpickled :]
            return ObjectSerializer(self, self._documents[0], rest, chunk)
        native = self.endian == sys.byteorder
        return FilterSerializer(self, chunk, chunk.dtype if native else chunk.dtype.newbyteorder("S"))


class FilterSerializer:
    """Filters bound to one chunk shape and dtype."""

    memory = None

    def __init__(self, codec: V2Filters, chunk: ChunkSpec, stored: np.dtype[Any]) -> None:
        self.codec = codec
        self._chunk = chunk
        self._stored = stored
        # Filters may widen (astype), pack or wrap what they are given, each by a small factor.
        self.size = EncodedSize(chunk.nbytes, 16 * chunk.nbytes)
        for _ in codec.filters:
            self.size = self.size.compressed()

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer."""
        encoded: Any = np.ascontiguousarray(array, self._stored).reshape(-1)
        for step in self.codec.filters:
            if isinstance(step, Numcodec):
                encoded = step.encode_array(encoded)
            else:
                encoded = step.encode([_as_buffer(encoded)])[0]
        return [_as_buffer(encoded)]

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Run the filters back."""
        for step in reversed(self.codec.filters):
            buffer = step.decode(buffer, EncodedSize(None, self.size.limit))
        if len(buffer) != self._chunk.nbytes:
            raise ChunkDecodeError(
                f"the filters gave {len(buffer):,} bytes, the chunk has {self._chunk.nbytes:,}",
                codec=self.codec.filters[0].name if self.codec.filters else self.codec.name,
            )
        out[...] = np.frombuffer(buffer, self._stored).reshape(self._chunk.shape)
