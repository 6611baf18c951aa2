"""Reductions by group, made group by group where that holds less and decodes no more."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.codecs import BloscCodec
from lazyzarr.format import chunk_parts
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.graph.ops import group_blocks
from lazyzarr.graph.ops.group_blocks import GroupBlocks
from lazyzarr.graph.ops.groups import GroupReduce
from lazyzarr.graph.optimize import optimize
from lazyzarr.graph.plan import Output, plan_stages
from lazyzarr.graph.stage import Budget

LABELS = np.array([2, 0, 1, 0, -1, 2, 0, 1, 1, 2, 0])
SHAPE = (11, 6, 40, 30)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(group_blocks, "LEAST_RESULT", 0)


def data(dtype="f8", axis=0):
    values = np.random.default_rng(3).normal(size=SHAPE) * 9
    return np.moveaxis(values.astype(dtype), 0, axis)


def lazy(values, axis=0, chunks=(1, 4, 40, 30), **words):
    chunks = tuple(np.moveaxis(np.empty(chunks, "i1"), 0, axis).shape)
    z = lz.create_array(
        lz.storage.MemoryStore(), shape=values.shape, chunks=chunks, dtype=values.dtype, **words
    )
    z[...] = values
    return lz.from_zarr(z)


def is_by_group(*lazies):
    pending = optimize([each.__lazyzarr_node__ for each in lazies])
    found = []
    while pending:
        node = pending.pop()
        found.append(node)
        pending.extend(node.inputs)
    return any(isinstance(node, GroupBlocks) for node in found)


def expected(values, how, axis):
    rows = np.moveaxis(values, axis, 0)
    one = {"sum": np.sum, "mean": np.mean, "min": np.min, "max": np.max, "var": np.var, "std": np.std}
    if how == "count":
        counts = np.bincount(LABELS[LABELS >= 0])
        found = np.broadcast_to(counts.reshape(-1, 1, 1, 1), (3, *rows.shape[1:]))
    else:
        found = np.stack([one[how](rows[g == LABELS], axis=0) for g in range(3)])
    return np.moveaxis(found, 0, axis)


@pytest.mark.parametrize("axis", [0, 1, 3])
@pytest.mark.parametrize("how", ["sum", "mean", "min", "max", "count", "var", "std"])
def test_each_group_is_what_numpy_makes_of_it(how, axis):
    values = data(axis=axis)
    y = lazy(values, axis).groupby_reduce(LABELS, how, axis)
    assert is_by_group(y)
    np.testing.assert_allclose(y.compute(), expected(values, how, axis), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        (y * 2 - 1).compute(), expected(values, how, axis) * 2 - 1, rtol=1e-12, atol=1e-13
    )


@pytest.mark.parametrize("dtype", ["f4", "i2", "c8"])
def test_of_any_dtype_and_written(dtype, tmp_path):
    values = data(dtype)
    y = lazy(values).groupby_reduce(LABELS, "mean", 0)
    z = y.to_zarr(tmp_path / "out.zarr", chunks=(2, 5, 9, 30))
    np.testing.assert_allclose(z[...], expected(values, "mean", 0), rtol=1e-5, atol=1e-5)


def test_parts_of_large_chunks_are_reduced_one_after_the_other(monkeypatch):
    monkeypatch.setattr(chunk_parts, "LARGE", 5_000)
    monkeypatch.setattr(chunk_parts, "PART", 1_000)
    monkeypatch.setattr(group_blocks, "SLAB_BYTES", 3_000)
    values = data(axis=0)
    x = lazy(values, chunks=(1, 1, 40, 30), compressors=BloscCodec(cname="zstd", blocksize=512))
    y = x.groupby_reduce(LABELS, "mean", 0)
    (node,) = optimize([y.__lazyzarr_node__])
    blocks = node if isinstance(node, GroupBlocks) else node.inputs[0]
    part = x.__lazyzarr_node__.array.parts_reader().grid.chunk_shape
    assert part[2] < blocks.slab[2] < 40
    assert blocks.slab[2] % part[2] == 0
    np.testing.assert_allclose(y.compute(), expected(values, "mean", 0), rtol=1e-12, atol=1e-13)


def test_each_chunk_is_decoded_once_and_no_state_of_all_groups_is_held(monkeypatch):
    count: Counter[tuple[int, ...]] = Counter()
    read_into = ChunkReader.read_into

    def counted(self, coords, out, scratch):
        count[coords] += 1
        return read_into(self, coords, out, scratch)

    monkeypatch.setattr(ChunkReader, "read_into", counted)
    y = lazy(data()).groupby_reduce(LABELS, "mean", 0)
    y.compute(num_workers=2)
    assert set(count.values()) == {1}
    assert len(count) == 10 * 2  # the chunks of no group are not read
    (stage,) = plan_stages([Output(optimize([y.__lazyzarr_node__])[0])], Budget(10**9, 1)).stages
    assert stage.kind == "map"
    assert stage.memory.accumulators == 0


def test_what_is_used_otherwise_is_reduced_in_one_pass():
    x = lazy(data())
    means = x.groupby_reduce(LABELS, "mean", 0)
    assert not is_by_group(means[LABELS] - x)
    assert not is_by_group(means[0])
    assert not is_by_group(means + means[::-1])
    assert not is_by_group(means - x.mean(0))
    assert not is_by_group(means, x.std(0))
    assert not is_by_group(lazy(data(), chunks=(2, 4, 40, 30)).groupby_reduce(LABELS, "mean", 0))


def test_small_results_are_reduced_in_one_pass(monkeypatch):
    monkeypatch.undo()
    assert not is_by_group(lazy(data()).groupby_reduce(LABELS, "mean", 0))


def test_chunks_of_groups_are_no_longer_than_the_sources_unless_they_are_small():
    z = lz.create_array("a.zarr", shape=(20, 2000, 1000), chunks=(2, 2000, 1000), dtype="f4")
    assert lz.from_zarr(z).groupby_reduce(np.arange(20) % 5, "mean", 0).chunks[0] == (2, 2, 1)
    z = lz.create_array("b.zarr", shape=(20, 2000), chunks=(2, 2000), dtype="f4")
    node = lz.from_zarr(z).groupby_reduce(np.arange(20) % 5, "mean", 0).__lazyzarr_node__
    assert isinstance(node, GroupReduce)
    assert node.chunks[0] == (5,)


def test_a_group_without_elements_has_no_least():
    with pytest.raises(ValueError, match="a group has no elements"):
        lazy(data()).groupby_reduce(np.where(LABELS == 1, 0, LABELS), "min", 0).compute()


def test_what_is_picked_for_each_day_does_not_cut_what_it_is_subtracted_from():
    z = lz.create_array("tas.zarr", shape=(730, 6, 8), chunks=(73, 6, 8), dtype="f4")
    tas = z.lazy()
    clim = tas.groupby_reduce(np.arange(730) % 12, "mean", num_groups=12)
    anomaly = tas - clim[np.arange(730) % 12]
    assert anomaly.chunks == tas.chunks
    assert "tas, clim -> result" in str(anomaly.explain(memory="100MB"))
