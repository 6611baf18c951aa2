"""Picking elements by arrays of integers and masks, by NumPy's rules; and whole chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import BoundsCheckError, SelectionError
from lazyzarr.format.selection import parse_basic
from lazyzarr.graph.functions.shapes import positions_in
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import computed, elementwise, joining, points, reshaping, views
from lazyzarr.graph.ops.joining import part

__all__ = ["basic", "blocks", "field", "getitem", "has_arrays", "oindex", "picks", "vindex"]

Points = np.ndarray[Any, np.dtype[np.int64]]


class Picked(NamedTuple):
    """Positions along one axis."""

    axis: int
    positions: Any


def field(node: Node, name: str) -> Node:
    """One field of records. Raises SelectionError for one that they have not."""
    names = node.dtype.names or ()
    if name not in names:
        raise SelectionError(
            f"there is no field {name!r}; the elements have {', '.join(map(repr, names)) or 'none'}"
            f"{_no_name(node, name)}"
        )
    return elementwise.field(node, name)


def _no_name(node: Node, name: str) -> str:
    """Where the name of a dimension goes, as it is none of a field."""
    if name not in node.dims:
        return ""
    colons = ":, " * node.dims.index(name)
    return f". {name!r} is a dimension: its name goes into axis=, x.mean({name!r}), and x[{colons}:5] picks along it"


def basic(node: Node, selection: Any) -> Node:
    """A selection by integers, slices, Ellipsis and None. Raises BoundsCheckError, SelectionError."""
    try:
        return views.index(node, parse_basic(selection, node.shape))
    except SelectionError:
        parts = selection if type(selection) is tuple else (selection,)
        wrong = next((each for each in parts if not _is_basic(each)), None)
        if wrong is None:
            raise
        cure = _no_name(node, wrong) if isinstance(wrong, str) else ""
        cure = cure or "; x.oindex[...] takes the rows and columns that lists name, x.vindex[...] the points"
        raise SelectionError(
            "elements are picked by integers, slices, Ellipsis, None, and lists and arrays of integers or bools, "
            f"not by {wrong!r}{cure}"
        ) from None


def _is_basic(each: Any) -> bool:
    return each is None or each is Ellipsis or isinstance(each, slice) or hasattr(each, "__index__")


def has_arrays(selection: Any) -> bool:
    """Whether a selection has lists, arrays or masks in it."""
    parts = selection if isinstance(selection, tuple) else (selection,)
    return any(isinstance(each, (list, range)) or getattr(each, "ndim", 0) > 0 for each in parts) or any(
        isinstance(each, (bool, np.bool_)) for each in parts
    )


def _arrays(selection: Any) -> list[Any]:
    """The parts of a selection, lists as arrays, a mask of several axes as one array of integers an axis."""
    parts: list[Any] = []
    for each in selection if isinstance(selection, tuple) else (selection,):
        if hasattr(each, "__lazyzarr_node__"):
            raise _lazy_selection(each.__lazyzarr_node__)
        if isinstance(each, (list, range)) or hasattr(each, "__array__"):
            array = np.asarray(each)
            if array.ndim == 0 and array.dtype.kind in "iu":
                parts.append(int(array))
            elif array.dtype == bool:
                parts.extend(Mask(array.shape, i, found) for i, found in enumerate(np.nonzero(array)))
                if not array.ndim:
                    raise SelectionError("a single bool picks no elements of a lazy array")
            elif array.dtype.kind in "iu" or not array.size:
                parts.append(array.astype(np.int64))
            else:
                cure = f"; fields are picked one by one: x[{str(array.flat[0])!r}]" * (
                    array.dtype.kind in "UT"
                )
                raise SelectionError(f"elements are picked by integers or bools, not by {array.dtype}{cure}")
        elif isinstance(each, (bool, np.bool_)):
            raise SelectionError("a single bool picks no elements of a lazy array")
        else:
            parts.append(each)
    return parts


def _lazy_selection(node: Node) -> SelectionError:
    """Why a lazy array does not pick here, and what does."""
    if node.dtype != np.dtype(bool):
        return SelectionError(
            "which elements lazy positions pick is not known before they are computed: x[positions.compute()] picks"
        )
    return SelectionError(
        "how many elements a lazy mask picks is not known before it is computed: x.sum(where=mask) and the "
        "like reduce what it picks, np.where(mask, x, other) keeps the shape, x[mask.compute()] picks"
    )


class Mask(NamedTuple):
    """What a mask picks along one of its axes."""

    shape: tuple[int, ...]
    axis: int
    positions: Points


_GAP = "gap"  # an Ellipsis of no axes: NumPy counts it as standing between arrays all the same


def _expanded(parts: list[Any], ndim: int, gap: bool = False) -> list[Any]:
    """The parts with slices in the place of an Ellipsis and at the end, one for each axis."""
    used = sum(each is not None and each is not Ellipsis for each in parts)
    if sum(each is Ellipsis for each in parts) > 1:
        raise SelectionError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise BoundsCheckError(f"too many indices: the array has {ndim} axes, the selection {used}")
    at = next((i for i, each in enumerate(parts) if each is Ellipsis), len(parts))
    between = [_GAP] if gap and used == ndim and at < len(parts) else [slice(None)] * (ndim - used)
    return [*parts[:at], *between, *parts[at + 1 :]]


class Picks(NamedTuple):
    """A selection with arrays in it."""

    basic: tuple[Any, ...]
    """A slice for each axis, all of those that arrays pick along."""
    axes: list[int]
    """The axes that arrays pick along."""
    arrays: Sequence[Any]
    """Positions along each of these, in one shape."""
    order: tuple[int, ...]
    """Where the axes of what is picked go: first those of the arrays' shape, then the others."""
    new: tuple[bool, ...]
    """Which axes of the result are new ones."""


def picks(node: Node, selection: Any) -> Picks:
    """A selection with integer arrays, lists or masks in it, as NumPy understands it.

    Raises BoundsCheckError, SelectionError.
    """
    parts = _expanded(_arrays(selection), node.ndim, gap=True)
    axis, basic, picked = 0, [], []
    layout: list[Any] = []
    for each in parts:
        if each is None or each is _GAP:
            layout.append(each)
            continue
        if isinstance(each, slice):
            basic.append(each)
            layout.append(axis)
        else:  # where there are arrays, integers are arrays too
            basic.append(slice(None))
            layout.append("picked")
            picked.append(Picked(axis, _positions(each, node, axis)))
        axis += 1
    arrays = _broadcast([each.positions for each in picked])
    axes = [each.axis for each in picked]
    rest = [i for i in range(node.ndim) if i not in axes]
    order, new = _arrangement(arrays[0].ndim, layout, rest)
    return Picks(tuple(basic), axes, arrays, order, new)


def getitem(node: Node, selection: Any) -> Node:
    """A selection with integer arrays, lists or masks in it, by NumPy's rules.

    Raises BoundsCheckError, SelectionError.
    """
    own = picks(node, selection)
    found = _picked(part(node, own.basic), own.axes, own.arrays)
    return _with_new(views.transpose(found, own.order), own.new)


def _with_new(node: Node, new: Sequence[bool]) -> Node:
    """The array with new axes at these places."""
    return part(node, tuple(None if is_new else slice(None) for is_new in new)) if any(new) else node


def _broadcast(arrays: Sequence[Any]) -> Sequence[Any]:
    """Positions along several axes, in one shape."""
    try:
        return np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = " and ".join(str(np.shape(array)) for array in arrays)
        raise SelectionError(
            f"arrays of positions of shapes {shapes} do not pick together; each along its own axis: x.oindex"
        ) from None


def _positions(each: Any, node: Node, axis: int) -> Any:
    """Positions along an axis, counted from its start."""
    n = node.shape[axis]
    if isinstance(each, Mask):
        if each.shape[each.axis] != n:
            raise BoundsCheckError(
                f"a mask of length {each.shape[each.axis]} does not fit axis {axis} of length {n}"
            )
        return each.positions
    try:
        return positions_in(np.asarray(each, np.int64), n, axis)
    except IndexError as error:
        raise BoundsCheckError(str(error)) from None


def _picked(node: Node, axes: Sequence[int], arrays: Sequence[Any]) -> Node:
    """The elements at these positions along axes, in new axes in front; the other axes follow in order."""
    rest = [axis for axis in range(node.ndim) if axis not in axes]
    shape = arrays[0].shape
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    if len(axes) == 1:
        found = views.transpose(points.take(node, flat[0], axes[0]), [*axes, *rest])
    else:
        found = points.vindex(views.transpose(node, [*axes, *rest]), flat)
    return reshaping.reshape(found, (*shape, *found.shape[1:])) if len(shape) != 1 else found


def _arrangement(count: int, layout: list[Any], rest: list[int]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Where NumPy puts the picked axes, which are in front, among the others; and which axes are new ones."""
    places = [i for i, what in enumerate(layout) if what == "picked"]
    together = places[-1] - places[0] + 1 == len(places)
    others = [what for what in layout if what not in ("picked", _GAP)]
    before = [what for what in layout[: places[0]] if what != _GAP] if together else []
    order = [
        *(count + rest.index(what) for what in before if what is not None),
        *range(count),
        *(count + rest.index(what) for what in others[len(before) :] if what is not None),
    ]
    after = others[len(before) :]
    new = [what is None for what in before] + [False] * count + [what is None for what in after]
    return tuple(order), tuple(new)


def oindex(node: Node, selection: Any) -> Node:
    """A selection whose arrays each pick along their own axis, as zarr's `oindex`."""
    parts = _expanded(_arrays(selection), node.ndim)
    if any(each is None for each in parts):
        raise SelectionError("oindex takes no new axes")
    if any(isinstance(each, Mask) and len(each.shape) > 1 for each in parts):
        raise SelectionError("oindex takes one mask an axis")
    basic: list[Any] = []
    for axis, each in enumerate(parts):
        if isinstance(each, (slice, int, np.integer)):
            basic.append(each)
            continue
        positions = np.asarray(_positions(each, node, axis))
        if positions.ndim != 1:
            raise SelectionError("oindex takes arrays of one axis")
        node = points.take(node, positions, axis)
        basic.append(slice(None))
    return part(node, tuple(basic))


def vindex(node: Node, selection: Any) -> Node:
    """A selection whose arrays pick points together, and come in front; slices follow."""
    parts = _expanded(_arrays(selection), node.ndim)
    if any(each is None for each in parts):
        raise SelectionError("vindex takes no new axes")
    found = getitem(node, tuple(parts)) if has_arrays(selection) else part(node, tuple(parts))
    places = [i for i, each in enumerate(parts) if not isinstance(each, slice)]
    if not places or places[-1] - places[0] + 1 != len(places):
        return found  # separated: NumPy has put them in front
    picked = (parts[i] for i in places)
    count = _broadcast([each.positions if isinstance(each, Mask) else each for each in picked])[0].ndim
    order = [*range(places[0], places[0] + count), *range(places[0]), *range(places[0] + count, found.ndim)]
    return views.transpose(found, order)


def blocks(node: Node, selection: Any) -> Node:
    """Whole chunks, by their numbers along each axis: integers, slices, and a list along one axis.

    Raises BoundsCheckError for a chunk that there is not, SelectionError for what picks no chunks.
    """
    parts = _expanded(list(selection) if isinstance(selection, tuple) else [selection], node.ndim)
    if any(each is None for each in parts) or sum(isinstance(each, (list, np.ndarray)) for each in parts) > 1:
        raise SelectionError("x.blocks takes integers and slices, and a list along one axis")
    for axis, each in enumerate(parts):
        sizes = node.chunks[axis]
        try:
            numbers = np.atleast_1d(np.arange(len(sizes))[each])
        except IndexError as error:
            raise BoundsCheckError(f"axis {axis} has {len(sizes)} chunks: {error}") from None
        if numbers.ndim > 1:
            raise SelectionError("x.blocks takes integers and slices, and a list along one axis")
        cuts = computed.cuts_of(sizes)
        own = tuple(sizes[number] for number in numbers) or (0,)
        if len(numbers) == 0 or (np.diff(numbers) == 1).all():
            first, last = (numbers[0], numbers[-1] + 1) if len(numbers) else (0, 0)
            node = joining.along(node, axis, int(cuts[first]), int(cuts[last]))
        else:
            places = np.concatenate([np.arange(cuts[number], cuts[number + 1]) for number in numbers])
            node = points.take(node, places, axis)
        node = views.rechunk(node, (*node.chunks[:axis], own, *node.chunks[axis + 1 :]))
    return node
