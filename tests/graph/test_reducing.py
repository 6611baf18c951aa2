"""Reductions and scans: ufuncs' methods, variances of what counts, bins, groups, the best k, filling."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import ShapeMismatchError
from tests.graph.laws.values import quiet

SHAPE = (4, 5, 6)
CHUNKS = [(1, 5, 3), (3, 2, 4)]
RNG = np.random.default_rng(3)
A = RNG.normal(size=SHAPE) * 10
I = (A * 10).astype("i4")  # noqa: E741
M = A > -3
W = RNG.random(SHAPE)
N = np.where(RNG.random(SHAPE) < 0.4, np.nan, A)
N[1, 2] = np.nan


@pytest.fixture(params=CHUNKS, ids=str)
def chunks(request):
    return request.param


def same(function, a, chunks, exact=True):
    """What a function gives lazily is what it gives in NumPy, however many arrays that is."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found, expected = function(lz.from_array(a, chunks=chunks)), function(a)
        if not isinstance(expected, tuple):
            found, expected = (found,), (expected,)
        for one, other in zip(found, expected, strict=True):
            assert isinstance(one, lz.LazyArray)
            assert (one.shape, one.dtype) == (np.shape(other), np.asarray(other).dtype)
            if exact:
                np.testing.assert_array_equal(one.compute(), other)
            else:
                np.testing.assert_allclose(one.compute(), other, rtol=1e-12, atol=1e-12)


UFUNCS = {
    "add": (lambda x: np.add.reduce(x), A),
    "add of axes": (lambda x: np.add.reduce(x, axis=(0, 2), keepdims=True, dtype="f8"), A),
    "add of some": (lambda x: np.add.reduce(x, 1, where=M, initial=3.0), A),
    "add of bools": (lambda x: np.add.reduce(x > 0, axis=None), A),
    "multiply": (lambda x: np.multiply.reduce(x / 9, axis=1), A),
    "maximum": (lambda x: np.maximum.reduce(x, axis=None), N),
    "maximum of integers from": (lambda x: np.maximum.reduce(x, axis=1, initial=40), I),
    "minimum of some": (lambda x: np.minimum.reduce(x, axis=1, where=M, initial=3), A),
    "fmin": (lambda x: np.fmin.reduce(x, axis=-2), N),
    "logical_and": (lambda x: np.logical_and.reduce(x > -15, axis=1), A),
    "logical_or of some": (lambda x: np.logical_or.reduce(x > 15, axis=2, where=M), A),
    "logical_xor of numbers": (lambda x: np.logical_xor.reduce(x, axis=1), I),
    "bitwise_or": (lambda x: np.bitwise_or.reduce(x, axis=1), I),
    "bitwise_and of some": (lambda x: np.bitwise_and.reduce(x, axis=0, where=M), I),
    "bitwise_xor of nothing": (lambda x: np.bitwise_xor.reduce(x[:, :0], axis=1), I),
    "gcd": (lambda x: np.gcd.reduce(x, axis=None), I * 6),
    "logaddexp": (lambda x: np.logaddexp.reduce(x, axis=0), A),
    "hypot of some, from": (lambda x: np.hypot.reduce(x, axis=1, where=M, initial=2.0), A),
    "add up to": (lambda x: np.add.accumulate(x, axis=1), A),
    "integers up to": (lambda x: np.add.accumulate(x.astype("i2")), I),
    "maximum up to": (lambda x: np.maximum.accumulate(x, -1), N),
    "fmin up to": (lambda x: np.fmin.accumulate(x, 1), N),
    "logical_or up to": (lambda x: np.logical_or.accumulate(x > 12, axis=1), A),
    "bitwise_xor up to": (lambda x: np.bitwise_xor.accumulate(x, axis=2), I),
    "logaddexp up to": (lambda x: np.logaddexp.accumulate(x, axis=0), A),
    "subtract.outer": (lambda x: np.subtract.outer(x[0, 0], A[1]), A),
    "less.outer of two": (lambda x: np.less.outer(x[0, 0], x[:, 1, 1]), A),
    "outer": (lambda x: np.outer(x[0], A[0, 0]), A),
    "modf": (lambda x: np.modf(x), A),
    "frexp": (lambda x: np.frexp(x), A),
    "divmod": (lambda x: np.divmod(x, 3), A),
    "divmod of integers": (lambda x: np.divmod(-7, x), np.abs(I) + 1),
}


@pytest.mark.parametrize("name", UFUNCS)
def test_ufuncs(name, chunks):
    function, a = UFUNCS[name]
    same(function, a, chunks, exact=a.dtype != "f8" or "mum" in name or "fm" in name)


def test_ufuncs_of_the_namespace():
    assert lnp.add.reduce([[1, 2], [3, 4]]).compute().tolist() == [4, 6]
    assert lnp.multiply.outer([1, 2], [3, 4]).compute().tolist() == [[3, 4], [6, 8]]
    assert lnp.maximum.accumulate([1, 3, 2]).compute().tolist() == [1, 3, 3]
    assert [part.compute().tolist() for part in lnp.modf([1.5, -2])] == [[0.5, 0], [1, -2]]


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda x: np.subtract.reduce(x), "order of the values"),
        (lambda x: np.divide.accumulate(x), "how values are grouped"),
        (lambda x: np.add.reduceat(x, [0, 1]), "reduceat is not lazy"),
        (lambda x: np.add.reduce(x, out=np.zeros((5, 6))), "out="),
        (lambda x: np.add(x, 1, where=M), "where="),
        (lambda x: np.gcd.reduce(x), "gcd"),
    ],
)
def test_ufuncs_refused(attempt, words):
    with pytest.raises(TypeError, match=words):
        attempt(lz.from_array(A, chunks=2))
    with pytest.raises(ValueError, match="no identity"):
        np.lcm.reduce(lz.from_array(I[:0], chunks=2))
    with pytest.raises(ValueError, match="initial"):
        np.lcm.reduce(lz.from_array(I, chunks=2), where=M)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("words", [{}, {"ddof": 1}, {"keepdims": True}, {"correction": 9}], ids=str)
def test_variances_of_what_counts(axis, words, chunks):
    same(lambda x: np.var(x, axis, where=M, **words), A, chunks, exact=False)
    same(lambda x: np.std(x, axis, where=M, **words), I, chunks, exact=False)
    same(lambda x: np.nanvar(x, axis, **words), N, chunks, exact=False)
    same(lambda x: np.nanstd(x + 1j * x, axis, **words), N, chunks, exact=False)


def test_variances_far_from_zero(chunks):
    far = A + 1e8
    expected = np.var(far.astype(np.longdouble), 0, where=M).astype("f8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.var(lz.from_array(far, chunks=chunks), 0, where=M).compute()
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert lz.from_array(A).var(where=M).explain().stages[0].kind == "reduce"
    assert len(lz.from_array(N).__lazyzarr_node__.inputs) == 0
    assert len(np.nanvar(lz.from_array(N, chunks=chunks)).explain().stages) == 1


BINS = [{}, {"bins": 7}, {"bins": 7, "range": (-5, 3)}, {"bins": [-3, 0, 4]}, {"bins": 5, "density": True}]


@pytest.mark.parametrize("words", BINS, ids=str)
@pytest.mark.parametrize(
    "a", [A, A.astype("f4"), I, np.full(SHAPE, 3.0), A[:0]], ids=["f8", "f4", "i4", "one", "none"]
)
def test_histograms(words, a, chunks):
    if "density" not in words or a.size:
        same(lambda x: np.histogram(x, **words), a, chunks, exact="density" not in words)
    for weights in (W, (W * 10).astype("i2"), W + 1j * W):
        given = weights[: len(a)]
        if a.size:
            same(lambda x, w=given: np.histogram(x, weights=w, **words), a, chunks, exact=False)


def test_a_range_that_is_looked_for_is_told(chunks):
    x = lz.from_array(A, chunks=chunks)
    plan = np.histogram(x, 256)[0].explain()
    assert "2 passes: range for bins=256 first; give range=(lo, hi) for one" in repr(plan)
    assert len(plan.stages) == 2
    assert "2 passes" not in repr(np.histogram(x, 256, (0, 1))[0].explain())
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="is not finite"):
            np.histogram(lz.from_array(np.where(M, A, bad), chunks=chunks))[0].compute()


def test_bincount():
    whole = (W * 20).astype("u8").ravel()
    x = lz.from_array(whole, chunks=7)
    plain = whole.astype("i8")
    np.testing.assert_array_equal(np.bincount(x, minlength=30).compute(), np.bincount(plain, minlength=30))
    found = np.bincount(x, W.ravel(), 30)
    assert found.dtype == "f8"
    np.testing.assert_allclose(found.compute(), np.bincount(plain, W.ravel(), 30), rtol=1e-13)
    with pytest.raises(ValueError, match=r"x.max\(\).compute\(\) \+ 1"):
        np.bincount(x)
    with pytest.raises(ValueError, match="one axis"):
        np.bincount(lz.from_array(I), minlength=3)
    with pytest.raises(ShapeMismatchError, match="shape of a"):
        np.bincount(x, W, 30)
    with pytest.raises(ValueError, match="negative"):
        np.bincount(lz.from_array([1, -1]), minlength=3).compute()


WHERE = [{"bins": 7}, {"bins": 7, "range": (-1, 1)}, {"bins": np.linspace(-1, 1, 8)}]


@pytest.mark.parametrize("words", WHERE, ids=["found", "range", "edges"])
@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", ">i4", "u4", "i8", "u8"])
def test_sums_of_integer_weights_are_exact_and_wrap_around(words, dtype):
    rng = np.random.default_rng(1)
    a, ends = rng.normal(size=200), np.iinfo(dtype)
    few = rng.integers(0, 2, 200).astype(dtype)
    many = rng.integers(ends.min, ends.max, 200, dtype=ends.dtype.newbyteorder("="), endpoint=True).astype(
        dtype
    )
    for weights in (few, many):
        edges = np.histogram_bin_edges(a, words["bins"], words.get("range"))
        place = np.searchsorted(edges, a, "right") - 1
        place[a == edges[-1]] = 6
        exact = [sum(map(int, weights[place == at])) % 2 ** (8 * ends.dtype.itemsize) for at in range(7)]
        expected = np.array(exact, "u8").astype(dtype)
        with quiet():
            numpys = np.histogram(a, weights=weights, **words)[0]
        if weights is few or words is WHERE[2]:
            np.testing.assert_array_equal(numpys, expected)
        for chunks in (200, 33, 1):
            found = np.histogram(lz.from_array(a, chunks=chunks), weights=weights, **words)[0].compute()
            np.testing.assert_array_equal(found, expected)
            assert found.dtype.str == numpys.dtype.str


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
def test_weights_of_longdouble(dtype):
    a = np.random.default_rng(1).normal(size=50)
    weights = a.astype(dtype) * (dtype(10) ** 400 if np.finfo(dtype).max > 1e308 else 1)
    for words in WHERE:
        found = np.histogram(lz.from_array(a, chunks=7), weights=weights, **words)[0].compute()
        expected = np.histogram(a, weights=weights, **words)[0]
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-17 * 64)
    for x in (np.arange(2), lz.from_array(np.arange(2))):
        with pytest.raises(TypeError, match="cast"):
            np.bincount(x, weights[:2], 2)


LABELS = [np.array([1, 0, 1, -1]), np.array([0, 2, 2, 0, 1]), np.array([0, 0, 1, 1, 1, 0])]


@pytest.mark.parametrize("how", ["var", "std", "first", "last"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f8", "i4", "c16"])
def test_groups(how, axis, dtype, chunks):
    a, labels = A.astype(dtype), LABELS[axis]
    own = [np.take(a, np.flatnonzero(labels == group), axis) for group in range(labels.max() + 1)]
    for ddof in (0, 0.5):
        one = {"first": lambda o: o.take(0, axis), "last": lambda o: o.take(-1, axis)}
        expected = np.stack(
            [one[how](o) if how in one else getattr(o, how)(axis, ddof=ddof) for o in own], axis
        )
        x = lz.from_array(a, chunks=chunks, dims=("a", "b", "c"))
        found = x.groupby_reduce(labels, how, "abc"[axis], ddof=ddof)
        assert (found.shape, found.dtype, found.dims) == (expected.shape, expected.dtype, x.dims)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-12)


def test_groups_with_too_few():
    x = lz.from_array(np.arange(4.0), chunks=2)
    assert np.isnan(x.groupby_reduce([0, 0, 1, 3], "var", ddof=1).compute()).tolist() == [
        False,
        True,
        True,
        True,
    ]
    with pytest.raises(ValueError, match="group 2 has no elements"):
        x.groupby_reduce([0, 0, 1, 3], "first")
    with pytest.raises(ValueError, match="sum, mean, min, max, count, var, std, first, last"):
        x.groupby_reduce([0, 0, 1, 3], "median")


@pytest.mark.parametrize("k", [1, 3, -2, -10, 0])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("a", [N, (A / 5).astype("i4")], ids=["nan", "i4"])
def test_the_best_k(k, axis, a, chunks):
    """dask.array gives the same values; of equal ones ours are the first."""
    expected = da.topk(da.from_array(a, chunks=chunks), k, axis).compute() if k else np.take(a, [], axis)
    x = lz.from_array(a, chunks=chunks, dims=("a", "b", "c"))
    found, where = lnp.topk(x, k, "abc"[axis]), lnp.argtopk(x, k, axis)
    assert (found.shape, found.dtype, found.dims) == (expected.shape, expected.dtype, x.dims)
    np.testing.assert_array_equal(found.compute(), expected)
    assert (where.shape, where.dtype) == (expected.shape, np.intp)
    order = np.argsort(a, axis, kind="stable")
    if k > 0:
        order = np.flip(a.shape[axis] - 1 - np.argsort(np.flip(a, axis), axis, kind="stable"), axis)
    np.testing.assert_array_equal(where.compute(), np.take(order, range(min(abs(k), a.shape[axis])), axis))


def test_the_best_k_read_once():
    reads = []
    x = lz.from_array(A, chunks=(2, 2, 2)).map_blocks(
        lambda b, block_id: (reads.append(block_id), b)[1], dtype="f8"
    )
    lnp.topk(x.reshape(-1), 3).compute(memory="100MB")
    lnp.topk(x, 2, 0).compute()
    assert len(reads) == 2 * len(set(reads)) == 2 * x.npartitions
    with pytest.raises(TypeError, match="topk compares"):
        lnp.topk(x.astype(complex), 3)


def pushed(a, axis, limit):
    """What bottleneck's `push` gives, line by line."""
    lines = np.moveaxis(a.copy(), axis, -1)
    for place in np.ndindex(lines.shape[:-1]):
        last = None
        for i, value in enumerate(lines[place].copy()):
            if not np.isnan(value):
                last = i, value
            elif last is not None and (limit is None or i - last[0] <= limit):
                lines[place][i] = last[1]
    return np.moveaxis(lines, -1, axis)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("limit", [None, 1, 3])
def test_filling(axis, limit, chunks):
    x = lz.from_array(N, chunks=chunks, dims=("a", "b", "c"))
    np.testing.assert_array_equal(lnp.ffill(x, "abc"[axis], limit).compute(), pushed(N, axis, limit))
    backwards = np.flip(pushed(np.flip(N, axis), axis, limit), axis)
    np.testing.assert_array_equal(x.bfill(axis, limit).compute(), backwards)
    assert x.ffill(axis).dims == x.dims


def test_filling_other_types():
    times = np.array(["NaT", "2000", "NaT", "NaT", "2001"], "M8[D]")
    found = lz.from_array(times, chunks=2).ffill(limit=1).compute()
    np.testing.assert_array_equal(found, times[[0, 1, 1, 3, 4]])
    assert lz.from_array(I).ffill(0).compute().tolist() == I.tolist()
    assert lz.from_array(N[:0], chunks=2).ffill(0).compute().shape == (0, 5, 6)
    with pytest.raises(ValueError, match="at least one"):
        lz.from_array(N).ffill(0, 0)


@pytest.mark.parametrize("function", [np.nansum, np.nanmean, np.nanmax, np.nanmin])
def test_only_extrema_pass_over_missing_times(function):
    times = np.array([["NaT", 3, 4], [1, 2, 3]], "m8[s]")
    for axis in (None, 0, 1):
        found = function(lz.from_array(times, chunks=1), axis=axis).compute()
        np.testing.assert_array_equal(found, function(times, axis=axis))


@pytest.mark.parametrize(
    "function", [lambda x: x[::-1].cumsum(0)[::-1], lambda x: x.bfill(0)], ids=["cumsum", "bfill"]
)
def test_an_axis_walked_from_its_end(function):
    """Each chunk is read once, and of equal values the first ones still count."""
    reads, a = [], np.round(N)
    x = lz.from_array(a, chunks=(1, 2, 3)).map_blocks(
        lambda b, block_id: (reads.append(block_id), b)[1], dtype="f8"
    )
    same(lambda x: np.cumsum(x[::-1], 0)[::-1], A, (1, 2, 3), exact=False)
    function(x).compute(scheduler="sync")
    assert sorted(reads) == sorted(set(reads))
    values = function(lz.from_array(a)).compute()
    same_place = lnp.argtopk(function(x), 2, 0).compute()
    np.testing.assert_array_equal(same_place, lnp.argtopk(values, 2, 0).compute())


def test_rising_positions_keep_the_chunks_of_their_source():
    x = lz.from_array(np.arange(12), chunks=4)
    assert np.repeat(x, 2).chunks == ((8, 8, 8),)
    assert np.repeat(x, 9).chunks == ((4,) * 27,)
    assert np.delete(x, [1, 6]).chunks == ((3, 3, 4),)
    assert x[[0, 5, 9]].chunks == ((3,),)
    assert x[[9, 0, 5, 1, 1]].chunks == ((4, 1),)
