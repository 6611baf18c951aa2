"""Every snippet of the Zarr notes, in the notes' order, with `lazyzarr` in the place of `zarr`.

Each test runs one snippet as the notes have it and compares what it prints with what the notes print, but
for the addresses of memory stores and the blanks before a tree's branches. Files that a snippet reads and
nobody wrote are written first.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

import numpy as np
import pytest

import lazyzarr as zarr


def shown(text):
    """What was printed, without addresses and without leading blanks."""
    text = re.sub(r"memory://\d+", "memory://ADDRESS", str(text))
    return "\n".join(line.lstrip(" ").rstrip() for line in text.strip("\n").splitlines())


@pytest.fixture
def printed(capsys):
    """A function: what was printed since it was last called."""
    return lambda: shown(capsys.readouterr().out)


@pytest.fixture
def store():
    return zarr.storage.MemoryStore()


@pytest.fixture
def root(store):
    return zarr.create_group(store=store)


# ## Arrays


def test_arrays(store):
    z = zarr.create_array(store=store, shape=(10000, 10000), chunks=(1000, 1000), dtype="int32")
    assert shown(z) == "<Array memory://ADDRESS shape=(10000, 10000) dtype=int32>"

    z[0, :] = np.arange(10000)
    z[:, 0] = np.arange(10000)
    np.testing.assert_array_equal(z[0, :], np.arange(10000))
    np.testing.assert_array_equal(z[:, 0], np.arange(10000))


# ### 打开


def test_open_by_path():
    zarr.save("path/to/file", a=np.arange(3))
    src = zarr.open(path="path/to/file", mode="r")
    assert type(src) is zarr.Group
    assert type(src.store) is zarr.storage.DirectoryStore
    assert list(src) == ["a"]


# ### 转换为 numpy.ndarry


def test_slice_gives_an_ndarray():
    values = zarr.array(np.arange(6).reshape(2, 3))[:]
    assert type(values) is np.ndarray
    np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3))


# ### chunks 参数


def test_array_signature():
    """The call with every argument at the default that the notes list."""
    z = zarr.array(
        data=None,
        shape=(4,),
        chunks=None,
        dtype=None,
        compressor=None,
        fill_value=None,
        order="C",
        store=None,
        overwrite=False,
        path=None,
        chunk_store=None,
        synchronizer=None,
        cachesize=None,
        cache_type=None,
    )
    assert (z.shape, z.dtype, z.compressors) == ((4,), np.dtype("f8"), ())
    with pytest.raises(zarr.errors.BaseZarrError, match="neither data= nor shape="):
        zarr.array(data=None, shape=None, chunks=None, dtype=None, compressor=None)


def test_chunks(printed):
    array_custom_chunks = zarr.zeros((100, 100), chunks=(20, 10), dtype="f8")

    print("Array shape:", array_custom_chunks.shape)
    print("Chunks shape:", array_custom_chunks.chunks)
    assert printed() == "Array shape: (100, 100)\nChunks shape: (20, 10)"


# ### 持久化


def test_persistence():
    z1 = zarr.create_array(
        store="data/example-1.zarr", shape=(10000, 10000), chunks=(1000, 1000), dtype="int32"
    )
    z1[:] = 42
    z1[0, :] = np.arange(10000)
    z1[:, 0] = np.arange(10000)

    z2 = zarr.open_array("data/example-1.zarr", mode="r")
    assert np.all(z1[:] == z2[:])
    assert shown(z2) == "<Array file://data/example-1.zarr shape=(10000, 10000) dtype=int32>"
    assert z2[1, 1] == 42
    np.testing.assert_array_equal(z2[0], np.arange(10000))


def test_save_and_load():
    a = np.arange(10)
    zarr.save("data/example-2.zarr", a)
    assert repr(zarr.load("data/example-2.zarr")) == "array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])"


# ## zarr.Group


def test_create_group(printed):
    store = zarr.storage.MemoryStore()
    root = zarr.create_group(store=store)
    r2 = zarr.group(store=store)
    assert str(root) == str(r2)
    print(root, r2)
    assert printed() == "<Group memory://ADDRESS> <Group memory://ADDRESS>"


def test_values(printed):
    src = zarr.group()
    src.create_group("meta").create_array("episode_ends", shape=(5,), dtype="int64")
    print(next(iter(src["meta"].values())))
    assert printed() == "<Array memory://ADDRESS/meta/episode_ends shape=(5,) dtype=int64>"
    keys, values = src["meta"].keys(), src["meta"].values()
    assert [list(keys), list(keys)] == [["episode_ends"], ["episode_ends"]]
    assert [len(list(values)), len(list(values))] == [1, 1]


# ### 层次化结构


def test_hierarchy(root, printed):
    foo = root.create_group("foo")
    bar = foo.create_group("bar")
    print(foo, bar)
    assert printed() == "<Group memory://ADDRESS/foo> <Group memory://ADDRESS/foo/bar>"

    z1 = bar.create_array(name="baz", shape=(10000, 10000), chunks=(1000, 1000), dtype="int32")
    assert shown(repr(z1)) == "<Array memory://ADDRESS/foo/bar/baz shape=(10000, 10000) dtype=int32>"

    assert shown(repr(root["foo"])) == "<Group memory://ADDRESS/foo>"

    print(root["foo/bar"])
    assert printed() == "<Group memory://ADDRESS/foo/bar>"
    print(root["foo/bar/baz"])
    assert printed() == "<Array memory://ADDRESS/foo/bar/baz shape=(10000, 10000) dtype=int32>"

    assert shown(repr(root.tree())) == shown(
        """
/
└── foo
    └── bar
        └── baz (10000, 10000) int32
"""
    )


# #### zarr.open_group()


def test_open_group():
    root = zarr.open_group("data/group.zarr", mode="w")
    assert repr(root) == "<Group file://data/group.zarr>"
    z = root.create_array(name="foo/bar/baz", shape=(10000, 10000), chunks=(1000, 1000), dtype="int32")
    assert repr(z) == "<Array file://data/group.zarr/foo/bar/baz shape=(10000, 10000) dtype=int32>"

    # tree data
    found = list(os.walk("data"))
    assert [folder for folder, _, _ in found] == [
        "data",
        "data/group.zarr",
        "data/group.zarr/foo",
        "data/group.zarr/foo/bar",
        "data/group.zarr/foo/bar/baz",
    ]
    assert [files for _, _, files in found] == [[]] + [["zarr.json"]] * 4


# #### zarr.<Array|Group>.attrs


def test_attrs(root):
    root.attrs["title"] = "notes"
    root.create_group("foo")
    assert dict(root.attrs) == {"title": "notes"}
    z = root.create_array("z", shape=(2,), dtype="f8")
    z.attrs["units"] = {"time": ["s", 1]}
    assert root["z"].attrs["units"] == {"time": ["s", 1]}


# #### zarr.Group.keys()


def test_keys_and_in(root):
    meta = root.require_group("meta", overwrite=False)
    if "episode_ends" not in meta:
        episode_ends = meta.zeros(
            "episode_ends", shape=(0,), dtype=np.int64, compressor=None, overwrite=False
        )
    assert "episode_ends" in meta
    assert list(meta.keys()) == ["episode_ends"]
    assert (episode_ends.shape, episode_ends.dtype, episode_ends.compressors) == ((0,), np.int64, ())


# #### zarr.Group.store


def test_group_store(root, store):
    assert root.store is store
    assert root.create_group("foo").store is store


# #### zarr.Group.require_group()


def test_require_group(root):
    meta = root.require_group("meta")
    meta.create_array("a", shape=(2,), dtype="f8")
    assert "a" in root.require_group("meta")
    assert "a" in meta.require_group("/meta")
    assert "a" not in root.require_group("meta", overwrite=True)


# ## Storage


def test_zip_store():
    store = zarr.storage.ZipStore("data.zip", mode="w")
    z = zarr.create_array(store=store, shape=(2,), dtype="float64")
    assert repr(z) == "<Array zip://data.zip shape=(2,) dtype=float64>"


def test_stores_beside_it():
    """DirectoryStore for this machine's folders, FSStore for clouds and distributed storage."""
    zarr.group(store=zarr.storage.DirectoryStore("dir.zarr"))["x"] = np.arange(3)
    zarr.group(store=zarr.storage.FSStore("memory://fs.zarr"))["x"] = np.arange(3)
    for store in (zarr.storage.DirectoryStore("dir.zarr"), zarr.storage.FSStore("memory://fs.zarr")):
        np.testing.assert_array_equal(zarr.open_group(store, mode="r")["x"][:], np.arange(3))


def test_memory_store():
    data = {}
    store = zarr.storage.MemoryStore(data)
    z = zarr.create_array(store=store, shape=(2,), dtype="float64")
    assert shown(repr(z)) == "<Array memory://ADDRESS shape=(2,) dtype=float64>"
    assert "zarr.json" in data


# #### zarr.copy_store()


def test_copy_store_words(printed):
    """The call with every argument that the notes list."""
    source, dest = zarr.storage.MemoryStore(), zarr.storage.MemoryStore()
    zarr.group(store=source).create_group("group").zeros("z", shape=(4,), chunks=(2,))[:2] = 1
    zarr.copy_store(
        source,
        dest,
        source_path="",
        dest_path="",
        log=sys.stdout,
        excludes=["group/zarr.json"],
        includes=None,
        dry_run=False,
    )
    assert printed().splitlines()[:-1] == ["copy group/z/c/0", "copy group/z/zarr.json", "copy zarr.json"]
    assert sorted(dest.list()) == ["group/z/c/0", "group/z/zarr.json", "zarr.json"]
    zarr.copy_store(
        source, zarr.storage.MemoryStore(), log=sys.stdout, includes=["group/.*/c/"], dry_run=True
    )
    assert printed() == "copy group/z/c/0\ndry run: 1 copied, 0 skipped"


# ### ZipStore 例子


def test_zip_store_example(printed):
    zipped = zarr.storage.ZipStore("my_data.zip", mode="w")
    zarr.open_group(zipped)["x"] = np.arange(3)
    zipped.close()

    from lazyzarr.storage import ZipStore

    zip_store = ZipStore("my_data.zip", mode="r")
    root_loaded = zarr.open_group(zip_store, mode="r")
    np.testing.assert_array_equal(root_loaded["x"][:], np.arange(3))

    from lazyzarr import copy_store
    from lazyzarr.storage import MemoryStore

    source_store = MemoryStore()

    root_source = zarr.group(store=source_store)

    array1 = root_source.zeros("array1", shape=(100, 100), chunks=(10, 10), dtype="f8")
    array2 = root_source.zeros("array2", shape=(50, 50), chunks=(5, 5), dtype="i4")

    array1[0:10, 0:10] = 1.0
    array2[0:5, 0:5] = 2

    target_store = MemoryStore()
    copy_store(source_store, target_store)
    root_target = zarr.group(store=target_store)

    print("\nTarget group structure:")
    print(root_target.tree())
    assert printed() == shown(
        """
Target group structure:
/
 ├── array1 (100, 100) float64
 └── array2 (50, 50) int32
"""
    )

    array1_loaded = root_target["array1"]
    print("\nLoaded array1 content:")
    print(array1_loaded[0:10, 0:10])
    assert printed() == shown(f"Loaded array1 content:\n{np.ones((10, 10))}")

    array2_loaded = root_target["array2"]
    print("\nLoaded array2 content:")
    print(array2_loaded[0:5, 0:5])
    assert printed() == shown(f"Loaded array2 content:\n{np.full((5, 5), 2, 'i4')}")


# ### AsyncGroup


def test_async_group():
    """The notes leave the heading empty: what they show of groups, awaited."""

    async def main():
        root = await zarr.AsyncGroup.from_store(zarr.storage.MemoryStore())
        foo = await root.create_group("foo")
        baz = await foo.create_array("bar/baz", shape=(100, 100), chunks=(10, 10), dtype="int32")
        await baz.setitem((0, slice(None)), np.arange(100))
        assert [name async for name, _ in root.members(None)] == ["foo", "foo/bar", "foo/bar/baz"]
        return await (await root.getitem("foo/bar/baz")).getitem((0, slice(None)))

    np.testing.assert_array_equal(asyncio.run(main()), np.arange(100))
