"""The codecs of Zarr v3, as `create_array` takes them; the names are zarr.codecs'."""

from __future__ import annotations

from .format.codecs import numcodecs_names as numcodecs
from .format.codecs.bitround import BitRound
from .format.codecs.blosc import BloscCodec
from .format.codecs.bytes import BytesCodec
from .format.codecs.cast_value import CastValue
from .format.codecs.crc32c import Crc32cCodec
from .format.codecs.gzip import GzipCodec
from .format.codecs.packbits import PackBits
from .format.codecs.reshape import Reshape
from .format.codecs.scale_offset import ScaleOffset
from .format.codecs.sharding import ShardingCodec, SubchunkWriteOrder
from .format.codecs.transpose import TransposeCodec
from .format.codecs.vlen import VLenBytesCodec, VLenUTF8Codec
from .format.codecs.words import BloscCname, BloscShuffle, Endian, ShardingCodecIndexLocation
from .format.codecs.zstd import ZstdCodec

__all__ = [
    "BitRound",
    "BloscCname",
    "BloscCodec",
    "BloscShuffle",
    "BytesCodec",
    "CastValue",
    "Crc32cCodec",
    "Endian",
    "GzipCodec",
    "PackBits",
    "Reshape",
    "ScaleOffset",
    "ShardingCodec",
    "ShardingCodecIndexLocation",
    "SubchunkWriteOrder",
    "TransposeCodec",
    "VLenBytesCodec",
    "VLenUTF8Codec",
    "ZstdCodec",
    "numcodecs",
]
