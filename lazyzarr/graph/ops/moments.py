"""Variances of the values that count, in one pass: how many there are is known place by place only."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.pairs import pair, parted
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator, reduce_node

__all__ = ["PickedVariance", "merge_moments", "picked_variance"]

Array = np.ndarray[Any, Any]


class PickedVariance(Reduce):
    """The variance, or its root, of values paired with whether they count; options: ddof, root, whether the
    result is NaN, rather than a division by zero, where too few count."""

    __slots__ = ()
    copies = 4

    @property
    def label(self) -> str:
        """var or std."""
        return "std" if self.params[3][1] else "var"

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The mean, the sum of squared deviations, the count, and what the mean is counted from."""
        kind = self.operand.dtype["value"].kind
        wide = accumulator(self.dtype)
        mean = np.result_type(wide, np.complex128) if kind == "c" else wide
        return mean, wide, np.dtype(np.int64), mean

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Joins the tile's own mean and squared deviations.

        Values are taken less the mean of the first ones: the rounding of later means is then as small as the
        spread is, however far from zero all lies.
        """
        values, counts = parted(tile.values)
        number = np.add.reduce(counts, axis=self.axes, dtype=np.int64, keepdims=True)
        shift = state[3]
        fresh = (state[2] == 0) & (number > 0)
        if fresh.any():
            first = self._total(np.where(counts, values, values.dtype.type(0)), shift.dtype)
            np.copyto(shift, first / np.maximum(number, 1), where=fresh)
        apart = np.zeros(values.shape, shift.dtype)
        np.subtract(values, shift, out=apart, where=counts)
        mean = self._total(apart, shift.dtype) / np.maximum(number, 1)
        np.subtract(apart, mean, out=apart, where=counts)
        # The mean is rounded: what the deviations still add up to belongs to it.
        rest = self._total(apart, shift.dtype) / np.maximum(number, 1)
        squares = self._total(np.square(np.abs(apart)), state[1].dtype) - number * np.square(np.abs(rest))
        self.join(state, (mean + rest, squares, number, shift), before, 0)

    def _total(self, values: Array, dtype: np.dtype[Any]) -> Array:
        total: Array = np.add.reduce(values, axis=self.axes, dtype=dtype, keepdims=True)
        return total

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """The pairwise update of means and squared deviations, place by place."""
        fresh = state[2] == 0
        np.copyto(state[3], other[3], where=fresh)
        mean = other[0] + (other[3] - state[3])
        merge_moments(state, mean, other[1], other[2])

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, and their root where asked for."""
        ddof, root, quiet = self.params[3]
        free = np.maximum(state[2] - ddof, 0)
        with np.errstate(invalid="ignore", divide="ignore") if quiet else np.errstate():
            result = np.true_divide(np.maximum(state[1], 0), free)
        if quiet:
            result = np.where(free > 0, result, np.nan)
        found: Array = np.sqrt(result) if root else result
        return found.astype(self.dtype)


def merge_moments(state: State, mean: Any, squares: Any, number: Any) -> None:
    """Takes a mean, squared deviations and a count into those of a state, place by place; of none they say nothing."""
    own, total = state[2], state[2] + number
    share = number / np.maximum(total, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        delta = mean - state[0]
        both = own * share * np.square(np.abs(delta))
    some = number > 0
    fresh = own == 0
    np.copyto(state[1], np.where(fresh, squares, state[1] + squares + both), where=some)
    np.copyto(state[0], np.where(fresh, mean, state[0] + delta * share), where=some)
    state[2][...] = total


def picked_variance(
    values: Node,
    counts: Node,
    axes: tuple[int, ...],
    keepdims: bool,
    dtype: np.dtype[Any],
    ddof: float,
    root: bool,
    quiet: bool,
) -> PickedVariance:
    """The node of the variance of those values that count."""
    return reduce_node(PickedVariance, pair(values, counts), axes, keepdims, dtype, ddof, root, quiet)  # type: ignore[return-value]
