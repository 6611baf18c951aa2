"""Plans: what shares a pass, blocks that fit the workers and the budget, and a million chunks in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import plan, spreading
from lazyzarr.graph.plan import Budget, Output, plan_stages
from lazyzarr.graph.spreading import with_groups
from lazyzarr.graph.stage import partial_bytes
from lazyzarr.storage import MemoryStore

GB = 10**9


def planned(*lazies, memory=GB, workers=2, tiny=False):
    outputs = [Output(lazy.__lazyzarr_node__) for lazy in lazies]
    return plan_stages(outputs, Budget(memory, workers, tiny))


def virtual(shape, chunks, dtype="f8"):
    """A stored array without a chunk: nothing that is planned is ever read."""
    return lz.from_zarr(lz.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype=dtype))


MILLIONS = {
    "a cube": ((5000,) * 3, (50,) * 3),
    "rows": ((1_000_000, 125_000), (1, 125_000)),
    "one axis": ((125_000_000_000,), (125_000,)),
}


@pytest.mark.parametrize(("shape", "chunks"), MILLIONS.values(), ids=MILLIONS)
def test_a_million_chunks_are_planned_and_explained_in_little_memory(shape, chunks):
    x = virtual(shape, chunks)
    assert np.prod(x.numblocks) == 1_000_000
    tracemalloc.start()
    try:
        made = ((x * 2 + 1)[::2]).sum(axis=0).explain(memory="4GB", num_workers=2)
        text = repr(made)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert made.fits
    assert made.tasks <= made.bytes_decoded / 64e6
    assert (x.sum().explain(memory="4GB", num_workers=2)).tasks <= x.nbytes / 64e6
    assert f"{made.tasks:,}" in text


def test_reductions_of_one_array_share_a_pass():
    x = virtual((400, 400), (100, 100))
    (stage,) = planned(x.mean(), x.std(axis=0), x.min(axis=1), (x * 2).sum()).stages
    assert len(stage.reduces) == 4
    assert len({access.leaf for access in stage.accesses}) == len(stage.accesses) == 1


def test_a_pass_waits_for_what_it_reads():
    x = virtual((400, 400), (100, 100))
    centred = x - x.mean(axis=0)
    first, second, last = planned(centred.std(), centred).stages
    assert [stage.kind for stage in (first, second, last)] == ["reduce", "reduce", "map"]
    assert first.reduces[0].label == "mean"
    assert second.reduces[0].label == "std"


def test_twins_and_answers_that_a_pass_gives_anyway_are_planned_once():
    x = virtual((400,), (100,))
    assert [stage.kind for stage in planned(x.sum(), x.sum(), x + x.sum()).stages] == ["reduce", "map"]
    assert len(planned(x + 1, x + 1).stages[0].roots) == 1
    assert len(planned(x + 1, x + 2).stages[0].roots) == 2
    assert len(planned(x[:10] + 1, x + 2).stages) == 2


def test_one_worker_has_nobody_to_share_with():
    (stage,) = planned(virtual((2, 1000, 1000), (1, 1000, 1000)).sum(), workers=1).stages
    assert stage.layout.tasks == 1
    (stage,) = planned(virtual((64, 1000, 1000), (1, 1000, 1000)).sum(), workers=1).stages
    assert 1 < stage.layout.tasks <= 8


@pytest.mark.parametrize("workers", [2, 5])
def test_every_worker_gets_four_blocks_where_there_are_chunks(workers):
    x = virtual((64, 1000, 1000), (1, 1000, 1000))
    (stage,) = planned(x.sum(), workers=workers).stages
    assert stage.layout.tasks == 4 * workers
    (stage,) = planned(virtual((2, 1000, 1000), (1, 1000, 1000)).sum(), workers=workers).stages
    assert stage.layout.tasks == 2


def test_blocks_hold_the_reduced_axes_where_others_give_enough():
    x = virtual((64, 64, 10_000), (1, 64, 100))
    (stage,) = planned(x.mean(axis=0)).stages
    assert stage.layout.numblocks[0] == 1
    assert partial_bytes(stage.reduces, stage.layout.numblocks) == 0


def test_no_block_is_a_task_for_its_own_sake():
    (stage,) = planned(virtual((1000, 10), (10, 10)).sum(), workers=8).stages
    assert stage.layout.tasks == 1


def test_blocks_become_smaller_and_then_workers_fewer():
    x = virtual((10, 2000, 2000), (10, 20, 2000), "f4").mean(axis=0)
    roomy, tight, narrow = (planned(x, memory=m * 10**6, workers=4) for m in (2000, 75, 62))
    assert roomy.workers == tight.workers == 4
    assert tight.stages[0].layout.tasks > roomy.stages[0].layout.tasks
    assert 1 < narrow.workers < 4
    assert narrow.workers_why == f"{narrow.workers} at once: more would not fit the memory"
    for each in (roomy, tight, narrow):
        assert each.peak_memory <= each.memory


def test_what_cannot_fit_is_planned_as_small_as_it_can_be():
    x = virtual((10, 2000, 2000), (10, 20, 2000), "f4").mean(axis=0)
    made = planned(x, memory=10**6, workers=4)
    assert made.workers == 1
    assert made.peak_memory > made.memory
    assert made.peak_memory == planned(x, memory=made.peak_memory, workers=1).peak_memory


def test_the_peak_is_the_sum_of_its_parts():
    x = virtual((64, 1000, 1000), (1, 1000, 1000))
    made = planned(x.mean(axis=0), workers=3)
    (stage,) = made.stages
    parts = partial_bytes(stage.reduces, stage.layout.numblocks)
    assert made.results == 8_000_000
    assert made.peak_memory == 8_000_000 + parts + 3 * stage.memory.task + plan.BASE
    part = stage.memory
    assert part.task == part.chunks + part.encoded + part.registers + part.accumulators + part.unit
    # Fewer blocks than workers: only those are in use at once.
    one = plan.Stages(made.outputs, (with_groups(stage, (1, 1, 1)),), 3, made.memory, made.asked)
    assert one.peak_memory == 8_000_000 + one.stages[0].memory.task + plan.BASE


def test_reductions_that_are_read_later_count_as_results():
    x = virtual((64, 1000, 1000), (1, 1000, 1000))
    assert planned((x - x.mean(axis=0)).std()).results == 8_000_000 + 8


def test_tiny_chunks_are_read_by_one_thread_unless_the_number_was_given():
    small, large = virtual((100, 100, 100), (10, 10, 10)), virtual((4, 1000, 1000), (1, 1000, 1000))
    assert planned(small.sum(), tiny=True).workers == 1
    assert "smaller than" in planned(small.sum(), tiny=True).workers_why
    assert planned(small.sum(), tiny=False).workers == 2
    assert planned(large.sum(), tiny=True).workers == 2
    assert small.sum().explain(num_workers=2).workers == 2


def test_threads_share_stacks_of_chunks_that_would_be_too_small_alone():
    x = virtual((512, 512, 512), (16, 32, 32))  # 128 KiB
    stacked, lone = planned(x.sum(), tiny=True), planned((x.T * 2).argmax(axis=0), tiny=True)
    assert (stacked.workers, lone.workers) == (2, 1)
    assert lone.workers_why.startswith("1 thread: chunks are smaller than 200.0 kB")
    tiny = planned(virtual((512, 512, 512), (16, 16, 16)).sum(), tiny=True)
    assert tiny.workers == 1
    assert tiny.workers_why.startswith("1 thread: chunks are smaller than 50.0 kB")


def test_equal_expressions_are_planned_equally():
    """A worker plans for itself: its blocks must be the ones that the scheduler names."""
    x = virtual((64, 300, 300), (3, 100, 100))
    first, again = (planned((x - x.mean(axis=0)).rechunk(50)) for _ in range(2))
    for one, other in zip(first.stages, again.stages, strict=True):
        for level in ("blocks", "cells", "units", "tiles"):
            for a, b in zip(getattr(one.layout, level), getattr(other.layout, level), strict=True):
                np.testing.assert_array_equal(a, b)
        assert one.layout.order == other.layout.order


def test_blocks_whose_states_are_no_small_part_of_what_is_read_are_no_more_than_workers_want(monkeypatch):
    """Whatever the memory: to make and join such states took as long as to read what they are made of."""
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 1_000_000)
    x = virtual((256, 100_000), (1, 100_000))
    for memory in (GB, 100 * GB):
        wide, number = (planned(y, memory=memory).stages[0].layout.tasks for y in (x.mean(axis=0), x.mean()))
        assert wide == 16  # of 1.6 MB each, an eighth of what is read
        assert number > 100
