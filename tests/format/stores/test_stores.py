"""What every store promises, on each of them."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import threading
import zipfile
from collections import UserDict

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lazyzarr.errors import InvalidKeyError, ReadOnlyStoreError, StoreError, StoreReachError
from lazyzarr.format.stores import (
    CacheStore,
    ChunkCacheStore,
    FaultStore,
    Generation,
    LocalStore,
    LoggingStore,
    MappingStore,
    MemoryStore,
    PrefixStore,
    ReadOnlyStore,
    RetryStore,
    WrapperStore,
    ZipStore,
    open_spec,
)

KINDS = {
    "memory": lambda path: MemoryStore(),
    "memory over a dict": lambda path: MemoryStore({}),
    "local": lambda path: LocalStore(path / "data.zarr"),
    "zip": lambda path: ZipStore(path / "data.zarr" / "data.zip", mode="a"),
    "zip, deflated": lambda path: ZipStore(
        path / "data.zarr" / "data.zip", mode="a", compression=zipfile.ZIP_DEFLATED
    ),
    "wrapped": lambda path: WrapperStore(LocalStore(path / "data.zarr")),
    "mapping": lambda path: MappingStore(UserDict()),
    "prefix": lambda path: PrefixStore(LocalStore(path / "data.zarr"), "deep/down"),
    "logging": lambda path: LoggingStore(LocalStore(path / "data.zarr")),
    "retry": lambda path: RetryStore(LocalStore(path / "data.zarr")),
    "byte cache": lambda path: CacheStore(LocalStore(path / "data.zarr"), 10_000),
    "chunk cache": lambda path: ChunkCacheStore(LocalStore(path / "data.zarr"), None),
    "faults": lambda path: FaultStore(MemoryStore(), ask_nothing),
}


def ask_nothing(verb, key, n):
    return None


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    return KINDS[request.param](tmp_path)


def test_get_and_set(store):
    assert store.get("a/b") is None
    assert not store.exists("a/b")
    store.set("a/b", b"123")
    assert bytes(store.get("a/b")) == b"123"
    assert store.exists("a/b")
    assert store.size("a/b") == 3
    store.set("a/b", b"")
    assert bytes(store.get("a/b")) == b""


def test_values_of_several_buffers(store):
    array = np.arange(4, dtype="u1")
    store.set("a", (part for part in [b"12", bytearray(b"34"), memoryview(array), b""]))
    assert bytes(store.get("a")) == b"1234\x00\x01\x02\x03"
    store.set("a", [b"x"] * 3000)
    assert bytes(store.get("a")) == b"x" * 3000


def test_a_value_belongs_to_the_store(store):
    given = bytearray(b"old")
    store.set("a", given)
    store.set("b", [memoryview(given)])
    files = store.chunk_files("c")
    files.write("0", [given])
    given[:] = b"new"
    assert [bytes(store.get(key)) for key in ("a", "b", "c/0")] == [b"old"] * 3
    got = store.get("a")
    if not memoryview(got).readonly:
        memoryview(got)[:] = b"new"
    assert bytes(store.get("a")) == b"old"


@given(size=st.integers(0, 9), ranges=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=3))
def test_byte_ranges(size, ranges):
    value = bytes(range(size))
    suffix = [(-n, None) for n, _ in ranges if n]
    for store in (MemoryStore(), LocalStore("ranges.zarr")):
        store.set("a", value)
        files = store.chunk_files("")
        for wanted in (*ranges, *suffix):
            assert bytes(store.get("a", wanted)) == value[slice(*wanted)]
        expected = [value[slice(*wanted)] for wanted in ranges + suffix]
        assert list(map(bytes, store.get_ranges("a", ranges + suffix))) == expected
        assert list(map(bytes, files.read_ranges("a", ranges + suffix))) == expected
        assert store.get_ranges("b", [(0, 1)]) is None
        assert files.read_ranges("b", [(0, 1)]) is None


def test_set_if_absent(store):
    assert store.set_if("a/b", b"1", None)
    assert not store.set_if("a/b", b"2", None)
    assert bytes(store.get("a/b")) == b"1"
    assert sorted(store.list()) == ["a/b"]


def test_set_if_absent_has_one_winner(store):
    barrier, won = threading.Barrier(8), []

    def race(n):
        barrier.wait()
        if store.set_if("a/b/c", bytes([n]), None):
            won.append(n)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bytes([n]) for n in won] == [bytes(store.get("a/b/c"))]


def test_set_if_same():
    store = MemoryStore()
    store.set("a", b"1")
    seen = store.generation("a")
    assert store.set_if("a", b"2", seen)
    assert not store.set_if("a", b"3", seen)
    assert store.get("a") == b"2"
    with pytest.raises(NotImplementedError):
        LocalStore("x.zarr").set_if("a", b"2", Generation(1, 2))


def test_delete(store):
    store.set("a/b", b"1")
    store.set("a/c", b"1")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("x/y")
    assert sorted(store.list()) == ["a/c"]


def test_delete_prefix(store):
    for key in ("a/b", "a/c/0", "a/__lazyzarr-1/x", "ab", "b/c"):
        store.set(key, b"1")
    store.delete_prefix("a")
    store.delete_prefix("a")
    store.delete_prefix("none/at/all")
    assert sorted(store.list()) == ["ab", "b/c"]
    assert store.get("a/__lazyzarr-1/x") is None
    store.delete_prefix("")
    assert list(store.list()) == []


def test_list(store):
    assert list(store.list()) == list(store.list("a")) == []
    assert list(store.list_dir()) == list(store.list_dir("a/b")) == []
    for key in ("a/b", "a/c/0", "ab", "a/c/1"):
        store.set(key, b"1")
    assert sorted(store.list()) == ["a/b", "a/c/0", "a/c/1", "ab"]
    assert sorted(store.list("a")) == ["a/b", "a/c/0", "a/c/1"]
    assert sorted(store.list("a/c")) == ["a/c/0", "a/c/1"]
    assert list(store.list_dir()) == ["a", "ab"]
    assert list(store.list_dir("a")) == ["b", "c"]


def test_reserved_names_are_not_listed(store):
    for key in ("__lazyzarr-1/a", "a/__lazyzarr-2", "a/b"):
        store.set(key, b"1")
    assert list(store.list()) == ["a/b"]
    assert list(store.list_dir()) == ["a"]
    assert list(store.list_dir("a")) == ["b"]
    assert list(store.list("__lazyzarr-1")) == ["__lazyzarr-1/a"]


def test_swap_prefix(store):
    store.set("new/zarr.json", b"new")
    assert store.swap_prefix("new", "deep/target", replace=False)
    assert sorted(store.list()) == ["deep/target/zarr.json"]
    store.set("new/zarr.json", b"newer")
    store.set("new/c/0", b"0")
    assert not store.swap_prefix("new", "deep/target", replace=False)
    assert bytes(store.get("deep/target/zarr.json")) == b"new"
    assert store.swap_prefix("new", "deep/target", replace=True)
    assert sorted(store.list("deep")) == ["deep/target/c/0", "deep/target/zarr.json"]
    assert bytes(store.get("new/zarr.json")) == b"new"
    assert store.swap_prefix("new", "elsewhere", replace=True)
    assert bytes(store.get("elsewhere/zarr.json")) == b"new"
    assert list(store.list("new")) == []


def test_generation_changes_with_the_value_and_the_place(store):
    assert store.generation("a/zarr.json") is None
    store.set("a/zarr.json", b"1")
    first = store.generation("a/zarr.json")
    assert store.generation("a/zarr.json") == first
    hash(first)
    store.set("a/zarr.json", b"2")
    second = store.generation("a/zarr.json")
    assert second != first
    assert second.place == first.place == store.place("a")
    store.set("new/zarr.json", b"2")
    held = store.chunk_files("a")
    assert held.read("none", bytearray(9)) is None  # holds the folder, so that its inode is not used again
    assert store.swap_prefix("new", "a", replace=True)
    third = store.generation("a/zarr.json")
    assert third.place != first.place
    assert held.generation() == third
    store.delete_prefix("a")
    assert store.generation("a/zarr.json") is None
    assert held.generation() is None


def test_chunk_files(store):
    files = store.chunk_files("a/b")
    buffer = bytearray(4096)
    assert files.read("c/0/1", buffer) is None
    assert files.read_ranges("c/0/1", [(0, 1)]) is None
    files.delete("c/0/1")
    assert list(store.list()) == []
    for size in (0, 1, 4095, 4096, 4097, 8192, 100_000):
        value = os.urandom(size)
        files.write("c/0/1", [value[:10], value[10:]])
        assert bytes(files.read("c/0/1", buffer)) == value
        assert bytes(store.get("a/b/c/0/1")) == value
    assert list(store.list()) == ["a/b/c/0/1"]
    files.close()
    assert files.read("c/0/1", buffer) == value
    files.delete("c/0/1")
    assert files.read("c/0/1", buffer) is None


def test_a_read_stays_until_the_next_into_the_same_buffer(store):
    files = store.chunk_files("a")
    files.write("0", [b"0" * 100])
    files.write("1", [b"1" * 100])
    one, other = bytearray(200), bytearray(200)
    first, second = files.read("0", one), files.read("1", other)
    assert (bytes(first), bytes(second)) == (b"0" * 100, b"1" * 100)


HOSTILE = [
    "../x", "a/../../x", "/etc/passwd", "//x", "a//b", "a/", "", ".", "..", "a/./b", "a\\b", "a\x00b", "..\\x", "a/..",
    "\udcff",
]  # fmt: skip


SLASHES = ["/etc/passwd", "//x", "a//b", "a/", ""]  # legal in a path: they mean no more than single ones


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys(store, key, tmp_path):
    """A key that could lead out of the store is refused, and touches nothing."""
    (tmp_path / "x").write_bytes(b"outside")
    store.set("a/b", b"1")
    for act in (
        lambda: store.get(key),
        lambda: store.get_ranges(key, [(0, 1)]),
        lambda: store.set(key, b"2"),
        lambda: store.set_if(key, b"2", None),
        lambda: store.delete(key),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.generation(key),
    ):
        with pytest.raises(InvalidKeyError):
            act()
    assert (tmp_path / "x").read_bytes() == b"outside"
    assert {entry.name for entry in tmp_path.iterdir()} <= {"x", "data.zarr"}


@pytest.mark.parametrize("path", [key for key in HOSTILE if key not in SLASHES])
def test_hostile_paths(store, path, tmp_path):
    (tmp_path / "x").write_bytes(b"outside")
    for act in (
        lambda: store.delete_prefix(path),
        lambda: list(store.list(path)),
        lambda: store.list_dir(path),
        lambda: store.swap_prefix(path, "a", replace=True),
        lambda: store.swap_prefix("a", path, replace=True),
        lambda: store.beside(path),
    ):
        with pytest.raises(InvalidKeyError):
            act()
    if not isinstance(store, FaultStore):
        with pytest.raises(InvalidKeyError):
            store.chunk_files(path)
    assert (tmp_path / "x").read_bytes() == b"outside"


def test_absolute_paths_are_taken_as_the_stores_own(tmp_path):
    """As zarr takes them: "/a" is "a" in the store."""
    store = LocalStore(tmp_path / "data.zarr")
    store.set("etc/x", b"1")
    assert list(store.list("/etc")) == ["etc/x"]


@given(st.text(min_size=1))
def test_no_text_leads_out(text):
    os.makedirs("disk/outside", exist_ok=True)
    store = LocalStore("disk/data.zarr")
    for act in (
        store.get,
        lambda key: store.set(key, b"1"),
        store.delete,
        store.delete_prefix,
        store.list_dir,
    ):
        with contextlib.suppress(InvalidKeyError, StoreError):
            act(text)
    assert set(os.listdir("disk")) <= {"data.zarr", "outside"}
    assert os.listdir("disk/outside") == []


@pytest.mark.parametrize("wrap", [ReadOnlyStore, "flag"])
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_read_only(wrap, kind, tmp_path):
    """Every write verb is refused, and no byte changes; every read works."""
    store = KINDS[kind](tmp_path)
    store.set("a/zarr.json", b"{}")
    store.set("a/c/0", b"1")
    if wrap == "flag":
        again = (
            LocalStore(store.root, read_only=True)
            if kind == "local"
            else MemoryStore(store._contents, read_only=True)
        )
    else:
        again = wrap(store)
    before = {key: bytes(store.get(key)) for key in store.list()}
    files = again.chunk_files("a")
    for act in (
        lambda: again.set("a/c/0", b"2"),
        lambda: again.set("b", b"2"),
        lambda: again.set_if("b", b"2", None),
        lambda: again.delete("a/c/0"),
        lambda: again.delete_prefix("a"),
        lambda: again.delete_prefix(""),
        lambda: again.swap_prefix("a", "b", replace=True),
        lambda: again.swap_prefix("a", "b", replace=False),
        lambda: files.write("c/0", [b"2"]),
        lambda: files.write("c/1", [b"2"]),
        lambda: files.delete("c/0"),
    ):
        with pytest.raises(ReadOnlyStoreError, match='mode="r\\+"'):
            act()
    assert again.read_only
    assert {key: bytes(again.get(key)) for key in again.list()} == before
    assert bytes(files.read("c/0", bytearray(9))) == b"1"
    with pytest.raises(ReadOnlyStoreError):
        pickle.loads(pickle.dumps(again)).set("b", b"2")


def test_opening_creates_nothing(tmp_path):
    store = LocalStore(tmp_path / "data.zarr")
    files = store.chunk_files("a")
    store.get("a")
    files.read("0", bytearray(9))
    files.generation()
    list(store.list())
    store.delete("a/b")
    store.delete_prefix("a")
    assert list(tmp_path.iterdir()) == []


def test_pickles_as_its_spec(store):
    store.set("a", b"1")
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert hash(again) == hash(store)
    assert bytes(again.get("a")) == b"1"
    kept = open_spec(store.spec())
    assert open_spec(store.spec()) is kept


def test_local_paths_are_made_absolute_when_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = LocalStore("data.zarr")
    store.set("a", b"1")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert store.url("a") == "file://data.zarr/a"
    assert bytes(store.get("a")) == b"1"
    assert bytes(pickle.loads(pickle.dumps(store)).get("a")) == b"1"


def test_memory_is_kept_by_its_stores_alone():
    store = MemoryStore()
    store.set("a", b"1")
    spec = store.spec()
    assert open_spec(spec).get("a") == b"1"
    del store
    gc.collect()
    with pytest.raises(StoreReachError, match="let go"):
        open_spec(spec)


def test_stores_over_one_dict_share_it():
    contents = {}
    one, other = MemoryStore(contents), MemoryStore(contents, read_only=True)
    one.set("a", b"1")
    assert other.get("a") == b"1"
    assert one.url() == other.url()
    assert contents == {"a": b"1"}


def _open_in_child(spec, answers):
    try:
        open_spec(spec)
        answers.put("opened")
    except StoreReachError as error:
        answers.put(str(error))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_memory_is_not_reached_from_another_process(method):
    """Not even from a child that has a copy of it: what it wrote there would be lost."""
    store = MemoryStore()
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=_open_in_child, args=(store.spec(), answers))
    child.start()
    assert "in the memory of process" in answers.get(timeout=60)
    child.join()


def test_memory_refuses_what_is_not_bytes():
    with pytest.raises(StoreError, match="holds a int"):
        MemoryStore({"a": 5}).get("a")
