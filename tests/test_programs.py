"""Programs written for zarr-python 2 and 3, run with `lazyzarr` in the place of `zarr`.

Those for zarr-python 2 keep to what its tutorial and its API had, those for 3 to its user guide.
"""

from __future__ import annotations

import asyncio
import io
import logging
import operator

import numcodecs
import numpy as np
import pytest

import lazyzarr as zarr

same = np.testing.assert_array_equal

# zarr-python 2.


def test_2_arrays():
    z = zarr.zeros((100, 100), chunks=(10, 10), dtype="i4")
    z[:] = 42
    z[0, :] = np.arange(100)
    z[:, 0] = np.arange(100)
    assert (z[0, 0], z[-1, -1]) == (0, 42)
    assert z.shape == (100, 100)
    assert (z.nbytes, z.itemsize, z.ndim, len(z), z.cdata_shape) == (40000, 4, 2, 100, (10, 10))
    assert z.nchunks == z.nchunks_initialized == 100
    assert z.nbytes_stored < z.nbytes
    assert z.order == "C"
    assert "Chunks Initialized : 100/100" in str(z.info_complete())
    same(np.array(z), z[:])
    z.resize(200, 100)
    assert z.append(np.ones((10, 100), "i4")) == (210, 100)
    assert z.append(np.ones((210, 1), "i4"), axis=1) == (210, 101)
    assert not z.is_view
    assert z.chunk_store is z.store
    assert z.synchronizer is None


def test_2_persistent_arrays():
    z1 = zarr.open("example.zarr", mode="w", shape=(100, 100), chunks=(10, 10), dtype="i4")
    z1[:] = 42
    z2 = zarr.open("example.zarr", mode="r")
    assert np.all(z1[:] == z2[:])
    assert z2.read_only
    with pytest.raises(PermissionError):
        z2[0] = 1
    a = np.arange(10)
    zarr.save("saved.zarr", a)
    same(zarr.load("saved.zarr"), a)
    zarr.save_group("group.zarr", foo=a, bar=a + 1)
    loaded = zarr.load("group.zarr")
    same(loaded["bar"], a + 1)


def test_2_compressors_and_filters():
    blosc = zarr.Blosc(cname="zstd", clevel=3, shuffle=zarr.Blosc.BITSHUFFLE)
    data = np.arange(10000, dtype="i4").reshape(100, 100)
    z = zarr.array(data, chunks=(50, 50), compressor=blosc, zarr_format=2)
    assert z.compressor == blosc
    same(z[:], data)
    filters = [zarr.Delta(dtype="i4"), zarr.FixedScaleOffset(offset=0, scale=1, dtype="i4", astype="i4")]
    f = zarr.array(data, chunks=(50, 50), filters=filters, compressor=zarr.Zlib(level=1), zarr_format=2)
    assert list(f.filters) == filters
    same(f[:], data)
    plain = zarr.zeros(10, compressor=None, zarr_format=2)
    assert plain.compressor is None
    assert isinstance(zarr.GZip(1), numcodecs.GZip)


def test_2_groups():
    root = zarr.group()
    foo = root.create_group("foo")
    z1 = foo.create_dataset("bar/baz", shape=(100, 100), chunks=(10, 10), dtype="i4")
    assert z1.name == "/foo/bar/baz"
    assert root["foo/bar"].path == "foo/bar"
    assert root.foo.bar.baz.shape == (100, 100)
    assert "foo" in root
    assert sorted(root.array_keys()) == []
    assert sorted(root.group_keys()) == ["foo"]
    assert [name for name, _ in root.items()] == ["foo"]
    foo.require_dataset("bar/baz", shape=(100, 100), dtype="i4", exact=True)
    seen = []
    root.visit(seen.append)
    root.visititems(lambda name, node: seen.append(node.name))
    assert seen == ["foo", "foo/bar", "foo/bar/baz", "/foo", "/foo/bar", "/foo/bar/baz"]
    root.visitvalues(lambda node: node.attrs.put({"visited": True}))
    assert root["foo/bar/baz"].attrs["visited"] is True
    root.move("foo/bar", "moved")
    assert root.tree().text.splitlines() == ["/", "├── foo", "└── moved", "    └── baz (100, 100) int32"]
    del root["foo"]
    assert list(root) == ["moved"]
    root["data"] = np.arange(4)
    same(root["data"][:], np.arange(4))
    same(root.array("more", [1, 2])[:], [1, 2])


def test_2_attributes():
    root = zarr.group()
    root.attrs["foo"] = "bar"
    z = root.zeros("zzz", shape=(10, 10))
    z.attrs["baz"] = 42
    z.attrs.update(qux=[1, 4, 7, 12], scale=np.float32(0.5))
    assert sorted(root.attrs) == ["foo"]
    assert z.attrs["qux"] == [1, 4, 7, 12]
    assert z.attrs.asdict() == {"baz": 42, "qux": [1, 4, 7, 12], "scale": 0.5}
    z.attrs.put({"only": 1})
    assert dict(z.attrs) == {"only": 1}


def test_2_selections():
    z = zarr.array(np.arange(100).reshape(10, 10), chunks=(3, 3))
    rows, columns = [1, 4, 8], [0, 9, 3]
    same(z.oindex[rows, :], z[:][rows])
    same(z.oindex[rows, columns], z[:][np.ix_(rows, columns)])
    same(z.vindex[rows, columns], z[:][rows, columns])
    same(z.get_coordinate_selection((rows, columns)), z[:][rows, columns])
    same(z.get_orthogonal_selection((slice(2, 4), columns)), z[:][2:4, columns])
    mask = z[:] % 7 == 0
    same(z.get_mask_selection(mask), z[:][mask])
    same(z.blocks[1, 0], z[:][3:6, :3])
    z.set_coordinate_selection((rows, columns), -1)
    z.set_orthogonal_selection(([0], slice(None)), -2)
    z.set_mask_selection(z[:] == 50, -3)
    assert (z[4, 9], z[0, 5], z[5, 0]) == (-1, -2, -3)
    z.set_basic_selection((slice(None), 0), 9)
    same(z.get_basic_selection((slice(None), 0)), np.full(10, 9))


def test_2_record_arrays():
    values = np.array(
        [(b"aa", 1, 4.2), (b"bbb", 2, 8.4)], dtype=[("foo", "S3"), ("bar", "i4"), ("baz", "f8")]
    )
    z = zarr.array(values, zarr_format=2)
    same(z["foo"], values["foo"])
    same(z["baz", :1], values["baz"][:1])
    same(z.get_basic_selection(slice(0, 1), fields=["foo", "bar"]), values[["foo", "bar"]][:1])


def test_2_objects():
    z = zarr.empty(3, dtype=object, object_codec=zarr.JSON(), zarr_format=2)
    z[0], z[1], z[2] = {"a": 1}, [1, 2], "text"
    assert list(z[:]) == [{"a": 1}, [1, 2], "text"]
    ragged = zarr.empty(2, dtype=object, object_codec=zarr.VLenArray("i8"), zarr_format=2)
    ragged[0] = np.array([1, 3, 5])
    same(ragged[0], [1, 3, 5])
    text = zarr.array(["one", "four"], dtype=object, object_codec=zarr.VLenUTF8(), zarr_format=2)
    assert list(text[:]) == ["one", "four"]


def test_2_stores_and_synchronizers():
    store = zarr.DirectoryStore("dir.zarr")
    root = zarr.group(store=store, overwrite=True, synchronizer=zarr.ThreadSynchronizer())
    z = root.zeros("z", shape=(10, 10), chunks=(5, 5), dtype="i4")
    z[:] = 1
    sync = zarr.ProcessSynchronizer("example.sync")
    assert zarr.open_array("dir.zarr/z", mode="r+", synchronizer=sync)[0, 0] == 1
    assert sync.path == "example.sync"
    kept = {}
    zarr.group(store=kept)["x"] = np.arange(3)
    assert "x/zarr.json" in kept


def test_2_older_stores(tmp_path):
    with zarr.ZipStore("example.zip", mode="w") as store:
        zarr.group(store=store).zeros("foo/bar", shape=(10, 10), chunks=(5, 5))[:] = 42
    assert zarr.open("example.zip", mode="r")["foo/bar"][9, 9] == 42
    cached = zarr.LRUStoreCache(zarr.DirectoryStore(tmp_path / "d.zarr"), max_size=2**20)
    zarr.group(store=cached)["x"] = np.arange(3)
    same(zarr.open_group(cached)["x"][:], np.arange(3))
    for cls in (zarr.NestedDirectoryStore, zarr.DirectoryStore):
        z = zarr.create(
            (4, 4), chunks=(2, 2), store=cls(tmp_path / cls.__name__), zarr_format=2, fill_value=7
        )
        z[:2] = 1
        assert (z[0, 0], z[3, 3]) == (1, 7)
    with zarr.TempStore() as store:
        zarr.group(store=store)["x"] = np.arange(3)
    same(zarr.group(store=zarr.KVStore({}), overwrite=True).array("x", [1, 2])[:], [1, 2])


def test_2_chunk_store():
    store, chunks = {}, {}
    root = zarr.group(store=store, chunk_store=chunks)
    z = root.create_dataset("a/z", data=np.arange(4), chunks=2)
    assert {key.rpartition("/")[2] for key in store} == {"zarr.json"}
    assert sorted(chunks) == ["a/z/c/0", "a/z/c/1"]
    assert (z.nchunks_initialized, z.nbytes_stored) == (
        2,
        sum(len(raw) for key, raw in {**store, **chunks}.items() if key.startswith("a/z/")),
    )
    same(zarr.open_group(store, chunk_store=chunks)["a/z"][:], np.arange(4))
    same(zarr.open_array(store, path="a/z", chunk_store=chunks, mode="r")[:], np.arange(4))
    assert z.chunk_store is not z.store


def test_2_older_words():
    with zarr.open_group("v2.zarr", mode="w", zarr_version=2) as root:
        z = root.zeros("z", shape=4, meta_array=np.empty(()), cache_attrs=False, partial_decompress=True)
    assert (root.zarr_format, z.zarr_format) == (2, 2)
    assert zarr.group(zarr_version=2).zarr_format == zarr.zeros(3, zarr_version=2).zarr_format == 2
    assert zarr.open_array("v2.zarr/z", mode="r", zarr_version=2).shape == (4,)


def test_2_copies():
    source = zarr.group()
    source.create_dataset("foo/bar/baz", data=np.arange(100), chunks=50)
    source.create_dataset("foo/spam", data=np.arange(100, 200), chunks=30)
    dest, log = zarr.group(), io.StringIO()
    assert zarr.copy(source["foo"], dest, log=log) == (4, 0, 1600)
    assert log.getvalue().splitlines() == [
        "copy /foo",
        "copy /foo/bar",
        "copy /foo/bar/baz (100,) int64",
        "copy /foo/spam (100,) int64",
        "all done: 4 copied, 0 skipped, 1,600 bytes copied",
    ]
    with pytest.raises(zarr.CopyError):
        zarr.copy_all(source, dest)
    n_copied, n_skipped, _ = zarr.copy_all(source, dest, if_exists="skip")
    assert (n_copied, n_skipped) == (2, 2)
    store1, store2 = {}, {}
    zarr.group(store1).create_dataset("foo/bar", data=np.arange(10))
    n_copied, _, n_bytes = zarr.copy_store(store1, store2, source_path="foo", dest_path="a/foo")
    assert n_bytes == sum(map(len, store2.values()))
    same(zarr.group(store2)["a/foo/bar"][:], np.arange(10))


def test_2_consolidated_metadata():
    root = zarr.group(store="c.zarr", zarr_format=2)
    root.create_dataset("a/b", data=np.arange(4))
    zarr.consolidate_metadata("c.zarr")
    found = zarr.open_consolidated("c.zarr", metadata_key=".zmetadata")
    same(found["a/b"][:], np.arange(4))


def test_2_views_and_digests():
    z = zarr.array(np.arange(100, dtype="f8"), chunks=10)
    v = z.astype("f4")
    assert (v.dtype, v[3], v.is_view) == (np.dtype("f4"), np.float32(3), True)
    assert z.view(dtype="i8").dtype == np.dtype("i8")
    assert len(z.hexdigest()) == 40
    assert len(z.digest("md5")) == 16
    assert list(z.islice(3, 5)) == [3, 4]
    assert sum(z) == 4950


def test_2_context_managers():
    with zarr.open("w.zarr", mode="w") as root:
        root["x"] = np.arange(3)
    with zarr.open_group("w.zarr") as root:
        same(root["x"][:], np.arange(3))


def test_2_errors():
    root = zarr.group(store="e.zarr")
    root["x"] = np.arange(3)
    with pytest.raises(KeyError):
        root["y"]
    with pytest.raises(ValueError):
        zarr.create(4, store="e.zarr", path="x")
    with pytest.raises(zarr.errors.ContainsArrayError):
        root.create_dataset("x", shape=3)
    with pytest.raises(zarr.errors.ArrayNotFoundError):
        zarr.open_array("e.zarr/y", mode="r")
    with pytest.raises(zarr.errors.GroupNotFoundError):
        zarr.open_group("nothing.zarr", mode="r")
    with pytest.raises(IndexError):
        operator.getitem(root["x"], 9)


# zarr-python 3.


def test_3_arrays():
    z = zarr.create_array(
        store="data/example.zarr",
        shape=(100, 100),
        chunks=(10, 10),
        dtype="f4",
        compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
        fill_value=1,
        attributes={"units": "K"},
        dimension_names=("y", "x"),
    )
    z[:, :] = np.random.default_rng(1).random((100, 100), "f4")
    assert z.shards is None
    assert z.metadata.dimension_names == ("y", "x")
    assert z.update_attributes({"b": 2}) is z
    assert z.attrs.asdict() == {"units": "K", "b": 2}
    s = zarr.create_array(
        store={},
        shape=(100, 100),
        shards=(50, 50),
        chunks=(10, 10),
        dtype="u1",
        filters=None,
        compressors=None,
    )
    s[...] = 3
    assert (s.shards, s.nchunks, s.nbytes_stored() > 0) == ((50, 50), 100, True)
    assert zarr.open_array("data/example.zarr", mode="r").compressors[0].cname in ("zstd", "BloscCname.zstd")
    z.resize((120, 100))
    assert z.append(np.ones((1, 100)), axis=0) == (121, 100)


def test_3_groups():
    store = zarr.storage.MemoryStore()
    root = zarr.create_group(store=store)
    foo = root.create_group(name="foo")
    foo.create_array(name="bar", shape=(4, 4), chunks=(2, 2), dtype="int32")
    assert dict(root.members(max_depth=None)).keys() == {"foo", "foo/bar"}
    assert root.nmembers(max_depth=None) == 2
    assert isinstance(root["foo/bar"], zarr.Array)
    assert "foo/bar" in root
    with pytest.raises(zarr.errors.ContainsGroupError):
        root.create_group("foo")
    assert root.require_groups("foo", "new")[1].name == "/new"
    assert root.get_array("foo/bar").shape == (4, 4)
    root.move("new", "other")
    assert list(root.keys()) == ["foo", "other"]
    assert "No. groups" in repr(root.info_complete())
    assert zarr.open_group(store=store, mode="r").read_only


def test_3_hierarchies():
    array = zarr.zeros((4,), chunks=(2,)).metadata
    group = zarr.group(attributes={"name": "leaf"}).metadata
    made = dict(zarr.create_hierarchy(store={}, nodes={"a": group, "b/c": array}))
    assert sorted(made) == ["", "a", "b", "b/c"]
    assert dict(made["a"].attrs) == {"name": "leaf"}
    with pytest.raises(zarr.errors.ContainsArrayError):
        dict(made[""].create_hierarchy({"b/c": array}))


def test_3_from_array_and_likes():
    a = zarr.create_array({}, data=np.arange(24).reshape(4, 6), chunks=(2, 3), attributes={"a": 1})
    b = zarr.from_array({}, data=a, chunks=(4, 6), compressors="keep")
    same(b[:], a[:])
    assert (b.chunks, dict(b.attrs)) == ((4, 6), {"a": 1})
    c = zarr.from_array("np.zarr", data=np.arange(3.0))
    same(c[:], np.arange(3.0))
    like = zarr.open_like(a, "like.zarr")
    assert (like.shape, like.chunks, like.dtype) == (a.shape, a.chunks, a.dtype)
    like[0] = 5
    assert zarr.open_like(a, "like.zarr")[0, 0] == 5
    assert zarr.zeros_like(a).chunks == a.chunks
    assert zarr.full_like(a, fill_value=3)[0, 0] == 3


def test_3_config():
    with zarr.config.set({"array.write_empty_chunks": True}):
        z = zarr.zeros((4,), chunks=(2,))
        z[:] = 0
        assert z.nchunks_initialized == 2
    z = zarr.create_array({}, shape=(4,), chunks=(2,), dtype="f4", config={"write_empty_chunks": False})
    z[:] = 0
    assert z.nchunks_initialized == 0


def test_3_async():
    async def main():
        root = await zarr.AsyncGroup.from_store(store={})
        arrays = await asyncio.gather(
            *(root.create_array(f"a{i}", shape=(4,), chunks=(2,), dtype="i4") for i in range(8))
        )
        await asyncio.gather(*(array.setitem(slice(None), i) for i, array in enumerate(arrays)))
        found = [name async for name, _ in root.members()]
        values = await asyncio.gather(*(array.getitem(0) for array in arrays))
        return found, values

    assert asyncio.run(main()) == ([f"a{i}" for i in range(8)], list(range(8)))


def test_3_debug_info(capsys):
    assert zarr.print_debug_info() is None
    printed = capsys.readouterr().out
    assert "lazyzarr: " in printed
    assert f"numpy: {np.__version__}" in printed


def test_3_logging(capfd):
    logger = logging.getLogger("lazyzarr")
    before = list(logger.handlers), logger.level
    logger.handlers.clear()
    try:
        zarr.set_format("<%(message)s>")
        zarr.set_log_level("DEBUG")
        logger.debug("said")
        assert len(logger.handlers) == 1
        assert capfd.readouterr().err == "<said>\n"
        with pytest.raises(ValueError, match="LOUD"):
            zarr.set_log_level("LOUD")
    finally:
        logger.handlers[:], logger.level = before[0], before[1]


@pytest.mark.peer
@pytest.mark.parametrize("place", ["", "errors", "Array", "Group"])
def test_every_public_name_is_found(place):
    peer = pytest.importorskip("zarr")
    theirs = {"": peer, "errors": peer.errors, "Array": peer.Array, "Group": peer.Group}[place]
    ours = {"": zarr, "errors": zarr.errors, "Array": zarr.zeros(3), "Group": zarr.group()}[place]
    names = getattr(theirs, "__all__", dir(theirs))
    left_out = {"update_attributes_async"}
    left_out |= {"create"} if place == "Array" else set()  # of 3.1, where it was deprecated
    missing = {name for name in names if not name.startswith("_") and not hasattr(ours, name)}
    assert missing <= left_out
