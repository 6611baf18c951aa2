"""Cross-reading with zarr-python and tensorstore, both directions, bit for bit.

Every data type x v2 and v3 x codec x layout (C, F, a 3-cycle, sharded or not, both byte orders), on an array
whose last chunks are cut on every axis and whose first chunk is nothing but fill. Each case writes with every
library and reads with every other; the summary of the run says which versions took part.
"""

from __future__ import annotations

import itertools
import json

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.storage import MemoryStore
from tests.format.peers import (
    assert_same,
    open_zarr,
    read_ours,
    read_tensorstore,
    read_zarr,
    write_ours,
    write_tensorstore,
    write_zarr,
)

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:The data type:Warning"),  # zarr-python on fixed-length S and U
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec:UserWarning"),
]

SHAPE, CHUNKS, SHARDS = (5, 3, 4), (2, 2, 3), (4, 2, 6)
INNER = CHUNKS  # no axis of length 1: a 3-cycle must not look like its inverse

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
NUMBERS = ["?", *INTEGERS, "f2", "f4", "f8", "c8", "c16"]
DTYPES = [*NUMBERS, "M8[ns]", "M8[10s]", "m8[us]", "S5", "U4"]
FILLS = {
    "?": True,
    "f2": -np.inf,
    "f4": np.nan,
    "f8": -0.0,
    "c8": 1 - 2j,
    "c16": complex(np.nan, -0.0),
    "M8[ns]": np.datetime64("NaT", "ns"),
    "M8[10s]": np.datetime64(30, "s"),
    "m8[us]": np.timedelta64(5, "us"),
    "S5": b"ab",
    "U4": "äö",
}


def sample(name):
    """An array of random bits (every NaN, infinities, NaT), whose first chunk holds only the fill value."""
    rng = np.random.default_rng(7)
    dtype, size = np.dtype(name), int(np.prod(SHAPE))
    if name == "?":
        data = rng.integers(0, 2, size).astype("?")
    elif name == "S5":
        data = np.array([bytes(rng.integers(1, 256, n)) for n in rng.integers(0, 6, size)], name)
    elif name == "U4":
        data = np.array(["".join(rng.choice(list("aé文🐟"), n)) for n in rng.integers(0, 5, size)], name)
    else:
        data = np.frombuffer(rng.bytes(size * dtype.itemsize), dtype).copy()
    data = data.reshape(SHAPE)
    data[tuple(map(slice, SHARDS))] = fill_of(name)
    return data


def fill_of(name):
    return np.asarray(FILLS.get(name, 7), name)[()]


# v3.


def blosc(cname, shuffle, size):
    names = {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": size, "blocksize": 0}
    return {"name": "blosc", "configuration": names}


def compressors_v3(codec, size):
    return {
        "none": [],
        "zstd-checksum": [{"name": "zstd", "configuration": {"level": 0, "checksum": True}}],
        "gzip": [{"name": "gzip", "configuration": {"level": 5}}],
        "crc32c": [{"name": "crc32c"}],
        "blosc-lz4-shuffle-crc32c": [blosc("lz4", "shuffle", size), {"name": "crc32c"}],
        "blosc-zstd-bitshuffle": [blosc("zstd", "bitshuffle", size)],
        "blosc-zlib-noshuffle": [blosc("zlib", "noshuffle", size)],
    }[codec]


CODECS_V3 = [
    "none",
    "zstd-checksum",
    "gzip",
    "crc32c",
    "blosc-lz4-shuffle-crc32c",
    "blosc-zstd-bitshuffle",
    "blosc-zlib-noshuffle",
]
REVERSE = {"name": "transpose", "configuration": {"order": [2, 1, 0]}}
CYCLE = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
PLAIN = {"name": "bytes"}
LAYOUTS_V3 = {
    "C": {"chunks": CHUNKS, "filters": [], "serializer": LITTLE},
    "F-big": {"chunks": CHUNKS, "filters": [REVERSE], "serializer": BIG},
    "cycle": {"chunks": CHUNKS, "filters": [CYCLE], "serializer": LITTLE},
    "sharded": {"chunks": INNER, "shards": SHARDS, "filters": [], "serializer": LITTLE},
    "sharded-F-big": {"chunks": INNER, "shards": SHARDS, "filters": [REVERSE], "serializer": BIG},
    "sharded-cycle": {"chunks": INNER, "shards": SHARDS, "filters": [CYCLE], "serializer": LITTLE},
}


def options_v3(layout, codec, name):
    options = {**LAYOUTS_V3[layout], "fill_value": fill_of(name), "zarr_format": 3}
    dtype = np.dtype(name)
    if dtype.kind == "S" or (dtype.kind != "U" and dtype.itemsize == 1):
        options["serializer"] = PLAIN
    return options | {"compressors": compressors_v3(codec, dtype.itemsize)}


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("codec", CODECS_V3)
@pytest.mark.parametrize("layout", LAYOUTS_V3)
def test_v3(layout, codec, name):
    data, options = sample(name), options_v3(layout, codec, name)
    ours = write_ours(data, options)
    assert "c/0/0/0" not in ours
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    theirs = write_zarr(data, options | {"dtype": data.dtype})
    assert_same(read_ours(theirs), data, "we read zarr-python's")
    if name in NUMBERS:
        assert_same(read_tensorstore(ours), data, "tensorstore reads ours")
        assert_same(read_ours(write_tensorstore(data, ours)), data, "we read tensorstore's")
    assert_same(read_ours(ours), data, "we read ours")


@pytest.mark.parametrize("name", ["i2", "f8", "U4"])
@pytest.mark.parametrize("codec", ["zstd-checksum", "blosc-zstd-bitshuffle"])
@pytest.mark.parametrize("location", ["start", "end"])
def test_v3_a_cycle_around_shards(location, codec, name):
    """The shard itself lies transposed: its inner chunks' shape counts in the stored axes, here (4, 4, 2)."""
    data = sample(name)
    inner = [LITTLE, *compressors_v3(codec, data.dtype.itemsize)]
    configuration = {
        "chunk_shape": [2, 2, 1],
        "codecs": inner,
        "index_codecs": [LITTLE, {"name": "crc32c"}],
        "index_location": location,
    }
    sharding = {"name": "sharding_indexed", "configuration": configuration}
    options = {"chunks": (4, 2, 4), "filters": [CYCLE], "serializer": sharding, "compressors": []}
    options |= {"fill_value": fill_of(name), "zarr_format": 3}
    ours = write_ours(data, options)
    assert_same(read_ours(ours), data, "we read ours")
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    theirs = write_zarr(data, options | {"dtype": data.dtype})
    assert_same(read_ours(theirs), data, "we read zarr-python's")
    if name in NUMBERS:
        assert_same(read_tensorstore(ours), data, "tensorstore reads ours")
        assert_same(read_ours(write_tensorstore(data, ours)), data, "we read tensorstore's")


@pytest.mark.parametrize("endian", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("nested", [False, True])
def test_v3_shards_without_axes(nested, endian):
    def sharding(*codecs):
        configuration = {"chunk_shape": [], "codecs": codecs, "index_codecs": [LITTLE, {"name": "crc32c"}]}
        return {"name": "sharding_indexed", "configuration": configuration}

    data = np.array(-2.5)
    serializer = sharding(sharding(endian)) if nested else sharding(endian)
    ours = write_ours(data, {"chunks": (), "serializer": serializer, "compressors": [], "fill_value": 1})
    assert_same(np.asarray(read_ours(ours)), data, "we read ours")
    assert_same(np.asarray(read_zarr(ours)), data, "zarr-python reads ours")
    assert_same(read_tensorstore(ours), data, "tensorstore reads ours")


@pytest.mark.parametrize("encoding", list(itertools.product(["default", "v2"], "/.")), ids="-".join)
@pytest.mark.parametrize("shape", [(), (5,), (0, 3)], ids=str)
def test_v3_chunk_keys_and_ranks(shape, encoding):
    data = np.random.default_rng(7).normal(size=shape)
    encoding = {"name": encoding[0], "separator": encoding[1]}
    options = {"chunks": (2,) * len(shape), "fill_value": 0.0, "chunk_key_encoding": encoding}
    ours = write_ours(data, options)
    theirs = write_zarr(data, options | {"dtype": "f8"})
    assert ours.keys() == theirs.keys()
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    assert_same(read_ours(theirs), data, "we read zarr-python's")
    assert_same(read_tensorstore(ours), data, "tensorstore reads ours")


# v2.

ZLIB = {"id": "zlib", "level": 1}
COMPRESSORS_V2 = {
    "none": None,
    "zstd": {"id": "zstd", "level": 1},
    "gzip": {"id": "gzip", "level": 5},
    "zlib": ZLIB,
    "bz2": {"id": "bz2", "level": 1},
    "lz4": {"id": "lz4", "acceleration": 1},
    "lzma": {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
    "blosc-lz4": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "blosc-zstd-bitshuffle": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
    "blosc-zlib-noshuffle": {"id": "blosc", "cname": "zlib", "clevel": 5, "shuffle": 0, "blocksize": 0},
}
UNKNOWN_TO_TENSORSTORE = ("gzip", "lz4", "lzma")


def write_zarr_v2(data, options, order, endian):
    dtype = data.dtype.newbyteorder(endian)
    compressor, filters = options["compressors"], options.get("filters")
    words = {
        "compressors": None if compressor is None else numcodecs.get_codec(dict(compressor)),
        "filters": None if filters is None else [numcodecs.get_codec(dict(f)) for f in filters],
    }
    return write_zarr(data.astype(dtype), options | words | {"dtype": dtype, "order": order})


def cross_read_v2(data, options, order, endian, tensorstore_too):
    ours = write_ours(data, options | {"order": order})
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    assert_same(read_ours(ours), data, "we read ours")
    theirs = write_zarr_v2(data, options, order, endian)
    assert_same(read_ours(theirs), data, "we read zarr-python's")
    if tensorstore_too:
        assert_same(read_tensorstore(ours), data, "tensorstore reads ours")
        assert_same(read_ours(write_tensorstore(data, theirs)), data, "we read tensorstore's")
    return ours


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("codec", COMPRESSORS_V2)
@pytest.mark.parametrize(("order", "endian"), [("C", "<"), ("F", ">")])
def test_v2(order, endian, codec, name):
    data = sample(name)
    separator = "." if order == "C" else "/"
    options = {
        "chunks": CHUNKS,
        "fill_value": fill_of(name),
        "zarr_format": 2,
        "compressors": COMPRESSORS_V2[codec],
        "chunk_key_encoding": {"name": "v2", "separator": separator},
    }
    too = name in NUMBERS and codec not in UNKNOWN_TO_TENSORSTORE
    ours = cross_read_v2(data, options, order, endian, too)
    assert separator.join("000") not in ours


SCALED = {"id": "fixedscaleoffset", "scale": 2, "offset": 1, "dtype": "<f8", "astype": "<i2"}
FILTERS_V2 = {
    "delta": (INTEGERS, lambda name: [{"id": "delta", "dtype": np.dtype(name).str}]),
    "shuffle": (
        ["i4", "f8", "c16"],
        lambda name: [{"id": "shuffle", "elementsize": np.dtype(name).itemsize}],
    ),
    "packbits": (["?"], lambda name: [{"id": "packbits"}]),
    "fixedscaleoffset": (["f8"], lambda name: [SCALED]),
    "sums-at-the-start": (["i2", "f4"], lambda name: [{"id": "crc32"}, {"id": "adler32"}]),
    "sums-at-the-end": (["i2", "f4"], lambda name: [{"id": "fletcher32"}, {"id": "crc32c"}]),
    "compressors": (["u1", "f4"], lambda name: [ZLIB, {"id": "zstd", "level": 1}]),
    "astype": (["u2"], lambda name: [{"id": "astype", "encode_dtype": "<u4", "decode_dtype": "<u2"}]),
}


@pytest.mark.parametrize("kind", FILTERS_V2)
@pytest.mark.parametrize("order", "CF")
def test_v2_filters(order, kind):
    names, filters = FILTERS_V2[kind]
    for name in names:
        data = sample(name)
        if name == "f8":
            data = np.arange(60.0).reshape(SHAPE)
        options = {"chunks": CHUNKS, "fill_value": fill_of(name), "zarr_format": 2}
        options |= {"filters": filters(name), "compressors": ZLIB}
        cross_read_v2(data, options, order, "<", False)


@pytest.mark.parametrize("name", ["f4", "M8[ns]", "i4"])
def test_v2_null_fill(name):
    data = sample(name)
    options = {"chunks": CHUNKS, "fill_value": None, "zarr_format": 2, "compressors": ZLIB}
    ours = write_ours(data, options)
    assert json.loads(ours[".zarray"])["fill_value"] is None
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    ours.pop("0.0.0", None)
    expected = data.copy()
    expected[:2, :2, :3] = np.array("NaT" if name[0] == "M" else 0, name)
    assert_same(read_ours(ours), expected, "we read ours")
    assert_same(read_zarr(ours), expected, "zarr-python reads ours")


# What only one of the peers can be asked.


@pytest.mark.parametrize("bits", ["0x7fc00001", "0xffc00000", "0x7f800001"])
def test_nan_payloads_of_missing_chunks(bits):
    """zarr-python reads every NaN as its own; tensorstore keeps the payload."""
    fill = np.frombuffer(bytes.fromhex(bits[2:])[::-1], "<f4")[0]
    ours = write_ours(np.full(SHAPE, fill), {"chunks": CHUNKS, "fill_value": fill})
    assert list(ours) == ["zarr.json"]
    assert json.loads(ours["zarr.json"])["fill_value"] == bits
    assert_same(read_ours(ours), np.full(SHAPE, fill), "we read ours")
    assert_same(read_tensorstore(ours), np.full(SHAPE, fill), "tensorstore reads ours")
    assert np.isnan(read_zarr(ours)).all()


def test_a_partial_write_of_ours_is_whole_for_the_peers():
    """Chunks and shards that are read, changed and written again."""
    data = np.arange(60.0).reshape(SHAPE)
    for layout in ("C", "sharded-cycle"):
        contents = {}
        options = options_v3(layout, "zstd-checksum", "f8")
        array = lz.create_array(MemoryStore(contents), shape=SHAPE, dtype="f8", **options)
        for index in np.ndindex(SHAPE):
            array[index] = data[index]
        contents = {key: bytes(raw) for key, raw in contents.items()}
        assert_same(read_zarr(contents), data, "zarr-python reads ours")
        assert_same(read_tensorstore(contents), data, "tensorstore reads ours")


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_defaults(zarr_format, name):
    """What a user gets who chooses nothing is read by the peers, attributes and names included."""
    data = sample(name)
    names = {"attributes": {"units": "m"}, "dimension_names": ("x", "y", "z")}
    ours = write_ours(data, {"zarr_format": zarr_format, **names})
    assert_same(read_zarr(ours), data, "zarr-python reads ours")
    opened = open_zarr(ours)
    assert opened.attrs["units"] == "m"
    if zarr_format == 3:
        assert opened.metadata.dimension_names == ("x", "y", "z")
    if name in NUMBERS:
        assert_same(read_tensorstore(ours), data, "tensorstore reads ours")
    theirs = write_zarr(data, {"zarr_format": zarr_format, "dtype": data.dtype})
    assert_same(read_ours(theirs), data, "we read zarr-python's")
