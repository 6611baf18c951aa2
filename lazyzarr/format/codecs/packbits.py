"""`packbits`: elements of so many bits, one directly after the other.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/packbits
The first element's first bit is the lowest of the first byte. (numcodecs' packbits begins with the highest.)
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .protocol import ArrayBytesCodec, Buffer, ChainBuilder, ChunkSpec, EncodedSize, check_configuration

__all__ = ["PackBits"]

PADDINGS = ("none", "first_byte", "last_byte")
# Spellings of the registry's schema, where its text has those of the fields below.
ALIASES = {
    "start_bit": "first_bit",
    "end_bit": "last_bit",
    "start_byte": "first_byte",
    "end_byte": "last_byte",
}
BLOCK = 8192  # elements unpacked at a time: a byte a bit; a multiple of 8, so that blocks end with bytes

_SMALL = re.compile(r"u?int(?P<int>[24])|float(?P<float>[46])_e[0-9]+m[0-9]+fn")


@dataclass(frozen=True, kw_only=True)
class PackBits(ArrayBytesCodec):
    """Store of each element the bits from `first_bit` to `last_bit`, those of booleans by default as one.

    >>> PackBits(first_bit=0, last_bit=11).to_config()
    {'name': 'packbits', 'configuration': {'first_bit': 0, 'last_bit': 11}}
    """

    name = "packbits"

    padding_encoding: Literal["none", "first_byte", "last_byte"] = "none"
    """Where the number of bits after the last element is stored, if it is."""
    first_bit: int | None = None
    """The lowest bit that is kept; None: 0."""
    last_bit: int | None = None
    """The highest bit that is kept; None: the highest there is."""

    def __post_init__(self) -> None:
        padding = ALIASES.get(self.padding_encoding, self.padding_encoding)
        object.__setattr__(self, "padding_encoding", padding)
        if padding not in PADDINGS:
            raise self._wrong(f"padding_encoding is {padding!r}; it is one of {', '.join(PADDINGS)}")
        for bit in (self.first_bit, self.last_bit):
            if bit is not None and (type(bit) is not int or bit < 0):
                raise self._wrong(f"{bit!r} is no bit; the lowest is 0")

    def _wrong(self, what: str) -> MetadataValidationError:
        return MetadataValidationError(f'codec "{self.name}": {what}')

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration, all of whose members are optional."""
        members = {ALIASES.get(name, name): value for name, value in configuration.items()}
        check_configuration(cls.name, members, ["padding_encoding", "first_bit", "last_bit"])
        return cls(**members)

    def configuration(self) -> dict[str, Any]:
        """What differs from the defaults."""
        bits = {"first_bit": self.first_bit, "last_bit": self.last_bit}
        padding = {} if self.padding_encoding == "none" else {"padding_encoding": self.padding_encoding}
        return padding | {name: bit for name, bit in bits.items() if bit is not None}

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> BitsSerializer:
        """The codec for one kind of chunk."""
        width = _bits_of(chunk.dtype)
        if width is None:
            raise self._wrong(f"elements of {chunk.dtype} cannot be packed")
        first, last = self.first_bit or 0, width - 1 if self.last_bit is None else self.last_bit
        if not first <= last < width:
            raise self._wrong(f"bits {first} to {last} are not within the {width} of {chunk.dtype}")
        return BitsSerializer(self, chunk, first, last - first + 1)


def _parts_of(dtype: np.dtype[Any]) -> int:
    """How many numbers an element is: two for complex ones, those of ml_dtypes and records of two parts too."""
    return 2 if dtype.kind == "c" or dtype.name.endswith("complex32") or dtype.names else 1


def _bits_of(dtype: np.dtype[Any]) -> int | None:
    """The bits of an element, or of a complex one's part; None for what cannot be packed."""
    if dtype.names:  # complex, where neither NumPy nor ml_dtypes has such a type
        part = dtype[0]
        return (
            _bits_of(part)
            if part.type.__module__ == "ml_dtypes" and dtype.names == ("real", "imag")
            else None
        )
    if dtype.name.endswith("complex32"):
        return 16
    small = _SMALL.fullmatch(dtype.name)
    if dtype.kind == "b":
        return 1
    if small:
        return int(small["int"] or small["float"])
    if dtype.kind in "iuf" or dtype.name == "bfloat16" or dtype.name.startswith("float8_"):
        return 8 * dtype.itemsize
    return 4 * dtype.itemsize if dtype.kind == "c" else None


class BitsSerializer:
    """Elements of one dtype as bits."""

    memory = None

    def __init__(self, codec: PackBits, chunk: ChunkSpec, first: int, nbits: int) -> None:
        self.codec = codec
        self._chunk = chunk
        self._parts = _parts_of(chunk.dtype)
        self._width = chunk.dtype.itemsize // self._parts
        """Bytes of an element, or of a complex one's part."""
        self._first, self._nbits = first, nbits
        self._signed = chunk.dtype.kind == "i"
        self._elements = math.prod(chunk.shape) * self._parts
        used = self._elements * nbits
        self._nbytes = -(-used // 8)
        self._padding = 8 * self._nbytes - used
        nbytes = self._nbytes + (codec.padding_encoding != "none")
        self.size = EncodedSize(nbytes, nbytes)

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """The packed bits."""
        elements = np.asarray(array, order="C").reshape(-1)
        stored = _little(elements).view(np.uint8).reshape(-1, self._width)
        packed = np.empty(self._nbytes, np.uint8)
        for start in range(0, self._elements, BLOCK):
            bits = np.unpackbits(stored[start : start + BLOCK], axis=1, bitorder="little")
            kept = bits[:, self._first : self._first + self._nbits]
            block = np.packbits(kept.reshape(-1), bitorder="little")
            at = start * self._nbits // 8
            packed[at : at + block.size] = block
        padding = bytes([self._padding])
        match self.codec.padding_encoding:
            case "first_byte":
                return [padding, packed.data]
            case "last_byte":
                return [packed.data, padding]
        return [packed.data]

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Unpack into `out`; bits that were not kept are 0, or an integer's sign."""
        packed = self._unpadded(np.frombuffer(buffer, np.uint8))
        decoded = np.empty(self._chunk.shape, self._chunk.dtype)
        stored = decoded.reshape(-1).view(np.uint8).reshape(-1, self._width)
        for start in range(0, self._elements, BLOCK):
            rows = stored[start : start + BLOCK]
            at = start * self._nbits // 8
            used = len(rows) * self._nbits
            bits = np.unpackbits(packed[at : at + -(-used // 8)], count=used, bitorder="little")
            wide = np.zeros((len(rows), 8 * self._width), np.uint8)
            wide[:, self._first : self._first + self._nbits] = bits.reshape(-1, self._nbits)
            if self._signed:
                top = self._first + self._nbits
                wide[:, top:] = wide[:, top - 1 : top]
            rows[...] = np.packbits(wide, axis=1, bitorder="little")
        out[...] = _little(decoded)

    def _unpadded(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The bits' bytes, the number of bits after the last element checked."""
        if stored.size != self.size.exact:
            raise ChunkDecodeError(
                f"{stored.size:,} bytes, the chunk has {self.size.exact:,}", codec=PackBits.name
            )
        match self.codec.padding_encoding:
            case "first_byte":
                padding, stored = stored[:1], stored[1:]
            case "last_byte":
                padding, stored = stored[-1:], stored[:-1]
            case _:
                return stored
        if padding[0] != self._padding:
            raise ChunkDecodeError(
                f"{padding[0]} bits of padding, the chunk has {self._padding}", codec=PackBits.name
            )
        return stored


def _little(elements: NDArray[Any]) -> NDArray[Any]:
    """The elements with their lowest byte first, or such ones as they are here."""
    return elements if sys.byteorder == "little" else elements.byteswap()
