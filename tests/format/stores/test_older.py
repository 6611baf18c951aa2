"""zarr-python 2's stores by their names, and chunks in a store of their own."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ContainsArrayError, ReadOnlyStoreError
from lazyzarr.format.stores import LocalStore, MemoryStore, PrefixStore, ZipStore
from lazyzarr.storage import (
    DirectoryStore,
    FSStore,
    KVStore,
    LRUStoreCache,
    NestedDirectoryStore,
    SplitStore,
    TempStore,
)

VALUES = np.arange(30).reshape(5, 6)

OLDER = {
    "DirectoryStore": lambda: DirectoryStore("data.zarr"),
    "NestedDirectoryStore": lambda: NestedDirectoryStore("data.zarr"),
    "TempStore": lambda: TempStore(suffix=".zarr", dir="."),
    "FSStore, a path": lambda: FSStore("data.zarr"),
    "FSStore, a URL": lambda: FSStore(f"memory://{os.getcwd()}/data.zarr"),
    "KVStore": lambda: KVStore({}),
    "LRUStoreCache": lambda: LRUStoreCache(DirectoryStore("data.zarr"), max_size=2**20),
    "LRUStoreCache of a dict": lambda: LRUStoreCache({}, None),
}


@pytest.mark.parametrize("name", OLDER)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_in_the_older_stores(name, zarr_format):
    store = OLDER[name]()
    root = lz.group(store=store, overwrite=True, zarr_format=zarr_format)
    z = root.create_array("g/u", data=VALUES, chunks=(2, 4))
    z.attrs["a"] = 1
    assert (lz.open(store)["g/u"][...] == VALUES).all()
    assert store.chunk_files("g/u").generation() is not None
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert (lz.open(again)["g/u"][...] == VALUES).all()


@pytest.mark.parametrize("name", OLDER)
def test_they_are_mappings(name):
    store = OLDER[name]()
    store["a/b"] = b"1"
    store["c"] = b"2"
    assert bytes(store["a/b"]) == b"1"
    assert sorted(store) == sorted(store.keys()) == ["a/b", "c"]
    assert len(store) == 2
    assert "c" in store
    assert "d" not in store
    assert 5 not in store
    del store["c"]
    with pytest.raises(KeyError):
        store["c"]
    with pytest.raises(KeyError):
        del store["c"]
    assert dict(store) == {"a/b": b"1"}
    assert store
    del store["a/b"]
    assert store, "an empty store is a store"


def test_names_of_chunks():
    for store, expected in (
        (DirectoryStore("a.zarr"), "0.1"),
        (DirectoryStore("b.zarr", dimension_separator="/"), "0/1"),
        (NestedDirectoryStore("c.zarr"), "0/1"),
        (FSStore("d.zarr", dimension_separator="/"), "0/1"),
        (FSStore("e.zarr", key_separator="."), "0.1"),
        (KVStore({}, dimension_separator="/"), "0/1"),
        (TempStore(), "0.1"),
    ):
        lz.create_array(store, shape=(2, 4), chunks=(2, 2), dtype="i4", zarr_format=2)[...] = 1
        assert expected in sorted(store)
    lz.create_array(NestedDirectoryStore("f.zarr"), data=[[1]], zarr_format=2, dimension_separator=".")
    assert os.path.exists("f.zarr/0.0")


def test_a_temporary_store_is_removed():
    store = TempStore()
    z = lz.create_array(store, data=VALUES)
    folder = store.root
    assert os.path.isdir(folder)
    del store, z
    gc.collect()
    assert not os.path.exists(folder)
    code = "import lazyzarr as lz; s = lz.storage.TempStore(); lz.create_group(s); print(s.root)"
    folder = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert not os.path.exists(folder.strip())


def test_read_only():
    lz.create_group("data.zarr")
    with pytest.raises(ReadOnlyStoreError):
        lz.open_group(FSStore("data.zarr", mode="r")).create_group("x")
    assert FSStore("data.zarr", mode="r").read_only


def test_a_cache_by_its_older_name():
    store = LRUStoreCache(LocalStore("data.zarr"), max_size=None)
    z = lz.create_array(store, data=VALUES)
    for _ in range(3):
        assert (z[...] == VALUES).all()
    assert store.hits >= 2
    store.invalidate_values()
    assert store.kept.nbytes == 0


# Chunks in a store of their own.


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", ["dict", "folder", "zip"])
def test_chunk_store(kind, zarr_format):
    chunks = {"dict": {}, "folder": "chunks.zarr", "zip": "chunks.zip"}[kind]
    values = VALUES.copy()
    root = lz.open_group("meta.zarr", mode="w", chunk_store=chunks, zarr_format=zarr_format)
    z = root.create_array("g/u", data=values, chunks=(2, 4))
    z[1:3, 1] = values[1:3, 1] = -5
    z.append(values)
    z.resize(5, 6)
    z.attrs["a"] = 1
    assert (z[...] == values).all()
    with pytest.raises(ContainsArrayError):
        root.create_array("g/u", data=values)
    root.create_array("g/u", data=values + 1, chunks=(2, 4), overwrite=True)
    root["v"] = values
    del root["v"]
    assert list(root) == ["g"]
    root.close()
    meta = {name.rpartition("/")[2] for name in LocalStore("meta.zarr").list()}
    assert meta <= {"zarr.json", ".zgroup", ".zarray", ".zattrs"}
    again = lz.open(path="g/u", store="meta.zarr", chunk_store=chunks, mode="r")
    assert (again[...] == values + 1).all()
    there = lz.open_group("meta.zarr", mode="r", chunk_store=chunks).store.chunk_store
    assert len(list(there.list())) == 6
    assert again.chunk_store == there
    assert (lz.open("meta.zarr")["g/u"][...] == 0).all()


def test_chunk_store_is_a_word_of_every_call_that_opens_or_makes():
    chunks = {}
    lz.create_array({}, data=VALUES, chunk_store=chunks)
    lz.zeros((2,), store={}, path="z", chunk_store=chunks)[...] = 1
    lz.array([1], store={}, path="a", chunk_store=chunks)
    lz.from_array({}, data=VALUES, name="f", chunk_store=chunks)
    lz.group({}, chunk_store=chunks)["g"] = [2]
    lz.open({}, mode="w", shape=(2,), path="o", chunk_store=chunks)[...] = 3
    lz.open_array({}, mode="w", shape=(2,), path="oa", chunk_store=chunks)[...] = 3
    lz.open_group({}, chunk_store=chunks)["og"] = [2]
    tops = {key.partition("/")[0] for key in chunks}
    assert tops == {"c", "z", "a", "f", "g", "o", "oa", "og"}
    assert not any(key.endswith(".json") for key in chunks)


def test_lazy_arrays_of_split_stores():
    store = SplitStore(LocalStore("meta.zarr"), PrefixStore(LocalStore("data.zarr"), "deep"))
    z = lz.create_array(store, name="u", data=VALUES, chunks=(2, 4))
    (z + 1).to_zarr(store, path="v")
    assert (lz.open(store)["v"][...] == VALUES + 1).all()
    assert float((z + 1).sum().compute(scheduler="processes")) == (VALUES + 1).sum()
    assert pickle.loads(pickle.dumps(store)) == store
    assert (store.reach, SplitStore(store, MemoryStore()).reach) == ("host", "thread")
    assert SplitStore(store, ZipStore("none.zip")).read_only
