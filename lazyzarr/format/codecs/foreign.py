"""Codecs of third parties: those that a package registers for zarr-python, run here through its interface.

Entry points of the group "zarr.codecs" name their classes, as zarr-python's `zarr.registry` reads them. A
class may also be one of this package's `Codec`s, and is taken as it is then.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, MetadataValidationError
from .protocol import (
    ArrayBytesCodec,
    Buffer,
    BytesBytesCodec,
    ChainBuilder,
    ChunkSpec,
    Codec,
    ElementsCodec,
    EncodedSize,
    Serializer,
    flat_bytes,
    joined,
)

__all__ = ["foreign_codec"]


def foreign_codec(name: str, configuration: Mapping[str, Any]) -> Codec | None:
    """The codec that an installed package, or zarr-python's registry, has under a name; None if none has.

    Raises MetadataValidationError where it refuses the configuration.
    """
    found = _found[name] if name in _found else _class_of(name)
    if found is None:
        return None
    _found[name] = found
    try:
        if issubclass(found, Codec):
            ours: Codec = found.from_config(configuration)
            return ours
        theirs = found.from_dict({"name": name, "configuration": dict(configuration)})
    except MetadataValidationError:
        raise
    except Exception as error:
        raise MetadataValidationError(f"codec {name!r} with {dict(configuration)}: {error}") from error
    return _adapted(name, theirs)


_found: dict[str, Any] = {}
"""The classes by name: to look through all that is installed takes milliseconds."""


def _class_of(name: str) -> Any:
    for group in ("zarr.codecs", f"zarr.codecs.{name}"):
        for entry in entry_points(group=group):
            if entry.name == name or group != "zarr.codecs":
                return entry.load()
    registry = sys.modules.get("zarr.registry")  # what was registered while zarr-python was at work
    if registry is None:
        return None
    try:
        return registry.get_codec_class(name)
    except Exception:  # KeyError, or in later versions an error of its own: it is not there
        return None


def _adapted(name: str, codec: Any) -> Codec:
    import zarr.abc.codec as theirs  # loaded by the class itself

    if isinstance(codec, theirs.BytesBytesCodec):
        return ForeignBytes(name, codec)
    if isinstance(codec, theirs.ArrayArrayCodec):
        return ForeignElements(name, codec)
    if isinstance(codec, theirs.ArrayBytesCodec):
        return ForeignSerializer(name, codec)
    raise MetadataValidationError(f"codec {name!r} is a {type(codec)}, which is no codec of zarr-python")


class _Foreign(Codec):
    """A codec object of zarr-python's kind, and the chunk that it is for, in its words."""

    def __init__(self, name: str, codec: Any, spec: Any = None) -> None:
        self.name = name
        self._codec = codec
        self._spec = spec

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """Not by a configuration alone."""
        raise MetadataValidationError(f"{cls.__name__} is made of a codec object")

    def configuration(self) -> dict[str, Any]:
        """As the codec says."""
        return dict(self._codec.to_dict().get("configuration") or {})

    def resolve(self, chunk: ChunkSpec) -> Self:
        """The codec for one kind of chunk."""
        spec = _spec_of(chunk)
        return type(self)(self.name, self._codec.evolve_from_array_spec(spec), spec)

    def __repr__(self) -> str:
        return repr(self._codec)

    def _run(self, verb: str, data: Any) -> Any:
        """`_encode_sync` and `_decode_sync` where it has them, else its coroutines."""
        sync = getattr(self._codec, f"_{verb}_sync", None)
        if sync is not None:
            return sync(data, self._spec)
        (done,) = _waited(lambda: getattr(self._codec, verb)([(data, self._spec)]))
        return done


def _spec_of(chunk: ChunkSpec) -> Any:
    from zarr.core.array_spec import ArrayConfig, ArraySpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.dtype import get_data_type_from_native_dtype

    return ArraySpec(
        shape=chunk.shape,
        dtype=get_data_type_from_native_dtype(chunk.dtype),
        fill_value=chunk.fill[()],
        config=ArrayConfig.from_dict({"order": "C"}),
        prototype=default_buffer_prototype(),
    )


def _waited(started: Callable[[], Awaitable[Any]]) -> Any:
    """What a coroutine gives; run in a thread of its own, as this one may have an event loop already."""
    import asyncio

    async def run() -> Any:
        return await started()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(run())).result()


def _bytes_of(spec: Any, buffer: Buffer) -> Any:
    return spec.prototype.buffer.from_bytes(bytes(buffer))


def _array_of(spec: Any, array: NDArray[Any]) -> Any:
    return spec.prototype.nd_buffer.from_ndarray_like(array)


class ForeignBytes(_Foreign, BytesBytesCodec):
    """One from bytes to bytes."""

    def encoded_size(self, size: EncodedSize) -> EncodedSize:
        """Unknown, but not many times more."""
        return EncodedSize(None, 2 * size.limit + 65536)

    def encode(self, buffers: list[Buffer]) -> list[Buffer]:
        """One buffer."""
        return [self._run("encode", _bytes_of(self._spec, joined(buffers))).to_bytes()]

    def decode(self, buffer: Buffer, size: EncodedSize) -> Buffer:
        """The decoded bytes."""
        decoded: bytes = self._run("decode", _bytes_of(self._spec, buffer)).to_bytes()
        if len(decoded) > size.limit or size.exact not in (None, len(decoded)):
            raise ChunkDecodeError(
                f"{self.name} gave {len(decoded):,} bytes, where at most {size.limit:,} can be",
                codec=self.name,
            )
        return decoded

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode and copy."""
        decoded = self.decode(buffer, EncodedSize(out.nbytes, out.nbytes))
        flat_bytes(out)[:] = np.frombuffer(decoded, np.uint8)


class ForeignElements(_Foreign, ElementsCodec):
    """One from array to array."""

    def bind(self, chunk: ChunkSpec) -> ForeignStep:
        """The codec for one kind of chunk."""
        encoded = self._codec.resolve_metadata(self._spec)
        dtype = encoded.dtype.to_native_dtype().newbyteorder("=")
        return ForeignStep(
            self._run, self._spec, ChunkSpec(encoded.shape, dtype, np.asarray(encoded.fill_value, dtype))
        )


class ForeignStep:
    """One from array to array, for one kind of chunk."""

    def __init__(self, run: Callable[[str, Any], Any], spec: Any, encoded: ChunkSpec) -> None:
        self.encoded = encoded
        self._run, self._spec = run, spec

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """What the codec makes of it."""
        made = self._run("encode", _array_of(self._spec, array)).as_numpy_array()
        return np.asarray(made, self.encoded.dtype).reshape(self.encoded.shape)

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """What the codec makes of it again."""
        out[...] = self._run("decode", _array_of(self._spec, array)).as_numpy_array().reshape(out.shape)


class ForeignSerializer(_Foreign, ArrayBytesCodec):
    """One from array to bytes."""

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> Serializer:
        """The codec for one kind of chunk."""
        return ForeignBound(self, self._run, self._spec, chunk)


class ForeignBound:
    """One from array to bytes, for one kind of chunk."""

    memory = None

    def __init__(self, codec: Codec, run: Callable[[str, Any], Any], spec: Any, chunk: ChunkSpec) -> None:
        self.codec = codec
        self.size = EncodedSize(None, 2 * chunk.nbytes + 65536)
        self._run, self._spec = run, spec

    def encode(self, array: NDArray[Any]) -> list[Buffer]:
        """One buffer."""
        return [self._run("encode", _array_of(self._spec, np.asarray(array, order="C"))).to_bytes()]

    def decode_into(self, buffer: Buffer, out: NDArray[Any]) -> None:
        """Decode and copy."""
        out[...] = self._run("decode", _bytes_of(self._spec, buffer)).as_numpy_array().reshape(out.shape)
