"""What `create_array` is told of codecs, in any of the spellings people use, as a chain for the metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ...errors import MetadataValidationError, UnknownCodecError
from ..dtypes import keeps_shape
from ..metadata import CodecSpec
from .blosc import SHUFFLES, BloscCodec
from .bytes import BytesCodec
from .chain import build_chain
from .numcodecs_v2 import v2_codec
from .numcodecs_v3 import PREFIX, numcodecs_codec
from .protocol import ArrayBytesCodec, BytesBytesCodec, Codec
from .registry import codec_of
from .sharding import ShardingCodec

__all__ = ["codec_document", "parse_codecs", "takes_bytes"]

# A flipped bit is always noticed: zstd stores a checksum, and blosc has none, so crc32c follows it.
_ZSTD = {"level": 0, "checksum": True}
_BLOSC = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}
_NAMED_V3: dict[str, list[dict[str, Any]]] = {
    "zstd": [{"name": "zstd", "configuration": _ZSTD}],
    "blosc-lz4": [{"name": "blosc", "configuration": _BLOSC}, {"name": "crc32c"}],
    "gzip": [{"name": "gzip", "configuration": {"level": 5}}],
    "none": [],
}
_NAMED_V2: dict[str, dict[str, Any] | None] = {
    "zstd": {"id": "zstd", "level": 0},  # with a checksum, see v2_codec
    "blosc-lz4": {"id": "blosc", **_BLOSC, "shuffle": 1},
    "gzip": {"id": "gzip", "level": 5},
    "none": None,
}


def parse_codecs(
    *,
    dtype: np.dtype[Any],
    chunk_shape: Sequence[int],
    shard_shape: Sequence[int] | None = None,
    zarr_format: Literal[2, 3] = 3,
    filters: Any = "auto",
    serializer: Any = "auto",
    compressors: Any = "auto",
    order: Literal["C", "F"] = "C",
    index_location: Literal["start", "end"] = "end",
    elements: str = "bytes",
    object_codec: Mapping[str, Any] | None = None,
    fill: Any = None,
) -> tuple[CodecSpec, ...]:
    """The codec chain of a new array, everything filled in and seen to fit the chunks.

    `compressors` is "auto" (the default), "zstd", "blosc-lz4", "gzip", "none" or None, or one or several
    codecs: objects of lazyzarr.codecs or numcodecs, or as a metadata document holds them. `order` is the
    layout of a stored chunk. `elements` names the codec to bytes where none is given; `object_codec` is v2's
    first filter, where elements are Python objects; `fill` has to pass through all codecs.

    Raises MetadataValidationError, UnknownCodecError, PickleCodecDisabledError.

    >>> specs = parse_codecs(dtype=np.dtype("f4"), chunk_shape=(4, 4), compressors="blosc-lz4")
    >>> [spec.name for spec in specs]
    ['bytes', 'blosc', 'crc32c']
    """
    if zarr_format == 2:
        if shard_shape is not None:
            raise MetadataValidationError("v2 has no shards; leave shards= out, or use zarr_format=3")
        specs = _v2_codecs(dtype, len(chunk_shape), filters, serializer, compressors, order, object_codec)
        build_chain(specs, chunk_shape, dtype, np.zeros((), dtype) if fill is None else fill)
        return tuple(specs)
    codecs = [*_filters(filters), *_serializer(serializer, elements), *_compressors(compressors)]
    if order == "F" and len(chunk_shape) > 1:
        codecs.insert(0, codec_of({"name": "transpose", "configuration": {"order": "F"}}))
    if shard_shape is not None:
        codecs = [
            ShardingCodec(chunk_shape=tuple(chunk_shape), codecs=tuple(codecs), index_location=index_location)
        ]
    chain = build_chain(
        codecs, shard_shape or chunk_shape, dtype, np.zeros((), dtype) if fill is None else fill
    )
    return tuple(_spec(codec.to_config()) for codec in chain.codecs)


def _spec(document: Mapping[str, Any]) -> CodecSpec:
    return CodecSpec(document["name"], document.get("configuration", {}))


def _filters(given: Any) -> list[Codec]:
    return [] if _is(given, "auto") else [_v3_codec(item) for item in _listed(given)]


def _serializer(given: Any, elements: str) -> list[Codec]:
    if given is None or _is(given, "auto"):
        return [BytesCodec() if elements == "bytes" else codec_of(elements)]
    codec = _v3_codec(given)
    if not isinstance(codec, ArrayBytesCodec):
        raise MetadataValidationError(
            f'serializer={given!r} makes no bytes of an array; leave it out, or use {{"name": "bytes"}}'
        )
    return [codec]


def _compressors(given: Any) -> list[Codec]:
    if isinstance(given, str):
        given = _named(given, _NAMED_V3)
    return [_v3_codec(item) for item in _listed(given)]


def _v3_codec(given: Any) -> Codec:
    """A codec given as one of ours, numcodecs' or zarr-python's, or as a document's entry."""
    if isinstance(given, Codec):
        return given
    document = _document(given)
    if not isinstance(document, Mapping) or "id" not in document:
        return codec_of(document)
    if document["id"] in ("blosc", "zstd", "gzip"):
        return v2_codec(document)
    return numcodecs_codec(PREFIX + str(document["id"]), document)


def takes_bytes(given: Any) -> bool:
    """Whether a codec, in any spelling, takes bytes in v3, and not elements.

    >>> takes_bytes({"id": "shuffle"}), takes_bytes({"id": "delta", "dtype": "i4"})
    (True, False)
    """
    return isinstance(_v3_codec(given), BytesBytesCodec)


def codec_document(given: Any) -> dict[str, Any] | None:
    """A v2 codec's document, of one or of numcodecs' object; None for other things.

    >>> codec_document({"id": "vlen-utf8"})
    {'id': 'vlen-utf8'}
    """
    document = _document(given)
    return dict(document) if isinstance(document, Mapping) and isinstance(document.get("id"), str) else None


def _document(given: Any) -> Any:
    """The document form of numcodecs' and zarr-python's objects; other things as they are."""
    for method in ("get_config", "to_dict"):
        if hasattr(given, method):
            document = getattr(given, method)()
            # zarr-python's blosc names these before it knows the elements
            open_members = getattr(given, "_tunable_attrs", ())
            if open_members and isinstance(document.get("configuration"), Mapping):
                kept = {k: v for k, v in document["configuration"].items() if k not in open_members}
                document = {**document, "configuration": kept}
            return document
    return given if isinstance(given, (str, Mapping)) else {"name": None, "given": given}


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    one = isinstance(given, (str, Mapping, Codec)) or not isinstance(given, Iterable)
    return [given] if one else list(given)


def _is(given: Any, word: str) -> bool:
    return isinstance(given, str) and given == word


def _named(given: str, names: Mapping[str, Any]) -> Any:
    name = "zstd" if given == "auto" else given
    if name not in names:
        known = ", ".join(f'"{name}"' for name in names)
        raise UnknownCodecError(f"compressors={given!r} is not known; known are {known}, or give a codec")
    return names[name]


def _v2_codecs(
    dtype: np.dtype[Any],
    ndim: int,
    filters: Any,
    serializer: Any,
    compressors: Any,
    order: str,
    object_codec: Mapping[str, Any] | None,
) -> list[CodecSpec]:
    if serializer is not None and not _is(serializer, "auto"):
        raise MetadataValidationError("v2 has no serializer; leave serializer= out, or use zarr_format=3")
    specs = []
    if order == "F" and ndim > 1 and not keeps_shape(object_codec):
        specs.append(CodecSpec("transpose", {"order": list(reversed(range(ndim)))}))
    given = [] if _is(filters, "auto") else _listed(filters)
    if object_codec is not None:
        given = [item for item in given if (codec_document(item) or {}).get("id") != object_codec["id"]]
    documents = [_v2_document(item) for item in given]
    if object_codec is not None:
        documents.insert(0, dict(object_codec))
    if documents:
        configuration: dict[str, Any] = {"filters": documents, "endian": "little"}
        if object_codec is not None and object_codec["id"] == "pickle":
            configuration["allow_pickle"] = True
        specs.append(CodecSpec("v2.filters", configuration))
    else:
        specs.append(_spec(BytesCodec().to_config()))
    compressor = _v2_compressor(compressors)
    if compressor is not None:
        specs.append(CodecSpec("v2.compressor", compressor))
    return specs


def _v2_compressor(given: Any) -> dict[str, Any] | None:
    if isinstance(given, str):
        named = _named(given, _NAMED_V2)
        return None if named is None else dict(named)
    several = _listed(given)
    if len(several) > 1:
        raise MetadataValidationError(
            f"v2 has one compressor, not {len(several)}; the ones before it go into filters="
        )
    return _v2_document(several[0]) if several else None


def _v2_document(given: Any) -> dict[str, Any]:
    """A codec as v2 writes it: numcodecs' configuration."""
    if isinstance(given, Codec):
        document = {"id": given.name, **given.configuration()}
        if isinstance(given, BloscCodec):
            document["shuffle"] = -1 if given.shuffle is None else SHUFFLES.index(given.shuffle)
            del document["typesize"]
        if document.get("checksum"):  # said by leaving it out
            del document["checksum"]
        return document
    document = _document(given)
    if not isinstance(document, Mapping) or "id" not in document:
        raise MetadataValidationError(f'{given!r} is no v2 codec, such as {{"id": "zlib", "level": 1}}')
    v2_codec(document)
    return {**document}
