"""The pool of the law machine: values made so far, from which steps draw, so that expressions share parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.graph.laws.sources import sources
from tests.graph.laws.values import Value, whole_numbers

__all__ = ["Pool", "Step", "exact"]


class Pool:
    """Values, and how steps draw them."""

    def __init__(self, draw: st.DrawFn, first: Value) -> None:
        self.draw, self.values = draw, [first]

    def __repr__(self) -> str:
        return "\n".join(f"{i}: {value.story}" for i, value in enumerate(self.values))

    def pick(self, options: Any) -> Any:
        """One of several."""
        return self.draw(st.sampled_from(list(options)))

    def coin(self) -> bool:
        """Heads or tails."""
        return self.draw(st.booleans())

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high."""
        return self.draw(st.integers(low, high))

    def any(self, kinds: str = "biufcmMUS", near: bool = True) -> Value | None:
        """A value of these kinds of dtype, of the ones made last rather than of others; None where there is none."""
        found = [v for v in self.values if v.held.dtype.kind in kinds and (near or not v.near)]
        return self.pick([*found, *found[-2:]]) if found else None

    def source(self, shape: tuple[int, ...], dtypes: Any = None) -> Value:
        """A new array of a shape."""
        return self.draw(sources(shape, dtypes))

    def fitting(self, value: Value, kinds: str = "biufcmMUS") -> Value:
        """One that broadcasts with another: of the pool, or new; now and then one that does not."""
        shape = value.held.shape
        same = [v for v in self.values if v.held.shape == shape and v.held.dtype.kind in kinds and not v.near]
        if same and self.coin():
            return self.pick(same)
        wanted = tuple(self.pick([n, n, n, 1]) for n in shape)[self.integer(0, len(shape)) :]
        if self.integer(0, 30) == 0:
            wanted = (*wanted, 5)
        dtypes = [
            d
            for d in ["?", "i2", "u1", "i8", "u8", "f2", "f4", "f8", "c8", ">i4", "m8[s]"]
            if np.dtype(d).kind in kinds
        ]
        return self.source(wanted, dtypes or None)

    def axis(self, value: Value) -> int:
        """An axis, counted from either end."""
        return self.integer(-value.held.ndim, value.held.ndim - 1)

    def axes(self, value: Value) -> Any:
        """None, one axis, or several."""
        ndim = value.held.ndim
        if not ndim or self.coin():
            return None
        if self.coin():
            return self.axis(value)
        return tuple(i for i in range(ndim) if self.coin())

    def slice(self, n: int) -> slice:
        """Any slice."""
        bounds = [self.pick([None, self.integer(-n - 1, n + 1)]) for _ in range(2)]
        return slice(*bounds, self.pick([None, 1, 2, 3, -1, -2]))


Step = Callable[[Pool], Value | None]


def exact(pool: Pool) -> Value | None:
    """A value whose sums are exact."""
    found = [v for v in pool.values if whole_numbers(v)]
    return pool.pick(found) if found else None
