"""Assigned values: what the data type holds goes in, all else raises; shapes broadcast as NumPy's."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lazyzarr.errors import DataTypeMismatchError, ShapeMismatchError
from lazyzarr.format.assign import checked_values, fitted

NUMBERS = st.sampled_from([np.dtype(c) for c in "?bhilqBHIQefdFD"])
INTEGERS = st.sampled_from([np.dtype(c) for c in "bhiqBHIQ"])


@given(st.data(), NUMBERS, INTEGERS)
def test_integers_never_change(data, given_dtype, dtype):
    """Into an integer type every element comes back equal, or the assignment raises."""
    values = data.draw(hnp.arrays(given_dtype, hnp.array_shapes(max_dims=2, max_side=3)))
    try:
        cast = checked_values(values, dtype, "z")
    except DataTypeMismatchError:
        limits = np.iinfo(dtype)
        assert not all(
            v == v and v == int(v.real) and limits.min <= int(v.real) <= limits.max for v in _finite(values)
        )
    else:
        assert cast.dtype == dtype
        assert [int(v) for v in cast.flat] == [int(v.real) for v in values.flat]


@pytest.mark.parametrize("given_dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u4", "u8"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_no_integer_holds_what_is_not_finite(given_dtype, dtype, value):
    """The least int32 is -inf in float16, and comes back from there as itself."""
    with pytest.raises(DataTypeMismatchError, match="cannot hold"):
        checked_values(np.array([1, value], given_dtype), np.dtype(dtype), "z")


def _finite(values):
    """Python numbers; what is not finite as a number that fits no integer."""
    return [complex(v) if np.isfinite(v) else complex(0.5) for v in values.flat]


@given(st.data(), NUMBERS, st.sampled_from([np.dtype(c) for c in "fdFD"]))
def test_floats_round_as_numpy(data, given_dtype, dtype):
    values = data.draw(hnp.arrays(given_dtype, 3))
    if given_dtype.kind == "c" and dtype.kind != "c":
        return
    with np.errstate(all="ignore"):
        expected = values.astype(dtype)
    if (np.isfinite(values) & ~np.isfinite(expected)).any():
        with pytest.raises(DataTypeMismatchError, match="cannot hold"):
            checked_values(values, dtype, "z")
    else:
        np.testing.assert_array_equal(checked_values(values, dtype, "z"), expected)


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (1.5, "i4", "cannot hold 1.5 (a float64)"),
        ([0, 300], "u1", "cannot hold 300 (at index (1,) of the int64 value)"),
        (-1, "u8", "cannot hold -1"),
        (np.nan, "i4", "cannot hold nan"),
        (1 + 2j, "f8", "cannot hold (1+2j)"),
        (2**70, "i8", "do not convert"),
        ("abcdef", "U3", "cannot hold abcdef"),
        ("seven", "f8", "holds float64, the value is <U5"),
        (7, "U3", "holds <U3, the value is int64"),
        (None, "f8", "cannot hold None"),
        (object(), "f8", "do not convert"),
        ("no date", "M8[D]", "does not convert"),
        (np.datetime64("2020-01-01T05"), "M8[D]", "cannot hold 2020-01-01T05"),
        (1.0, "M8[D]", "the value is float64"),
        (2, "?", "cannot hold 2"),
        (1e300, "f4", "cannot hold 1e+300"),
        (np.array([1, 70000]), "f2", "cannot hold 70000 (at index (1,) of the int64 value)"),
        (1e300 + 0j, "c8", "cannot hold (1e+300+0j)"),
        (Decimal("1e400"), "f8", "cannot hold 1E+400"),
        (["1.5", None], "f8", "cannot hold 1.5"),
        (datetime.datetime(2020, 1, 1, 0, 0, 0, 5), "M8[s]", "cannot hold 2020-01-01T00:00:00.000005"),
        (datetime.timedelta(microseconds=1), "m8[s]", "cannot hold 1 microseconds"),
        (b"\xff", "U3", "does not convert"),
        ("abcdef", "S3", "astype('S3')"),
        (-(2**63), "M8[s]", "cannot hold -9223372036854775808"),
    ],
)
def test_refused(value, dtype, text):
    with pytest.raises(DataTypeMismatchError) as caught:
        checked_values(value, np.dtype(dtype), "file://a.zarr/u")
    assert text in str(caught.value)
    assert str(caught.value).startswith("file://a.zarr/u holds")
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("value", [np.timedelta64(10**15, "D"), np.datetime64(10**15, "D")])
def test_times_that_a_finer_unit_does_not_reach_are_refused(value):
    """Whether NumPy tells of the overflow, as from 2.5 on, or not."""
    finer = np.dtype(f"{value.dtype.kind}8[ns]")
    with pytest.raises(DataTypeMismatchError):
        checked_values(value, finer, "z")
    near = np.array([5, -7, "NaT"], value.dtype)
    np.testing.assert_array_equal(checked_values(near, finer, "z"), near.astype(finer))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (7, "u1", 7),
        (7.0, "i2", 7),
        (True, "f4", 1.0),
        (3 + 0j, "f8", 3.0),
        ("ab", "S3", b"ab"),
        (b"ab", "U3", "ab"),
        ("2020-01-02", "M8[ns]", np.datetime64("2020-01-02", "ns")),
        (np.datetime64("NaT", "s"), "M8[D]", np.datetime64("NaT", "D")),
        (5, "m8[s]", np.timedelta64(5, "s")),
        (2**63, "u8", 2**63),
        ([np.inf, np.nan, 0.1], "f4", [np.inf, np.nan, 0.1]),
        (Decimal("1.1"), "f8", 1.1),
        ([Decimal("NaN"), Decimal("-Infinity"), Fraction(1, 3)], "f4", [np.nan, -np.inf, 1 / 3]),
        (datetime.date(2020, 1, 1), "M8[s]", np.datetime64("2020-01-01")),
        ([datetime.datetime(2020, 1, 1, 1), None], "M8[ns]", ["2020-01-01T01", "NaT"]),
        (datetime.timedelta(hours=1), "m8[ns]", np.timedelta64(1, "h")),
    ],
)
def test_taken(value, dtype, expected):
    cast = checked_values(value, np.dtype(dtype), "z")
    assert cast.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(cast, np.asarray(expected, dtype))


@given(
    hnp.array_shapes(min_dims=0, max_dims=4, max_side=2), hnp.array_shapes(min_dims=0, max_dims=3, max_side=2)
)
def test_shapes_fit_as_in_numpy(given_shape, shape):
    target = np.zeros(shape)
    values = np.arange(np.prod(given_shape), dtype="f8").reshape(given_shape)
    try:
        target[...] = values
    except ValueError:
        with pytest.raises(ShapeMismatchError, match="does not fit the selection"):
            fitted(values, shape, "z")
    else:
        np.testing.assert_array_equal(fitted(values, shape, "z"), target)


def test_rows_of_several_lengths():
    with pytest.raises(ShapeMismatchError, match=r"^z: the value is no array: .* rows of one length"):
        checked_values([[1], [2, 3]], np.dtype("i4"), "z")
