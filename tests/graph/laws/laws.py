"""The laws themselves: what must hold of every expression, however it is planned and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MemoryBudgetError
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.graph import optimize, run
from lazyzarr.graph.check import check
from lazyzarr.graph.combine import run_inline
from lazyzarr.graph.direct import direct_read
from lazyzarr.graph.lazy import LazyArray, compute_outputs
from lazyzarr.graph.node import Node
from lazyzarr.graph.plan import BASE, Budget, Output, plan_stages
from lazyzarr.graph.run import Job
from lazyzarr.graph.schedule import choose_scheduler
from lazyzarr.graph.spec import Shared
from lazyzarr.storage import MemoryStore
from tests.graph.laws.pool import Pool
from tests.graph.laws.sources import Sliced
from tests.graph.laws.values import Value, assert_same, quiet

__all__ = [
    "answers_are_their_own",
    "budget_is_kept",
    "each_rule_keeps_its_promise",
    "equal_to_numpy",
    "rewritten_equals_given",
    "stored_together",
    "written_and_read",
]


def equal_to_numpy(values: Sequence[Value], job: Job) -> None:
    """The answers of one run are NumPy's."""
    with quiet():
        answers = compute_outputs([value.lazy for value in values], job)
    for answer, value in zip(answers, values, strict=True):
        assert_same(answer, value)


def answers_are_their_own(value: Value) -> None:
    """What is done to an answer changes neither the sources nor the next answer."""
    with quiet():
        plan = value.lazy.explain(scheduler="sync")
        first, second = plan.run(), plan.run()
        if isinstance(first, np.ndarray):
            assert not np.shares_memory(first, second)
            first[...] = np.zeros((), first.dtype)
        third = plan.run()
    assert_same(second, value)
    assert_same(third, value)


def budget_is_kept(value: Value, spare: int) -> None:
    """A plan fits the budget and gives NumPy's values, or is refused before anything is read."""
    memory = BASE + spare
    plan = value.lazy.explain(memory=memory, num_workers=2)
    with quiet():
        if plan.fits:
            assert plan.peak_memory <= memory
            assert_same(value.lazy.compute(memory=memory, num_workers=2), value)
        elif _is_direct(value, memory):  # what needs no plan may fit where the plan for it would not
            assert_same(value.lazy.compute(memory=memory, num_workers=2), value)
        else:
            with _reads() as read, pytest.raises(MemoryBudgetError):
                value.lazy.compute(memory=memory, num_workers=2)
            assert not read


def _is_direct(value: Value, memory: int) -> bool:
    """Whether a value is read without a plan within so much memory."""
    outputs = [Output(value.lazy.__lazyzarr_node__)]
    return direct_read(outputs, choose_scheduler(None, 2), lambda: memory) is not None


@contextmanager
def _reads() -> Iterator[list[int]]:
    """Within: the bytes of each chunk that is decoded, and of each part of an array-like that is taken."""
    seen: list[int] = []
    read_into, read_part, getitem = ChunkReader.read_into, ChunkReader.read_part, Sliced.__getitem__

    def read(self: Any, coords: Any, out: Any, *rest: Any) -> Any:
        seen.append(out.nbytes)
        return read_into(self, coords, out, *rest)

    def part(self: Any, coords: Any, *rest: Any) -> Any:
        seen.append(self.new_chunk(coords).nbytes)  # all of it is decoded
        return read_part(self, coords, *rest)

    def sliced(self: Any, selection: Any) -> Any:
        found = getitem(self, selection)
        seen.append(found.nbytes)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChunkReader, "read_into", read)
        patch.setattr(ChunkReader, "read_part", part)
        patch.setattr(Sliced, "__getitem__", sliced)
        yield seen


def rewritten_equals_given(values: Sequence[Value]) -> None:
    """Rewritten expressions have the values of those given, and decode no more."""
    with quiet(), _reads() as less:
        found = _inline(values)
    with quiet(), _reads() as more, pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "optimize_outputs", list)
        given = _inline(values)
    for one, other, value in zip(found, given, values, strict=True):
        assert_same(one, value)
        assert_same(other, value)
    assert sum(less) <= sum(more), (less, more)


def _inline(values: Sequence[Value]) -> list[Any]:
    """The answers of a plan whose blocks run in their order, so that the same chunks are read each time."""
    outputs = [Output(value.lazy.__lazyzarr_node__) for value in values]
    spec, _ = run.make_spec(outputs, Job("sync"), guarded=False)  # nobody would remove temporary arrays
    spec.shared = Shared(spec.stages)
    return [np.asarray(answer)[()] for answer in run_inline(spec, None)]


@contextmanager
def each_rule_keeps_its_promise() -> Iterator[None]:
    """Within: what a rule makes of a node is planned, checked and computed, beside the node itself."""
    keeps = optimize.rewrite_keeps

    def compared(rule: str, before: Node, after: Node) -> None:
        keeps(rule, before, after)
        budget = Budget(10**9, 2)
        for node in (before, after):
            check(plan_stages([Output(node)], budget), "thread")
        with pytest.MonkeyPatch.context() as patch, quiet():
            patch.setattr(run, "optimize_outputs", list)
            one, other = compute_outputs([LazyArray(before), LazyArray(after)], Job("sync"))
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other, err_msg=rule)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimize, "rewrite_keeps", compared)
        yield


def written_and_read(pool: Pool) -> None:
    """What is written to a new array, or into a region of one, is read from it, whatever its chunks and shards."""
    value = pool.values[-1]
    shape = value.held.shape
    chunks = tuple(pool.integer(1, max(n, 1) + 1) for n in shape)
    words: dict[str, Any] = {"chunks": pool.pick(["keep", chunks])}
    if shape and words["chunks"] != "keep" and pool.coin() and value.held.dtype.kind not in "US":
        words["shards"] = tuple(pool.integer(1, 3) * c for c in chunks)
    else:
        words["zarr_format"] = 2
    with quiet():
        z = value.lazy.to_zarr(MemoryStore(), num_workers=2, **words)
        # What is stored has an order of bytes of its own.
        assert_same(np.asarray(z[...]).astype(value.lazy.dtype, casting="equiv")[()], value)
        _into_a_region(pool, value)


def stored_together(pool: Pool) -> None:
    """What is stored in several arrays at once, each in chunks of its own, is read from them."""
    values = [value for value in pool.values[-3:] if value.held.dtype.kind not in "US"]
    targets = []
    for value in values:
        shape = value.held.shape
        chunks = tuple(pool.integer(1, max(n, 1)) for n in shape)
        dtype = value.held.dtype
        targets.append(
            lz.create_array(MemoryStore(), shape=shape, dtype=dtype, chunks=chunks, fill_value=None)
        )
    with quiet():
        lz.store([value.lazy for value in values], targets, num_workers=2)
    for value, target in zip(values, targets, strict=True):
        assert_same(np.asarray(target[...]), value._replace(lazy=target.lazy()))


def _into_a_region(pool: Pool, value: Value) -> None:
    """A region of a larger array takes the values, and nothing else of it changes."""
    shape = value.held.shape
    if value.held.dtype.kind in "US":
        return
    before = tuple(pool.integer(0, 3) for _ in shape)
    larger = tuple(low + n + pool.integer(0, 3) for low, n in zip(before, shape, strict=True))
    chunks = tuple(pool.integer(1, max(n, 1)) for n in larger)
    target = lz.create_array(
        MemoryStore(), shape=larger, dtype=value.held.dtype, chunks=chunks, fill_value=None
    )
    expected = np.zeros(larger, value.held.dtype)
    place = tuple(slice(low, low + n) for low, n in zip(before, shape, strict=True)) or ...
    target[...] = expected
    target[place] = value.lazy
    expected[place] = value.held
    assert_same(np.asarray(target[...]), value._replace(held=expected, lazy=target.lazy()))
