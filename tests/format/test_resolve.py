"""Which store and path a target names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lazyzarr.errors import BaseZarrError, InvalidKeyError, NodeNotFoundError, ReadOnlyStoreError
from lazyzarr.format.resolve import StorePath, resolve
from lazyzarr.format.stores.local import LocalStore
from lazyzarr.format.stores.memory import MemoryStore

GROUP = '{"zarr_format": 3, "node_type": "group"}'
ARRAY = '{"zarr_format": 3, "node_type": "array"}'


def node(folder, text=GROUP, name="zarr.json"):
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, name).write_text(text)


def placed(target, path=None):
    store, path = resolve(target, path)
    return store.url(), path


@pytest.mark.parametrize(
    ("target", "root", "path"),
    [
        ("new.zarr", "new.zarr", ""),
        ("new.zarr/a/b", "new.zarr", "a/b"),
        ("plain/folder", "plain/folder", ""),
        ("one.zarr/two.zarr/a", "one.zarr/two.zarr", "a"),
        ("new.ome.zarr/0", "new.ome.zarr", "0"),
        ("./new.zarr/", "new.zarr", ""),
        ("a/../new.zarr/u", "new.zarr", "u"),
        (Path("new.zarr") / "u", "new.zarr", "u"),
        ("file://new.zarr/u", "new.zarr", "u"),
        (".", ".", ""),
    ],
)
def test_nothing_there_yet(target, root, path):
    assert placed(target) == (f"file://{root}", path)
    assert os.listdir() == []


def test_climbs_while_a_node_is_above():
    node("data.zarr")
    node("data.zarr/g")
    node("data.zarr/g/u", ARRAY)
    for path in ("", "g", "g/u", "g/u/c", "new", "g/new/a"):
        assert placed(os.path.join("data.zarr", path)) == ("file://data.zarr", path)
    assert placed(os.path.abspath("data.zarr/g")) == (f"file://{os.path.abspath('data.zarr')}", "g")


def test_climbs_above_the_working_folder(monkeypatch):
    node("data.zarr")
    node("data.zarr/g")
    monkeypatch.chdir("data.zarr/g")
    assert placed("u") == ("file://..", "g/u")
    assert resolve("u")[0].root == os.path.dirname(os.getcwd())


def test_climbs_v2_groups():
    os.makedirs("top")
    node("top/old", '{"zarr_format": 2}', ".zgroup")
    node("top/old/u", "{}", ".zarray")
    assert placed("top/old/u") == ("file://top/old", "u")


@pytest.mark.parametrize("text", ["{", "[1]", "null", '{"node_type": 3}', "[" * 100_000, "\xff"])
def test_does_not_climb_to_what_is_damaged(text):
    node("data.zarr", text)
    node("data.zarr/u", ARRAY)
    assert placed("data.zarr/u") == ("file://data.zarr/u", "")


def test_a_folder_without_metadata_is_the_store_by_its_name():
    os.makedirs("data.zarr")
    assert placed("data.zarr/u/v") == ("file://data.zarr", "u/v")
    os.makedirs("folder")
    assert placed("folder/u/v") == ("file://folder/u/v", "")


def test_a_path_beside_the_target():
    assert placed("new.zarr", "a//b/") == ("file://new.zarr", "a/b")
    assert placed("new.zarr/a", "b") == ("file://new.zarr", "a/b")


def test_stores_dicts_and_places():
    store, contents = MemoryStore(), {}
    assert resolve(store, "a") == (store, "a")
    assert resolve(StorePath(store, "a") / "b", "c") == (store, "a/b/c")
    resolve(contents)[0].set("k", b"1")
    assert list(contents) == ["k"]
    assert resolve(None)[0] != resolve(None)[0]
    assert resolve(None, "a")[1] == "a"


def test_read_only():
    for target in ("data.zarr", MemoryStore(), {}, LocalStore("x"), StorePath(MemoryStore(), "a")):
        store, _ = resolve(target, read_only=True)
        with pytest.raises(ReadOnlyStoreError):
            store.set("a", b"1")
    assert type(resolve("data.zarr", read_only=True)[0]) is LocalStore
    assert os.listdir() == []


def test_refused():
    Path("a.bin").write_bytes(b"PK")
    for target in ("a.bin", "a.bin/x"):
        with pytest.raises(NodeNotFoundError, match=r"a\.bin: it is a file"):
            resolve(target)
    with pytest.raises(BaseZarrError, match=r"nowhere://b/u.*nowhere"):
        resolve("nowhere://b/u")
    with pytest.raises(InvalidKeyError, match=r"'\.\./u'"):
        resolve("data.zarr", "../u")
    with pytest.raises(BaseZarrError, match=r"file://data\.zarr is not one"):
        resolve("data.zarr", storage_options={"anon": True})
    with pytest.raises(BaseZarrError, match="3 names no store"):
        resolve(3)
    with pytest.raises(BaseZarrError, match="empty path"):
        resolve("")
