"""What other writers of the last ten years left: their documents in their spellings, read and edited.

The documents are such as those writers make (or made, before they mended it), the chunks are encoded by hand.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MetadataValidationError

VALUES = np.arange(24, dtype="i4").reshape(4, 6)
BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
V2 = {"zarr_format": 2, "shape": [4, 6], "chunks": [4, 6], "dtype": "<i4", "compressor": None}
V2 |= {"fill_value": 0, "order": "C", "filters": None}
V3 = {"zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "int32"}
V3 |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6]}}}
V3 |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}}
V3 |= {"fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}


def v2(**members):
    return {".zarray": json.dumps(V2 | members, indent=4).encode()}


def v3(**members):
    return {"zarr.json": json.dumps(V3 | members).encode()}


def shuffled(raw, size):
    return np.frombuffer(raw, "u1").reshape(-1, size).T.tobytes()


def blosc(raw, **words):
    return numcodecs.Blosc(**words).encode(np.frombuffer(raw, "i4"))


RAW = VALUES.tobytes()
NETCDF_C = {"id": "shuffle", "elementsize": "4"}, {"id": "zlib", "level": "1"}
NCZARR = {"dimrefs": ["/y", "/x"], "storage": "chunked"}
WRITERS = {
    # netCDF-C: numbers of filters as strings, members and keys of its own (netcdf-c#3200)
    "netCDF-C": (
        v2(filters=[NETCDF_C[0]], compressor=NETCDF_C[1], _NCZARR_ARRAY=NCZARR, dimension_separator="."),
        "0.0",
        zlib.compress(shuffled(RAW, 4)),
    ),
    # Zarr.jl: order C of the reversed shape, null fill values, no filters
    "Zarr.jl": (v2(fill_value=None, compressor=BLOSC), "0.0", blosc(RAW)),
    # n5-zarr: fill values as strings (n5-zarr#39), nested keys
    "n5-zarr": (v2(fill_value="0", dimension_separator="/", filters=[], compressor={"id": "gzip", "level": -1}),
                "0/0", gzip.compress(RAW)),
    "n5-zarr, blosc": (v2(compressor=BLOSC | {"nthreads": 4}, fill_value="0"), "0.0", blosc(RAW)),
    # webKnossos: blosc that chooses its shuffle (webknossos#8381)
    "webKnossos": (v2(compressor=BLOSC | {"shuffle": -1}), "0.0", blosc(RAW, shuffle=-1)),
    "blosc of floats": (v2(compressor=BLOSC | {"shuffle": 1.0, "clevel": 5.0}), "0.0", blosc(RAW)),
    # writers that record what blosc used (numcodecs#713)
    "blosc with typesize": (v2(compressor=BLOSC | {"typesize": 4}), "0.0", blosc(RAW)),
    "blosc of a few words": (v2(compressor={"id": "blosc", "clevel": 5}), "0.0", blosc(RAW)),
    "zlib of no words": (v2(compressor={"id": "zlib"}), "0.0", zlib.compress(RAW)),
    # zarr-python 2: empty filters, floats for lengths, no separator
    "zarr-python 2, floats": (v2(shape=[4.0, 6.0], chunks=[4.0, 6], filters=[]), "0.0", RAW),
    "zarr-python 2, big endian": (v2(dtype=">i4"), "0.0", VALUES.astype(">i4").tobytes()),
    "zarr-python 2, F": (v2(order="F"), "0.0", VALUES.tobytes("F")),
    "zarr-python 2, separator null": (v2(dimension_separator=None), "0.0", RAW),
    "tensorstore, zstd": (v2(compressor={"id": "zstd", "level": 1}), "0.0", numcodecs.Zstd().encode(RAW)),
    # v3 before and after version 3.0
    "endian codec": (v3(codecs=[{"name": "endian", "configuration": {"endian": "big"}}]), "c/0/0",
                     VALUES.astype(">i4").tobytes()),
    "transpose F": (v3(codecs=[{"name": "transpose", "configuration": {"order": "F"}}, V3["codecs"][0]]), "c/0/0",
                    VALUES.tobytes("F")),
    "transpose C": (v3(codecs=[{"name": "transpose", "configuration": {"order": "C"}}, V3["codecs"][0]]), "c/0/0",
                    RAW),
    "gzip first, short": (v3(codecs=[V3["codecs"][0], {"name": "gzip", "configuration": {"level": 1}}]), "c/0/0",
                          gzip.compress(RAW)),
    "names alone": (v3(chunk_key_encoding="default", data_type={"name": "int32"}), "c/0/0", RAW),
    "v2 keys": (v3(chunk_key_encoding={"name": "v2"}), "0.0", RAW),
    "default keys with dots": (v3(chunk_key_encoding={"name": "default", "configuration": {"separator": "."}}),
                               "c.0.0", RAW),
    "no configuration": (v3(chunk_key_encoding={"name": "default"}), "c/0/0", RAW),
    "must_understand": (v3(data_type={"name": "int32", "configuration": {}},
                           **{"https://x.org/y": {"must_understand": False}}), "c/0/0", RAW),
    "floats": (v3(shape=[4.0, 6], fill_value=0.0, zarr_format=3.0), "c/0/0", RAW),
    "null fill": (v3(fill_value=None), "c/0/0", RAW),
    "nothing optional": (v3(attributes=None, dimension_names=None, storage_transformers=[]), "c/0/0", RAW),
    "a byte order mark": ({"zarr.json": b"\xef\xbb\xbf" + v3()["zarr.json"]}, "c/0/0", RAW),
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
def test_chunks_of_other_writers(writer):
    documents, key, raw = WRITERS[writer]
    contents = {**documents, key: raw}
    array = lz.open_array(contents)
    np.testing.assert_array_equal(array[...], VALUES)
    assert array.dtype == "i4"
    array[1, 2] = -1
    array.append(VALUES)
    expected = VALUES.copy()
    expected[1, 2] = -1
    np.testing.assert_array_equal(lz.open_array(contents)[...], np.concatenate([expected, VALUES]))
    name, before = next(iter(documents.items()))
    shape = json.loads(before.decode("utf-8-sig"))["shape"]
    edited = json.loads(bytes(contents[name]).decode("utf-8-sig"))
    assert edited == json.loads(before.decode("utf-8-sig")) | {"shape": [8, 6]}
    array.resize(4, 6)
    respelled = bytes(contents[name]).decode("utf-8-sig").replace("[4, 6]", json.dumps(shape), 1)
    assert json.loads(respelled) == json.loads(before.decode("utf-8-sig"))


NAN = float("nan")
FILLS_V2 = [
    ("|b1", 0, False),
    ("|b1", 1, True),
    ("|b1", 1.0, True),
    ("|b1", None, False),
    ("<b1", True, True),
    ("<i1", -3, -3),
    (">u1", 3.0, 3),
    ("<i4", "7", 7),
    ("<i8", str(2**63 - 1), 2**63 - 1),
    ("<f4", "1.5", 1.5),
    ("<f4", "-1e3", -1000.0),
    ("<f4", "NaN", NAN),
    ("<f4", NAN, NAN),
    ("<f8", "Infinity", np.inf),
    ("<f8", "-Infinity", -np.inf),
    ("<f2", 1e400, np.inf),
    ("<c8", 0.0, 0j),
    ("<c16", [1.0, "NaN"], complex(1, NAN)),
    ("<c16", "NaN", complex(NAN, 0)),
    ("<M8[ns]", "NaT", np.datetime64("NaT", "ns")),
    ("<M8[ns]", -(2**63), np.datetime64("NaT", "ns")),
    ("<M8[ns]", 0, np.datetime64(0, "ns")),
    ("<M8[25s]", 2, np.datetime64(50, "s")),
    ("<m8[μs]", 1, np.timedelta64(1, "us")),
    ("<m8[µs]", 1, np.timedelta64(1, "us")),
    ("|S3", 0, b""),
    ("|S3", "", b""),
    ("|S3", base64.b64encode(b"ab\0").decode(), b"ab"),
    ("|S3", None, b""),
    ("<U3", 0, ""),
    ("<U3", "äö", "äö"),
    ("<U3", None, ""),
]


@pytest.mark.parametrize(("dtype", "spelled", "expected"), FILLS_V2, ids=str)
def test_fill_values_of_v2(dtype, spelled, expected):
    array = lz.open_array(v2(dtype=dtype, fill_value=spelled))
    expected = np.asarray(expected).astype(array.dtype)
    np.testing.assert_array_equal(array[...], np.broadcast_to(expected, (4, 6)), strict=True)


CHUNKS_0 = [
    (v2(shape=[0, 6], chunks=[0, 6]), (1, 6)),
    (v2(shape=[0, 6], chunks=[False, 6]), (1, 6)),
    (v2(shape=[4, 6], chunks=[True, 6]), (1, 6)),
    (v3(shape=[0, 6], chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 6]}}), (1, 6)),
]


@pytest.mark.parametrize(("documents", "chunks"), CHUNKS_0)
def test_chunk_sizes_that_are_none(documents, chunks):
    """zarr-python 2.18.7 to 3.2.1 wrote them for empty axes; what is written below them has valid metadata."""
    contents = dict(documents)
    array = lz.open_array(contents)
    assert array.chunks == chunks
    array.resize(4, 6)
    array[...] = VALUES
    np.testing.assert_array_equal(lz.open_array(contents)[...], VALUES)
    name, raw = next((key, bytes(raw)) for key, raw in contents.items() if key in (".zarray", "zarr.json"))
    document = json.loads(raw)
    stored = (
        document["chunks"] if name == ".zarray" else document["chunk_grid"]["configuration"]["chunk_shape"]
    )
    assert stored == list(chunks)


@pytest.mark.parametrize(
    "documents",
    [
        v3(codecs=["bytes"]),
        v3(codecs=[]),
        v3(storage_transformers=[{"name": "x"}]),
        v3(zz=1),
        v3(zz={"must_understand": True}),
        v3(chunk_key_encoding={"name": "zarrs.default_suffix", "configuration": {"suffix": ".tif"}}),
        v3(chunk_grid={"name": "zarrs.regular_bounded", "configuration": {"chunk_shape": [4, 6]}}),
        v3(data_type={"name": "zarrs.optional", "configuration": {"name": "int32", "configuration": {}}}),
        v3(dimension_names=["x"]),
        v2(dtype="<f16"),
        v2(dtype="|O"),
        v2(filters=[{"id": "nobody.knows.it"}]),
        v2(dtype="|O", filters=[{"id": "categorize", "labels": [["a"], 3], "dtype": "|O", "astype": "u1"}]),
    ],
    ids=str,
)
def test_what_is_not_understood_is_named(documents):
    with pytest.raises(MetadataValidationError, match="memory://"):
        lz.open_array({**documents, "c/0/0": RAW, "0.0": RAW})[...]
