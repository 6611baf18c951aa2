"""Positions of extrema: argmin and argmax, those that pass over NaN, and the first extrema of complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.ops.reductions import Reduce, State, Tile

__all__ = ["FirstExtremum", "Position"]

Array = np.ndarray[Any, Any]


class Position(Reduce):
    """Where the first minimum or maximum stands; options: which ufunc compares, whether NaN is passed over.

    Along one axis positions are counted on it, over all axes in C order. Of equals, and of several NaN, the
    first one counts; NaN beats numbers, unless it is passed over.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """argmin or argmax."""
        return "argmin" if self._smallest else "argmax"

    @property
    def _smallest(self) -> bool:
        return bool(self.params[3][0] is np.minimum)

    @property
    def _passes_nan(self) -> bool:
        return bool(self.params[3][1]) and self.operand.dtype.kind in "fc"

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The extremum so far, where it stands, and whether there was a number, where NaN is passed over."""
        pair = self.operand.dtype.newbyteorder("="), np.dtype(np.int64)
        return (*pair, np.dtype(bool)) if self._passes_nan else pair

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Compares with the tile's first extremum."""
        numbers: tuple[Array, ...] = ()
        values, origin = tile.values, tile.origin
        if self._passes_nan:
            nan = np.isnan(values)
            numbers = (np.asarray(~nan.all(axis=self.axes, keepdims=True)),)
            # As NumPy does it: a number as bad as this one that comes later is not preferred.
            values = np.where(nan, values.dtype.type(np.inf if self._smallest else -np.inf), values)
        find = np.argmin if self._smallest else np.argmax
        if len(self.axes) == values.ndim:
            coords = np.unravel_index(int(find(values)), values.shape)
            number = 0
            for inside, start, n in zip(coords, origin, self.operand.shape, strict=True):
                number = number * n + int(inside) + start
            shape = state[1].shape
            self.join(state, (values[coords].reshape(shape), np.full(shape, number), *numbers), before, 0)
            return
        (axis,) = self.axes
        where = np.expand_dims(find(values, axis=axis), axis)
        self.join(state, (np.take_along_axis(values, where, axis), where + origin[axis], *numbers), before, 0)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """The better one of each."""
        mine, theirs = state[0], other[0]
        if before == 0:
            for old, new in zip(state, other, strict=True):
                old[...] = new
            return
        better, equal = self._compared(mine, theirs)
        better |= equal & (other[1] < state[1])
        np.copyto(mine, theirs, where=better)
        np.copyto(state[1], other[1], where=better)
        if len(state) == 3:
            np.logical_or(state[2], other[2], out=state[2])

    def _compared(self, mine: Array, theirs: Array) -> tuple[Array, Array]:
        """Whether theirs is the better one, and whether none is."""
        with np.errstate(invalid="ignore"):  # NumPy before 2.5 tells of NaN of bfloat16 and the like
            better = np.less(theirs, mine) if self._smallest else np.greater(theirs, mine)
        equal = theirs == mine
        if mine.dtype.kind in "fcmMV":
            lost, new = mine != mine, theirs != theirs  # NaN, NaT, also those of bfloat16 and the like
            better = (better & ~lost) | (new & ~lost)
            equal |= lost & new
        return better, equal

    def finish(self, state: State, count: int) -> Array:
        """The positions. Raises ValueError where all was NaN that is passed over."""
        if self._passes_nan and not state[2].all():
            raise ValueError("All-NaN slice encountered")
        return state[1].astype(self.dtype)


class FirstExtremum(Position):
    """The first minimum or maximum in C order, or the first NaN; options as Position.

    Of complex numbers equals differ by the signs of zeros, and NaN by the part that is none and by the other part.
    """

    __slots__ = ()
    copies = 3

    @property
    def label(self) -> str:
        """min or max, or with NaN passed over nanmin or nanmax."""
        return ("nan" if self._passes_nan else "") + ("min" if self._smallest else "max")

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The extremum so far, and where it stands."""
        return self.operand.dtype.newbyteorder("="), np.dtype(np.int64)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Compares with the tile's first extremum."""
        values = tile.values
        kept = [axis for axis in range(values.ndim) if axis not in self.axes]
        rows = values.transpose(*kept, *self.axes)
        rows = rows.reshape(*rows.shape[: len(kept)], self.count(values.shape))
        where = self._first(rows)
        number = np.zeros(where.shape, np.int64)
        inside = np.unravel_index(where, (1, *(values.shape[axis] for axis in self.axes)))[1:]
        for axis, at in zip(self.axes, inside, strict=True):
            number = number * self.operand.shape[axis] + (at + tile.origin[axis])
        best = np.take_along_axis(rows, where[..., None], -1)
        shape = state[0].shape
        self.join(state, (best.reshape(shape), np.reshape(number, shape)), before, 0)

    def _first(self, rows: Array) -> Array:
        """Where in each row its first extremum stands; where there are only NaN that are passed over, the first."""
        find = np.argmin if self._smallest else np.argmax
        if not self._passes_nan:
            return np.asarray(find(rows, axis=-1))
        nan, end = np.isnan(rows), np.inf if self._smallest else -np.inf
        where = np.asarray(find(np.where(nan, complex(end, end), rows), axis=-1))
        picked = np.take_along_axis(nan, where[..., None], -1)[..., 0]
        # A number as bad as what stands for NaN is a number still.
        return np.where(picked, nan.argmin(axis=-1), where)

    def _compared(self, mine: Array, theirs: Array) -> tuple[Array, Array]:
        better, equal = super()._compared(mine, theirs)
        if self._passes_nan:
            lost, new = np.isnan(mine), np.isnan(theirs)
            better = (better | lost) & ~new
        return better, equal

    def finish(self, state: State, count: int) -> Array:
        """The extrema."""
        return state[0]
