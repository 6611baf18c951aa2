"""v2's filters and compressors against numcodecs and zarr-python, and what they must not do."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import tracemalloc
import zlib
from typing import Any

import numcodecs
import numpy as np
import pytest

from lazyzarr.errors import (
    ChunkDecodeError,
    MetadataValidationError,
    PickleCodecDisabledError,
    UnknownCodecError,
)
from lazyzarr.format.codecs.chain import CodecChain, build_chain
from lazyzarr.format.codecs.numcodecs_v2 import v2_codec

SHAPE = (5, 7)
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def compressor(document: dict[str, Any]) -> dict[str, Any]:
    return {"name": "v2.compressor", "configuration": document}


def filters(*documents: dict[str, Any], endian: str = "little") -> dict[str, Any]:
    return {"name": "v2.filters", "configuration": {"filters": list(documents), "endian": endian}}


def chain_of(*codecs: Any, dtype: Any = "f4", shape: tuple[int, ...] = SHAPE) -> CodecChain:
    return build_chain(codecs, shape, np.dtype(dtype), np.zeros((), dtype))


def values(dtype: Any = "f4") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)


def decoded(chain: CodecChain, raw: Any) -> np.ndarray:
    out = np.empty(chain.shape, chain.dtype)
    chain.decode_into(raw, out)
    return out


RAW_LZMA = [{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 1}]
COMPRESSORS = [
    numcodecs.Zlib(3), numcodecs.BZ2(2), numcodecs.LZMA(), numcodecs.LZMA(format=1, preset=9),
    numcodecs.LZ4(), numcodecs.LZMA(format=3, filters=RAW_LZMA), numcodecs.GZip(1), numcodecs.Zstd(3),
    numcodecs.Zstd(3, checksum=True), numcodecs.Blosc("zstd", 3, -1), numcodecs.Blosc("lz4", 5, 2),
    numcodecs.CRC32(), numcodecs.Adler32(), numcodecs.Fletcher32(), numcodecs.Shuffle(4), numcodecs.Base64(),
]  # fmt: skip
FILTERS = [
    [numcodecs.Delta("<i4")],
    [numcodecs.Delta("<i4", "<i8"), numcodecs.Shuffle(8)],
    [numcodecs.FixedScaleOffset(offset=3, scale=1, dtype="<i4", astype="<i2")],
    [numcodecs.AsType("<f8", "<i4")],
    [numcodecs.CRC32(), numcodecs.Base64()],
    [numcodecs.Zlib(1), numcodecs.LZ4()],
    [numcodecs.Zstd(1), numcodecs.Blosc()],
]


@pytest.mark.parametrize("codec", COMPRESSORS, ids=repr)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_compressors_are_numcodecs(codec: Any, endian: str) -> None:
    chain = chain_of({"name": "bytes", "configuration": {"endian": endian}}, compressor(codec.get_config()))
    data = values()
    stored = data.astype("<f4" if endian == "little" else ">f4")
    assert (decoded(chain, bytes(codec.encode(stored))) == data).all()
    back = codec.decode(b"".join(chain.encode(data)))
    assert bytes(memoryview(np.ascontiguousarray(back)).cast("B")) == stored.tobytes()


@pytest.mark.parametrize("codecs", FILTERS, ids=repr)
@pytest.mark.parametrize(
    "then", [None, numcodecs.Zlib(1), numcodecs.Zstd(1), numcodecs.Blosc("lz4")], ids=repr
)
def test_filters_are_numcodecs(codecs: Any, then: Any) -> None:
    tail = [] if then is None else [compressor(then.get_config())]
    chain = chain_of(filters(*(codec.get_config() for codec in codecs)), *tail, dtype="i4")
    data = values("i4")
    encoded: Any = data.ravel()
    for codec in [*codecs, *([] if then is None else [then])]:
        encoded = codec.encode(encoded)
    assert (decoded(chain, bytes(encoded)) == data).all()
    assert (decoded(chain, b"".join(chain.encode(data))) == data).all()


@pytest.mark.peer
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i4", ">i4"])
@pytest.mark.parametrize("codecs", FILTERS[:4], ids=repr)
def test_zarr_pythons_filters(order: Any, dtype: str, codecs: Any) -> None:
    zarr = pytest.importorskip("zarr")
    if order == "F" and tuple(map(int, zarr.__version__.split(".")[:2])) < (3, 3):
        pytest.skip("zarr-python stored F order with filters transposed until 3.3")
    renamed = [codec.get_config() for codec in codecs]
    for document in renamed:
        if document.get("dtype") == "<i4":
            document["dtype"] = dtype
    store: dict[str, Any] = {}
    peer = zarr.create_array(
        zarr.storage.MemoryStore(store), shape=SHAPE, chunks=SHAPE, dtype=dtype, zarr_format=2, order=order,
        filters=[numcodecs.get_codec(dict(document)) for document in renamed], compressors=numcodecs.Zlib(1),
    )  # fmt: skip
    data = values("i4")
    peer[...] = data
    before = [{"name": "transpose", "configuration": {"order": [1, 0]}}] if order == "F" else []
    endian = "little" if dtype[0] == "<" else "big"
    chain = chain_of(*before, filters(*renamed, endian=endian), compressor({"id": "zlib"}), dtype="i4")
    assert (decoded(chain, store["0.0"].to_bytes()) == data).all()


@pytest.mark.parametrize(
    "document",
    [
        {"id": "shuffle", "elementsize": "4"},
        {"id": "zlib", "level": "1"},
        {"id": "blosc", "cname": "lz4", "clevel": "5", "shuffle": "1", "blocksize": "0"},
    ],
)
def test_numbers_as_netcdf_c_writes_them(document: Any) -> None:
    chain = chain_of(BYTES, compressor(document))
    assert (decoded(chain, b"".join(chain.encode(values()))) == values()).all()


@pytest.mark.parametrize(
    "document",
    [
        {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0, "typesize": 8},
        {"id": "zstd", "level": 1, "checksum": True},
        {"id": "zstd", "level": 1, "checksum": False},
    ],
)
def test_members_that_later_versions_added(document: Any) -> None:
    chain = chain_of(BYTES, compressor(document))
    raw = b"".join(chain.encode(values()))
    assert (decoded(chain, raw) == values()).all()
    if document["id"] == "zstd":
        assert bool(raw[4] & 4) == document["checksum"]


def test_zstd_stores_a_checksum_where_the_document_says_nothing() -> None:
    (raw,) = chain_of(BYTES, compressor({"id": "zstd", "level": 1})).encode(values())
    assert raw[4] & 4


def test_shuffle_minus_one_suits_the_elements() -> None:
    document = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1, "blocksize": 0}
    shuffles = [
        chain_of(BYTES, compressor(document), dtype=dtype).codecs[1].shuffle for dtype in ("f4", "u1")
    ]
    assert shuffles == ["shuffle", "bitshuffle"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"id": "no-such-codec"}, UnknownCodecError),
        ({"level": 3}, MetadataValidationError),
        ({"id": 3}, MetadataValidationError),
        ({"id": "zlib", "levels": 3}, MetadataValidationError),
        ({"id": "blosc", "shuffle": 7}, MetadataValidationError),
        ({"id": "blosc", "cname": "zip"}, MetadataValidationError),
        ({"id": "zstd", "level": "high"}, MetadataValidationError),
        ({"id": "pickle"}, PickleCodecDisabledError),
    ],
)
def test_refused(document: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        v2_codec(document)
    with pytest.raises(error):
        chain_of(filters({"id": "delta", "dtype": "<f4"}, document))


class Marker:
    """Unpickled, it would say so."""

    ran = False

    def __reduce__(self) -> Any:
        return (setattr, (Marker, "ran", True))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", ["compressor", "first", "middle", "last"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pickles_never_run(protocol: int, place: str) -> None:
    document, zlib_ = {"id": "pickle", "protocol": protocol}, {"id": "zlib"}
    codecs = {
        "compressor": [BYTES, compressor(document)],
        "first": [filters(document, zlib_)],
        "middle": [filters(zlib_, document, zlib_)],
        "last": [filters(zlib_, document)],
    }[place]
    with pytest.raises(PickleCodecDisabledError, match="runs whatever code"):
        decoded(chain_of(*codecs), pickle.dumps(Marker(), protocol))
    assert not Marker.ran


BOMBS = {
    "gzip": lambda raw: gzip.compress(raw, 1), "zlib": lambda raw: zlib.compress(raw, 1), "bz2": bz2.compress,
    "lzma": lzma.compress, "zstd": lambda raw: numcodecs.Zstd(1).encode(raw),
    "blosc": lambda raw: numcodecs.Blosc("zstd", 1).encode(raw), "lz4": lambda raw: numcodecs.LZ4().encode(raw),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("place", ["compressor", "filter"])
def test_what_decodes_to_another_size_is_refused(name: str, place: str) -> None:
    codecs = [BYTES, compressor({"id": name})] if place == "compressor" else [filters({"id": name})]
    chain = chain_of(*codecs, shape=(1000,))
    right = bytes(BOMBS[name](b"x" * 4000))
    decoded(chain, right)
    for wrong in (3999, 4001, 1, 10_000_000):
        with pytest.raises(ChunkDecodeError) as caught:
            decoded(chain, bytes(BOMBS[name](b"x" * wrong)))
        assert caught.value.codec == name
    with pytest.raises(ChunkDecodeError):
        decoded(chain, right[: len(right) // 2])


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("place", ["compressor", "filter"])
def test_a_bomb_takes_no_memory(name: str, place: str) -> None:
    codecs = [BYTES, compressor({"id": name})] if place == "compressor" else [filters({"id": name})]
    chain = chain_of(*codecs, shape=(100,), dtype="u1")
    bomb = bytes(BOMBS[name](bytes(64 * 2**20)))
    out = np.empty(100, "u1")
    tracemalloc.start()
    try:
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(bomb, out)
        # lzma's own window is 8 MiB
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_several_gzip_streams_and_padding() -> None:
    chain = chain_of(BYTES, compressor({"id": "gzip"}), shape=(100,), dtype="u1")
    raw = gzip.compress(b"a" * 60) + gzip.compress(b"b" * 40)
    for padded in (raw, raw + bytes(512)):
        assert bytes(decoded(chain, padded)) == b"a" * 60 + b"b" * 40
    with pytest.raises(ChunkDecodeError):
        decoded(chain, raw + b"rest")
    with pytest.raises(ChunkDecodeError):
        decoded(chain, gzip.compress(b"a" * 60) + gzip.compress(b"b" * 41))


def test_several_zstd_frames_and_frames_of_unknown_size() -> None:
    zstandard = pytest.importorskip("zstandard")
    chain = chain_of(BYTES, compressor({"id": "zstd"}), shape=(100,), dtype="u1")
    known = zstandard.ZstdCompressor()
    unknown = zstandard.ZstdCompressor(write_content_size=False)
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    a, b = b"a" * 60, b"b" * 40
    two = known.compress(a) + known.compress(b)
    for raw in (
        two,
        skippable + two,
        known.compress(a) + skippable + known.compress(b),
        unknown.compress(a + b),
    ):
        assert bytes(decoded(chain, raw)) == a + b
    for raw in (
        known.compress(a),
        known.compress(a) + known.compress(a),
        unknown.compress(a),
        skippable,
        b"",
    ):
        with pytest.raises(ChunkDecodeError):
            decoded(chain, raw)
