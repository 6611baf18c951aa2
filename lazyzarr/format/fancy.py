"""Selections by lists and arrays: orthogonal ones, points, masks and blocks, as zarr-python spells them.

An orthogonal selection picks along each axis by itself; points are one index an axis each; a mask has the array's
shape and picks where it is true; blocks are counted in write units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import BoundsCheckError, SelectionError
from .grid import Axis, Grid
from .selection import BasicSelection, Range, expand_ellipsis, index_of, parse_basic, slice_range

__all__ = [
    "OuterSelection",
    "PointSelection",
    "Selection",
    "parse_any",
    "parse_blocks",
    "parse_mask",
    "parse_outer",
    "parse_points",
    "parse_vindex",
]

Many: TypeAlias = slice | EllipsisType | range | list[Any] | NDArray[np.bool_ | np.integer[Any]] | None
"""A part of a selection that picks any number of elements."""

Index: TypeAlias = int | np.integer[Any] | str | Many | tuple[Any, ...]
"""What brackets take, besides lazy masks."""

Indices: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class OuterSelection:
    """A selection axis by axis, by ranges and by indices in any order; each index lies inside the array."""

    ranges: tuple[Range | Indices, ...]
    """One an axis of the array, dropped axes included."""
    out_shape: tuple[int, ...]
    """The shape of the output."""

    @property
    def counts(self) -> tuple[int, ...]:
        """The shape of the selected elements before axes are dropped or made."""
        return tuple(pick.count if isinstance(pick, Range) else len(pick) for pick in self.ranges)


@dataclass(frozen=True, slots=True, eq=False)
class PointSelection:
    """Points: one index an axis for each; every one lies inside the array."""

    points: tuple[Indices, ...]
    """One flat array an axis of the array, all of one length."""
    out_shape: tuple[int, ...]
    """The shape of the output."""


Selection: TypeAlias = BasicSelection | OuterSelection | PointSelection


def parse_any(selection: Any, shape: Sequence[int]) -> Selection:
    """What stands between an array's own brackets: basic, or lists, arrays and masks as zarr-python takes them.

    One index for each axis, some of them lists, selects points; a mask of the array's shape does; one list or
    mask among slices and integers selects along its axis. Raises BoundsCheckError, SelectionError.

    >>> parse_any((slice(None), [3, 1]), (5, 4)).out_shape, parse_any(([0, 4], [3, 1]), (5, 4)).out_shape
    ((5, 2), (2,))
    """
    try:
        return parse_basic(selection, shape)
    except SelectionError:
        items = _as_items(selection)
        kinds = [_kind(item) for item in items]
        if None in kinds:
            raise
        if len(items) == 1 and _is_mask(items[0], shape):
            return parse_mask(items[0], shape)
        lists = len(kinds) - kinds.count("basic")
        if len(items) == len(shape) and all(map(_is_index, items, kinds)):
            return parse_points(items, shape)
        if lists == 1 or kinds == ["mask"] * len(shape):
            return parse_outer(items, shape)
        raise


def _as_items(selection: Any) -> tuple[Any, ...]:
    """The items of a selection; lists and array-likes as arrays, so that they are converted, or read, once."""
    return tuple(map(_converted, selection if type(selection) is tuple else (selection,)))


def _converted(item: Any) -> Any:
    if isinstance(item, np.ndarray | np.generic) or not (
        isinstance(item, list) or hasattr(item, "__array__")
    ):
        return item
    try:
        return _as_array(item)
    except SelectionError:
        return item  # refused later, with the word that fits


def _kind(item: Any) -> str | None:
    """What an item of a selection is: "basic", "list" or "mask"; None for what none is."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return "basic"
    try:
        array = _as_array(item)
    except SelectionError:
        return None
    if array.ndim == 0:
        return "basic" if array.dtype.kind in "iu" else None
    return "mask" if array.dtype.kind == "b" else "list"


def _is_index(item: Any, kind: str | None) -> bool:
    return kind == "list" or (kind == "basic" and hasattr(item, "__index__"))


def _is_mask(item: Any, shape: Sequence[int]) -> bool:
    return _kind(item) == "mask" and _as_array(item).shape == tuple(shape)


def _as_array(item: Any) -> NDArray[Any]:
    """An item as an array of integers or of truth values; SelectionError for anything else."""
    try:
        array = np.asarray(item)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"{_shown(item)} is no array of integers: {error}") from error
    if not array.size and array.ndim and not hasattr(item, "dtype"):
        return array.astype(np.intp)  # NumPy takes an empty list for one of floats
    if array.dtype.kind not in "iub":
        raise SelectionError(f"an index is made of integers or truth values, not of {array.dtype}")
    return array


def _shown(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= 60 else text[:57] + "..."


def _in_bounds(array: NDArray[Any], axis: int, n: int) -> Indices:
    """Indices of an axis as non-negative ones. Raises BoundsCheckError."""
    # Compared before the cast, which would wrap what is unsigned.
    if array.size and (array.max() >= n or array.min() < -n):
        beyond = array[(array >= n) | (array < -n)] if array.dtype.kind == "i" else array[array >= n]
        raise BoundsCheckError(f"index {beyond[0]} is out of bounds for axis {axis} with length {n}")
    indices = array.astype(np.intp)  # a copy: what the caller does with the array later changes nothing
    if array.dtype.kind == "i":
        indices[indices < 0] += n
    return indices


def parse_outer(selection: Any, shape: Sequence[int]) -> OuterSelection:
    """A selection axis by axis: integers, slices, Ellipsis, lists of indices, masks as long as their axis.

    Integers drop their axis. Raises BoundsCheckError, SelectionError.

    >>> parse_outer(([4, -5], slice(1, None)), (5, 4)).out_shape
    (2, 3)
    """
    items = expand_ellipsis(_as_items(selection), len(shape))
    ranges: list[Range | Indices] = []
    out_shape: list[int] = []
    for item in items:
        axis = len(ranges)
        if item is None:
            out_shape.append(1)
        elif isinstance(item, slice):
            found = slice_range(item, shape[axis])
            ranges.append(found)
            out_shape.append(found.count)
        elif hasattr(item, "__index__") and not getattr(item, "shape", ()):
            ranges.append(Range(index_of(item, axis, shape), 1, 1))
        else:
            picked = _picked(item, axis, shape[axis])
            ranges.append(picked)
            out_shape.append(len(picked))
    return OuterSelection(tuple(ranges), tuple(out_shape))


def _picked(item: Any, axis: int, n: int) -> Indices:
    """The indices that a list or a mask selects along one axis."""
    array = _as_array(item)
    if array.ndim != 1:
        raise SelectionError(
            f"oindex takes lists and arrays of one axis, not one of shape {array.shape}; for points and masks of "
            "several axes there is z.vindex[...]"
        )
    if array.dtype.kind != "b":
        return _in_bounds(array, axis, n)
    if len(array) != n:
        raise SelectionError(f"a mask of length {len(array)} does not fit axis {axis}, which has length {n}")
    return np.flatnonzero(array)


def parse_vindex(selection: Any, shape: Sequence[int]) -> PointSelection:
    """Points or a mask. Raises BoundsCheckError, SelectionError."""
    items = _as_items(selection)
    if len(items) == 1 and _kind(items[0]) == "mask":
        return parse_mask(items[0], shape)
    return parse_points(selection, shape)


def parse_points(selection: Any, shape: Sequence[int]) -> PointSelection:
    """Points, by an array of integers for each axis; the arrays broadcast. Integers alone select one point.

    Raises BoundsCheckError, SelectionError.

    >>> parse_points(([0, 4], [[3], [1]]), (5, 4)).points
    (array([0, 4, 0, 4]), array([3, 3, 1, 1]))
    """
    items = _as_items(selection)
    if len(items) != len(shape) or not items or not all(_is_index(item, _kind(item)) for item in items):
        raise SelectionError(
            f"vindex takes an array of integers for each of the {len(shape)} axes, or a mask of shape "
            f"{tuple(shape)}, not {_shown(selection)}; slices go with z.oindex[...]"
        )
    columns = [_in_bounds(_as_array(item), axis, shape[axis]) for axis, item in enumerate(items)]
    try:
        together = np.broadcast_arrays(*columns)
    except ValueError as error:
        shapes = ", ".join(str(column.shape) for column in columns)
        raise SelectionError(f"index arrays of the shapes {shapes} do not broadcast") from error
    return PointSelection(tuple(column.reshape(-1) for column in together), together[0].shape or (1,))


def parse_mask(mask: Any, shape: Sequence[int]) -> PointSelection:
    """The points at which a mask is true, in C order. Raises SelectionError where it has not the array's shape."""
    array = _as_array(mask[0] if type(mask) is tuple and len(mask) == 1 else mask)
    if array.dtype.kind != "b" or array.shape != tuple(shape) or not shape:
        raise SelectionError(
            f"a mask holds truth values in the array's shape {tuple(shape)}, not {array.dtype} of shape "
            f"{array.shape}"
        )
    points = np.nonzero(array)
    return PointSelection(points, points[0].shape)


def parse_blocks(selection: Any, grid: Grid) -> BasicSelection:
    """The elements of blocks, given by integers and slices that count them; no axis is dropped.

    Raises BoundsCheckError, SelectionError.

    >>> from lazyzarr.format.grid import RegularGrid
    >>> parse_blocks((-1, slice(1, 3)), RegularGrid((10, 10), (4, 3))).ranges
    (Range(start=8, step=1, count=2), Range(start=3, step=1, count=6))
    """
    blocks = parse_basic(selection, grid.grid_shape)
    if blocks.newaxes or any(pick.step != 1 for pick in blocks.ranges):
        raise SelectionError("blocks takes integers, slices of step 1 and Ellipsis")
    ranges = tuple(map(_elements, blocks.ranges, grid.axes))
    return BasicSelection(ranges, frozenset(), (), tuple(pick.count for pick in ranges))


def _elements(blocks: Range, axis: Axis) -> Range:
    """The elements of some blocks that follow one another."""
    if not blocks.count:
        return Range(0, 1, 0)
    start, last = axis.start(blocks.start), blocks.start + blocks.count - 1
    return Range(start, 1, axis.start(last) + axis.length(last) - start)
