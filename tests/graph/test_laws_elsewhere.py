"""The laws where worker processes compute: the same values, or a refusal where they cannot see a store."""

from __future__ import annotations

import os

from hypothesis import given, settings

from lazyzarr.errors import StoreReachError
from lazyzarr.graph.run import Job
from tests.graph.laws.laws import equal_to_numpy
from tests.graph.laws.machine import expressions
from tests.graph.laws.pool import Pool

EXAMPLES = int(os.environ.get("LAZYZARR_LAWS", "120"))


@settings(max_examples=EXAMPLES // 24, deadline=None, derandomize="LAZYZARR_LAWS" not in os.environ)
@given(expressions())
def test_worker_processes_give_the_same(pool: Pool) -> None:
    try:
        equal_to_numpy(pool.values[-1:], Job("processes", 2))
    except StoreReachError:
        assert "stored" in pool.values[-1].story
