"""Basic selections (integers, slices, Ellipsis, None) as integer ranges.

The rules are NumPy's basic indexing. No I/O, no arrays: only integers and slices of them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BoundsCheckError, SelectionError

__all__ = ["BasicSelection", "Range", "expand_ellipsis", "index_of", "parse_basic", "slice_range"]


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
    items = expand_ellipsis(items, len(shape))
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
            ranges.append(slice_range(item, shape[axis]))
            out_shape.append(ranges[-1].count)
        else:
            ranges.append(Range(index_of(item, axis, shape), 1, 1))
            int_axes.append(axis)
    return BasicSelection(tuple(ranges), frozenset(int_axes), tuple(newaxes), tuple(out_shape))


def expand_ellipsis(items: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
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


def slice_range(item: slice, n: int) -> Range:
    """The indices that a slice selects on an axis of length n. Raises SelectionError."""
    try:
        start, stop, step = item.indices(n)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"{item} is no slice of integers: {error}") from error
    return Range(start, step, len(range(start, stop, step)))


def index_of(item: Any, axis: int, shape: Sequence[int]) -> int:
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
        f"integers, slices, Ellipsis and None are taken here, not {what}; for lists, index arrays and masks: "
        "z.oindex[...] takes the rows and columns that they name, z.vindex[...] the points"
    )
