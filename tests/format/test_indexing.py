"""Selections by lists, masks, points and blocks, and of fields, against NumPy and zarr-python."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lazyzarr as lz
from lazyzarr.errors import (
    BoundsCheckError,
    DataTypeMismatchError,
    ReadOnlyStoreError,
    SelectionError,
    ShapeMismatchError,
)
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.wrappers import FaultStore

# Ragged edges, shards, reordered axes within shards and outside, one axis, an empty one.
LAYOUTS = [
    {"shape": (7, 5, 3), "chunks": (3, 2, 2)},
    {"shape": (7, 5, 3), "chunks": (3, 2, 2), "zarr_format": 2, "order": "F"},
    {"shape": (7, 5, 3), "chunks": (2, 1, 3), "shards": (4, 2, 3)},
    {
        "shape": (7, 5, 3),
        "chunks": (2, 1, 3),
        "shards": (4, 2, 3),
        "filters": [{"name": "transpose", "configuration": {"order": [2, 0, 1]}}],
    },
    {"shape": (7,), "chunks": (3,)},
    {"shape": (4, 0), "chunks": (2, 3)},
]


def both(layout, dtype="i4"):
    """A NumPy array and a stored one that hold the same."""
    values = np.arange(np.prod(layout["shape"]), dtype=dtype).reshape(layout["shape"])
    z = lz.create_array({}, dtype=dtype, **layout)
    z[...] = values
    return values, z


def same(got, expected):
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


def axis_items(n):
    """What may stand for an axis of length n in an orthogonal selection."""
    indices = st.lists(st.integers(-n, n - 1), max_size=6) if n else st.just([])
    items = [st.slices(n), indices, indices.map(lambda i: np.array(i, "i2")), hnp.arrays(bool, n)]
    return st.one_of(*items, *([st.integers(-n, n - 1)] if n else []))


def outer(shape, items):
    """NumPy's index for an orthogonal selection, and the shape of what it selects."""
    picked = [np.r_[: shape[axis]][item] for axis, item in enumerate(items)]
    kept = tuple(len(p) for p in picked if np.ndim(p))
    return np.ix_(*[np.atleast_1d(p) for p in picked]), kept


def as_indices(items):
    return tuple(np.array(item, np.intp) if isinstance(item, list) else item for item in items)


@given(st.data(), st.sampled_from(LAYOUTS))
def test_orthogonal_reading(data, layout):
    values, z = both(layout)
    items = as_indices([data.draw(axis_items(n)) for n in values.shape])
    mesh, kept = outer(values.shape, items)
    expected = values[mesh].reshape(kept)
    same(z.oindex[items], expected if kept else expected[()])
    same(z.get_orthogonal_selection(items, out=np.full(kept, -9, "i4")), expected)


@given(st.data(), st.sampled_from(LAYOUTS), st.booleans())
def test_orthogonal_writing(data, layout, scalar):
    """As NumPy's assignment: of an index that is named twice the last value stays."""
    values, z = both(layout)
    items = as_indices([data.draw(axis_items(n)) for n in values.shape])
    mesh, kept = outer(values.shape, items)
    new = np.int32(-1) if scalar else -np.arange(1, np.prod(kept, dtype=int) + 1, dtype="i4").reshape(kept)
    values[mesh] = new if scalar else new.reshape(values[mesh].shape)
    z.oindex[items] = new
    np.testing.assert_array_equal(z[...], values)


@given(st.data(), st.sampled_from(LAYOUTS[:5]))
def test_points(data, layout):
    values, z = both(layout)
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6))
    points = tuple(data.draw(hnp.arrays("i8", shape, elements=st.integers(-n, n - 1))) for n in values.shape)
    same(z.vindex[points], values[points])
    same(z.get_coordinate_selection(points, out=np.full(shape, -9, "i4")), values[points])
    if len(points) > 1:
        same(z[points], values[points])
    new = -np.arange(1, values[points].size + 1, dtype="i4").reshape(shape)
    values[points] = new
    z.vindex[points] = new
    np.testing.assert_array_equal(z[...], values)
    z.set_coordinate_selection(points, 7)
    values[points] = 7
    np.testing.assert_array_equal(z[...], values)


@given(st.data(), st.sampled_from(LAYOUTS))
def test_masks(data, layout):
    values, z = both(layout)
    mask = data.draw(hnp.arrays(bool, values.shape))
    for got in (z.vindex[mask], z[mask], z.get_mask_selection(mask)):
        same(got, values[mask])
    new = -np.arange(1, mask.sum() + 1, dtype="i4")
    values[mask] = new
    z[mask] = new
    np.testing.assert_array_equal(z[...], values)
    z.set_mask_selection(mask, 5)
    values[mask] = 5
    np.testing.assert_array_equal(z[...], values)


@given(st.data(), st.sampled_from(LAYOUTS[:4]))
def test_one_list_among_slices(data, layout):
    """Between plain brackets a list among slices selects as it does in NumPy."""
    values, z = both(layout)
    axis = data.draw(st.integers(0, 2))
    items = [data.draw(st.slices(n)) for n in values.shape]
    items[axis] = data.draw(axis_items(values.shape[axis]).filter(lambda item: not isinstance(item, slice)))
    index = as_indices(items)
    same(z[index], values[index])
    values[index] = -3
    z[index] = -3
    np.testing.assert_array_equal(z[...], values)


def test_broadcasting_points_and_integers_beside_lists():
    values, z = both(LAYOUTS[0])
    rows, columns = np.arange(4)[:, None], np.array([0, 2])
    same(z.vindex[rows, columns, -1], values[rows, columns, -1])
    same(z[0, :, [0, 2]], values[0][:, [0, 2]])
    same(z.oindex[0, :, [0, 2]], zarr.array(values).oindex[0, :, [0, 2]])
    same(z.vindex[0, 1, 2], values[[0], [1], [2]])
    same(z.oindex[..., [1]], values[..., [1]])
    same(z.oindex[lz.array([3, 1])], values[[3, 1]])
    same(z[[True] * 6 + [False]], values[:6])
    for layout in LAYOUTS[:4]:  # whole chunks, in another order
        values, z = both(layout)
        found = z.get_orthogonal_selection((slice(None), [3, 2, 1, 0]), out=np.full((7, 4, 3), -9, "i4"))
        same(found, values[:, [3, 2, 1, 0]])


@given(st.data(), st.sampled_from(LAYOUTS[:5]))
def test_blocks(data, layout):
    """Blocks are those of zarr-python: write units, by number."""
    values, z = both(layout)
    peer = zarr.array(values, chunks=layout.get("shards", layout["chunks"]))
    grid = peer.cdata_shape
    items = tuple(
        data.draw(st.one_of(st.integers(-n, n - 1), st.slices(n).filter(lambda s: s.step in (None, 1))))
        for n in grid
    )
    lengths = [
        len(range(n)[item]) if isinstance(item, slice) else 1 for item, n in zip(items, grid, strict=True)
    ]
    got = z.blocks[items]
    if all(lengths):
        same(got, peer.blocks[items])
        peer.blocks[items] = -1
    assert got.ndim == values.ndim
    z.set_block_selection(items, -1)
    np.testing.assert_array_equal(z[...], peer[...])


RECORD = np.dtype([("x", "i4"), ("y", "f8"), ("v", "i2", (2,))])


def records(dtype, **layout):
    values = np.zeros((6, 4), dtype)
    values["x"], values["y"] = np.arange(24).reshape(6, 4), np.linspace(0, 1, 24).reshape(6, 4)
    z = lz.create_array({}, shape=values.shape, dtype=dtype, **layout)
    z[...] = values
    return values, z


@pytest.mark.parametrize("layout", [{"chunks": (4, 3)}, {"chunks": (2, 2), "shards": (4, 4)}])
def test_fields(layout):
    """A field is read alone, and set alone: the others keep what they hold."""
    values, z = records([("x", "i4"), ("y", "f8")], **layout)
    same(z["x"], values["x"])
    same(z["y", 1:5, ::2], values["y"][1:5, ::2])
    same(z["x", 2, 1], values["x"][2, 1])
    same(z.oindex["x", [5, 0], 1], values["x"][[5, 0], 1])
    same(z.vindex["y", [5, 0], [1, 1]], values["y"][[5, 0], [1, 1]])
    assert z[["x", "y"]].dtype == np.dtype([("x", "i4"), ("y", "f8")])
    same(z.get_basic_selection(slice(2, 4), fields=["y"])["y"], values["y"][2:4])
    same(z.get_basic_selection(slice(2, 4), fields="x", out=np.empty((2, 4), "i4")), values["x"][2:4])
    for target in (values, z):
        target["x"] = -1
    z["y", 1:3] = 9
    values["y"][1:3] = 9
    z.vindex["x", [5, 3], [0, 1]] = [7, 8]
    values["x"][[5, 3], [0, 1]] = [7, 8]
    z.set_orthogonal_selection(([4], slice(None)), 3.5, fields="y")
    values["y"][4] = 3.5
    np.testing.assert_array_equal(z[...], values)


def test_fields_that_are_arrays():
    values, z = records([("x", "i4"), ("y", "f8"), ("v", "i2", (2,))], chunks=(4, 3), zarr_format=2)
    new = np.arange(48, dtype="i2").reshape(6, 4, 2)
    z["v"] = values["v"] = new
    same(z["v"], new)
    same(z["v", 5, ::2], new[5, ::2])
    z["v", 0] = values["v"][0] = -new[0]
    z.vindex["v", [5, 3], [0, 1]] = [7, 8]
    values["v"][[5, 3], [0, 1]] = [7, 8]
    np.testing.assert_array_equal(z[...], values)


def test_wrong_fields():
    _, z = records([("x", "i4"), ("y", "f8"), ("v", "i2")], chunks=(4, 3))
    with pytest.raises(SelectionError, match="no field 'q': it has 'x', 'y', 'v'"):
        z["q"]
    with pytest.raises(SelectionError, match="no field 'q'"):
        z["q"] = 1
    with pytest.raises(SelectionError, match="one field is set at a time"):
        z["x", "y"] = 1
    with pytest.raises(DataTypeMismatchError):
        z["x"] = 1.5
    with pytest.raises(SelectionError, match="its elements have none"):
        lz.array([1, 2])["x"]


def test_wrong_selections_change_nothing():
    values, z = both(LAYOUTS[0])
    cases = [
        (BoundsCheckError, "index 7 is out of bounds for axis 0", lambda: z.oindex[[0, 7]]),
        (BoundsCheckError, "index -8 is out of bounds", lambda: z.vindex[[0, -8], [0, 0], [0, 0]]),
        (BoundsCheckError, "index 18446744073709551615 is", lambda: z.oindex[np.array([2**64 - 1], "u8")]),
        (SelectionError, "arrays of one axis", lambda: z.oindex[[[0, 1]]]),
        (SelectionError, "mask of length 3 does not fit axis 0", lambda: z.oindex[[True, False, True]]),
        (SelectionError, "of integers or truth values", lambda: z.oindex[[0.5]]),
        (SelectionError, "for each of the 3 axes", lambda: z.vindex[[0, 1]]),
        (SelectionError, "for each of the 3 axes", lambda: z.vindex[[0], [1], :]),
        (SelectionError, "do not broadcast", lambda: z.vindex[[0, 1], [0, 1, 2], 0]),
        (SelectionError, "in the array's shape", lambda: z.vindex[np.ones((7, 5), bool)]),
        (SelectionError, "in the array's shape", lambda: z.get_mask_selection([1, 0])),
        (SelectionError, "slices of step 1", lambda: z.blocks[::2]),
        (BoundsCheckError, "out of bounds", lambda: z.blocks[3]),
        (BoundsCheckError, "too many indices", lambda: z.oindex[[0], [0], [0], [0]]),
        (ShapeMismatchError, "out has shape", lambda: z.get_basic_selection(0, out=np.empty(3, "i4"))),
        (DataTypeMismatchError, "out float64", lambda: z.get_basic_selection(..., out=np.empty(z.shape))),
        (ShapeMismatchError, "does not fit", lambda: z.oindex.__setitem__([0, 1], np.zeros((3, 5, 3), "i4"))),
        (DataTypeMismatchError, "cannot hold", lambda: z.vindex.__setitem__(([0], [0], [0]), [0.5])),
    ]
    for error, said, use in cases:
        with pytest.raises(error, match=said):
            use()
    z.store.read_only = True
    with pytest.raises(ReadOnlyStoreError):
        z.oindex[[0]] = 1
    np.testing.assert_array_equal(z[...], values)


def test_a_lazy_value_goes_to_any_selection():
    values, z = both(LAYOUTS[0])
    z.oindex[[6, 0]] = z.lazy[:2] + 1
    values[[6, 0]] = values[:2] + 1
    np.testing.assert_array_equal(z[...], values)


def test_array_likes_are_read_once():
    class Once:
        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            array, self.array = self.array, None
            return array

    values, z = both(LAYOUTS[0])
    mask = values % 2 == 0
    same(z[Once(mask)], values[mask])
    same(z.vindex[Once(mask)], values[mask])
    same(z.oindex[Once(np.array([4, 2]))], values[[4, 2]])
    same(z[Once(np.array([4, 2])), 1:], values[[4, 2], 1:])


def counted(**layout):
    store = FaultStore(MemoryStore(), lambda verb, key, n: None)
    z = lz.create_array(store, dtype="i4", **layout)
    return store, z


def reads(store, work):
    """How many chunks a piece of work asks for."""
    calls = []
    store.script = lambda verb, key, n: (
        calls.append((verb, key)) if verb.startswith(("get", "read")) else None
    )
    work()
    store.script = lambda verb, key, n: None
    return [key for _, key in calls if "zarr.json" not in key]


def test_points_cost_what_they_touch():
    """An array of 10**18 chunks: only those that points lie in are asked for."""
    store, z = counted(shape=(10**9, 10**9), chunks=(1, 1))
    points = ([5, 10**9 - 1, 5], [7, 3, 7])
    assert len(reads(store, lambda: z.vindex[points])) == 2
    z.vindex[points] = [1, 2, 3]
    assert z.vindex[points].tolist() == [3, 2, 3]
    assert len(reads(store, lambda: z.oindex[[5, 10**8], [7, 9]])) == 4
    huge = lz.create_array({}, shape=(2**62, 2**62), chunks=(1, 2), shards=(2, 4), dtype="u1")
    huge.vindex[[2**62 - 1, 0, 2**61], [5, 2**62 - 2, 1]] = [1, 2, 3]
    assert huge.vindex[[0, 2**61, 2**62 - 1], [2**62 - 2, 1, 5]].tolist() == [2, 3, 1]


def test_whole_chunks_are_not_read():
    """Indices that together are all of a chunk replace it; a list in order is as good as a slice."""
    store, z = counted(shape=(6, 4), chunks=(3, 4))
    z[...] = 1
    assert reads(store, lambda: z.oindex.__setitem__([3, 4, 5], 2)) == []
    assert len(reads(store, lambda: z.oindex.__setitem__([3, 5], 2))) == 1


@settings(max_examples=15)
@given(st.data())
def test_zarr_python_selects_the_same(data):
    values, z = both(LAYOUTS[2])
    peer = zarr.open_array(zarr.storage.MemoryStore(_peer_keys(z)), mode="r")
    items = as_indices([data.draw(axis_items(n).filter(_zarr_takes)) for n in values.shape])
    same(np.asarray(z.oindex[items]), np.asarray(peer.oindex[items]))


def _zarr_takes(item):
    return np.size(item) > 0 and not (isinstance(item, slice) and (item.step or 1) < 1)


def _peer_keys(z):
    import zarr.core.buffer.cpu as cpu

    return {key: cpu.Buffer.from_bytes(bytes(z.store.get(key))) for key in z.store.list()}
