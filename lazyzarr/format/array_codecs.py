"""An array's codecs as zarr-python shows them: filters, serializer, compressors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numcodecs

from .chunk_update import WINDOW
from .codecs.chain import build_chain
from .codecs.numcodecs_v2 import v2_codec
from .codecs.protocol import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from .codecs.registry import codec_of
from .codecs.sharding import ShardingCodec
from .metadata import ArrayMetadata, CodecSpec, located

__all__ = ["ArrayCodecs", "codecs_of", "v2_documents", "writing_nbytes"]


class ArrayCodecs(NamedTuple):
    """The codecs of a chunk, in the order of encoding; those of an inner chunk, where there are shards."""

    filters: tuple[Any, ...]
    serializer: Any
    compressors: tuple[Any, ...]


def codecs_of(metadata: ArrayMetadata, where: str = "") -> ArrayCodecs:
    """The codecs that the metadata names: objects of lazyzarr.codecs for v3, of numcodecs for v2.

    Raises what reading the array raises: UnknownCodecError, MetadataValidationError,
    PickleCodecDisabledError; they name `where`.
    """
    with located(where):
        build_chain(metadata.codecs, metadata.chunk_shape, metadata.dtype, metadata.fill)
        codecs = [codec_of(spec) for spec in metadata.codecs]
        if metadata.zarr_format == 2:
            return _v2(metadata.codecs)
        filters: list[Any] = []
        while any(isinstance(codec, ShardingCodec) for codec in codecs):
            shard = next(codec for codec in codecs if isinstance(codec, ShardingCodec))
            filters += [codec for codec in codecs if isinstance(codec, ArrayArrayCodec)]
            codecs = [codec_of(inner) for inner in shard.codecs]
        return ArrayCodecs(
            tuple(filters) + tuple(codec for codec in codecs if isinstance(codec, ArrayArrayCodec)),
            next(codec for codec in codecs if isinstance(codec, ArrayBytesCodec)),
            tuple(codec for codec in codecs if isinstance(codec, BytesBytesCodec)),
        )


def writing_nbytes(
    metadata: ArrayMetadata, unit: Sequence[int], whole: bool, changed: bool, streams: bool, gathers: bool
) -> int:
    """Bytes that writing a unit takes at most, besides its values.

    `whole`: values are all of a unit each time. `changed`: they may be a part of one that is stored. `streams`: the
    store takes a unit piece by piece. `gathers`: it makes a copy of all that is stored of one.
    """
    chain = build_chain(metadata.codecs, unit, metadata.dtype, metadata.fill)
    encoding = chain.streaming_nbytes if streams else chain.encoding_nbytes
    stored = (chain.nbytes if metadata.dtype.hasobject else chain.size.limit) if gathers else 0
    writing = chain.staging_nbytes(whole) + encoding + stored
    if not changed or metadata.dtype.hasobject:
        return writing
    inner = chain.inner_chain()
    if inner is None:
        return writing + chain.size.limit + chain.working_nbytes
    return writing + min(chain.size.limit, inner.size.limit + WINDOW * 9 // 8) + inner.working_nbytes


def _v2(codecs: tuple[CodecSpec, ...]) -> ArrayCodecs:
    filters, compressor = v2_documents(codecs)
    compressors = () if compressor is None else (_numcodec(compressor),)
    return ArrayCodecs(tuple(map(_numcodec, filters)), None, compressors)


def _numcodec(document: Mapping[str, Any]) -> Any:
    """The codec as numcodecs' object; as what reads it here, where numcodecs does not know a member."""
    try:
        codec = numcodecs.get_codec(dict(document))
        repr(codec)  # which numcodecs' blosc cannot where a number is a float
    except (TypeError, ValueError):
        return v2_codec(document)
    return codec


def v2_documents(
    codecs: tuple[CodecSpec, ...],
) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]:
    """The filters and the compressor of a v2 array as its document holds them."""
    by_name = {codec.name: codec.configuration for codec in codecs}
    return by_name.get("v2.filters", {}).get("filters", ()), by_name.get("v2.compressor")
