"""Wrappers: faults on command, every call counted."""

from __future__ import annotations

import pickle

import pytest

from lazyzarr.errors import ContainsArrayError, ReadOnlyStoreError
from lazyzarr.format import commit
from lazyzarr.format.stores import DROP, FaultStore, LocalStore, MemoryStore, ReadOnlyStore, WrapperStore
from tests.format.small import array_metadata, numbers, read, state, write, writing


def allow(verb, key, n):
    return None


def test_every_call_is_counted():
    calls = []
    store = FaultStore(MemoryStore(), lambda verb, key, n: calls.append((verb, key, n)))
    files = store.chunk_files("a")
    store.set("a/b", b"1")
    files.write("c/0", [b"1"])
    files.read("c/0", bytearray(9))
    files.read_ranges("c/0", [(0, 1)])
    files.delete("c/0")
    files.generation()
    store.get_ranges("a/b", [(0, 1)])
    store.set_if("x", b"1", None)
    store.exists("a/b")
    store.generation("a/b")
    store.list_dir("a")
    list(store.list("a"))
    store.swap_prefix("a", "b", replace=True)
    store.delete("x")
    store.delete_prefix("b")
    verbs = (
        "set set get get delete generation get set size generation list list swap_prefix delete delete_prefix"
    )
    assert [verb for verb, _, _ in calls] == verbs.split()
    assert [n for _, _, n in calls] == list(range(1, len(calls) + 1))
    assert calls[1] == ("set", "a/c/0", 2)


def test_writes_can_be_dropped():
    store = FaultStore(MemoryStore({"kept": b"1"}), lambda verb, key, n: DROP)
    store.set("a", b"1")
    store.set_if("b", b"1", None)
    store.chunk_files("").write("c", [b"1"])
    store.chunk_files("").delete("kept")
    store.delete("kept")
    store.delete_prefix("")
    assert store.get("a") is store.get("b") is store.get("c") is None
    assert store.get("kept") == b"1"


def test_faults_reach_the_other_store_beside_a_root(tmp_path):
    """A root is replaced from the folder that holds it: the calls there are counted too."""
    calls = []
    store = FaultStore(LocalStore(tmp_path / "data.zarr"), lambda verb, key, n: calls.append(verb))
    commit.create_array(store, "", array_metadata(), write_data=writing(numbers()))
    assert "swap_prefix" in calls
    assert (read(store) == numbers()).all()


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_wrapper_is_the_store_that_it_wraps(kind, tmp_path):
    inner = MemoryStore() if kind == "memory" else LocalStore(tmp_path / "data.zarr")
    store = WrapperStore(FaultStore(inner, allow))
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    write(store, "u", (slice(1, 4), 2), 5)
    commit.resize(store, "u", (7, 7))
    assert state(store) == state(inner)
    assert (store.reach, store.url("u"), store.read_only) == (inner.reach, inner.url("u"), False)
    assert pickle.loads(pickle.dumps(store)) == store
    with pytest.raises(ContainsArrayError):
        commit.create_array(store, "u", array_metadata())


@pytest.mark.parametrize(
    "act",
    [
        lambda s: commit.create_array(s, "v", array_metadata()),
        lambda s: commit.create_array(s, "u", array_metadata(), overwrite=True),
        lambda s: commit.create_array(s, "v", array_metadata(), write_data=writing(numbers())),
        lambda s: commit.edit_attributes(s, "u", lambda a: {"a": 1}),
        lambda s: commit.resize(s, "u", (1, 1)),
        lambda s: commit.append(s, "u", numbers(), 0),
        lambda s: commit.delete_node(s, "u"),
        lambda s: commit.stage_array(s, "u", array_metadata(), "w"),
        lambda s: commit.stage_array(s, "v", array_metadata(), "w-"),
        lambda s: write(s, "u", ..., 1),
        lambda s: write(s, "u", 0, 1),
    ],
)
def test_nothing_is_changed_through_a_read_only_store(act, tmp_path):
    """Not a byte, not a folder."""
    store = LocalStore(tmp_path / "data.zarr")
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    before = look(tmp_path)
    for again in (ReadOnlyStore(store), LocalStore(store.root, read_only=True)):
        with pytest.raises(ReadOnlyStoreError):
            act(again)
    assert look(tmp_path) == before


def look(folder):
    stats = {path: path.stat() for path in folder.rglob("*")}
    return {path: (info.st_ino, info.st_mtime_ns, info.st_size) for path, info in stats.items()}
