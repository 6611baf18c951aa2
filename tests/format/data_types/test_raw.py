"""Raw bits: r* of the specification, zarr-python's raw_bytes, v2's V."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

import lazyzarr as lz
from lazyzarr.errors import DataTypeMismatchError, MetadataValidationError
from lazyzarr.format.dtypes import data_type_of, parse_v2_dtype, parse_v3_data_type

DATA = np.array([b"abc", b"\0\0\0", b"xy\0"], "V3")

pytestmark = pytest.mark.filterwarnings("ignore:The data type:Warning")


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_beside_zarr_python(tmp_path, zarr_format):
    theirs = zarr.create_array(
        tmp_path / "a",
        shape=(4,),
        chunks=(3,),
        dtype="V3",
        zarr_format=zarr_format,
        fill_value=np.void(b"ab\0"),
    )
    theirs[:3] = DATA
    z = lz.open_array(tmp_path / "a")
    assert z[...].tobytes() == theirs[...].tobytes()
    z.attrs["a"] = 1
    assert zarr.open_array(tmp_path / "a")[3].tobytes() == b"ab\0"
    ours = lz.create_array(tmp_path / "b", data=DATA, chunks=2, zarr_format=2)
    assert zarr.open_array(tmp_path / "b")[...].tobytes() == DATA.tobytes() == ours[...].tobytes()


def test_what_is_written(tmp_path):
    z = lz.create_array(tmp_path / "z", data=DATA, chunks=2, fill_value=b"a", compressors=None)
    document = json.loads((tmp_path / "z" / "zarr.json").read_text())
    assert (document["data_type"], document["fill_value"]) == ("r24", [97, 0, 0])
    assert document["codecs"] == [{"name": "bytes"}]
    assert (tmp_path / "z" / "c" / "0").read_bytes() == b"abc\0\0\0"
    assert z[0] == np.void(b"abc")


@pytest.mark.parametrize(
    "name", ["r24", "V3", "|V3", {"name": "raw_bytes", "configuration": {"length_bytes": 3}}]
)
def test_names(name):
    assert data_type_of(name).v3_name == "r24"


@pytest.mark.parametrize("name", ["r8", "r16", "r24", "r4096"])
def test_v3_names(name):
    assert parse_v3_data_type(name).v3_name == name
    assert parse_v3_data_type(name).dtype.itemsize == int(name[1:]) // 8


@pytest.mark.parametrize("name", ["r0", "r7", "r12", "r", "r-8", "r99999999999", "r8.0"])
def test_bad_v3_names(name):
    with pytest.raises(MetadataValidationError):
        parse_v3_data_type(name)


@pytest.mark.parametrize("name", ["|V0", "|V9999999999"])
def test_bad_v2_names(name):
    with pytest.raises(MetadataValidationError):
        parse_v2_dtype(name)


@pytest.mark.parametrize("spelled", [[1, 2, 255], "AQL/"])
def test_fills(spelled):
    assert parse_v3_data_type("r24").fill_from_json(spelled).tobytes() == b"\1\2\xff"


@pytest.mark.parametrize("spelled", [[1, 2], [1, 2, 256], "AQ==", "AQL", 1, {}, None, True])
def test_bad_fills(spelled):
    with pytest.raises(MetadataValidationError):
        parse_v3_data_type("r24").fill_from_json(spelled)


def test_assigned():
    z = lz.zeros(3, dtype="r24")
    z[0] = b"abc"
    z[1:] = np.array([1, 2, 3, 4, 5, 6], "u1").view("V3")
    assert z[...].tobytes() == b"abc\1\2\3\4\5\6"
    for value in (b"ab", "abc", 1, np.zeros(3, "V4")):
        with pytest.raises(DataTypeMismatchError):
            z[...] = value
