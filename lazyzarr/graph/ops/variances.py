"""Variances of less than float64: tiles' means and squared deviations, joined as they come.

They are joined by the pairwise update of T. F. Chan, G. H. Golub, R. J. LeVeque (1979).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator, sum_over

__all__ = ["Variance"]

Array = np.ndarray[Any, Any]
ROW = 128  # elements that float32 can add up without losing anything that counts
MANY_SQUARES = 64  # what one of so many rounds away in float32 is little of their mean


class Variance(Reduce):
    """The variance or standard deviation, in less than float64; options: ddof, whether the root is taken."""

    __slots__ = ()
    copies = 2

    @property
    def label(self) -> str:
        """var or std."""
        return "std" if self.params[3][1] else "var"

    @property
    def _mean_dtype(self) -> np.dtype[Any]:
        kind = self.operand.dtype.kind
        return (
            np.result_type(accumulator(self.dtype), np.complex128) if kind == "c" else accumulator(self.dtype)
        )

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The mean, and the sum of squared deviations."""
        return self._mean_dtype, accumulator(self.dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Joins the tile's own mean and squared deviations."""
        many = self.count(self.operand.shape) >= MANY_SQUARES
        if many and len(self.axes) == tile.values.ndim and tile.values.dtype == self.dtype == np.float32:
            self._fold_number(state, tile, before)
            return
        count = self.count(tile.values.shape)
        mean, values = self._mean(tile, count), tile.values
        # Deviations from the mean as the tile's own dtype holds it are nearly exact and need no wider
        # tile, unless there are few or a wider result was asked for; what that mean was off by is put right
        # afterwards.
        own = many and values.dtype.itemsize > 2 and values.real.dtype == self.dtype
        centre = mean.astype(values.dtype) if own else mean
        # Without axes NumPy gives a scalar, which nothing can be put into.
        total = self._squares(np.asarray(np.subtract(values, centre)), state[1].dtype)
        off = np.abs(mean - centre)
        total -= count * off * off
        _merge(state, mean, total, mean - state[0], before, count)

    def _fold_number(self, state: State, tile: Tile, before: int) -> None:
        """The same where all becomes one number: small tiles would spend their time on arrays of one element."""
        count = tile.values.size
        mean = float(tile.sum(self.axes, state[0].dtype).item()) / count
        centre = np.float32(mean)
        total, off = _sum_of_squares(np.subtract(tile.values, centre)), mean - float(centre)
        total -= count * off * off
        if before == 0:
            state[0][...], state[1][...] = mean, total
            return
        apart, all_of_them = mean - state[0].item(), before + count
        state[0][...] += apart * (count / all_of_them)
        state[1][...] += total + apart * apart * (before * count / all_of_them)

    def _mean(self, tile: Tile, count: int) -> Array:
        return tile.sum(self.axes, self._mean_dtype) / count

    def _squares(self, deviation: Array, dtype: np.dtype[Any]) -> Array:
        """The sum of squares; the deviations are overwritten."""
        real = deviation.dtype.kind != "c"
        squares = np.multiply(deviation, deviation, out=deviation) if real else np.square(np.abs(deviation))
        return sum_over(squares, self.axes, dtype)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """The pairwise update of means and squared deviations."""
        mean, total = other
        _merge(state, mean, total, mean - state[0], before, count)

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, never below zero, and their root where asked for."""
        ddof, root = self.params[3]
        result = np.true_divide(np.maximum(state[1], 0), max(count - ddof, 0))
        return (np.sqrt(result) if root else result).astype(self.dtype)


def _sum_of_squares(values: Array) -> float:
    """Of float32: short rows in float32 and their sum in float64, as exact, and with no float64 copy of the tile."""
    flat = values.reshape(-1)
    whole = flat.size - flat.size % ROW
    rows = flat[:whole].reshape(-1, ROW)
    total = float(np.add.reduce(np.vecdot(rows, rows), dtype=np.float64))
    return total + float(np.dot(flat[whole:], flat[whole:])) if whole < flat.size else total


def _merge(state: State, mean: Array, total: Array, delta: Array, before: int, count: int) -> None:
    """Takes the mean and squared deviations of `count` values into those of `before`, which are `delta` apart."""
    if before == 0:
        state[0][...], state[1][...] = mean, total
        return
    state[0][...] += delta * (count / (before + count))
    state[1][...] += total + np.square(np.abs(delta)) * (before * count / (before + count))
