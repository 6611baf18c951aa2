"""Variances in one pass whose rounding does not show: in float64 and in longdouble, and of the values that count."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import deviations, double, long_deviations
from lazyzarr.graph.ops.deviations import Sums
from lazyzarr.graph.ops.double import Double, plus
from lazyzarr.graph.ops.pairs import pair, parted
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator, reduce_node
from lazyzarr.graph.ops.variances import Variance

__all__ = [
    "FineVariance",
    "PickedVariance",
    "folding_bytes",
    "join",
    "picked_variance",
    "states",
    "take",
    "variance",
]

Array = np.ndarray[Any, Any]


def _wide(operand: np.dtype[Any], result: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of sums of values: float64 or longdouble, or of complex values complex128 or clongdouble."""
    real = accumulator(result)
    return np.result_type(real, np.complex64) if operand.kind == "c" else real


def _is_long(state: State) -> bool:
    """Whether sums are of longdouble."""
    return state[0].real.itemsize > 8


def states(operand: np.dtype[Any], result: np.dtype[Any]) -> tuple[np.dtype[Any], ...]:
    """The dtypes of what is kept of values for their variance in a dtype."""
    wide, real = _wide(operand, result), accumulator(result)
    return (wide, wide, real, real) if real.itemsize > 8 else (wide,) * deviations.PARTS


def folding_bytes(elements: int, operand: np.dtype[Any], result: np.dtype[Any]) -> int:
    """What `take` makes on the way, of so many values."""
    wide = _wide(operand, result)
    if accumulator(result).itemsize > 8:
        return long_deviations.folding_bytes(elements, wide)
    return deviations.folding_bytes(elements, operand)


def take(
    state: State, values: Array, axes: tuple[int, ...], before: int | Array, mask: Array | None = None
) -> None:
    """Takes values, or those that a mask picks, into a state of `before`: a number, or an array, kept up to date."""
    values = np.asarray(values, state[0].dtype)
    if _is_long(state):
        with np.errstate(all="ignore"):
            number = deviations.number_of(values.shape, axes, mask)
            long_deviations.put(state, long_deviations.of(values, axes, number, mask), before, number)
        if isinstance(before, np.ndarray):
            before += number
        return
    mask = mask if mask is None else _beside(mask, state)
    deviations.take(_sums(state), double.parted(values), axes, _beside(before, state), mask)


def join(state: State, other: State, before: Any, count: Any) -> None:
    """Takes the state of `count` values into that of `before`: numbers, or arrays of them."""
    if _is_long(state):
        with np.errstate(all="ignore"):
            long_deviations.put(state, other, before, count)
    else:
        deviations.join(_sums(state), _sums(other), _beside(before, state), _beside(count, state))


def variance(state: State, number: Any, free: Any, rooted: bool) -> Array:
    """The squared deviations of so many values over the degrees of freedom, or the root of that."""
    if _is_long(state):
        return long_deviations.variance(state, free, rooted)
    return deviations.variance(_squared(state, number), free, rooted)


def _sums(state: State) -> Sums:
    """A state as sums of deviations, of complex values along a further axis for both parts: views."""
    return Sums(*map(double.parted, state))


def _beside(counts: Any, state: State) -> Any:
    """Counts as they fit sums: those of complex values have a further axis."""
    return counts[..., None] if state[0].dtype.kind == "c" and isinstance(counts, np.ndarray) else counts


def _squared(state: State, number: Any) -> Double:
    """Squared deviations, of complex values from both parts."""
    if state[0].dtype.kind != "c":
        return deviations.squared(_sums(state), number)
    high, low = deviations.squared(_sums(state), _beside(number, state))
    with np.errstate(all="ignore"):
        found = plus((high[..., 0], low[..., 0]), (high[..., 1], low[..., 1]))
    return found


class FineVariance(Variance):
    """The variance in float64 or longdouble; options as Variance."""

    __slots__ = ()

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """Sums of deviations."""
        return states(self.operand.dtype, self.dtype)

    def folding_bytes(self, elements: int) -> int:
        """What the sums of a tile take."""
        return folding_bytes(elements, self.operand.dtype, self.dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes the tile into the sums."""
        take(state, tile.values, self.axes, before)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes the other's sums into this one's."""
        join(state, other, before, count)

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, and their root where asked for."""
        ddof, root = self.params[3]
        return variance(state, count, max(count - ddof, 0), root).astype(self.dtype)


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
        return *states(self._values_dtype, self.dtype), np.dtype(np.int64)

    def folding_bytes(self, elements: int) -> int:
        """What the sums of a tile take."""
        return folding_bytes(elements, self._values_dtype, self.dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes those values that count into the sums."""
        values, counts = parted(tile.values)
        take(state[:-1], values, self.axes, state[-1], counts)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes the other's sums into this one's."""
        join(state[:-1], other[:-1], state[-1], other[-1])
        state[-1][...] += other[-1]

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, and their root where asked for."""
        ddof, root, quiet = self.params[3]
        free = np.maximum(state[-1] - ddof, 0)
        with np.errstate(invalid="ignore", divide="ignore") if quiet else np.errstate():
            result = variance(state[:-1], state[-1], free, root)
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
