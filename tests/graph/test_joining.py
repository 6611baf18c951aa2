"""Joined arrays: what lies across a seam is right, each chunk is decoded once, and no block is held besides."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.graph import program as programs
from lazyzarr.graph.access import accesses_below
from lazyzarr.graph.leaves import ChunkCache
from lazyzarr.graph.ops.joining import Concatenate
from lazyzarr.graph.plan import Output, plan_stages
from lazyzarr.graph.program import Programs, compile_program, joined_within
from lazyzarr.graph.stage import Budget

MODES = ["constant", "edge", "wrap", "reflect", "symmetric"]


def stored(values, chunks, name):
    z = lz.create_array(f"{name}.zarr", shape=values.shape, chunks=chunks, dtype=values.dtype)
    z[...] = values
    return lz.from_zarr(z)


def pieces(axis, lengths=(7, 1, 16, 3), other=9):
    """Arrays that differ in length along an axis and in their chunks along both, and all of them joined."""
    rng = np.random.default_rng(7)
    arrays, lazies = [], []
    for i, n in enumerate(lengths):
        shape = (n, other) if axis == 0 else (other, n)
        arrays.append(rng.normal(size=shape))
        lazies.append(stored(arrays[-1], (1 + i % 3, 2 + i), f"{axis}-{i}-{n}"))
    return np.concatenate(arrays, axis), np.concatenate(lazies, axis)


def node_of(lazy):
    return lazy.__lazyzarr_node__


USES = {
    "all": lambda v: v,
    "a part over two seams": lambda v: v[2:25, 1:8],
    "backwards": lambda v: v[::-1, ::-1],
    "steps": lambda v: v[1::5, ::2],
    "steps backwards": lambda v: v[::-4, 7::-3],
    "differences along": lambda v: v[1:] - v[:-1],
    "differences across": lambda v: v[:, 2:] * v[:, :-2],
    "far differences": lambda v: v[13:] - v[:-13],
    "a stencil": lambda v: v[2:] + v[1:-1] * 3 - v[:-2],
    "both ends": lambda v: v[:10] + v[-10:][::-1],
    "transposed": lambda v: (v.T + 1)[:, ::-1],
    "a sum along": lambda v: v.sum(0),
    "a mean across": lambda v: v.mean(1),
    "a variance of a part": lambda v: v[3:22].var(),
    "less its mean": lambda v: v - v.mean(0),
    "joined again": lambda v: np.concatenate([v[5:], v * 2, v[:3]], 0),
    "joined the other way": lambda v: np.concatenate([v[:, 3:], v, v[:, ::-1]], 1),
    "sorted": lambda v: np.sort(v[1:-1], 0),
    "running totals": lambda v: np.cumsum(v[::2], 0),
    "picked": lambda v: v[np.array([9, 0, 26, 8, 7])],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("axis", [0, 1])
def test_across_seams_all_is_as_numpy_has_it(axis, use):
    values, lazy = pieces(axis)
    if axis == 1:
        values, lazy = values.T, lazy.T
    np.testing.assert_allclose(use(lazy).compute(), use(values), rtol=1e-13, atol=1e-13)


def test_parts_of_which_nothing_is_stored_keep_their_own_values():
    z = lz.create_array("sparse.zarr", shape=(2,), chunks=(1,), dtype="i1", fill_value=7)
    z[1:] = 3
    x = lz.from_zarr(z)
    np.testing.assert_array_equal(np.pad(x, 1).compute(), [0, 7, 3, 0])
    np.testing.assert_array_equal(np.concatenate([x * 0, x]).compute(), [0, 0, 7, 3])


@pytest.mark.parametrize("chunks", [(1, 9), (4, 4), (27, 2), (10, 10)])
def test_units_across_seams_are_written_whole(chunks, tmp_path):
    values, lazy = pieces(0)
    z = (lazy + 1).to_zarr(tmp_path / "out.zarr", chunks=chunks)
    np.testing.assert_array_equal(z[...], values + 1)
    z[3:20, 1:5] = lazy[4:21, :4] * 2
    np.testing.assert_array_equal(z[3:20, 1:5], values[4:21, :4] * 2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [((1, 1), (0, 0)), ((2, 0), (0, 3)), ((9, 31), (14, 2))])
def test_pads_of_every_mode_and_what_is_made_of_them(mode, width):
    values = np.random.default_rng(3).normal(size=(11, 7))
    padded, expected = np.pad(stored(values, (4, 3), "pad"), width, mode), np.pad(values, width, mode)
    for use in ("all", "backwards", "differences along", "differences across", "steps backwards"):
        np.testing.assert_array_equal(USES[use](padded).compute(), USES[use](expected))


@pytest.mark.parametrize("shape", [(5, 6, 4), (4, 3, 2, 3)])
def test_pads_of_many_axes(shape):
    values = np.arange(float(np.prod(shape))).reshape(shape)
    x = stored(values, (2,) * len(shape), f"deep-{len(shape)}")
    np.testing.assert_array_equal(np.pad(x, 2, "wrap").compute(), np.pad(values, 2, "wrap"))


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_pads_along_several_axes(data):
    """Blocks lie beside the chunks that they repeat, or are blocks of their own where there are more elements."""
    shape = data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=3))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    width = [data.draw(st.tuples(st.integers(0, 16), st.integers(0, 16))) for _ in shape]
    mode = data.draw(st.sampled_from(["edge", "wrap", "reflect", "symmetric"]))
    values = np.arange(np.prod(shape)).reshape(shape)
    lazy, expected = np.pad(lz.from_array(values, chunks=chunks), width, mode), np.pad(values, width, mode)
    assert lazy.shape == expected.shape
    np.testing.assert_array_equal(lazy.compute(), expected)
    part = tuple(slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in expected.shape)
    np.testing.assert_array_equal(lazy[part][..., ::-1].compute(), expected[part][..., ::-1])


def test_pads_along_all_axes_decode_little_twice_and_take_little_memory(tmp_path):
    """They were planned as 27 joined parts, of which the edges were read for each block."""
    z = lz.create_array(tmp_path / "z.zarr", shape=(512, 512, 512), chunks=(64, 128, 128), dtype="f4")
    for mode, times in {"edge": 2, "reflect": 2, "symmetric": 2, "wrap": 6}.items():
        plan = np.pad(z, 8, mode).to_zarr(tmp_path / "out.zarr", compute=False, memory="256MB")
        assert plan.fits
        assert plan.amplification < times
    long = lz.create_array(tmp_path / "long.zarr", shape=(100_000, 64, 64), chunks=(10, 64, 64), dtype="f4")
    plan = np.pad(long, ((1, 1), (0, 0), (0, 0)), "edge").explain(memory="4GB")
    assert plan.stages[0].decode < 1.01 * long.nbytes


@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 1)), min_size=1, max_size=6), st.integers(1, 13)
)
@settings(deadline=None, max_examples=60)
def test_rolls_upon_rolls(moves, chunk):
    values = np.random.default_rng(11).normal(size=(20, 13))
    lazy = lz.from_array(values, chunks=(chunk, 5))
    for by, axis in moves:
        values = values + np.roll(values, by, axis) * 0.5
        lazy = lazy + np.roll(lazy, by, axis) * 0.5
    np.testing.assert_array_equal(lazy.compute(), values)


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6), st.integers(1, 15), st.data())
@settings(deadline=None, max_examples=60)
def test_pieces_of_any_length_in_any_part(lengths, chunk, data):
    whole = np.arange(float(sum(lengths)))
    ends = list(itertools.accumulate(lengths, initial=0))
    parts = [lz.from_array(whole[a:b], chunks=chunk) for a, b in itertools.pairwise(ends)]
    joined = np.concatenate(parts)
    where = data.draw(st.slices(len(whole)))
    np.testing.assert_array_equal(joined[where].compute(), whole[where])
    np.testing.assert_array_equal((joined[1:] - joined[:-1]).compute(), whole[1:] - whole[:-1])


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=150)
def test_parts_of_joined_arrays_beside_the_same_parts_of_what_is_joined(seed):
    """Regions of both that have the same numbers, each in places of its own, are not the same elements."""
    rng = np.random.default_rng(seed)
    first, last = (rng.integers(0, 1000, int(rng.integers(1, high))) for high in (4, 12))
    lazy = lz.from_array(last, chunks=int(rng.integers(1, len(last) + 1)))
    joined = np.concatenate([lz.from_array(first, chunks=1), lazy])
    n = int(rng.integers(1, len(last) + 1))
    values = []
    for whole, held in ((joined, np.concatenate([first, last])), (lazy, last)) * 2:
        start = int(rng.integers(0, len(held) - n + 1))
        values.append((whole[start : start + n], held[start : start + n]))
    together = [sum(each[1:], each[0] * 3) for each in zip(*values, strict=True)]
    values.append(tuple(together))
    for got, (_, held) in zip(lz.compute(*[each for each, _ in values]), values, strict=True):
        np.testing.assert_array_equal(got, held)


@pytest.mark.parametrize("by", [1, -2])
@pytest.mark.parametrize("chunk", [1, 4])
def test_blocks_of_a_function_beside_themselves_rolled(by, chunk):
    called = []

    def twice(block):
        called.append(len(block))
        return block * 2

    values = np.arange(6)
    blocks = lz.from_array(values, chunks=chunk).map_blocks(twice, dtype=int)
    called.clear()
    rolled = np.roll(blocks, by)
    got = lz.compute(blocks, rolled, blocks + rolled)
    expected = values * 2, np.roll(values * 2, by), values * 2 + np.roll(values * 2, by)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(called) == set(blocks.chunks[0])


def test_a_users_function_of_blocks_sees_joined_ones():
    values, lazy = pieces(0)
    seen = []

    def note(block):
        seen.append(block.shape)
        return block * 2

    got = lazy.rechunk((10, 9)).map_blocks(note, dtype="f8").compute(num_workers=1)
    np.testing.assert_array_equal(got, values * 2)
    assert sorted(seen) == [(7, 9), (10, 9), (10, 9)]


def test_around_a_block_lies_what_is_joined():
    values, lazy = pieces(0)
    got = lazy.rechunk((5, 9)).map_overlap(lambda b: b + np.roll(b, 1, 0), depth={0: 1}, boundary="periodic")
    np.testing.assert_array_equal(got.compute(), values + np.roll(values, 1, 0))


# --- what is read, and what is held


@pytest.fixture
def decoded(monkeypatch):
    """How often each chunk was decoded."""
    count: Counter[tuple[str, tuple[int, ...]]] = Counter()
    read_into = ChunkReader.read_into

    def counted(self, coords, out, scratch):
        count[self._url, self._path, coords] += 1
        return read_into(self, coords, out, scratch)

    monkeypatch.setattr(ChunkReader, "read_into", counted)
    return count


def test_each_chunk_of_joined_arrays_is_decoded_once(decoded):
    _, lazy = pieces(0)
    (lazy * 2).compute(num_workers=1)
    assert set(decoded.values()) == {1}
    assert len(decoded) == 7 * 5 + 1 * 3 + 6 * 3 + 3 * 2


def test_a_part_reads_only_the_arrays_that_it_touches(decoded):
    values, lazy = pieces(0)
    np.testing.assert_array_equal((lazy - 1)[8:12].compute(), values[8:12] - 1)
    assert len({path for _, path, _ in decoded}) == len({url for url, _, _ in decoded}) == 1


def test_only_tiles_across_a_seam_are_put_together():
    x = lz.from_array(np.arange(100.0), chunks=10)
    root = node_of(np.concatenate([x, x * 2, x]))
    joined = joined_within((root,), root.shape)
    assert joined == {root}
    inside = compile_program((root,), (10,), joined, (20,))
    assert [step for step in inside.steps if not step.is_view] == []
    assert inside.limits == {0: (0, 90)}
    across = compile_program((root,), (10,), joined, (95,))
    assert [step.node for step in across.steps if isinstance(step.node, Concatenate)] == [root]
    assert across.limits == {0: (95, 95)}
    assert sorted(load.shape for load in across.loads) == [(5,), (5,)]


def test_tiles_that_seams_cut_alike_share_a_program():
    x = lz.from_array(np.arange(100.0), chunks=10)
    root = node_of(np.concatenate([x, x * 2, x]))
    found = Programs((root,), joined_within((root,), root.shape))
    assert len({found.at((10,), (at,)) for at in range(0, 300, 10)}) == 3
    assert len({found.at((7,), (at,)) for at in range(0, 294, 7)}) == 3 + 2


def test_programs_that_are_too_many_are_compiled_again(monkeypatch):
    monkeypatch.setattr(programs, "MOST_PROGRAMS", 2)
    values, lazy = pieces(0)
    np.testing.assert_array_equal((lazy[1:] - lazy[:-1])[::-1].compute(), (values[1:] - values[:-1])[::-1])


def test_what_would_take_too_many_programs_is_made_in_blocks():
    x = lz.from_array(np.arange(1000.0), chunks=10)
    many = node_of(np.concatenate([x[i : i + 1] for i in range(100)]))
    assert joined_within((many,), many.shape) == frozenset()
    y = x
    for i in range(12):
        y = y + np.roll(y, 10**i % 997)
    inside = joined_within((node_of(y),), y.shape)
    assert 0 < len(inside) < 12
    found = programs.hulls_of((node_of(y),), y.shape, inside)
    assert max(map(len, found.values())) < 100


def stage_of(lazy, workers=1):
    (stage,) = plan_stages([Output(node_of(lazy))], Budget(10**9, workers)).stages
    return stage


def test_a_pad_holds_no_block_besides_what_it_is_made_of():
    x = lz.create_array("held.zarr", shape=(512, 512, 4), chunks=(512, 512, 1), dtype="f8")
    padded = np.pad(lz.from_zarr(x), [(0, 1), (0, 0), (0, 0)], mode="wrap")
    stage = stage_of(padded)
    assert stage.memory.chunks == 512 * 512 * 8  # the one chunk that is both the whole and the edge
    assert stage.decode == x.nbytes
    assert stage_of(padded * 2).memory.chunks == stage.memory.chunks


def test_chunks_of_arrays_joined_along_the_walk_are_counted():
    _, lazy = pieces(0)
    stage = stage_of(lazy)
    assert stage.decode == sum(
        access.chunk_nbytes * n for access, n in zip(stage.accesses, [7 * 5, 3, 6 * 3, 3 * 2], strict=True)
    )
    assert [access.reach(0, stage.domain) for access in stage.accesses] == [(0, 7), (7, 8), (8, 24), (24, 27)]
    assert stage.layout.cells[0].tolist() == sorted({*range(8), 8, *range(8, 25, 3), 24, 25, 26, 27})


def test_the_ends_of_a_rolled_array_are_no_one_access():
    x = lz.create_array("rolled.zarr", shape=(1000,), chunks=(10,), dtype="f8")
    rolled = node_of(np.roll(lz.from_zarr(x), 5))
    found = accesses_below(rolled)
    assert sorted(access.region[0].within for access in found) == [(0, 994), (995, 999)]


def test_a_chunk_that_a_tile_works_with_is_not_overwritten():
    made = []

    def fetch(coords, spare):
        chunk = np.empty(1) if spare is None else spare
        made.append(spare is None)
        chunk[0] = coords[0]
        return chunk

    cache = ChunkCache(fetch, 1)
    cache.begin("a tile")
    first, second = cache.get((1,)), cache.get((2,))
    assert (first[0], second[0]) == (1, 2)
    cache.begin("a tile")
    assert cache.get((3,))[0] == 3
    assert len(cache._kept) == 1  # what was too much is let go
    assert made == [True, True, False]


def test_arrays_that_one_task_reads_share_the_room_for_encoded_bytes():
    from lazyzarr.graph.bound import Leaves

    shapes = {"a": (100,), "b": (5000,), "c": (10,)}
    sources = [
        node_of(lz.from_zarr(lz.create_array(f"{name}.zarr", shape=shape, chunks=shape, dtype="f8")))
        for name, shape in shapes.items()
    ]
    leaves = Leaves(dict.fromkeys(sources, 1), {})
    for source in sources:
        leaves[source]
    assert len({id(user.raw) for user in leaves._room._users}) == 1
    assert len(leaves._room._raw) >= 5000 * 8
