"""Records, beside zarr-python and tensorstore; fields that are arrays, and padding, beside NumPy."""

from __future__ import annotations

import base64
import json

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr

import lazyzarr as lz
from lazyzarr.errors import (
    DataTypeMismatchError,
    MetadataValidationError,
    SelectionError,
    UnknownDataTypeError,
)
from lazyzarr.format.dtypes import data_type_of, parse_v2_dtype, parse_v3_data_type

POINT = np.dtype(
    [("x", "<f4"), ("n", "<i2"), ("in", [("k", "u1"), ("s", "S3")]), ("t", "<M8[s]"), ("u", "<U2")]
)
SUBARRAY = np.dtype([("x", "<f4"), ("z", "<i2", (2, 2))])
NEW_ZARR = tuple(map(int, zarr.__version__.split(".")[:2])) >= (3, 4)

pytestmark = pytest.mark.filterwarnings("ignore:The data type:Warning")


def points(shape=(3, 5)):
    rng = np.random.default_rng(3)
    data = np.zeros(shape, POINT)
    data["x"] = rng.normal(size=shape)
    data["n"] = rng.integers(-9, 9, shape)
    data["in"]["k"] = rng.integers(0, 9, shape)
    data["in"]["s"] = rng.choice([b"", b"a", b"abc"], shape)
    data["t"] = rng.integers(0, 10**9, shape).astype("M8[s]")
    data["u"] = rng.choice(["", "é", "𝄞x"], shape)
    data.flat[:2] = np.array((np.nan, 0, (0, b""), "NaT", ""), POINT)
    return data


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.peer
@pytest.mark.parametrize("compressors", ["auto", "blosc-lz4", None])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_ours(tmp_path, zarr_format, order, compressors):
    if not NEW_ZARR:
        pytest.skip("zarr-python before 3.4 knows no struct in v3, and no nested records in v2")
    data = points()
    z = lz.create_array(
        tmp_path / "z", shape=data.shape, chunks=(2, 2), dtype=POINT, zarr_format=zarr_format, order=order,
        compressors=compressors,
    )  # fmt: skip
    z[...] = data
    theirs = zarr.open_array(tmp_path / "z")
    assert same(theirs[...], data)
    assert same(z[...], data)
    assert theirs.fill_value.tobytes() == z.fill_value.tobytes()


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_we_read_zarr_python_s(tmp_path, zarr_format):
    data = points()
    theirs = zarr.create_array(
        tmp_path / "z", shape=data.shape, chunks=(2, 2), dtype=POINT, zarr_format=zarr_format,
        compressors=None,  # zarr-python cannot compress times in records of v2
        serializer={"name": "bytes", "configuration": {"endian": "big"}} if zarr_format == 3 and NEW_ZARR else "auto",
    )  # fmt: skip
    theirs[:2] = data[:2]
    z = lz.open_array(tmp_path / "z")
    assert same(z[...], theirs[...])
    assert z.fill_value.tobytes() == theirs.fill_value.tobytes()


@pytest.mark.peer
def test_tensorstore_reads_fields(tmp_path):
    data = np.array([(i / 2, -i, i) for i in range(5)], [("x", "f4"), ("n", "i2"), ("k", "u1")])
    lz.create_array(
        tmp_path / "z", data=data, chunks=2, serializer={"name": "bytes", "configuration": {"endian": "big"}}
    )
    for name in data.dtype.names:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "z")}, "field": name}
        try:
            array = tensorstore.open(spec).result()
        except ValueError as error:
            pytest.skip(f"this tensorstore knows no struct: {str(error)[:60]}")
        assert array.read().result().tolist() == data[name].tolist()


@pytest.mark.parametrize("shards", [None, 4])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_field_is_written(tmp_path, zarr_format, shards):
    if zarr_format == 2 and shards:
        pytest.skip("v2 has no shards")
    data = points((7,))
    z = lz.create_array(tmp_path / "z", data=data, chunks=2, shards=shards, zarr_format=zarr_format)
    expected = data.copy()
    z["n"] = expected["n"] = 7
    z["x", 1:6:2] = expected["x"][1:6:2] = [1, 2, 3]
    z["in"] = expected["in"] = np.array([(3, b"z")] * 7, POINT["in"])
    z.oindex["u", [0, 3]] = "ab"
    expected["u"][[0, 3]] = "ab"
    z.vindex["n", [6, 2]] = [1, 2]
    expected["n"][[6, 2]] = [1, 2]
    assert same(z[...], expected)
    assert same(z["n"], expected["n"])
    assert z["in"].tolist() == expected["in"].tolist()
    assert z[["x", "n"]][1:].tolist() == expected[["x", "n"]][1:].tolist()
    assert z["n", 3] == 7


def test_a_field_of_another_name(tmp_path):
    z = lz.create_array(tmp_path / "z", data=points())
    with pytest.raises(SelectionError, match="no field 'y'"):
        z["y"]
    with pytest.raises(SelectionError):
        z["y"] = 1
    with pytest.raises(SelectionError):
        lz.zeros(3)["x"]
    with pytest.raises(DataTypeMismatchError):
        z["n"] = 1.5
    with pytest.raises(DataTypeMismatchError):
        z["u"] = "abc"


def test_fields_that_are_arrays(tmp_path):
    data = np.zeros(5, SUBARRAY)
    data["z"] = np.arange(20).reshape(5, 2, 2)
    z = lz.create_array(tmp_path / "z", data=data, chunks=2, zarr_format=2)
    assert json.loads((tmp_path / "z" / ".zarray").read_text())["dtype"] == [
        ["x", "<f4"],
        ["z", "<i2", [2, 2]],
    ]
    assert same(lz.open_array(tmp_path / "z")[...], data)
    assert z["z"].shape == (5, 2, 2)
    z["z", 1:3] = [[1, 2], [3, 4]]
    assert z[2]["z"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(UnknownDataTypeError, match="zarr_format=2"):
        lz.create_array(tmp_path / "v3", data=data)


def v2(tmp_path, dtype, data, fill=None):
    """A v2 array as another writer left it: one uncompressed chunk, and one that is missing."""
    n = len(data)
    document = {"zarr_format": 2, "shape": [n + 1], "chunks": [n], "dtype": dtype, "compressor": None,
                "fill_value": fill, "order": "C", "filters": None}  # fmt: skip
    (tmp_path / ".zarray").write_text(json.dumps(document))
    (tmp_path / "0").write_bytes(data.tobytes())
    return lz.open_array(tmp_path)


def test_padding_of_v2(tmp_path):
    """zarr-python 2 wrote NumPy's descr of padded records, whose padding has no name."""
    padded = np.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i2")], align=True)
    data = np.array([(1, 2.5, 3), (4, 5.5, 6)], padded)
    z = v2(tmp_path, [list(field) for field in padded.descr], data)
    assert z.dtype.names == ("a", "b", "c")
    assert z[:2].tolist() == data.tolist()
    assert z[2].tolist() == (0, 0.0, 0)
    z["b"] = 1.5
    assert z[:2].tolist() == [(1, 1.5, 3), (4, 1.5, 6)]
    assert (tmp_path / "0").stat().st_size == data.nbytes
    assert lz.array(z).dtype.itemsize == 11
    z[:2] = np.zeros(2, [("a", "u1"), ("b", "f8"), ("c", "i2")])
    assert not (tmp_path / "0").exists()


@pytest.mark.parametrize(
    "compressor", [None, {"id": "zlib", "level": 1}, {"id": "zstd", "level": 1}, {"id": "blosc"}]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_byte_orders_of_v2_behind_compressors(tmp_path, order, compressor):
    dtype = np.dtype([("x", ">f4"), ("y", "<i2"), ("z", [("t", ">i8")])])
    data = np.array([[(1.5, 2, (3,)), (4.5, 5, (6,))]] * 3, dtype)
    document = {
        "zarr_format": 2,
        "shape": [3, 2],
        "chunks": [2, 2],
        "filters": None,
        "compressor": compressor,
    }
    document |= {
        "dtype": [["x", ">f4"], ["y", "<i2"], ["z", [["t", ">i8"]]]],
        "fill_value": None,
        "order": order,
    }
    (tmp_path / ".zarray").write_text(json.dumps(document))
    stored = data[:2].tobytes(order)
    codec = compressor and numcodecs.get_codec(dict(compressor))
    (tmp_path / "0.0").write_bytes(codec.encode(stored) if codec else stored)
    z = lz.open_array(tmp_path)
    assert z[:2].tolist() == data[:2].tolist()
    z[...] = data
    assert z[...].tobytes() == data.tobytes()
    stored = (tmp_path / "0.0").read_bytes()
    assert bytes(codec.decode(stored) if codec else stored) == data[:2].tobytes(order)


def test_padded_records_are_stored_packed():
    padded = np.dtype([("a", "u1"), ("b", "<f8")], align=True)
    data = np.array([(1, 2.5), (4, 5.5)], padded)
    for zarr_format in (2, 3):
        z = lz.array(data, zarr_format=zarr_format)
        assert z.dtype.itemsize == 9
        assert z[...].tolist() == data.tolist()


@pytest.mark.peer
@pytest.mark.skipif(not NEW_ZARR, reason="zarr-python before 3.4 reads no nested records in v2")
def test_byte_orders_of_v2(tmp_path):
    dtype = np.dtype([("x", ">f4"), ("y", "<i2"), ("z", [("t", ">i8")])])
    data = np.array([(1.5, 2, (3,)), (4.5, 5, (6,))], dtype)
    fill = base64.b64encode(np.array((7.5, 8, (9,)), dtype).tobytes()).decode()
    z = v2(tmp_path, [["x", ">f4"], ["y", "<i2"], ["z", [["t", ">i8"]]]], data, fill)
    assert z[:2].tolist() == data.tolist()
    assert z[2].tolist() == (7.5, 8, (9,)) == zarr.open_array(tmp_path)[2].item()
    z[0] = (9, 9, (9,))
    assert zarr.open_array(tmp_path)[0].item() == (9.0, 9, (9,))
    copy = lz.from_array({}, data=z, zarr_format=3)
    assert copy[...].tolist() == z[...].tolist()


def test_legacy_structured(tmp_path):
    """zarr-python 3.0 to 3.2: fields as pairs, base64 fill, and no endian, which is little."""
    document = {
        "zarr_format": 3, "node_type": "array", "shape": [3], "attributes": {},
        "data_type": {"name": "structured", "configuration": {"fields": [["x", "float32"], ["n", "int16"]]}},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": base64.b64encode(np.array((1.5, -2), "<f4,<i2").tobytes()).decode(),
        "codecs": [{"name": "bytes"}],
    }  # fmt: skip
    (tmp_path / "zarr.json").write_text(json.dumps(document))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0").write_bytes(np.array([(3.5, 4), (5.5, 6)], "<f4,<i2").tobytes())
    z = lz.open_array(tmp_path)
    assert z[...].tolist() == [(3.5, 4), (5.5, 6), (1.5, -2)]
    z.attrs["a"] = 1
    kept = json.loads((tmp_path / "zarr.json").read_text())
    assert (kept["data_type"], kept["fill_value"]) == (document["data_type"], document["fill_value"])
    assert lz.zeros_like(z).metadata.document.value["data_type"]["name"] == "struct"


def test_fills_of_v3():
    record = parse_v3_data_type(data_type_of([("x", "f4"), ("p", [("t", "M8[s]"), ("s", "S2")])]).v3_name)
    spelled = {"x": "0x7fc00001", "p": {"t": "NaT", "s": "YQ=="}}
    fill = record.fill_from_json(spelled)
    assert fill["x"].tobytes() == bytes.fromhex("0100c07f")
    assert record.fill_to_json(fill) == spelled
    assert np.isnat(record.default_fill["p"]["t"])
    for bad in ({"x": 1}, {**spelled, "y": 1}, {**spelled, "x": "a"}, "AAAA", "*", [1], 1, None):
        with pytest.raises(MetadataValidationError):
            record.fill_from_json(bad)


@pytest.mark.parametrize(
    "fill",
    [
        (1.5, 2),
        {"x": 1.5, "n": 2},
        np.void((1.5, 2), "f4,i2").item(),
        np.void((2, 1.5), [("n", "i8"), ("x", "f8")]),
    ],
)
def test_fills_of_users(fill):
    z = lz.create_array({}, shape=(2,), dtype=[("x", "f4"), ("n", "i2")], fill_value=fill)
    assert z[0].tolist() == (1.5, 2)


def test_zeros_ones_full():
    dtype = [("x", "f4"), ("n", "i2")]
    assert lz.zeros(2, dtype=dtype)[0].tolist() == (0, 0)
    assert lz.ones(2, dtype=dtype)[0].tolist() == (1, 1)
    assert lz.full(2, (3, 4), dtype=dtype)[0].tolist() == (3, 4)
    with pytest.raises(MetadataValidationError):
        lz.full(2, (3, 70000), dtype=dtype)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3), [(1, 2), 3], np.zeros(2, [("x", "f4"), ("m", "i2")]), [(1, 1.5)] * 2, "ab",
        np.array([(1, 70000)] * 2, [("x", "f4"), ("n", "i4")]),
    ],
)  # fmt: skip
def test_what_are_no_records_changes_nothing(value):
    z = lz.array(np.array([(1, 2), (3, 4)], [("x", "f4"), ("n", "i2")]))
    with pytest.raises(DataTypeMismatchError):
        z[...] = value
    assert z[...].tolist() == [(1, 2), (3, 4)]


def test_fields_are_assigned_by_name():
    """NumPy goes by position, and would mix these up."""
    z = lz.zeros(2, dtype=[("x", "f4"), ("n", "i2")])
    z[...] = np.array([(1, 2.5), (3, 4.5)], [("n", "i2"), ("x", "f4")])
    assert z["x"].tolist() == [2.5, 4.5]


@pytest.mark.parametrize(
    "name",
    [
        [], [["", "<i4"]], [["a", "<i4"], ["a", "<i4"]], [["a", "|O"]], [[["title", "a"], "<i4"]], [["a"]], [3],
        [["a", "<i4", [-1]]], [["a", "<i4", "b"]], [["a", "|u1", [2**31]]], [["a", "|V9"], ["b", "<q"]],
    ],
)  # fmt: skip
def test_bad_v2_records(name):
    with pytest.raises(MetadataValidationError):
        parse_v2_dtype(name)


@pytest.mark.parametrize(
    "fields",
    [None, [], {}, [3], [{"name": "x"}], [{"name": "", "data_type": "int8"}], [["x", "string"]], [["x", "bytes"]],
     [["x", "int8"], ["x", "int8"]], [{"name": "x", "data_type": "int8", "offset": 3}]],
)  # fmt: skip
def test_bad_v3_records(fields):
    with pytest.raises(MetadataValidationError):
        parse_v3_data_type({"name": "struct", "configuration": {"fields": fields}})


def test_records_without_end():
    name: object = "|u1"
    for _ in range(5000):
        name = [["a", name]]
    with pytest.raises(UnknownDataTypeError, match="nested"):
        parse_v2_dtype(name)


def test_titles_are_refused():
    with pytest.raises(UnknownDataTypeError, match="title"):
        data_type_of(np.dtype([(("title", "a"), "i4")]))


def test_nothing_but_fill_is_not_stored(tmp_path):
    z = lz.create_array(tmp_path / "z", shape=(2,), dtype=[("x", "f4")], fill_value=(np.nan,))
    z[...] = [(np.nan,), (np.nan,)]
    assert not (tmp_path / "z" / "c").exists()
    z = lz.create_array(tmp_path / "y", shape=(2,), dtype=[("x", "f4")])
    z[...] = [(-0.0,), (0.0,)]
    assert np.signbit(z["x", 0])
