"""numcodecs' codecs for v3 by the names of zarr.codecs.numcodecs: `Delta(dtype="<i4")`, `Zlib(level=1)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .numcodecs_v3 import PREFIX, numcodecs_codec
from .protocol import Codec

__all__ = [
    "BZ2",
    "CRC32",
    "CRC32C",
    "LZ4",
    "LZMA",
    "ZFPY",
    "Adler32",
    "AsType",
    "BitRound",
    "Blosc",
    "Delta",
    "FixedScaleOffset",
    "Fletcher32",
    "GZip",
    "JenkinsLookup3",
    "PCodec",
    "PackBits",
    "Quantize",
    "Shuffle",
    "Zlib",
    "Zstd",
]


def _named(id: str) -> Callable[..., Codec]:
    """What makes the codec of that id, of its configuration as keywords."""

    def codec(**configuration: Any) -> Codec:
        return numcodecs_codec(PREFIX + id, configuration)

    codec.__doc__ = f"The codec `{PREFIX}{id}`; its configuration is that of numcodecs' `{id}`."
    return codec


BZ2, CRC32, CRC32C, LZ4, LZMA = map(_named, ("bz2", "crc32", "crc32c", "lz4", "lzma"))
ZFPY, Adler32, AsType, BitRound, Blosc = map(_named, ("zfpy", "adler32", "astype", "bitround", "blosc"))
Delta, FixedScaleOffset, Fletcher32, GZip = map(_named, ("delta", "fixedscaleoffset", "fletcher32", "gzip"))
JenkinsLookup3, PCodec, PackBits = map(_named, ("jenkins_lookup3", "pcodec", "packbits"))
Quantize, Shuffle, Zlib, Zstd = map(_named, ("quantize", "shuffle", "zlib", "zstd"))
