"""The test for chunks that are nothing but fill: bit for bit, for every data type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.format.codecs.fill import FillTest

DTYPES = [
    "?",
    "i1",
    "u2",
    "i4",
    "u8",
    "f2",
    "f4",
    "f8",
    "c8",
    "c16",
    "M8[ns]",
    "M8[10s]",
    "m8[D]",
    "S5",
    "U3",
]


@pytest.mark.parametrize("name", DTYPES)
@given(data=st.data())
def test_equal_is_equal_in_every_bit(name, data):
    dtype = np.dtype(name)
    raw = data.draw(st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize))
    raw = bytes([raw[0] & 1]) if name == "?" else bytes(dtype.itemsize) if dtype.kind == "U" else raw
    fill = np.frombuffer(raw, dtype).reshape(())
    chunk = np.full((3, 2), fill)
    chunk.view("u1")[...] = np.frombuffer(raw, "u1").reshape(1, -1).repeat(6, 0).reshape(3, -1)
    is_fill = FillTest(fill)
    assert is_fill(chunk)
    at = data.draw(st.integers(0, chunk.nbytes - 1))
    chunk.reshape(-1).view("u1")[at] ^= 1
    assert not is_fill(chunk)


def test_times_that_datetime_cannot_hold():
    chunk = np.full((2, 2), np.datetime64(2**62, "10s"))
    assert FillTest(np.datetime64(2**62, "10s"))(chunk)
    assert not FillTest(np.datetime64("NaT", "10s"))(chunk)
