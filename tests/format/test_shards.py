"""What reading and writing shards costs: requests, bytes and memory; and shards that are replaced meanwhile."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, MetadataValidationError
from lazyzarr.format import chunk_loops, chunk_source, chunk_update, workers
from lazyzarr.format.codecs import sharding
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.protocol import KeyFiles
from lazyzarr.format.stores.wrappers import WrapperStore

PLAIN = {"compressors": None, "write_empty_chunks": True}


class Watched(WrapperStore):
    """A store that notes what is asked of it: (verb, key, ranges)."""

    def __init__(self, store=None):
        super().__init__(MemoryStore() if store is None else store)
        self.calls = []

    def spec(self):
        return type(self), (self._store,)

    def wrap(self, store):
        return type(self)(store)

    def chunk_files(self, path):
        return KeyFiles(self, path)

    update_files = chunk_files

    def note(self, verb, key, ranges=()):
        if "zarr.json" not in key:
            self.calls.append((verb, key, list(ranges)))

    def get(self, key, byte_range=None):
        self.note("get", key, [byte_range])
        return super().get(key, byte_range)

    def get_ranges(self, key, ranges):
        self.note("ranges", key, ranges)
        return self._store.get_ranges(key, ranges)

    def set(self, key, value):
        self.note("set", key)
        super().set(key, value)

    def delete(self, key):
        self.note("delete", key)
        super().delete(key)

    def since(self, work):
        """What a piece of work asks for."""
        self.calls.clear()
        work()
        return list(self.calls)


def watched(shape=(8, 8), chunks=(2, 2), shards=(8, 8), **more):
    store = Watched()
    values = np.arange(1, np.prod(shape) + 1, dtype="i4").reshape(shape)
    z = lz.create_array(store, shape=shape, chunks=chunks, shards=shards, dtype="i4", **PLAIN, **more)
    z[...] = values
    return store, values, z


def ranges_of(calls):
    return [ranges for verb, _, ranges in calls if verb in ("get", "ranges")]


def test_a_part_costs_its_index_once_and_ranges_that_are_joined():
    store, values, z = watched()
    row = lambda: np.testing.assert_array_equal(z[:2], values[:2])  # noqa: E731
    (index,), (data, tail) = ranges_of(store.since(row))
    assert index == (-(16 * 16 + 4), None)
    assert data == (0, 4 * 16)  # four neighbours of four elements
    assert tail == (-4, None)
    assert ranges_of(store.since(row)) == [[data, tail]]  # the index was kept
    corners = lambda: np.testing.assert_array_equal(  # noqa: E731
        z.vindex[[0, 7, 0], [0, 7, 1]], values[[0, 7, 0], [0, 7, 1]]
    )
    assert len(store.since(corners)) == 1


def test_far_chunks_are_not_read_over(monkeypatch):
    monkeypatch.setattr(chunk_source, "GAP", 8)
    store, values, z = watched()
    column = lambda: np.testing.assert_array_equal(z[:, :2], values[:, :2])  # noqa: E731
    store.since(column)
    assert ranges_of(store.since(column)) == [[(0, 16), (64, 80), (128, 144), (192, 208), (-4, None)]]


def test_a_shard_that_is_replaced_is_read_anew():
    """By whoever: another handle's write is seen, what was absent included; and so is its removal."""
    _, values, z = watched(fill_value=-1)
    np.testing.assert_array_equal(z[...], values)
    other = lz.open_array(z.store, mode="r+")
    other.config = lz.create_array({}, shape=1, dtype="i4").config  # of fill alone nothing is stored
    other[:4] = -1
    np.testing.assert_array_equal(z[:6], np.concatenate([np.full((4, 8), -1), values[4:6]]))
    other[:4] = values[:4]
    np.testing.assert_array_equal(z[:2], values[:2])
    z.store.delete("c/0/0")
    assert (z[...] == -1).all()
    other[...] = values
    np.testing.assert_array_equal(z[...], values)


def test_a_shard_replaced_each_time_is_no_shard(monkeypatch):
    store, values, z = watched()
    z[0, 0]
    turns = iter(range(10**6))
    get_ranges = store.get_ranges

    def replaced(key, ranges):
        found = get_ranges(key, ranges)
        values[0, 0] = next(turns)
        tail = bytes([next(turns) % 256, 0, 0, 1])
        return [*found[:-1], tail] if len(ranges) > 1 else found

    monkeypatch.setattr(store, "get_ranges", replaced)
    with pytest.raises(ChunkDecodeError, match="replaced each time"):
        z[0, 0]


def test_what_is_written_as_a_whole_is_not_read():
    store, _, z = watched(shape=(12, 8))
    calls = store.since(lambda: z.__setitem__(slice(None), 1))
    assert [verb for verb, _, _ in calls] == ["set", "set"]  # the one at the edge, too
    calls = store.since(lambda: z.__setitem__(slice(0, 8), 2))
    assert calls == [("set", "c/0/0", [])]


def test_a_part_rewrites_a_shard_once(monkeypatch):
    """However many inner chunks change; those that are set as a whole are not read."""
    store, values, z = watched()
    calls = store.since(lambda: z.__setitem__((slice(0, 6), slice(0, 3)), -values[:6, :3]))
    assert [verb for verb, _, _ in calls].count("set") == 1
    values[:6, :3] *= -1
    np.testing.assert_array_equal(z[...], values)
    read = [span for ranges in ranges_of(calls) for span in ranges if span[0] >= 0]
    assert all((start // 64, start % 64 // 16) != (0, 0) for start, _ in read)  # the first is set whole
    monkeypatch.setattr(chunk_update, "WINDOW", 1)  # one inner chunk at a time
    again = lz.open_array(store, mode="r+")
    calls = store.since(lambda: again.oindex.__setitem__(([1, 7], [0, 7]), 5))
    values[np.ix_([1, 7], [0, 7])] = 5
    np.testing.assert_array_equal(z[...], values)
    assert [verb for verb, _, _ in calls].count("set") == 1


@pytest.mark.parametrize("location", ["start", "end"])
def test_parts_of_shards_of_any_kind(location):
    """Reordered axes, an index at either end, absent chunks, an edge: as in NumPy."""
    serializer = lz.codecs.ShardingCodec(
        chunk_shape=(3, 2), codecs=[lz.codecs.BytesCodec(), "crc32c"], index_location=location
    )
    values = np.zeros((10, 7), "f4")
    z = lz.create_array(
        {}, shape=values.shape, chunks=(4, 6), dtype="f4", serializer=serializer, compressors=None,
        filters=[{"name": "transpose", "configuration": {"order": [1, 0]}}],
    )  # fmt: skip
    random = np.random.default_rng(0)
    for _ in range(60):
        index = tuple(slice(*sorted(random.integers(0, n + 1, 2))) for n in values.shape)
        new = random.integers(0, 3, values[index].shape).astype("f4")
        z[index] = values[index] = new
    np.testing.assert_array_equal(z[...], values)
    np.testing.assert_array_equal(lz.from_zarr(z).compute(scheduler="sync"), values)


def test_a_lazy_walk_reads_ahead(monkeypatch):
    """Inner chunks that are asked for one by one come in a few reads, which take ever more of them."""
    store, values, z = watched(shape=(64, 8), chunks=(1, 8), shards=(64, 8))
    reader, out = z.reader(), np.empty((1, 8), "i4")

    def walk(rows):
        scratch = reader.new_scratch()
        for row in rows:
            reader.read_into((row, 0), out, scratch)
            np.testing.assert_array_equal(out[0], values[row])

    assert 3 < len(ranges_of(store.since(lambda: walk(range(64))))) < 12
    monkeypatch.setattr(chunk_source, "GAP", 0)
    apart = (0, 9, 1, 40, 3, 63, 20, 50)
    far = ranges_of(store.since(lambda: walk(apart)))
    assert sum(ranges[0][1] - ranges[0][0] for ranges in far) == len(apart) * 32  # and nothing else
    assert lz.from_zarr(z).sum().compute(scheduler="sync") == values.sum()


MIB = 2**20


@pytest.mark.parametrize("what", ["whole", "part", "random"])
def test_memory_of_a_write(what, tmp_path):
    """One inner chunk, the index and some of the output: far from the shard's 32 MiB."""
    z = lz.create_array(
        tmp_path / "z.zarr", shape=(2048, 4096), chunks=(64, 256), shards=(2048, 4096), dtype="f4",
        compressors="none",
    )  # fmt: skip
    ones = np.broadcast_to(np.float32(1), z.shape)
    z[...] = ones
    tracemalloc.start()
    try:
        if what == "whole":
            z[...] = ones
        elif what == "part":
            z[:, 1:9] = 2
        else:
            z.vindex[[5, 2000], [7, 4000]] = 3
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 13 * MIB
    assert z[5, 4] == (2 if what == "part" else 1)


def test_memory_of_a_read(tmp_path):
    """A column of a shard takes the runs it lies in, not the shard."""
    z = lz.create_array(
        tmp_path / "z.zarr", shape=(2048, 4096), chunks=(64, 256), shards=(2048, 4096), dtype="f4",
        compressors="none",
    )  # fmt: skip
    z[...] = np.broadcast_to(np.float32(1), z.shape)
    tracemalloc.start()
    try:
        assert (z.oindex[:, [3]] == 1).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * MIB


def test_the_order_of_inner_chunks_is_ours():
    """zarr-python's word for it is taken; wherever inner chunks lie, they are read."""
    for order in ("morton", "unordered", "lexicographic", "colexicographic"):
        codec = lz.codecs.ShardingCodec(chunk_shape=(2,), subchunk_write_order=order)
        assert codec == lz.codecs.ShardingCodec(chunk_shape=(2,))
        assert "subchunk_write_order" not in str(codec.to_config())
    with pytest.raises(MetadataValidationError, match="subchunk_write_order is 'random'"):
        lz.codecs.ShardingCodec(chunk_shape=(2,), subchunk_write_order="random")


@pytest.mark.parametrize("compressors", ["zstd", None])
def test_one_shard_is_written_by_all_cores(monkeypatch, compressors):
    """The bytes are those of one thread, whatever the codecs; an error of a thread is told."""
    values = np.arange(2**20, dtype="f4").reshape(1024, 1024)
    values[256:512] = 0
    words = {"shape": values.shape, "chunks": (128, 256), "shards": values.shape, "compressors": compressors}
    shared, stored = [], {}
    in_order = workers.in_order
    monkeypatch.setattr(chunk_loops, "in_order", lambda *args: shared.append(args) or in_order(*args))
    for cores in (1, 2):
        monkeypatch.setattr(chunk_loops, "cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr(workers, "cpu_count", lambda cores=cores: cores)
        z = lz.create_array({}, dtype="f4", **words)
        z[...] = values
        stored[cores] = bytes(z.store.get("c/0/0"))
        np.testing.assert_array_equal(z[...], values)
        assert len(shared) == cores - 1
    assert stored[1] == stored[2]
    monkeypatch.setattr(sharding.Shard, "encode_inner", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        z[...] = values
    assert bytes(z.store.get("c/0/0")) == stored[1]
