"""Zarr v2's filters and compressors: numcodecs' configurations, `{"id": ...}`.

blosc, zstd and gzip become this package's codecs. The others run in numcodecs, except that nothing which
decompresses may allocate more than the chunk can need, and that pickle, which runs code, is refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

from ...errors import MetadataValidationError
from .blosc import SHUFFLES, BloscCodec
from .filters_v2 import FilterSerializer
from .gzip import GzipCodec
from .numcodec import Numcodec
from .objects_v2 import ObjectSerializer
from .protocol import (
    ArrayBytesCodec,
    BytesBytesCodec,
    ChainBuilder,
    ChunkSpec,
    check_configuration,
)
from .zstd import ZstdCodec

__all__ = ["V2Filters", "v2_codec"]


def v2_codec(configuration: Mapping[str, Any]) -> BytesBytesCodec:
    """The codec that a v2 document's `{"id": ...}` means.

    Raises UnknownCodecError, MetadataValidationError for a wrong configuration, PickleCodecDisabledError.

    >>> v2_codec({"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}).name
    'blosc'
    """
    members = {key: _number(value) for key, value in configuration.items()}
    name = members.pop("id", None)
    if not isinstance(name, str):
        raise MetadataValidationError(
            f'{dict(configuration)} is no v2 codec, such as {{"id": "zlib", "level": 1}}'
        )
    if name in _OWN:
        return _OWN[name](members)
    return Numcodec(name, members)


def _number(value: Any) -> Any:
    """netCDF-C writes numbers as strings."""
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]+", value) else value


def _blosc(members: Mapping[str, Any]) -> BloscCodec:
    # Its typesize is the elements', whatever the document says; other writers leave it out.
    members = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in members.items()}
    shuffle = members.get("shuffle", 1)
    if shuffle not in (-1, 0, 1, 2):
        raise MetadataValidationError(f'codec "blosc": shuffle is {shuffle!r}; it is -1, 0, 1 or 2')
    kept: dict[str, Any] = {key: members[key] for key in ("cname", "clevel", "blocksize") if key in members}
    named = None if shuffle == -1 else SHUFFLES[shuffle]
    return BloscCodec.from_config({"cname": "lz4", **kept, "shuffle": named})


def _zstd(members: Mapping[str, Any]) -> ZstdCodec:
    # A checksum belongs to the frame, so it can be written where the document says nothing of it; and
    # it says nothing in ours: tensorstore refuses the member.
    return ZstdCodec(level=members.get("level", 0), checksum=members.get("checksum", True))


def _gzip(members: Mapping[str, Any]) -> GzipCodec:
    level = members.get("level", 1)
    return GzipCodec(
        level=6 if level == -1 else level
    )  # Java's writers leave the choice to zlib, which takes 6


_OWN: dict[str, Callable[[Mapping[str, Any]], BytesBytesCodec]] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "gzip": _gzip,
}


class V2Filters(ArrayBytesCodec):
    """A v2 document's filters, one after the other, from the elements to bytes."""

    name = "v2.filters"

    def __init__(
        self, filters: list[Mapping[str, Any]], endian: str = "little", allow_pickle: bool = False
    ) -> None:
        self._documents = [dict(document) for document in filters]
        self.endian = endian
        self._unpickled = 1 if allow_pickle else 0  # the first filter, which the caller vouches for
        self.filters = [v2_codec(document) for document in filters[self._unpickled :]]

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of `{"filters": [...], "endian": "little" or "big"}`."""
        check_configuration(cls.name, configuration, ["filters", "endian", "allow_pickle"], ["filters"])
        return cls(
            configuration["filters"],
            configuration.get("endian") or "little",
            bool(configuration.get("allow_pickle")),
        )

    def configuration(self) -> dict[str, Any]:
        """`{"filters": [...], "endian": ...}`."""
        return {"filters": self._documents, "endian": self.endian}

    def bind(self, chunk: ChunkSpec, build: ChainBuilder) -> FilterSerializer | ObjectSerializer:
        """The filters for one kind of chunk."""
        if chunk.dtype.hasobject:
            rest = self.filters[1 - self._unpickled :]
            return ObjectSerializer(self, self._documents[0], rest, chunk)
        native = self.endian == sys.byteorder
        stored = chunk.dtype if native else chunk.dtype.newbyteorder("S")
        return FilterSerializer(self, self.filters, chunk, stored)
