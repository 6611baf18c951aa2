"""NumPy's functions that arrange elements otherwise: shapes, axes, joining, splitting, moving."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.functions.arguments import (
    as_node,
    as_nodes,
    axes_in,
    axis_in,
    first_or_all,
    new_axes,
    no_axis,
    several,
)
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import joining, padding, points, reshaping, views
from lazyzarr.graph.ops.elementwise import astype, ufunc
from lazyzarr.graph.ops.joining import along, part
from lazyzarr.graph.words import Axes, Axis, Lengths
from lazyzarr.graph.wrapping import tell_of_wrapping

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_to",
    "column_stack",
    "concatenate",
    "delete",
    "diff",
    "dstack",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "moveaxis",
    "pad",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "rot90",
    "sliding_window_view",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "tile",
    "transpose",
    "vstack",
]


def transpose(a: Any, axes: Sequence[Axis] | None = None) -> Node:
    """Axes in another order: reversed, or as given by number or name."""
    node = as_node(a)
    order = range(node.ndim)[::-1] if axes is None else [axis_in(node, axis) for axis in axes]
    if sorted(order) != list(range(node.ndim)):
        raise ValueError(f"transpose takes each of the {node.ndim} axes once, not {tuple(axes or ())}")
    return views.transpose(node, list(order))


def moveaxis(a: Any, source: Any, destination: Any) -> Node:
    """Axes moved to other places, the others in their order."""
    node = as_node(a)
    own, new = several(source), several(destination)
    if len(own) != len(new):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    froms = [axis_in(node, axis) for axis in own]
    if len(set(froms)) != len(froms):
        raise ValueError("repeated axis in `source` argument")
    order = [axis for axis in range(node.ndim) if axis not in froms]
    for place, axis in sorted(zip([no_axis(axis, node.ndim) for axis in new], froms, strict=True)):
        order.insert(place, axis)
    if len(order) != node.ndim or len({no_axis(axis, node.ndim) for axis in new}) != len(new):
        raise ValueError("repeated axis in `destination` argument")
    return views.transpose(node, order)


def swapaxes(a: Any, axis1: Axis, axis2: Axis) -> Node:
    """Two axes in each other's place."""
    node = as_node(a)
    order = list(range(node.ndim))
    one, other = axis_in(node, axis1), axis_in(node, axis2)
    order[one], order[other] = order[other], order[one]
    return views.transpose(node, order)


def expand_dims(a: Any, axis: int | Sequence[int]) -> Node:
    """New axes of length 1 at these places."""
    node = as_node(a)
    places = new_axes(axis, node.ndim)
    selection = [None if i in places else slice(None) for i in range(node.ndim + len(places))]
    return part(node, tuple(selection))


def squeeze(a: Any, axis: Axes = None) -> Node:
    """The array without its axes of length 1, or without those given. Raises ValueError for a longer one."""
    node = as_node(a)
    axis = first_or_all(node, axis)
    dropped = [i for i, n in enumerate(node.shape) if n == 1] if axis is None else list(axes_in(node, axis))
    for i in dropped:
        if node.shape[i] != 1:
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return part(node, tuple(0 if i in dropped else slice(None) for i in range(node.ndim)))


def atleast_1d(a: Any) -> Node:
    """The array with one axis at least."""
    node = as_node(a)
    return node if node.ndim else expand_dims(node, 0)


def atleast_2d(a: Any) -> Node:
    """The array with two axes at least, new ones in front."""
    node = as_node(a)
    return node if node.ndim >= 2 else expand_dims(atleast_1d(node), 0)


def atleast_3d(a: Any) -> Node:
    """The array with three axes at least, where NumPy puts them."""
    node = atleast_1d(a)
    if node.ndim >= 3:
        return node
    return expand_dims(node, 2) if node.ndim == 2 else expand_dims(node, (0, 2))


def broadcast_to(array: Any, shape: Lengths) -> Node:
    """The array stretched to a shape."""
    return views.broadcast_to(as_node(array), tuple(map(operator.index, several(shape))))


def reshape(a: Any, shape: Lengths, order: str = "C") -> Node:
    """The elements in C order under another shape, of which one length may be -1."""
    if order not in ("C", "A"):
        raise ValueError(f"reshape of a lazy array is in C order; order={order!r}: x.T.reshape(...).T")
    node = as_node(a)
    lengths = [operator.index(n) for n in several(shape)]
    if lengths.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    if -1 in lengths:
        rest, size = -math.prod(lengths), math.prod(node.shape)
        if not rest or size % rest:
            raise ShapeMismatchError(f"an array of {size} elements has no shape {tuple(lengths)}")
        lengths[lengths.index(-1)] = size // rest
    return reshaping.reshape(node, tuple(lengths))


def ravel(a: Any, order: str = "C") -> Node:
    """The elements in C order along one axis."""
    return reshape(a, -1, order)


def flip(m: Any, axis: Axes = None) -> Node:
    """The elements in reverse order along one axis, several, or all."""
    node = as_node(m)
    axes = axes_in(node, axis)
    return part(node, tuple(slice(None, None, -1 if i in axes else 1) for i in range(node.ndim)))


def flipud(m: Any) -> Node:
    """The elements in reverse order along the first axis."""
    return flip(m, 0)


def fliplr(m: Any) -> Node:
    """The elements in reverse order along the second axis."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Node:
    """The array turned by 90 degrees, k times, in the plane of two axes."""
    node = as_node(m)
    one, other = (axis_in(node, axis) for axis in axes)
    if one == other:
        raise ValueError("Axes must be different.")
    k %= 4
    if k == 2:
        return flip(node, (one, other))
    turned = flip(node, other) if k == 1 else node
    turned = swapaxes(turned, one, other) if k else turned
    return flip(turned, other) if k == 3 else turned


def roll(a: Any, shift: Any, axis: Axes = None) -> Node:
    """The elements moved along axes; those that leave one come in at its other end."""
    node = as_node(a)
    if axis is None:
        return reshape(joining.roll(ravel(node), sum(map(operator.index, several(shift))), 0), node.shape)
    axes, shifts = several(axis), several(shift)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    axes = axes * len(shifts) if len(axes) == 1 else axes
    for each, by in zip(axes, shifts, strict=True):
        node = joining.roll(node, operator.index(by), axis_in(node, each))
    return node


def concatenate(arrays: Any, axis: Axis | None = 0) -> Node:
    """The arrays one behind the other along an axis; None: raveled."""
    nodes = as_nodes(arrays)
    if axis is None:
        return joining.concatenate([ravel(node) for node in nodes], 0)
    if nodes and not nodes[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return joining.concatenate(nodes, axis_in(nodes[0], axis) if nodes else 0)


def stack(arrays: Any, axis: int = 0) -> Node:
    """The arrays one behind the other along a new axis."""
    nodes = as_nodes(arrays)
    if not nodes:
        raise ValueError("need at least one array to stack")
    return joining.stack(nodes, no_axis(axis, nodes[0].ndim + 1))


def vstack(tup: Any) -> Node:
    """The arrays one below the other."""
    return concatenate([atleast_2d(each) for each in as_nodes(tup)], 0)


def hstack(tup: Any) -> Node:
    """The arrays side by side."""
    nodes = [atleast_1d(each) for each in as_nodes(tup)]
    return concatenate(nodes, 0 if nodes and nodes[0].ndim == 1 else 1)


def dstack(tup: Any) -> Node:
    """The arrays one behind the other along the third axis."""
    return concatenate([atleast_3d(each) for each in as_nodes(tup)], 2)


def column_stack(tup: Any) -> Node:
    """Arrays of one axis, or none, as columns of one of two."""
    nodes = [atleast_1d(node) for node in as_nodes(tup)]
    return concatenate([expand_dims(node, 1) if node.ndim == 1 else node for node in nodes], 1)


def block(arrays: Any) -> Node:
    """The array put together from nested lists of blocks, the innermost lists along the last axis."""
    depth = _depth(arrays)
    ndim = max(depth, *(node.ndim for node in _leaves(arrays)))
    return _joined(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    return 1 + max(_depth(each) for each in arrays) if isinstance(arrays, list) and arrays else 0


def _leaves(arrays: Any) -> list[Node]:
    if not isinstance(arrays, list):
        return [as_node(arrays)]
    if not arrays:
        raise ValueError("a list of blocks is empty")
    return [node for each in arrays for node in _leaves(each)]


def _joined(arrays: Any, depth: int, ndim: int) -> Node:
    if depth == 0:
        node = as_node(arrays)
        return part(node, (None,) * (ndim - node.ndim) + (...,))
    return joining.concatenate([_joined(each, depth - 1, ndim) for each in arrays], ndim - depth)


def append(arr: Any, values: Any, axis: Axis | None = None) -> Node:
    """The array with values behind it along an axis; None: both raveled."""
    return concatenate([arr, values], axis)


def array_split(ary: Any, indices_or_sections: Any, axis: Axis = 0) -> list[Node]:
    """The array cut in parts, which need not be of equal length."""
    node = as_node(ary)
    where = axis_in(node, axis)
    n = node.shape[where]
    if isinstance(indices_or_sections, (int, np.integer)):
        count = operator.index(indices_or_sections)
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, more = divmod(n, count)
        lengths = [each + 1] * more + [each] * (count - more)
        cuts = np.cumsum(lengths)[:-1].tolist()
    else:
        cuts = [operator.index(cut) for cut in indices_or_sections]
    return [along(node, where, low, high) for low, high in zip([0, *cuts], [*cuts, n], strict=True)]


def split(ary: Any, indices_or_sections: Any, axis: Axis = 0) -> list[Node]:
    """The array cut in parts. Raises ValueError where a number of equal parts is asked for that there is not."""
    node = as_node(ary)
    if (
        isinstance(indices_or_sections, (int, np.integer))
        and node.shape[axis_in(node, axis)] % indices_or_sections
    ):
        raise ValueError("array split does not result in an equal division")
    return array_split(node, indices_or_sections, axis)


def take(a: Any, indices: Any, axis: Axis | None = None) -> Node:
    """The elements at these positions along an axis; None: of the raveled array. Raises IndexError."""
    axis = first_or_all(as_node(a), axis)
    node = ravel(a) if axis is None else as_node(a)
    where = 0 if axis is None else axis_in(node, axis)
    wanted = np.asarray(indices)
    if wanted.dtype.kind not in "iu" and wanted.size:
        raise TypeError(f"positions are integers, not {wanted.dtype}")
    positions = positions_in(wanted.reshape(-1).astype(np.int64), node.shape[where], where)
    picked = points.take(node, positions, where)
    if wanted.ndim == 0:
        return part(picked, (*(slice(None),) * where, 0))
    if wanted.ndim == 1:
        return picked
    return reshaping.reshape(picked, (*node.shape[:where], *wanted.shape, *node.shape[where + 1 :]))


def positions_in(positions: Any, n: int, axis: int) -> Any:
    """Positions counted from the start of an axis of length n. Raises IndexError for one that is beyond."""
    outside = (positions < -n) | (positions >= n)
    if outside.any():
        raise IndexError(f"index {positions[outside][0]} is out of bounds for axis {axis} with size {n}")
    return np.where(positions < 0, positions + n, positions)


def delete(arr: Any, obj: Any, axis: Axis | None = None) -> Node:
    """The array without the elements at these positions, or in this slice, along an axis."""
    node = ravel(arr) if axis is None else as_node(arr)
    where = 0 if axis is None else axis_in(node, axis)
    keep = np.delete(np.arange(node.shape[where]), obj)
    return points.take(node, keep, where)


def repeat(a: Any, repeats: Any, axis: Axis | None = None) -> Node:
    """Each element several times, along an axis; None: of the raveled array."""
    axis = first_or_all(as_node(a), axis)
    node = ravel(a) if axis is None else as_node(a)
    where = 0 if axis is None else axis_in(node, axis)
    return points.take(node, np.repeat(np.arange(node.shape[where]), repeats), where)


def tile(A: Any, reps: Any) -> Node:
    """The array repeated along each axis."""
    node = as_node(A)
    counts = [operator.index(n) for n in several(reps)]
    counts = [1] * (node.ndim - len(counts)) + counts
    node = part(node, (None,) * (len(counts) - node.ndim) + (...,))
    for axis, count in enumerate(counts):
        if count != 1:
            node = points.take(node, np.tile(np.arange(node.shape[axis]), count), axis)
    return node


def diff(a: Any, n: int = 1, axis: Axis = -1, prepend: Any = None, append: Any = None) -> Node:
    """The n-th difference of neighbours along an axis."""
    node = as_node(a)
    where = axis_in(node, axis)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    ends = [_end(end, node, where) for end in (prepend, append)]
    if n:
        node = joining.concatenate([e for e in (ends[0], node, ends[1]) if e is not None], where)
    function = np.not_equal if node.dtype == bool else np.subtract
    if n and node.dtype.kind == "u":
        tell_of_wrapping("diff", node.dtype)
    for _ in range(n):
        node = ufunc(function, along(node, where, 1, None), along(node, where, None, -1))
    return node


def _end(end: Any, node: Node, axis: int) -> Node | None:
    if end is None:
        return None
    given = as_node(end)
    if given.ndim:
        return given
    return views.broadcast_to(given, (*node.shape[:axis], 1, *node.shape[axis + 1 :]))


def pad(array: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Node:
    """More elements at both ends of each axis: constant, edge, wrap, reflect, symmetric or empty (zeros)."""
    if mode not in ("constant", "edge", "wrap", "reflect", "symmetric", "empty"):
        raise ValueError(
            f"np.pad(mode={mode!r}) is not lazy; constant, edge, wrap, reflect and symmetric are"
        )
    node = as_node(array)
    widths = np.broadcast_to(np.asarray(pad_width), (node.ndim, 2)).tolist()
    values = np.broadcast_to(np.asarray(constant_values), (node.ndim, 2)).tolist()
    if any(operator.index(width) < 0 for pair in widths for width in pair):
        raise ValueError("index can't contain negative values")
    dtype = node.dtype
    if sum(map(any, widths)) > 1 and 0 not in node.shape and mode not in ("constant", "empty"):
        return astype(padding.padded(node, widths, mode), dtype)
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, values, strict=True)):
        node = joining.pad(node, axis, before, after, mode, (low, high))
    return astype(node, dtype)  # what is joined has the machine's byte order


def sliding_window_view(x: Any, window_shape: Lengths, axis: Axes = None) -> Node:
    """All windows of these lengths along axes, each along new axes at the end; windows of up to some hundred."""
    node = as_node(x)
    lengths = several(window_shape)
    # Of the array as it is given: windows add axes at its end.
    axes = [axis_in(node, each) for each in (range(node.ndim) if axis is None else several(axis))]
    if len(lengths) != len(axes):
        raise ValueError("window_shape and axis name different numbers of axes")
    dtype = node.dtype
    for length, where in zip(lengths, axes, strict=True):
        count = node.shape[where] - length + 1
        if count < 1 or length < 1:
            raise ValueError(f"a window of {length} does not fit an axis of length {node.shape[where]}")
        node = joining.stack([along(node, where, i, i + count) for i in range(length)], node.ndim)
    return astype(node, dtype)  # what is stacked has the machine's byte order
