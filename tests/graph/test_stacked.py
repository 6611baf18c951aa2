"""Small chunks are stacked to one tile: right values, each chunk decoded once, to its place where it may be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.graph import spreading, stack
from lazyzarr.graph.leaves import ChunkCache
from lazyzarr.graph.plan import Budget, Output, plan_stages
from lazyzarr.storage import MemoryStore


@pytest.fixture(scope="module", autouse=True)
def _small_arrays():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "TILES", 1)
        yield


@pytest.fixture(scope="module", autouse=True)
def reads():
    """How often each chunk of each reader was read, and how often one went through a cache."""
    seen, kept = Counter(), [0]
    read_into, read_part, get = ChunkReader.read_into, ChunkReader.read_part, ChunkCache.get

    def counted(self, coords, out, scratch):
        seen[id(self), coords] += 1
        return read_into(self, coords, out, scratch)

    def counted_part(self, coords, inside, out, scratch):
        seen[id(self), coords] += 1
        return read_part(self, coords, inside, out, scratch)

    def counted_get(self, coords, **how):
        kept[0] += 1
        return get(self, coords, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChunkReader, "read_into", counted)
        patch.setattr(ChunkReader, "read_part", counted_part)
        patch.setattr(ChunkCache, "get", counted_get)
        yield seen, kept


def stage_of(lazy, memory=10**9, workers=1):
    (stage,) = plan_stages([Output(lazy.__lazyzarr_node__, None)], Budget(memory, workers)).stages
    return stage


def stored(shape, chunks, **how):
    values = np.random.default_rng(1).integers(-50, 50, shape).astype("i4")
    z = lz.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype="i4", **how)
    z[...] = values
    return lz.from_zarr(z), values


OPERATIONS = {
    "all": lambda x: x.sum(),
    "column": lambda x: (x * 2).sum(axis=0),
    "row": lambda x: x.min(axis=-1),
    "forward": lambda x: (x[1:] - x[:-1]).max(),
    "a gap": lambda x: (x[2:] - x[:-2]).max(axis=-1),
    "both sides": lambda x: (x[2:] + x[:-2] - 2 * x[1:-1]).sum(),
    "along the last": lambda x: (x[..., 1:] - x[..., :-1]).max(axis=0),
    "reversed": lambda x: (x[::-1] * 3).sum(axis=0),
    "itself reversed": lambda x: (x + x[::-1]).max(),
    "the last": lambda x: (x - x[-1]).max(),
    "steps": lambda x: x[::3].sum(),
    "steps along both": lambda x: x[1::2, 1::3].sum(axis=0),
    "steps, one from the next": lambda x: (x[::2][1:] - x[::2][:-1]).max(axis=-1),
    "steps backwards": lambda x: x[::-2].sum(axis=0),
    "a line": lambda x: (x[:, 1] * 2).sum(),
    "a thin slice": lambda x: x[1:-1, :2].sum(axis=0),
    "a slice": lambda x: x[3:].sum(axis=0),
    "transposed": lambda x: x.T.sum(axis=0),
    "picked": lambda x: x.argmax(),
    "values": lambda x: x * 2 - 1,
}
HOW = {
    "v3": {},
    "v2, F": {"zarr_format": 2, "order": "F"},
    "transpose": {"filters": [lz.codecs.TransposeCodec(order=(1, 0))]},
    "fill": {"fill_value": -50},
}


@settings(max_examples=150)
@given(data=st.data())
def test_values_are_numpys_however_many_chunks_are_stacked(data):
    shape = tuple(data.draw(st.tuples(st.integers(6, 30), st.integers(2, 14))))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    x, values = stored(shape, chunks, **HOW[data.draw(st.sampled_from(sorted(HOW)))])
    z = x.__lazyzarr_node__.array
    for missing in data.draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in shape)), max_size=2)):
        where = tuple(slice(i // c * c, i // c * c + c) for i, c in zip(missing, chunks, strict=True))
        z[where], values[where] = z.fill_value, z.fill_value
    operation = OPERATIONS[data.draw(st.sampled_from(sorted(OPERATIONS)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "STACK_BYTES", data.draw(st.sampled_from([1, 64, 300, 2000])))
        got = operation(x).compute(scheduler="sync")
    np.testing.assert_array_equal(got, operation(values))


@settings(max_examples=100)
@given(data=st.data())
def test_one_block_decodes_each_chunk_once(reads, data):
    """But for those that two loads of one array need at different times."""
    shape = tuple(data.draw(st.tuples(st.integers(6, 30), st.integers(2, 14))))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    x, _ = stored(shape, chunks)
    names = sorted(OPERATIONS.keys() - {"itself reversed", "the last"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "STACK_BYTES", data.draw(st.sampled_from([64, 300, 2000])))
        lazy = OPERATIONS[data.draw(st.sampled_from(names))](x)
        reads[0].clear()
        lazy.compute(scheduler="sync")
    assert reads[0]
    assert max(reads[0].values()) == 1


@settings(max_examples=100)
@given(data=st.data())
def test_units_are_written_one_by_one_from_a_stack_of_them(reads, data):
    """By several tasks, to arrays of the same chunks and of others, edges that chunks do not fill among them."""
    shape = tuple(data.draw(st.tuples(st.integers(1, 30), st.integers(1, 14))))
    chunks, others = (tuple(data.draw(st.integers(1, n)) for n in shape) for _ in range(2))
    x, values = stored(shape, chunks)
    target = data.draw(st.sampled_from([chunks, others]))
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "SHARED_STACK_BYTES", data.draw(st.sampled_from([64, 300, 2000])))
        patch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
        (x * 2 - 1).to_zarr(store, chunks=target, num_workers=data.draw(st.integers(2, 3)))
    z = lz.open_array(store)
    np.testing.assert_array_equal(z[...], values * 2 - 1)
    assert z.chunks == target


def test_small_units_share_a_tile():
    x, values = stored((64, 8), (4, 8))
    plan = (x + 1).to_zarr("a.zarr", chunks=(4, 8), compute=False, num_workers=1)
    (stage,) = plan._planned.stages
    assert stage.layout.largest_tile() == (64, 8)
    assert (stage.writers, plan.tasks) == (16, 1)
    plan.run()
    np.testing.assert_array_equal(lz.open_array("a.zarr")[...], values + 1)


def test_small_chunks_share_a_tile_and_are_decoded_to_their_places(reads):
    x, values = stored((64, 8), (4, 8))
    stage = stage_of(x.sum(axis=0))
    assert stage.layout.largest_tile() == (64, 8)
    reads[1][0] = 0
    np.testing.assert_array_equal(x.sum(axis=0).compute(scheduler="sync"), values.sum(axis=0))
    assert reads[1] == [0], "nothing was kept, and copied from there"
    reads[1][0] = 0
    (x[1:] - x[:-1]).max().compute(scheduler="sync")
    assert reads[1] == [2], "the first and the last chunk may lie in other tiles, too"


def test_of_a_line_of_chunks_one_is_kept(reads, monkeypatch):
    """The part that the next tile needs with another chunk is copied before that one is decoded, in the same memory."""
    monkeypatch.setattr(stack, "STACK_BYTES", 1)
    x, values = stored((64, 8), (4, 8))
    lazy = (x[1:] - x[:-1]).max()
    assert stage_of(lazy).capacities == (1,)
    assert sum(stage_of((x[1:] - x[:-1] + x[0]).max()).capacities) == 3, "two loads"
    reads[0].clear()
    assert lazy.compute(scheduler="sync") == (values[1:] - values[:-1]).max()
    assert sorted(reads[0].values()) == [1] * 16


def test_what_other_tiles_need_again_is_kept(reads, monkeypatch):
    monkeypatch.setattr(stack, "STACK_BYTES", 1000)
    (x, values), (row, numbers) = stored((64, 8), (4, 8)), stored((8,), (2,))
    reads[0].clear()
    assert (x + row).sum().compute(scheduler="sync") == (values + numbers).sum()
    assert sorted(reads[0].values()) == [1] * (16 + 4)


@pytest.mark.parametrize(
    ("make", "memory", "tile"),
    [
        (lambda x: x.sum(), 10**9, (64, 64)),
        (lambda x: x.sum(), 400_000, (24, 64)),  # 6 kB
        (lambda x: x.sum(), 64_000, (4, 64)),
        (lambda x: x.T.sum(), 10**9, (64, 4)),  # they would have to be copied
        (lambda x: x[::2].sum(), 10**9, (32, 64)),
    ],
)
def test_as_many_as_the_memory_and_the_order_of_axes_allow(make, memory, tile):
    x, _ = stored((64, 64), (4, 64))
    assert stage_of(make(x), memory).layout.largest_tile() == tile


@pytest.mark.parametrize("pick", [np.s_[::3, 1::2], np.s_[:, 3], np.s_[2:-3, 1:3]])
def test_parts_of_stacked_chunks_are_taken_aside_and_nothing_is_kept(reads, pick):
    x, values = stored((64, 8), (4, 8))
    reads[1][0] = 0
    assert x[pick].sum().compute(scheduler="sync") == values[pick].sum()
    assert reads[1] == [0]


def test_a_chunk_of_which_two_tiles_pick_is_kept_for_the_other(reads, monkeypatch):
    """Tiles that end within chunks: those of another array, whose chunks are smaller."""
    (x, values), (y, numbers) = stored((60,), (10,)), stored((30,), (4,))
    reads[0].clear()
    assert (x[::2] * y).sum().compute(scheduler="sync") == (values[::2] * numbers).sum()
    assert max(reads[0].values()) == 1


def test_each_worker_is_left_many_tiles(monkeypatch):
    x, _ = stored((64, 64), (1, 64))
    monkeypatch.setattr(stack, "TILES", 4)
    assert stage_of(x.sum()).layout.largest_tile() == (16, 64)
    assert stage_of(x.sum(), workers=2).layout.largest_tile() == (8, 64)


def test_several_threads_want_the_gil_more_rarely():
    """Those of one that works alone should stay in the cache."""
    z = lz.create_array(MemoryStore(), shape=(256, 8192), chunks=(1, 8192), dtype="f4")
    x = lz.from_zarr(z)
    assert stage_of(x.sum(), workers=1).layout.largest_tile() == (8, 8192)
    assert stage_of(x.sum(), workers=2).layout.largest_tile() == (64, 8192)
    plan = (x + 1).to_zarr("a.zarr", chunks=z.chunks, compute=False, num_workers=2)
    assert plan._planned.stages[0].layout.largest_tile() == (32, 8192)


def test_large_chunks_stay_alone():
    z = lz.create_array(MemoryStore(), shape=(8, 400_000), chunks=(1, 400_000), dtype="f4")
    assert stage_of(lz.from_zarr(z).sum()).layout.largest_tile()[0] == 1


def test_chunks_of_which_little_is_picked_are_shared_out():
    """What is picked of them all would fit into one tile, and leave the other worker nothing."""
    x, values = stored((64, 64), (1, 64))
    for picked, wide in ((x[:, 5:7].sum(), 2), (x[:, 5].sum(), None)):
        shape = (16,) if wide is None else (16, wide)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stack, "TILES", 2)
            stage = stage_of(picked, workers=2)
        assert stage.layout.largest_tile() == shape
    assert x[:, 5].sum().compute(scheduler="sync") == values[:, 5].sum()
