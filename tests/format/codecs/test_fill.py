"""A chunk is empty when every element has the fill value's bits, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.format.codecs.fill import BLOCK, FillTest


def nan(bits: int) -> np.ndarray:
    return np.array(bits, "u4").view("f4")


FILLS: list[Any] = [
    np.bool_(False), np.int8(-1), np.uint16(7), np.float16(1), np.float32(0), np.float32(-0.0),
    nan(0x7FC00000), nan(0x7F800001), np.float64(np.inf), np.complex64(1j), np.complex128(complex(np.nan, 1)),
    np.datetime64("NaT", "ns"), np.datetime64(-(2**62), "D"), np.timedelta64(3, "s"),
    np.bytes_(b"ab"), np.bytes_(b"abcdefghi"), np.str_("é"),
]  # fmt: skip


@pytest.mark.parametrize("fill", FILLS, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 5, BLOCK + 3])
def test_one_changed_bit_is_seen_wherever_it_is(fill: Any, size: int) -> None:
    is_fill = FillTest(fill)
    chunk = np.empty(size, fill.dtype)
    chunk[...] = fill
    assert is_fill(chunk)
    assert is_fill(chunk.reshape(1, -1))
    raw = chunk.view("u1")
    for at in {0, len(raw) // 2, len(raw) - 1, len(raw) // 3}:
        raw[at] ^= 1
        # an S or U element with other bits after its end would be the same text, and yet other bits
        assert not is_fill(chunk)
        raw[at] ^= 1
    assert is_fill(chunk)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=64))
def test_it_agrees_with_comparing_bytes(fill: bytes, raw: bytes) -> None:
    for dtype in ("u1", "u2", "f4", "f8", "S4", "c8", "M8[us]"):
        value = np.frombuffer(fill, dtype)[0]
        chunk = np.frombuffer(raw[: len(raw) // 8 * 8], dtype)
        expected = chunk.tobytes() == np.asarray(value, dtype).tobytes() * chunk.size
        assert FillTest(np.asarray(value, dtype))(chunk) == expected
        same = np.frombuffer(np.asarray(value, dtype).tobytes() * 3, dtype)
        assert FillTest(np.asarray(value, dtype))(same)


def test_a_chunk_that_starts_otherwise_is_settled_by_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FillTest, "_all", lambda *_: pytest.fail("looked at more than one element"))
    assert not FillTest(np.float32(0))(np.ones(9, "f4"))
    assert not FillTest(np.float32(np.nan))(np.ones(9, "f4"))
