"""One or two arrays in many places: parts of them joined, shifted and added to each other, all asked for at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.graph.laws.pool import Pool, Step
from tests.graph.laws.sources import sources
from tests.graph.laws.values import MOST, Value, both

__all__ = ["woven"]


@st.composite
def woven(draw: st.DrawFn) -> Pool:
    """A pool whose values are made of parts of one or two arrays, and of no others."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=2)))
    pool = Pool(draw, draw(sources(shape, ["i4"])))
    if pool.coin():
        pool.values.append(pool.source(shape, ["i4"]))
    for _ in range(draw(st.integers(2, 8))):
        made = draw(st.sampled_from(STEPS))(pool)
        if made is not None and 0 < made.held.size <= MOST:
            pool.values.append(made)
    return pool


def _any(pool: Pool) -> Value:
    value = pool.any()
    assert value is not None
    return value


def cut(pool: Pool) -> Value | None:
    """So many elements along the first axis, of which other cuts take as many."""
    value = _any(pool)
    n = min(pool.pick([1, 3, 5]), len(value.held))
    start = pool.integer(0, len(value.held) - n)
    return both(lambda v: v[start : start + n], value)


def join(pool: Pool) -> Value | None:
    """A value and itself, or another that fits, one behind the other."""
    value = _any(pool)
    fitting = [v for v in pool.values if v.held.shape[1:] == value.held.shape[1:]]
    other = pool.pick(fitting)
    return both(lambda v, w: np.concatenate([v, w, v][: 2 + (len(v) < 4)]), value, other)


def moved(pool: Pool) -> Value | None:
    """Rolled, reversed, padded, transposed."""
    value, by = _any(pool), pool.integer(-3, 3)
    widths = [(abs(by), 1)] + [(0, 0)] * (value.held.ndim - 1)
    functions: list[Any] = [
        lambda v: np.roll(v, by, 0), lambda v: v[::-1], lambda v: v.T, lambda v: np.pad(v, widths, "edge"),
        lambda v: np.pad(v, widths),
    ]  # fmt: skip
    return both(pool.pick(functions), value)


def added(pool: Pool) -> Value | None:
    """Two of one shape, each counted otherwise."""
    value = _any(pool)
    other = pool.pick([v for v in pool.values if v.held.shape == value.held.shape])
    return both(lambda v, w: v * 3 - w, value, other)


def mapped(pool: Pool) -> Value | None:
    """A function of blocks, which every element goes through."""
    return both(
        lambda v: v + 7 if isinstance(v, np.ndarray) else v.map_blocks(_seven, dtype=v.dtype), _any(pool)
    )


def _seven(block: Any) -> Any:
    return block + 7


STEPS: list[Step] = [cut, cut, join, moved, added, added, mapped]
