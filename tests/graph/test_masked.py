"""What a lazy mask picks: reduced without being put together, as NumPy reduces what it picked."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import SelectionError

A = np.random.default_rng(1).normal(size=(5, 6, 7)) * 10
CASES = {
    "sum": lambda p: p.sum(),
    "mean": lambda p: p.mean(),
    "mean in f4": lambda p: p.astype("f4").mean(),
    "std": lambda p: p.std(),
    "var": lambda p: p.var(ddof=1),
    "min": lambda p: p.min(),
    "max": lambda p: np.max(p),
    "prod": lambda p: (p / 9).prod(),
    "any": lambda p: (p > 9).any(),
    "all": lambda p: (p > 3).all(),
    "of a ufunc": lambda p: np.sqrt(p).sum(),
    "of operators": lambda p: (2 * p - p / 3).mean(),
    "of two": lambda p: (p * p).sum(),
    "negative": lambda p: abs(-p).max(),
}


@pytest.fixture(params=[(5, 6, 7), (2, 3, 4)], ids=str)
def x(request):
    return lz.from_array(A, chunks=request.param)


@pytest.mark.parametrize("name", CASES)
def test_reductions(name, x):
    found, expected = CASES[name](x[x > 2]), CASES[name](A[A > 2])
    assert isinstance(found, lz.LazyArray)
    assert found.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6 if found.dtype == "f4" else 1e-13)


@pytest.mark.parametrize("dtype", ["i2", "u8", "?", "f4"])
@pytest.mark.parametrize("name", ["sum", "min", "max", "mean", "any"])
def test_dtypes(dtype, name):
    a = A.astype("i8").astype(dtype)
    x, mask = lz.from_array(a, chunks=2), lz.from_array(A, chunks=3) > 2
    found, expected = getattr(x[mask], name)(), getattr(a[A > 2], name)()
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-6)


def test_values_that_are_not_picked_do_not_matter(x):
    bad = np.where(A > 2, A, np.where(A > 0, np.nan, np.inf))
    y = lz.from_array(bad, chunks=2)[x > 2]
    for name in ("sum", "mean", "min", "max", "std"):
        np.testing.assert_allclose(getattr(y, name)().compute(), getattr(A[A > 2], name)(), rtol=1e-13)


def test_picked_values_and_their_number(x):
    picked = x[x > 2]
    assert np.isnan(picked.shape[0])
    assert "<Masked (nan,) of (5, 6, 7) float64; compute_chunk_sizes() counts" in repr(picked)
    np.testing.assert_array_equal(picked.compute(memory="100MB"), A[A > 2])
    np.testing.assert_array_equal(np.asarray(picked * 2), A[A > 2] * 2)
    assert picked.compute_chunk_sizes(scheduler="sync") is picked
    assert len(picked) == picked.shape[0] == picked.count().compute() == len(x[x > 2]) == (A > 2).sum()
    assert repr(picked).startswith(f"<Masked ({len(picked)},) of")
    assert picked.ndim == 1


@pytest.mark.parametrize(
    "words",
    [{}, {"bins": 7}, {"bins": 7, "range": (-5, 8)}, {"bins": [-3, 0, 4]}, {"bins": 5, "density": True}],
)
def test_histograms(words, x):
    """Of what is picked alone: what is not may be anything."""
    bad = lz.from_array(np.where(A > 2, A, np.nan), chunks=3)
    for found, expected in zip(
        np.histogram(bad[x > 2], **words), np.histogram(A[A > 2], **words), strict=True
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-13)
    np.testing.assert_array_equal(np.histogram(x[x > 1e9])[1].compute(), np.histogram(A[A > 1e9])[1])


def test_reduced_by_ufuncs(x):
    for function in (np.add, np.multiply, np.maximum, np.minimum):
        expected = function.reduce(A[A > 20])
        np.testing.assert_allclose(function.reduce(x[x > 20]).compute(), expected, rtol=1e-13)


def test_one_pass(x):
    reads = []
    y = x.map_blocks(lambda block, block_id: (reads.append(block_id), block)[1], dtype="f8")
    mean, low = lz.compute(y[y > 2].mean(), y[y > 2].min())
    np.testing.assert_allclose([mean, low], [A[A > 2].mean(), A[A > 2].min()])
    assert sorted(reads) == sorted(set(reads))


def test_nothing_picked(x):
    nothing = x[x > 1e9]
    assert nothing.sum().compute() == 0
    assert len(nothing) == 0
    with pytest.raises(ValueError, match="picks no elements"):
        nothing.max().compute()


def test_what_does_not_fit(x):
    with pytest.raises(SelectionError, match="two masks"):
        x[x > 2] + x[x > 3]
    with pytest.raises(SelectionError, match=r"\(x \* y\)\[mask\]"):
        x[x > 2] + A
    with pytest.raises(SelectionError, match="does not fit"):
        x[x[0] > 2]
    with pytest.raises(TypeError, match="compute"):
        np.sort(x[x > 2])
    with pytest.raises(TypeError, match="memroy"):
        x[x > 2].compute(memroy="1GB")
