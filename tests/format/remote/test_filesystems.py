"""Stores over fsspec: the same promises, for whatever it reaches."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    InvalidKeyError,
    ReadOnlyStoreError,
    StoreError,
    TargetIsSourceError,
)
from lazyzarr.format.resolve import resolve
from lazyzarr.storage import FsspecStore, LocalStore

fsspec = pytest.importorskip("fsspec", reason="comes with the extra lazyzarr[cloud]")

KINDS = ["memory", "file", "dir"]


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    if request.param == "memory":
        return FsspecStore.from_url(f"memory://{tmp_path.name}/data.zarr")
    if request.param == "dir":
        fs = fsspec.filesystem("dir", path=str(tmp_path), target_protocol="file")
        return FsspecStore(fs, path="data.zarr")
    return FsspecStore(fsspec.filesystem("file"), path=str(tmp_path / "data.zarr"))


def test_promises(store):
    assert store.get("a") is None
    assert store.get("a", (0, 2)) is None
    assert store.size("a") is None
    assert list(store.list()) == []
    assert store.list_dir("x") == []
    for key, value in {"a": b"", "b/c": b"0123456789", "b/d/e": b"x", "__lazyzarr-1/f": b"y"}.items():
        store.set(key, [value[:3], value[3:]])
        assert bytes(store.get(key)) == value
    for byte_range in [(0, 3), (2, 2), (8, 20), (20, 30), (-3, None), (-20, None)]:
        assert bytes(store.get("b/c", byte_range)) == b"0123456789"[slice(*byte_range)], byte_range
    assert sorted(store.list()) == ["a", "b/c", "b/d/e"]
    assert sorted(store.list("b")) == ["b/c", "b/d/e"]
    assert store.list_dir() == ["a", "b"]
    assert store.list_dir("b") == ["c", "d"]
    first = store.generation("b/c")
    assert first == store.generation("b/c")
    store.set("b/c", b"9876543210+")
    assert store.generation("b/c") != first
    assert store.size("b/c") == 11
    assert store.set_if("n", b"1", None)
    assert not store.set_if("n", b"2", None)
    assert bytes(store.get("n")) == b"1"
    store.copy_key("n", "m")
    assert bytes(store.get("m")) == b"1"
    store.delete("n")
    store.delete("n")
    store.delete_prefix("b")
    assert sorted(store.list()) == ["a", "m"]
    store.delete_prefix("")
    assert list(store.list()) == []
    assert store.get("__lazyzarr-1/f") is None
    with pytest.raises(InvalidKeyError):
        store.set("../x", b"")


def test_arrays(store):
    with lz.config.set({"locking": "process"}):
        z = lz.create_array(store, name="g/u", data=np.arange(10), chunks=(4,))
        z[2:7] = 0
        z.append([1, 2])
        z.attrs["a"] = 1
        s = lz.create_array(store, name="g/s", data=np.arange(10), chunks=(2,), shards=(4,))
        s[3] = 7
        again = lz.open_group(store, mode="r")
        assert again["g/u"][...].tolist() == [0, 1, 0, 0, 0, 0, 0, 7, 8, 9, 1, 2]
        assert again["g/s"][...].tolist() == [0, 1, 2, 7, 4, 5, 6, 7, 8, 9]
        assert (lz.from_zarr(again["g/s"]) + 1).sum().compute() == 59
        lz.create_array(store, name="g/u", data=np.arange(3), overwrite=True)
        assert lz.open_group(store, mode="r")["g/u"][...].tolist() == [0, 1, 2]
        del lz.open_group(store)["g/u"]
        assert sorted(lz.open_group(store)["g"].keys()) == ["s"]
    assert not [key for key in store._all("") if "lazyzarr" in key]


def test_a_store_pickles(store):
    store.set("a", b"1")
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert bytes(again.get("a")) == b"1"


def test_an_archive_within_a_url(tmp_path):
    lz.save(tmp_path / "data.zarr", np.arange(4))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (tmp_path / "data.zarr").rglob("*"):
            archive.write(path, path.relative_to(tmp_path))
    url = f"zip://data.zarr::file://{tmp_path}/a.zip"
    assert lz.open(url, mode="r")[...].tolist() == [0, 1, 2, 3]


def test_a_cache_is_read_only(tmp_path):
    lz.save(tmp_path / "data.zarr", np.arange(4))
    z = lz.open(f"simplecache::file://{tmp_path}/data.zarr")
    assert z[...].tolist() == [0, 1, 2, 3]
    with pytest.raises(ReadOnlyStoreError):
        z[0] = 1


def test_mapper(tmp_path):
    lz.save(tmp_path / "data.zarr", np.arange(4))
    store = FsspecStore.from_mapper(fsspec.get_mapper(f"file://{tmp_path}/data.zarr"), read_only=True)
    assert lz.open(store)[...].tolist() == [0, 1, 2, 3]
    assert store.read_only


def test_what_fsspec_maps_is_the_file_system_and_no_mapping(tmp_path):
    """A mapping's locks hold in this process alone: of what two wrote into one chunk half was lost."""
    folder = f"{tmp_path}/data.zarr"
    lz.save(folder, np.arange(4))
    z = lz.open(fsspec.get_mapper(folder), mode="r+")
    assert z.store == LocalStore(folder)
    with pytest.raises(TargetIsSourceError):
        lz.store([lz.open(folder).lazy()[::-1]], [z])
    assert resolve(fsspec.get_mapper("memory://a.zarr")) == (FsspecStore.from_url("memory://a.zarr"), "")
    assert resolve(fsspec.get_mapper(folder), read_only=True)[0].read_only
    assert resolve(fsspec.get_mapper(f"simplecache::file://{folder}"))[0].read_only


def test_options_reach_the_file_system(tmp_path):
    store, path = resolve(f"filecache::file://{tmp_path}/x.zarr/u", storage_options={
        "filecache": {"cache_storage": str(tmp_path / "cache")},
    })  # fmt: skip
    assert store._fs.storage[-1] == str(tmp_path / "cache")
    assert path == "u" or store.url().endswith("x.zarr/u")


def test_what_cannot_be_opened_is_said():
    with pytest.raises(BaseZarrError, match="nonsense"):
        lz.open("nonsense://x")
    with pytest.raises(BaseZarrError, match="asynchronous"):
        FsspecStore(_Asynchronous())


class _Asynchronous:
    asynchronous = True


def test_failures_are_not_missing_files(store, monkeypatch):
    store.set("zarr.json", b"{}")

    def fail(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(store, "_fs", _Failing(fail))
    with pytest.raises(StoreError, match=r"could not read .*zarr.json.*not yours"):
        store.get("zarr.json")
    with pytest.raises(StoreError, match="could not look at"):
        store.size("zarr.json")


class _Failing:
    def __init__(self, fail):
        self.cat_file = self.info = fail

    def invalidate_cache(self, path=None):
        pass
