"""The laws of the compute half: whatever the chunks, tiles, blocks, budget and scheduler, the values are NumPy's."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyzarr.graph import draft, spreading
from lazyzarr.graph.run import Job
from tests.graph.laws.exchanging import exchanges
from tests.graph.laws.laws import (
    answers_are_their_own,
    budget_is_kept,
    each_rule_keeps_its_promise,
    equal_to_numpy,
    rewritten_equals_given,
    stored_together,
    written_and_read,
)
from tests.graph.laws.machine import expressions
from tests.graph.laws.nearness import NAMES, floats, near_the_truth
from tests.graph.laws.pool import Pool
from tests.graph.laws.values import Value
from tests.graph.laws.weaving import woven

EXAMPLES = int(os.environ.get("LAZYZARR_LAWS", "120"))
SAME_EACH_TIME = "LAZYZARR_LAWS" not in os.environ

HOW = [("threads", 1), ("threads", 3), ("sync", 1)]


@pytest.fixture(autouse=True, scope="module")
def _many_small_pieces() -> Any:
    """Tiles of a few elements and blocks of a few bytes: every seam is crossed with small arrays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draft, "TILE_BYTES", 64)
        patch.setattr(spreading, "BLOCK_BYTES", 128)
        patch.setattr(spreading, "LEAST_BLOCK_BYTES", 16)
        yield


def law(share: int) -> Any:
    """One of so many parts of the examples."""
    return settings(max_examples=max(EXAMPLES // share, 5), deadline=None, derandomize=SAME_EACH_TIME)


@law(1)
@given(expressions(), st.sampled_from(HOW))
def test_any_expression_equals_numpy(pool: Pool, how: tuple[str, int]) -> None:
    equal_to_numpy(pool.values[-1:], Job(*how))


@law(3)
@given(expressions(), st.sampled_from(HOW))
def test_several_outputs_in_one_run_equal_numpy(pool: Pool, how: tuple[str, int]) -> None:
    equal_to_numpy(pool.values[-4:], Job(*how))


@law(2)
@given(woven(), st.sampled_from(HOW))
def test_parts_of_few_arrays_in_many_places_equal_numpy(pool: Pool, how: tuple[str, int]) -> None:
    equal_to_numpy([*pool.values[-4:], pool.values[0]], Job(*how))


@law(3)
@given(expressions())
def test_rewritten_expressions_equal_those_given_and_decode_no_more(pool: Pool) -> None:
    rewritten_equals_given(pool.values[-3:])


@law(4)
@given(expressions())
def test_what_a_rule_makes_of_a_node_equals_it(pool: Pool) -> None:
    with each_rule_keeps_its_promise():
        equal_to_numpy(pool.values[-3:], Job("sync"))


@law(4)
@given(expressions())
def test_answers_are_their_owners(pool: Pool) -> None:
    answers_are_their_own(pool.values[-1])


@law(4)
@given(expressions(), st.sampled_from([0, 100, 1000, 10_000, 100_000, 3_000_000]))
def test_a_plan_keeps_the_budget_or_is_refused(pool: Pool, spare: int) -> None:
    budget_is_kept(pool.values[-1], spare)


@law(4)
@given(expressions(most=4))
def test_what_is_written_is_read(pool: Pool) -> None:
    written_and_read(pool)


@law(6)
@given(expressions(most=4))
def test_what_is_stored_together_is_read(pool: Pool) -> None:
    stored_together(pool)


@law(6)
@given(exchanges(), st.integers(100, 1500))
def test_what_goes_through_temporary_arrays_equals_numpy(value: Value, spare: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draft, "TILE_BYTES", 8192)
        patch.setattr(spreading, "BLOCK_BYTES", 100_000)
        budget_is_kept(value, 1000 * spare)


@law(4)
@given(expressions(), st.sampled_from(HOW))
def test_map_blocks_is_called_once_a_chunk(pool: Pool, how: tuple[str, int]) -> None:
    lazy = pool.values[-1].lazy
    if 0 in lazy.shape:
        return
    calls: Counter[Any] = Counter()

    def record(block: Any, block_id: Any) -> Any:
        calls[block_id, block.shape] += 1
        return block

    mapped = lazy.map_blocks(record, dtype=lazy.dtype)
    equal_to_numpy([pool.values[-1]._replace(lazy=mapped)], Job(*how))
    expected = {
        (index, tuple(sizes[i] for sizes, i in zip(lazy.chunks, index, strict=True)))
        for index in np.ndindex(lazy.numblocks)
    }
    assert calls == dict.fromkeys(expected, 1)


@law(3)
@given(st.sampled_from(NAMES), floats(), st.sampled_from([None, 0, -1]))
def test_totals_of_floats_are_near_the_truth(name: str, arrays: Any, axis: Any) -> None:
    near_the_truth(name, arrays, axis)
