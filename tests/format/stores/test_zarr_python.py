"""zarr-python's Store objects under our arrays, ours under its arrays, and its own tests over each of ours."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import warnings
from collections import UserDict

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    LockUnavailableError,
    ReadOnlyStoreError,
    StoreError,
    StoreReachError,
    TargetIsSourceError,
)
from lazyzarr.format.stores import (
    CacheStore,
    ChunkCacheStore,
    FaultStore,
    LocalStore,
    LoggingStore,
    MappingStore,
    MemoryStore,
    PrefixStore,
    RetryStore,
    WrapperStore,
    ZipStore,
)
from lazyzarr.format.stores.filesystems import FsspecStore
from lazyzarr.format.stores.objects import ObjectStore
from lazyzarr.format.stores.split import SplitStore
from lazyzarr.format.stores.zarr_python import ZarrPythonStore

zarr = pytest.importorskip("zarr")
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype  # noqa: E402
from zarr.testing.store import StoreTests  # noqa: E402

from lazyzarr.format.stores.zarr_face import LazyzarrStore  # noqa: E402

pytestmark = pytest.mark.peer


# zarr-python's own tests of stores.


def at_once(test):
    """A test that is a coroutine as one that is not."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


class Conformance(StoreTests):
    """zarr-python's tests over one of our stores, by way of the face that it sees."""

    store_cls = LazyzarrStore
    buffer_cls = cpu.Buffer

    def make(self, folder):
        """A new store in an empty folder."""
        raise NotImplementedError

    async def set(self, store, key, value):
        store.lazyzarr_store.set(key, value.to_bytes())

    async def get(self, store, key):
        return self.buffer_cls.from_bytes(bytes(store.lazyzarr_store.get(key)))

    @pytest.fixture
    def store_kwargs(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {"store": self.make(tmp_path)}

    @pytest.fixture
    def store(self, open_kwargs):
        return asyncio.run(self.store_cls.open(**open_kwargs))

    @pytest.fixture
    def store_not_open(self, store_kwargs):
        return self.store_cls(**store_kwargs)

    def test_store_repr(self, store):
        assert repr(store) == f"LazyzarrStore({store.lazyzarr_store!r})"

    def test_store_supports_writes(self, store):
        assert store.supports_writes

    def test_store_supports_listing(self, store):
        assert store.supports_listing


for name, test in inspect.getmembers(StoreTests, inspect.iscoroutinefunction):
    if name.startswith("test_"):
        setattr(Conformance, name, at_once(test))


def _obstore():
    return pytest.importorskip("obstore.store")


MAKERS = {
    "Memory": lambda folder: MemoryStore(),
    "Local": lambda folder: LocalStore(folder / "data.zarr"),
    "Mapping": lambda folder: MappingStore(UserDict()),
    "Zip": lambda folder: ZipStore(folder / "data.zip", mode="a"),
    "Wrapper": lambda folder: WrapperStore(LocalStore(folder / "data.zarr")),
    "Prefix": lambda folder: PrefixStore(LocalStore(folder / "data.zarr"), "a/b"),
    "Logging": lambda folder: LoggingStore(MemoryStore()),
    "Retry": lambda folder: RetryStore(MemoryStore()),
    "Cache": lambda folder: CacheStore(LocalStore(folder / "data.zarr"), "1MB"),
    "ChunkCache": lambda folder: ChunkCacheStore(MemoryStore()),
    "Fault": lambda folder: FaultStore(MemoryStore(), print),
    "Split": lambda folder: SplitStore(LocalStore(folder / "a.zarr"), MemoryStore()),
    "ObjectFiles": lambda folder: ObjectStore(_obstore().LocalStore(folder / "data.zarr", mkdir=True)),
    "Fsspec": lambda folder: FsspecStore.from_url(f"memory://{folder}/data.zarr"),
    "OverZarrMemory": lambda folder: ZarrPythonStore(zarr.storage.MemoryStore()),
    "OverZarrLocal": lambda folder: ZarrPythonStore(zarr.storage.LocalStore(folder / "data.zarr")),
}
for name, maker in MAKERS.items():
    kind = type(f"Test{name}", (Conformance,), {"make": lambda self, folder, maker=maker: maker(folder)})
    globals()[f"Test{name}"] = kind
del name, maker, kind, test


# Ours under zarr-python.


def test_zarr_python_works_on_our_store():
    values = np.arange(30.0).reshape(5, 6)
    inner = MemoryStore()
    root = zarr.create_group(LazyzarrStore(inner))
    theirs = root.create_array("u", shape=(5, 6), chunks=(2, 3), dtype="f8")
    theirs[...] = values
    theirs[1, 2:4] = values[1, 2:4] = -1
    ours = lz.open(inner)["u"]
    assert (ours[...] == values).all()
    ours[3] = values[3] = 7
    assert (zarr.open_array(LazyzarrStore(inner), path="u", mode="r")[...] == values).all()
    assert lz.open(LazyzarrStore(inner)).store is inner
    assert isinstance(default_buffer_prototype().buffer.from_bytes(b""), Buffer)


# zarr-python's under ours.


def stores(folder):
    yield "memory", zarr.storage.MemoryStore()
    yield "local", zarr.storage.LocalStore(folder / "theirs.zarr")
    yield "logging", zarr.storage.LoggingStore(zarr.storage.MemoryStore(), log_level="CRITICAL")


@pytest.mark.parametrize("which", ["memory", "local", "logging"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_in_zarr_pythons_stores(which, zarr_format, tmp_path):
    theirs = dict(stores(tmp_path))[which]
    values = np.arange(30).reshape(5, 6)
    root = lz.create_group(theirs, zarr_format=zarr_format)
    z = root.create_array("g/u", data=values, chunks=(2, 4))
    z[1:3, 1] = values[1:3, 1] = -5
    z.attrs["a"] = 1
    z.append(values)
    assert (z[5:] == values).all()
    z.resize(5, 6)
    root.create_array("g/u", data=values + 1, chunks=(3, 3), overwrite=True)
    root["v"] = values
    del root["v"]
    assert (zarr.open_group(theirs, mode="r")["g/u"][...] == values + 1).all()
    assert (lz.open(theirs, path="g/u")[...] == values + 1).all()
    assert list(lz.open(theirs)) == ["g"]
    assert list(lz.open(theirs).store.list("v")) == []


def test_what_names_a_store_of_zarr_python():
    theirs = zarr.storage.MemoryStore()
    group = zarr.create_group(theirs, path="g")
    array = group.create_array("u", shape=(2,), dtype="i4")
    assert lz.open(array)[...].tolist() == [0, 0]
    assert list(lz.open(group)) == ["u"]
    assert lz.open(zarr.storage.StorePath(theirs, "g")).path == "g"
    assert lz.open(theirs, path="g", mode="r").read_only
    local = lz.create_group(zarr.storage.LocalStore("data.zarr")).store
    assert local == LocalStore("data.zarr")
    with pytest.raises(ReadOnlyStoreError):
        lz.create_group(zarr.storage.MemoryStore(read_only=True))


def test_a_folder_is_one_whatever_zarr_python_reaches_it_by(tmp_path):
    obstore = pytest.importorskip("obstore")
    folder = tmp_path / "data.zarr"
    lz.create_array(folder, name="u", data=np.arange(6), chunks=3)
    for theirs in (
        zarr.storage.FsspecStore.from_url(f"file://{folder}"),
        zarr.storage.ObjectStore(obstore.store.LocalStore(folder)),
    ):
        z = lz.open_array(theirs, path="u", mode="r+")
        assert z.store == LocalStore(str(folder))
        with pytest.raises(TargetIsSourceError):
            lz.store([lz.open(folder / "u").lazy()[::-1]], [z])
    assert z[...].tolist() == list(range(6))
    assert lz.open(zarr.storage.ObjectStore(obstore.store.LocalStore(folder), read_only=True)).read_only


class Strict(zarr.storage.MemoryStore):
    """A store that refuses ranges beyond the end, as servers do."""

    async def get(self, key, prototype=None, byte_range=None):
        size = len(self._store_dict.get(key, b""))
        if byte_range is not None and size:
            last = getattr(byte_range, "suffix", 0) or byte_range.end
            if last > size:
                raise ValueError("out of range")
        return await super().get(key, prototype, byte_range)

    def __getattribute__(self, name):
        if name == "get_sync":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("kind", ["memory", "local", "strict"])
def test_ranges_are_cut_as_slices_are(kind):
    theirs = {
        "memory": zarr.storage.MemoryStore,
        "local": lambda: zarr.storage.LocalStore("theirs.zarr"),
        "strict": Strict,
    }[kind]()
    store = ZarrPythonStore(theirs)
    store.set("a", b"0123456789")
    for wanted in [(0, 3), (5, 99), (20, 30), (4, 4), (-3, None), (-99, None)]:
        assert bytes(store.get("a", wanted)) == b"0123456789"[slice(*wanted)]
        assert store.get("b", wanted) is None
    for ranges in ([(0, 2), (8, 99), (3, 5), (-1, None)], [(0, 2), (3, 5), (-99, None)], [(1, 1), (0, 1)]):
        expected = [b"0123456789"[slice(*wanted)] for wanted in ranges]
        assert [bytes(each) for each in store.get_ranges("a", ranges)] == expected
        assert store.get_ranges("b", ranges) is None


class Broken(zarr.storage.MemoryStore):
    async def get(self, *args, **kwargs):
        raise TimeoutError("too slow")

    get_sync = None

    def __getattribute__(self, name):
        if name == "get_sync":
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_failures_are_told_and_never_read_as_fill():
    theirs = zarr.storage.MemoryStore()
    z = lz.create_array(theirs, data=[1, 2, 3])
    store = ZarrPythonStore(Broken(theirs._store_dict))
    with pytest.raises(StoreError, match=r"c/0.*too slow") as told:
        store.get("c/0")
    assert isinstance(told.value.__cause__, TimeoutError)
    with pytest.raises(StoreError):
        lz.open(store)
    assert z[...].tolist() == [1, 2, 3]


def test_a_store_that_deletes_nothing():
    with zarr.storage.ZipStore("theirs.zip", mode="w") as theirs:
        store = ZarrPythonStore(theirs)
        store.set("a", b"1")
        with pytest.raises(StoreError, match="deletes nothing"):
            store.delete("a")
        assert store.reach == "thread"


def test_what_others_could_undo_is_refused():
    fs = pytest.importorskip("fsspec").filesystem("memory")
    try:
        theirs = zarr.storage.FsspecStore(_asynchronous(fs), path="/bucket/data.zarr")
    except (TypeError, ImportError) as error:
        pytest.skip(f"this zarr-python makes no store of it: {error}")
    store = ZarrPythonStore(theirs)
    assert store.reach == "anywhere"
    z = lz.create_array(store, shape=(4,), chunks=(2,), dtype="i4")
    z[:2] = 5
    with pytest.raises(LockUnavailableError, match="no conditional writes"):
        z[0] = 6
    lz.config.set({"locking": "process"})
    z[0] = 6
    assert z[...].tolist() == [6, 5, 0, 0]


def _asynchronous(fs):
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    return AsyncFileSystemWrapper(fs, asynchronous=True)


def test_they_travel_where_a_copy_leads_to_the_same():
    here = ZarrPythonStore(zarr.storage.MemoryStore())
    assert pickle.loads(pickle.dumps(here)) == here
    here.set("a", b"1")
    assert bytes(pickle.loads(pickle.dumps(here)).get("a")) == b"1"
    raw = pickle.dumps(here)
    del here
    with pytest.raises(StoreReachError):
        pickle.loads(raw)
    there = ZarrPythonStore(zarr.storage.LocalStore("data.zarr"))
    assert there.reach == "host"
    assert pickle.loads(pickle.dumps(there)) == there


def test_icechunk():
    icechunk = pytest.importorskip("icechunk")
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    values = np.arange(30).reshape(5, 6)
    z = lz.create_array(session.store, name="g/u", data=values, chunks=(2, 4), overwrite=True)
    z[1] = values[1] = 9
    assert float((z + 1).sum().compute()) == (values + 1).sum()
    group = lz.open(session.store, path="g")
    (z + 1).to_zarr(session.store, path="g/u", mode="w")
    values = values + 1
    assert (group["u"][...] == values).all()
    with pytest.raises(ZeroDivisionError):
        z.lazy().map_blocks(lambda block: 1 / 0, dtype="i8").to_zarr(session.store, path="g/w")
    group["v"] = [1]
    del group["v"]
    assert list(group) == ["u"]
    assert len([*group.store.list()]) == 1 + 1 + 1 + 6  # root, g, u and its chunks: nothing was left
    session.commit("written by lazyzarr")
    again = repository.readonly_session("main").store
    assert (lz.open(again, path="g/u", mode="r")[...] == values).all()
    assert (zarr.open_group(again, mode="r")["g/u"][...] == values).all()
    with pytest.raises((ReadOnlyStoreError, StoreError)):
        lz.open(again, path="g/u")[0] = 1


def test_the_face_is_loaded_on_first_use():
    assert lz.storage.LazyzarrStore is LazyzarrStore
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = lz.storage.Nonsense
