"""What a codec is: three kinds, each a description that a chain binds once to a chunk's shape and dtype.

Specification: Zarr v3 core, "Codecs". Encoding runs array -> array codecs, one array -> bytes codec, then
bytes -> bytes codecs; decoding runs back. Sizes travel forward when a chain is built, so that every decoder
knows how many bytes it may give: a stored size is checked, never believed.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from ..stores.protocol import Buffer

__all__ = [
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "AxesCodec",
    "Buffer",
    "BytesBytesCodec",
    "Chain",
    "ChainBuilder",
    "ChunkSpec",
    "Codec",
    "Each",
    "ElementsCodec",
    "EncodedSize",
    "Serializer",
    "Spare",
    "Step",
    "check_configuration",
    "flat_bytes",
    "inflate",
    "joined",
]

# A compressor may make noise longer: deflate's worst code by an eighth, others less.
SLACK = 65536
PIECE = 2**20  # bytes of a stream that are decoded at a time


@dataclass(frozen=True, slots=True, eq=False)
class ChunkSpec:
    """The chunk that a codec is handed: shape, native dtype and fill value (0-d)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: NDArray[Any]

    @property
    def nbytes(self) -> int:
        """Decoded bytes of the chunk."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


class EncodedSize(NamedTuple):
    """How many bytes an encoder gives: exactly, where that does not depend on the data, and at most."""

    exact: int | None
    limit: int

    def plus(self, nbytes: int) -> EncodedSize:
        """The size after a fixed number of bytes was added."""
        return EncodedSize(None if self.exact is None else self.exact + nbytes, self.limit + nbytes)

    def compressed(self) -> EncodedSize:
        """The size after a compressor."""
        return EncodedSize(None, self.limit + self.limit // 8 + SLACK)


class Codec(ABC):
    """A codec's description: a name of the metadata and a configuration."""

    name: str

    @classmethod
    @abstractmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a metadata document's configuration; MetadataValidationError where it is wrong."""

    @abstractmethod
    def configuration(self) -> dict[str, Any]:
        """The configuration as the metadata document holds it."""

    def to_config(self) -> dict[str, Any]:
        """The codec as the metadata document holds it, `{"name": ..., "configuration": {...}}`."""
        configuration = self.configuration()
        return {"name": self.name, "configuration": configuration} if configuration else {"name": self.name}

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec with what depends on the chunk filled in; MetadataValidationError if they do not fit."""
        return self


class ArrayArrayCodec(Codec):
    """A codec from array to array."""


class AxesCodec(ArrayArrayCodec):
    """One that only reorders axes: what is decoded into the view lands in place."""

    @abstractmethod
    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axis of the array that each axis of the encoded one is.

        Raises MetadataValidationError for a chunk of another rank.
        """


class Step(Protocol):
    """An array -> array codec bound to one chunk shape and dtype."""

    @property
    def encoded(self) -> ChunkSpec:
        """The chunk that it gives: shape, native dtype, and what the fill value becomes."""

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The encoded chunk of a C-contiguous one; it may be the same memory.

        Raises ChunkEncodeError for elements that cannot be encoded.
        """

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """Fill `out` (the chunk's shape, any strides) from the encoded chunk, C-contiguous.

        Raises ChunkDecodeError for elements that no encoder gives.
        """


class ElementsCodec(ArrayArrayCodec):
    """One that gives other elements, another dtype or another shape."""

    element_by_element: ClassVar[bool] = False
    """Whether a part of a chunk can be encoded and decoded alone, in a fraction of the memory."""

    @abstractmethod
    def bind(self, chunk: ChunkSpec) -> Step:
        """The codec for one kind of chunk.

        Raises MetadataValidationError if the codec does not fit the chunk, or cannot encode its fill value.
        """


class Serializer(Protocol):
    """An array -> bytes codec bound to one chunk shape and dtype."""

    @property
    def codec(self) -> Codec:
        """The codec with everything filled in that depends on the chunk."""

    @property
    def size(self) -> EncodedSize:
        """How many bytes a chunk gives."""

    @property
    def memory(self) -> np.dtype[Any] | None:
        """The stored dtype, if the bytes are a C-ordered array's memory and nothing else; else None."""

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Fill `out` (the encoded chunk's shape, any strides) from its encoded bytes."""

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The encoded bytes of `array` (any strides), in pieces to be written one after the other."""


class Spare:
    """A chunk's memory to decode by, where the caller's has another order; made when it is first needed."""

    __slots__ = ("_chunk", "_make")

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make
        self._chunk: NDArray[Any] | None = None

    @property
    def made(self) -> bool:
        """Whether there is memory for a chunk already."""
        return self._chunk is not None

    @property
    def chunk(self) -> NDArray[Any]:
        """A whole chunk in the encoded order."""
        if self._chunk is None:
            self._chunk = self._make()
        return self._chunk


class Chain(Protocol):
    """A whole chain bound to one chunk shape and dtype, as far as codecs that hold chains need it."""

    codecs: tuple[Codec, ...]
    size: EncodedSize
    nbytes: int

    @property
    def working_nbytes(self) -> int:
        """Bytes that decoding takes at most, besides the stored ones and the chunk."""

    @property
    def encoding_nbytes(self) -> int:
        """Bytes that encoding takes at most, besides the staged chunk: the encoded ones are among them."""

    def new_chunk(self) -> NDArray[Any]:
        """An array of the chunk's shape whose memory has the encoded order."""

    def decode_into(self, buffer: Buffer, out: NDArray[Any], spare: Spare | None = None) -> None:
        """Fill `out` (the chunk's shape, any strides) from its encoded bytes."""

    def decode_spare(self, buffer: Buffer, spare: Spare) -> NDArray[Any]:
        """The chunk of its encoded bytes, in the spare memory."""

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The encoded bytes of a chunk (any strides), in pieces."""

    def stage(self, part: NDArray[Any], spare: Spare) -> NDArray[Any]:
        """A whole chunk in encoded order: `part` itself, or copied into the spare and padded with fill."""

    def encode_staged(self, staged: NDArray[Any]) -> list[Buffer]:
        """The encoded bytes of a staged chunk, in pieces."""


Each: TypeAlias = "Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]"
"""What calls a function with each of several things, and gives the results in their order: map, or alike."""
ChainBuilder: TypeAlias = "Callable[[Sequence[Any], ChunkSpec], Chain]"


class ArrayBytesCodec(Codec):
    """A codec from array to bytes."""

    @abstractmethod
    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> Serializer:
        """The codec for one kind of chunk; `build` makes the chains of codecs that this one holds.

        Raises MetadataValidationError if the codec does not fit the chunk.
        """


class BytesBytesCodec(Codec):
    """A codec from bytes to bytes."""

    in_place: ClassVar[bool] = False
    """Whether `decode_into` decodes into the given memory, without a copy of all of it."""
    encodes_once: ClassVar[bool] = False
    """Whether `encode` holds the bytes that it makes of a large chunk once, and not a copy of them for a moment."""
    cuts: ClassVar[bool] = False
    """Whether `decode` gives a part of the stored bytes, without a copy."""

    def trusting(self) -> Self:
        """The same codec; where it checks a sum, one that believes the bytes against it."""
        return self

    @abstractmethod
    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """How many bytes `encode` gives for that many."""

    @abstractmethod
    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """The encoded bytes, in pieces."""

    def encoding_nbytes(self, size: EncodedSize) -> int:
        """Bytes that encoding that many takes at most, besides what is given: what it makes, and mostly a copy."""
        return self.encoded_size(size).limit * (1 if self.encodes_once else 2)

    @abstractmethod
    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes, of that size; never many more bytes of memory than it says.

        Raises ChunkDecodeError, or whatever a library raises for bytes that it cannot decode.
        """

    @abstractmethod
    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode bytes that fill `out`, a C-contiguous array, exactly.

        Raises ChunkDecodeError, or whatever a library raises for bytes that it cannot decode.
        """

    def decoded_size(self, buffer: Buffer) -> int | None:
        """How many bytes encoded ones say that they decode to; None where only decoding tells."""
        return None


def check_configuration(
    codec: str, configuration: Mapping[str, Any], allowed: Iterable[str], required: Iterable[str] = ()
) -> None:
    """Refuse a configuration that holds an unknown member or lacks a required one.

    >>> check_configuration("gzip", {"level": 5}, ["level"], ["level"])
    """
    unknown = sorted(set(configuration) - set(allowed))
    if unknown:
        raise MetadataValidationError(
            f"codec {codec!r} has an unknown member {unknown[0]!r}: {configuration}"
        )
    missing = sorted(set(required) - set(configuration))
    if missing:
        raise MetadataValidationError(
            f"codec {codec!r} lacks the member {missing[0]!r}: {dict(configuration)}"
        )


def flat_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The memory of a C-contiguous array as bytes, shared.

    >>> flat_bytes(np.zeros((2, 2), "<i2")).shape
    (8,)
    """
    return array.reshape(-1).view(np.uint8)


def joined(buffers: Sequence[Buffer]) -> Buffer:
    """The pieces as one buffer, without a copy where there is one piece.

    >>> joined([b"ab", b"c"])
    b'abc'
    """
    return buffers[0] if len(buffers) == 1 else b"".join(buffers)


class Decompressor(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


def inflate(
    codec: str,
    stream_of: Callable[[], Decompressor],
    buffer: Buffer,
    size: EncodedSize,
    out: NDArray[np.uint8] | None = None,
) -> Buffer:
    """The decoded bytes of one or several streams set one after the other, at most `size.limit` bytes.

    They are decoded into `out`, if it is given, and take little memory besides.

    >>> import zlib
    >>> bytes(inflate("zlib", zlib.decompressobj, zlib.compress(b"abc"), EncodedSize(3, 3)))
    b'abc'
    """
    room = size.limit if size.exact is None else size.exact
    pieces = _pieces(codec, stream_of, memoryview(buffer), min(room + 1, PIECE))
    first = next(pieces, b"")
    if out is None:
        if size.exact is None or room < PIECE:
            return _grown(codec, first, pieces, room)
        out = np.empty(room, np.uint8)
    at, target = 0, out.data
    for piece in itertools.chain([first], pieces):
        if at + len(piece) > room:
            raise _too_much(codec, room)
        target[at : at + len(piece)] = piece
        at += len(piece)
    return target[:at]


def _grown(codec: str, first: bytes, pieces: Iterator[bytes], room: int) -> Buffer:
    """Pieces whose number is not known: mostly there is one."""
    grown: bytearray | None = None
    nbytes = len(first)
    for piece in pieces:
        nbytes += len(piece)
        if nbytes > room:
            break
        grown = bytearray(first) if grown is None else grown
        grown += piece
    if nbytes > room:
        raise _too_much(codec, room)
    return first if grown is None else memoryview(grown)


def _too_much(codec: str, room: int) -> ChunkDecodeError:
    return ChunkDecodeError(f"{codec} gives more than the {room:,} bytes there can be", codec=codec)


def _pieces(
    codec: str, stream_of: Callable[[], Decompressor], view: memoryview, most: int
) -> Iterator[bytes]:
    """What streams set one after the other decode to, in pieces of `most` bytes."""
    at = 0
    while True:
        stream, left = stream_of(), b""
        while not stream.eof:
            if not left and getattr(stream, "needs_input", True):
                data: Buffer = view[at : at + PIECE]
                at += len(data)
            else:
                data = left
            piece = stream.decompress(data, most)
            left = getattr(stream, "unconsumed_tail", b"")
            if piece:
                yield piece
            elif not data and not stream.eof:
                raise ChunkDecodeError(f"the {codec} stream ends too early", codec=codec)
        at -= len(stream.unused_data)
        if not np.frombuffer(view[at:], np.uint8).any():  # files padded to a block size end in zeros
            return
