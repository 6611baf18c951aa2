"""Every spelling of a fill value that writers are known to use: read bit for bit, and kept by an attribute edit."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lazyzarr as lz

F4_NAN = bytes.fromhex("0000c07f")

V2 = [
    ("|b1", "false", b"\0"),
    ("|b1", "1", b"\1"),
    ("|b1", "0", b"\0"),
    ("<i4", "7", b"\7\0\0\0"),
    ("<i4", "1.0", b"\1\0\0\0"),
    (">u2", "258", b"\2\1"),
    ("<i1", "-1", b"\xff"),
    (">b1", "true", b"\1"),
    ("<u1", "255", b"\xff"),
    ("<i8", "-9223372036854775808", b"\0" * 7 + b"\x80"),
    ("<u8", "18446744073709551615", b"\xff" * 8),
    ("<f4", '"NaN"', F4_NAN),
    ("<f4", "NaN", F4_NAN),
    ("<f4", '"-Infinity"', b"\0\0\x80\xff"),
    ("<f4", "Infinity", b"\0\0\x80\x7f"),
    ("<f4", "-0.0", b"\0\0\0\x80"),
    ("<f4", "1e0", b"\0\0\x80\x3f"),
    ("<f2", "0", b"\0\0"),
    ("<f4", '"0x7fc00001"', b"\1\0\xc0\x7f"),
    ("<c8", "[1, -0.0]", b"\0\0\x80\x3f\0\0\0\x80"),
    ("<c8", '["NaN", 0]', F4_NAN + b"\0" * 4),
    ("<c8", "0.0", b"\0" * 8),
    ("<M8[s]", '"NaT"', b"\0" * 7 + b"\x80"),
    ("<M8[10s]", "-9223372036854775808", b"\0" * 7 + b"\x80"),
    ("<m8[us]", "3", b"\3" + b"\0" * 7),
    ("<M8", "0", b"\0" * 8),
    ("<m8[μs]", "1", b"\1" + b"\0" * 7),
    ("|S3", '"YWI="', b"ab\0"),
    ("|S3", "0", b"\0\0\0"),
    ("|S3", '""', b"\0\0\0"),
    ("<U2", '"é"', "é\0".encode("utf-32-le")),
    ("<U2", "0", b"\0" * 8),
    ("<U2", '""', b"\0" * 8),
    ("|V3", '"AQID"', b"\1\2\3"),
    ("<V3", '"AQID"', b"\1\2\3"),
    ("|V3", "0", b"\0\0\0"),
    ([["a", "<i2"], ["b", "|S1"]], '"AQBh"', b"\1\0a"),
    ([["a", "<i2", [2]]], '"AQACAA=="', b"\1\0\2\0"),
    ([["a", "|u1"]], "0", b"\0"),
]
V3 = [
    ("bool", "true", b"\1"),
    ("bool", "0", b"\0"),
    ("int8", "-1", b"\xff"),
    ("uint16", "1.0", b"\1\0"),
    ("float32", '"0x7fc00001"', b"\1\0\xc0\x7f"),
    ("float32", '"0X7FC00001"', b"\1\0\xc0\x7f"),
    ("float32", '"+Infinity"', b"\0\0\x80\x7f"),
    ("float32", "null", b"\0" * 4),
    ("float64", '"0x8000000000000000"', b"\0" * 7 + b"\x80"),
    ("float16", '"NaN"', b"\0\x7e"),
    ("complex64", '["0x7fc00001", "-Infinity"]', b"\1\0\xc0\x7f\0\0\x80\xff"),
    ("complex_float32", "[0, -0.0]", b"\0" * 7 + b"\x80"),
    ("r24", "[1, 2, 255]", b"\1\2\xff"),
    ("r24", '"AQL/"', b"\1\2\xff"),
    ({"name": "raw_bytes", "configuration": {"length_bytes": 2}}, '"AQI="', b"\1\2"),
    (
        {"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 10}},
        '"NaT"',
        b"\0" * 7 + b"\x80",
    ),
    (
        {"name": "numpy.timedelta64", "configuration": {"unit": "generic", "scale_factor": 1}},
        "5",
        b"\5" + b"\0" * 7,
    ),
    ({"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}}, '"é"', "é\0".encode("utf-32-le")),
    ({"name": "null_terminated_bytes", "configuration": {"length_bytes": 2}}, '"YQ=="', b"a\0"),
    (
        {
            "name": "struct",
            "configuration": {
                "fields": [{"name": "x", "data_type": "float32"}, {"name": "y", "data_type": "int8"}]
            },
        },
        '{"x": "0x7fc00001", "y": 1.0}',
        b"\1\0\xc0\x7f\1",
    ),
    (
        {"name": "structured", "configuration": {"fields": [["x", "int16"], ["y", "int8"]]}},
        '"AQAC"',
        b"\1\0\2",
    ),
    ("bfloat16", '"0x7fc1"', b"\xc1\x7f"),
    ("float8_e4m3", '"0x7c"', b"\x7c"),
    ("int4", "-1", None),
    ("float4_e2m1fn", "-6.0", b"\x0f"),
    ("complex_bfloat16", '[1, "NaN"]', b"\x80\x3f\xc0\x7f"),
]


def check(folder, key, text, bits):
    (folder / key).write_text(text)
    z = lz.open_array(folder)
    z.attrs["note"] = 1
    z.attrs.update(more=[1.50])
    stored = json.loads((folder / key).read_text(), parse_float=str, parse_constant=str)
    assert stored["fill_value"] == json.loads(text, parse_float=str, parse_constant=str)["fill_value"]
    for array in (z, lz.open_array(folder)):
        missing = array[...]
        expected = np.frombuffer(bits * 2, missing.dtype) if bits else missing
        assert missing.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("dtype", "fill", "bits"), V2)
def test_v2(tmp_path, dtype, fill, bits):
    text = (
        f'{{"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": {json.dumps(dtype)}, "compressor": null, '
        f'"fill_value": {fill}, "order": "C", "filters": null}}'
    )
    check(tmp_path, ".zarray", text, bits)


@pytest.mark.parametrize(("data_type", "fill", "bits"), V3)
def test_v3(tmp_path, data_type, fill, bits):
    if isinstance(data_type, str) and data_type.partition("_")[0] in (
        "bfloat16",
        "float8",
        "float4",
        "int4",
        "complex",
    ):
        ml_dtypes = pytest.importorskip("ml_dtypes")
        if data_type == "complex_bfloat16" and not hasattr(ml_dtypes, "bcomplex32"):
            pytest.skip("this ml_dtypes has no complex types")
    text = (
        f'{{"zarr_format": 3, "node_type": "array", "shape": [2], "data_type": {json.dumps(data_type)}, '
        '"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}}, '
        f'"chunk_key_encoding": "default", "fill_value": {fill}, '
        '"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "attributes": {}}'
    )
    check(tmp_path, "zarr.json", text, bits)
