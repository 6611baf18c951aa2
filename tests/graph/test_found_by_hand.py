"""Corners of NumPy's functions that were found by hand: of dtypes, of nothing, of initial values."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import SelectionError
from tests.graph.laws.values import quiet

U2 = np.array([[65535, 3], [7, 255]], "u2")
I4 = np.arange(6, dtype="i4").reshape(2, 3)
TIMES = np.array(["2000-01-01", "1999-05-05", "NaT", "2001-01-01"], ">M8[s]")
SPANS = np.array([3, -1, 7], "m8[s]")
TEXT = np.array([b"", b"a", b""])
SWAPPED = np.arange(12, dtype=">i4").reshape(3, 4)
MASK = np.array([True, False, False])
BOX = np.arange(24.0).reshape(2, 3, 4)
WORDS = np.array(["bb", "a", "", "ccc"])


def changed(x: Any, selection: Any, value: Any) -> Any:
    """An array in which selected elements have another value."""
    x = x.copy() if isinstance(x, np.ndarray) else x[...]
    x[selection] = value
    return x


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "all bits": (lambda x: np.bitwise_and.reduce(x, axis=0, keepdims=True), (U2,)),
    "all bits of nothing": (lambda x: np.bitwise_and.reduce(x, axis=0), (U2[:0],)),
    "the greatest of nothing and of an initial value": (lambda x: np.maximum.reduce(x, initial=1), (I4[:0],)),
    "the same, kept": (lambda x: np.fmin.reduce(x, axis=None, initial=1, keepdims=True), (I4[:0],)),
    "times from an initial one": (lambda x: np.minimum.reduce(x, initial=np.datetime64(5, "s")), (TIMES,)),
    "spans from an initial one": (lambda x: np.fmax.reduce(x, initial=5), (SPANS,)),
    "running extrema of swapped times": (np.maximum.accumulate, (TIMES,)),
    "and in another dtype": (lambda x: np.logical_and.reduce(x, dtype="f8"), (I4,)),
    "or in bool": (lambda x: np.logical_or.reduce(x, dtype=bool), (I4,)),
    "or from an initial value": (lambda x: np.logical_or.reduce(x, initial=True), (I4 * 0,)),
    "sum in bool": (lambda x: x.sum(axis=0, dtype=bool), (I4,)),
    "sum of all in bool": (lambda x: x.sum(dtype=bool), (I4,)),
    "sum of bools in bool": (lambda x: np.nansum(x, axis=1, dtype=bool), (I4 > 3,)),
    "sum of spans in floats": (lambda x: np.sum(x, dtype="f8"), (SPANS,)),
    "the least of nothing, swapped": (lambda x: np.min(x, axis=0, initial=3), (SWAPPED[:0],)),
    "any text of some": (lambda x, mask: np.any(x, where=mask), (TEXT, MASK)),
    "all text of some": (lambda x, mask: np.all(x, where=mask), (TEXT, ~MASK)),
    "nanvar of too few integers": (lambda x, mask: np.nanvar(x, ddof=3, where=mask), (I4[1], ~MASK)),
    "nanstd of too few floats": (lambda x, mask: np.nanstd(x, ddof=3, where=mask), (I4[1] / 2, ~MASK)),
    "var of one complex number": (lambda x, mask: np.var(x, where=mask), (np.array(2 + 1j), np.array(True))),
    "a triangle of one axis": (lambda x: np.tril(x, 1), (I4[1],)),
    "the other triangle of one axis": (lambda x: np.triu(x, -1), (I4[1],)),
    "a triangle of no axis": (np.triu, (np.array(3),)),
    "a triangle of times": (np.tril, (TIMES.reshape(2, 2),)),
    "a triangle of text": (np.triu, (TEXT[:, None] + TEXT,)),
    "columns of numbers": (lambda x, y: np.column_stack([x, y]), (np.array(1), np.array([[2.5, 3]]))),
    "padded, swapped": (lambda x: np.pad(x, 1), (SWAPPED,)),
    "padded with edges, swapped": (lambda x: np.pad(x, (2, 0), "edge"), (SWAPPED,)),
    "changed, swapped": (lambda x: changed(x, (slice(1, 3), 2), 7), (SWAPPED,)),
    "changed at points, swapped": (lambda x: changed(x, ([0, 2], [1, 1]), 7), (SWAPPED,)),
    "changed by a mask, swapped": (lambda x, mask: changed(x, mask, 7), (SWAPPED, SWAPPED > 5)),
    "one text by a mask": (lambda x, mask: x[mask], (np.array("ab"), np.array(True))),
    "a histogram of one number by a mask": (
        lambda x, mask: np.histogram(x[mask], 3)[0],
        (np.array(2.5), np.array(True)),
    ),
    "a histogram of nothing by a mask": (
        lambda x, mask: np.histogram(x[mask], 3, (0, 1))[1],
        (np.array(2.5), np.array(False)),
    ),
    "medians of nothing": (lambda x: np.median(x, axis=1), (np.zeros((3, 0)),)),
    "a median of nothing": (np.nanmedian, (np.zeros((0, 2), "f4"),)),
    "a percentile of nothing, by NaN": (lambda x: np.nanpercentile(x, 3, axis=0), (np.zeros((0, 2)),)),
    "medians of no lines": (lambda x: np.median(x, axis=0), (np.zeros((3, 0)),)),
    "quantiles, swapped": (lambda x: np.quantile(x, 0.4, axis=1, method="lower"), (SWAPPED,)),
    "rolled, swapped": (lambda x: np.roll(x, 1, axis=0), (SWAPPED,)),
    "products of a column": (np.dot, (np.array([[[np.inf], [1], [2]]] * 2), np.zeros(1))),
    "weights along two axes": (lambda x, y: np.average(x, (0, 2), y), (BOX, BOX[:, 0] + 1)),
    "weights along axes, turned": (
        lambda x, y: np.average(x, (-1, 0), y, keepdims=True),
        (BOX, BOX[:, 0].T + 1),
    ),
    "weights along all axes, turned": (
        lambda x, y: np.average(x, [2, 0, 1], y),
        (BOX, np.moveaxis(BOX, 2, 0)),
    ),
    "a histogram between no edges": (lambda x: np.histogram(x, [])[0], (BOX,)),
    "a density between no edges": (lambda x: np.histogram(x, [], density=True)[0], (BOX,)),
    "no edges": (lambda x: np.histogram(x, [], weights=x)[1], (BOX,)),
    "no quantiles of nothing": (lambda x: np.quantile(x, [], axis=0, method="higher"), (I4[:0],)),
    "no percentiles of nothing": (lambda x: np.percentile(x, [], axis=0), (I4[:0],)),
    "an uneven number of texts": (lambda x, mask: np.logical_xor.reduce(x, where=mask), (TEXT, ~MASK)),
    "an uneven number of long texts": (
        lambda x, mask: np.logical_xor.reduce(x, where=mask),
        (WORDS, np.array([True, False, True, True])),
    ),
    "and of text of any length": (
        lambda x, mask: np.logical_xor.reduce(x, where=mask, initial=True),
        (WORDS.astype(np.dtypes.StringDType()), np.array([True, False, True, True])),
    ),
    "windows, swapped": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1), (SWAPPED,)),
}


@pytest.mark.parametrize("chunks", [1, 2, 100])
@pytest.mark.parametrize("name", CASES)
def test_corners_are_numpys(name: str, chunks: int) -> None:
    function, arrays = CASES[name]
    lazies = [lz.from_array(a, chunks=chunks if a.ndim else "auto") for a in arrays]
    with quiet():
        try:
            expected = np.asarray(function(*arrays))
        except TypeError:
            with pytest.raises(TypeError):
                function(*lazies).compute()
            return
        lazy = function(*lazies)
        found = np.asarray(lazy.compute())
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert lazy.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "g"])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_nothing_times_infinity_is_no_number_in_products(dtype: str, chunks: int) -> None:
    """BLAS scales by what is one number, and by 0 to 0; np.dot of two axes does so itself."""
    for n, m in [(3, 1), (1, 3), (1, 1), (3, 3)]:
        one, other = np.full((n, 1), np.inf, dtype), np.zeros((1, m), dtype)
        for a, b in [(one, other), (other.T, one.T)]:
            lazies = [lz.from_array(x, chunks=chunks) for x in (a, b)]
            with quiet():
                for found in (np.dot(*lazies), np.tensordot(*lazies, 1), lazies[0] @ lazies[1]):
                    values = found.compute(scheduler="sync")
                    assert (values.dtype, values.shape) == (np.dtype(dtype), (len(a), b.shape[1]))
                    assert np.isnan(values).all()


def test_products_over_one_axis_twice_are_refused() -> None:
    x = lz.from_array(np.ones((2, 2)), chunks=1)
    with pytest.raises(ValueError, match="duplicate axes"):
        np.tensordot(x, x, ((0, 0), (0, 1)))


@pytest.mark.parametrize("dtype", ["U3", "S3", np.dtypes.StringDType()])
@pytest.mark.parametrize("chunks", [1, 4])
def test_quantiles_of_text_are_whole_words(dtype: Any, chunks: int) -> None:
    """NumPy's functions that pass over NaN cut text to what the first line has."""
    held = WORDS.astype(dtype)
    x = lz.from_array(held, chunks=chunks)
    for q in (0.3, 1, [0.5, 1]):
        found = np.quantile(x, q, method="lower")
        assert found.dtype == held.dtype
        np.testing.assert_array_equal(found.compute(), np.quantile(held, q, method="lower"))
    for function in (np.nanquantile, np.nanpercentile):
        with pytest.raises(TypeError, match=f"{function.__name__} of .* is not computed here"):
            function(x, 0.5, method="lower")


@pytest.mark.parametrize(
    "labels", [[False, False], [False, True], np.array([0, 1], "u1"), np.array([1, 0], "u8")]
)
def test_labels_of_groups_count_from_0_whatever_integers_they_are(labels: Any) -> None:
    x = lz.from_array(np.array([1, 2]), chunks=1)
    expected = np.bincount(np.asarray(labels, int), [1, 2]).astype(int)
    np.testing.assert_array_equal(x.groupby_reduce(labels, "sum").compute(), expected)


def _along(function: Callable[..., Any], x: Any, axis: Any) -> Any:
    return function(x, 0.5, axis) if function is np.quantile else function(x, axis=axis)


OF_NO_AXES: dict[str, Callable[..., Any]] = {
    function.__name__: functools.partial(_along, function)
    for function in [
        *(np.sum, np.prod, np.any, np.all, np.min, np.max, np.ptp, np.count_nonzero, np.argmin, np.argmax),
        *(np.nansum, np.nanprod, np.nanmin, np.nanmax, np.nanargmax, np.cumsum, np.cumprod, np.nancumsum),
        *(np.squeeze, np.argsort, np.mean, np.std, np.median, np.sort, np.flip, np.average, np.quantile),
    ]
} | {
    "take": lambda x, axis: np.take(x, [0, -1], axis),
    "repeat": lambda x, axis: np.repeat(x, 2, axis),
    "maximum.reduce": lambda x, axis: np.maximum.reduce(x, axis),
    "hypot.reduce": lambda x, axis: np.hypot.reduce(x, axis),
    "roll": lambda x, axis: np.roll(x, 1, axis),
    "expand_dims": np.expand_dims,
}


@pytest.mark.parametrize("axis", [0, -1, 1, -2, (0,)])
@pytest.mark.parametrize("name", OF_NO_AXES)
def test_the_first_axis_of_an_array_that_has_none(name: str, axis: Any) -> None:
    """Some of NumPy's functions take it for all there is, others refuse it."""
    function, held = OF_NO_AXES[name], np.array(3.5)
    try:
        expected = np.asarray(function(held, axis))
    except (TypeError, ValueError):
        with pytest.raises((TypeError, ValueError)):
            function(lz.from_array(held), axis)
        return
    found = np.asarray(function(lz.from_array(held), axis).compute(scheduler="sync"))
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_fields_that_are_not_picked_so_are_told_of_by_name() -> None:
    x = lz.from_array(np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]))
    with pytest.raises(SelectionError, match=re.escape("fields are picked one by one: x['b']")):
        x[["b", "a"]]
    with pytest.raises(SelectionError, match="there is no field 'c'; the elements have 'a', 'b'"):
        x["c"]
    with pytest.raises(SelectionError, match="there is no field 'a'; the elements have none"):
        lz.from_array(I4)["a"]
