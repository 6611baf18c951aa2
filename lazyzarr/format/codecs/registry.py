"""Codec names and classes: what turns a metadata document's entry into a codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import MetadataValidationError, UnknownCodecError
from .bitround import BitRound
from .blosc import BloscCodec
from .bytes import BytesCodec
from .cast_value import CastValue
from .crc32c import Crc32cCodec
from .foreign import foreign_codec
from .gzip import GzipCodec
from .numcodecs_v2 import V2Filters, v2_codec
from .numcodecs_v3 import PREFIX, numcodecs_codec
from .packbits import PackBits
from .protocol import Codec
from .reshape import Reshape
from .scale_offset import ScaleOffset
from .sharding import ShardingCodec
from .transpose import TransposeCodec
from .vlen import VLenBytesCodec, VLenUTF8Codec
from .zstd import ZstdCodec

__all__ = ["CODECS", "codec_of"]

CODECS: dict[str, Callable[[Mapping[str, Any]], Codec]] = {
    codec.name: codec.from_config
    for codec in (
        BytesCodec,
        TransposeCodec,
        ShardingCodec,
        BloscCodec,
        ZstdCodec,
        GzipCodec,
        Crc32cCodec,
        PackBits,
        CastValue,
        ScaleOffset,
        BitRound,
        Reshape,
        VLenUTF8Codec,
        VLenBytesCodec,
        V2Filters,
    )
}
# The bytes codec's name before 2023, still found in stores.
CODECS["endian"] = BytesCodec.from_config
CODECS["v2.compressor"] = v2_codec


def codec_of(given: Any) -> Codec:
    """The codec that is given as one, as a document's entry (short-hand too), or as a name and configuration.

    Raises UnknownCodecError, which names it, and MetadataValidationError for a wrong configuration.

    >>> codec_of({"name": "gzip", "configuration": {"level": 1}}), codec_of("crc32c")
    (GzipCodec(level=1), Crc32cCodec())
    """
    if isinstance(given, Codec):
        return given
    name, configuration = _named(given)
    if name not in CODECS and name.startswith(PREFIX):
        return numcodecs_codec(name, configuration)
    if name not in CODECS:
        theirs = foreign_codec(name, configuration)
        if theirs is not None:
            return theirs
        known = ", ".join(name for name in CODECS if "." not in name and name != "endian")
        raise UnknownCodecError(f"codec {name!r} is not known here; known are {known}")
    return CODECS[name](configuration)


def _named(given: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Mapping):
        name, configuration = given.get("name"), given.get("configuration") or {}
    else:
        name, configuration = getattr(given, "name", None), getattr(given, "configuration", {})
    if not isinstance(name, str) or not isinstance(configuration, Mapping):
        raise MetadataValidationError(
            f'{given!r} is no codec; one is written {{"name": "gzip", "configuration": {{"level": 5}}}}'
        )
    return name, configuration
