"""Users' functions of blocks, windows and core axes, and reductions of their own, as dask.array has them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import BoundsCheckError, MemoryBudgetError, SelectionError, ShapeMismatchError

SHAPE = (4, 5, 6)
CHUNKS = [(2, 3, 4), ((1, 3), (2, 2, 1), (1, 5))]
A = np.random.default_rng(4).normal(size=SHAPE) * 10


@pytest.fixture(params=CHUNKS, ids=["even", "ragged"])
def chunks(request):
    return request.param


def as_dask(function, chunks, exact=True, a=A):
    """A function of an array and a namespace gives the same with ours as with dask.array."""
    found = function(lz.from_array(a, chunks=chunks), lnp)
    expected = function(da.from_array(a, chunks=chunks), da)
    several = isinstance(expected, tuple)
    assert isinstance(found, tuple) == several
    for one, other in zip(found if several else (found,), expected if several else (expected,), strict=True):
        assert isinstance(one, lz.LazyArray)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        if exact:
            np.testing.assert_array_equal(one.compute(), other.compute())
        else:
            np.testing.assert_allclose(one.compute(), other.compute(), rtol=1e-13)
    return found, expected


BLOCKS = {
    "drop": lambda x, m: m.map_blocks(lambda b: b.sum(1), x, drop_axis=1, dtype="f8"),
    "drop two": lambda x, m: m.map_blocks(lambda b: b.sum((0, 2)), x, drop_axis=[0, -1], dtype="f8"),
    "drop all": lambda x, m: x.map_blocks(lambda b: np.array(b.sum()), drop_axis=[0, 1, 2], dtype="f8"),
    "new": lambda x, m: x.map_blocks(lambda b: b[:, None], new_axis=1, dtype="f8"),
    "new of two": lambda x, m: x.map_blocks(
        lambda b: np.stack([b, b], 1), new_axis=1, chunks=(x.chunks[0], (2,), *x.chunks[1:]), dtype="f8"
    ),
    "new of several blocks": lambda x, m: x.map_blocks(
        lambda b, block_id: b[None] * block_id[0], chunks=((1, 1), *x.chunks), new_axis=0, dtype="f8"
    ),
    "more chunks than axes": lambda x, m: x.map_blocks(
        lambda b: b[None], chunks=((1,), *x.chunks), dtype="f8"
    ),
    "drop and new": lambda x, m: x.map_blocks(
        lambda b: np.stack([b.sum(2)] * 3, 2),
        drop_axis=2,
        new_axis=2,
        chunks=(*x.chunks[:2], (3,)),
        dtype="f8",
    ),
    "two arrays": lambda x, m: m.map_blocks(lambda b, c: b * 2 + c, x, x[0], dtype="f8"),
    "a smaller one first": lambda x, m: m.map_blocks(lambda c, b: b * 2 + c, x[0], x, dtype="f8"),
    "words": lambda x, m: x.map_blocks(np.multiply, 3, dtype="f8"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_map_blocks(name, chunks):
    found, expected = as_dask(BLOCKS[name], chunks)
    assert found.chunks == expected.chunks


def test_map_blocks_says_what_dask_says(chunks):
    """block_info and block_id, of arrays that are dropped, broadcast, and numbers."""
    heard = {}
    for name, m, x in (
        ("ours", lnp, lz.from_array(A, chunks=chunks)),
        ("theirs", da, da.from_array(A, chunks=chunks)),
    ):
        told = heard[name] = {}

        def f(b, c, k, block_info=None, block_id=None, told=told):
            if block_info:
                facts = {i: dict(info) for i, info in block_info.items()}
                for i in (0, 1):
                    facts[i].pop("dtype", None)  # which dask tells of the output alone
                told[block_id] = facts
            return b.sum(1) + k

        m.map_blocks(f, x, x[:, :1], 5, drop_axis=1, dtype="f8").compute(scheduler="sync")
    assert heard["ours"] == heard["theirs"]


def test_map_blocks_by_name():
    x = lz.from_array(A, chunks=2, dims=("t", "y", "x"))
    found = x.map_blocks(lambda b: b.max(1), drop_axis="y", dtype="f8")
    assert found.dims == ("t", "x")
    np.testing.assert_array_equal(found.compute(), A.max(1))
    assert x.map_blocks(lambda b: b[..., None], new_axis=3).dims == ("t", "y", "x", None)
    calls = []
    y = x.map_blocks(lambda b: (calls.append(b.shape), b.sum(1))[1], drop_axis="y", dtype="f8")
    (y * 2).compute(scheduler="sync")
    assert sorted(calls) == [(2, 5, 2)] * 6
    assert np.prod(y.numblocks) == 6


def test_map_blocks_refused():
    x = lz.from_array(A, chunks=2)
    with pytest.raises(ShapeMismatchError, match=r"was to give \(2, 2\)"):
        x.map_blocks(lambda b: b.sum(1), drop_axis=0, dtype="f8").compute()
    with pytest.raises(ShapeMismatchError, match="blocks"):
        x.map_blocks(lambda b: b, drop_axis=0, chunks=(2,), dtype="f8")
    with pytest.raises(TypeError, match="from_map"):
        lnp.map_blocks(lambda: 1)
    with pytest.raises(ValueError, match="no dimension"):
        x.map_blocks(lambda b: b, drop_axis="z")
    with pytest.raises(ZeroDivisionError) as caught:
        x.map_blocks(lambda b: b.sum(0) * (1 // 0), drop_axis=0, dtype="f8").compute()
    assert "block (0, 0) = [0:2, 0:2]" in str(caught.value.__notes__)


GUFUNCS = {
    "one": lambda x, m: gufunc(m, lambda b: b.mean(-1), "(i)->()", x),
    "two": lambda x, m: gufunc(
        m, lambda b: (b.mean(-1), b.argmax(-1)), "(i)->(),()", x, output_dtypes=["f8", "i8"]
    ),
    "two of other shapes": lambda x, m: gufunc(
        m, lambda b: (b.mean(-1), np.sort(b, -1)), "(i)->(),(i)", x, output_dtypes=["f8", "f8"]
    ),
    "axis": lambda x, m: gufunc(m, lambda b: b.mean(-1), "(i)->()", x, axis=0),
    "axis kept": lambda x, m: gufunc(m, lambda b: b.mean(-1), "(i)->()", x, axis=1, keepdims=True),
    "no core axes": lambda x, m: gufunc(m, np.hypot, "(),()->()", x, A[0]),
    "matrices": lambda x, m: gufunc(m, np.matmul, "(i,j),(j,k)->(i,k)", x, A.transpose(0, 2, 1)),
    "axes": lambda x, m: gufunc(m, np.matmul, "(i,j),(j,k)->(i,k)", x, A[0].T, axes=[(0, 2), (0, 1), (2, 0)]),
    "vectorize": lambda x, m: gufunc(m, np.outer, "(i),(j)->(i,j)", x, A[0], vectorize=True),
    "a new core axis": lambda x, m: gufunc(
        m, lambda b: np.stack([b.min(-1), b.max(-1)], -1), "(i)->(k)", x, output_sizes={"k": 2}
    ),
    "words": lambda x, m: gufunc(m, lambda b, q: np.quantile(b, q, -1), "(i)->()", x, q=0.3),
}


def gufunc(m, *args, output_dtypes="f8", **words):
    return m.apply_gufunc(*args, output_dtypes=output_dtypes, allow_rechunk=True, **words)


@pytest.mark.parametrize("name", GUFUNCS)
def test_apply_gufunc(name, chunks):
    as_dask(GUFUNCS[name], chunks, exact=False)


def test_apply_gufunc_calls_and_names():
    x = lz.from_array(A, chunks=(2, 3, 4), dims=("t", "y", "x"))
    calls = []

    def both(b):
        calls.append(b.shape)
        return b.min(-1), b.max(-1)

    low, high = lz.apply_gufunc(both, "(i)->(),()", x, axis="t", output_dtypes=("f8", "f8"))
    assert low.dims == high.dims == ("y", "x")
    for found, expected in zip(lz.compute(low, high, scheduler="sync"), (A.min(0), A.max(0)), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(calls) == low.npartitions == 4
    assert {shape[-1] for shape in calls} == {4}
    assert lz.apply_gufunc(np.cumsum, "(i)->(i)", x, output_dtypes="f8").dims == x.dims
    sorted_ = lz.apply_gufunc(lambda b: np.sort(b, -1), "(i)->(i)", x, axis="y", output_dtypes="f8")
    assert sorted_.dims == x.dims
    np.testing.assert_array_equal(sorted_.compute(), np.sort(A, 1))
    asked = lz.apply_gufunc(lambda b: (b > 0).sum(-1), "(i)->()", x)
    assert asked.dtype == np.intp
    np.testing.assert_array_equal(asked.compute(), (A > 0).sum(-1))


def test_apply_gufunc_cuts_the_loop_where_lines_are_long():
    x = lz.from_map(
        lambda where: np.ones([s.stop - s.start for s in where]), (1000, 40_000), "f8", chunks=(1000, 40)
    )
    y = lz.apply_gufunc(np.sort, "(i)->(i)", x, output_dtypes="f8")
    assert max(y.chunks[0]) * 40_000 * 8 <= 64_000_000
    assert sum(y.chunks[0]) == 1000


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda x: lz.apply_gufunc(np.sum, "(i->()", x), "no signature"),
        (lambda x: lz.apply_gufunc(np.sum, "(i)->()", x, x), "takes 1 arrays"),
        (lambda x: lz.apply_gufunc(np.sum, "(i),(i)->()", x, x[..., :2]), "lengths 6 and 2"),
        (lambda x: lz.apply_gufunc(np.sum, "(i)->(j)", x), "output_sizes"),
        (lambda x: lz.apply_gufunc(np.sum, "(i)->()", x, allow_rechunk=False), "allow_rechunk"),
        (lambda x: lz.apply_gufunc(np.sum, "(i,j)->()", x, axis=0), "one core axis"),
        (lambda x: lz.apply_gufunc(np.sort, "(i)->(i)", x, keepdims=True), "keepdims"),
        (lambda x: lz.apply_gufunc(np.add, "(i),(j)->()", x, x[:3]), "do not broadcast"),
        (lambda x: lz.apply_gufunc(np.sum, "(i,j,k,l)->()", x), "no core axes"),
        (lambda x: lz.apply_gufunc(np.sum, "(i)->()", x, axes=[(0,), (1,)]), "axes="),
        (lambda x: lz.apply_gufunc(np.sum, "(i)->(),()", x, output_dtypes=["f8"]), "2 outputs"),
    ],
)
def test_apply_gufunc_refused(attempt, words):
    with pytest.raises(ValueError, match=words):
        attempt(lz.from_array(A, chunks=(2, 3, 4)))


@pytest.mark.parametrize("function", [np.mean, np.sum, np.min, np.max, np.any, np.all, np.median, np.std])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "?"])
def test_coarsen(function, dtype, chunks):
    """Windows as NumPy reduces them; NumPy adds f4 in f4, we in f8."""
    a = (np.abs(A) * 4).astype(dtype) if np.dtype(dtype).kind in "iub" else A.astype(dtype)
    if dtype == "?" and function in (np.median, np.std):
        return
    x = lz.from_array(a, chunks=chunks)
    for axes, trims in (({0: 2, -1: 2}, False), ({1: 2, 2: 4}, True), ({1: 3}, True), ({}, False)):
        lengths = [axes.get(i, axes.get(i - 3, 1)) for i in range(3)]
        whole = a[tuple(slice(0, n - n % size) for n, size in zip(SHAPE, lengths, strict=True))]
        folded = whole.reshape(
            [k for n, size in zip(whole.shape, lengths, strict=True) for k in (n // size, size)]
        )
        expected = function(folded, axis=(1, 3, 5))
        found = lnp.coarsen(function, x, axes, trims)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-6 if dtype == "f4" else 1e-14)


def test_coarsen_is_dasks():
    as_dask(lambda x, m: m.coarsen(np.max, x, {0: 2, 2: 3}), ((2, 2), (5,), (3, 3)))
    as_dask(lambda x, m: m.coarsen(np.mean, x, {0: 3}, trim_excess=True), ((4,), (5,), (6,)))


def test_coarsen_rounds_and_reads_by_windows():
    x = lz.from_array(np.array([[1, 2, 2, 3, 9], [1, 2, 2, 4, 9]], "u2"), chunks=(2, 3), dims=("y", "x"))
    found = x.coarsen("mean", {"x": 2}, trim_excess=True, dtype="u2")
    assert (found.compute().tolist(), found.dims, found.dtype) == (
        [[2, 2], [2, 3]],
        ("y", "x"),
        np.dtype("u2"),
    )
    assert found.chunks == ((2,), (1, 1))
    assert x.coarsen(np.percentile, {"y": 2}, q=50).compute().tolist() == [[1, 2, 2, 3.5, 9]]
    twice = x[:, :4].coarsen(np.max, {"x": 2}).coarsen(np.min, {"y": 2, "x": 2})
    assert twice.compute().tolist() == [[2]]
    with pytest.raises(ShapeMismatchError, match="trim_excess=True"):
        x.coarsen(np.mean, {"x": 2})
    with pytest.raises(ValueError, match="1 element at least"):
        x.coarsen(np.mean, {"x": 0})
    with pytest.raises(ValueError, match="NumPy's name"):
        x.coarsen("middle", {"x": 5})
    with pytest.raises(TypeError) as caught:
        x.coarsen(lambda block: block, {"x": 5})
    assert "it is to take axis=" in str(caught.value.__notes__)


def test_from_map():
    calls = []

    def made(where, block_id, k):
        calls.append(block_id)
        return np.full([s.stop - s.start for s in where], 10 * block_id[0] + block_id[1] + k)

    x = lz.from_map(made, (5, 4), "i4", chunks=(2, 3), dims=("a", "b"), keywords={"k": 1})
    assert (x.shape, x.dtype, x.dims, x.chunks) == ((5, 4), np.dtype("i4"), ("a", "b"), ((2, 2, 1), (3, 1)))
    expected = np.add.outer([1, 1, 11, 11, 21], [0, 0, 0, 1])
    np.testing.assert_array_equal(x.compute(), expected)
    calls.clear()
    np.testing.assert_allclose((x + 1).mean("a").compute(scheduler="sync"), (expected + 1).mean(0))
    assert sorted(calls) == sorted(np.ndindex(3, 2))
    assert lz.from_map(lambda where: np.array(7), (), "i4").compute() == 7
    with pytest.raises(ShapeMismatchError, match="from_map"):
        lz.from_map(lambda where: np.zeros(3), 5, "f8", chunks=2).compute()
    with pytest.raises(ValueError, match="names 1 axes"):
        lz.from_map(made, (5, 4), "i4", dims=["a"])


PICKED = [
    0,
    np.s_[:, 1],
    np.s_[..., 0],
    [1, 0],
    np.s_[:, [0, 1, 0]],
    np.s_[:, ::-1],
    np.s_[1, 1, 1],
    np.s_[-1:],
]


@pytest.mark.parametrize("selection", PICKED, ids=str)
def test_blocks(selection, chunks):
    found, expected = as_dask(lambda x, m: x.blocks[selection], chunks)
    assert found.chunks == expected.chunks


def test_blocks_as_a_list():
    x = lz.from_array(A, chunks=(2, 3, 4), dims=("t", "y", "x"))
    assert (x.blocks.shape, x.blocks.size, len(x.blocks.ravel())) == ((2, 2, 2), 8, 8)
    np.testing.assert_array_equal(x.blocks.ravel()[3].compute(), A[:2, 3:, 4:])
    assert x.blocks[0].dims == x.dims
    assert x.blocks[0:0].shape == (0, 5, 6)
    with pytest.raises(BoundsCheckError, match="2 chunks"):
        x.blocks[2]
    for selection in (([0], [1]), [[0]], None):
        with pytest.raises(SelectionError, match="one axis"):
            x.blocks[selection]


def squares(b, axis, keepdims):
    return np.sum(b * b, axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduction(axis, keepdims, chunks):
    as_dask(
        lambda x, m: m.reduction(x, squares, np.sum, axis=axis, keepdims=keepdims, dtype="f8"),
        chunks,
        exact=False,
    )
    x = lz.from_array(A, chunks=chunks)
    found = lz.reduction(
        x,
        lambda b, axis, keepdims: (b.max(axis=axis, keepdims=True), b.min(axis=axis, keepdims=True)),
        lambda parts, axis, keepdims: max_of(parts)[0] - max_of(parts)[1],
        axis=axis,
        keepdims=keepdims,
        combine=lambda parts, axis, keepdims: max_of(parts),
        concatenate=False,
    )
    np.testing.assert_array_equal(found.compute(), np.ptp(A, axis, keepdims=keepdims))


def max_of(parts):
    return np.maximum.reduce([p[0] for p in parts]), np.minimum.reduce([p[1] for p in parts])


def test_reduction_in_other_processes_and_of_nothing(tmp_path):
    z = lz.create_array(tmp_path / "a.zarr", shape=SHAPE, chunks=(1, 2, 3), dtype="f8")
    z[...] = A
    x = lz.from_zarr(z)
    found = lz.reduction(x, squares, np.sum, axis=1).compute(scheduler="processes")
    np.testing.assert_allclose(found, (A * A).sum(1), rtol=1e-13)
    assert lz.reduction(x[:0], squares, np.sum).compute() == 0
    with pytest.raises(ValueError, match="one axis at least"):
        lz.reduction(lz.from_array(3.0), squares, np.sum)
    with pytest.raises(ShapeMismatchError, match="keepdims=True"):
        lz.reduction(x, squares, lambda p, axis, keepdims: np.sum(p, axis), axis=1, dtype="f8").compute()
    with pytest.raises(ZeroDivisionError) as caught:
        lz.reduction(x, lambda b, axis, keepdims: 1 // 0, np.sum, dtype="f8").compute()
    assert "chunk=" in str(caught.value.__notes__)


WHOLE = (A / 3).astype("i4")


@pytest.mark.parametrize(
    "a",
    [WHOLE, A, np.where(WHOLE > 0, np.nan, WHOLE), WHOLE.astype("U3"), WHOLE > 0, WHOLE[:0], WHOLE[0, 0, 0]],
    ids=["i4", "f8", "nan", "text", "bool", "none", "number"],
)
def test_unique(a):
    x = lz.from_array(a, chunks=2)
    words = {"return_index": True, "return_counts": True}
    for found, expected in zip(np.unique(x, **words), np.unique(a, **words), strict=True):
        assert found.dtype == expected.dtype
        assert np.isnan(found.shape[0])
        np.testing.assert_array_equal(found.compute(), expected)
    np.testing.assert_array_equal(np.unique(x), np.unique(a))
    assert len(lnp.unique(x, equal_nan=False)) == len(np.unique(a, equal_nan=False))


def test_unique_is_bounded():
    x = lz.from_array(np.arange(100_000), chunks=5000)
    with pytest.raises(MemoryBudgetError, match=r"unique: .* different values so far take"):
        np.unique(x).compute(memory="40MB")
    np.testing.assert_array_equal(np.unique(x // 1000).compute(memory="40MB"), np.arange(100))
    for words in ({"return_inverse": True}, {"axis": 0}):
        with pytest.raises(TypeError, match="not lazy"):
            np.unique(x.reshape(10, -1), **words)


def test_map_overlap_with_words_and_pairs():
    x = lz.from_array(A, chunks=(2, 2, 2), dims=("t", "y", "x"))
    found = x.map_overlap(
        lambda b, shift: np.roll(b, shift, 0), depth={"t": (1, 0)}, boundary="nearest", shift=1
    )
    np.testing.assert_array_equal(found.compute(), A[[0, 0, 1, 2]])
    assert found.dims == x.dims
    theirs = da.map_overlap(
        lambda b: np.roll(b, 1, 0), da.from_array(A, chunks=2), depth={0: (1, 0)}, boundary="none"
    )
    found = lnp.map_overlap(lambda b: np.roll(b, 1, 0), x, depth={0: (1, 0)}, boundary=None)
    np.testing.assert_array_equal(found[1:].compute(), theirs.compute()[1:])
    for words, text in (
        ({"depth": 1, "trim": False}, "trim=False"),
        ({"depth": -1}, "0 or more"),
        ({"depth": 1, "boundary": "mirror"}, "periodic"),
        ({"depth": {"z": 1}}, "no dimension"),
    ):
        with pytest.raises(ValueError, match=text):
            x.map_overlap(lambda b: b, **words)


def test_names_travel():
    """Through what was made here, and where an axis becomes another."""
    x = lz.from_array(A, chunks=2, dims=("t", "y", "x"))
    assert np.quantile(x, [0.1, 0.2], "y").dims == (None, "t", "x")
    assert np.quantile(x, 0.1, "y").dims == ("t", "x")
    assert np.add.outer(x[0, 0], x[:, 0, 0]).dims == ("x", "t")
    assert [part.dims for part in np.modf(x)] == [x.dims] * 2
    assert np.maximum.accumulate(x, axis="y").dims == x.dims
    assert lz.reduction(x, squares, np.sum, axis="y", dtype="f8").dims == ("t", "x")
    assert x.coarsen(np.mean, {"t": 2}).dims == x.dims


CHANGED = {
    "by name": ({"time": 1}, {}, (3, 4), ("time", "x")),
    "by number": ({-2: 1}, {}, (3, 4), ("time", "x")),
    "each its own": ({"time": (1, 2, 1)}, {}, (4, 4), ("time", "x")),
    "with a new axis": ({"time": 1, 2: 5}, {"new_axis": 2}, (3, 4, 5), ("time", "x", None)),
    "without one": ({"time": 1}, {"drop_axis": "x"}, (3,), ("time",)),
}


@pytest.mark.parametrize(("chunks", "words", "shape", "dims"), CHANGED.values(), ids=CHANGED)
def test_chunks_of_results_by_axis(chunks, words, shape, dims):
    x = lz.from_array(np.arange(24.0).reshape(6, 4), chunks=2, dims=("time", "x"))
    y = x.map_blocks(np.sum, chunks=chunks, dtype="f8", **words)
    assert (y.shape, y.dims) == (shape, dims)
    assert x.map_blocks(first_row, chunks={"time": 1}, dtype="f8").chunks == ((1, 1, 1), (2, 2))
    np.testing.assert_array_equal(
        x.map_blocks(first_row, chunks={"time": 1}, dtype="f8").compute(), x.compute()[::2]
    )


def first_row(block):
    return block[:1]


def test_chunks_of_results_by_an_axis_that_there_is_not():
    x = lz.from_array(np.ones((6, 4)), chunks=2, dims=("time", "x"))
    with pytest.raises(ValueError, match=r"no dimension is named 'y'; this array has time, x$"):
        x.map_blocks(first_row, chunks={"y": 1}, dtype="f8")
