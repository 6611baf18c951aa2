"""numcodecs' codecs in v3, by the names that zarr-python gives them: `numcodecs.<id>`.

There is no specification but numcodecs and zarr-python's `zarr.codecs.numcodecs`. Members that the elements
decide (dtypes, sizes) are filled in where they are left out.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numcodecs
import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError, UnknownCodecError
from ..dtypes import data_type_of
from .numcodec import Numcodec
from .numcodecs_v2 import v2_codec
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    BytesBytesCodec,
    ChainBuilder,
    ChunkSpec,
    Codec,
    ElementsCodec,
    EncodedSize,
    Step,
    flat_bytes,
)

__all__ = ["PREFIX", "NumcodecsBytes", "NumcodecsElements", "NumcodecsSerializer", "numcodecs_codec"]

PREFIX = "numcodecs."
_OF_OBJECTS = ("vlen-utf8", "vlen-bytes", "vlen-array", "json2", "msgpack2", "categorize", "pickle")


def numcodecs_codec(name: str, configuration: Mapping[str, Any]) -> Codec:
    """The codec of that name, `numcodecs.<id>`.

    Raises UnknownCodecError, MetadataValidationError for a wrong configuration.

    >>> numcodecs_codec("numcodecs.zlib", {"level": 1}).to_config()
    {'name': 'numcodecs.zlib', 'configuration': {'level': 1}}
    """
    id = name.removeprefix(PREFIX)
    members = {key: value for key, value in configuration.items() if key != "id"}
    if configuration.get("id", id) != id:
        raise MetadataValidationError(f"codec {name!r} has the id {configuration['id']!r}")
    if id in _OF_OBJECTS:
        raise UnknownCodecError(f"codec {name!r} is for v2's arrays of objects; v3 has vlen-utf8, vlen-bytes")
    if id in _ELEMENTS:
        return NumcodecsElements(id, members)
    if id in ("pcodec", "zfpy"):
        return NumcodecsSerializer(id, members)
    return NumcodecsBytes(id, members)


class _Named(Codec):
    """The name and the configuration of one of numcodecs' codecs."""

    def __init__(self, id: str, members: Mapping[str, Any]) -> None:
        self.id = id
        self.name = PREFIX + id
        self._members = dict(members)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration with its `id`."""
        members = dict(configuration)
        return cls(members.pop("id"), members)

    def configuration(self) -> dict[str, Any]:
        """What was given, and what follows from the elements."""
        return dict(self._members)

    def to_config(self) -> dict[str, Any]:
        """With a configuration, if an empty one: zarr-python insists."""
        return {"name": self.name, "configuration": self.configuration()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self._members!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.to_config() == self.to_config()

    def __hash__(self) -> int:
        return hash(self.name)


class NumcodecsBytes(_Named, BytesBytesCodec):
    """One from bytes to bytes."""

    def __init__(self, id: str, members: Mapping[str, Any]) -> None:
        super().__init__(id, members)
        self._codec = v2_codec({"id": id, **members})

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec for one kind of chunk; a shuffle is of its elements."""
        members = dict(self._members)
        if self.id == "shuffle" and members.get("elementsize") is None:
            members["elementsize"] = chunk.dtype.itemsize
        resolved = type(self)(self.id, members)
        # numcodecs' codecs get the bytes in v3, whatever they are of
        if not isinstance(resolved._codec, Numcodec):
            resolved._codec = resolved._codec.resolve(chunk)
        return resolved

    def trusting(self) -> Self:
        """The same codec, that believes what its checksum says otherwise."""
        trusting = copy(self)
        trusting._codec = self._codec.trusting()
        return trusting

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """As the codec says."""
        return self._codec.encoded_size(size)

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """The encoded bytes."""
        return self._codec.encode(buffers)

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes."""
        return self._codec.decode(buffer, size)

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode into `out`."""
        self._codec.decode_into(buffer, out)

    def decoded_size(self, buffer: Buffer) -> int | None:
        """What the bytes say."""
        return self._codec.decoded_size(buffer)


# The members that hold the dtype before a codec and the one after it; None: as it is.
_ELEMENTS: dict[str, tuple[str | None, str | None]] = {
    "delta": ("dtype", "astype"),
    "fixedscaleoffset": ("dtype", "astype"),
    "quantize": ("dtype", "astype"),
    "astype": ("decode_dtype", "encode_dtype"),
    "bitround": (None, None),
    "packbits": (None, None),
}


class NumcodecsElements(_Named, ElementsCodec):
    """One from array to array."""

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec with the dtype of the elements, where it says none."""
        before = _ELEMENTS[self.id][0]
        if before is None or self._members.get(before) is not None:
            return self
        return type(self)(self.id, {**self._members, before: chunk.dtype.str})

    def bind(self, chunk: ChunkSpec) -> Step:
        """The codec for one kind of chunk."""
        _check_numbers(self.name, chunk.dtype, _KINDS.get(self.id, "biufcmM"))
        codec = _numcodec(self.id, self._members)
        before, after = _ELEMENTS[self.id]
        if self.id == "packbits":
            if chunk.dtype != np.dtype(bool):
                raise MetadataValidationError(f"codec {self.name!r} packs booleans, and not {chunk.dtype}")
            packed = 1 + -(-math.prod(chunk.shape) // 8)
            fill = np.asarray(chunk.fill, np.uint8)
            return NumcodecsStep(self.name, codec, ChunkSpec((packed,), np.dtype("u1"), fill), None, None)
        source = None if before is None else np.dtype(getattr(codec, before))
        target = chunk.dtype if after is None else np.dtype(getattr(codec, after))
        if source is not None and source.newbyteorder("=") != chunk.dtype:
            raise MetadataValidationError(
                f"codec {self.name!r} is for {source}, the elements are {chunk.dtype}"
            )
        native = data_type_of(target.newbyteorder("=")).dtype
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)  # a fill is no user's number
            # zarr-python's, and so what its shards leave out: the same number, and not what becomes of it.
            fill = np.asarray(chunk.fill).astype(native)
        step = NumcodecsStep(self.name, codec, ChunkSpec(chunk.shape, native, fill), source, target)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
                step.encode(np.zeros(1, chunk.dtype))
        except (TypeError, ValueError) as error:
            raise MetadataValidationError(
                f"codec {self.name!r} on {chunk.dtype} elements: {error}"
            ) from error
        return step


_KINDS = {"bitround": "f", "astype": "biufcmMSU"}


def _check_numbers(name: str, dtype: np.dtype[Any], kinds: str = "biufcmM") -> None:
    """Refuse what numcodecs takes for memory: text, objects, records."""
    if dtype.kind not in kinds or dtype.type.__module__ != "numpy":
        raise MetadataValidationError(f"codec {name!r} is for numbers, and not for {dtype} elements")


class NumcodecsStep:
    """One from array to array, for one kind of chunk."""

    def __init__(
        self,
        name: str,
        codec: Any,
        encoded: ChunkSpec,
        source: np.dtype[Any] | None,
        target: np.dtype[Any] | None,
    ) -> None:
        self.encoded = encoded
        self._name = name
        self._codec = codec
        self._source, self._target = source, target

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """What numcodecs makes of it, in native byte order."""
        given = array if self._source is None else array.astype(self._source, copy=False)
        made = np.asarray(self._codec.encode(given)).reshape(-1)
        encoded = self.encoded
        if made.dtype.newbyteorder("=") != encoded.dtype:  # bitround gives the floats' bits
            made = made.view(encoded.dtype)
        shape = encoded.shape if made.size == math.prod(encoded.shape) else (made.size,)
        return made.astype(encoded.dtype, copy=False).reshape(shape)

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """What numcodecs makes of it again."""
        stored = array if self._target is None else array.astype(self._target, copy=False)
        decoded = np.asarray(self._codec.decode(stored))
        if decoded.size != out.size:
            raise ChunkDecodeError(
                f"{self._name} gave {decoded.size:,} elements, the chunk has {out.size:,}", codec=self._name
            )
        out[...] = decoded.reshape(out.shape)


class NumcodecsSerializer(_Named, ArrayBytesCodec):
    """One from array to bytes: pcodec and zfpy, each in need of a package of its own."""

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> NumbersSerializer:
        """The codec for one kind of chunk."""
        _check_numbers(self.name, chunk.dtype, "iuf")  # times are compressed, and not decompressed
        return NumbersSerializer(self, Numcodec(self.id, self._members).resolve(chunk), chunk)


class NumbersSerializer:
    """Compressed numbers of one dtype and shape."""

    memory = None

    def __init__(self, codec: Codec, numcodec: Numcodec, chunk: ChunkSpec) -> None:
        self.codec = codec
        self._numcodec = numcodec
        self._chunk = chunk
        self.size = numcodec.encoded_size(EncodedSize(chunk.nbytes, chunk.nbytes))

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer."""
        return self._numcodec.encode([flat_bytes(np.asarray(array, order="C")).data])

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode and copy."""
        nbytes = self._chunk.nbytes
        decoded = self._numcodec.decode(buffer, EncodedSize(nbytes, nbytes))
        out[...] = np.frombuffer(decoded, self._chunk.dtype).reshape(self._chunk.shape)


def _numcodec(id: str, members: Mapping[str, Any]) -> Any:
    try:
        return numcodecs.get_codec({"id": id, **members})
    except Exception as error:
        raise MetadataValidationError(f"codec {PREFIX + id!r} with {dict(members)}: {error}") from error
