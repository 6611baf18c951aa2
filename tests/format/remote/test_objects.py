"""Stores over obstore: the same promises as the others, and what a network adds to them."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    LockUnavailableError,
    ReadOnlyStoreError,
    StoreError,
    StoreReachError,
)
from lazyzarr.format.resolve import resolve
from lazyzarr.format.stores.objects import ObjectStore

obstore = pytest.importorskip("obstore", reason="comes with the extra lazyzarr[cloud]")


@pytest.fixture
def store(bucket, options):
    return resolve(bucket, storage_options=options)[0]


def test_ranges_are_cut_as_slices_are(store):
    store.set("a", bytes(range(10)))
    store.set("empty", b"")
    whole = bytes(range(10))
    for byte_range in [(0, 3), (2, 2), (8, 20), (20, 30), (-3, None), (-20, None), (0, 10), (10, 11)]:
        assert bytes(store.get("a", byte_range)) == whole[slice(*byte_range)], byte_range
        assert bytes(store.get("empty", byte_range)) == b""
        assert store.get("none", byte_range) is None
    assert [bytes(part) for part in store.get_ranges("a", [(1, 3), (5, 7), (-2, None)])] == [
        whole[1:3], whole[5:7], whole[-2:],
    ]  # fmt: skip
    assert [bytes(part) for part in store.get_ranges("a", [(1, 3), (5, 70), (90, 99)])] == [
        whole[1:3], whole[5:], b"",
    ]  # fmt: skip
    assert store.get_ranges("none", [(1, 3), (2, 4), (-2, None)]) is None


def test_the_last_range_is_read_when_the_others_were_answered(store, s3, monkeypatch):
    """What tells one shard from the next must not be older than what it tells of."""
    store.set("a", b"x" * 100)
    seen = []
    get, get_ranges = obstore.get, obstore.get_ranges
    monkeypatch.setattr(obstore, "get", lambda *a, **k: [seen.append("get"), get(*a, **k)][1])
    monkeypatch.setattr(
        obstore, "get_ranges", lambda *a, **k: [seen.append(k["starts"]), get_ranges(*a, **k)][1]
    )
    store.get_ranges("a", [(0, 10), (50, 60), (90, 100)])
    assert seen == [[0, 50], "get"]


def test_a_value_of_many_parts(store):
    parts = [np.full(7_000_000, i, np.uint8) for i in range(5)]
    store.set("big", iter(memoryview(part) for part in parts))
    assert bytes(store.get("big")) == b"".join(part.tobytes() for part in parts)
    assert store.size("big") == 35_000_000


@pytest.mark.parametrize("nbytes", [10, 20_000_000])
def test_what_the_buffers_raise_is_raised_and_nothing_is_stored(store, nbytes):
    def failing():
        yield bytes(nbytes)
        raise KeyError("of the caller")

    store.set("a", b"old")
    with pytest.raises(KeyError, match="of the caller"):
        store.set("a", failing())
    assert bytes(store.get("a")) == b"old"


def test_listing_and_deleting(store):
    for key in ["zarr.json", "a/zarr.json", "a/c/0/0", "ab", "a/__lazyzarr-1/x"]:
        store.set(key, b"1")
    assert sorted(store.list()) == ["a/c/0/0", "a/zarr.json", "ab", "zarr.json"]
    assert sorted(store.list("a")) == ["a/c/0/0", "a/zarr.json"]
    assert sorted(store.list("a/__lazyzarr-1")) == ["a/__lazyzarr-1/x"]
    assert store.list_dir() == ["a", "ab", "zarr.json"]
    assert store.list_dir("a") == ["c", "zarr.json"]
    assert store.list_dir("none") == []
    store.delete("none")
    store.delete_prefix("a")
    assert sorted(store.list()) == ["ab", "zarr.json"]
    assert store.get("a/__lazyzarr-1/x") is None


def test_set_if(store):
    assert store.set_if("a", b"1", None)
    assert not store.set_if("a", b"2", None)
    first = store.generation("a")
    assert store.get_known("a") == (b"1", first)
    assert store.set_if("a", b"2", first)
    assert not store.set_if("a", b"3", first)
    assert bytes(store.get("a")) == b"2"
    store.delete("a")
    assert not store.set_if("a", b"3", first)
    assert store.get_known("a") is None
    assert list(store.list()) == ["a"][:0]  # the scrap object is gone


def test_a_lost_answer_is_known_by_what_is_stored(store, s3):
    store.set_if("first", b"", None)
    s3.control(fail="lost", times=1, method="PUT")
    assert store.set_if("a", b"mine", None)
    before = store.generation("a")
    s3.control(fail="lost", times=1, method="PUT")
    assert store.set_if("a", b"next", before)
    assert not store.set_if("a", b"next", None)  # others' equal bytes are not mine


@pytest.mark.parametrize(("ignore", "said"), [("IF_NONE_MATCH", "If-None-Match"), ("IF_MATCH", "If-Match")])
def test_a_server_that_ignores_conditions_is_refused(store, s3, ignore, said):
    z = lz.create_array(store, name="z", shape=(4,), chunks=(4,), dtype="i4")
    fresh = ObjectStore(pickle.loads(pickle.dumps(store))._client.store)
    s3.control(ignore=ignore)
    z = lz.Array(fresh, z.path, z.metadata)
    with pytest.raises(LockUnavailableError, match=said):
        z[1] = 5
    z[...] = 7
    assert (z[...] == 7).all()


def test_failures_are_never_missing_chunks(store, s3):
    z = lz.create_array(store, name="z", shape=(4,), chunks=(2,), dtype="i4", fill_value=9)
    z[...] = 1
    for fail in ("500", "503", "403", "400"):
        s3.control(fail=fail, key="/z/c/", method="GET")
        with pytest.raises(StoreError, match="z/c/0"):
            z[...]
    s3.control(fail="503", times=2, key="/z/c/", method="GET")  # less often than it is tried
    assert (z[...] == 1).all()


def test_a_store_pickles_and_is_equal(store, bucket, options):
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert hash(again) == hash(store)
    assert resolve(bucket, storage_options=options)[0] == store
    assert resolve(bucket, storage_options={**options, "secret": "z"})[0] != store
    assert store.url("u") == f"{bucket}/u"
    assert "secret" not in repr(store)


def test_a_store_in_memory_stays_in_its_process():
    from obstore.store import MemoryStore

    store = ObjectStore(MemoryStore())
    assert store.reach == "thread"
    store.set("a", b"1")
    with pytest.raises(StoreReachError, match="threads scheduler"):
        pickle.dumps(store)


def _read(store, key):
    try:
        return bytes(store.get(key))
    except StoreError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_refused(store):
    store.set("a", b"1")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        said = pool.apply_async(_read, (store, "a")).get(30)
    assert "forked" in said
    assert "spawn" in said


def test_a_read_only_store(store):
    closed = ObjectStore(store._client.store, read_only=True)
    for write in (
        lambda: closed.set("a", b""),
        lambda: closed.set_if("a", b"", None),
        lambda: closed.delete("a"),
        lambda: closed.delete_prefix(""),
    ):
        with pytest.raises(ReadOnlyStoreError):
            write()


def test_unknown_options_are_named_and_values_are_not(options):
    with pytest.raises(BaseZarrError, match="endpointt") as caught:
        resolve("s3://bucket/x", storage_options={**options, "endpointt": "hidden", "secret": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    with pytest.raises(BaseZarrError, match="leave them out"):
        resolve("local.zarr", storage_options=options)


def test_missing_credentials_are_told_with_the_cure(store):
    error = store._failed(
        "read", "a", OSError("Error performing PUT http://169.254.169.254/latest/api/token")
    )
    assert 'storage_options={"anon": True}' in str(error)
    assert "anon" not in str(store._failed("read", "a", OSError("500")))


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    for url in ("s3://b/x", "sftp://host/x"):
        with pytest.raises(BaseZarrError, match=r'pip install "lazyzarr\[cloud\]"'):
            lz.open(url)


def test_a_bucket_that_is_not_there(options):
    with pytest.raises(lz.errors.NodeNotFoundError, match="The specified bucket does not exist"):
        lz.open("s3://nobucket/x.zarr", storage_options=options)
    with pytest.raises(StoreError, match="nobucket"):
        lz.create_array("s3://nobucket/x.zarr", shape=(1,), dtype="i4", storage_options=options)
