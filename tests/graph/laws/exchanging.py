"""Arrays larger than a small budget, read across their chunks: some of them go through temporary arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.storage import MemoryStore
from tests.graph.laws.values import Value, both

__all__ = ["exchanges"]


@st.composite
def exchanges(draw: st.DrawFn) -> Value:
    """Lines of a stored array in slabs, sorted, reduced, or in other chunks."""
    shape = tuple(draw(st.integers(20, 60)) for _ in range(3))
    across = draw(st.integers(0, 2))
    chunks = tuple(draw(st.integers(1, 3)) if axis == across else n for axis, n in enumerate(shape))
    values = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 50, shape)
    values = values.astype(draw(st.sampled_from(["i2", "f4", "f8"])))
    z = lz.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype=values.dtype, compressors=None)
    z[...] = values
    value: Value | None = Value(z.lazy(), values, story=f"{shape} {values.dtype} in {chunks}")
    assert value is not None
    for function in (draw(st.sampled_from(BEFORE)), draw(st.sampled_from(_lines(across, shape)))):
        value = both(function, value)
        assert value is not None
    return value


BEFORE: list[Any] = [lambda v: v, lambda v: v + 1, lambda v: v[::-1], lambda v: v[:, 3:], lambda v: v * v[:1]]


def _lines(axis: int, shape: tuple[int, ...]) -> list[Any]:
    """What needs whole lines across the slabs."""
    pencils = tuple(n if i == axis else 5 for i, n in enumerate(shape))
    return [
        lambda v: np.sort(v, axis),
        lambda v: np.argsort(v, axis, stable=True),
        lambda v: np.median(v, axis).astype(v.dtype),
        lambda v: np.percentile(v, 75, axis, method="lower"),
        lambda v: v.rechunk(pencils) if hasattr(v, "rechunk") else v,
        lambda v: np.moveaxis(v, axis, -1).reshape(-1),
        lambda v: np.flip(np.cumsum(v.astype("i8"), axis), axis),
    ]
