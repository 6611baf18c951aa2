"""Lending: what a user's function sees of memory that is used again, what it keeps of it, and whose its answer is."""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Intervals

__all__ = ["Loan", "answer", "anything_left", "copied_bytes", "is_left", "leave", "owned"]

Array = np.ndarray[Any, Any]


class _Shown:
    """What NumPy makes an array of that shows a read-only one, and keeps that alive."""

    __slots__ = ("__array_struct__",)

    def __init__(self, shown: Array) -> None:
        self.__array_struct__ = shown.__array_struct__


def _shown(piece: Array) -> Array:
    """A read-only array over a piece's memory that NumPy refuses to unlock, and that every view of it refers to.

    NumPy does both where an array's base is no array: views of views refer to the last array before that.
    """
    view = piece.view()
    view.flags.writeable = False
    return np.asarray(_Shown(view))


class Loan:
    """Within: read-only arrays that show pieces. Memory of those that are kept is left to whoever keeps it."""

    def __init__(self, pieces: Sequence[Array]) -> None:
        self._pieces = pieces
        self._watched: list[weakref.ref[Array]] = []

    def __enter__(self) -> list[Array]:
        """The arrays in the order of the pieces."""
        self._lent = [self._lend(piece) for piece in self._pieces]
        return self._lent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What the frames of an error still hold counts as kept."""
        self._lent.clear()
        for piece, lent in zip(self._pieces, self._watched, strict=True):
            if lent() is not None:
                leave(piece)

    def _lend(self, piece: Array) -> Array:
        dtype = piece.dtype
        if dtype.hasobject or not dtype.itemsize:  # their memory cannot be shown as that of numbers
            copy = piece.copy()
            copy.flags.writeable = False
            self._watched.append(_GONE)
            return copy
        # Of other types the interface between arrays knows only how long an element is.
        plain = dtype.kind in "biufc"
        lent = _shown(piece if plain else piece.view(f"V{dtype.itemsize}"))
        self._watched.append(weakref.ref(lent))
        return lent if plain else lent.view(dtype)


class _Nothing:
    """What is gone at once."""


_GONE: Any = weakref.ref(_Nothing())


def copied_bytes(inputs: Sequence[Node], intervals: Sequence[tuple[Intervals, ...]]) -> int:
    """Bytes of what is lent as copies, of boxes of the inputs as long as the longest intervals."""
    return sum(
        source.dtype.itemsize * math.prod(int((stops - starts).max(initial=0)) for starts, stops in axes)
        for source, axes in zip(inputs, intervals, strict=True)
        if source.dtype.hasobject
    )


_left: dict[int, weakref.ref[Array]] = {}


def leave(piece: Array) -> None:
    """Lets nobody use the memory of an array again."""
    owner = _owner(piece)
    number = id(owner)
    _left[number] = weakref.ref(owner, lambda _: _left.pop(number, None))


def is_left(array: Array) -> bool:
    """Whether an array's memory is left to a function that keeps it."""
    return bool(_left) and id(_owner(array)) in _left


def anything_left() -> bool:
    """Whether functions keep any memory that was lent."""
    return bool(_left)


def _owner(array: Array) -> Array:
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def answer(
    function: Callable[..., Any], arguments: Sequence[Any], words: Mapping[str, Any]
) -> tuple[Array, bool]:
    """What a function gives as an array, and whether nobody else can reach the memory of that.

    Who still has it, or what it is a view of, may fill it again.
    """
    values = np.asarray(function(*arguments, **words))
    owner = values if values.base is None else values.base
    # How often it is referred to is told by what one variable refers to: versions of Python count differently.
    mark = object()
    once = sys.getrefcount(mark)
    alone = (
        sys.getrefcount(owner) == once + 1  # by the other variable, or as its base
        and (owner is values or sys.getrefcount(values) == once)
        and not weakref.getweakrefcount(owner) + weakref.getweakrefcount(values)
        and _owns(owner)
    )
    return values, alone


def owned(part: Any) -> Any:
    """What a function gave with copies of its arrays, also of those in tuples, lists and dicts."""
    if isinstance(part, np.ndarray):
        return part.copy()
    if type(part) in (tuple, list):
        return type(part)(map(owned, part))
    return {key: owned(value) for key, value in part.items()} if type(part) is dict else part


def _owns(array: Any) -> bool:
    """Whether memory is an array's own, and not that of another object, of which nothing is known."""
    return isinstance(array, np.ndarray) and array.base is None and array.flags.owndata
