"""Caches: fewer reads, never more bytes than allowed, and never a value that was changed through them."""

from __future__ import annotations

import pickle
import threading
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError
from lazyzarr.format.stores import CacheStore, ChunkCacheStore, FaultStore, LocalStore, MemoryStore
from lazyzarr.format.stores.lru import LastUsed

KINDS = {"bytes": CacheStore, "chunks": ChunkCacheStore}


class Counting(FaultStore):
    """A store that counts the reads of each key."""

    def __init__(self, store):
        self.reads = Counter()
        super().__init__(store, lambda verb, key, n: self.reads.update([key] if verb == "get" else []))

    def of_chunks(self):
        return sum(n for key, n in self.reads.items() if "/c/" in f"/{key}")


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=["chunks", "shards"])
def shards(request):
    return (8, 12) if request.param == "shards" else None


def numbers(shape=(16, 24)):
    return np.arange(np.prod(shape), dtype="i4").reshape(shape)


def test_read_once(kind, shards):
    inner = Counting(MemoryStore())
    store = kind(inner, "1MB")
    z = lz.create_array(store, data=numbers(), chunks=(4, 6), shards=shards)
    for row in range(16):
        assert (z[row] == numbers()[row]).all()
        assert (z[row, 3:20:2] == numbers()[row, 3:20:2]).all()
    assert (z[...] == numbers()).all()
    before = inner.of_chunks()
    assert (z[...] == numbers()).all()
    assert (z.oindex[[1, 9], 2:20] == numbers()[[1, 9], 2:20]).all()
    assert inner.of_chunks() == before
    assert before <= (16 if shards is None else 80)
    assert store.hits > store.misses > 0


def test_never_more_bytes_than_allowed(kind, shards):
    store = kind(MemoryStore(), 1000)
    z = lz.create_array(store, data=numbers(), chunks=(4, 6), shards=shards, compressors=None)
    for row in range(16):
        assert (z[row] == numbers()[row]).all()
        assert store.kept.nbytes <= 1000
    small = kind(z.store._store, 10)
    assert (lz.open(small)[...] == numbers()).all()
    assert small.kept.nbytes <= 10


def test_what_is_written_is_seen(kind, shards):
    store = kind(MemoryStore(), None)
    values = numbers()
    z = lz.create_array(store, data=values, chunks=(4, 6), shards=shards)
    again = lz.open(store)
    assert (again[...] == values).all()
    for selection in (5, (slice(None), 7), (slice(2, 9), slice(3, 20)), ...):
        z[selection] = values[selection] = -3
        assert (again[...] == values).all()
    z.resize(10, 24)
    z.resize(16, 24)
    values[10:] = 0
    assert (lz.open(store)[...] == values).all()
    z.append(numbers())
    assert (lz.open(store)[16:] == numbers()).all()


def test_an_array_made_in_its_stead_by_others(kind, shards):
    """Once it is opened again, none of the old one's chunks is its."""
    inner = LocalStore("data.zarr")
    store = kind(inner, None)
    z = lz.create_array(store, name="u", data=numbers(), chunks=(4, 6), shards=shards)
    assert (z[...] == numbers()).all()
    lz.create_array(inner, name="u", data=numbers() + 1, chunks=(4, 6), shards=shards, overwrite=True)
    assert (lz.open(store)["u"][...] == numbers() + 1).all()


def test_partial_writes_undo_no_one_elses(kind, shards):
    """Who changes a part of a chunk reads the rest of it afresh."""
    inner = LocalStore("data.zarr")
    z = lz.create_array(kind(inner, None), data=numbers(), chunks=(4, 6), shards=shards)
    other = lz.open(inner)
    assert z[0, 0] == 0
    other[0, 0] = 100
    z[0, 1] = 200
    assert lz.open(inner)[0, :2].tolist() == [100, 200]
    assert z[0, :2].tolist() == [100, 200]


def test_a_shard_that_others_rewrote_is_not_mixed(shards):
    """Ranges of a value are of one time: what is kept of the old one goes as soon as the new one is seen."""
    inner = MemoryStore()
    store = CacheStore(inner, None)
    z = lz.create_array(store, data=numbers(), chunks=(4, 6), shards=(16, 24))
    assert (z[:4, :6] == numbers()[:4, :6]).all()
    lz.open(inner)[...] = numbers() * 1000 + 7
    assert (z[4:8, :6] == numbers()[4:8, :6] * 1000 + 7).all()
    assert (z[:4, :6] == numbers()[:4, :6] * 1000 + 7).all()


def test_damage_is_told_each_time(kind):
    inner = MemoryStore()
    z = lz.create_array(kind(inner, None), data=numbers(), chunks=(4, 6))
    key = next(key for key in inner.list() if key.startswith("c/"))
    inner.set(key, b"damaged")
    for _ in range(2):
        with pytest.raises(ChunkDecodeError):
            z[...]


def test_missing_chunks_are_asked_for_again(kind):
    inner = MemoryStore()
    z = lz.create_array(kind(inner, None), shape=(4,), chunks=(2,), dtype="i4")
    assert z[...].tolist() == [0, 0, 0, 0]
    lz.open(inner)[...] = 5
    assert z[...].tolist() == [5, 5, 5, 5]


def test_what_is_got_is_the_users(kind):
    z = lz.create_array(kind(MemoryStore(), None), data=numbers(), chunks=(16, 24), compressors=None)
    for _ in range(2):
        got = z[...]
        assert (got == numbers()).all()
        got[...] = -1


def test_lazy_arrays_read_through_it(kind):
    store = kind(MemoryStore(), None)
    z = lz.create_array(store, data=numbers().astype("f8"), chunks=(4, 6))
    for _ in range(2):
        assert float((z + 1).sum().compute()) == numbers().sum() + numbers().size
    assert store.hits > 0


def test_text_is_not_kept_decoded():
    store = ChunkCacheStore(MemoryStore(), None)
    z = lz.create_array(store, data=np.array(["a", "bc"], dtype=np.dtypes.StringDType()))
    assert [z[0], z[1]] == ["a", "bc"]
    assert store.kept.nbytes == 0


def test_invalidate_and_travel(kind):
    store = kind(LocalStore("data.zarr"), "1kB")
    z = lz.create_array(store, data=[1, 2, 3])
    assert z[0] == 1
    assert store.kept.nbytes
    store.invalidate()
    assert store.kept.nbytes == 0
    again = pickle.loads(pickle.dumps(store))
    assert (again, again.max_size) == (store, "1kB")
    assert lz.open(again)[1] == 2


def test_metadata_is_always_read_again():
    inner = MemoryStore()
    store = CacheStore(inner, None)
    root = lz.create_group(store)
    root.attrs["a"] = 1
    lz.open(inner).attrs["a"] = 2
    assert lz.open(store).attrs["a"] == 2


def test_writers_and_readers_side_by_side(kind):
    """What a reader read before a write is not kept after it."""
    store = kind(MemoryStore(), None)
    z = lz.create_array(store, shape=(8, 64), chunks=(1, 64), dtype="i4", compressors=None)
    reader, stop = lz.open(store), threading.Event()
    last = [0] * 8

    def read():
        while not stop.is_set():
            for row in range(8):
                low = last[row]
                found = set(reader[row].tolist())
                if len(found) != 1 or min(found) < low:
                    wrong.append((row, low, found))

    wrong = []
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for value in range(1, 40):
        for row in range(8):
            z[row] = value
            last[row] = value
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


STEP = st.tuples(
    st.sampled_from("gpdb"), st.sampled_from(["a", "x/b", "x/c"]), st.integers(0, 3), st.integers(1, 40)
)


@given(
    st.lists(STEP),
    st.integers(0, 100),
)
@settings(max_examples=200)
def test_last_used_first_kept(steps, size):
    """Against a list of what was used, the last at its end."""
    kept, model = LastUsed(size), {}
    for clock, (act, key, part, nbytes) in enumerate(steps, start=1):
        if act == "g":
            found = kept.get(key, part)
            assert found == (model[key, part][0] if (key, part) in model else None)
            if found is not None:
                model[key, part] = (found, model[key, part][1], clock)
        elif act == "p":
            kept.put(key, part, clock, nbytes, kept.changes)
            if nbytes <= size:
                model[key, part] = (clock, nbytes, clock)
            while sum(each[1] for each in model.values()) > size:
                del model[min(model, key=lambda name: model[name][2])]
        elif act == "d":
            kept.drop(key)
            model = {name: each for name, each in model.items() if name[0] != key}
        else:
            kept.drop_below("x")
            model = {name: each for name, each in model.items() if not name[0].startswith("x/")}
        assert kept.nbytes == sum(each[1] for each in model.values()) <= size


def test_what_is_used_stays():
    kept = LastUsed(100)
    for key in "ab":
        kept.put(key, 0, key, 40, kept.changes)
    assert kept.get("a", 0) == "a"
    kept.put("c", 0, "c", 40, kept.changes)
    assert [kept.get(key, 0) for key in "abc"] == ["a", None, "c"]


def test_what_was_read_before_a_change_is_not_kept():
    kept = LastUsed(None)
    since = kept.changes
    kept.drop("a")
    kept.put("a", 0, "old", 3, since)
    assert kept.get("a", 0) is None
