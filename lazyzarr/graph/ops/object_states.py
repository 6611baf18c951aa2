"""Reductions whose states are not arrays of a known size: a user's own, and the different values of an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lazyzarr.errors import MemoryBudgetError
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.lending import Loan, owned
from lazyzarr.graph.ops.reductions import Reduce, State, Tile, reduce_node
from lazyzarr.graph.ops.user import note_user_error, promised, user_call
from lazyzarr.settings import format_bytes

__all__ = ["Distinct", "UniqueValues", "UserReduce", "unique_values", "user_reduce"]

Array = np.ndarray[Any, Any]
TOGETHER = 8  # parts of a user's reduction that are joined at once


class ObjectReduce(Reduce):
    """A reduction with a Python object at the first place of each part of the kept axes, None elsewhere."""

    __slots__ = ()

    def start(self, shape: tuple[int, ...]) -> State:
        """Nothing yet."""
        return (np.full(shape, None, object),)


class UserReduce(ObjectReduce):
    """A user's reduction; options: chunk, combine, aggregate, keywords, whether parts are concatenated, names."""

    __slots__ = ()
    calls_user: ClassVar[bool] = True
    copies = 2

    @property
    def label(self) -> str:
        """The name of the function that is called last."""
        return getattr(self.params[3][2], "__name__", "reduction").strip("<>")

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """An object, and the parts that it holds at most."""
        return np.dtype(object), np.dtype((np.void, TOGETHER * max(self.dtype.itemsize, 8)))

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Adds what the chunk function makes of a tile."""
        self._add(state[0], (0,) * state[0].ndim, [self._chunk(tile.values)])

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Adds the other's parts, place by place."""
        for place in np.ndindex(other[0].shape):
            if other[0][place] is not None:
                self._add(state[0], place, list(other[0][place]))

    def _add(self, cells: Array, place: tuple[int, ...], parts: list[Any]) -> None:
        held = [*(cells[place] or ()), *parts]
        if len(held) > TOGETHER:
            held = [self._call(self.params[3][1], self._together(held), True, "combine")]
        cells[place] = held

    def _chunk(self, values: Array) -> Any:
        with Loan([values]) as lent:
            return self._call(self.params[3][0], lent[0], True, "chunk")

    def _together(self, parts: list[Any]) -> Any:
        return (
            np.concatenate(parts, self.axes[0])
            if self.params[3][4] and len(parts) > 1
            else (parts[0] if self.params[3][4] else parts)
        )

    def _call(self, function: Callable[..., Any], given: Any, keepdims: bool, role: str) -> Any:
        """What one of the three functions gives, as its own. Its errors keep their type and say which it was."""
        try:
            return owned(function(given, axis=self.axes, keepdims=keepdims, **dict(self.params[3][3])))
        except Exception as error:
            note_user_error(error, f"{user_call('reduction', self)}, {role}=")
            raise

    def finish(self, state: State, count: int) -> Array:
        """What the last function makes of the parts. Raises ShapeMismatchError where it keeps other axes."""
        cells = state[0]
        out = np.empty(cells.shape, self.dtype)
        found = [place for place in np.ndindex(cells.shape) if cells[place] is not None]
        if not found and out.size:  # of nothing, too, a user's function says what it is
            empty = self._chunk(np.empty(self.operand.shape, self.operand.dtype))
            out[...] = self._last([empty], out.shape)
        ends = [sorted({place[axis] for place in found} | {n}) for axis, n in enumerate(cells.shape)]
        for place in found:
            shape = tuple(own[own.index(at) + 1] - at for own, at in zip(ends, place, strict=True))
            where = tuple(slice(at, at + n) for at, n in zip(place, shape, strict=True))
            out[where] = self._last(list(cells[place]), shape)
        return out

    def _last(self, parts: list[Any], shape: tuple[int, ...]) -> Array:
        values = np.asarray(self._call(self.params[3][2], self._together(parts), True, "aggregate"))
        return promised(
            values,
            shape,
            self.dtype,
            lambda: user_call("reduction", self),
            "; aggregate= is called with keepdims=True",
        )


class Distinct(NamedTuple):
    """The different values so far, ascending, how often each occurs, and where each occurs first."""

    values: Array
    counts: Array
    first: Array


class UniqueValues(ObjectReduce):
    """The different values, as one Distinct; options: bytes that it may take, whether NaN are one value,
    whether places are wanted."""

    __slots__ = ()
    copies = 4
    name = "unique"

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """An object, of so many bytes at most."""
        return (np.dtype((np.void, self.params[3][0])),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Joins the tile's own different values."""
        _, equal_nan, places = self.params[3]
        if not places:
            values, counts = np.unique(tile.values, return_counts=True, equal_nan=equal_nan)
            self._put(state[0], Distinct(values, counts, np.zeros(len(values), np.int64)))
            return
        values, first, counts = np.unique(tile.values, True, False, True, equal_nan=equal_nan)
        self._put(state[0], Distinct(values, counts, self._places(tile, first)))

    def _places(self, tile: Tile, first: Array) -> Array:
        """Positions in the raveled tile as positions in the raveled array."""
        if not tile.origin:
            return first
        inside = np.unravel_index(first, tile.values.shape)
        whole = tuple(at + start for at, start in zip(inside, tile.origin, strict=True))
        return np.ravel_multi_index(whole, self.operand.shape)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Joins the other's different values."""
        if other[0].item() is not None:
            self._put(state[0], other[0].item())

    def _put(self, cell: Array, more: Distinct) -> None:
        """Joins different values to those that are there. Raises MemoryBudgetError where they become too many."""
        place, most = (0,) * cell.ndim, self.params[3][0]
        known: Distinct | None = cell[place]
        if known is not None:
            both = [np.concatenate(pair) for pair in zip(known, more, strict=True)]
            values, number = np.unique(both[0], return_inverse=True, equal_nan=self.params[3][1])
            counts = np.zeros(len(values), np.int64)
            np.add.at(counts, number, both[1])
            first = np.full(len(values), np.iinfo(np.int64).max)
            np.minimum.at(first, number, both[2])
            more = Distinct(values, counts, first)
        size = sum(part.nbytes for part in more)
        if size > most:
            raise MemoryBudgetError(
                f"unique: {len(more.values):,} different values so far take {format_bytes(size)}; memory= leaves them "
                f"{format_bytes(most)}.\n  What fits:  a larger memory=, or coarser values: x.astype(...), x.round(1)"
            )
        cell[place] = more

    def finish(self, state: State, count: int) -> Array:
        """The different values of all; of nothing there are none."""
        none = Distinct(np.empty(0, self.operand.dtype), np.empty(0, np.int64), np.empty(0, np.int64))
        out = np.empty(state[0].shape, object)
        cell = state[0][(0,) * out.ndim]
        out[(0,) * out.ndim] = none if cell is None else cell
        return out


def user_reduce(
    node: Node, axes: tuple[int, ...], keepdims: bool, dtype: np.dtype[Any], *options: Any
) -> UserReduce:
    """The node of a user's reduction; options as UserReduce has them."""
    return reduce_node(UserReduce, node, axes, keepdims, dtype, *options)  # type: ignore[return-value]


def unique_values(node: Node, most: int, equal_nan: bool, places: bool) -> UniqueValues:
    """The node of the different values, which may take so many bytes."""
    axes = tuple(range(node.ndim))
    return reduce_node(UniqueValues, node, axes, False, np.dtype(object), most, equal_nan, places)  # type: ignore[return-value]
