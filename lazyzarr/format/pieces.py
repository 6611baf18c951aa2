"""How a grid cuts a selection up: which part of which chunk goes where. Integers, slices and index arrays.

`array[piece[2]] = chunk[piece[1]]` for every piece fills an array of the selection's shape. What lies on one axis
is cut once; a chunk costs no more than a step of an iterator in C, as long as only slices select.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .grid import Axis, EvenAxis, Grid
from .selection import Range

__all__ = [
    "Coords",
    "Index",
    "Pick",
    "Piece",
    "ascending",
    "count_pieces",
    "pieces",
    "point_pieces",
    "point_units",
    "units",
]

Coords: TypeAlias = tuple[int, ...]
Indices: TypeAlias = NDArray[np.intp]
Pick: TypeAlias = Range | Indices
"""What is selected along one axis: a range, or indices in any order."""
Index: TypeAlias = tuple[Any, ...]
"""What NumPy takes between brackets: slices, and arrays of indices."""
Piece: TypeAlias = tuple[Coords, Index, Index, bool]
"""(coords of the chunk, index inside the chunk, index into the selection's array, whole)"""


class _AxisPieces(NamedTuple):
    """One axis, cut: for each chunk that is touched its number, what of it goes where, and whether all of it."""

    chunks: list[int]
    inside: list[Any]
    where: list[Any]
    whole: list[bool]


def ascending(picks: Sequence[Pick]) -> tuple[tuple[Pick, ...], tuple[slice, ...]]:
    """The same indices with positive steps, and the slices that turn that order into the one asked for.

    The slices are their own inverse, and () where nothing has to be turned.

    >>> ascending([Range(4, -2, 3)])
    ((Range(start=0, step=2, count=3),), (slice(None, None, -1),))
    """
    backwards = [type(pick) is Range and pick.step < 0 for pick in picks]
    if not any(backwards):
        return tuple(picks), ()
    return tuple(map(_turned, picks)), tuple(slice(None, None, -1 if back else 1) for back in backwards)


def _turned(pick: Pick) -> Pick:
    if not isinstance(pick, Range) or pick.step > 0:
        return pick
    return Range(pick.start + (max(pick.count, 1) - 1) * pick.step, -pick.step, pick.count)


def count_pieces(picks: Sequence[Pick], grid: Grid) -> int:
    """An upper bound of the number of pieces, without making them; exact where no step passes over a chunk.

    >>> from lazyzarr.format.grid import RegularGrid
    >>> count_pieces([Range(2, 1, 5)], RegularGrid((10,), (4,)))
    2
    """
    return math.prod(map(_count, picks, grid.axes))


def _count(pick: Pick, axis: Axis) -> int:
    if not isinstance(pick, Range):
        return min(len(pick), axis.count)
    last = pick.start + (pick.count - 1) * pick.step
    return min(pick.count, abs(axis.find(last) - axis.find(pick.start)) + 1)


def pieces(picks: Sequence[Pick], grid: Grid) -> Iterator[Piece]:
    """The chunks that are touched, in order, each with what of it goes where: a plain tuple a chunk.

    `whole` says that every element of the chunk that lies within the array is selected: a write need not
    read it first. Ranges with positive steps (see `ascending`) then have the chunk's own order, too.

    >>> from lazyzarr.format.grid import RegularGrid
    >>> for piece in pieces([Range(2, 1, 7)], RegularGrid((10,), (4,))):
    ...     print(*piece)
    (0,) (slice(2, 4, 1),) (slice(0, 2, None),) False
    (1,) (slice(0, 4, 1),) (slice(2, 6, None),) True
    (2,) (slice(0, 1, 1),) (slice(6, 7, None),) False
    """
    return _product(list(map(_cut, picks, grid.axes)), _indexer(picks))


def units(picks: Sequence[Pick], outer: Grid, inner: Grid) -> Iterator[tuple[Coords, Iterator[Piece]]]:
    """The units of the outer grid that are touched, each with the pieces that the inner grid cuts out of it.

    The inner grid cuts each unit; a piece's coordinates count from the unit's first chunk.
    """
    axes = [
        _by_unit(_cut(pick, fine), coarse, fine)
        for pick, coarse, fine in zip(picks, outer.axes, inner.axes, strict=True)
    ]
    indexer = _indexer(picks)
    for unit in itertools.product(*axes):
        yield tuple(axis[0] for axis in unit), _product([axis[1] for axis in unit], indexer)


def _by_unit(cut: _AxisPieces, coarse: Axis, fine: Axis) -> list[tuple[int, _AxisPieces]]:
    """What was cut along an axis, unit by unit; the chunks count from the unit's first one."""
    found = []
    owners = [coarse.find(fine.start(chunk)) for chunk in cut.chunks]
    start = 0
    for unit, group in itertools.groupby(owners):
        stop = start + sum(1 for _ in group)
        first = fine.find(coarse.start(unit))
        part = slice(start, stop)
        chunks = [chunk - first for chunk in cut.chunks[part]]
        found.append((unit, _AxisPieces(chunks, cut.inside[part], cut.where[part], cut.whole[part])))
        start = stop
    return found


def _product(axes: Sequence[_AxisPieces], indexer: Callable[[Index], Index] | None) -> Iterator[Piece]:
    """The pieces that several axes make together; what remains a chunk is iteration in C."""
    inside = itertools.product(*[axis[1] for axis in axes])
    where = itertools.product(*[axis[2] for axis in axes])
    return zip(
        itertools.product(*[axis[0] for axis in axes]),
        inside if indexer is None else map(indexer, inside),
        where if indexer is None else map(indexer, where),
        map(all, itertools.product(*[axis[3] for axis in axes])),
        strict=False,
    )


def _indexer(picks: Sequence[Pick]) -> Callable[[Index], Index] | None:
    """What makes an index of selectors that select axis by axis; None where they are one as they are."""
    several = sum(not isinstance(pick, Range) for pick in picks) > 1
    return _open_mesh if several else None


def _open_mesh(selectors: Index) -> Index:
    # NumPy takes one array among slices axis by axis, several of them as points.
    if sum(not isinstance(selector, slice) for selector in selectors) < 2:
        return selectors
    return np.ix_(*[np.r_[selector] if isinstance(selector, slice) else selector for selector in selectors])


def _cut(pick: Pick, axis: Axis) -> _AxisPieces:
    if not isinstance(pick, Range):
        return _cut_indices(pick, axis)
    return _cut_evenly(pick, axis) if isinstance(axis, EvenAxis) else _cut_unevenly(pick, axis)


def _cut_evenly(pick: Range, axis: EvenAxis) -> _AxisPieces:
    cut = _AxisPieces([], [], [], [])
    start, step, count = pick.start, pick.step, pick.count
    edge, n = axis.edge, axis.n
    done = 0
    while done < count:
        first = start + done * step
        index, inside = divmod(first, edge)
        room = edge - 1 - inside if step > 0 else inside
        taken = min(room // abs(step) + 1, count - done)
        cut.chunks.append(index)
        cut.inside.append(_inner_slice(inside, step, taken))
        cut.where.append(slice(done, done + taken))
        cut.whole.append(taken == min(edge, n - index * edge))
        done += taken
    return cut


def _cut_unevenly(pick: Range, axis: Axis) -> _AxisPieces:
    cut = _AxisPieces([], [], [], [])
    done = 0
    while done < pick.count:
        first = pick.start + done * pick.step
        index = axis.find(first)
        inside = first - axis.start(index)
        room = axis.length(index) - 1 - inside if pick.step > 0 else inside
        taken = min(room // abs(pick.step) + 1, pick.count - done)
        cut.chunks.append(index)
        cut.inside.append(_inner_slice(inside, pick.step, taken))
        cut.where.append(slice(done, done + taken))
        cut.whole.append(taken == axis.length(index))
        done += taken
    return cut


def _inner_slice(first: int, step: int, count: int) -> slice:
    if count == 1:
        return slice(first, first + 1, 1)
    last = first + (count - 1) * step
    if step > 0:
        return slice(first, last + 1, step)
    return slice(first, last - 1 if last else None, step)


def _cut_indices(picked: Indices, axis: Axis) -> _AxisPieces:
    """One axis with indices in any order, which one chunk after the other takes in the order given."""
    owners = axis.find_all(picked)
    order = _sorting([owners])
    if order is not None:
        picked, owners = picked[order], owners[order]
    bounds = _bounds([owners])
    # How many steps other than one stand before each place: equal where a run begins and where it ends.
    jumps = np.concatenate([[0, 0], np.cumsum(picked[1:] != picked[:-1] + 1)])
    cut = _AxisPieces(owners[bounds[:-1]].tolist(), [], [], [])
    for chunk, (start, stop) in zip(cut.chunks, itertools.pairwise(bounds.tolist()), strict=True):
        inside = picked[start:stop] - axis.start(chunk)
        run = jumps[stop] == jumps[start + 1]
        cut.inside.append(slice(int(inside[0]), int(inside[0]) + stop - start, 1) if run else inside)
        cut.where.append(slice(start, stop) if order is None else order[start:stop])
        cut.whole.append(bool(run) and stop - start == axis.length(chunk))
    return cut


def _sorting(keys: Sequence[Indices]) -> Indices | None:
    """The order that sorts by keys, the first one first, equal ones as they stood; None for what is sorted."""
    if len(keys) == 1:
        key = keys[0]
        return None if (key[1:] >= key[:-1]).all() else key.argsort(kind="stable")
    return np.lexsort(keys[::-1])


def _bounds(keys: Sequence[Indices]) -> Indices:
    """Where in sorted keys another one begins, with both ends."""
    changes = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.concatenate([[0], np.flatnonzero(changes) + 1, [len(keys[0])]])


def point_pieces(points: Sequence[Indices], grid: Grid) -> Iterator[Piece]:
    """The chunks that points lie in, one array of indices an axis; the index into the selection is flat.

    What it takes grows with the points, and not with the grid.
    """
    for coords, _, inside, where in _grouped(points, grid, None):
        yield coords, inside, where, False


def point_units(
    points: Sequence[Indices], outer: Grid, inner: Grid
) -> Iterator[tuple[Coords, Iterator[Piece]]]:
    """The units that points lie in, each with the pieces that the inner grid cuts out of it, as `units`."""
    for unit, group in itertools.groupby(_grouped(points, outer, inner), lambda row: row[0]):
        yield unit, ((coords, inside, where, False) for _, coords, inside, where in group)


def _grouped(
    points: Sequence[Indices], outer: Grid, inner: Grid | None
) -> Iterator[tuple[Coords, Coords, Index, Index]]:
    """The points, unit by unit and in these chunk by chunk: (unit, chunk in it, index in that one, where)."""
    owners = [axis.find_all(picked) for axis, picked in zip(outer.axes, points, strict=True)]
    shape, ndim = list(outer.grid_shape), len(points)
    if inner is not None:
        for axis, coarse, picked, unit in zip(inner.axes, outer.axes, points, owners[:ndim], strict=True):
            owners.append(axis.find_all(picked) - axis.find_all(coarse.starts(unit)))
            shape.append(axis.count)
    keys = [_raveled(owners, shape)] if math.prod(shape) < 2**62 else owners
    order = _sorting(keys)
    bounds = _bounds(keys if order is None else [key[order] for key in keys])
    firsts = bounds[:-1] if order is None else order[bounds[:-1]]
    grid, ends = outer if inner is None else inner, itertools.pairwise(bounds.tolist())
    starts = [
        axis.starts(axis.find_all(p[firsts])).tolist() for axis, p in zip(grid.axes, points, strict=True)
    ]
    rows = zip(*[owner[firsts].tolist() for owner in owners], strict=True)
    for row, corner, (start, stop) in zip(rows, zip(*starts, strict=True), ends, strict=True):
        where = slice(start, stop) if order is None else order[start:stop]
        inside = tuple(picked[where] - first for picked, first in zip(points, corner, strict=True))
        yield row[:ndim], row[ndim:], inside, (where,)


def _raveled(columns: Sequence[Indices], shape: Sequence[int]) -> Indices:
    """One number for each row of columns, in the rows' order; few bits where that is enough, which sort faster."""
    key = columns[0]
    for column, n in zip(columns[1:], shape[1:], strict=True):
        key = key * n + column
    return key.astype(np.uint16) if math.prod(shape) <= 2**16 else key
