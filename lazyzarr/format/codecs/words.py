"""The words of codecs' configurations as classes of constants, as programs for early zarr-python 3 spell them."""

from __future__ import annotations

from typing import Final

__all__ = ["BloscCname", "BloscShuffle", "Endian", "ShardingCodecIndexLocation"]


class BloscCname:
    """The compressors of `BloscCodec(cname=...)`; the strings do as well."""

    blosclz: Final = "blosclz"
    lz4: Final = "lz4"
    lz4hc: Final = "lz4hc"
    snappy: Final = "snappy"
    zlib: Final = "zlib"
    zstd: Final = "zstd"


class BloscShuffle:
    """The shuffles of `BloscCodec(shuffle=...)`; the strings do as well."""

    noshuffle: Final = "noshuffle"
    shuffle: Final = "shuffle"
    bitshuffle: Final = "bitshuffle"


class Endian:
    """The byte orders of `BytesCodec(endian=...)`; the strings do as well."""

    big: Final = "big"
    little: Final = "little"


class ShardingCodecIndexLocation:
    """The places of `ShardingCodec(index_location=...)`; the strings do as well."""

    start: Final = "start"
    end: Final = "end"
