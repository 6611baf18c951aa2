"""Cross-reading of what is not a plain number: text and bytes of any length, records, raw bits, ml_dtypes' numbers.

As in test_cross_reading.py: every data type x layout x codec, last chunks cut on every axis, the first nothing but
fill; each library that knows the type writes, and reads what the others wrote.
"""

from __future__ import annotations

import json

import ml_dtypes
import numcodecs
import numpy as np
import pytest
import zarr

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
    pytest.mark.filterwarnings("ignore:The data type:Warning"),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec:UserWarning"),
]

SHAPE, CHUNKS, SHARDS = (5, 3, 4), (2, 2, 3), (4, 2, 6)
NEWER = tuple(map(int, zarr.__version__.split(".")[:2])) >= (3, 3)
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
CYCLE = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
LAYOUTS = {
    "C": {"chunks": CHUNKS},
    "cycle": {"chunks": CHUNKS, "filters": [CYCLE]},
    "sharded": {"chunks": CHUNKS, "shards": SHARDS},
    "sharded-cycle": {"chunks": CHUNKS, "shards": SHARDS, "filters": [CYCLE]},
}
CODECS = {
    "none": [],
    "zstd": [{"name": "zstd", "configuration": {"level": 0, "checksum": True}}],
    "gzip-crc32c": [{"name": "gzip", "configuration": {"level": 1}}, {"name": "crc32c"}],
}
RECORD = np.dtype([("x", "<f4"), ("y", "u1")])
NESTED = np.dtype([("x", "<i2"), ("n", [("a", "<c8"), ("t", "<M8[s]"), ("s", "S3")]), ("u", "<U2")])
SUBARRAYS = np.dtype([("x", "<f4"), ("m", "<i2", (2, 3)), ("r", [("a", "u1"), ("b", "<f8", 2)])])
PADDED = np.dtype({"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [0, 8], "itemsize": 24})
PACKED = np.dtype([("a", "u1"), ("b", "<f8")])
WORDS = ["", "a", "é文", "🐟" * 9, "NaN", "0", "x" * 300]


def bits(dtype, rng):
    """Elements of random bits, but for what has rules of its own (text, times that are no time)."""
    size = int(np.prod(SHAPE))
    if dtype.names:
        out = np.zeros(size, dtype)
        for name in dtype.names:
            field = dtype[name]
            out[name] = (
                bits(field.base, rng)[:, *(None,) * len(field.shape)] if field.shape else bits(field, rng)
            )
        return out
    if dtype.kind == "S":
        return np.array(
            [bytes(rng.integers(1, 256, n)) for n in rng.integers(0, dtype.itemsize + 1, size)], dtype
        )
    if dtype.kind == "U":
        return np.array(["".join(rng.choice(list("aé🐟"), n)) for n in rng.integers(0, 3, size)], dtype)
    return np.frombuffer(rng.bytes(size * dtype.itemsize), dtype).copy()


def with_fill(data, fill):
    """The data with a first chunk of nothing but fill."""
    data = data.reshape(SHAPE)
    data[tuple(map(slice, SHARDS))] = fill
    return data


def sample(kind):
    """Data and its fill value."""
    rng = np.random.default_rng(7)
    size = int(np.prod(SHAPE))
    if kind == "string":
        return with_fill(np.array(rng.choice(WORDS, size), np.dtypes.StringDType()), "fill"), "fill"
    if kind == "bytes":
        data = np.empty(size, object)
        data[:] = [rng.bytes(n) for n in rng.choice([0, 1, 3, 300], size)]
        return with_fill(data, b"\0fill"), b"\0fill"
    dtype = {"record": RECORD, "nested": NESTED, "subarrays": SUBARRAYS, "padded": PADDED}.get(kind)
    data = bits(np.dtype(kind) if dtype is None else dtype, rng)
    return with_fill(data, data[0]), data[0]


def v3_options(kind, layout, codec, fill):
    options = {**LAYOUTS[layout], "compressors": CODECS[codec], "fill_value": fill, "zarr_format": 3}
    if kind in ("record", "nested"):
        options["serializer"] = BIG if layout == "cycle" else LITTLE
    return options


@pytest.mark.parametrize("kind", ["string", "bytes", "V3", "record", "nested"])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_v3_with_zarr_python(layout, codec, kind):
    data, fill = sample(kind)
    options = v3_options(kind, layout, codec, fill)
    words = {"dtype": "bytes"} if kind == "bytes" else {}
    ours = write_ours(data, options | words)
    assert "c/0/0/0" not in ours
    assert_same(read_ours(ours), data, "we read ours")
    if kind in ("record", "nested") and not NEWER:
        pytest.skip("zarr-python before 3.3 knows no struct, and swapped bytes in records")
    if kind == "V3" and "shards" in options and not NEWER:
        pytest.skip("zarr-python before 3.3 makes no shards of raw bits")
    if kind != "V3":  # r24 is unknown to zarr-python, and its own raw_bytes is only read
        assert_same(read_zarr(ours), data, "zarr-python reads ours")
    theirs = write_zarr(
        data, options | {"dtype": zarr.dtype.VariableLengthBytes() if kind == "bytes" else data.dtype}
    )
    assert_same(read_ours(theirs), data, "we read zarr-python's")


OF_TENSORSTORE = (
    "bfloat16 int4 int2 float4_e2m1fn float8_e3m4 float8_e4m3b11fnuz float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz "
    "float8_e8m0fnu"
).split()
OURS_ALONE = "uint4 uint2 float6_e2m3fn float6_e3m2fn float8_e4m3".split()


def small(name):
    """Every value of a small type, among others that hold the fill value."""
    dtype = np.dtype(getattr(ml_dtypes, name))
    size = int(np.prod(SHAPE))
    raw = np.random.default_rng(7).integers(0, 2 ** (8 * dtype.itemsize), size).astype(f"u{dtype.itemsize}")
    width = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4}.get(
        name, 6 if "float6" in name else 0
    )
    raw = raw & (2**width - 1) if width else raw
    data = raw.view(dtype)
    if name.startswith("int"):
        data = data.astype("i1").astype(dtype)  # the bits above are the sign's
    if name == "float8_e8m0fnu":
        return with_fill(data, dtype.type(np.nan)), dtype.type(
            np.nan
        )  # tensorstore misreads all other fill values
    return with_fill(data, data[0]), data[0]


@pytest.mark.parametrize("name", [*OF_TENSORSTORE, *OURS_ALONE])
@pytest.mark.parametrize("codec", ["none", "gzip-crc32c"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_v3_small_types(layout, codec, name):
    data, fill = small(name)
    options = {**LAYOUTS[layout], "compressors": CODECS[codec], "fill_value": fill, "zarr_format": 3}
    ours = write_ours(data, options)
    assert_same(read_ours(ours), data, "we read ours")
    if name in OF_TENSORSTORE:
        assert_same(read_tensorstore(ours), data, "tensorstore reads ours")
        assert_same(read_ours(write_tensorstore(data, ours)), data, "we read tensorstore's")


ZLIB = {"id": "zlib", "level": 1}


@pytest.mark.parametrize("kind", ["string", "bytes", "V3", "record", "nested", "subarrays", "padded"])
@pytest.mark.parametrize("codec", [None, ZLIB], ids=["none", "zlib"])
@pytest.mark.parametrize("order", "CF")
def test_v2(order, codec, kind):
    data, fill = sample(kind)
    options = {"chunks": CHUNKS, "order": order, "compressors": codec, "zarr_format": 2, "fill_value": fill}
    words = {}
    if kind in ("string", "bytes"):
        data = data.astype(object)
        codecs = {"string": numcodecs.VLenUTF8(), "bytes": numcodecs.VLenBytes()}
        words = {"dtype": object, "object_codec": codecs[kind]}
    ours = write_ours(data, options | words)
    assert "0.0.0" not in ours
    again = read_ours(ours)
    data = data.astype(PACKED) if kind == "padded" else data  # what is written has no padding
    assert_same(again.astype(object) if words else again, data, "we read ours")
    if kind in ("subarrays", "padded"):
        return  # zarr-python reads neither
    if kind in ("record", "nested", "V3") and not NEWER:
        pytest.skip("zarr-python before 3.3 has other rules for records")
    if order == "F" and words and not NEWER:
        pytest.skip("zarr-python before 3.3 wrote text in F order transposed")
    if words:
        assert open_zarr(ours)[...].tolist() == data.tolist()
    else:
        assert_same(read_zarr(ours), data, "zarr-python reads ours")
    theirs = write_zarr(
        data,
        options
        | {
            "compressors": None if codec is None else numcodecs.get_codec(dict(codec)),
            "dtype": {
                "string": zarr.dtype.VariableLengthUTF8(),
                "bytes": zarr.dtype.VariableLengthBytes(),
            }.get(kind, data.dtype),
        },
    )
    assert json.loads(theirs[".zarray"])["order"] == order
    again = read_ours(theirs)
    assert_same(again.astype(object) if words else again, data, "we read zarr-python's")
