"""Below computed blocks: what boxes that overlap need is decoded once in a task, where the memory for it is there."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.graph import draft, spreading
from lazyzarr.graph.evaluate import StageRunner
from lazyzarr.graph.plan import Budget, Output, plan_stages
from tests.graph.counting import Counting, sink_of


@pytest.fixture
def many_small_pieces(monkeypatch):
    """Tiles and blocks of a few elements, so that small arrays have all levels."""
    monkeypatch.setattr(draft, "TILE_BYTES", 128)
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)


def same(block, *others):
    return block


def neighbours(block):
    return block + np.roll(block, 1, 0) + np.roll(block, -1, 1)


def planned(lazy, sink=None, workers=2, memory=10**9):
    return plan_stages([Output(lazy.__lazyzarr_node__, sink)], Budget(memory, workers))


def asked_by_block(stage, source):
    """For each block of a stage its bounds, and how often it asks for each chunk of a source."""
    for index in stage.blocks():
        source.asked.clear()
        StageRunner(stage, {}, lambda: False).run(index, None)
        yield stage.layout.block(index), Counter(source.asked)


def sizes_of(draw, n):
    inside = draw(st.sets(st.integers(1, n - 1), max_size=5)) if n > 1 else set()
    return tuple(np.diff(sorted({0, n} | inside)).tolist())


def touched(sizes, depth, low, high):
    """How many chunks of an axis the blocks between two elements touch that have the same chunks."""
    cuts = np.cumsum((0, *sizes))
    first, last = cuts[cuts <= low].max() - depth, cuts[cuts >= high].min() + depth
    return sum(start < last and stop > first for start, stop in itertools.pairwise(cuts))


@st.composite
def halos(draw):
    """An array-like, its chunks, and a depth for one, two or three axes of it."""
    shape = tuple(draw(st.lists(st.integers(2, 16), min_size=1, max_size=3)))
    chunks = tuple(sizes_of(draw, n) for n in shape)
    depth = {axis: draw(st.integers(0, 4)) for axis in range(len(shape))}
    return Counting(np.arange(math.prod(shape)).reshape(shape)), chunks, depth


@pytest.mark.usefixtures("many_small_pieces")
@settings(max_examples=200)
@given(halos(), st.integers(1, 3), st.data())
def test_a_block_decodes_what_halos_share_once_and_all_blocks_no_more_than_their_surfaces(
    halo, workers, data
):
    source, chunks, depth = halo
    y = lz.from_array(source, chunks=chunks).map_overlap(same, depth=depth, boundary="none", dtype="i8")
    sink = None
    kind = data.draw(st.sampled_from(["result", "sum", "unit"]))
    if kind == "sum":
        y = y.sum(axis=tuple(axis for axis in range(y.ndim) if data.draw(st.booleans())))
    if kind == "unit":
        sink = sink_of(y, tuple(data.draw(st.integers(1, n)) for n in y.shape))
    (stage,) = planned(y, sink, workers).stages
    for bounds, asked in asked_by_block(stage, source):
        assert max(asked.values()) == 1
        axes = zip(chunks, depth.values(), bounds, strict=True)
        assert len(asked) <= math.prod(touched(sizes, deep, *ends) for sizes, deep, ends in axes)


@pytest.mark.usefixtures("many_small_pieces")
@settings(max_examples=200)
@given(halos(), st.data())
def test_blocks_walked_backwards_made_of_blocks_or_of_chunks_at_odds_decode_none_twice(halo, data):
    source, chunks, depth = halo
    x = lz.from_array(source, chunks=chunks)
    others = tuple(sizes_of(data.draw, n) for n in source.shape)
    back = tuple(slice(None, None, data.draw(st.sampled_from([1, -1]))) for _ in source.shape)
    words = {"depth": depth, "boundary": "none", "dtype": "i8"}
    y = data.draw(st.sampled_from([
        x.map_overlap(same, **words)[back],
        x[back].map_overlap(same, **words),
        x.map_overlap(same, **words).map_overlap(same, **words),
        x.map_overlap(lambda a, b: a, x * 2, **words),
        x.rechunk(others).map_blocks(same, dtype="i8"),
        x.rechunk(others).map_overlap(same, **words),
        x.rechunk(others).coarsen(np.sum, dict.fromkeys(range(x.ndim), 2), trim_excess=True),
    ]))  # fmt: skip
    for stage in planned(y, workers=data.draw(st.integers(1, 3))).stages:
        for _, asked in asked_by_block(stage, source):
            assert max(asked.values(), default=0) <= 1


NOISE = np.random.default_rng(0).random((120, 64, 64), "f4")


@pytest.mark.parametrize(
    ("depth", "times"),
    [({0: 8}, 1), ({0: 25}, 1), ({1: 4, 2: 4}, 1), (4, 1.6), ((8, 4, 0), 1.6)],
    ids=["one axis", "further than a chunk", "two axes", "all axes", "two of other depths"],
)
@pytest.mark.parametrize("mean", [False, True])
def test_tasks_are_cut_and_walked_along_the_halo(depth, times, mean, monkeypatch):
    """Blocks along the axes that have none decode nothing twice; else only what is at their surfaces."""
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    source = Counting(NOISE)
    y = lz.from_array(source, chunks=(4, 16, 16)).map_overlap(same, depth=depth, boundary="none", dtype="f4")
    (stage,) = planned(y.mean(0) if mean else y).stages
    assert stage.layout.tasks == 8
    asked = [asked for _, asked in asked_by_block(stage, source)]
    assert max(max(each.values()) for each in asked) == 1
    assert sum(map(len, asked)) <= times * 30 * 4 * 4


def test_what_is_kept_below_blocks_is_counted(monkeypatch):
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    x = lz.from_array(Counting(NOISE), chunks=(20, 16, 16))
    (stage,) = planned(x.map_overlap(same, depth=4, boundary="none", dtype="f4").mean(0), workers=1).stages
    stage = spreading.with_groups(stage, (1, 1, 1))
    assert stage.more[0] > 27
    runner = StageRunner(stage, {}, lambda: False)
    tracemalloc.start()
    try:
        runner.run((0, 0, 0), None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    box = 27 * stage.below[0].access.chunk_nbytes
    assert box < peak <= stage.memory.task + 200_000


def test_less_is_kept_where_memory_is_short(monkeypatch):
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    source = Counting(NOISE)
    x = lz.from_array(source, chunks=(4, 8, 8))
    y = x.map_overlap(neighbours, depth=4, boundary="none", dtype="f4").mean(0)
    expected, decoded = y.compute(scheduler="sync"), []
    for memory in range(32_100_000, planned(y).peak_memory + 200_000, 200_000):
        plan = planned(y, memory=memory)
        assert plan.peak_memory <= memory
        decoded.append(sum(sum(asked.values()) for _, asked in asked_by_block(plan.stages[0], source)))
        np.testing.assert_allclose(y.compute(scheduler="sync", memory=memory), expected, rtol=1e-6)
    assert decoded == sorted(decoded, reverse=True)
    assert decoded[0] > 2 * decoded[-1]


def test_blocks_are_cut_along_axes_that_are_kept_where_states_would_take_the_memory():
    """Of 1 TB: cut along the reduced axis, blocks hand on states of 164 MB each."""
    z = lz.create_array(
        lz.storage.MemoryStore(), shape=(12800, 12800, 1600), chunks=(128, 128, 16), dtype="f4"
    )
    y = z.lazy().map_overlap(lambda block: block, depth=1, dtype="f4").mean(axis=0)
    plan = y.explain(memory="1GB", num_workers=4)
    assert plan.fits
    assert plan.amplification < 2.5


def test_edges_take_nothing_of_a_plan(monkeypatch):
    """What lies beyond an array's edges is made of what blocks there ask for anyway, but where it is periodic."""
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    x = lz.from_array(Counting(NOISE), chunks=(4, 16, 16))
    plans = [
        planned(x.map_overlap(same, depth=4, boundary=boundary, dtype="f4")).stages
        for boundary in ("none", "reflect", "nearest", 7.0)
    ]
    assert len({(stage.decode, stage.memory.nested, stage.layout.tasks) for (stage,) in plans}) == 1


def test_workers_share_blocks_evenly_rather_than_decode_much_around_smaller_ones(monkeypatch):
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    x = lz.from_array(Counting(NOISE), chunks=(15, 16, 16))
    (stage,) = planned(x.map_overlap(same, depth=15, boundary="none", dtype="f4")).stages
    assert stage.layout.tasks == 4
    assert stage.decode < 1.8 * stage.least_decode
