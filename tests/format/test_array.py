"""The stored array against NumPy: indexing, assignment, resize and append, and what it says of itself."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lazyzarr as lz
from lazyzarr.errors import (
    BoundsCheckError,
    ChunkNotFoundError,
    DataTypeMismatchError,
    ReadOnlyStoreError,
    SelectionError,
    ShapeMismatchError,
)

# A shape with ragged edges, its chunks, its shards; both formats and both orders.
LAYOUTS = [
    {"shape": (7, 5, 3), "chunks": (3, 2, 2)},
    {"shape": (7, 5, 3), "chunks": (3, 2, 2), "order": "F"},
    {"shape": (7, 5, 3), "chunks": (3, 2, 2), "zarr_format": 2, "order": "F"},
    {"shape": (7, 5, 3), "chunks": (2, 1, 3), "shards": (4, 2, 3)},
    {"shape": (7,), "chunks": (3,)},
    {"shape": (), "chunks": ()},
    {"shape": (4, 0), "chunks": (2, 3)},
]


def both(layout, dtype="i4"):
    """A NumPy array and a stored one that hold the same."""
    values = np.arange(np.prod(layout["shape"]), dtype=dtype).reshape(layout["shape"])
    z = lz.create_array({}, dtype=dtype, **layout)
    z[...] = values
    return values, z


def same(got, expected):
    """Equal in type (array or scalar), dtype, shape and every element."""
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@given(st.data(), st.sampled_from(LAYOUTS))
def test_reading(data, layout):
    """Any basic index gives what it gives in NumPy, scalars for scalars."""
    values, z = both(layout)
    index = data.draw(hnp.basic_indices(values.shape, allow_newaxis=True))
    same(z[index], values[index])


@given(st.data(), st.sampled_from(LAYOUTS))
def test_writing(data, layout):
    """Any assignment of values that broadcast does what it does in NumPy."""
    values, z = both(layout)
    index = data.draw(hnp.basic_indices(values.shape, allow_newaxis=True))
    target = values[index]
    shape = data.draw(hnp.broadcastable_shapes(np.shape(target), max_dims=np.ndim(target), max_side=1))
    if np.broadcast_shapes(shape, np.shape(target)) != np.shape(target):
        return
    new = data.draw(
        st.one_of(st.just(np.arange(-np.size(target), 0).reshape(np.shape(target))), hnp.arrays("i4", shape))
    )
    values[index] = new
    z[index] = new
    np.testing.assert_array_equal(z[...], values)


def test_scalars():
    values, z = both(LAYOUTS[0])
    assert type(z[0, 0, 0]) is np.int32
    assert type(z[0, 0, 0, ...]) is np.ndarray
    zero = lz.array(np.float32(1.5))
    assert type(zero[()]) is np.float32
    assert type(zero[...]) is np.ndarray
    same(z[np.int64(-1), np.array(2)], values[-1, 2])
    assert type(lz.array(np.array(["2020"], "M8[D]"))[0]) is np.datetime64


def test_wrong_selections_name_the_array():
    z = lz.create_array("a.zarr", name="u", shape=(4, 4), dtype="i4")
    with pytest.raises(BoundsCheckError, match=r"file://a.zarr/u, shape \(4, 4\): index 4 is out of bounds"):
        z[4]
    with pytest.raises(IndexError, match="too many indices"):
        z[1, 2, 3]
    with pytest.raises(SelectionError, match=r"file://a.zarr/u.*slices, Ellipsis and None"):
        z[[0, 1], [0, 1], None]
    with pytest.raises(SelectionError):
        z[np.ones((4, 3), bool)] = 1


@pytest.mark.parametrize("shape", [(3, 4), (5,), (2, 2, 4), (2, 3), (0,)])
def test_wrong_shapes_write_nothing(shape):
    z = lz.zeros((4, 4), chunks=(2, 2), dtype="i4")
    with pytest.raises(
        ShapeMismatchError, match=r"shape .* does not fit the selection, which has shape \(2, 4\)"
    ):
        z[0:2] = np.ones(shape)
    np.testing.assert_array_equal(z[...], 0)


def test_wrong_dtypes_write_nothing():
    z = lz.zeros((4,), dtype="u1")
    for value in ([1, 2, 3, 256], [0.5] * 4, "abc", 1j, None):
        with pytest.raises(DataTypeMismatchError):
            z[...] = value
    np.testing.assert_array_equal(z[...], 0)


def test_numpy_takes_it():
    values, z = both(LAYOUTS[0], "f8")
    same(np.asarray(z), values)
    same(np.asarray(z, "f4"), values.astype("f4"))
    same(np.array(z), values)
    with pytest.raises(ValueError, match="by a copy"):
        np.asarray(z, copy=False)


def test_length_and_iteration():
    values, z = both(LAYOUTS[0])
    assert len(z) == 7
    rows = list(z)
    assert len(rows) == 7
    for row, expected in zip(rows, values, strict=True):
        same(row, expected)
    assert [type(x) for x in lz.array([1, 2])] == [np.int64] * 2
    for length in (len, list, iter):
        with pytest.raises(TypeError):
            length(lz.array(1))
    assert list(lz.zeros((0, 3))) == []


def test_truth():
    assert lz.array([1])
    assert not lz.array(0)
    with pytest.raises(ValueError, match=r"ambiguous.*\.any\(\)"):
        bool(lz.array([1, 2]))


def test_what_it_says_of_itself():
    z = lz.create_array(
        "a.zarr",
        name="g/u",
        shape=(10, 7),
        chunks=(2, 3),
        shards=(4, 6),
        dtype="f4",
        fill_value=np.nan,
        dimension_names=("t", None),
        attributes={"units": "K"},
    )
    assert repr(z) == "<Array file://a.zarr/g/u shape=(10, 7) dtype=float32>"
    assert (z.name, z.basename, z.path, str(z.store_path)) == ("/g/u", "u", "g/u", "file://a.zarr/g/u")
    assert (z.ndim, z.size, z.itemsize, z.nbytes) == (2, 70, 4, 280)
    assert (z.chunks, z.shards, z.cdata_shape, z.nchunks) == ((2, 3), (4, 6), (5, 3), 15)
    assert np.isnan(z.fill_value)
    assert (z.order, z.dimension_names, z.zarr_format, z.read_only) == ("C", ("t", None), 3, False)
    assert z.filters == ()
    assert z.serializer == lz.codecs.BytesCodec()
    assert z.compressors == (lz.codecs.ZstdCodec(level=0, checksum=True),)
    assert repr(z.info) == (
        "Type            : Array\n"
        "Zarr format     : 3\n"
        "Data type       : float32\n"
        "Fill value      : nan\n"
        "Shape           : (10, 7)\n"
        "Shard shape     : (4, 6)\n"
        "Chunk shape     : (2, 3)\n"
        "Dimension names : ('t', None)\n"
        "Order           : C\n"
        "Read-only       : False\n"
        "Store type      : LocalStore\n"
        "Filters         : ()\n"
        "Serializer      : BytesCodec(endian='little')\n"
        "Compressors     : (ZstdCodec(level=0, checksum=True),)\n"
        "No. bytes       : 280"
    )
    html = z._repr_html_()
    assert html.startswith("<table>")
    assert "(4, 6)" in html


def test_codecs_of_v2():
    import numcodecs

    z = lz.create_array(
        {},
        shape=(4, 4),
        dtype="i4",
        zarr_format=2,
        order="F",
        filters=[numcodecs.Delta("i4")],
        compressors=numcodecs.Zlib(3),
    )
    assert (z.filters, z.compressors, z.serializer) == ((numcodecs.Delta("i4"),), (numcodecs.Zlib(3),), None)
    assert (z.compressor, z.order, z.shards) == (numcodecs.Zlib(3), "F", None)
    assert "Serializer" not in repr(z.info)


def test_missing_chunks_may_raise():
    z = lz.create_array({}, shape=(4,), chunks=(2,), dtype="i4", config={"read_missing_chunks": False})
    z[:2] = 1
    np.testing.assert_array_equal(z[:2], 1)
    with pytest.raises(ChunkNotFoundError, match=r"chunk c/1 = \[2:4\] is not stored"):
        z[...]
    assert np.array_equal(lz.open_array(z.store)[...], [1, 1, 0, 0])


def test_empty_chunks_may_be_written():
    for write, keys in ((True, ["c/0", "c/1"]), (False, [])):
        z = lz.create_array({}, shape=(4,), chunks=(2,), dtype="i4", config={"write_empty_chunks": write})
        z[...] = 0
        assert sorted(key for key in z.store.list() if key != "zarr.json") == keys


def test_settings_of_arrays():
    with lz.config.set({"array.write_empty_chunks": True, "array.order": "F"}):
        z = lz.zeros((4, 4), chunks=(2, 2))
        z[...] = 0
    assert (len(list(z.store.list())), z.order) == (5, "F")


# Resize and append.


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if len(layout["shape"]) == 3])
@given(shapes=st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=4))
def test_resize(layout, shapes):
    """What is cut off is gone: a later growth reads as fill."""
    values, z = both(layout)
    for shape in shapes:
        z.resize(shape)
        kept = tuple(slice(0, min(a, b)) for a, b in zip(values.shape, shape, strict=True))
        grown = np.zeros(shape, values.dtype)
        grown[kept] = values[kept]
        values = grown
        assert z.shape == shape
        np.testing.assert_array_equal(z[...], values)
    np.testing.assert_array_equal(lz.open_array(z.store)[...], values)


def test_resize_forms():
    z = lz.zeros((4, 4))
    z.resize(2, 3)
    z.resize((3, np.int64(2)))
    z.resize([3, 3])
    assert z.shape == (3, 3)
    lz.zeros((4,)).resize(2)
    for wrong in ((3,), (1, 2, 3)):
        with pytest.raises(ShapeMismatchError, match=f"memory://.*has {len(wrong)} axes, the array 2"):
            z.resize(wrong)
    with pytest.raises(ValueError, match="below 0"):
        z.resize(-1, 2)
    with pytest.raises(ValueError, match="no integer"):
        z.resize(1.5, 2)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("layout", LAYOUTS[:4])
def test_append(layout, axis):
    values, z = both(layout)
    for n in (1, 4, 0):
        shape = list(values.shape)
        shape[axis] = n
        more = np.full(shape, n, "i8")
        values = np.concatenate([values, more.astype("i4")], axis)
        assert z.append(more, axis) == values.shape
        np.testing.assert_array_equal(z[...], values)
    np.testing.assert_array_equal(lz.open_array(z.store)[...], values)


def test_append_what_does_not_fit():
    z = lz.zeros((4, 4), dtype="i4")
    with pytest.raises(ShapeMismatchError):
        z.append(np.ones((2, 3), "i4"))
    with pytest.raises(ShapeMismatchError):
        z.append(np.ones(4, "i4"))
    with pytest.raises(DataTypeMismatchError):
        z.append(np.full((1, 4), 0.5))
    with pytest.raises(IndexError):
        z.append(np.ones((4, 4), "i4"), axis=2)
    assert lz.open_array(z.store).shape == z.shape == (4, 4)


# Pickling, contexts, several openings.


def test_pickling():
    z = lz.create_array("a.zarr", name="u", data=np.arange(4), config={"write_empty_chunks": True})
    for again in (pickle.loads(pickle.dumps(z)), copy.copy(z)):
        assert again.config == z.config
        same(again[...], z[...])
    ro = pickle.loads(pickle.dumps(lz.open_array("a.zarr/u", mode="r")))
    with pytest.raises(ReadOnlyStoreError):
        ro[0] = 1
    memory = lz.array([1, 2])
    same(pickle.loads(pickle.dumps(memory))[...], memory[...])
    assert len(pickle.dumps(z)) < 2000


def test_handles():
    z = lz.create_array("a.zarr", name="u", data=np.arange(4))
    handle = pickle.loads(pickle.dumps(z.handle))
    assert handle.open() is handle.open()
    same(handle.open()[1:], z[1:])
    other = lz.open_array("a.zarr/u")
    assert other.handle.nonce != z.handle.nonce
    assert other.handle.token == z.handle.token == handle.token
    z.attrs["a"] = 1
    assert z.handle.token != handle.token


def test_a_handle_needs_no_look():
    calls = []
    store = lz.storage.MemoryStore()
    z = lz.create_array(store, data=np.arange(4))
    from lazyzarr.format.stores.wrappers import FaultStore

    watched = FaultStore(store, lambda *call: calls.append(call))
    handle = lz.open_array(watched).handle
    calls.clear()
    assert handle.open().shape == z.shape
    assert calls == []


def test_as_a_context(open_files):
    z = lz.create_array("a.zarr", data=np.arange(4))
    before = open_files()
    with lz.open("a.zarr") as opened:
        opened[0] = 7
        same(opened[...], z[...])
    with lz.open("a.zarr") as opened:
        pass
    del opened
    z.close()
    assert open_files() <= before
    same(z[...], np.array([7, 1, 2, 3]))


def test_attributes_do_not_disturb_an_open_reader():
    z = lz.create_array("a.zarr", shape=(4,), chunks=(2,), dtype="i4")
    reader = lz.open("a.zarr")
    reader[:2]
    z.attrs["a"] = 1
    z[2:] = 5
    np.testing.assert_array_equal(reader[...], [0, 0, 5, 5])


# Writers side by side: every write is kept.


def write_slices(z, which, rounds):
    for n in range(rounds):
        for at in which:
            z[at] = n + 1


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_threads_writing_one_chunk(place):
    z = lz.zeros((64,), chunks=(64,), dtype="i4", store={} if place == "memory" else "a.zarr")
    other = lz.open_array(z.store)
    threads = [
        threading.Thread(target=write_slices, args=(z if i % 2 else other, range(i, 64, 8), 5))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(z[...], 5)


def write_in_process(first):
    write_slices(lz.open_array("a.zarr"), range(first, 64, 4), 5)


@pytest.mark.parametrize("shards", [None, (64,)])
def test_processes_writing_one_chunk(shards):
    lz.zeros((64,), chunks=(16,) if shards else (64,), shards=shards, dtype="i4", store="a.zarr")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_in_process, args=(first,)) for first in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    np.testing.assert_array_equal(lz.open_array("a.zarr")[...], 5)


def append_in_process(number):
    z = lz.open_array("a.zarr")
    for _ in range(5):
        z.append([number] * 3)


def test_processes_appending():
    lz.zeros((0,), chunks=(4,), dtype="i4", store="a.zarr")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=append_in_process, args=(n + 1,)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    rows = lz.open_array("a.zarr")[...].reshape(-1, 3)
    assert sorted(rows[:, 0]) == sorted([1, 2, 3, 4] * 5)
    assert (rows == rows[:, :1]).all()
