"""Layouts: every cut nests in the next, tiles cover each block once, and no chunk is decoded twice in a block."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.graph import draft, spreading
from lazyzarr.graph.access import decoded_bytes
from lazyzarr.graph.evaluate import StageRunner
from lazyzarr.graph.layout import join_cuts, sizes_to_cuts, split_blocks, split_tiles, thin
from lazyzarr.graph.plan import Budget, Output, plan_stages
from tests.graph.counting import Counting, sink_of


@pytest.fixture(autouse=True, scope="module")
def _many_small_pieces():
    """Tiles and blocks of a few elements, so that small arrays have all levels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draft, "TILE_BYTES", 128)
        patch.setattr(spreading, "BLOCK_BYTES", 512)
        patch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
        yield


def planned_stages(lazy, sink=None, workers=2, memory=10**9):
    return plan_stages([Output(lazy.__lazyzarr_node__, sink)], Budget(memory, workers)).stages


def cuts_of(draw, n):
    inside = draw(st.sets(st.integers(1, n - 1), max_size=4)) if n > 1 else set()
    return np.array(sorted({0, n} | inside))


@st.composite
def cut_pairs(draw):
    n = draw(st.integers(1, 30))
    return cuts_of(draw, n), cuts_of(draw, n)


@given(cut_pairs())
def test_thin_keeps_what_comes_first_at_or_after_each_coarse_cut(pair):
    fine, coarse = pair
    assert thin(fine, coarse).tolist() == sorted({min(f for f in fine if f >= c) for c in coarse})


@given(cut_pairs())
def test_joined_cuts_hold_both(pair):
    assert join_cuts(*pair).tolist() == sorted({*pair[0], *pair[1]})


@given(st.lists(cut_pairs().map(lambda pair: pair[0]), min_size=1, max_size=3), st.integers(1, 200))
def test_split_tiles_nest_and_hold_no_more_than_the_limit(cuts, limit):
    tiles = split_tiles(cuts, limit)
    for before, after in zip(cuts, tiles, strict=True):
        assert set(before) <= set(after)
    largest = np.prod([np.diff(axis).max() for axis in tiles])
    assert largest <= max(limit, 1)


@given(cut_pairs(), st.integers(1, 50))
def test_blocks_are_whole_cells_as_many_as_asked_for_where_there_are(pair, count):
    (blocks,) = split_blocks([pair[0]], [count])
    assert set(blocks) <= set(pair[0])
    assert (blocks[0], blocks[-1]) == (pair[0][0], pair[0][-1])
    assert len(blocks) - 1 == min(count, len(pair[0]) - 1)


@st.composite
def grids(draw, shape):
    return tuple(tuple(np.diff(cuts_of(draw, n)).tolist()) for n in shape)


def part(x, axis, *bounds):
    """A slice of an array along one axis."""
    return x[(slice(None),) * axis + (slice(*bounds),)]


@st.composite
def far(draw, x):
    """What is made of elements that lie apart along an axis, or along two."""
    axis, other = draw(st.permutations(range(x.ndim)))[:2] if x.ndim > 1 else (0, 0)
    n, k = x.shape[axis], draw(st.integers(0, x.shape[axis] // 3))
    two = part(x, axis, k, None) - part(x, axis, None, n - k)
    three = part(x, axis, 2 * k, None) + part(x, axis, None, n - 2 * k) - 2 * part(x, axis, k, n - k)
    twice = part(two, other, 1, None) + part(two, other, None, -1)
    return draw(st.sampled_from([two, three, twice, two[::2]]))


@st.composite
def cases(draw):
    """A source, what is made of it, and the chunks of a target or None; several chunk grids at odds."""
    shape = tuple(draw(st.lists(st.integers(2, 14), min_size=1, max_size=3)))
    source = Counting(np.random.default_rng(0).integers(0, 50, shape))
    x = lz.from_array(source, chunks=draw(grids(shape)))
    other = lz.from_array(Counting(np.ones(shape)), chunks=draw(grids(shape)))
    y = draw(st.sampled_from([
        x,
        x * 2 + other,
        x[::-1] + other,
        x[1:] - x[:-1],
        x[::2],
        x.T * 3,
        x + x[-1],
        x.rechunk(3) - 1,
        draw(far(x)),
    ]))  # fmt: skip
    kind = draw(st.sampled_from(["result", "sum", "unit"]))
    if kind == "sum":
        axes = tuple(axis for axis in range(y.ndim) if draw(st.booleans()))
        return y.sum(axis=axes), None, [source]
    unit = tuple(draw(st.integers(1, n)) for n in y.shape) if kind == "unit" else None
    return y, unit, [source]


@settings(max_examples=150)
@given(cases(), st.integers(1, 4))
def test_every_level_of_cuts_nests_in_the_next_and_tiles_cover_all_once(case, workers):
    lazy, unit, _ = case
    for stage in planned_stages(lazy, sink_of(lazy, unit), workers):
        layout = stage.layout
        for blocks, cells, units, tiles, n in zip(
            layout.blocks, layout.cells, layout.units, layout.tiles, layout.domain, strict=True
        ):
            assert set(blocks) <= set(cells) <= set(units) <= set(tiles)
            assert (blocks[0], blocks[-1]) == (0, n)
        seen = np.zeros(layout.domain, int)
        for index in stage.blocks():
            bounds = layout.block(index)
            for unit, tiles in (((start, lengths), tiles) for start, lengths, tiles in layout.walk(index)):
                for tile in tiles:
                    seen[tuple(slice(low, low + n) for low, n in zip(*tile, strict=True))] += 1
                    for low, n, least, m, (first, last) in zip(*tile, *unit, bounds, strict=True):
                        assert first <= least <= low < low + n <= least + m <= last
        assert (seen == 1).all()


@settings(max_examples=150)
@given(cases(), st.integers(1, 4))
def test_no_block_decodes_a_chunk_twice(case, workers):
    """The capacity of each leaf is enough, and what the plan says is decoded is what is."""
    decodes_no_chunk_twice(*case, workers)


def decodes_no_chunk_twice(lazy, unit, sources, workers):
    for stage in planned_stages(lazy, sink_of(lazy, unit), workers):
        accesses = Counter(access.leaf for access in stage.accesses)
        fetched = 0
        for index in stage.blocks():
            for source in sources:
                source.asked.clear()
            StageRunner(stage, {}, lambda: False).run(index, None)
            for source in sources:
                assert max(source.asked.values(), default=0) <= max(accesses.values())
                fetched += sum(source.asked.values())
        leaf = [access for access in stage.accesses if access.leaf.array in sources]
        most = decoded_bytes(leaf, stage.layout.blocks, stage.domain) / max(leaf[0].chunk_nbytes, 1)
        assert fetched <= most


def test_what_one_access_keeps_outlives_what_another_asks_for():
    source = Counting(np.arange(30).reshape(3, 2, 5))
    x = lz.from_array(source, chunks=(1, 2, (1, 1, 1, 2)))
    decodes_no_chunk_twice(x + x[-1], (1, 1, 2), [source], 1)


def test_chunks_that_cells_end_in_are_kept_until_the_next_cell_asks_for_them():
    source = Counting(np.arange(72).reshape(8, 3, 3))
    x = lz.from_array(source, chunks=((1, 2, 5), (1, 2), 1))
    other = lz.from_array(Counting(np.ones(x.shape)), chunks=(4, 3, 2))
    decodes_no_chunk_twice(x[::-1] + other, (3, 2, 3), [source], 1)


def test_what_lies_in_two_chunks_is_cut_off():
    """But for chunks of which most is needed with the next one, and small ones, which are copied as fast."""
    values = np.arange(48 * 8.0).reshape(48, 8)
    x = lz.from_array(Counting(values), chunks=(16, 8))
    forward, three = x[1:] - x[:-1], x[3:] - x[:-3]
    (stage,) = planned_stages(forward)
    assert {15, 16, 31, 32} <= set(stage.layout.tiles[0].tolist())
    assert 16 in stage.layout.cells[0]
    assert 15 not in stage.layout.cells[0]
    (stage,) = planned_stages(three)
    assert 13 not in stage.layout.tiles[0]
    small = lz.from_array(Counting(values), chunks=(7, 1))
    (stage,) = planned_stages(small[1:] - small[:-1])
    assert 6 not in stage.layout.tiles[0]
    np.testing.assert_array_equal(forward.compute(), np.diff(values, axis=0))


@pytest.mark.parametrize(
    ("chunks", "others", "unit", "workers"),
    [
        (((1, 4, 2), (2, 1, 1), (3, 4)), ((4, 2, 1), (4,), (4, 2, 1)), (4, 3, 3), 2),
        (((2, 2, 1), (3, 2), (1, 1, 6)), ((3, 2), (3, 1, 1), (8,)), (3, 4, 1), 3),
    ],
)
def test_chunks_that_steps_along_two_axes_share_are_kept(chunks, others, unit, workers, monkeypatch):
    monkeypatch.setattr(draft, "TILE_BYTES", 512 * 1024)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 1_000_000)
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 128_000_000)
    shape = tuple(map(sum, chunks))
    source = Counting(np.zeros(shape))
    lazy = lz.from_array(source, chunks=chunks) + lz.from_array(Counting(np.ones(shape)), chunks=others)
    for stage in planned_stages(lazy, sink_of(lazy, unit), workers):
        for index in stage.blocks():
            source.asked.clear()
            StageRunner(stage, {}, lambda: False).run(index, None)
            assert max(source.asked.values()) == 1


def columns():
    """Values of which each row of tiles needs all chunks of a row, which the next row needs again."""
    source = Counting(np.arange(16 * 16.0).reshape(16, 16))
    x = lz.from_array(source, chunks=(8, 4))
    (stage,) = planned_stages(x, sink_of(x, (2, 16)), workers=1, memory=10**9)
    return source, spreading.with_groups(stage, (1, 1))


def test_capacity_is_what_prevents_decoding_twice(monkeypatch):
    source, stage = columns()
    assert stage.capacities == (4,)
    StageRunner(stage, {}, lambda: False).run((0, 0), None)
    assert sum(source.asked.values()) == 8
    # One chunk less, and every row of tiles decodes them all again.
    source.asked.clear()
    object.__setattr__(stage, "capacities", (3,))
    StageRunner(stage, {}, lambda: False).run((0, 0), None)
    assert sum(source.asked.values()) == 4 * 8


def test_a_reversed_walk_keeps_what_the_next_tile_shares():
    """Tiles of two against chunks that begin one later: the shared chunk must not be the one that goes."""
    source = Counting(np.arange(12.0))
    x = lz.from_array(source, chunks=((1, 2, 2, 2, 2, 2, 1),))
    y = x[::-1] + lz.from_array(Counting(np.ones((12, 100))), chunks=((2,) * 6, 100))[:, 0]
    (stage,) = planned_stages(y, workers=1)
    stage = spreading.with_groups(stage, (1,))
    StageRunner(stage, {}, lambda: False).run((0,), None)
    assert max(source.asked.values()) == 1


def test_the_walk_keeps_as_few_chunks_as_any_order():
    """Sums over the first axis: whole columns are walked, and one chunk is kept at a time."""
    x = lz.from_array(Counting(np.ones((32, 32))), chunks=(4, 4))
    (stage,) = planned_stages(x.sum(axis=0))
    assert stage.capacities == (1,)
    # Written in rows of two chunks each: the order that keeps a row, not a column.
    (stage,) = planned_stages(x, sink_of(x, (2, 32)), workers=1)
    assert stage.capacities == (8,)


def test_stepped_reads_count_only_the_chunks_they_touch():
    x = lz.from_array(Counting(np.ones(1000)), chunks=10)
    (stage,) = planned_stages(x[::100], workers=1)
    stage = spreading.with_groups(stage, (1,))
    assert stage.decode == 10 * 10 * 8


def test_what_neighbours_share_is_counted_in_both_blocks():
    x = lz.from_array(Counting(np.ones(40)), chunks=1)
    (stage,) = planned_stages(x[1:] - x[:-1], workers=4)
    assert stage.layout.tasks > 1
    assert stage.decode == 8 * (39 + stage.layout.tasks)


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_empty_and_scalar_domains_have_a_layout(shape):
    x = lz.from_array(np.ones(shape))
    (stage,) = planned_stages(x + 1)
    assert stage.layout.tasks == (0 if 0 in shape else 1)
    assert list(itertools.chain(*(stage.layout.walk(index) for index in stage.blocks()))) or 0 in shape


def test_sizes_become_cuts():
    assert sizes_to_cuts(()).tolist() == [0]
    assert sizes_to_cuts((3, 0, 2)).tolist() == [0, 3, 3, 5]


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_elements_that_lie_apart_are_of_chunks_that_are_read_once(chunk):
    """What was used last is kept: by then other chunks were used for the second time, which nobody needs any more."""
    source = Counting(np.arange(58.0))
    x = lz.from_array(source, chunks=chunk)
    calls = Counter()

    def noted(block, block_id=None):
        calls[block_id] += 1
        return block * 2

    for k in (4, 13, 23):
        for y in (x, x.map_blocks(noted, dtype="f8")):
            source.asked.clear()
            calls.clear()
            (y[k:] - y[:-k]).sum().compute(scheduler="sync")
            assert set(source.asked.values()) == {1}
            assert set(calls.values()) <= {1}
