"""Joined: reductions of which two states join as two values do: extrema, products, whether all or any are true."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.ops.reductions import Reduce, State, Tile, accumulator

__all__ = ["Extremum", "Joined", "Logical", "Product"]

Array = np.ndarray[Any, Any]


class Joined(Reduce):
    """Values joined by a ufunc that takes two states as it takes two values; options: which ufunc."""

    __slots__ = ()

    @property
    def _ufunc(self) -> np.ufunc:
        return self.params[3][0]  # type: ignore[no-any-return]

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """What the values so far give."""
        return (self.dtype,)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Both by the ufunc."""
        if before == 0:
            state[0][...] = other[0]
        else:
            self._ufunc(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """What all values give."""
        return state[0]


class Extremum(Joined):
    """The minimum or maximum."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """min or max, or with NaN passed over nanmin or nanmax."""
        return _EXTREMA[self._ufunc.__name__]

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Compares with the tile's extremum; NaN and NaT win, as in NumPy."""
        if before == 0:
            self._ufunc.reduce(tile.values, axis=self.axes, keepdims=True, out=state[0])
        else:
            self.join(state, (self._ufunc.reduce(tile.values, axis=self.axes, keepdims=True),), before, 0)


_EXTREMA = {"minimum": "min", "maximum": "max", "fmin": "nanmin", "fmax": "nanmax"}


class Product(Reduce):
    """The product."""

    __slots__ = ()
    name = "prod"

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The product so far."""
        return (accumulator(self.dtype),)

    def start(self, shape: tuple[int, ...]) -> State:
        """One, for nothing."""
        return (np.ones(shape, self.state_dtypes()[0]),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Multiplies by the tile's product."""
        part = np.multiply.reduce(tile.values, axis=self.axes, dtype=state[0].dtype, keepdims=True)
        self.join(state, (part,), before, 0)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Multiplies by the other's product."""
        np.multiply(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The product in the result's dtype."""
        return state[0].astype(self.dtype)


class Logical(Reduce):
    """Whether all or any of the values are true; options: which ufunc."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """all or any."""
        return {"logical_and": "all", "logical_or": "any"}[self._ufunc.__name__]

    @property
    def _ufunc(self) -> np.ufunc:
        return self.params[3][0]  # type: ignore[no-any-return]

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The truth so far."""
        return (np.dtype(bool),)

    def start(self, shape: tuple[int, ...]) -> State:
        """True for all of nothing, false for any of nothing."""
        return (np.full(shape, self._ufunc.identity, bool),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Combines with the tile's truth."""
        self.join(state, (self._ufunc.reduce(tile.values, axis=self.axes, keepdims=True),), before, 0)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Both, or either."""
        self._ufunc(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The truth."""
        return state[0]
