"""NumPy's functions of whole lines along an axis: running totals, sorting, medians, products of matrices."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.graph.functions.arguments import as_node, axes_in, axis_in, first_or_all
from lazyzarr.graph.functions.shapes import concatenate, expand_dims, moveaxis, ravel, reshape
from lazyzarr.graph.functions.values import where
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import filling, products, scans, selecting
from lazyzarr.graph.ops import topk as best
from lazyzarr.graph.ops.elementwise import Constant, astype, ufunc
from lazyzarr.graph.ops.joining import along, full, part
from lazyzarr.graph.ops.lines import by_line, by_parts, line_chunks
from lazyzarr.graph.ops.places import by_ranks, passes_over_nan, places_of
from lazyzarr.graph.ops.selecting import can_select
from lazyzarr.graph.ops.ufuncs import JOINABLE
from lazyzarr.graph.ops.views import named, rechunk
from lazyzarr.graph.reducing import is_text
from lazyzarr.graph.words import Axes, Axis

__all__ = [
    "accumulated",
    "apply_along_axis",
    "argsort",
    "argtopk",
    "bfill",
    "cumprod",
    "cumsum",
    "dot",
    "ffill",
    "matmul",
    "median",
    "nancumprod",
    "nancumsum",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "outer",
    "percentile",
    "quantile",
    "sort",
    "tensordot",
    "topk",
]

LINES = (
    16_000_000  # bytes of whole lines, or of what is made of them, in a block, where one line is not longer
)
WHOLE = 4_000_000  # bytes of a line that is one chunk of what is sorted
MOST_RANKS = 16  # of values that are found in one go, each with counts of its own


def cumsum(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Node:
    """The running sum along an axis; None: of the raveled array."""
    return _scanned(a, axis, dtype, np.add)


def cumprod(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Node:
    """The running product along an axis; None: of the raveled array."""
    return _scanned(a, axis, dtype, np.multiply)


def nancumsum(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Node:
    """As cumsum, NaN counted as 0."""
    return cumsum(_filled(as_node(a), 0), axis, dtype)


def nancumprod(a: Any, axis: Axis | None = None, dtype: DTypeLike | None = None) -> Node:
    """As cumprod, NaN counted as 1."""
    return cumprod(_filled(as_node(a), 1), axis, dtype)


def _filled(node: Node, value: Any) -> Node:
    if node.dtype.kind not in "fc":
        return node
    return where(ufunc(np.isnan, node), Constant(node.dtype.type(value)), node)


def _scanned(a: Any, axis: Any, dtype: Any, function: np.ufunc) -> Node:
    node = as_node(a)
    axis = first_or_all(node, axis)
    return accumulated(ravel(node) if axis is None else node, 0 if axis is None else axis, dtype, function)


def accumulated(node: Node, axis: Any, dtype: Any, function: np.ufunc) -> Node:
    """What a ufunc gives for the values up to each one along an axis.

    Raises TypeError for one that depends on how the values are grouped, or that takes no such values.
    """
    if function not in JOINABLE:
        raise TypeError(
            f"np.{function.__name__}.accumulate depends on how values are grouped and is not lazy; "
            f"np.{function.__name__}.accumulate(x.compute()) works in memory"
        )
    if axis is None:
        raise ValueError("accumulate does not allow multiple axes")
    given = {} if dtype is None else {"dtype": np.dtype(dtype)}
    result = function.accumulate(np.zeros(1, node.dtype), **given).dtype
    operand = astype(node, result) if dtype is not None else node
    return scans.scan(operand, function, axis_in(node, axis), result)


def ffill(a: Any, axis: Axis = -1, limit: int | None = None) -> Node:
    """The values with each NaN (NaT) replaced by the last value before it along an axis, `limit` steps on at most.

    Raises ValueError for a limit below 1.
    """
    node = as_node(a)
    if limit is not None and operator.index(limit) < 1:
        raise ValueError(f"limit={limit}: at least one NaN is filled, or all (None)")
    return filling.fill(node, axis_in(node, axis), limit)


def bfill(a: Any, axis: Axis = -1, limit: int | None = None) -> Node:
    """As ffill, by the next value after each NaN."""
    node = as_node(a)
    where_ = axis_in(node, axis)
    return along(ffill(along(node, where_, None, None, -1), where_, limit), where_, None, None, -1)


def _lines(node: Node, axis: int, nbytes: int) -> Node:
    """The array in chunks of whole lines along an axis, of a bounded size where that can be; a line takes so much."""
    sizes = [max(own, default=1) or 1 for own in node.chunks]
    sizes[axis] = 1
    for other in range(node.ndim):
        if other != axis:
            rest = math.prod(sizes[:other]) * math.prod(sizes[other + 1 :]) * nbytes
            sizes[other] = _part_of(sizes[other], LINES // max(rest, 1))
    return rechunk(node, line_chunks(node, axis, sizes))


def _part_of(size: int, most: int) -> int:
    """A length of `most`, or of half of that at least, in which chunks of a size are cut evenly where they can be.

    >>> _part_of(128, 61), _part_of(100, 61), _part_of(7, 5)
    (32, 50, 5)
    """
    most = max(1, min(size, most))
    return next((part for part in range(most, most // 2, -1) if size % part == 0), most)


def _by_line(
    function: Callable[..., Any], a: Any, axis: int, length: int, dtype: np.dtype[Any], words: dict[str, Any]
) -> Node:
    """A function of blocks of whole lines, which makes them so long."""
    node = as_node(a)
    nbytes = max(node.dtype.itemsize * node.shape[axis], dtype.itemsize * length)
    return by_line(function, _lines(node, axis, nbytes), length, dtype, words | {"axis": axis})


def _ordered(
    function: Callable[..., Any],
    node: Node,
    axis: int,
    length: int,
    dtype: np.dtype[Any],
    words: dict[str, Any],
) -> Node:
    """A function of NumPy's along the last axis of what it is given, for lines along an axis; it makes them so long."""
    given = {"function": function, "words": words, "length": length}
    return _by_line(by_parts, node, axis, length, dtype, given)


def sort(a: Any, axis: Axis | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Node:
    """The values in ascending order along an axis (None: raveled), NaN last."""
    node = ravel(a) if axis is None else as_node(a)
    where_ = 0 if axis is None else axis_in(node, axis)
    return _sorted(np.sort, node, where_, node.dtype, "stable" if stable else kind)


def argsort(a: Any, axis: Axis | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Node:
    """The positions that sort the values along an axis (None: raveled)."""
    axis = first_or_all(as_node(a), axis)
    node = ravel(a) if axis is None else as_node(a)
    where_ = 0 if axis is None else axis_in(node, axis)
    return _sorted(np.argsort, node, where_, np.dtype(np.intp), "stable" if stable else kind)


def _sorted(function: Callable[..., Any], node: Node, axis: int, dtype: np.dtype[Any], kind: Any) -> Node:
    """What a function of NumPy's that sorts gives for lines along an axis."""
    count = node.shape[axis]
    found = _ordered(function, node, axis, count, dtype, {"kind": kind})
    # A line that may not fit comes in parts: nothing that reads it has to hold it then.
    return found if count * dtype.itemsize <= WHOLE else rechunk(found, node.chunks)


def topk(a: Any, k: int, axis: Axis = -1) -> Node:
    """The k largest values along an axis, largest first; with k < 0 the smallest, smallest first."""
    return _topk(as_node(a), k, axis, False)


def argtopk(a: Any, k: int, axis: Axis = -1) -> Node:
    """The positions of what topk gives along an axis; of equal values the first ones."""
    return _topk(as_node(a), k, axis, True)


def _topk(node: Node, k: int, axis: Any, positions: bool) -> Node:
    where_ = axis_in(node, axis)
    if node.dtype.kind not in "biufmM":
        raise TypeError(f"topk compares numbers and times, not {node.dtype} values")
    count = min(abs(operator.index(k)), node.shape[where_])
    if not count:
        empty = along(node, where_, 0, 0)
        return astype(empty, np.dtype(np.intp)) if positions else empty
    return best.topk(node, count, where_, k > 0, positions)


def apply_along_axis(
    function: Callable[..., Any],
    axis: Axis,
    arr: Any,
    *,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
) -> Node:
    """A function of one line at a time, which gives a number, or a line of `shape`."""
    node = as_node(arr)
    where_ = axis_in(node, axis)
    if dtype is None or shape is None:
        sample = np.asarray(function(np.ones(node.shape[where_], node.dtype)))
        dtype, shape = sample.dtype, sample.shape
    if len(shape) > 1:
        raise ValueError("the function gives a number or one line; for more use map_blocks")
    length = shape[0] if shape else 1
    words = {"function": function, "axis": where_, "keep": not shape}
    found = _by_line(_line_by_line, node, where_, length, np.dtype(dtype), words)
    return found if shape else part(found, (*(slice(None),) * where_, 0))


def _line_by_line(block: Any, function: Callable[..., Any], axis: int, keep: bool) -> Any:
    """The function of each line of a block."""
    values = np.apply_along_axis(function, axis, block)
    return np.expand_dims(values, axis) if keep else values


def median(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """The median over axes, exactly."""
    return quantile_like(a, 0.5, axis, "linear", keepdims, np.median)


def nanmedian(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """As median, NaN passed over."""
    return quantile_like(a, 0.5, axis, "linear", keepdims, np.nanmedian)


def quantile(a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Node:
    """The quantiles over axes, exactly; of several the first axis runs over `q`."""
    return quantile_like(a, q, axis, method, keepdims, np.quantile)


def nanquantile(a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Node:
    """As quantile, NaN passed over."""
    return quantile_like(a, q, axis, method, keepdims, np.nanquantile)


def percentile(a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Node:
    """The percentiles over axes, exactly; of several the first axis runs over `q`."""
    return quantile_like(a, q, axis, method, keepdims, np.percentile)


def nanpercentile(a: Any, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Node:
    """As percentile, NaN passed over."""
    return quantile_like(a, q, axis, method, keepdims, np.nanpercentile)


def quantile_like(
    a: Any, q: Any, axis: Any, method: str, keepdims: bool, function: Callable[..., Any]
) -> Node:
    """One of NumPy's functions of ordered values, over axes that are moved to the end and made one."""
    node = as_node(a)
    if passes_over_nan(function) and is_text(node):
        raise TypeError(f"{function.__name__} of {node.dtype} values is not computed here")
    axes = axes_in(node, axis)
    lines = moveaxis(node, axes, tuple(range(node.ndim - len(axes), node.ndim)))
    beside, length = lines.shape[: node.ndim - len(axes)], math.prod(lines.shape[node.ndim - len(axes) :])
    lines = reshape(lines, (*beside, length)) if len(axes) != 1 else lines
    wanted = np.asarray(q)
    median_ = function in (np.median, np.nanmedian)
    # A number keeps its own kind: NumPy's answer has the dtype of the values then.
    words: dict[str, Any] = {} if median_ else {"q": np.ravel(wanted) if wanted.ndim else q, "method": method}
    # Asked of NumPy itself: the dtype of medians and quantiles follows no simple rule.
    ones = np.ones((*(1,) * len(beside), 2 if length else 0), node.dtype)
    sample = by_ranks(ones, function, words, not wanted.ndim)
    if _one_long_line(node, axes, wanted):
        return _selected(node, wanted, q, method, keepdims, function, sample.dtype)
    given = {"function": function, "words": words, "one": not wanted.ndim}
    if length:
        found = _ordered(by_ranks, lines, lines.ndim - 1, wanted.size, sample.dtype, given)
    else:  # what there is none of is the same for all lines
        found = full((*beside, wanted.size), sample.flat[0] if sample.size else 0, sample.dtype)
    found = named(found, (*found.dims[:-1], None))  # the last axis runs over the quantiles
    if keepdims:
        for place in axes:
            found = expand_dims(found, place)
    if wanted.ndim == 0:
        return part(found, (..., 0))
    found = moveaxis(found, -1, 0)
    return found if wanted.ndim == 1 else reshape(found, (*wanted.shape, *found.shape[1:]))


def _one_long_line(node: Node, axes: tuple[int, ...], wanted: Any) -> bool:
    """Whether all values are one line, too long to be sorted in memory for the sake of a few of them."""
    few = wanted.size * 2 <= MOST_RANKS and can_select(node.dtype)
    return len(axes) == node.ndim > 0 and few and node.nbytes > LINES and 0 not in node.shape


def _selected(
    node: Node,
    wanted: Any,
    q: Any,
    method: str,
    keepdims: bool,
    function: Callable[..., Any],
    dtype: np.dtype[Any],
) -> Node:
    """The medians or quantiles of all values, found in passes over them."""
    passing, places = passes_over_nan(function), places_of(function, q, method)
    found = [selecting.order_statistic(node, *place, passing, dtype) for place in places]
    shape = (*wanted.shape, *(1,) * (node.ndim if keepdims else 0))
    return reshape(concatenate(found), shape) if len(found) > 1 else reshape(found[0], shape)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Node:
    """Sums of products over axes of both: so many last and first ones, or those named."""
    one, other = as_node(a), as_node(b)
    if isinstance(axes, (int, np.integer)):
        axes = (list(range(one.ndim - int(axes), one.ndim)), list(range(int(axes))))
    own, theirs = (tuple(x) if isinstance(x, (tuple, list)) else (x,) for x in axes)
    if len(own) != len(theirs):
        raise ValueError("shape-mismatch for sum")
    pair = tuple(axis_in(one, axis) for axis in own), tuple(axis_in(other, axis) for axis in theirs)
    return products.tensordot(one, other, pair)


def matmul(x1: Any, x2: Any) -> Node:
    """The product of matrices, or of stacks of them; arrays of one axis are rows and columns."""
    one, other = as_node(x1), as_node(x2)
    if not one.ndim or not other.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    left = one if one.ndim > 1 else expand_dims(one, 0)
    right = other if other.ndim > 1 else expand_dims(other, 1)
    found = products.matmul(left, right)
    if one.ndim == 1:
        found = part(found, (..., 0, slice(None)))
    return part(found, (..., 0)) if other.ndim == 1 else found


def dot(a: Any, b: Any) -> Node:
    """NumPy's dot: sums of products over the last axis of `a` and the last but one of `b`; products of numbers."""
    one, other = as_node(a), as_node(b)
    if not one.ndim or not other.ndim:
        return ufunc(np.multiply, one, other)
    return tensordot(one, other, ([one.ndim - 1], [max(other.ndim - 2, 0)]))


def outer(a: Any, b: Any) -> Node:
    """The products of each value of one array with each of another, both raveled."""
    return ufunc(np.multiply, part(ravel(a), (slice(None), None)), ravel(b))
