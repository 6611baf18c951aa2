"""Data types and fill values, against zarr-python's names and bit for bit against NumPy."""

from __future__ import annotations

import datetime
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from zarr.dtype import parse_data_type

from lazyzarr.errors import MetadataValidationError, UnknownDataTypeError
from lazyzarr.format.dtypes import DataType, data_type_of, parse_v2_dtype, parse_v3_data_type

NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
TIMES = ["M8[ns]", "m8[us]", "M8[10ns]", "m8[25s]", "M8[D]", "M8", "M8[as]", "m8[Y]"]
STRINGS = ["S1", "S5", "U1", "U4"]
ALL = NUMBERS + TIMES + STRINGS
UNSTABLE = pytest.mark.filterwarnings("ignore:The data type:Warning")
WORD = st.integers(0, 2**64 - 1)


def bits(scalar):
    return scalar.dtype.str, np.asarray(scalar).tobytes()


@pytest.mark.peer
@UNSTABLE
@pytest.mark.parametrize("name", ALL)
def test_names_are_zarr_pythons(name):
    ours = data_type_of(name)
    peer = parse_data_type(np.dtype(name), zarr_format=3)
    assert ours.v3_name == peer.to_json(zarr_format=3)
    assert parse_v3_data_type(json.loads(json.dumps(ours.v3_name))) == ours
    for endian, order in (("little", "<"), ("big", ">")):
        peer = parse_data_type(np.dtype(name).newbyteorder(order), zarr_format=2)
        assert ours.v2_name(endian) == peer.to_json(zarr_format=2)["name"]
        assert parse_v2_dtype(ours.v2_name(endian))[0] == ours
        if ours.byte_ordered:
            assert parse_v2_dtype(ours.v2_name(endian))[1] == endian


@pytest.mark.parametrize("name", ALL)
def test_data_types_are_native_and_few(name):
    assert data_type_of(np.dtype(name).newbyteorder(">")) == data_type_of(np.dtype(name))
    assert data_type_of(name).dtype.isnative


def test_long_long_is_int64():
    assert repr(data_type_of("longlong")) == repr(data_type_of("i8"))


@pytest.mark.parametrize("name", ["f16", "c32", "O", "V", "i4,f16", "i4,O", "S", "U", "no such", "r7", "r0"])
def test_data_types_that_cannot_be_stored(name):
    with pytest.raises(UnknownDataTypeError):
        data_type_of(name)


def test_the_unknown_is_named():
    with pytest.raises(UnknownDataTypeError, match=r"zarrs\.optional"):
        parse_v3_data_type("zarrs.optional")
    with pytest.raises(MetadataValidationError, match=r"\|O"):
        parse_v2_dtype("|O")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<i1", "i1"),
        (">b1", "?"),
        ("<u1", "u1"),
        ("<M8[us]", "M8[us]"),
        ("<M8[μs]", "M8[us]"),
        ("<M8[µs]", "M8[us]"),
        (">m8[2generic]", "m8[2generic]"),
        ("<M8", "M8"),
    ],
)
def test_other_writers_v2_spellings(name, expected):
    assert parse_v2_dtype(name)[0].dtype == np.dtype(expected)


def test_generic_units_keep_their_multiple():
    data_type, endian = parse_v2_dtype("<m8[2generic]")
    assert data_type.v2_name(endian) == "<m8[2generic]"


@pytest.mark.parametrize(
    "name",
    [
        "|f4", "f4", "=f4", "<f4 ", "<f3", "<f4[ns]", "<M8[xs]", "<M8[0s]",
        "<M8[9999999999s]", "<M4[s]", "<U0", "|S9999999999", "<c4", "", None, 4, {"a": 1},
    ],
)  # fmt: skip
def test_bad_v2_dtypes(name):
    with pytest.raises(MetadataValidationError):
        parse_v2_dtype(name)


@pytest.mark.parametrize(
    "value",
    [
        "float33", 4, None, [], {}, {"name": 3}, {"name": "numpy.datetime64"}, {"name": "fixed_length_utf32"},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 2**31}},
        {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1.5}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 6}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 0}},
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": 2**31}},
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": True}},
        {"name": "null_terminated_bytes", "configuration": []},
    ],
)  # fmt: skip
def test_bad_v3_data_types(value):
    with pytest.raises(MetadataValidationError):
        parse_v3_data_type(value)


def test_v3_aliases_and_short_hand_objects():
    assert parse_v3_data_type("complex_float32") == data_type_of("c8")
    assert parse_v3_data_type({"name": "float32"}) == data_type_of("f4")
    assert parse_v3_data_type({"name": "complex_float64", "configuration": {}}) == data_type_of("c16")


# Fill values.


@given(st.data(), st.sampled_from([name for name in ALL if name[0] not in "SU"]))
def test_v3_fill_values_keep_every_bit(data, name):
    """Any bit pattern: NaN payloads, negative NaNs, -0.0, subnormal numbers, NaT."""
    dtype = np.dtype(name)
    words = data.draw(st.lists(WORD, min_size=2, max_size=2))
    raw = b"".join(word.to_bytes(8, "little") for word in words)[: dtype.itemsize]
    if name == "?":
        raw = bytes([raw[0] & 1])
    value = np.frombuffer(raw, dtype)[0]
    text = json.dumps(data_type_of(name).fill_to_json(value), allow_nan=False)
    assert bits(data_type_of(name).fill_from_json(json.loads(text))) == bits(value)
    assert bits(data_type_of(name).fill_of(value)) == bits(value)


@given(st.data(), st.sampled_from(STRINGS), st.sampled_from([2, 3]))
def test_string_fill_values(data, name, zarr_format):
    value = data.draw(hnp.from_dtype(np.dtype(name)))
    data_type = data_type_of(name)
    text = json.dumps(data_type.fill_to_json(np.asarray(value, name)[()], zarr_format))
    assert data_type.fill_from_json(json.loads(text)) == value
    assert data_type.fill_of(value) == value


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:The 'generic' unit:DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in ALL if name[0] not in "SU"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_our_fill_values(name, zarr_format):
    data_type = data_type_of(name)
    peer = parse_data_type(np.dtype(name), zarr_format=zarr_format)
    values = [data_type.default_fill]
    if name != "M8":  # zarr-python cannot make scalars of unitless times, but NaT
        values += [np.ones(1, "i8").view(name)[0] if name[0] in "mM" else np.ones(1, name)[0]]
    if name[0] in "fc":
        values += list(np.array([np.nan, np.inf, -np.inf, -0.0, 0.1], name))
    for value in values:
        spelled = json.loads(json.dumps(data_type.fill_to_json(value, zarr_format)))
        assert bits(peer.from_json_scalar(spelled, zarr_format=zarr_format)) == bits(value)
        theirs = json.loads(json.dumps(peer.to_json_scalar(value, zarr_format=zarr_format)))
        assert bits(data_type.fill_from_json(theirs)) == bits(value)


@pytest.mark.peer
@UNSTABLE
@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_our_string_fills(name, zarr_format):
    data_type = data_type_of(name)
    peer = parse_data_type(np.dtype(name), zarr_format=zarr_format)
    for value in (np.dtype(name).type("a"), np.dtype(name).type()):
        spelled = data_type.fill_to_json(value, zarr_format)
        assert peer.from_json_scalar(spelled, zarr_format=zarr_format) == value
        assert data_type.fill_from_json(peer.to_json_scalar(value, zarr_format=zarr_format)) == value


@pytest.mark.parametrize(
    ("name", "spelled", "expected"),
    [
        ("?", 0, np.False_),
        ("?", 1.0, np.True_),
        ("i4", 1.0, np.int32(1)),
        ("f4", 3, np.float32(3)),
        ("f4", "+Infinity", np.float32("inf")),
        ("f4", math.inf, np.float32("inf")),
        ("f8", 10**300, np.float64(1e300)),
        ("f2", 1e9, np.float16("inf")),
        ("c8", 0.0, np.complex64(0)),
        ("c16", ["NaN", "-Infinity"], np.complex128(complex(math.nan, -math.inf))),
        ("M8[s]", 5.0, np.datetime64(5, "s")),
        ("S3", 0, np.bytes_(b"")),
        ("S3", "", np.bytes_(b"")),
        ("U3", 0, np.str_("")),
    ],
)
def test_other_writers_fill_spellings(name, spelled, expected):
    got = data_type_of(name).fill_from_json(spelled)
    np.testing.assert_equal(got, expected)
    assert got.dtype == np.dtype(name) or np.dtype(name).kind in "SU"


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("?", 2), ("?", "true"), ("?", None), ("i4", 1.5), ("i4", True), ("i1", 128), ("u1", -1),
        ("i4", "1x"), ("i8", 1e300),
        ("f4", "nan"), ("f4", "0x"), ("f4", "0x1ffffffff"), ("f4", "0xz"), ("f4", None),
        ("f4", True), ("f4", []), ("f8", 10**400),
        ("c8", [1, 2, 3]), ("c8", [1]), ("c8", "x"), ("c8", [None, 0]), ("c8", {}),
        ("M8[s]", "2020-01-01"), ("M8[s]", 0.5), ("m8[s]", 2**63), ("m8[s]", []),
        ("S3", "!"), ("S3", "YWJjZA=="), ("S3", None), ("S3", "é"), ("S3", []), ("U3", "abcd"),
        ("U3", None), ("U3", 1),
    ],
)  # fmt: skip
def test_impossible_fill_values(name, spelled):
    with pytest.raises(MetadataValidationError, match=f"no {np.dtype(name)} value".replace("[", r"\[")):
        data_type_of(name).fill_from_json(spelled)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("i4", None, np.int32(0)),
        ("i4", np.float64(3), np.int32(3)),
        ("f4", 0.1, np.float32(0.1)),
        ("f4", "NaN", np.float32("nan")),
        ("f4", np.float64("nan"), np.float32("nan")),
        ("f4", -0.0, np.float32(-0.0)),
        ("f2", np.array(2.0), np.float16(2)),
        ("c8", 1 + 2j, np.complex64(1 + 2j)),
        ("c8", [1, 2], np.complex64(1 + 2j)),
        ("M8[s]", None, np.datetime64("NaT", "s")),
        ("M8[s]", "NaT", np.datetime64("NaT", "s")),
        ("M8[s]", "2020-01-01", np.datetime64("2020-01-01")),
        ("M8[s]", np.datetime64("2020-01-01"), np.datetime64("2020-01-01")),
        ("M8[s]", datetime.datetime(2020, 1, 1), np.datetime64("2020-01-01")),
        ("m8[s]", datetime.timedelta(minutes=1), np.timedelta64(60, "s")),
        ("m8[s]", 60, np.timedelta64(60, "s")),
        ("S3", "abc", np.bytes_(b"abc")),
        ("S3", 0, np.bytes_(b"")),
        ("U3", "äöü", np.str_("äöü")),
    ],
)
def test_what_users_give(name, value, expected):
    got = data_type_of(name).fill_of(value)
    np.testing.assert_equal(got, expected)
    assert got.dtype == np.dtype(name) or np.dtype(name).kind in "SU"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("i4", 1.5), ("i4", "1"), ("u1", 256), ("f2", 1e9), ("f4", 1j), ("f4", "x"), ("?", 2),
        ("M8[s]", 1.5),
        ("m8[s]", "x"), ("S3", "é"), ("S3", b"abcd"), ("U3", b"a"),
        ("c8", (1, 2, 3)), ("i4", [1]), ("i4", np.zeros(3)),
        ("M8[s]", np.timedelta64(1, "s")), ("m8[s]", np.zeros(3)),
    ],
)  # fmt: skip
def test_what_a_data_type_cannot_hold(name, value):
    with pytest.raises(MetadataValidationError, match="choose one that the data type holds"):
        data_type_of(name).fill_of(value)


def test_data_types_are_values():
    assert len({DataType(np.dtype("i4")), data_type_of("i4")}) == 1
