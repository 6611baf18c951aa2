"""What a plan says is decoded is what is: of sources, below computed blocks too."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from tests.graph.counting import Counting

SHAPE, CHUNKS = (60, 32, 32), (4, 8, 8)
A = np.random.default_rng(0).normal(size=SHAPE).astype("f4")
CHUNK = 4 * 8 * 8 * 4
EACH_ROW = np.arange(60) % 12
SHUFFLED = np.random.default_rng(2).permutation(32)
POINTS = tuple(np.random.default_rng(1).integers(0, n, 50) for n in SHAPE)


def same(block):
    return block


AS_SAID = {
    "mean": lambda x: x.mean(0),
    "median": lambda x: np.median(x, axis=0),
    "quantiles": lambda x: np.quantile(x, [0.3, 0.9], axis=2),
    "sort": lambda x: np.sort(x, axis=0).mean(0),
    "sort along the last axis": lambda x: np.sort(x, axis=2).mean(0),
    "cumsum": lambda x: np.cumsum(x, axis=0).mean(0),
    "whole lines": lambda x: x.rechunk({0: -1}).map_blocks(lambda b: b, dtype="f4").mean(0),
    "rows in another order": lambda x: x[:, ::-1][:, SHUFFLED].mean(0),
    "function of lines": lambda x: np.apply_along_axis(np.sum, 0, x),
    "coarsen": lambda x: x.coarsen(np.mean, {1: 4, 2: 4}).mean(0),
    "coarsen, unevenly": lambda x: (
        x[:, :29, :31].rechunk((4, 8, 12)).coarsen(np.mean, {1: 2, 2: 4}, trim_excess=True).mean(0)
    ),
    "topk": lambda x: lnp.topk(x, 3, axis=0),
    "ffill": lambda x: x.ffill(0).mean(0),
    "anomaly": lambda x: (x - x.mean(0)).max(),
    "anomaly of medians": lambda x: (x - np.median(x, axis=0)).max(),
    "groups": lambda x: (x - x.groupby_reduce(EACH_ROW)[EACH_ROW]).max(),
    "points": lambda x: x.vindex[POINTS],
    "rows again and again": lambda x: x[[0, 59, 1, 58, 2, 57]].sum(),
    "overlap": lambda x: x.map_overlap(same, depth=2, boundary="reflect", dtype="f4").mean(0),
    "overlap along lines, periodic": lambda x: x.map_overlap(
        same, depth={0: 2}, boundary="periodic", dtype="f4"
    ).mean(0),
    "edges along all axes": lambda x: np.pad(x, 3, "edge").mean(0),
    "mirrored along all axes": lambda x: np.pad(x, 4, "reflect").mean(0),
    "part": lambda x: np.sort(x, axis=0)[:, :8, :8],
}
AT_MOST = {
    "matmul": lambda x: (x @ x.mT).mean(0),
    "tensordot": lambda x: np.tensordot(x, x, ([0, 1], [0, 1])),
    "reshape": lambda x: x.reshape(60, -1).mean(0),
    "overlap, periodic": lambda x: x.map_overlap(same, depth=2, boundary="periodic", dtype="f4").mean(0),
    "overlap, periodic and further than a chunk": lambda x: x.map_overlap(
        same, depth=9, boundary="periodic", dtype="f4"
    ).mean(0),
    "overlap, periodic along two axes": lambda x: x.map_overlap(
        same, depth={0: 2, 1: 3}, boundary="periodic", dtype="f4"
    ).mean(0),
    "mirrored further than a chunk": lambda x: np.pad(x, ((0, 0), (20, 3), (0, 30)), "reflect"),
    "the other end along all axes": lambda x: np.pad(x, 3, "wrap").mean(0),
}


def read(function, **how):
    """What a plan says is decoded, and what is."""
    source = Counting(A)
    lazy = function(lz.from_array(source, chunks=CHUNKS))
    plan = lazy.explain(memory="100MB", num_workers=2, **how)
    source.asked.clear()
    plan.run()
    return plan, sum(source.asked.values()) * CHUNK, len(source.asked) * CHUNK


@pytest.mark.parametrize("name", AS_SAID)
def test_as_much_is_decoded_as_the_plan_says(name):
    plan, decoded, once = read(AS_SAID[name])
    assert plan.bytes_decoded == decoded
    assert plan.amplification == pytest.approx(decoded / once)
    assert "array -> " in str(plan)


@pytest.mark.parametrize("name", AT_MOST)
def test_no_more_is_decoded_than_the_plan_says(name):
    plan, decoded, _ = read(AT_MOST[name])
    assert 0 < decoded <= plan.bytes_decoded <= 3 * decoded


SCANS = {
    "along the first axis": lambda x: np.cumsum(x, axis=0),
    "one upon the other": lambda x: np.cumsum(np.cumsum(x, axis=0), axis=1),
    "turned": lambda x: np.cumsum(x, axis=0)[::-1].T,
    "with a part of itself": lambda x: np.cumsum(x, axis=0) + x[3:4],
}


@pytest.mark.parametrize("name", SCANS)
def test_scans_of_many_lines_read_each_chunk_as_often_as_the_plan_says(name):
    """More lines than blocks along them: they are walked one after the other, or all of them are in hand."""
    source = Counting(np.ones((12, 40, 40), "i4"))
    plan = SCANS[name](lz.from_array(source, chunks=(1, 2, 2))).explain(num_workers=2)
    plan.run()
    read = sum(source.asked.values()) / len(source.asked)
    assert read == pytest.approx(plan.amplification)
    assert read < 1.1


def test_passes_over_what_stays_in_memory_are_told_as_well():
    plan, decoded, once = read(np.median)
    assert decoded == once < plan.bytes_decoded


def test_work_below_computed_blocks_is_shared_among_the_workers():
    z = lz.create_array("z.zarr", shape=(2560, 512, 512), chunks=(64, 128, 128), dtype="f4")
    for lazy in (np.median(z.lazy(), axis=0), z.lazy().coarsen(np.mean, {1: 128, 2: 128}).sum()):
        assert lazy.explain(memory="1GB", num_workers=4).stages[-1].tasks >= 16
