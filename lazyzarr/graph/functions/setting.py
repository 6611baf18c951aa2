"""Changed copies of an array: other values where a selection says, by NumPy's rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from lazyzarr.errors import BoundsCheckError, SelectionError
from lazyzarr.format.selection import parse_basic
from lazyzarr.graph.functions.arguments import as_node, assigned
from lazyzarr.graph.functions.picking import Picks, has_arrays, picks
from lazyzarr.graph.lift import array_node
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import points, reshaping, scatter, sources, views
from lazyzarr.graph.ops.elementwise import astype, ufunc
from lazyzarr.graph.ops.elementwise import where as choose
from lazyzarr.graph.ops.joining import part

__all__ = ["setitem"]

Array = np.ndarray[Any, Any]
Ranges = Sequence[tuple[int, int, int]]
"""Start, step and count of what is selected along each axis."""


def setitem(node: Node, selection: Any, value: Any, picked: bool = False) -> Node:
    """A copy of the array in which the selected elements have other values.

    `picked`: the value is an array of the same shape, of which the mask picks elements, too.
    Raises SelectionError, BoundsCheckError, and ValueError for a value that does not fit.
    """
    given = (
        _of_python(value, node.dtype) if isinstance(value, _PYTHONS) else astype(as_node(value), node.dtype)
    )
    return astype(_set(node, selection, given, picked), node.dtype)  # the byte order stays


_PYTHONS = (bool, int, float, complex, str, bytes, np.generic, list, tuple, date, timedelta, type(None))


def _of_python(value: Any, dtype: np.dtype[Any]) -> Node:
    """A number, text or list as NumPy's assignment takes it: what does not fit the dtype is refused, as in NumPy.

    Raises OverflowError, ValueError, TypeError.
    """
    if dtype.kind == "O":
        if isinstance(value, (list, tuple)):
            raise TypeError("a list is no element of a lazy array of objects; z[...] = value writes it")
        return astype(as_node(value), dtype)
    return array_node(assigned(value, dtype), "auto", None)


def _set(node: Node, selection: Any, given: Node, picked: bool) -> Node:
    if picked:
        return choose(as_node(selection), given, node)
    if _is_mask(selection) and (hasattr(selection, "__lazyzarr_node__") or not given.ndim):
        return _where(node, as_node(selection), given)
    if has_arrays(selection):
        return _at_points(node, picks(node, selection), given)
    return _in_ranges(node, selection, given)


def _is_mask(selection: Any) -> bool:
    return getattr(selection, "dtype", None) == np.dtype(bool)


def _where(node: Node, mask: Node, given: Node) -> Node:
    """The array with a value where a mask of its leading axes holds; the value has the other axes, or none."""
    if mask.shape != node.shape[: mask.ndim]:
        raise BoundsCheckError(f"a mask of shape {mask.shape} does not fit an array of shape {node.shape}")
    rest = node.shape[mask.ndim :]
    if given.ndim > len(rest):
        raise SelectionError(
            "how many elements a lazy mask picks is not known before it is computed: it takes one value for all; for "
            "several: np.where(mask, values, x)"
        )
    mask = part(mask, (..., *(None,) * len(rest))) if rest else mask
    return choose(mask, views.broadcast_to(given, _broadcast(given, rest)), node)


def _broadcast(given: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that is selected. Raises ValueError for a value that does not fit it."""
    try:
        fits = np.broadcast_shapes(given.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"could not broadcast a value of shape {given.shape} into shape {shape}")
    return shape


def _in_ranges(node: Node, selection: Any, given: Node) -> Node:
    """The array with other values where slices and integers select."""
    parsed = parse_basic(selection, node.shape)
    given = _without_ones(given, len(parsed.out_shape))
    inner = views.broadcast_to(given, _broadcast(given, parsed.out_shape))
    if not math.prod(parsed.out_shape):
        return node
    inner = part(inner, tuple(0 if i in parsed.newaxes else slice(None) for i in range(inner.ndim)))
    inner = part(inner, tuple(None if i in parsed.int_axes else slice(None) for i in range(node.ndim)))
    ranges = [(r.start, r.step, r.count) for r in parsed.ranges]
    inner, inside = _spread(inner, node, ranges, range(node.ndim))
    inner = views.rechunk(inner, node.chunks)
    return views.named(inner, node.dims) if inside is None else choose(inside, inner, node)


def _without_ones(given: Node, ndim: int) -> Node:
    """The value without leading axes of length 1 that the selection has not, as NumPy lets go of them."""
    while given.ndim > ndim and given.shape[0] == 1:
        given = part(given, 0)
    return given


def _spread(inner: Node, node: Node, ranges: Ranges, axes: Sequence[int]) -> tuple[Node, Node | None]:
    """Values of ranges as values of whole axes, whatever beyond the ranges, and the mask of these.

    `axes` are the array's axes that the last axes of the values are.
    """
    inside: Node | None = None
    for place, (axis, (start, step, count)) in enumerate(
        zip(axes, ranges, strict=True), inner.ndim - len(axes)
    ):
        n = node.shape[axis]
        if (start, step, count) == (0, 1, n):
            continue
        number, odd = np.divmod(np.arange(n) - start, step)
        here = (odd == 0) & (number >= 0) & (number < count)
        inner = points.take(inner, np.where(here, number, 0), place)
        line = part(
            sources.memory(here, (node.chunks[axis],), (None,)),
            (slice(None), *(None,) * (node.ndim - axis - 1)),
        )
        inside = line if inside is None else ufunc(np.logical_and, inside, line)
    return inner, inside


def _at_points(node: Node, own: Picks, given: Node) -> Node:
    """The array with other values where arrays pick along some axes, and slices select along the others."""
    basic = parse_basic(own.basic, node.shape)
    rest = [axis for axis in range(node.ndim) if axis not in own.axes]
    ranges = [(r.start, r.step, r.count) for axis, r in enumerate(basic.ranges) if axis in rest]
    picked = (*own.arrays[0].shape, *(count for _, _, count in ranges))
    shape = [picked[axis] for axis in own.order]
    for place, is_new in enumerate(own.new):
        if is_new:
            shape.insert(place, 1)
    given = _without_ones(given, len(shape))
    values = views.broadcast_to(given, _broadcast(given, tuple(shape)))
    if not math.prod(shape):
        return node
    values = part(values, tuple(0 if is_new else slice(None) for is_new in own.new))
    values = views.transpose(values, np.argsort(own.order).tolist())
    values = reshaping.reshape(values, (own.arrays[0].size, *picked[own.arrays[0].ndim :]))
    values, inside = _spread(values, node, ranges, rest)
    where = [np.ascontiguousarray(array).reshape(-1) for array in own.arrays]
    found = scatter.scatter(node, values, own.axes, where)
    return found if inside is None else choose(inside, found, node)
