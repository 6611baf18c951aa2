"""Changed copies of lazy arrays: NumPy's assignments, of an expression."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.errors import BoundsCheckError, SelectionError
from tests.graph.laws.values import quiet
from tests.graph.selections import indices

LAWS = int(os.environ.get("LAZYZARR_LAWS", "60"))
A = np.arange(81.0).reshape(3, 3, 3, 3)


@settings(max_examples=max(LAWS, 80), deadline=None, derandomize=LAWS <= 60)
@given(
    st.lists(indices, min_size=1, max_size=4),
    st.integers(0, 4),
    st.sampled_from([None, Ellipsis, "both", "nothing"]),
    st.integers(1, 3),
    st.sampled_from(["all", "one", "line", "lazy"]),
)
def test_numpys_selections(parts, where, extra, chunk, kind):
    """Of values that one element is given twice the last one stays, as in NumPy."""
    added = {"both": [None, Ellipsis], "nothing": []}.get(extra, [extra])
    selection = (*parts[:where], *added, *parts[where:])
    expected = A.copy()
    try:
        shape = np.shape(A[selection])
    except IndexError:
        with pytest.raises((BoundsCheckError, SelectionError)):
            lz.from_array(A, chunks=chunk)[selection] = 1
        return
    value = -1.0 - np.arange(np.prod(shape, dtype=int)).reshape(shape)
    value = {"one": -1.0, "line": value[..., :1] if value.ndim else value}.get(kind, value)
    expected[selection] = value
    x = before = lz.from_array(A, chunks=chunk, dims=("a", "b", "c", "d"))
    y = x + 0
    y[selection] = lz.from_array(value, chunks=2) if kind == "lazy" else value
    assert (y.shape, y.dtype, y.dims) == (A.shape, A.dtype, x.dims)
    assert y.chunks == x.chunks
    np.testing.assert_array_equal(y.compute(), expected)
    np.testing.assert_array_equal(before.compute(), A)


MASKS = {
    "all axes": (A > 40, 7.0),
    "of values": (A > 40, -np.arange(40.0)),
    "leading axes": (A[..., 0] > 40, 7.0),
    "leading axes, lines": (A[:, :, 0, 0] > 30, A[0, 0]),
    "with others": (np.s_[:, [True, False, True], 1:], -1.0),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_masks(name, chunk):
    selection, value = MASKS[name]
    x, expected = lz.from_array(A, chunks=chunk), A.copy()
    x[selection] = value
    expected[selection] = value
    np.testing.assert_array_equal(x.compute(), expected)


def test_lazy_masks():
    x, expected = lz.from_array(A, chunks=2), A.copy()
    mask = x > 50
    x[mask] = x[mask] * 2 - 1
    expected[A > 50] = expected[A > 50] * 2 - 1
    np.testing.assert_array_equal(x.compute(), expected)
    x[x[:, :, 0, 0] > 30] = np.arange(3)
    expected[expected[:, :, 0, 0] > 30] = np.arange(3)
    np.testing.assert_array_equal(x.compute(), expected)
    whole = lz.from_array(np.arange(4), chunks=2)
    over = whole > 1
    whole[over] = whole[over] / 4
    assert (whole.dtype, whole.compute().tolist()) == (np.arange(4).dtype, [0, 1, 0, 0])


def test_values_are_cast_and_files_are_written():
    x = lz.from_array(np.arange(6), chunks=4)
    x[[0, 5, 5]] = [1.9, 2, 3]
    assert x.compute().tolist() == [1, 1, 2, 3, 4, 3]
    assert (x + 1).to_zarr("a.zarr")[...].tolist() == [2, 2, 3, 4, 5, 4]
    calls = []
    y = x.map_blocks(lambda b, block_id: (calls.append(block_id), b)[1], dtype=x.dtype)
    y[[1, 4]] = 0
    assert y.compute(scheduler="sync").tolist() == [1, 0, 2, 3, 0, 3]
    assert sorted(calls) == [(0,), (1,)]


REFUSED = {
    "too long": (np.s_[[0, 1]], np.zeros(4), ValueError, "could not broadcast"),
    "too long a slice": (np.s_[1:], np.zeros(4), ValueError, "could not broadcast"),
    "too many for a mask": (A > 40, np.zeros(3), ValueError, "could not broadcast"),
    "beyond": (np.s_[[5]], 1, BoundsCheckError, "out of bounds"),
    "a mask that does not fit": (np.ones(2, bool), 1, BoundsCheckError, "does not fit"),
    "values for a lazy mask": (lz.from_array(A) > 3, np.zeros((77, 3, 3, 3, 3)), SelectionError, "np.where"),
    "what another mask picked": (
        lz.from_array(A) > 3,
        lz.from_array(A)[lz.from_array(A) > 4],
        SelectionError,
        "same mask",
    ),
}


@pytest.mark.parametrize(("selection", "value", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(selection, value, error, words):
    with pytest.raises(error, match=words):
        lz.from_array(A, chunks=2)[selection] = value


@pytest.mark.parametrize("selection", [0, slice(1, 3), [0, 1], "mask"], ids=str)
@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("i1", 300), ("u1", -1), ("u8", -1), ("i8", np.nan), ("i8", 1.7), ("f4", 1e300), ("U2", "abc"), ("f8", None),
        ("i8", None), ("i1", np.int64(7)), ("i8", "5"), ("M8[D]", "2000-01-01"), ("M8[D]", 5), ("i8", 1j),
    ],
)  # fmt: skip
def test_numbers_are_taken_as_numpys_assignment_takes_them(dtype, value, selection):
    a = np.zeros(4, dtype)
    mask = np.array([True, False, True, False])
    x = lz.from_array(a, chunks=2)
    b = a.copy()
    with quiet():
        try:
            b[mask if selection == "mask" else selection] = value
        except (TypeError, ValueError, OverflowError) as refused:
            with pytest.raises(type(refused)):
                x[lz.from_array(mask) if selection == "mask" else selection] = value
            return
        x[lz.from_array(mask) if selection == "mask" else selection] = value
        np.testing.assert_array_equal(x.compute(), b)


def test_a_list_is_no_element_of_objects():
    z = lz.create_array({}, data=[{"a": 1}, [2]], dtype=object, object_codec={"id": "json2"}, zarr_format=2)
    x = z.lazy()
    with pytest.raises(TypeError, match="no element"):
        x[0] = [6]
