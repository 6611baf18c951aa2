"""The law machine: random expressions over all operations, each beside what NumPy makes of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.graph.laws import arranging, counting, elementwise, reducing
from tests.graph.laws.blocks import STEPS as BLOCK_STEPS
from tests.graph.laws.pool import Pool, Step
from tests.graph.laws.sources import SHAPES, sources
from tests.graph.laws.values import MOST, Value

__all__ = ["STEPS", "expressions"]

FAMILIES: list[list[Step]] = [elementwise.STEPS, arranging.STEPS, reducing.STEPS, counting.STEPS, BLOCK_STEPS]
STEPS = [step for family in FAMILIES for step in family]


@st.composite
def expressions(draw: st.DrawFn, most: int = 7) -> Pool:
    """A pool of values, the last of which was made by up to `most` steps."""
    pool = Pool(draw, draw(sources(draw(SHAPES))))
    for _ in range(draw(st.integers(0, most))):
        step = draw(st.sampled_from(draw(st.sampled_from([*FAMILIES[:3], *FAMILIES]))))
        made: Value | None = step(pool)
        if made is not None and _of_use(made.held):
            pool.values.append(made)
    return pool


def _of_use(array: np.ndarray) -> bool:
    """Whether further steps may use an array."""
    plain = array.dtype.kind in "biufcmMUS" and array.dtype not in (np.longdouble, np.clongdouble)
    return array.size <= MOST and array.ndim <= 6 and plain
