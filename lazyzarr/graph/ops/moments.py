"""Variances in one pass whose rounding does not show: of float64 and complex128, and of the values that count."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import deviations, double
from lazyzarr.graph.ops.deviations import PARTS, Sums
from lazyzarr.graph.ops.double import Double, plus
from lazyzarr.graph.ops.pairs import pair, parted
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, Variance, reduce_node

__all__ = [
    "FineVariance",
    "PickedVariance",
    "apart",
    "beside",
    "join_counted",
    "picked_variance",
    "squared",
    "sums_of",
    "wide_of",
]

Array = np.ndarray[Any, Any]


def wide_of(operand: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of sums of values: complex128 of complex ones, else float64."""
    return np.dtype(np.complex128 if operand.kind == "c" else np.float64)


def apart(values: Array) -> Array:
    """Values in float64, of complex ones both parts along a further axis."""
    return double.parted(np.asarray(values, wide_of(values.dtype)))


def sums_of(state: State) -> Sums:
    """The first arrays of a state as sums of deviations: views."""
    return Sums(*map(double.parted, state[:PARTS]))


def beside(counts: Array, state: State) -> Array:
    """Counts as they fit sums: those of complex values have a further axis."""
    return counts[..., None] if state[0].dtype.kind == "c" else counts


def squared(state: State, number: Any) -> Double:
    """Squared deviations, of complex values from both parts."""
    if state[0].dtype.kind != "c":
        return deviations.squared(sums_of(state), number)
    high, low = deviations.squared(sums_of(state), beside(np.asarray(number), state))
    with np.errstate(all="ignore"):
        found = plus((high[..., 0], low[..., 0]), (high[..., 1], low[..., 1]))
    return found


def join_counted(state: State, other: State) -> None:
    """Takes another state into one, where each place has a count of its own: the array after the sums."""
    own, theirs = beside(state[PARTS], state), beside(other[PARTS], other)
    deviations.join(sums_of(state), sums_of(other), own, theirs)
    own += theirs


class FineVariance(Variance):
    """The variance in float64; options as Variance."""

    __slots__ = ()

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """Sums of deviations."""
        return (wide_of(self.operand.dtype),) * PARTS

    def folding_bytes(self, elements: int) -> int:
        """What cutting values in two takes."""
        return deviations.folding_bytes(elements, self.operand.dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes the tile into the sums."""
        deviations.take(sums_of(state), apart(tile.values), self.axes, before)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes the other's sums into this one's."""
        deviations.join(sums_of(state), sums_of(other), before, count)

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, and their root where asked for."""
        ddof, root = self.params[3]
        return deviations.variance(squared(state, count), max(count - ddof, 0), root).astype(self.dtype)


class PickedVariance(Reduce):
    """The variance, or its root, of values paired with whether they count; options: ddof, root, whether the
    result is NaN, rather than a division by zero, where too few count."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """var or std."""
        return "std" if self.params[3][1] else "var"

    @property
    def _values_dtype(self) -> np.dtype[Any]:
        return self.operand.dtype["value"]

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """Sums of deviations, and the count."""
        return (*(wide_of(self._values_dtype),) * PARTS, np.dtype(np.int64))

    def folding_bytes(self, elements: int) -> int:
        """What cutting values in two takes."""
        return deviations.folding_bytes(elements, self._values_dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes those values that count into the sums."""
        values, counts = parted(tile.values)
        number, counts = beside(state[PARTS], state), beside(counts, state)
        deviations.take(sums_of(state), apart(values), self.axes, number, counts)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes the other's sums into this one's."""
        join_counted(state, other)

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, and their root where asked for."""
        ddof, root, quiet = self.params[3]
        free = np.maximum(state[PARTS] - ddof, 0)
        with np.errstate(invalid="ignore", divide="ignore") if quiet else np.errstate():
            result = deviations.variance(squared(state, state[PARTS]), free, root)
        return (np.where(free > 0, result, np.nan) if quiet else result).astype(self.dtype)


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
