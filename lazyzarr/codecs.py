"""The codecs of Zarr v3, as `create_array` takes them; the names are zarr.codecs'."""

from __future__ import annotations

from .format.codecs.blosc import BloscCodec
from .format.codecs.bytes import BytesCodec
from .format.codecs.crc32c import Crc32cCodec
from .format.codecs.gzip import GzipCodec
from .format.codecs.sharding import ShardingCodec
from .format.codecs.transpose import TransposeCodec
from .format.codecs.zstd import ZstdCodec

__all__ = [
    "BloscCodec",
    "BytesCodec",
    "Crc32cCodec",
    "GzipCodec",
    "ShardingCodec",
    "TransposeCodec",
    "ZstdCodec",
]
