"""What `create_array` is told of codecs becomes the chain that the metadata holds."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest

from lazyzarr.errors import MetadataValidationError, PickleCodecDisabledError, UnknownCodecError
from lazyzarr.format.codecs.blosc import BloscCodec
from lazyzarr.format.codecs.bytes import BytesCodec
from lazyzarr.format.codecs.crc32c import Crc32cCodec
from lazyzarr.format.codecs.parse import parse_codecs
from lazyzarr.format.codecs.transpose import TransposeCodec
from lazyzarr.format.codecs.zstd import ZstdCodec

F4 = np.dtype("f4")
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": True}}
BLOSC = {
    "name": "blosc",
    "configuration": {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0},
}


def parsed(dtype: Any = F4, chunk_shape: tuple[int, ...] = (4, 6), **how: Any) -> list[Any]:
    return [spec.to_json() for spec in parse_codecs(dtype=np.dtype(dtype), chunk_shape=chunk_shape, **how)]


@pytest.mark.parametrize(
    ("compressors", "expected"),
    [
        ("auto", [ZSTD]),
        ("zstd", [ZSTD]),
        ("blosc-lz4", [BLOSC, {"name": "crc32c"}]),
        ("gzip", [{"name": "gzip", "configuration": {"level": 5}}]),
        ("none", []),
        (None, []),
        ([], []),
        (BloscCodec(cname="lz4"), [BLOSC]),
        ([BloscCodec(cname="lz4"), Crc32cCodec()], [BLOSC, {"name": "crc32c"}]),
        (numcodecs.Blosc("lz4"), [BLOSC]),
        (numcodecs.GZip(3), [{"name": "gzip", "configuration": {"level": 3}}]),
        ({"id": "zstd", "level": 3}, [{"name": "zstd", "configuration": {"level": 3, "checksum": True}}]),
        ({"name": "crc32c"}, [{"name": "crc32c"}]),
        (["crc32c"], [{"name": "crc32c"}]),
    ],
)
def test_compressors(compressors: Any, expected: list[Any]) -> None:
    assert parsed(compressors=compressors) == [BYTES, *expected]


@pytest.mark.peer
def test_zarr_pythons_objects() -> None:
    codecs = pytest.importorskip("zarr.codecs")
    how = {"serializer": codecs.BytesCodec(endian="big"), "filters": [codecs.TransposeCodec(order=(1, 0))]}
    compressors = [codecs.BloscCodec(typesize=4, cname="lz4", clevel=5, shuffle="shuffle")]
    assert parsed(compressors=compressors, **how) == [
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
        BLOSC,
    ]


def test_no_byte_order_where_there_is_none() -> None:
    assert parsed("u1", compressors=None) == [{"name": "bytes"}]


def test_order_f_is_a_transpose_of_all_axes() -> None:
    transpose = {"name": "transpose", "configuration": {"order": [1, 0]}}
    assert parsed(order="F", compressors=None) == [transpose, BYTES]
    assert parsed(order="F", compressors=None, chunk_shape=(4,)) == [BYTES]
    assert parsed(order="F", compressors=None, zarr_format=2) == [transpose, BYTES]


def test_shards_hold_the_chain() -> None:
    (shard,) = parsed(shard_shape=(8, 12), filters=TransposeCodec(order=(1, 0)), index_location="start")
    assert shard == {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [4, 6],
            "codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, BYTES, ZSTD],
            "index_codecs": [BYTES, {"name": "crc32c"}],
            "index_location": "start",
        },
    }


@pytest.mark.parametrize(
    ("compressors", "expected"),
    [
        ("auto", {"id": "zstd", "level": 0}),
        (ZstdCodec(level=3, checksum=True), {"id": "zstd", "level": 3}),
        (ZstdCodec(level=3), {"id": "zstd", "level": 3, "checksum": False}),
        (None, None),
        ("none", None),
        ("gzip", {"id": "gzip", "level": 5}),
        (numcodecs.Zlib(2), {"id": "zlib", "level": 2}),
        (
            BloscCodec(cname="zstd", shuffle="bitshuffle"),
            {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
        ),
    ],
)
def test_v2_compressor(compressors: Any, expected: Any) -> None:
    compressor = [] if expected is None else [{"name": "v2.compressor", "configuration": expected}]
    assert parsed(compressors=compressors, zarr_format=2) == [BYTES, *compressor]


def test_v2_filters() -> None:
    filters, _ = parsed(filters=[numcodecs.Delta("<f4"), {"id": "shuffle", "elementsize": 4}], zarr_format=2)
    assert filters["name"] == "v2.filters"
    assert [f["id"] for f in filters["configuration"]["filters"]] == ["delta", "shuffle"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"compressors": "lz5"}, UnknownCodecError),
        ({"compressors": numcodecs.VLenUTF8()}, UnknownCodecError),
        ({"compressors": {"id": "nothing-like-it"}, "zarr_format": 2}, UnknownCodecError),
        ({"compressors": {"name": "nothing-like-it"}}, UnknownCodecError),
        ({"compressors": 3}, MetadataValidationError),
        ({"compressors": BytesCodec()}, MetadataValidationError),
        ({"serializer": Crc32cCodec()}, MetadataValidationError),
        ({"serializer": BytesCodec(), "zarr_format": 2}, MetadataValidationError),
        ({"filters": TransposeCodec(order=(0,))}, MetadataValidationError),
        ({"shard_shape": (8, 8)}, MetadataValidationError),
        ({"shard_shape": (8, 12), "zarr_format": 2}, MetadataValidationError),
        ({"compressors": ["gzip", "gzip"], "zarr_format": 2}, MetadataValidationError),
        ({"compressors": {"name": "gzip"}, "zarr_format": 2}, MetadataValidationError),
        ({"filters": [{"id": "pickle"}], "zarr_format": 2}, PickleCodecDisabledError),
        ({"compressors": {"id": "pickle"}, "zarr_format": 2}, PickleCodecDisabledError),
        ({"compressors": {"id": "zlib", "level": "x", "y": 1}, "zarr_format": 2}, MetadataValidationError),
    ],
)
def test_refused(how: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        parsed(**how)


@pytest.mark.peer
def test_zarr_pythons_blosc_is_of_the_elements() -> None:
    """Its object says a size and a shuffle before it knows the elements: they are no one's wish."""
    zarr = pytest.importorskip("zarr")
    given = zarr.codecs.BloscCodec(cname="zstd", clevel=3)
    (_, blosc) = parse_codecs(dtype=np.dtype("f4"), chunk_shape=(8,), compressors=given)
    assert blosc.configuration["typesize"] == 4
    assert blosc.configuration["shuffle"] == "shuffle"
    assert blosc.configuration["clevel"] == 3
    given = zarr.codecs.BloscCodec(cname="zstd", typesize=2, shuffle="bitshuffle")
    (_, blosc) = parse_codecs(dtype=np.dtype("f4"), chunk_shape=(8,), compressors=given)
    assert (blosc.configuration["typesize"], blosc.configuration["shuffle"]) == (2, "bitshuffle")
