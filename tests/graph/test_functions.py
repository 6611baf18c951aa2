"""NumPy's functions on lazy arrays give what NumPy gives, whatever the chunks are."""

from __future__ import annotations

import math
import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import BoundsCheckError, SelectionError, ShapeMismatchError
from lazyzarr.graph import run
from tests.graph.selections import indices

LAWS = int(os.environ.get("LAZYZARR_LAWS", "60"))
SHAPE = (4, 5, 6)
CHUNKS = [(4, 5, 6), (1, 5, 2), (3, 2, 6), (2, 3, 4)]


def numbers(dtype="f8", shape=SHAPE):
    rng = np.random.default_rng(5)
    values = rng.normal(size=shape) * 10
    if np.dtype(dtype).kind == "f":
        return np.where(rng.random(shape) < 0.1, 0, values).astype(dtype)
    if np.dtype(dtype).kind == "c":
        return (values + 1j * rng.normal(size=shape)).astype(dtype)
    return values.astype(dtype)


def holed():
    a = numbers()
    a[1:, 1:, 1:][np.random.default_rng(6).random((3, 4, 5)) < 0.3] = np.nan
    return a


A = numbers()
ARRANGED = {
    "concatenate": lambda x: np.concatenate([x, x * 2, x[:, :2]], 1),
    "concatenate of dtypes": lambda x: np.concatenate([x, x > 0], 0),
    "concatenate raveled": lambda x: np.concatenate([x, x], None),
    "stack": lambda x: np.stack([x, x + 1], 2),
    "stack at the end": lambda x: np.stack([x, x + 1], -1),
    "vstack": lambda x: np.vstack([x, x[:1]]),
    "hstack": lambda x: np.hstack([x, x]),
    "dstack": lambda x: np.dstack([x, x]),
    "column_stack": lambda x: np.column_stack([x[0, 0], x[0, 1]]),
    "block": lambda x: np.block([[x, x + 1], [x - 1, x]]),
    "append": lambda x: np.append(x, x[:, :, :1], 2),
    "roll all": lambda x: np.roll(x, 31),
    "roll": lambda x: np.roll(x, (3, -8), (0, 2)),
    "flip": lambda x: np.flip(x),
    "flip some": lambda x: np.flip(x, (0, 2)),
    "flipud": lambda x: np.flipud(x),
    "fliplr": lambda x: np.fliplr(x),
    "rot90": lambda x: np.rot90(x),
    "rot180": lambda x: np.rot90(x, 2, (1, 2)),
    "rot270": lambda x: np.rot90(x, -1, (2, 0)),
    "moveaxis": lambda x: np.moveaxis(x, (0, 2), (1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "transpose": lambda x: np.transpose(x, (1, 2, 0)),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[:1, :, 2:3]),
    "squeeze one": lambda x: np.squeeze(x[:1, :, 2:3], 2),
    "broadcast_to": lambda x: np.broadcast_to(x[:, :1], (3, 4, 5, 6)),
    "ravel": lambda x: np.ravel(x),
    "reshape": lambda x: np.reshape(x, (2, -1, 3)),
    "reshape that keeps axes": lambda x: np.reshape(x, (4, 30)),
    "reshape that splits": lambda x: np.reshape(x, (2, 2, 5, 3, 2)),
    "reshape with ones": lambda x: np.reshape(x, (1, 20, 1, 6, 1)),
    "reshape twice": lambda x: np.reshape(np.reshape(x, (8, 15))[1:, ::2], (56,)),
    "tile": lambda x: np.tile(x, (2, 1, 3)),
    "tile with new axes": lambda x: np.tile(x, (2, 1, 1, 2)),
    "repeat": lambda x: np.repeat(x, 3, 1),
    "repeat each": lambda x: np.repeat(x, [1, 0, 2, 3], 0),
    "take": lambda x: np.take(x, [3, -1, 0, 3], 1),
    "take of a table": lambda x: np.take(x, np.array([[1, 2], [5, 0]]), 2),
    "take one": lambda x: np.take(x, 2, 0),
    "take raveled": lambda x: np.take(x, [100, 3]),
    "delete": lambda x: np.delete(x, [1, 3], 1),
    "diff": lambda x: np.diff(x),
    "diff twice": lambda x: np.diff(x, 2, 0),
    "diff with ends": lambda x: np.diff(x, axis=1, prepend=0, append=x[:, :1]),
    "array_split": lambda x: np.array_split(x, 4, 1)[1],
    "split": lambda x: np.split(x, [1, 3], 2)[2],
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x, -1),
    "atleast_3d": lambda x: np.atleast_3d(x[0]),
    "sort": lambda x: np.sort(x, 1),
    "sort raveled": lambda x: np.sort(x, None),
    "argsort": lambda x: np.argsort(x, 0),
    "where": lambda x: np.where(x > 0, x, 7),
    "select": lambda x: np.select([x > 5, x > 0], [x, -x], 2),
    "clip": lambda x: np.clip(x, -3, 4),
    "clip one side": lambda x: np.clip(x, None, 4),
    "isin": lambda x: np.isin(x, [0, 1]),
    "max": lambda x: x.max((0, 2)),
    "min of some": lambda x: x.min(1, initial=2, where=A > 0),
    "argmax": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(2),
    "argmax kept": lambda x: np.argmax(x, 0, keepdims=True),
    "count_nonzero": lambda x: np.count_nonzero(x, 1),
    "any of some": lambda x: x.any((0, 1), where=A > 8),
    "all of some": lambda x: (x > 0).all(0, where=A > 0),
    "digitize": lambda x: np.digitize(x, [-20, -3, 4, 9]),
    "digitize, downwards": lambda x: np.digitize(x, bins=[9, 4, -3], right=True),
    "searchsorted": lambda x: np.searchsorted([-20, -3, 4, 9], x, "right"),
    "searchsorted by a sorter": lambda x: np.searchsorted(np.array([4, -3, 9]), x, sorter=[1, 0, 2]),
    "array_equal": lambda x: np.array_equal(x, A.astype("i4")),
    "array_equal to itself": lambda x: np.array_equal(x, x),
    "array_equal of other shapes": lambda x: np.array_equal(x, x[:, :2]),
    "allclose": lambda x: np.allclose(x, A, atol=1),
    "allclose, nothing": lambda x: np.allclose(x, x + 3),
}
ROUNDED = {
    "round": lambda x: np.round(x / 3, 2),
    "isclose": lambda x: np.isclose(x, x + 1e-9),
    "interp": lambda x: np.interp(x, [-20, -3, 4, 9], [1, 5, -2, 0.5], left=-9),
    "interp of angles": lambda x: np.interp(x, [1, 5, 8], [3, 2, 1], period=9),
    "ptp": lambda x: np.ptp(x, 1),
    "prod": lambda x: np.prod(x / 9, (0, 2)),
    "prod from": lambda x: np.prod(x / 9, 1, initial=3),
    "sum from": lambda x: np.sum(x, 1, initial=3),
    "sum of some": lambda x: np.sum(x, 2, where=A > 0),
    "mean of some": lambda x: np.mean(x, 2, where=A > -20),
    "std of some": lambda x: np.std(x, (0, 1), where=A > -5),
    "var of some, kept": lambda x: np.var(x, 0, ddof=1, keepdims=True, where=A > -30),
    "average": lambda x: np.average(x, 1),
    "average, weighted": lambda x: np.average(x, 1, np.arange(1, 6)),
    "average, weighted by values": lambda x: np.average(x, (0, 2), A * A + 1),
    "cumsum": lambda x: np.cumsum(x, 1),
    "cumsum raveled": lambda x: np.cumsum(x),
    "cumsum backwards": lambda x: x.cumsum(2)[..., ::-1],
    "cumsum and more": lambda x: (x.cumsum(0) * 2 + x)[1:],
    "cumprod": lambda x: np.cumprod(x / 9, 0),
    "median": lambda x: np.median(x, 0),
    "median of all": lambda x: np.median(x),
    "median of some axes": lambda x: np.median(x, (0, 2), keepdims=True),
    "quantile": lambda x: np.quantile(x, 0.3, 1),
    "quantiles": lambda x: np.quantile(x, [0.1, 0.9], (1, 2)),
    "percentiles, kept": lambda x: np.percentile(x, [[10, 20], [30, 40]], 0, keepdims=True),
    "percentile, lower": lambda x: np.percentile(x, 33, 1, method="lower"),
    "tensordot": lambda x: np.tensordot(x, A, ([1, 0], [1, 0])),
    "tensordot of all": lambda x: np.tensordot(x, A, 3),
    "outer": lambda x: np.tensordot(x[0], A[:, 0, 0], 0),
    "matmul": lambda x: x @ A.transpose(0, 2, 1),
    "matmul, broadcast": lambda x: x @ A[0].T,
    "matmul of a row": lambda x: A[0, :, 0] @ x,
    "matmul of a column": lambda x: x @ A[0, 0],
    "dot": lambda x: np.dot(x, A[0].T),
    "dot of lines": lambda x: np.dot(x[0, 0], A[0, 1]),
}
NAN = {
    f.__name__: (lambda x, f=f: f(x, 1))
    for f in (
        *(np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmin, np.nanmax),
        *(np.nancumsum, np.nancumprod, np.nanmedian),
    )
} | {
    "nanquantile": lambda x: np.nanquantile(x, 0.4, 2),
    "nanpercentile": lambda x: np.nanpercentile(x, [40, 60], 0),
    "nanargmax": lambda x: np.nanargmax(x),
    "nanargmin": lambda x: np.nanargmin(x, 1),
    "argmax with NaN": lambda x: np.argmax(x, 2),
    "argmin with NaN": lambda x: np.argmin(x),
    "nan_to_num": lambda x: np.nan_to_num(x, nan=4),
    "array_equal": lambda x: np.array_equal(x, holed()),
    "array_equal, NaN too": lambda x: np.array_equal(x, holed(), equal_nan=True),
    "allclose, NaN too": lambda x: np.allclose(x, holed() + 1e-12, equal_nan=True),
    "digitize NaN": lambda x: np.digitize(x, [0.0]),
    "mean of some": lambda x: np.nanmean(x, 0, where=A > -29),
    "sort with NaN": lambda x: np.sort(x, 2),
}


@pytest.fixture(params=CHUNKS, ids=str)
def chunks(request):
    return request.param


def compared(function, a, chunks, exact):
    lazy, expected = function(lz.from_array(a, chunks=chunks)), np.asarray(function(a))
    assert isinstance(lazy, lz.LazyArray)
    assert (lazy.shape, lazy.dtype) == (expected.shape, expected.dtype)
    assert tuple(map(sum, lazy.chunks)) == expected.shape
    values = lazy.compute()
    if exact:
        np.testing.assert_array_equal(values, expected)
    else:
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ARRANGED)
def test_what_is_picked_moved_and_compared(name, chunks):
    compared(ARRANGED[name], A, chunks, exact=True)
    compared(ARRANGED[name], A.astype("i4"), chunks, exact=True)


@pytest.mark.parametrize("name", ROUNDED)
def test_what_is_rounded(name, chunks):
    compared(ROUNDED[name], A, chunks, exact=False)


def test_what_is_looked_through_is_in_memory():
    x = lz.from_array(A)
    for function in (
        lambda: np.digitize(x, x[0, 0]),
        lambda: np.searchsorted(x[0, 0], x),
        lambda: np.interp(1, x, x),
    ):
        with pytest.raises(TypeError, match="has to be in memory"):
            function()


def test_what_is_not_lazy_is_refused_by_its_name():
    x = lz.from_array(A)
    with pytest.raises(
        TypeError, match=r"^np\.linalg\.norm is not lazy here: np\.linalg\.norm\(x\.compute\(\), \.\.\.\)"
    ):
        np.linalg.norm(x)
    with pytest.raises(TypeError, match=r'^np\.save is not lazy here: lz\.save\("x\.zarr", x\)'):
        np.save("x.npy", x)


@pytest.mark.parametrize("name", NAN)
def test_what_passes_over_nan(name, chunks):
    compared(NAN[name], holed(), chunks, exact=False)


@pytest.mark.parametrize("mode", ["constant", "edge", "wrap", "reflect", "symmetric"])
@pytest.mark.parametrize(
    "width", [((0, 0), (1, 0), (0, 2)), ((2, 3), (1, 4), (5, 0)), ((13, 9), (0, 0), (6, 17))]
)
def test_pad(mode, width, chunks):
    compared(lambda x: np.pad(x, width, mode), A, chunks, exact=True)


def test_pad_with_values(chunks):
    compared(lambda x: np.pad(x, 2, constant_values=((1, 2), (3, 4), (5, 6))), A, chunks, exact=True)
    assert (
        np.pad(lz.from_array(A[:, :1]), ((0, 0), (3, 3), (0, 0)), "reflect").compute()[0, :, 0].tolist()
        == [A[0, 0, 0]] * 7
    )


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f4", "c16", "M8[s]", "m8[ms]"])
def test_dtypes_are_numpys(dtype):
    a = numbers("i8").astype(dtype)
    for function in (np.argmax, np.max, np.median, np.sort, np.cumsum, np.prod, np.diff, np.round, np.nansum):
        try:
            expected = np.asarray(function(a, 0) if function is not np.round else function(a))
        except TypeError:
            continue
        try:
            lazy = (
                function(lz.from_array(a, chunks=2), 0)
                if function is not np.round
                else function(lz.from_array(a, chunks=2))
            )
        except TypeError:
            assert dtype in ("c16", "M8[s]", "m8[ms]"), function
            continue
        assert lazy.dtype == expected.dtype, function
        np.testing.assert_array_equal(lazy.compute(), expected)


@settings(max_examples=max(LAWS, 60), deadline=None, derandomize=LAWS <= 60)
@given(
    st.lists(indices, min_size=1, max_size=4),
    st.integers(0, 4),
    st.sampled_from([None, Ellipsis, "both", "nothing"]),
    st.integers(1, 3),
)
def test_indexing_by_arrays_is_numpys(parts, where, extra, chunk):
    a = np.arange(81).reshape(3, 3, 3, 3)
    added = {"both": [None, Ellipsis], "nothing": []}.get(extra, [extra])
    selection = (*parts[:where], *added, *parts[where:])
    try:
        expected = a[selection]
    except IndexError:
        with pytest.raises((BoundsCheckError, SelectionError)):
            lz.from_array(a, chunks=chunk)[selection]
        return
    found = lz.from_array(a, chunks=chunk)[selection]
    assert (found.shape, found.dtype) == (np.shape(expected), a.dtype)
    np.testing.assert_array_equal(found.compute(), expected)


@settings(max_examples=max(LAWS // 2, 40), deadline=None, derandomize=LAWS <= 60)
@given(npst.arrays(bool, (3, 4)), st.integers(1, 4))
def test_a_mask_of_several_axes(mask, chunk):
    a = np.arange(60).reshape(5, 3, 4)
    np.testing.assert_array_equal(lz.from_array(a, chunks=chunk)[:, mask].compute(), a[:, mask])
    np.testing.assert_array_equal(lz.from_array(a.T, chunks=chunk)[mask.T].compute(), a.T[mask.T])


def test_an_ellipsis_of_no_axes_stands_between_arrays():
    a = np.arange(16).reshape(2, 2, 2, 2)
    for selection in (
        (slice(None), 0, ..., 0, [0]),
        (slice(None), 0, 0, [0], ...),
        (0, ..., [1], 0, slice(None)),
    ):
        found = lz.from_array(a, chunks=1)[selection]
        np.testing.assert_array_equal(found.compute(), a[selection])
        assert found.shape == a[selection].shape


def test_oindex_and_vindex():
    a = np.arange(60).reshape(3, 4, 5)
    x = lz.from_array(a, chunks=2)
    np.testing.assert_array_equal(
        x.oindex[[2, 0], :, [1, 1, 3]].compute(), a[np.ix_([2, 0], range(4), [1, 1, 3])]
    )
    np.testing.assert_array_equal(x.oindex[[True, False, True], 1].compute(), a[[0, 2], 1])
    np.testing.assert_array_equal(x.vindex[[2, 0], :, [1, 3]].compute(), a[[2, 0], :, [1, 3]])
    np.testing.assert_array_equal(
        x.vindex[:, [2, 0], [1, 3]].compute(), np.moveaxis(a[:, [2, 0], [1, 3]], 1, 0)
    )


@settings(max_examples=max(LAWS, 60), deadline=None, derandomize=LAWS <= 60)
@given(npst.basic_indices((3, 4, 5), allow_newaxis=False), st.booleans(), st.integers(1, 5))
def test_changed_copies(selection, several, chunk):
    a = np.arange(60.0).reshape(3, 4, 5)
    value = -np.arange(a[selection].size, dtype="f8").reshape(np.shape(a[selection])) if several else -1
    x = before = lz.from_array(a, chunks=chunk)
    y = x + 0
    y[selection] = value
    expected = a.copy()
    expected[selection] = value
    np.testing.assert_array_equal(y.compute(), expected)
    np.testing.assert_array_equal(before.compute(), a)


def test_changed_by_a_lazy_mask():
    x = lz.from_array(A, chunks=2)
    x[x > 3] = 0
    np.testing.assert_array_equal(x.compute(), np.where(A > 3, 0, A))


NOTHING = {
    "tensordot over nothing": lambda x: np.tensordot(x[:, :, :0], x[:, :, :0], ([1, 2], [1, 2])),
    "tensordot over all of nothing": lambda x: np.tensordot(np.diff(x, axis=0)[..., :0], x[1:, :, :0], 3),
    "tensordot of an axis": lambda x: np.tensordot(x[:0], x[:0], ([0], [0])),
    "matmul of matrices": lambda x: x[0, :, :0] @ x[0, :0],
    "matmul of rows": lambda x: x[0, 0, :0] @ x[0, 0, :0],
    "dot": lambda x: np.dot(np.diff(x[0, :, :1]), x[0, :0]),
    "no rows": lambda x: x[0, :0] @ x[0].T,
    "of a new axis": lambda x: np.tensordot(x[..., None][..., :0], x[..., None][..., :0], 4),
    "of a stretched axis": lambda x: np.broadcast_to(x[0, 0, :1, None], (1, 3, 0))[0] @ x[0, :0, :3],
    "of joined arrays": lambda x: np.tensordot(
        2 * np.concatenate([x[0], x[0]], 1)[:, :0], 2 * np.concatenate([x[0], x[0]], 1)[:, :0], 2
    ),
    "of a stack": lambda x: x[..., None, :0] @ x[:, :, :0, None],
    "medians": lambda x: np.median(x[..., None][..., :0], axis=-1),
    "counted": lambda x: np.histogram(x[..., None][..., :0], 3, (0, 1))[0],
}


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("name", NOTHING)
def test_what_is_made_of_nothing(monkeypatch, tmp_path, name, rules, chunks):
    if not rules:
        monkeypatch.setattr(run, "optimize_outputs", list)
    with lz.config.set({"array.write_empty_chunks": True}):
        z = lz.create_array(tmp_path, name="u", data=A.astype("f4"), chunks=chunks)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = NOTHING[name](A.astype("f4"))
        found = NOTHING[name](z.lazy()).compute(scheduler="sync")
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_map_overlap_takes_its_words_in_dasks_order():
    x, other = lz.from_array(A, chunks=3), lz.from_array(A * 2, chunks=3)
    plain = x.map_overlap(np.add, other, depth=1, boundary="reflect").compute()
    np.testing.assert_array_equal(plain, A * 3)
    for words in ((1, "reflect", other), ({0: 1}, None, other), ((1, 0, 1), other)):
        np.testing.assert_array_equal(x.map_overlap(np.add, *words).compute(), A * 3)
    np.testing.assert_array_equal(x.map_overlap(np.negative, 1, 0.5).compute(), -A)
    for words in ((), (other,)):
        with pytest.raises(TypeError, match="map_overlap needs depth="):
            x.map_overlap(np.add, *words)


@pytest.mark.parametrize("boundary", ["none", "reflect", "nearest", "periodic", 7.0])
@pytest.mark.parametrize("depth", [(1, 0, 0), (2, 1, 3), (0, 4, 5)])
def test_map_overlap(boundary, depth, chunks):
    """The sum of each element's neighbours within the depth, from one function for all chunks."""
    modes = {
        "reflect": "symmetric",
        "nearest": "edge",
        "periodic": "wrap",
        "none": "constant",
        7.0: "constant",
    }
    words = {"constant_values": 7.0} if boundary == 7.0 else {}
    around = np.pad(A, [(d, d) for d in depth], modes[boundary], **words)
    expected = neighbours(around, depth)[tuple(slice(d, d + n) for d, n in zip(depth, SHAPE, strict=True))]
    x = lz.from_array(A, chunks=chunks)
    found = x.map_overlap(lambda block: neighbours(block, depth), depth=depth, boundary=boundary)
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-13, atol=1e-12)


def neighbours(block, depth):
    """For each element the sum of those within `depth` of it, nothing beyond the block."""
    for axis, d in enumerate(depth):
        around = np.pad(block, [(d, d) if i == axis else (0, 0) for i in range(block.ndim)])
        n = block.shape[axis]
        block = sum(np.take(around, np.arange(i, i + n), axis) for i in range(2 * d + 1))
    return block


def test_map_overlap_is_called_once_a_chunk_and_held_to_its_shape():
    x, calls = lz.from_array(np.arange(12.0), chunks=5, dims=("t",)), []

    def halved(block):
        calls.append(len(block))
        return block / 2

    np.testing.assert_array_equal(
        x.map_overlap(halved, depth={"t": 2}, dtype="f8").compute(scheduler="sync"), np.arange(12) / 2
    )
    assert sorted(calls) == [4, 7, 9]
    with pytest.raises(ShapeMismatchError, match="same shape"):
        x.map_overlap(lambda block: block[1:], depth=1, dtype="f8").compute()
    with pytest.raises(ValueError, match="read-only") as caught:
        x.map_overlap(lambda block: block.sort(), depth=1, dtype="f8").compute()
    assert "x = x.copy()" in str(caught.value.__notes__)


def test_each_chunk_is_decoded_once_by_a_scan():
    reads = []
    x = lz.from_array(np.arange(24.0).reshape(6, 4), chunks=(2, 2)).map_blocks(
        lambda b, block_id: (reads.append(block_id), b)[1], dtype="f8"
    )
    np.testing.assert_array_equal(x.cumsum(0).compute(), np.arange(24.0).reshape(6, 4).cumsum(0))
    assert sorted(reads) == sorted({*reads})


def test_the_lazy_namespace():
    names = [name for name in dir(lnp) if hasattr(np, name) and not name.startswith("_")]
    assert all(callable(getattr(lnp, name)) or name in dir(np) for name in names)
    assert lnp.any([False, True]).compute()
    assert lnp.sum([1, 2]).compute() == 3
    np.testing.assert_array_equal(lnp.sqrt(np.arange(4)).compute(), np.sqrt(np.arange(4)))
    np.testing.assert_array_equal((lnp.eye(3, 4, 1) + lnp.ones((3, 4))).compute(), np.eye(3, 4, 1) + 1)
    assert np.prod(lnp.zeros((10**6, 10**6)).chunksize) * 8 <= 64_000_000
    assert lnp.float32 is np.float32
    assert lnp.full_like(lnp.arange(5, chunks=2), 3.5, "f4").compute().tolist() == [3.5] * 5
    np.testing.assert_array_equal(lnp.topk(lnp.asarray([3, 1, 2]), 2).compute(), [3, 2])
    np.testing.assert_array_equal(
        lnp.sliding_window_view(lnp.arange(5), 3).compute(),
        np.lib.stride_tricks.sliding_window_view(np.arange(5), 3),
    )
    np.testing.assert_array_equal(
        lnp.apply_along_axis(np.ptp, 0, A).compute(), np.apply_along_axis(np.ptp, 0, A)
    )
    with pytest.raises(AttributeError, match="not lazy"):
        _ = lnp.nonzero
    with pytest.raises(AttributeError, match="no 'frobnicate'"):
        _ = lnp.frobnicate


REFUSED = {
    "no arrays": (lambda x: np.concatenate([]), ValueError),
    "other lengths": (lambda x: lnp.concatenate([x, x[:, :1]]), ShapeMismatchError),
    "stack of other shapes": (lambda x: np.stack([x, x[:1]]), ShapeMismatchError),
    "reshape to another size": (lambda x: x.reshape(7, 7), ShapeMismatchError),
    "two unknown lengths": (lambda x: x.reshape(-1, -1), ValueError),
    "a position beyond": (lambda x: np.take(x, [9], 0), IndexError),
    "squeeze of a long axis": (lambda x: x.squeeze(0), ValueError),
    "argmax of nothing": (lambda x: x[:0].argmax(), ValueError),
    "a mask without initial": (lambda x: x.max(where=A > 0), ValueError),
    "matrices that do not fit": (lambda x: x @ x, ShapeMismatchError),
    "a mask that does not fit": (lambda x: x[np.ones(3, bool)], BoundsCheckError),
    "an order that is not lazy": (lambda x: x.reshape(120, order="F"), ValueError),
}


@pytest.mark.parametrize(("attempt", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(attempt, error):
    with pytest.raises(error):
        attempt(lz.from_array(A, chunks=2))


def test_all_nan():
    x = lz.from_array(np.full((3, 4), np.nan), chunks=2)
    with pytest.raises(ValueError, match="All-NaN"):
        np.nanargmax(x, 0).compute()


def test_written_and_read_back(tmp_path, chunks):
    """The computed kinds as sources of a new array, on every scheduler."""
    z = lz.create_array(tmp_path / "b.zarr", shape=SHAPE, chunks=chunks, dtype="f8")
    z[...] = A
    x = lz.from_zarr(z)
    y = np.roll(np.concatenate([x, x.cumsum(0)], 1), 3, 2)[:, [0, 9, 4]].reshape(6, 12)
    expected = np.roll(np.concatenate([A, A.cumsum(0)], 1), 3, 2)[:, [0, 9, 4]].reshape(6, 12)
    for scheduler in ("sync", "threads", "processes"):
        out = y.to_zarr(tmp_path / f"{scheduler}.zarr", scheduler=scheduler)
        np.testing.assert_allclose(out[...], expected, rtol=1e-13)


@pytest.mark.parametrize("how", ["sum", "mean", "min", "max", "count"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f8", "i4", "?"])
def test_groups(how, axis, dtype, chunks):
    a = A.astype(dtype)
    labels = np.array([2, 0, 1, -1, 0, 2])[: SHAPE[axis]] if axis else np.array([1, 0, 1, -1])
    count = labels.max() + 1
    own = [np.take(a, np.flatnonzero(labels == group), axis) for group in range(count)]
    if any(0 in part.shape for part in own) and how in ("min", "max"):
        return
    reduce = (lambda part: np.full(np.sum(part, axis).shape, part.shape[axis])) if how == "count" else None
    expected = np.stack([reduce(part) if reduce else getattr(part, how)(axis) for part in own], axis)
    found = lz.from_array(a, chunks=chunks).groupby_reduce(labels, how, axis)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-13)
    both = (found + 1).to_zarr({}) if how == "sum" and dtype == "f8" else None
    if both is not None:
        np.testing.assert_allclose(both[...], expected + 1, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["m8[s]", ">m8[ms]"])
@pytest.mark.parametrize("chunks", [1, 3, 8])
def test_groups_of_spans(dtype, chunks):
    a = np.array([3, 1, 2, 5, 7, 9, 11, 4], dtype)
    labels = np.array([0, 1, 0, 1, 2, 2, 2, 0])
    x = lz.from_array(a, chunks=chunks)
    for how in ("sum", "mean", "min", "max"):
        expected = np.array([getattr(a[labels == group], how)() for group in range(3)])
        found = x.groupby_reduce(labels, how)
        assert (found.dtype, found.compute().tolist()) == (expected.dtype, expected.tolist()), how
    with pytest.raises(TypeError, match="var of"):
        x.groupby_reduce(labels, "var")
    with pytest.raises(TypeError, match="max of"):
        lz.from_array(np.array(["a", "b"])).groupby_reduce([0, 1], "max")


@pytest.mark.parametrize("k", [2, -2])
def test_topk_is_a_method_too(k):
    x = lz.from_array(A, chunks=2)
    np.testing.assert_array_equal(x.topk(k, axis=0).compute(), lnp.topk(x, k, axis=0).compute())
    np.testing.assert_array_equal(x.argtopk(k).compute(), lnp.argtopk(x, k).compute())


def test_groups_of_none():
    x = lz.from_array(np.arange(4.0), chunks=2)
    assert x.groupby_reduce([0, 0, 2, 2], "sum").compute().tolist() == [1, 0, 5]
    assert np.isnan(x.groupby_reduce([0, 0, 2, 2]).compute()).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="no elements"):
        x.groupby_reduce([0, 0, 2, 2], "max").compute()
    for labels, words in (([0, 1], "4 integers"), ([0.0] * 4, "4 integers"), ([0, 1, 2, 3], "not below")):
        with pytest.raises(ValueError, match=words):
            x.groupby_reduce(labels, num_groups=2)


def test_histograms(chunks):
    x = lz.from_array(A, chunks=chunks)
    for words in ({"bins": 7, "range": (-10, 12)}, {"bins": [-20, -3, 0, 0.5, 9]}):
        counts, edges = np.histogram(x, **words)
        expected = np.histogram(A, **words)
        assert counts.dtype == expected[0].dtype
        np.testing.assert_array_equal(counts.compute(), expected[0])
        np.testing.assert_array_equal(edges.compute(), expected[1])
    whole = np.abs(A).astype("i4")
    found = np.bincount(lz.from_array(whole, chunks=chunks).ravel(), minlength=50)
    np.testing.assert_array_equal(found.compute(), np.bincount(whole.ravel(), minlength=50))
    with pytest.raises(ValueError, match="occurs"):
        np.bincount(lz.from_array(whole, chunks=chunks).ravel(), minlength=2).compute()


def test_held_in_memory_and_handed_to_dask(chunks):
    calls = []
    x = lz.from_array(A, chunks=chunks).map_blocks(lambda b: (calls.append(1), b * 2)[1], dtype="f8")
    held = x.persist(memory="100MB")
    made = len(calls)
    assert (held.chunks, held.dims) == (x.chunks, x.dims)
    np.testing.assert_array_equal((held + 1).compute(), A * 2 + 1)
    assert len(calls) == made
    theirs = x.to_dask_array()
    assert (theirs.chunks, theirs.dtype) == (x.chunks, x.dtype)
    np.testing.assert_array_equal((theirs + 1)[1:].compute(), A[1:] * 2 + 1)
    np.testing.assert_allclose(lz.from_array(theirs).sum(0).compute(), (A * 2).sum(0), rtol=1e-13)


EDGES = {
    "reflect": {"mode": "symmetric"},
    "nearest": {"mode": "edge"},
    "periodic": {"mode": "wrap"},
    3: {"mode": "constant", "constant_values": 3},
    -7: {"mode": "constant", "constant_values": -7},
}


def weighed(block, depth):
    """For each element the sum of those around it, each with a weight of its own."""
    for axis, (less, more) in enumerate(depth):
        windows = np.lib.stride_tricks.sliding_window_view(block, less + more + 1, axis)
        inner = windows @ (np.arange(1, less + more + 2) ** 2)
        block = np.pad(inner, [(less, more) if i == axis else (0, 0) for i in range(block.ndim)])
    return block


@given(st.data())
def test_blocks_of_map_overlap_see_what_lies_beyond_each_edge(data):
    """Depths that differ by side, beyond neighbours and further than the array is long."""
    ndim = data.draw(st.integers(1, 3))
    axes = [
        (data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7)), data.draw(st.sampled_from([*EDGES])))
        for _ in range(ndim)
    ]
    depth = [data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9))) for _ in range(ndim)]
    values = np.arange(1, 1 + math.prod(n for n, _, _ in axes)).reshape([n for n, _, _ in axes]) ** 2
    around = values
    for axis, (pair, (_, _, edge)) in enumerate(zip(depth, axes, strict=True)):
        around = np.pad(around, [pair if i == axis else (0, 0) for i in range(ndim)], **EDGES[edge])
    inside = tuple(slice(less, less + n) for (less, _), (n, _, _) in zip(depth, axes, strict=True))
    x = lz.from_array(values, chunks=tuple(chunk for _, chunk, _ in axes))
    found = x.map_overlap(
        weighed, depth, tuple(edge for _, _, edge in axes), dtype="i8", keywords={"depth": depth}
    )
    np.testing.assert_array_equal(found.compute(scheduler="sync"), weighed(around, depth)[inside])
