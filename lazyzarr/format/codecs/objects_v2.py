"""v2's arrays of Python objects: the first filter makes bytes of them, the others go on from there.

numcodecs' formats: vlen-* hold the elements one after the other, json2, msgpack2 and pickle the nested list or
the array with its shape, categorize a number for each label. What is read must have the chunk's shape, and
nothing is made that is larger. Unpickling runs code, so it is done only for who asks for it in the call.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numcodecs
import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError
from .protocol import Buffer, BytesBytesCodec, ChunkSpec, Codec, EncodedSize, joined
from .vlen import ANY_LENGTH, decode_items, encode_items

__all__ = ["ObjectSerializer"]


class ObjectSerializer:
    """An object codec and the filters after it, bound to one chunk shape."""

    memory = None

    def __init__(
        self, codec: Codec, document: Mapping[str, Any], rest: Sequence[BytesBytesCodec], chunk: ChunkSpec
    ) -> None:
        name = document.get("id")
        if name not in _CODERS:
            raise MetadataValidationError(
                f"the first filter of Python objects stores them, one of {', '.join(_CODERS)}, not {name!r}"
            )
        self.codec = codec
        self.shape = chunk.shape
        self.name = str(name)
        self._encode, self._decode = _CODERS[self.name](document)
        self._rest = rest
        self._sizes = [ANY_LENGTH]
        for step in rest:
            self._sizes.append(step.encoded_size(self._sizes[-1]))
        self.size: EncodedSize = self._sizes[-1]

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer. Raises ChunkEncodeError for elements that the codec does not keep."""
        buffers: list[Buffer] = [self._encode(np.array(array, object, order="C"))]
        for step in self._rest:
            buffers = [joined(step.encode(buffers))]
        return buffers

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Fill `out` with the objects."""
        for step, size in zip(self._rest[::-1], self._sizes[-2::-1], strict=True):
            buffer = step.decode(buffer, size)
        out[...] = self._decode(buffer, self.shape)


_Coder = tuple[
    Callable[[NDArray[Any]], Buffer],
    Callable[[Buffer, tuple[int, ...]], NDArray[Any]],
]


def _items(document: Mapping[str, Any]) -> _Coder:
    name = document["id"]
    return (
        lambda array: encode_items(name, array),
        lambda buffer, shape: decode_items(name, buffer, math.prod(shape)).reshape(shape),
    )


def _arrays(document: Mapping[str, Any]) -> _Coder:
    dtype = np.dtype(document["dtype"])
    codec = numcodecs.VLenArray(dtype)

    def encode(array: NDArray[Any]) -> Buffer:
        return bytes(codec.encode(array.reshape(-1)))

    def decode(buffer: Buffer, shape: tuple[int, ...]) -> NDArray[Any]:
        _check_count("vlen-array", int.from_bytes(memoryview(buffer)[:4], "little"), math.prod(shape))
        decoded: NDArray[Any] = codec.decode(buffer)
        return decoded.reshape(shape)

    return encode, decode


def _check_count(name: str, told: int, count: int) -> None:
    if told != count:
        raise ChunkDecodeError(f"{name}: {told:,} elements are stored, the chunk has {count:,}", codec=name)


def _json(document: Mapping[str, Any]) -> _Coder:
    codec = _numcodec(document)
    strict, encoding = document.get("strict", True), document.get("encoding", "utf-8")

    def decode(buffer: Buffer, shape: tuple[int, ...]) -> NDArray[Any]:
        return _nested(json.loads(bytes(buffer).decode(encoding), strict=strict), shape, "json2")

    return codec.encode, decode


def _msgpack(document: Mapping[str, Any]) -> _Coder:
    codec = _numcodec(document)
    try:
        import msgpack
    except ImportError as error:
        raise MetadataValidationError(
            "the filter 'msgpack2' needs the package msgpack: pip install 'lazyzarr[codecs]'"
        ) from error

    def encode(array: NDArray[Any]) -> Buffer:
        return bytes(codec.encode(array if array.ndim else array.reshape(1)))

    def decode(buffer: Buffer, shape: tuple[int, ...]) -> NDArray[Any]:
        return _nested(msgpack.unpackb(buffer, raw=bool(document.get("raw"))), shape, "msgpack2")

    return encode, decode


def _nested(items: Any, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """The objects of a nested list whose last two items are its dtype and shape; elements may be lists too."""
    if not isinstance(items, list) or len(items) < 2 or not isinstance(items[-1], list | tuple):
        raise ChunkDecodeError(f"{name}: the chunk is no list that ends in a shape", codec=name)
    told = items[-1]
    if not all(isinstance(n, int) for n in told) or math.prod(told) != math.prod(shape):
        raise ChunkDecodeError(f"{name}: an array of shape {told} is stored, chunks are {shape}", codec=name)
    flat = items[:-2]
    for n in told[1:]:
        if not all(isinstance(part, list) and len(part) == n for part in flat):
            raise ChunkDecodeError(f"{name}: the list is not nested as its shape {told} says", codec=name)
        flat = [item for part in flat for item in part]
    if len(flat) != math.prod(shape):
        raise ChunkDecodeError(f"{name}: {len(flat):,} elements are stored, not {told}", codec=name)
    out = np.empty(len(flat), object)
    for i, item in enumerate(flat):
        out[i] = item
    return out.reshape(shape)


def _pickle(document: Mapping[str, Any]) -> _Coder:
    protocol = document.get("protocol", pickle.DEFAULT_PROTOCOL)

    def decode(buffer: Buffer, shape: tuple[int, ...]) -> NDArray[Any]:
        loaded = np.asarray(pickle.loads(buffer), object)  # asked for in the call that opened the array
        _check_count("pickle", loaded.size, math.prod(shape))
        return loaded.reshape(shape)

    return lambda array: pickle.dumps(array, protocol=protocol), decode


def _categorize(document: Mapping[str, Any]) -> _Coder:
    codec = _numcodec(document)
    known = {"", *codec.labels}

    def encode(array: NDArray[Any]) -> Buffer:
        for item in array.flat:
            if item not in known:
                raise ChunkEncodeError(f"categorize: {item!r} is none of the labels", codec="categorize")
        return np.ascontiguousarray(codec.encode(array)).tobytes()

    def decode(buffer: Buffer, shape: tuple[int, ...]) -> NDArray[Any]:
        numbers = np.frombuffer(buffer, codec.astype)
        _check_count("categorize", numbers.size, math.prod(shape))
        decoded: NDArray[Any] = codec.decode(numbers)
        return decoded.astype(object).reshape(shape)

    return encode, decode


def _numcodec(document: Mapping[str, Any]) -> Any:
    try:
        return numcodecs.get_codec(dict(document))
    except (TypeError, ValueError) as error:
        raise MetadataValidationError(f"the filter {document['id']!r}: {error}") from error


_CODERS: dict[str, Callable[[Mapping[str, Any]], _Coder]] = {
    "vlen-utf8": _items,
    "vlen-bytes": _items,
    "vlen-array": _arrays,
    "json2": _json,
    "msgpack2": _msgpack,
    "pickle": _pickle,
    "categorize": _categorize,
}
