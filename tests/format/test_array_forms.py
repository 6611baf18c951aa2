"""An array in other forms: digests, what is stored of it, rows, views and casts."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections import OrderedDict

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ArrayReplacedError,
    BaseZarrError,
    BoundsCheckError,
    ReadOnlyStoreError,
    UnknownDataTypeError,
)
from lazyzarr.format.stores import FaultStore

FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])

# What is stored.


@FORMATS
def test_digest_is_that_of_chunks_and_metadata(zarr_format):
    z = lz.create_array(
        "a.zarr", shape=(4, 6), chunks=(2, 3), dtype="i2", zarr_format=zarr_format, attributes={"a": 1}
    )
    z[2:, 3:] = 5
    z[:2, :3] = 6
    names = {2: ["0.0", "1.1", ".zarray", ".zattrs"], 3: ["c/0/0", "c/1/1", "zarr.json"]}[zarr_format]
    content = b"".join(bytes(z.store.get(name)) for name in names)
    assert z.hexdigest() == hashlib.sha1(content).hexdigest()
    assert z.digest("sha256") == hashlib.sha256(content).digest()
    before = z.hexdigest()
    z[0, 0] = 7
    assert z.hexdigest() != before
    with pytest.raises(BaseZarrError, match="hashname='sha0' is not known"):
        z.hexdigest("sha0")


def test_digest_takes_chunks_in_the_order_of_the_array():
    z = lz.create_array("a.zarr", data=np.arange(12, dtype="u1"), chunks=1, compressors=None)
    content = bytes(range(1, 12)) + bytes(z.store.get("zarr.json"))  # the first is nothing but fill
    assert z.digest() == hashlib.sha1(content).digest()


def test_digest_of_zarr_python_2():
    """The digest that zarr-python 2's documentation prints for `zarr.empty((10000, 10000), chunks=(1000, 1000))`."""
    document = {
        "chunks": [1000, 1000],
        "compressor": {"blocksize": 0, "clevel": 5, "cname": "lz4", "id": "blosc", "shuffle": 1},
        "dtype": "<f8",
        "fill_value": None,
        "filters": None,
        "order": "C",
        "shape": [10000, 10000],
        "zarr_format": 2,
    }
    store = {".zarray": json.dumps(document, indent=4, sort_keys=True, separators=(",", ": ")).encode()}
    assert lz.open(store).hexdigest() == "041f90bc7a571452af4f850a8ca2c6cddfa8a1ac"


@FORMATS
def test_what_is_stored_is_counted(zarr_format):
    z = lz.create_array("a.zarr", shape=(10, 10), chunks=(3, 10), dtype="f8", zarr_format=zarr_format)
    assert (z.nchunks_initialized, z.nchunks) == (0, 4)
    z[:3] = 1
    z[9:] = 2
    assert z.nchunks_initialized == 2
    sizes = [z.store.size(key) for key in z.store.list()]
    assert z.nbytes_stored == z.nbytes_stored() == sum(sizes) > 0
    lines = repr(z.info_complete()).splitlines()
    assert lines[-1].split(" : ") == ["Chunks Initialized", "2/4"]
    assert f"No. bytes stored   : {sum(sizes)}" in lines
    assert f"Storage ratio      : {800 / sum(sizes):.1f}" in lines
    z.store.set({2: "9.9", 3: "c/9/9"}[zarr_format], b"beyond")
    assert z.nchunks_initialized == 2


def test_chunks_of_stored_shards_count():
    z = lz.zeros((10,), chunks=(2,), shards=(4,), dtype="i1")
    z[9] = 1
    assert (z.nchunks_initialized, z.nchunks) == (1, 5)
    z[0] = 1
    assert z.nchunks_initialized == 3
    assert z.read_chunk_sizes == ((2, 2, 2, 2, 2),)
    assert z.write_chunk_sizes == ((4, 4, 2),)


@pytest.mark.peer
def test_facts_as_zarr_python_has_them():
    import zarr

    path = "a.zarr"
    z = lz.create_array(path, shape=(10, 9), chunks=(2, 3), shards=(4, 9), dtype="f4")
    z[:4] = 1  # zarr-python counts chunks beyond the edge, too, where a shard of the edge is stored
    peer = zarr.open_array(path)
    for name in ("nchunks_initialized", "read_chunk_sizes", "write_chunk_sizes", "nchunks", "cdata_shape"):
        if hasattr(peer, name):  # older releases lack some
            assert getattr(z, name) == getattr(peer, name), name
    assert z.nbytes_stored() == peer.nbytes_stored()


# Rows.


def test_islice():
    z = lz.array(np.arange(20).reshape(10, 2), chunks=(3, 2))
    for start, end in [(None, None), (3, None), (None, 4), (2, 8), (5, 100), (7, 7), (9, 2), (3, 6)]:
        np.testing.assert_array_equal(list(z.islice(start, end)), list(z[...][start:end]))
    for bad in [(-1,), (0, -1)]:
        with pytest.raises(BoundsCheckError, match="numbers from 0 on"):
            z.islice(*bad)
    with pytest.raises(TypeError):
        lz.array(1).islice()


def test_islice_reads_a_chunk_at_a_time():
    reads = []
    store = lz.storage.MemoryStore()
    lz.create_array(store, data=np.arange(12), chunks=3)
    watched = lz.format.stores.wrappers.FaultStore(
        store, lambda verb, key, n: verb == "get" and reads.append(key)
    )
    rows = lz.open(watched).islice(4)
    reads.clear()
    assert next(rows) == 4
    assert [key for key in reads if key.startswith("c/")] == ["c/1"]


# Casts and views.


@FORMATS
def test_astype(zarr_format):
    values = np.arange(12.0).reshape(3, 4) + 0.5
    z = lz.create_array("a.zarr", data=values, chunks=(2, 2), zarr_format=zarr_format, fill_value=9.5)
    v = z.astype("i2")
    assert (v.dtype, v.shape, v.chunks, v.fill_value) == (np.dtype("i2"), (3, 4), (2, 2), 9)
    np.testing.assert_array_equal(v[1:, ::2], values.astype("i2")[1:, ::2])
    np.testing.assert_array_equal((v + 1).compute(), values.astype("i2") + 1)
    assert (v.is_view, z.is_view, v.read_only, z.read_only) == (True, False, True, False)
    assert z.dtype == np.dtype("f8")
    with pytest.raises(ReadOnlyStoreError):
        v[0] = 1
    z[0, 0] = 7
    assert v[0, 0] == 7
    z.resize(4, 4)
    assert z.astype("f4")[3, 0] == np.float32(9.5)


@FORMATS
@pytest.mark.parametrize("dtype", ["f4", "c8", "?", "u1", ">f8"])
def test_astype_as_numpy_casts(zarr_format, dtype):
    values = np.arange(6.0)
    z = lz.array(values, chunks=4, zarr_format=zarr_format)
    np.testing.assert_array_equal(z.astype(dtype)[...], values.astype(dtype))


def test_astype_of_shards_reads_inner_chunks():
    values = np.arange(64.0).reshape(8, 8)
    z = lz.create_array("a.zarr", data=values, chunks=(2, 2), shards=(8, 8))
    v = z.astype("f4")
    assert (v.chunks, v.shards) == ((2, 2), (8, 8))
    np.testing.assert_array_equal(v[3:5, 1], values.astype("f4")[3:5, 1])


@FORMATS
def test_view_of_another_dtype(zarr_format):
    values = np.array([0, 1, 1, 0], "u1")
    z = lz.create_array("a.zarr", data=values, chunks=2, zarr_format=zarr_format)
    v = z.view(dtype=bool)
    np.testing.assert_array_equal(v[...], values.astype(bool))
    v[0] = True
    assert z[0] == 1
    wide = z.view(dtype="<u2", shape=2, chunks=1)
    np.testing.assert_array_equal(wide[...], z[...].view("<u2"))
    with pytest.raises(ReadOnlyStoreError):
        z.view(dtype=bool, read_only=True)[0] = False


@FORMATS
def test_view_of_another_shape(zarr_format):
    z = lz.create_array("a.zarr", data=np.arange(24).reshape(6, 4), chunks=(6, 4), zarr_format=zarr_format)
    v = z.view(shape=(4, 6), chunks=(4, 6))
    np.testing.assert_array_equal(v[...], np.arange(24).reshape(4, 6))
    assert v.view().shape == (4, 6)
    for change in (lambda: v.resize(2, 2), lambda: v.append(v[...])):
        with pytest.raises(PermissionError, match="is a view"):
            change()
    assert z.view(fill_value=5).fill_value == 5


def test_view_through_filters():
    z = lz.create_array("a.zarr", data=np.array([0, 1, 1, 0], "u1"), chunks=2, zarr_format=2)
    v = z.view(dtype="i4", filters=[{"id": "astype", "encode_dtype": "|u1", "decode_dtype": "<i4"}])
    np.testing.assert_array_equal(v[...], [0, 1, 1, 0])
    assert v.dtype == np.dtype("i4")


def test_what_cannot_be_viewed():
    z = lz.create_array("a.zarr", data=np.arange(6.0), chunks=2)
    for words, text in [
        ({"filters": [{"id": "delta", "dtype": "<f8"}]}, "leave filters= out"),
        ({"dtype": "nonsense"}, "no data type"),
        ({"chunks": (2, 2)}, "2 lengths"),
    ]:
        with pytest.raises(BaseZarrError, match=rf"a\.zarr.*{text}|{text}"):
            z.view(**words)
    for dtype in ("U4", "S4", str):
        with pytest.raises(BaseZarrError, match=r"is not shown as .*z\[\.\.\.\]\.astype"):
            z.astype(dtype)


def test_views_pickle_and_know_their_array():
    z = lz.create_array("a.zarr", data=np.arange(6.0), chunks=2)
    v = pickle.loads(pickle.dumps(z.astype("i4")))
    np.testing.assert_array_equal(v[...], np.arange(6))
    assert z.astype("i4").handle.token != z.handle.token
    lz.create_array("a.zarr", data=np.arange(6), chunks=3, overwrite=True)
    with pytest.raises(ArrayReplacedError):
        _ = v[...]


def test_view_attributes_are_the_arrays():
    z = lz.create_array("a.zarr", data=np.arange(6.0), attributes={"a": 1})
    v = z.view(dtype="i8")
    v.attrs["b"] = 2
    assert dict(v.attrs) == dict(lz.open("a.zarr").attrs) == {"a": 1, "b": 2}
    assert v.dtype == np.dtype("i8")
    assert v.is_view


@FORMATS
def test_a_copied_view_is_an_array_of_its_own(zarr_format):
    z = lz.create_array("a.zarr", data=np.arange(6.0), chunks=2, zarr_format=zarr_format)
    root = lz.group(zarr_format=zarr_format)
    lz.copy(z.astype("i2"), root, name="x")
    for copy in (root["x"], lz.array(z.astype("i2")), lz.from_array("b.zarr", data=z.astype("i2"))):
        assert (copy.dtype, copy.chunks, copy.filters) == (np.dtype("i2"), (2,), ())
        np.testing.assert_array_equal(copy[...], np.arange(6))
        assert not copy.is_view


# Opened by the class, as in zarr-python 3.


def test_array_open_and_from_dict():
    lz.create_array("a.zarr/u", data=np.arange(3))
    z = lz.Array.open("a.zarr/u", config={"write_empty_chunks": True})
    assert z.config.write_empty_chunks
    same = lz.Array.from_dict(z.store_path, json.loads(z.store.get("u/zarr.json")))
    np.testing.assert_array_equal(same[...], np.arange(3))
    with pytest.raises(lz.errors.ArrayNotFoundError):
        lz.Array.open("a.zarr/w")
    with pytest.raises(lz.errors.NodeTypeValidationError):
        lz.Array.open("a.zarr")
    with pytest.raises(lz.errors.MetadataValidationError, match="describes a group"):
        lz.Array.from_dict("b.zarr", {"zarr_format": 2})


def test_with_config():
    z = lz.create_array("a.zarr", shape=4, chunks=2, dtype="i4")
    with pytest.raises(lz.errors.ChunkNotFoundError):
        _ = z.with_config({"read_missing_chunks": False})[...]
    assert z.with_config({"write_empty_chunks": True}).config.read_missing_chunks
    np.testing.assert_array_equal(z[...], 0)


# Handles of arrays that were replaced.


@pytest.mark.parametrize("store", ["a.zarr", None], ids=["local", "memory"])
@pytest.mark.parametrize("same_layout", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda z: z.append([1.0]),
        lambda z: z.resize(2),
        lambda z: z.attrs.update(a=1),
        lambda z: z.update_attributes({"a": 1}),
    ],
)
def test_handle_of_a_replaced_array_changes_nothing(store, same_layout, change):
    store = lz.storage.MemoryStore() if store is None else store
    old = lz.create_array(store, name="u", data=np.arange(6.0), chunks=3)
    new = lz.create_array(
        store, name="u", data=np.arange(6.0), chunks=3 if same_layout else 2, overwrite=True
    )
    with pytest.raises(ArrayReplacedError, match="was replaced since it was opened, and nothing was changed"):
        change(old)
    assert (new.shape, dict(lz.open(store, path="u").attrs)) == ((6,), {})
    change(new)


KEYED = {
    "dict": dict,
    "memory": lz.storage.MemoryStore,
    "mapping": lambda: lz.storage.MappingStore(OrderedDict()),
    "zip": lambda: lz.storage.ZipStore("a.zip", mode="w"),
    "prefix": lambda: lz.storage.PrefixStore(lz.storage.MemoryStore(), "a"),
    "cached": lambda: lz.storage.ChunkCacheStore(lz.storage.MemoryStore()),
    "split": lambda: lz.storage.SplitStore(lz.storage.MemoryStore(), lz.storage.MemoryStore()),
    "local": lambda: lz.storage.LocalStore("a.zarr"),
}


@pytest.mark.parametrize("store", KEYED.values(), ids=KEYED)
@pytest.mark.parametrize(
    "new", [{"chunks": (4, 2)}, {"chunks": (2, 4), "dtype": "i4"}, {"chunks": (8, 1), "dtype": "u4"}]
)
@pytest.mark.parametrize("codecs", [{"compressors": None}, {"compressors": "auto"}, {"zarr_format": 2}])
def test_handle_of_a_replaced_array_reads_nothing_of_the_new_one(store, new, codecs):
    """Chunks of as many bytes lie under the keys of the old ones, and decode."""
    store, values = store(), np.arange(64.0, dtype="f4").reshape(8, 8)
    old = lz.create_array(store, name="u", data=values, chunks=(2, 4), **codecs)
    assert old[1, 1] == 9
    lz.create_array(
        store,
        name="u",
        data=values.astype(new.get("dtype", "f4")),
        chunks=new["chunks"],
        overwrite=True,
        **codecs,
    )
    for _ in range(2):
        for read in (lambda: old[...], lambda: old[1:3, 1:3], lambda: old.vindex[[1, 2], [3, 3]]):
            with pytest.raises(ArrayReplacedError, match="was replaced since it was opened; open it again"):
                read()
    np.testing.assert_array_equal(lz.open(store, path="u")[...], values)


def test_handle_on_a_dict_whose_document_others_wrote_is_told():
    store = {}
    old = lz.create_array(store, data=np.arange(6, dtype="i4"), chunks=3, compressors=None)
    assert old[0] == 0
    store["zarr.json"] = (
        store["zarr.json"].replace(b"int32", b"float32").replace(b'"fill_value": 0', b'"fill_value": 0.0')
    )
    with pytest.raises(ArrayReplacedError):
        old[...]
    lz.open(store).attrs["a"] = 1
    new = lz.open(store)
    assert new[...].dtype == "f4"
    lz.open(store).attrs["a"] = 2
    assert new[...].dtype == "f4"


@pytest.mark.parametrize("kind", [lz.storage.MemoryStore, lambda: lz.storage.MappingStore(OrderedDict())])
def test_an_array_that_is_replaced_by_its_like_while_it_is_read_is_not_read_in_part(kind):
    """The documents are equal, byte for byte, and so are the chunks' keys."""
    store = kind()

    def replace_in_the_middle(verb, key, n):
        if (verb, key) == ("get", "u/c/2") and replacing:
            replacing.pop()
            lz.create_array(store, name="u", data=np.ones(8), chunks=2, overwrite=True)

    replacing = []
    lz.create_array(store, name="u", data=np.zeros(8), chunks=2)
    for read in (lambda z: z[...], lambda z: (z.lazy() + 0).compute(scheduler="sync")):
        z = lz.open(FaultStore(store, replace_in_the_middle), path="u")
        replacing.append(True)
        with pytest.raises(ArrayReplacedError, match="was replaced"):
            read(z)
        lz.create_array(store, name="u", data=np.zeros(8), chunks=2, overwrite=True)


@pytest.mark.parametrize("store", KEYED.values(), ids=KEYED)
def test_handle_of_an_array_that_was_larger_reads_nothing_between_the_edges(store):
    """Chunks mean the same in both, and those at the new one's edge hold more than its elements."""
    store = store()
    old = lz.create_array(store, name="u", data=np.ones((8, 8)), chunks=(2, 4))
    assert old[1, 1] == 1
    lz.create_array(store, name="u", data=np.ones((12, 6)), chunks=(2, 4), overwrite=True)
    with pytest.raises(ArrayReplacedError, match="was replaced"):
        old[...]


def test_damage_is_not_told_of_a_chunk_that_is_of_another_array():
    store = lz.storage.ObjectStore(pytest.importorskip("obstore.store").MemoryStore())
    old = lz.create_array(store, name="u", data=np.arange(9), chunks=3, zarr_format=2)
    assert old[0] == 0
    lz.create_array(store, name="u", data=np.arange(9), chunks=2, zarr_format=2, overwrite=True)
    with pytest.raises(ArrayReplacedError, match="open it again"):
        old[:3]


@pytest.mark.parametrize("change", [lambda z: z.append([1.0]), lambda z: z.attrs.update(a=1)])
def test_handle_that_came_from_elsewhere_changes_nothing_else(change):
    old = pickle.dumps(lz.create_array("a.zarr", data=np.arange(6.0), chunks=3))
    change(pickle.loads(old))
    lz.create_array("a.zarr", data=np.arange(6.0), chunks=2, overwrite=True)
    with pytest.raises(ArrayReplacedError):
        change(pickle.loads(old))


def test_handle_of_a_replaced_group_changes_nothing():
    old = lz.create_group("a.zarr/g")
    new = lz.create_group("a.zarr/g", overwrite=True)
    with pytest.raises(ArrayReplacedError):
        old.attrs["a"] = 1
    new.attrs["b"] = 2
    assert dict(new.attrs) == {"b": 2}


def test_handle_follows_what_others_changed():
    a = lz.create_array("a.zarr", data=np.arange(6.0), chunks=3)
    b = lz.open("a.zarr")
    a.append([6.0])
    a.attrs["x"] = 1
    b.attrs["y"] = 2
    assert b.append([7.0]) == (8,)
    assert dict(b.attrs) == {"x": 1, "y": 2}


def test_handle_that_edits_attributes_reads_and_writes_by_the_shape_that_it_took_over():
    """What lay beyond the shape that it had was left out without a word, read and written."""
    a = lz.create_array("a.zarr", data=np.arange(6.0), chunks=4)
    b = lz.open("a.zarr", mode="r+")
    assert b[5] == 5
    b[0] = 9
    a.append([6.0, 7.0])
    b.attrs["x"] = 1
    assert b.shape == b[...].shape == (8,)
    assert b[7] == 7
    b[6:8] = [1, 2]
    assert a[...].tolist() == [9, 1, 2, 3, 4, 5, 1, 2]
    b.append([3.0])
    a.attrs["y"] = 1
    assert a[...].tolist() == [9, 1, 2, 3, 4, 5, 1, 2, 3]


def test_handle_of_pickled_objects_stays_trusted_when_attributes_are_edited():
    words = {"dtype": object, "object_codec": numcodecs.Pickle(), "zarr_format": 2}
    z = lz.create_array("a.zarr", shape=2, chunks=1, config={"allow_pickle": True}, **words)
    z[:] = [(1,), (2, 3)]
    z.attrs["a"] = 1
    z.close()
    assert z[1] == (2, 3)


def test_dtypes_that_are_none():
    z = lz.create_array({}, data=[1.0, 2.0])
    for form in (lambda: z.astype("nope"), lambda: z.view(dtype="nope")):
        with pytest.raises(UnknownDataTypeError, match="nope"):
            form()
