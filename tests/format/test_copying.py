"""copy, copy_all and copy_store: what arrives, byte for byte, and what is said of it."""

from __future__ import annotations

import io

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    ChunkDecodeError,
    ContainsArrayError,
    ContainsNodeError,
    ReadOnlyStoreError,
)
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.wrappers import FaultStore

FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


def filled(store="a.zarr", zarr_format=3):
    """A group foo with the arrays foo/bar/baz and qux, and attributes on each."""
    root = lz.open_group(store, zarr_format=zarr_format)
    foo = root.create_group("foo", attributes={"title": "winds"})
    baz = foo.create_array("bar/baz", data=np.arange(100), chunks=50, attributes={"units": "K"})
    baz[50:] = 0  # the second chunk is not stored
    root.create_array("qux", data=np.ones((4, 4)), chunks=(2, 4), compressors=None)
    return root


def keys(group):
    store = group.store
    return {key: bytes(store.get(key)) for key in store.list(group.path)}


@pytest.fixture
def lines():
    """A function to log to, and its lines."""
    said = []
    return said


# copy_store


@FORMATS
def test_store_is_copied_byte_for_byte(zarr_format, lines):
    root, dest = filled(zarr_format=zarr_format), {}
    count = lz.copy_store(root.store, dest, log=lines.append)
    assert dest == keys(root)
    total = sum(map(len, dest.values()))
    assert count == (len(dest), 0, total)
    assert lines[-1] == f"all done: {len(dest)} copied, 0 skipped, {total:,} bytes copied"
    assert sorted(lines[:-1]) == sorted(f"copy {key}" for key in dest)


def test_metadata_comes_after_chunks_and_groups_last():
    order = []
    dest = FaultStore(MemoryStore(), lambda verb, key, n: verb == "set" and order.append(key))
    lz.copy_store(filled(zarr_format=2).store, dest)
    chunks = [key for key in order if not key.rpartition("/")[2].startswith(".")]
    assert order[: len(chunks)] == chunks
    assert len(chunks) == 3
    assert order[-1] == ".zgroup"
    assert (
        order.index("foo/bar/baz/.zattrs") < order.index("foo/bar/baz/.zarray") < order.index("foo/.zgroup")
    )


def test_paths_are_mapped(lines):
    root = filled()
    lz.copy_store("a.zarr", "b.zarr", "foo/bar", "x/y", log=lines.append)
    assert list(lz.open("b.zarr/x/y")) == ["baz"]
    np.testing.assert_array_equal(lz.open("b.zarr/x/y/baz")[...], root["foo/bar/baz"][...])
    assert "copy foo/bar/baz/zarr.json -> x/y/baz/zarr.json" in lines
    assert lz.copy_store(root["foo"], {}).n_copied == len(keys(root["foo"]))


def test_patterns():
    root = filled()
    everything = set(keys(root))
    documents = {key for key in everything if key.endswith("zarr.json")}

    def copied(**patterns):
        dest = {}
        lz.copy_store(root.store, dest, **patterns)
        return set(dest)

    assert copied(excludes=r"zarr\.json$") == everything - documents
    assert copied(excludes=["zarr.json", "/c/"]) == set()
    assert copied(excludes=r"zarr\.json$", includes="^qux") == everything - documents | {"qux/zarr.json"}
    assert copied(includes="^QUX", flags=2) == {key for key in everything if key.startswith("qux")}


def test_patterns_that_are_none():
    with pytest.raises(BaseZarrError, match=r"'\(' is no regular expression"):
        lz.copy_store({"a": b"x"}, {}, excludes="(")


def test_what_is_there(lines):
    root, dest = filled(), {"qux/zarr.json": b"old"}
    with pytest.raises(ContainsNodeError, match=r'qux/zarr\.json exist already.*if_exists="replace"'):
        lz.copy_store(root.store, dest)
    assert dest == {"qux/zarr.json": b"old"}
    count = lz.copy_store(root.store, dest, if_exists="skip", log=lines.append)
    assert (count.n_copied, count.n_skipped) == (len(keys(root)) - 1, 1)
    assert dest["qux/zarr.json"] == b"old"
    assert "skip qux/zarr.json" in lines
    lz.copy_store(root.store, dest, if_exists="replace")
    assert dest == keys(root)


def test_dry_run_copies_nothing(lines):
    root, dest = filled(), {}
    count = lz.copy_store(root.store, dest, dry_run=True, log=lines.append)
    assert (count, dest) == ((len(keys(root)), 0, 0), {})
    assert lines[-1] == f"dry run: {len(keys(root))} copied, 0 skipped"
    assert lz.copy_store("a.zarr", "b.zarr", dry_run=True).n_copied == len(keys(root))
    with pytest.raises(lz.errors.NodeNotFoundError):
        lz.open("b.zarr")


def test_log_targets(tmp_path, lines):
    filled()
    stream = io.StringIO()
    for target in (stream, tmp_path / "log", str(tmp_path / "log2"), lines.append):
        lz.copy_store("a.zarr", {}, log=target)
    said = stream.getvalue()
    assert said == (tmp_path / "log").read_text() == (tmp_path / "log2").read_text()
    assert said.splitlines() == lines
    with pytest.raises(BaseZarrError, match=r"log=3 is no function"):
        lz.copy_store("a.zarr", {}, log=3)


def test_bad_calls_copy_nothing():
    filled()
    with pytest.raises(BaseZarrError, match="if_exists='overwrite' is not known"):
        lz.copy_store("a.zarr", "b.zarr", if_exists="overwrite")
    with pytest.raises(ReadOnlyStoreError):
        lz.copy_store("a.zarr", lz.storage.MemoryStore({}, read_only=True))


def test_consolidated_metadata_above_is_made_true():
    filled()
    lz.create_group("b.zarr")
    lz.consolidate_metadata("b.zarr")
    lz.copy_store("a.zarr", "b.zarr", dest_path="all")
    found = lz.open_consolidated("b.zarr")
    assert [path for path, _ in found.members(None)] == [
        "all",
        "all/foo",
        "all/foo/bar",
        "all/foo/bar/baz",
        "all/qux",
    ]


# copy


@FORMATS
def test_array_is_copied_without_decoding(zarr_format):
    root = filled(zarr_format=zarr_format)
    qux = root["qux"]
    root.store.set({2: "qux/0.0", 3: "qux/c/0/0"}[zarr_format], b"not a chunk")
    dest = lz.group(zarr_format=zarr_format)
    assert lz.copy(qux, dest) == (1, 0, qux.nbytes)
    assert keys(dest["qux"]) == {key: raw for key, raw in keys(root).items() if key.startswith("qux")}
    with pytest.raises(ChunkDecodeError):
        dest["qux"][...]


@FORMATS
def test_group_is_copied(zarr_format, lines):
    root, dest = filled(zarr_format=zarr_format), lz.group(zarr_format=zarr_format)
    assert lz.copy(root["foo"], dest, log=lines.append) == (3, 0, 800)
    assert lines == [
        "copy /foo",
        "copy /foo/bar",
        "copy /foo/bar/baz (100,) int64",
        "all done: 3 copied, 0 skipped, 800 bytes copied",
    ]
    below = {key: raw for key, raw in keys(root).items() if key.startswith("foo")}
    assert keys(dest["foo"]) == below


def test_names_and_roots():
    root, dest = filled(), lz.group()
    lz.copy(root["qux"], dest, name="a/b")
    np.testing.assert_array_equal(dest["a/b"][...], root["qux"][...])
    with pytest.raises(BaseZarrError, match=r'the source has no name.*name="\.\.\."'):
        lz.copy(root, dest)
    lz.copy(root, dest, name="all")
    assert list(dest["all"]) == ["foo", "qux"]
    assert lz.copy("a.zarr/foo", "b.zarr").n_copied == 3
    assert lz.open("b.zarr/foo/bar/baz").attrs["units"] == "K"


def test_shallow_and_without_attributes():
    root, dest = filled(), lz.group()
    root["foo"].create_array("flat", data=[1, 2], attributes={"units": "m"})
    lz.copy(root["foo"], dest, shallow=True, without_attrs=True)
    assert list(dest["foo"]) == ["flat"]
    assert (dict(dest["foo"].attrs), dict(dest["foo/flat"].attrs)) == ({}, {})
    assert dict(root["foo/flat"].attrs) == {"units": "m"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"chunks": (4, 2)}, {"chunks": (4, 2)}),
        ({"compressors": "gzip"}, {"chunks": (2, 4)}),
        ({"dtype": "f4"}, {"dtype": np.dtype("f4")}),
        ({"fill_value": 1}, {"fill_value": 1}),
    ],
)
def test_creation_words_encode_anew(words, expected):
    root, dest = filled(), lz.group()
    lz.copy(root["qux"], dest, **words)
    for name, value in expected.items():
        assert getattr(dest["qux"], name) == value
    np.testing.assert_array_equal(dest["qux"][...], np.ones((4, 4)))


@pytest.mark.parametrize(("old", "new"), [(2, 3), (3, 2)])
def test_to_the_other_format(old, new):
    root, dest = filled(zarr_format=old), lz.group(zarr_format=new)
    lz.copy_all(root, dest)
    assert dest["foo/bar/baz"].zarr_format == new
    assert dest["foo/bar/baz"].chunks == (50,)
    assert dict(dest["foo/bar/baz"].attrs) == {"units": "K"}
    np.testing.assert_array_equal(dest["foo/bar/baz"][...], root["foo/bar/baz"][...])


def test_if_exists(lines):
    root, dest = filled(), lz.group()
    dest["qux"] = np.zeros(3)
    before = keys(dest)
    with pytest.raises(ContainsNodeError, match=r'/qux exists already.*if_exists="replace"'):
        lz.copy(root["qux"], dest)
    assert keys(dest) == before
    assert lz.copy(root["qux"], dest, if_exists="skip", log=lines.append) == (0, 1, 0)
    assert lines[0] == "skip /qux"
    assert lz.copy(root["qux"], dest, if_exists="replace", dry_run=True) == (1, 0, 0)
    assert keys(dest) == before
    lz.copy(root["qux"], dest, if_exists="replace")
    assert dest["qux"].shape == (4, 4)
    with pytest.raises(BaseZarrError, match="if_exists='x' is not known"):
        lz.copy(root["qux"], dest, if_exists="x")


def test_skip_initialized():
    root, dest = filled(), lz.group()
    lz.copy_all(root, dest)
    dest["qux"][...] = 2
    dest["foo/bar/baz"][...] = 3
    dest["foo/bar/baz"][50:] = 0
    assert lz.copy_all(root, dest, if_exists="skip_initialized") == (3, 1, 800)
    assert dest["qux"][0, 0] == 2
    assert dest["foo/bar/baz"][1] == 1


def test_groups_are_joined_and_arrays_in_the_way_are_not():
    root, dest = filled(), lz.group()
    dest.create_group("foo", attributes={"old": 1})["kept"] = np.arange(2)
    lz.copy(root["foo"], dest)
    assert list(dest["foo"]) == ["bar", "kept"]
    assert dict(dest["foo"].attrs) == {"old": 1, "title": "winds"}
    del dest["foo"]
    dest["foo"] = np.arange(2)
    with pytest.raises(ContainsArrayError, match="/foo is an array"):
        lz.copy(root["foo"], dest)
    assert lz.copy(root["foo"], dest, if_exists="skip") == (0, 1, 0)
    lz.copy(root["foo"], dest, if_exists="replace")
    assert list(dest["foo"]) == ["bar"]


def test_not_into_itself():
    root = filled()
    with pytest.raises(BaseZarrError, match="cannot be copied into itself"):
        lz.copy(root["foo"], root["foo"])
    with pytest.raises(BaseZarrError, match="cannot be copied into itself"):
        lz.copy_all(root, root["foo"])
    lz.copy(root["foo"], root, name="foo2")
    assert list(root) == ["foo", "foo2", "qux"]
    assert lz.copy(root["qux"], root, name="qux", if_exists="replace").n_copied == 1
    np.testing.assert_array_equal(root["qux"][...], np.ones((4, 4)))


def test_lazy_arrays_are_told_what_to_do():
    with pytest.raises(BaseZarrError, match=r"zarr's.*a lazy array needs no copy"):
        lz.copy(lz.ones(4) + 1, lz.group())


def test_a_failure_leaves_no_half_array():
    root = filled()

    def script(verb, key, n):
        if verb == "set" and key.endswith("c/1/0"):
            raise lz.errors.StoreError("no room", key)

    dest = lz.group(FaultStore(MemoryStore(), script))
    with pytest.raises(lz.errors.StoreError, match="no room"):
        lz.copy(root["qux"], dest)
    assert list(dest) == []
    assert list(dest.store.list()) == ["zarr.json"]


class Dataset:
    """An array of another library, as h5py's."""

    def __init__(self, values, name):
        self.values, self.name, self.attrs = values, name, {"units": "m"}
        self.shape, self.dtype, self.size, self.fillvalue = values.shape, values.dtype, values.size, 7

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_arrays_of_other_libraries():
    dest = lz.group()
    assert lz.copy(Dataset(np.arange(6.0), "/x/u"), dest, chunks=2) == (1, 0, 48)
    assert (dest["u"].chunks, dest["u"].fill_value, dict(dest["u"].attrs)) == ((2,), 7, {"units": "m"})
    np.testing.assert_array_equal(dest["u"][...], np.arange(6.0))


class Chunked(Dataset):
    """One that is stored in chunks, and never read whole."""

    chunks = (3, 4)

    def __getitem__(self, selection):
        part = self.values[selection]
        assert part.size < self.values.size
        return part


class Folder(dict):
    """A group of another library."""

    name, attrs = "/folder", {"title": "winds"}


def test_groups_of_other_libraries_are_copied_block_by_block(monkeypatch):
    monkeypatch.setattr(lz.format.making, "BLOCK", 100)
    values = np.arange(56.0).reshape(7, 8)
    folder = Folder(u=Chunked(values, "/folder/u"), deep=Folder(v=Dataset(values, "/folder/deep/v")))
    dest = lz.group()
    assert lz.copy(folder, dest, log=None) == (4, 0, 2 * values.nbytes)
    assert dict(dest["folder"].attrs) == {"title": "winds"}
    assert dest["folder/u"].chunks == (3, 4)
    for path in ("folder/u", "folder/deep/v"):
        np.testing.assert_array_equal(dest[path][...], values)
    assert lz.copy_all(folder, dest).n_copied == 3


@pytest.mark.peer
def test_arrays_of_zarr_python():
    zarr = pytest.importorskip("zarr")
    peer = zarr.create_array({}, shape=(5, 6), chunks=(2, 3), dtype="i4", attributes={"a": 1}, fill_value=7)
    peer[:3] = 1
    dest = lz.group()
    lz.copy(peer, dest, name="u")
    assert (dest["u"].chunks, dest["u"].fill_value, dict(dest["u"].attrs)) == ((2, 3), 7, {"a": 1})
    np.testing.assert_array_equal(dest["u"][...], peer[...])
    np.testing.assert_array_equal(lz.array(peer)[...], peer[...])


def test_rectilinear_array_keeps_its_bytes():
    a = lz.create_array({}, data=np.arange(10.0), chunks=((3, 4, 3),))
    dest = lz.group()
    lz.copy(a, dest, name="u")
    assert set(keys(dest["u"])) == {f"u/{key}" for key in a.store.list()}
    np.testing.assert_array_equal(dest["u"][...], np.arange(10.0))
    np.testing.assert_array_equal(lz.array(a)[...], np.arange(10.0))


def test_chunks_beyond_the_shape_stay_behind():
    root = filled()
    root.store.set("foo/bar/baz/c/9", b"left over")
    dest = lz.group()
    lz.copy(root["foo/bar/baz"], dest)
    assert "baz/c/9" not in keys(dest)


def test_sharded_array_keeps_its_bytes():
    values = np.arange(64.0).reshape(8, 8)
    a = lz.create_array("s.zarr", name="u", data=values, chunks=(2, 2), shards=(4, 4))
    dest = lz.group()
    lz.copy(a, dest)
    assert keys(dest["u"]) == keys(a)
