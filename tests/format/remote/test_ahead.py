"""Many requests in flight where answers take long: eagerly, lazily, in shards, and as many as memory allows."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
import weakref

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, ChunkNotFoundError, StoreError
from lazyzarr.format.ahead import Ahead
from lazyzarr.format.behind import Behind
from lazyzarr.format.requests import at_once, pool_of
from lazyzarr.format.stores import FaultStore, MemoryStore
from lazyzarr.format.stores.cache import ChunkCacheStore
from lazyzarr.graph.ahead import BlockAhead

DATA = np.arange(24 * 30, dtype="f4").reshape(24, 30)


class SlowStore(FaultStore):
    """A store in memory that wants many requests in flight, and says how many there were at once."""

    in_flight = 16

    def __init__(self, store, script=None):
        super().__init__(store, script or (lambda verb, key, n: None))
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.read = []

    def spec(self):
        _stores[id(self)] = self
        return _again, (id(self),)

    def chunk_files(self, path):
        return _Counted(self, super().chunk_files(path))

    def update_files(self, path):
        return self.chunk_files(path)

    @contextlib.contextmanager
    def busy(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1


_stores = weakref.WeakValueDictionary()


def _again(number):
    return _stores[number]


class _Counted:
    def __init__(self, store, files):
        self._store, self._files = store, files

    def __getattr__(self, name):
        return getattr(self._files, name)

    def read(self, name, buffer):
        self._store.read.append(name)
        with self._store.busy():
            return self._files.read(name, bytearray())

    def write(self, name, buffers):
        with self._store.busy():
            self._files.write(name, buffers)


@pytest.fixture
def slow():
    """An array of 60 chunks in a slow store, and the store."""
    memory = MemoryStore()
    lz.create_array(memory, data=DATA, chunks=(2, 6))
    store = SlowStore(memory)
    return lz.open_array(store, mode="r"), store


def test_an_eager_read_has_many_requests_in_flight(slow):
    z, store = slow
    assert (z[...] == DATA).all()
    assert 4 < store.most <= 16
    assert len(store.read) == 60


@pytest.mark.parametrize(
    "pick", [np.s_[::-1, 3:], np.s_[5], ([7, 3, 3], [29, 0, 1]), (slice(None), [3, 1, 20]), DATA > 300]
)
def test_selections(slow, pick):
    z, store = slow
    if isinstance(pick, np.ndarray):
        assert (z.vindex[pick] == DATA[pick]).all()  # a mask
    elif isinstance(pick, tuple) and isinstance(pick[0], list):
        assert (z.vindex[pick] == DATA[pick]).all()
    else:
        assert (z.oindex[pick] == DATA[pick]).all()
    assert len(store.read) == len(set(store.read))


def test_a_lazy_read_fetches_each_chunk_once_and_many_at_once(slow):
    z, store = slow
    x = lz.from_zarr(z)
    assert np.allclose((x + 1).sum().compute(), (DATA + 1).sum())
    assert sorted(store.read) == sorted(set(store.read))
    assert len(store.read) == 60
    assert store.most > 2


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: (x[1:] - x[:-1]).compute(), DATA[1:] - DATA[:-1]),
        (lambda x: (x.T + 1)[::-1].compute(), (DATA.T + 1)[::-1]),
        (lambda x: (x - x.mean(axis=0)).compute(), DATA - DATA.mean(axis=0)),
        (lambda x: x[::5, ::7].compute(), DATA[::5, ::7]),
        (lambda x: x.rechunk((5, 7)).map_blocks(lambda b: b * 2).compute(), DATA * 2),
        (lambda x: lz.compute(x.max(axis=1), x.min())[0], DATA.max(axis=1)),
        (lambda x: (x[:, 9:] - x[:, :-9] + x[:, :1]).compute(), DATA[:, 9:] - DATA[:, :-9] + DATA[:, :1]),
        (lambda x: (x[6:] + x[:1] - x[:-6]).compute(), DATA[6:] + DATA[:1] - DATA[:-6]),
    ],
)
def test_lazy_expressions(slow, monkeypatch, expression, expected):
    """What is fetched ahead is what is asked for: nothing is fetched beside it, and nothing twice."""
    z, store = slow
    missed = []
    call = Ahead.__call__

    def watched(self, coords, scratch):
        if self._depth and coords not in self._window and coords != self._next:
            with self._lock:
                self._fill()
                if coords not in self._window:
                    missed.append(coords)
        return call(self, coords, scratch)

    monkeypatch.setattr(Ahead, "__call__", watched)
    assert np.allclose(expression(lz.from_zarr(z)), expected, rtol=1e-5)
    assert missed == []
    assert store.most > 2


def test_what_is_read_ahead_counts_in_the_memory(slow):
    z, _ = slow
    x = lz.from_zarr(z)
    plan = (x + 1).sum().explain(memory="64MB")
    assert plan.peak_memory <= 64_000_000
    tight = (x + 1).sum().explain(memory=plan.peak_memory - 1_000_000)
    assert tight.fits
    assert tight.peak_memory <= plan.peak_memory - 1_000_000
    deep = _stage((x + 1).sum(), 10**9)
    assert dict(deep.ahead)
    encoded = _stage((x + 1).sum(), 10**9).memory.encoded
    assert encoded >= sum(depth for _, depth in deep.ahead) * 2 * 6 * 4
    assert all(depth == 1 for _, depth in _stage((x + 1).sum(), deep.memory.task).ahead)


def _stage(lazy, memory):
    from lazyzarr.graph.plan import Budget, Output, plan_stages

    return plan_stages([Output(lazy.__lazyzarr_node__)], Budget(memory, 1)).stages[0]


def test_a_store_that_answers_at_once_is_not_read_ahead(monkeypatch):
    monkeypatch.setattr(BlockAhead, "begin", None)
    z = lz.array(DATA, chunks=(2, 6))
    assert z.reader().reading_ahead([(0, 0)]) is z.reader()
    assert pool_of(z.store) is None
    assert (lz.from_zarr(z) + 1).sum().compute() == (DATA + 1).sum()


def test_read_ahead_gives_chunks_in_turn(slow):
    z, store = slow
    wanted = [(i % 12, i % 5) for i in range(30)] + [(0, 0), (0, 0)]
    for coords, values in z.read_ahead(wanted, depth=7):
        i, j = coords
        assert (values == DATA[2 * i : 2 * i + 2, 6 * j : 6 * j + 6]).all()
    assert 2 < store.most <= 7
    assert [coords for coords, _ in z.read_ahead(wanted)] == wanted
    for _ in z.read_ahead(wanted):
        break  # the rest is not asked for


def test_chunks_of_several_lengths():
    store = SlowStore(MemoryStore())
    lz.create_array(store._store, name="r", data=DATA, chunks=[[4, 8, 12], [6, 6, 18]], overwrite=True)
    z = lz.open_array(store, path="r", mode="r")
    assert (z[...] == DATA).all()
    assert store.most > 2
    assert (z.oindex[[0, 9, 20], ::9] == DATA[[0, 9, 20], ::9]).all()
    assert (lz.from_zarr(z) + 1).sum().compute() == (DATA + 1).sum()


def test_kept_chunks_are_not_asked_for(slow):
    _, store = slow
    kept = lz.open_array(ChunkCacheStore(store, 2**20), mode="r")
    assert (kept[:6] == DATA[:6]).all()
    assert (kept[...] == DATA).all()
    assert sorted(store.read) == sorted(set(store.read))
    store.read.clear()
    assert (lz.from_zarr(kept) + 1).sum().compute() == (DATA + 1).sum()
    assert store.read == []


def test_work_that_waits_for_work_of_the_same_pool(slow):
    """Reads within what is asked at once are done by the thread itself: it cannot wait for itself."""
    z, store = slow
    rows = at_once(store, lambda i: z[i], range(24))
    assert (np.array(rows) == DATA).all()
    deep = at_once(store, lambda i: at_once(store, lambda j: i * j, range(20)), range(40))
    assert deep == [[i * j for j in range(20)] for i in range(40)]


def test_others_in_another_order_are_read_too(slow):
    z, _ = slow
    reader = z.reader().reading_ahead([(i, 0) for i in range(12)], 4)
    scratch, chunk = reader.new_scratch(), reader.new_chunk()
    for coords in [(11, 4), (5, 0), (0, 0), (5, 0), (1, 0), (11, 0), (2, 0)]:
        assert reader.read_into(coords, chunk, scratch)
        assert (chunk == DATA[2 * coords[0] : 2 * coords[0] + 2, 6 * coords[1] : 6 * coords[1] + 6]).all()
    assert len(reader.source._window) <= 4
    for i in (3, 4, 6, 7, 8, 9, 10):
        reader.read_into((i, 0), chunk, scratch)
    assert reader.source._window == {}
    reader.close()


@pytest.mark.parametrize("lazy", [False, True])
def test_failures_missing_and_damaged_chunks(lazy):
    memory = MemoryStore()
    lz.create_array(memory, data=DATA, chunks=(2, 6), fill_value=-1)
    memory.delete("c/3/2")
    expected = DATA.copy()
    expected[6:8, 12:18] = -1

    def read(store, **config):
        z = lz.open_array(store, mode="r", config=config or None)
        return (lz.from_zarr(z) + 0).compute() if lazy else z[...]

    assert (read(SlowStore(memory)) == expected).all()
    with pytest.raises(ChunkNotFoundError, match="c/3/2"):
        read(SlowStore(memory), read_missing_chunks=False)

    def fail(verb, key, n):
        if key == "c/7/1":
            raise StoreError("the network is down", key)

    with pytest.raises(StoreError, match="the network is down"):
        read(SlowStore(memory, fail))
    memory.set("c/5/4", b"damaged")
    with pytest.raises(ChunkDecodeError, match=r"c/5/4 = \[10:12, 24:30\]"):
        read(SlowStore(memory))


def test_shards_and_writes_have_many_requests_in_flight(bucket, options, s3):
    url = f"{bucket}/u.zarr"
    z = lz.create_array(url, shape=(40, 8), chunks=(1, 8), shards=(2, 8), dtype="f4", storage_options=options)
    s3.control(latency=0.05)
    values = np.arange(320, dtype="f4").reshape(40, 8)
    z[...] = values
    assert s3.control(latency=0.05)["most"] > 5
    assert (z[...] == values).all()
    assert s3.control()["most"] > 5


def test_lazy_writes_are_behind(bucket, options):
    x = lz.from_array(DATA, chunks=(2, 6)) * 2
    for words in ({}, {"chunks": (1, 6), "shards": (2, 6)}):
        store = SlowStore(MemoryStore())
        z = x.to_zarr(store, "u", num_workers=1, **words)
        assert 2 < store.most <= 16
        assert (z[...] == DATA * 2).all()
    z = x.to_zarr(f"{bucket}/u.zarr", storage_options=options)
    assert (z[...] == DATA * 2).all()


def test_after_a_failure_no_write_is_under_way():
    done = []

    def write(name, buffers):
        time.sleep(0.02)
        done.append((name, b"".join(buffers)))
        if name == "1":
            raise StoreError("full", name)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        behind = Behind(write, 4, pool)
        data = bytearray(b"a")
        behind.put("0", [data, b"b"])
        data[:] = b"x"  # a copy was taken
        for name in "123":
            behind.put(name, [b"c"])
        behind.settle()
        seen = len(done)
        assert done[0] == ("0", b"ab") or done[1] == ("0", b"ab")
        assert seen >= 2
        time.sleep(0.05)
        assert len(done) == seen
        for name in "01":
            behind.put(name, [b"c"])
        with pytest.raises(StoreError, match="full"):
            behind.flush()


@pytest.mark.parametrize("after", [0, 20, 55])
def test_a_lazy_write_that_fails_leaves_nothing(bucket, options, s3, after):
    x = lz.from_array(DATA, chunks=(2, 6)) * 2
    s3.control(fail="400", method="PUT", key="/c/", after=after, latency=0.01)
    with pytest.raises(StoreError, match="could not write"):
        x.to_zarr(f"{bucket}/u.zarr", storage_options=options)
    at_the_end = s3.control()["requests"].get("PUT", 0)
    time.sleep(0.1)
    assert "PUT" not in s3.control()["requests"], at_the_end
    assert list(lz.format.resolve.resolve(bucket, storage_options=options)[0]._all("")) == []


def test_a_thousand_chunks_over_http(files):
    """Eagerly and lazily, dozens of requests are under way at once (benchmarks/remote.py has the times)."""
    data = np.arange(300 * 64, dtype="i4").reshape(300, 64)
    lz.create_array(files.folder / "many.zarr", data=data, chunks=(1, 64))
    z = lz.open_array(f"{files.url}/many.zarr", mode="r")
    files.control(latency=0.02)
    assert (z[...] == data).all()
    assert files.control(latency=0.02)["most"] > 30
    assert (lz.from_zarr(z) + 1).sum().compute() == (data + 1).sum()
    seen = files.control()
    assert seen["most"] > 30
    assert seen["requests"]["GET"] < 310
