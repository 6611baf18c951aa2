"""Basic selections (integers, slices, Ellipsis, None) as integer ranges, and how a grid cuts them up.

The rules are NumPy's basic indexing. No I/O, no arrays: only integers and slices of them.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import BoundsCheckError, SelectionError
from .grid import RegularGrid

__all__ = ["BasicSelection", "Piece", "Range", "ascending", "count_pieces", "parse_basic", "pieces"]

Slices: TypeAlias = tuple[slice, ...]
Piece: TypeAlias = tuple[tuple[int, ...], Slices, Slices, bool]
"""(coords of the chunk, slices inside the chunk, slices into the selection's array, whole)"""


@dataclass(frozen=True, slots=True)
class Range:
    """`count` indices of one axis: start, start + step, ...; the step may be negative, the count 0."""

    start: int
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class BasicSelection:
    """A basic selection with its shapes worked out; every index lies inside the array.

    Since dropped axes have count 1 and new ones length 1, `array.reshape(out_shape)` of an array of
    shape `counts` is the result, and is a view of it.
    """

    ranges: tuple[Range, ...]
    """One an axis of the array, dropped axes included."""
    int_axes: frozenset[int]
    """Axes of the array that an integer selects, and drops from the output."""
    newaxes: tuple[int, ...]
    """Axes of the output that None made."""
    out_shape: tuple[int, ...]
    """The shape of the output."""

    @property
    def counts(self) -> tuple[int, ...]:
        """The shape of the selected elements before axes are dropped or made."""
        return tuple(axis.count for axis in self.ranges)


def parse_basic(selection: Any, shape: Sequence[int]) -> BasicSelection:
    """A selection as the user writes it between brackets, on an array of this shape.

    Raises BoundsCheckError for an integer beyond an axis or too many indices, SelectionError for
    what is no basic selection.

    >>> parsed = parse_basic((..., None, slice(None, None, -2), 3), (5, 4))
    >>> parsed.ranges, parsed.out_shape
    ((Range(start=4, step=-2, count=3), Range(start=3, step=1, count=1)), (1, 3))
    """
    items = selection if type(selection) is tuple else (selection,)
    items = _expand_ellipsis(items, len(shape))
    ranges: list[Range] = []
    int_axes: list[int] = []
    newaxes: list[int] = []
    out_shape: list[int] = []
    for item in items:
        if item is None:
            newaxes.append(len(out_shape))
            out_shape.append(1)
            continue
        axis = len(ranges)
        if type(item) is slice:
            ranges.append(_slice_range(item, shape[axis]))
            out_shape.append(ranges[-1].count)
        else:
            ranges.append(Range(_index(item, axis, shape), 1, 1))
            int_axes.append(axis)
    return BasicSelection(tuple(ranges), frozenset(int_axes), tuple(newaxes), tuple(out_shape))


def _expand_ellipsis(items: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """The items with one for every axis: full slices where the Ellipsis stood, or at the end."""
    # `in` and `.count` would compare arrays elementwise; only identity is asked for here.
    ellipses = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise SelectionError("an index can only hold one Ellipsis ('...')")
    given = len(items) - len(ellipses) - sum(item is None for item in items)
    if given > ndim:
        raise BoundsCheckError(f"too many indices: the array has {ndim} axes, {given} were indexed")
    full = (slice(None),) * (ndim - given)
    if not ellipses:
        return items + full
    return items[: ellipses[0]] + full + items[ellipses[0] + 1 :]


def _slice_range(item: slice, n: int) -> Range:
    try:
        start, stop, step = item.indices(n)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"{item} is no slice of integers: {error}") from error
    return Range(start, step, len(range(start, stop, step)))


def _index(item: Any, axis: int, shape: Sequence[int]) -> int:
    """The item as a non-negative index; 0-d integer arrays and NumPy integers are integers too."""
    if isinstance(item, bool):
        raise _not_basic(item)
    try:
        index = operator.index(item)
    except TypeError as error:
        raise _not_basic(item) from error
    n = shape[axis]
    if not -n <= index < n:
        raise BoundsCheckError(f"index {index} is out of bounds for axis {axis} with length {n}")
    return index + n if index < 0 else index


def _not_basic(item: Any) -> SelectionError:
    what = f"an array of shape {item.shape}" if getattr(item, "shape", ()) else repr(item)
    return SelectionError(
        f"[...] takes integers, slices, Ellipsis and None, not {what}; "
        "for lists, index arrays and masks read the array first, as in z[...][index]"
    )


def ascending(ranges: Sequence[Range]) -> tuple[tuple[Range, ...], Slices]:
    """The same indices with positive steps, and the slices that turn that order into the one asked for.

    The slices are their own inverse, and () where nothing has to be turned.

    >>> ascending([Range(4, -2, 3)])
    ((Range(start=0, step=2, count=3),), (slice(None, None, -1),))
    """
    if all(axis.step > 0 for axis in ranges):
        return tuple(ranges), ()
    turned = tuple(
        axis
        if axis.step > 0
        else Range(axis.start + (max(axis.count, 1) - 1) * axis.step, -axis.step, axis.count)
        for axis in ranges
    )
    return turned, tuple(slice(None, None, 1 if axis.step > 0 else -1) for axis in ranges)


def count_pieces(ranges: Sequence[Range], grid: RegularGrid) -> int:
    """An upper bound of the number of pieces, without making them; exact where no step passes over a chunk.

    >>> count_pieces([Range(2, 1, 5)], RegularGrid((10,), (4,)))
    2
    """
    total = 1
    for axis, edge in zip(ranges, grid.chunk_shape, strict=True):
        last = axis.start + (axis.count - 1) * axis.step
        span = abs(last // edge - axis.start // edge) + 1
        total *= min(axis.count, span)
    return total


def pieces(ranges: Sequence[Range], grid: RegularGrid) -> Iterator[Piece]:
    """The chunks that the ranges touch, in order, each with what of it goes where: a plain tuple a chunk.

    `array[piece[2]] = chunk[piece[1]]` for every piece fills an array whose shape is the ranges' counts.
    `whole` says that every element of the chunk that lies within the array is selected: a write need not
    read it first. Ranges with positive steps (see `ascending`) then have the chunk's own order, too.

    >>> for piece in pieces([Range(2, 1, 7)], RegularGrid((10,), (4,))):
    ...     print(*piece)
    (0,) (slice(2, 4, 1),) (slice(0, 2, None),) False
    (1,) (slice(0, 4, 1),) (slice(2, 6, None),) True
    (2,) (slice(0, 1, 1),) (slice(6, 7, None),) False
    """
    axes = [_cut(axis, edge, n) for axis, edge, n in zip(ranges, grid.chunk_shape, grid.shape, strict=True)]
    # The axes are cut once each; what remains a chunk is iteration in C.
    return zip(
        itertools.product(*[axis[0] for axis in axes]),
        itertools.product(*[axis[1] for axis in axes]),
        itertools.product(*[axis[2] for axis in axes]),
        map(all, itertools.product(*[axis[3] for axis in axes])),
        strict=False,
    )


def _cut(axis: Range, edge: int, n: int) -> tuple[list[int], list[slice], list[slice], list[bool]]:
    """One axis of the pieces: chunk indices, slices inside them, slices of the output, whether whole."""
    indices: list[int] = []
    chunk: list[slice] = []
    out: list[slice] = []
    whole: list[bool] = []
    start, step, count = axis.start, axis.step, axis.count
    done = 0
    while done < count:
        first = start + done * step
        index, inside = divmod(first, edge)
        room = edge - 1 - inside if step > 0 else inside
        taken = min(room // abs(step) + 1, count - done)
        indices.append(index)
        chunk.append(_inner_slice(inside, step, taken))
        out.append(slice(done, done + taken))
        whole.append(taken == min(edge, n - index * edge))
        done += taken
    return indices, chunk, out, whole


def _inner_slice(first: int, step: int, count: int) -> slice:
    if count == 1:
        return slice(first, first + 1, 1)
    last = first + (count - 1) * step
    if step > 0:
        return slice(first, last + 1, step)
    return slice(first, last - 1 if last else None, step)
