"""Every call that changes a hierarchy, over every store: equal outcomes, consolidated metadata kept true."""

from __future__ import annotations

import collections
import uuid

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr import storage
from lazyzarr.errors import ArrayReplacedError

STORES = {
    "memory": lambda: storage.MemoryStore(),
    "local": lambda: storage.LocalStore("a.zarr"),
    "zip": lambda: storage.ZipStore("a.zip", mode="w"),
    "mapping": lambda: storage.MappingStore(collections.UserDict()),
    "prefix": lambda: storage.PrefixStore(storage.MemoryStore(), "a/b"),
    "split": lambda: storage.SplitStore(storage.MemoryStore(), storage.MemoryStore()),
    "byte cache": lambda: storage.CacheStore(storage.LocalStore("a.zarr")),
    "chunk cache": lambda: storage.ChunkCacheStore(storage.LocalStore("a.zarr")),
    "log": lambda: storage.LoggingStore(storage.MemoryStore()),
    "retry": lambda: storage.RetryStore(storage.MemoryStore()),
    "fsspec": lambda: storage.FSStore(f"memory://{uuid.uuid4().hex}.zarr"),
    "nested": lambda: storage.NestedDirectoryStore("a.zarr"),
    "temporary": lambda: storage.TempStore(),
    "lru": lambda: storage.LRUStoreCache(storage.MemoryStore(), max_size=10**6),
}


@pytest.fixture(params=STORES)
def store(request):
    if request.param == "fsspec":
        pytest.importorskip("fsspec", reason="comes with the extra lazyzarr[cloud]")
    with STORES[request.param]() as made:
        yield made


def paths(store):
    """The paths of all nodes, as the store has them and as consolidated metadata says."""
    found = [path for path, _ in lz.open_group(store).members(None)]
    assert [path for path, _ in lz.open_consolidated(store).members(None)] == found
    return found


def test_arrays_grow_and_are_replaced(store):
    z = lz.group(store).create_array("a/u", data=np.arange(6), chunks=2)
    assert z.append([6]) == (7,)
    z.attrs["x"] = 1
    z.resize(5)
    other = lz.open(store, path="a/u")
    other.append([9])
    z.attrs["y"] = 2
    assert z.append([10]) == (7,)
    np.testing.assert_array_equal(lz.open(store, path="a/u")[...], [0, 1, 2, 3, 4, 9, 10])
    assert dict(other.attrs) == {"x": 1}
    assert (z.nchunks_initialized, z.nbytes_stored > 0) == (4, True)
    lz.group(store)["a/u"] = np.arange(3)
    with pytest.raises(ArrayReplacedError):
        z.append([1])
    assert lz.open(store, path="a/u").shape == (3,)


def test_hierarchies_are_changed(store):
    root = lz.group(store)
    u = root.create_array("a/u", data=np.arange(6), chunks=2).metadata
    lz.consolidate_metadata(store)
    root.move("a/u", "b/v")
    assert paths(store) == ["a", "b", "b/v"]
    lz.copy(root["b"], root, name="c")
    root["c/v"].attrs["q"] = 1
    assert lz.open_consolidated(store)["c/v"].attrs["q"] == 1
    dest = {}
    lz.copy_store(store, dest)
    np.testing.assert_array_equal(lz.open(dest)["c/v"][...], np.arange(6))
    lz.copy_store(dest, store, source_path="b", dest_path="again")
    del root["a"]
    assert sum(1 for _ in root.create_hierarchy({f"h/{i}": u for i in range(3)})) == 4
    assert paths(store) == ["again", "again/v", "b", "b/v", "c", "c/v", "h", "h/0", "h/1", "h/2"]
    np.testing.assert_array_equal(lz.open_consolidated(store)["again/v"][...], np.arange(6))
