"""The verbs: opened with chunks and names; computed in one pass; stored in place, cast and broadcast."""

from __future__ import annotations

import gc
import os
import weakref
from collections import Counter

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ArrayNotFoundError,
    DataTypeMismatchError,
    MemoryBudgetError,
    SelectionError,
    ShapeMismatchError,
    SourceChangedError,
    TargetIsSourceError,
)
from lazyzarr.format.stores import FaultStore, LocalStore
from lazyzarr.graph import spreading
from lazyzarr.storage import MemoryStore

SHAPE = (12, 10)


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch):
    """Blocks of a few bytes, so that small arrays are computed by many tasks."""
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 256)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)


def values():
    return np.arange(120, dtype="i4").reshape(SHAPE)


@pytest.fixture
def z():
    array = lz.create_array(
        "data.zarr/u", shape=SHAPE, chunks=(4, 5), dtype="i4", dimension_names=("time", "x")
    )
    array[...] = values()
    return array


# --- compute


def test_several_answers_share_one_pass(z):
    reads = Counter()
    store = FaultStore(
        LocalStore("data.zarr"), lambda verb, key, n: reads.update([key] if "/c/" in key else [])
    )
    x = lz.from_zarr(store, "u")
    a = values()
    mean, least, spread, total = lz.compute(
        x.mean(), x.min(axis=0), (x * 2).std("time"), (x > 50).sum(), num_workers=2
    )
    assert mean == a.mean()
    np.testing.assert_array_equal(least, a.min(axis=0))
    np.testing.assert_allclose(spread, (a * 2).std(axis=0))
    assert total == (a > 50).sum()
    assert set(reads.values()) == {1}
    assert len(reads) == 6
    reads.clear()
    lz.compute(x + 1, x * 2)
    assert set(reads.values()) == {1}


def test_containers_are_descended_into_and_the_rest_is_handed_back():
    x = lz.from_array(np.arange(4.0))
    other = object()
    got = lz.compute(x.sum(), [x.max(), (x.min(), 5)], {"a": {"b": x + 1}}, "text", other, np.ones(2))
    assert got[:2] == (6.0, [3.0, (0.0, 5)])
    assert type(got[2]["a"]["b"]) is np.ndarray
    assert got[2]["a"]["b"].tolist() == [1, 2, 3, 4]
    assert got[3] == "text"
    assert got[4] is other
    assert lz.compute() == ()
    assert lz.compute(1, [2]) == (1, [2])
    assert len(lz.compute(x)) == 1


def test_what_is_asked_twice_is_computed_once():
    calls = []

    def noted(block):
        calls.append(1)
        return block

    y = lz.from_array(np.ones(4), chunks=4).map_blocks(noted, dtype="f8")
    first, again = lz.compute(y.sum(), [y.sum()])
    assert (first, again) == (4.0, [4.0])
    assert len(calls) == 1
    first, (again, third) = lz.compute(y, [y, {"a": y}])
    first[0], again[1] = 9, 8
    assert (first.tolist(), again.tolist(), third["a"].tolist()) == ([9, 1, 1, 1], [1, 8, 1, 1], [1] * 4)
    assert len(calls) == 2


def test_an_expression_outlives_the_arrays_it_was_made_of():
    x = lz.array(np.arange(3)).lazy() + lz.array(np.ones(3, int), chunks=2)
    gc.collect()
    assert x.compute().tolist() == [1, 2, 3]


def test_what_is_picked_and_what_is_different_are_computed_among_arrays():
    x = lz.from_array(np.array([3, 1, 3, 5]), chunks=2)
    u, c = np.unique(x, return_counts=True)
    most, (different, counts), by_name = lz.compute(x.max(), (u, c), {"picked": x[x > 2], "u": u})
    assert most == 5
    assert {type(each) for each in (different, counts, by_name["picked"])} == {np.ndarray}
    assert [different.tolist(), counts.tolist(), by_name["picked"].tolist()] == [
        [1, 3, 5],
        [1, 2, 1],
        [3, 3, 5],
    ]
    assert by_name["u"] is different


def test_the_options_of_compute_reach_what_is_picked_and_what_is_different():
    x = lz.from_array(np.arange(40_000.0))
    for each in (x[x > 2], np.unique(x)):
        with pytest.raises(MemoryBudgetError):
            lz.compute(each, memory="100kB", scheduler="sync")


def test_what_was_computed_with_is_let_go():
    class Contents(dict):
        """A dict that can be watched."""

    contents = Contents()
    z = lz.create_array(MemoryStore(contents), shape=(4,), chunks=(2,), dtype="f8")
    z[...] = 1
    assert (z.lazy() * 2).sum().compute() == 8
    watched = weakref.ref(contents)
    del z, contents
    gc.collect()
    assert watched() is None


def test_values_are_read_when_they_are_computed(z):
    y = z + 1
    z[...] = 5
    assert (y.compute() == 6).all()


# --- from_zarr


def test_dasks_words_for_places(z):
    assert lz.from_zarr("data.zarr", component="u", inline_array=True).shape == SHAPE
    stored = z.lazy().to_zarr("other.zarr", component="v/w")
    assert stored.path == "v/w"
    np.testing.assert_array_equal(lz.open("other.zarr/v/w")[...], z[...])


def test_from_zarr_finds_an_array_by_path_component_or_itself(z):
    for x in (
        lz.from_zarr("data.zarr/u"),
        lz.from_zarr("data.zarr", "u"),
        lz.from_zarr("data.zarr", component="u"),
        lz.from_zarr("data.zarr", path="u"),
        lz.from_zarr(LocalStore("data.zarr"), "u"),
        lz.from_zarr(z),
        z.lazy(),
        z.lazy[...],
    ):
        assert x.chunks == ((4, 4, 4), (5, 5))
        assert x.dims == ("time", "x")
        np.testing.assert_array_equal(x.compute(), values())
    np.testing.assert_array_equal(z.lazy[2:5, ::-1].result(), values()[2:5, ::-1])
    with pytest.raises(ArrayNotFoundError, match="u"):
        lz.from_zarr("data.zarr/v")


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (None, ((4, 4, 4), (5, 5))),
        (6, ((6, 6), (6, 4))),
        ((12, 3), ((12,), (3, 3, 3, 1))),
        (-1, ((12,), (10,))),
        ({"time": -1}, ((12,), (5, 5))),
        ({"x": 2, 0: 6}, ((6, 6), (2,) * 5)),
        ("auto", ((12,), (10,))),
        ("200B", ((4, 4, 4), (10,))),
        (((5, 7), (10,)), ((5, 7), (10,))),
    ],
    ids=str,
)
def test_from_zarr_with_other_chunks(z, chunks, expected):
    x = lz.from_zarr(z, chunks=chunks)
    assert x.chunks == expected
    np.testing.assert_array_equal(x.map_blocks(np.negative, dtype="i4").compute(), -values())


def test_from_zarr_of_shards_reads_inner_chunks_or_whole_shards():
    z = lz.create_array("s.zarr", shape=SHAPE, chunks=(2, 5), shards=(6, 10), dtype="i4")
    assert lz.from_zarr(z).chunks == ((2,) * 6, (5, 5))
    assert lz.from_zarr(z, chunks="shards").chunks == ((6, 6), (10,))
    assert lz.from_zarr(
        lz.create_array("t.zarr", shape=(4,), chunks=(2,), dtype="i4"), chunks="shards"
    ).chunks == ((2, 2),)


def test_from_zarr_casts(z):
    x = lz.from_zarr(z, dtype="f4")
    assert x.dtype == np.float32
    assert lz.from_zarr(z, dtype="i4").__lazyzarr_node__ is lz.from_zarr(z).__lazyzarr_node__


# --- dimension names


NAMED = {
    "arithmetic": (lambda x: x + 1, ("time", "y", "x")),
    "two arrays": (lambda x: x - x, ("time", "y", "x")),
    "broadcasting": (lambda x: x - x[0], ("time", "y", "x")),
    "with no names": (lambda x: x * np.ones((3, 4)), ("time", "y", "x")),
    "names that differ": (lambda x: x[:, 0, :2] + x[:2, :2, 0], ("time", None)),
    "comparison": (lambda x: x > 3, ("time", "y", "x")),
    "ufunc": (np.sqrt, ("time", "y", "x")),
    "where": (lambda x: np.where(x > 1, x, 0), ("time", "y", "x")),
    "astype": (lambda x: x.astype("f4"), ("time", "y", "x")),
    "slices": (lambda x: x[::2, ::-1], ("time", "y", "x")),
    "an integer": (lambda x: x[:, 1], ("time", "x")),
    "a new axis": (lambda x: x[:, None, 0], ("time", None, "x")),
    "transpose": (lambda x: x.transpose("x", "time", "y"), ("x", "time", "y")),
    "T": (lambda x: x.T, ("x", "y", "time")),
    "rechunk": (lambda x: x.rechunk({"time": -1}), ("time", "y", "x")),
    "mean": (lambda x: x.mean("y"), ("time", "x")),
    "several axes": (lambda x: x.std(("time", -1)), ("y",)),
    "keepdims": (lambda x: x.max("time", keepdims=True), ("time", "y", "x")),
    "an anomaly": (lambda x: x - x.mean("time"), ("time", "y", "x")),
    "map_blocks": (lambda x: x.map_blocks(np.negative), ("time", "y", "x")),
    "elementwise": (lambda x: lz.elementwise(np.hypot, x, 2.0), ("time", "y", "x")),
    "all": (lambda x: x.sum(), ()),
}


@pytest.mark.parametrize(("operation", "dims"), NAMED.values(), ids=NAMED)
def test_dimension_names_travel(operation, dims):
    x = lz.from_array(np.ones((2, 3, 4)), chunks=2, dims=("time", "y", "x"))
    y = operation(x)
    assert y.dims == dims
    assert len(y.dims) == y.ndim
    out = y.to_zarr("out.zarr")
    assert out.dimension_names == (dims if any(dims) else None)
    assert lz.from_zarr("out.zarr").dims == dims


@pytest.mark.parametrize("name", ["sum", "mean", "std", "var", "min", "max", "any", "all"])
def test_axes_by_name(name):
    a = np.arange(24.0).reshape(2, 3, 4)
    x = lz.from_array(a, chunks=2, dims=("time", "y", "x"))
    for axis, number in (("y", 1), (("x", "time"), (0, 2)), (("x", 0), (0, 2))):
        np.testing.assert_allclose(getattr(x, name)(axis=axis).compute(), getattr(a, name)(axis=number))
        np.testing.assert_allclose(getattr(np, name)(x, axis=axis).compute(), getattr(a, name)(axis=number))
    with pytest.raises(ValueError, match="no dimension is named 'lat'; this array has time, y, x"):
        getattr(x, name)(axis="lat")


def test_shapes_that_do_not_broadcast_are_told_by_name():
    x = lz.from_array(np.ones((2, 3)), dims=("time", "x"))
    with pytest.raises(ShapeMismatchError, match=r"\(time: 2, x: 3\) and \(2,\) do not broadcast"):
        x + np.ones(2)


# --- sources that change, targets that are sources


def test_a_source_that_was_resized_or_replaced_is_refused(z):
    x = lz.from_zarr("data.zarr/u")
    y = x.sum()
    assert y.compute() == values().sum()
    z.resize(6, 10)
    for attempt in (y.compute, lambda: x.to_zarr("out.zarr"), lambda: lz.compute(x, y)):
        with pytest.raises(
            SourceChangedError, match=r"data\.zarr/u has changed.*\(12, 10\).*\(6, 10\).*lz\.from_zarr"
        ):
            attempt()
    assert not os.path.exists("out.zarr")
    lz.create_array("data.zarr/u", shape=SHAPE, chunks=(4, 5), dtype="f8", overwrite=True)
    with pytest.raises(SourceChangedError, match="int32"):
        y.compute()
    assert lz.from_zarr("data.zarr/u").sum().compute() == 0


def test_a_source_of_other_chunks_is_refused_and_of_other_values_is_read(z):
    x = lz.from_zarr("data.zarr/u")
    lz.create_array("data.zarr/u", shape=SHAPE, chunks=(4, 5), dtype="i4", overwrite=True)[...] = 9
    assert x.sum().compute() == 9 * 120
    lz.create_array("data.zarr/u", shape=SHAPE, chunks=(6, 5), dtype="i4", overwrite=True)[...] = 9
    with pytest.raises(SourceChangedError):
        x.sum().compute()


def test_a_source_whose_chunks_lie_elsewhere_is_refused():
    """The longest ones are as long as before, and those that are asked for have as many elements."""
    store, words = MemoryStore(), {"shape": (6, 6), "dtype": "i4", "compressors": None}
    z = lz.create_array(store, chunks=[[2, 4], [4, 2]], **words)
    z[...] = np.arange(36).reshape(6, 6)
    x = lz.from_zarr(z)
    assert x[:2, :4].compute().tolist() == z[:2, :4].tolist()
    z.resize(9, 6)
    z.resize(6, 6)
    np.testing.assert_array_equal((x + 0).compute(), z[...])
    lz.create_array(store, chunks=[[4, 2], [2, 4]], overwrite=True, **words)[...] = z[...]
    for part in (x[:2, :4], x[:2, :4] + 0):
        with pytest.raises(SourceChangedError, match="chunk lengths"):
            part.compute()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("show", [lambda z: z, lambda z: z.astype("f4"), lambda z: z.view(dtype="u4")])
def test_a_source_whose_attributes_were_edited_is_read(zarr_format, show):
    """Of views, too; but not where what they show is another array."""
    words = {"shape": (6,), "dtype": "i4", "zarr_format": zarr_format}
    z = lz.create_array("a.zarr", chunks=(3,), **words)
    z[:4] = [1, 2, 3, 4]
    x = show(z).lazy()
    for n in range(2):
        lz.open_array("a.zarr").attrs["n"] = n
        assert x.compute().tolist() == (x + 0).compute().tolist() == [1, 2, 3, 4, 0, 0]
    lz.create_array("a.zarr", chunks=(2,), overwrite=True, **words)
    with pytest.raises(SourceChangedError):
        x.compute()


def test_a_source_that_is_gone_is_not_read_as_fill(z):
    x = lz.from_zarr("data.zarr/u")
    del lz.open_group("data.zarr", mode="r+")["u"]
    with pytest.raises(ArrayNotFoundError):
        x.sum().compute()


def test_an_array_is_not_written_while_it_is_read(z):
    os.symlink("data.zarr", "link.zarr")
    for target in (z, lz.open("data.zarr/u", mode="r+"), lz.open("link.zarr/u", mode="r+")):
        for assign in (
            lambda target=target: target.__setitem__(..., z + 1),
            lambda target=target: target.__setitem__(slice(0, 4), z.lazy()[4:8]),
            lambda target=target: target.__setitem__(..., z - z.lazy().mean(axis=0).astype("i4")),
        ):
            with pytest.raises(TargetIsSourceError, match=r'data\.zarr/u.*mode="w"'):
                assign()
    np.testing.assert_array_equal(z[...], values())


def test_an_array_may_be_replaced_by_what_is_made_of_it(z):
    out = (z + 1).to_zarr("data.zarr/u", mode="w")
    np.testing.assert_array_equal(out[...], values() + 1)
    out = (out - out.lazy().min()).to_zarr("data.zarr/u", mode="w", chunks=(12, 10))
    np.testing.assert_array_equal(out[...], values())


# --- z[selection] = lazy


STORED = {
    "everything": (..., (12, 10)),
    "rows that cut chunks": (slice(3, 9), (6, 10)),
    "both axes": ((slice(1, 11), slice(3, 8)), (10, 5)),
    "an integer": (5, (10,)),
    "an integer within": ((slice(2, 7), -1), (5,)),
    "a new axis": ((slice(2, 7), None, slice(0, 3)), (5, 1, 3)),
    "one element": ((3, 4), ()),
    "nothing": (slice(4, 4), (0, 10)),
    "one row with a step": (slice(5, 6, 3), (1, 10)),
}


@pytest.mark.parametrize(("selection", "shape"), STORED.values(), ids=STORED)
def test_a_selection_takes_a_lazy_array(z, selection, shape):
    expected = values()
    new = np.random.default_rng(1).integers(1000, 2000, shape).astype("i4")
    expected[selection] = new
    z[selection] = lz.from_array(new, chunks=3)
    np.testing.assert_array_equal(z[...], expected)
    # By what broadcasts to it: a number, one row, a column.
    for part in ((), (1,) * len(shape), shape[1:], (*shape[:-1], 1) if shape else ()):
        broadcast = np.random.default_rng(2).integers(0, 9, part).astype("i4")
        expected[selection] = broadcast
        z[selection] = lz.from_array(broadcast)
        np.testing.assert_array_equal(z[...], expected)


def test_assignment_casts_within_the_kind_and_refuses_beyond(z):
    z[0] = lz.from_array(np.arange(10, dtype="i8")) * 3
    assert z[0].tolist() == [3 * i for i in range(10)]
    z[1] = lz.from_array(np.arange(10, dtype="u1"))
    assert z[1].tolist() == list(range(10))
    before = z[...]
    for wrong in (np.ones(10), np.ones(10, "c8"), np.array(["a"] * 10)):
        with pytest.raises(DataTypeMismatchError, match=r"int32.*x\.astype\('int32'\)"):
            z[2] = lz.from_array(wrong)
    np.testing.assert_array_equal(z[...], before)
    floats = lz.zeros((10,), chunks=3, dtype="f4")
    floats[...] = z[0:1].astype("i8")[0]
    floats[...] = lz.from_array(np.arange(10))
    assert floats[...].tolist() == list(range(10))


CHANGED = {
    "an integer beyond": (np.array([1, 2, 2**40]), "i4"),
    "a sign lost": (np.array([1, -2, 3], "i8"), "u8"),
    "unsigned beyond": (np.array([2**63, 1], "u8"), "i8"),
    "a float beyond": (np.array([1e39, 2]), "f4"),
    "an integer beyond a float": (np.array([70000, 2]), "f2"),
    "a time of the day": (np.array(["2000-01-01T00:00:01", "NaT"], "M8[s]"), "M8[D]"),
    "a span cut": (np.array([86400, 1], "m8[s]"), "m8[D]"),
    "a span beyond": (np.array([10**15], "m8[D]"), "m8[ns]"),
    "a field beyond": (np.array([(1, 2**40)], [("a", "i2"), ("b", "i8")]), [("a", "i2"), ("b", "i4")]),
    "numbers as text": (np.array([True, False]), "U3"),
    "complex ones as text": (np.array([1 + 2j]), "S2"),
    "numbers as raw bits": (np.array([1, 2], "u1"), "V3"),
    "four bits": (np.array([1, 8]), "int4"),
    "an imaginary part": (np.array([1 + 1j]), "bfloat16"),
}


@pytest.mark.parametrize(("given", "dtype"), CHANGED.values(), ids=CHANGED)
@pytest.mark.parametrize("way", ["assigned", "to_zarr", "store"])
def test_what_a_cast_would_change_is_refused_as_numpy_arrays_are(given, dtype, way):
    if dtype in ("int4", "bfloat16"):
        pytest.importorskip("ml_dtypes")
    z = lz.zeros(given.shape, chunks=1, dtype=dtype)
    with pytest.raises(DataTypeMismatchError):
        z[...] = given
    x = lz.from_array(given, chunks=2)
    with pytest.raises(DataTypeMismatchError):
        z.__setitem__(..., x) if way == "assigned" else x.to_zarr(
            z, mode="r+"
        ) if way == "to_zarr" else lz.store(x, z)


def test_what_fits_is_cast():
    wide = np.arange(40_000).reshape(200, 200)
    z = lz.zeros(wide.shape, chunks=(70, 90), dtype=">i4")
    z[...] = lz.from_array(wide, chunks=(30, 200))
    np.testing.assert_array_equal(z[...], wide)
    z = lz.zeros(wide.shape, chunks=(70, 90), dtype="f2")
    z[...] = lz.from_array(wide / 7 - np.where(wide == 3, np.inf, 0))
    np.testing.assert_array_equal(z[...], (wide / 7 - np.where(wide == 3, np.inf, 0)).astype("f2"))
    spans = lz.zeros((3,), dtype="m8[s]")
    spans[...] = lz.from_array(np.array([1, 2, "NaT"], "m8[D]"))
    assert spans[...].tolist() == np.array([1, 2, "NaT"], "m8[D]").astype("m8[s]").tolist()
    one = lz.zeros((), dtype="i2")
    one[...] = lz.from_array(np.array(7))
    assert one[()] == 7


@pytest.mark.parametrize("shape", [(9,), (11, 10), (2, 12, 10), (12, 5)])
def test_assignment_refuses_shapes_that_do_not_fit(z, shape):
    with pytest.raises(ShapeMismatchError, match=r"\(12, 10\)"):
        z[...] = lz.from_array(np.ones(shape, "i4"))
    np.testing.assert_array_equal(z[...], values())


@pytest.mark.parametrize("selection", [slice(None, None, 2), slice(None, None, -1)])
def test_assignment_by_steps_names_the_cure(z, selection):
    with pytest.raises(SelectionError, match=r"lazy\.compute\(\)"):
        z[selection] = lz.from_array(values()[selection])
    np.testing.assert_array_equal(z[...], values())
