"""Random arrays of zarr-python's own testing strategies: equal in both libraries, read and written, whole and in parts.

`LAZYZARR_ARRAYS` says how many are drawn, `make faults` draws 2,000. What an older zarr-python cannot draw is skipped.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore
from zarr.testing import strategies

import lazyzarr as lz

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:The data type:Warning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
    pytest.mark.filterwarnings(
        "ignore:Numcodecs codecs are not in the Zarr version 3 specification:UserWarning"
    ),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec:UserWarning"),
]
ARRAYS = int(os.environ.get("LAZYZARR_ARRAYS", "40"))
few = settings(max_examples=ARRAYS, suppress_health_check=list(HealthCheck), deadline=None)
STORES = st.builds(MemoryStore)
RECTILINEAR = {"array.rectilinear_chunks": True}
newer = pytest.mark.skipif(
    not hasattr(strategies, "sharded_arrays"), reason="this zarr-python draws no sharded arrays"
)


@pytest.fixture(autouse=True, scope="module")
def rectilinear_chunks():
    """zarr-python draws rectilinear grids, too, where it has them."""
    with zarr.config.set(RECTILINEAR):
        yield


def contents_of(array):
    return {key: buffer.to_bytes() for key, buffer in array.store._store_dict.items()}


def opened_by_zarr(contents, path):
    store = MemoryStore({key: cpu.Buffer.from_bytes(bytes(raw)) for key, raw in contents.items()})
    return zarr.open_array(store, path=path, mode="r")


def same(got, expected):
    """Equal in shape, dtype and every bit."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    if expected.dtype.hasobject or expected.dtype.kind == "T":
        assert got.tolist() == expected.tolist()
        return
    assert got.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    assert got.astype(expected.dtype).tobytes() == expected.tobytes()


def is_metadata(key):
    return key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def check(theirs):
    """Read by us, written by us below the same metadata and read by zarr-python."""
    contents = contents_of(theirs)
    # As it is stored: what zarr-python has just made knows the sign of a NaN fill value, which its document does not.
    values = opened_by_zarr(contents, theirs.path)[...]
    ours = lz.open_array(dict(contents), path=theirs.path)
    same(ours[...], values)
    assert (ours.shape, dict(ours.attrs)) == (theirs.shape, dict(theirs.attrs))
    bare = {key: raw for key, raw in contents.items() if is_metadata(key)}
    lz.open_array(bare, path=theirs.path)[...] = values
    assert {key for key in bare if is_metadata(key)} == {key for key in contents if is_metadata(key)}
    same(opened_by_zarr(bare, theirs.path)[...], values)
    lz.open_array(contents, path=theirs.path).attrs["mark"] = 1
    edited = opened_by_zarr(contents, theirs.path)
    same(edited[...], values)
    assert edited.attrs["mark"] == 1


@few
@given(strategies.arrays(stores=STORES))
def test_arrays(theirs):
    check(theirs)


@newer
@few
@given(st.data())
def test_sharded_arrays(data):
    check(data.draw(strategies.sharded_arrays()))


@newer
@few
@given(st.data())
def test_rectilinear_arrays(data):
    check(data.draw(strategies.rectilinear_arrays()))


def pair(data):
    """An array of zarr-python's, its values, and the same array as ours."""
    theirs = data.draw(strategies.simple_arrays())
    contents = contents_of(theirs)
    return np.asarray(opened_by_zarr(contents, theirs.path)[...]), lz.open_array(contents, path=theirs.path)


@few
@given(st.data())
def test_basic_indices(data):
    values, ours = pair(data)
    index = data.draw(strategies.basic_indices(shape=values.shape))
    same(ours[index], values[index])
    new = values.copy()
    new[index] = data.draw(strategies.numpy_arrays(shapes=st.just(new[index].shape), dtype=values.dtype))
    ours[index] = new[index]
    same(ours[...], new)


def chosen(length, index):
    """The elements of an axis that an index takes."""
    return np.arange(length)[index]


@few
@given(st.data())
def test_orthogonal_indices(data):
    values, ours = pair(data)
    index, plain = data.draw(strategies.orthogonal_indices(shape=values.shape))
    if not index:
        return
    same(np.asarray(ours.oindex[index]).reshape(values[plain].shape), values[plain])
    new = values.copy()
    if any(np.size(taken) > np.unique(taken).size for taken in map(chosen, values.shape, index)):
        return  # an element that is set twice may hold either value
    taken = values[plain]
    new[plain] = np.ravel(taken)[::-1].reshape(np.shape(taken))
    ours.oindex[index] = new[plain].reshape(ours.oindex[index].shape)
    same(ours[...], new)


@few
@given(st.data())
def test_coordinates(data):
    values, ours = pair(data)
    if not values.size or not values.ndim:
        return
    count = data.draw(st.integers(1, 2 * values.size))
    index = tuple(
        np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count)))
        for n in values.shape
    )
    same(ours.vindex[index], values[index])
    mask = np.zeros(values.shape, "?")
    mask[index] = True
    same(ours.vindex[mask], values[mask])
    new = values.copy()
    new[mask] = values[mask][::-1]
    ours.vindex[mask] = new[mask]
    same(ours[...], new)


@newer
@few
@given(st.data())
def test_block_indices(data):
    theirs = data.draw(strategies.simple_arrays())
    if not theirs.ndim or 0 in theirs.shape:
        return
    ours = lz.open_array(contents_of(theirs), path=theirs.path)
    # in both libraries the blocks of a sharded array are its shards
    grid = ours.cdata_shape if ours.shards is None else map(math.ceil, np.divide(ours.shape, ours.shards))
    index = tuple(data.draw(st.integers(0, n - 1) | st.just(slice(None))) for n in grid)
    same(ours.blocks[index], theirs.blocks[index])
