"""A store over any mutable mapping: its failures are told, its keys and values may be of many kinds."""

from __future__ import annotations

import array
import dbm.dumb
import multiprocessing
import pickle
import shelve
from collections import OrderedDict, UserDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import StoreError, StoreReachError
from lazyzarr.format.stores import MappingStore, MemoryStore, open_spec


class Failing(UserDict):
    """A mapping that fails for one key, or from one call on."""

    def __init__(self, *args, bad=None, writes=None):
        self.bad, self.writes = None, None
        super().__init__(*args)
        self.bad, self.writes = bad, writes

    def _ask(self, key):
        if key == self.bad:
            raise ConnectionError("gone")

    def __getitem__(self, key):
        self._ask(key)
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        self._ask(key)
        if self.writes is not None:
            self.writes -= 1
            if self.writes < 0:
                self.writes = None
                raise ConnectionError("gone")
        super().__setitem__(key, value)


def test_an_array_in_a_mapping():
    mapping = OrderedDict()
    z = lz.create_array(mapping, name="u", data=np.arange(10), chunks=(4,))
    z[3] = 9
    assert type(z.store) is MappingStore
    assert sorted(mapping) == ["u/c/0", "u/c/1", "u/c/2", "u/zarr.json", "zarr.json"]
    assert lz.open(mapping, path="u")[3] == 9
    lz.create_array(mapping, name="u", data=np.ones(3), overwrite=True)
    assert lz.open(mapping)["u"][...].tolist() == [1, 1, 1]
    assert sorted(mapping) == ["u/c/0", "u/zarr.json", "zarr.json"]
    assert type(lz.create_group({}).store) is MemoryStore


def test_on_disk():
    with shelve.open("shelf") as mapping:
        lz.create_array(mapping, data=[[1, 2], [3, 4]])
    with shelve.open("shelf") as mapping:
        assert lz.open(mapping)[1].tolist() == [3, 4]
    with dbm.dumb.open("dumb") as mapping:
        lz.create_group(mapping).create_array("u", data=[5, 6])
        assert list(lz.open(mapping)) == ["u"]


def test_failures_are_told_and_never_read_as_fill():
    mapping = Failing()
    z = lz.create_array(mapping, data=np.arange(6), chunks=(2,))
    mapping.bad = "c/1"
    with pytest.raises(StoreError, match=r"c/1.*gone") as told:
        z[...]
    assert told.value.key == "c/1"
    assert isinstance(told.value.__cause__, ConnectionError)
    with pytest.raises(StoreError, match="gone"):
        z[2:4] = 1
    mapping.bad = None
    assert z[...].tolist() == list(range(6))


@pytest.mark.parametrize("writes", range(8))
def test_a_failed_swap_changes_nothing(writes):
    mapping = Failing({"a/x": b"1", "a/y": b"2", "b/x": b"3", "b/z": b"4"})
    store = MappingStore(mapping)
    before = dict(mapping.data)
    mapping.writes = writes
    try:
        store.swap_prefix("a", "b", replace=True)
    except StoreError:
        assert mapping.data == before
    else:
        assert mapping.data == {"b/x": b"1", "b/y": b"2", "a/x": b"3", "a/z": b"4"}
        assert writes >= 4


def test_values_and_keys_of_many_kinds():
    values = {
        "a": np.arange(3, dtype="u1"),
        "b": array.array("B", [1]),
        "c": bytearray(b"x"),
        5: b"no",
        b"d": b"y",
    }
    store = MappingStore(UserDict(values))
    assert [bytes(store.get(key)) for key in "abc"] == [b"\x00\x01\x02", b"\x01", b"x"]
    assert sorted(store.list()) == ["a", "b", "c", "d"]
    assert store.size("a") == 3
    with pytest.raises(StoreError, match="holds a float"):
        MappingStore(UserDict({"a": 5.0})).get("a")


@pytest.mark.peer
def test_zarr_pythons_buffers():
    from zarr.core.buffer import cpu

    assert bytes(MappingStore(UserDict({"a": cpu.Buffer.from_bytes(b"12")})).get("a")) == b"12"


def _child(raw, answers):
    try:
        answers.put(bytes(pickle.loads(raw).get("a")))
    except StoreReachError as error:
        answers.put(str(error))


def test_who_reaches_it():
    """A mapping is this process's, unless the user says that a copy of it leads to the same."""
    mapping = UserDict({"a": b"1"})
    here, anywhere = MappingStore(mapping), MappingStore(mapping, reach="anywhere")
    assert (here.reach, anywhere.reach) == ("thread", "anywhere")
    assert open_spec(anywhere.spec()) is open_spec(anywhere.spec())
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    for store, expected in ((here, "in the memory of process"), (anywhere, b"1")):
        child = context.Process(target=_child, args=(pickle.dumps(store), answers))
        child.start()
        assert expected in answers.get(timeout=60)
        child.join()


def test_a_dict_has_one_lock_whichever_store_is_over_it():
    contents = {}
    stores = [MappingStore(contents), MemoryStore(contents)]
    lz.create_array(stores[0], shape=4000, chunks=4000, dtype="i4")

    def fill(number):
        z = lz.open_array(stores[number], mode="r+")
        for i in range(number, 600, 2):
            z[i] = i

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, range(2)))
    np.testing.assert_array_equal(lz.open(contents)[:600], np.arange(600))
