"""Random calls on each store and on a store in memory: equal answers, and equal contents at the end."""

from __future__ import annotations

import itertools
from collections import UserDict

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lazyzarr.format.stores import (
    CacheStore,
    ChunkCacheStore,
    LocalStore,
    LoggingStore,
    MappingStore,
    MemoryStore,
    PrefixStore,
    RetryStore,
    ZipStore,
)

KEYS = ["a", "b/x", "b/y", "b/c/0/0", "d/zarr.json", "d/c/0/0", "__lazyzarr-1/n"]
PATHS = ["", "b", "b/c", "d", "e/f", "__lazyzarr-1"]
number = itertools.count()

keys, paths = st.sampled_from(KEYS), st.sampled_from(PATHS)
values = st.binary(max_size=40)
ranges = st.tuples(st.integers(0, 45), st.integers(0, 45)) | st.tuples(st.integers(-45, -1), st.none())
step = st.one_of(
    st.tuples(st.just("set"), keys, values),
    st.tuples(st.just("write"), keys, values),
    st.tuples(st.just("set_if"), keys, values),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("read"), keys),
    st.tuples(st.just("range"), keys, ranges),
    st.tuples(st.just("ranges"), keys, st.lists(ranges, max_size=3)),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("delete_prefix"), paths),
    st.tuples(
        st.just("swap"), st.sampled_from(["b", "d", "__lazyzarr-1"]), st.sampled_from(["b", "d", "e/f"])
    ),
    st.tuples(st.just("list"), paths),
    st.tuples(st.just("size"), keys),
    st.tuples(st.just("close")),
)

MAKERS = {
    "zip": lambda name: ZipStore(f"{name}.zip", mode="a"),
    "mapping": lambda name: MappingStore(UserDict()),
    "prefix": lambda name: PrefixStore(MemoryStore(), "p/q"),
    "logging": lambda name: LoggingStore(MemoryStore()),
    "retry": lambda name: RetryStore(MemoryStore()),
    "bytes kept": lambda name: CacheStore(LocalStore(f"{name}.zarr"), 60),
    "chunks kept": lambda name: ChunkCacheStore(CacheStore(MemoryStore(), None), None),
}


def act(store, verb, *words):
    match verb:
        case "set":
            return store.set(*words)
        case "write":
            return store.chunk_files("").write(words[0], [words[1]])
        case "set_if":
            return store.set_if(*words, None)
        case "get":
            return plain(store.get(*words))
        case "read":
            return plain(store.chunk_files("").read(words[0], bytearray(50)))
        case "range":
            return plain(store.get(*words))
        case "ranges":
            found = store.get_ranges(*words)
            return None if found is None else [*map(plain, found)]
        case "delete":
            return store.delete(*words)
        case "delete_prefix":
            return store.delete_prefix(*words)
        case "swap":
            new, target = words
            return None if new == target else store.swap_prefix(new, target, replace=True)
        case "list":
            return sorted(store.list(*words)), store.list_dir(*words)
        case "size":
            return store.size(*words), store.exists(*words)
        case "close":
            return store.close()


def plain(found):
    return None if found is None else bytes(found)


@pytest.mark.parametrize("kind", MAKERS)
@given(steps=st.lists(step, max_size=30))
@settings(max_examples=60)
def test_as_in_memory(kind, steps):
    store, model = MAKERS[kind](f"s{next(number)}"), MemoryStore()
    for each in steps:
        if each[0] in ("ranges",) and not each[2]:
            continue
        if kind == "bytes kept" and each[0] == "swap" and not [*model.list(each[1])]:
            continue  # a folder that is not there is not moved
        assert act(store, *each) == act(model, *each), each
    store.close()
    assert {key: plain(store.get(key)) for key in KEYS} == {key: plain(model.get(key)) for key in KEYS}
    assert sorted(store.list()) == sorted(model.list())
