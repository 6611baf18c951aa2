"""Sums and means, of floats in float64, and of float64 with the rounding error of each joint.

The errors are carried as by T. J. Dekker, "A floating-point technique for extending the available precision", 1971.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyzarr.graph.ops import fine_sums
from lazyzarr.graph.ops.double import over, parted, two_sum
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator

__all__ = ["Mean", "Sum"]

Array = np.ndarray[Any, Any]
MANY_TILES = 8  # what one of so many rounds away, even of a mean, is little of the total


class Sum(Reduce):
    """The sum."""

    __slots__ = ()
    name = "sum"

    @property
    def _exact(self) -> bool:
        """Whether additions of accumulators have no rounding error worth carrying."""
        return not (self.dtype.kind in "fc" and accumulator(self.dtype) == self.dtype)

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The sum, and the error of its joints where it has the result's own precision."""
        wide = accumulator(self.dtype)
        return (wide,) if self._exact else (wide, wide)

    @property
    def _fine(self) -> bool:
        """Whether a tile's sum is found in two numbers."""
        return self.dtype in (np.float64, np.complex128) and self.operand.dtype == self.dtype

    def folding_bytes(self, elements: int) -> int:
        """What finding the sum of a tile in two numbers takes."""
        return fine_sums.folding_bytes(elements, self.dtype) if self._fine else 0

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Adds the tile's sum: in two numbers, where it is one of few. Of many each rounds away little of the total."""
        if not self._fine or MANY_TILES * self.count(tile.values.shape) <= self.count(self.operand.shape):
            _add(state, tile.sum(self.axes, state[0].dtype))
            return
        for kept, total, rest in fine_sums.sums_of(tile.values, self.axes):
            own = tuple([part[kept] for part in state])
            _add(own, total)
            if rest is not None:
                np.add(own[1], rest, out=own[1])

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Adds the other's sum."""
        for part in other:
            _add(state, part)

    def finish(self, state: State, count: int) -> Array:
        """The sum in the result's dtype."""
        return _total(state).astype(self.dtype)


class Mean(Sum):
    """The arithmetic mean."""

    __slots__ = ()
    name = "mean"

    def finish(self, state: State, count: int) -> Array:
        """The sum over the count; NaN with NumPy's warning where there is nothing."""
        total = _total(state)
        if total.dtype.kind == "m":
            return (total / count).astype(self.dtype)
        found = np.true_divide(total, count, dtype=total.dtype)
        if self._fine and count:
            with np.errstate(all="ignore"):
                near = over(two_sum(*map(parted, state)), float(count))[0]
            # What is not finite, or so large that it has no second number, is as NumPy divides it.
            near = np.where(np.isfinite(near), near, parted(found))
            found = near.view(total.dtype)[..., 0] if total.dtype.kind == "c" else near
        return found.astype(self.dtype)


def _add(state: State, part: Array) -> None:
    """Adds to a sum, and what rounding lost to its second array, where it has one (TwoSum)."""
    total = state[0]
    if len(state) == 1:
        np.add(total, part, out=total)
        return
    if total.size == 1 and total.dtype == np.float64:
        whole, lost = _two_sum(total.item(), part.item())
        total[...] = whole
        if lost:
            state[1][...] += lost
        return
    with np.errstate(invalid="ignore", over="ignore"):
        new = total + part
        shadow = new - total
        error = (total - (new - shadow)) + (part - shadow)
        # Beyond infinity there is no error to carry, only NaN from inf - inf.
        state[1][...] += np.where(np.isfinite(error), error, 0)
    total[...] = new


def _two_sum(a: float, b: float) -> tuple[float, float]:
    """The sum as it is rounded, and what rounding took from it: nothing where there is no number left.

    >>> _two_sum(1.0, 2.0**-60) == (1.0, 2.0**-60)
    True
    """
    new = a + b
    shadow = new - a
    lost = (a - (new - shadow)) + (b - shadow)
    return new, lost if math.isfinite(lost) else 0.0


def _total(state: State) -> Array:
    """The sum with its carried error."""
    return state[0] + state[1] if len(state) == 2 else state[0]
