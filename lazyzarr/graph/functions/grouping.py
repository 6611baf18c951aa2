"""Histograms, counts and reductions by group, in NumPy's signatures where NumPy has them."""

from __future__ import annotations

import operator
from typing import Any, get_args

import numpy as np

from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph import reducing
from lazyzarr.graph.functions.arguments import as_node, axis_in
from lazyzarr.graph.functions.shapes import atleast_1d
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import binning, groups, points
from lazyzarr.graph.ops.elementwise import astype, ufunc
from lazyzarr.graph.ops.groups import How
from lazyzarr.graph.ops.joining import part
from lazyzarr.graph.ops.sources import memory
from lazyzarr.graph.words import Axis
from lazyzarr.meant import meant

__all__ = ["bincount", "counted", "groupby_reduce", "histogram"]


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Node, Node]:
    """The counts of values in bins, or the sums of their weights, and the bins' edges.

    Of a number of bins without a range, a pass over the values finds the range first. Sums of integer weights are
    exact, and wrap around in their dtype, as NumPy's do between edges that are given; for bins of one width NumPy adds
    up float64, and of what does not fit it makes any number.
    Raises ValueError where the edges do not ascend, TypeError for what is no number, ShapeMismatchError for weights of
    another shape.
    """
    node = atleast_1d(a)
    given = None if weights is None else _weights(node, atleast_1d(weights))
    low, high = (None, None) if _has_range(node, bins, range) else _limits(node)
    return counted(node, bins, range, density, given, low, high)


def counted(
    node: Node,
    bins: Any,
    limits: Any,
    density: Any,
    weights: Node | None,
    low: Node | None,
    high: Node | None,
) -> tuple[Node, Node]:
    """As histogram, with nodes of the least and the greatest value where these are to be the range."""
    if node.dtype.kind not in "biuf":
        raise TypeError(f"a histogram of {node.dtype} values is not computed lazily")
    if low is not None and high is not None:
        number = operator.index(bins)
        if number < 1:
            raise ValueError("`bins` must be positive, when an integer")
        places = binning.bin_numbers(node, low, high, number)
        counts = binning.ranged(places, number, weights)
        edges = binning.edges_between(low, high, number)
    else:
        held = _edges(node, bins, limits)
        counts = binning.histogram(node, held, limits if _is_number(bins) else None, weights)
        edges = memory(held, ((len(held),),), (None,))
    return (_density(counts, edges) if density else counts), edges


def _is_number(bins: Any) -> bool:
    return isinstance(bins, (int, np.integer))


def _has_range(node: Node, bins: Any, limits: Any) -> bool:
    """Whether the edges are known beforehand."""
    return limits is not None or not _is_number(bins) or 0 in node.shape or node.dtype.kind not in "biuf"


def _limits(node: Node) -> tuple[Node, Node]:
    return tuple(reducing.extremum(node, None, False, f) for f in (np.minimum, np.maximum))  # type: ignore[return-value]


def _edges(node: Node, bins: Any, limits: Any) -> np.ndarray[Any, Any]:
    """The edges that NumPy makes of the arguments. Raises ValueError, TypeError as it does."""
    if isinstance(bins, str):
        raise TypeError(f"np.histogram(bins={bins!r}) is not lazy; give edges, or the number of bins")
    return np.histogram_bin_edges(np.empty(0, node.dtype), bins, limits)


def _weights(node: Node, weights: Any) -> Node:
    given = as_node(weights)
    if given.shape != node.shape:
        raise ShapeMismatchError(f"weights of shape {given.shape} should have the shape of a, {node.shape}")
    if given.dtype.kind not in "biufc":
        raise TypeError(f"weights are numbers, not {given.dtype}")
    return given


def _density(counts: Node, edges: Node) -> Node:
    """The counts over the width of each bin and the sum of all."""
    upper, lower = part(edges, (slice(1, None),)), part(edges, (slice(None, -1),))
    widths = astype(ufunc(np.subtract, upper, lower), np.dtype(float))
    return ufunc(
        np.true_divide, ufunc(np.true_divide, counts, widths), reducing.total(counts, None, None, False)
    )


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Node:
    """How often each integer from 0 to minlength - 1 occurs, or the sum of its weights.

    Raises ValueError without minlength; computing raises it for an integer that is not below it.
    """
    node = as_node(x)
    if node.dtype.kind not in "biu":
        raise TypeError(f"bincount counts integers, not {node.dtype}")
    if node.ndim != 1:
        raise ValueError("object too deep for desired array: bincount takes one axis, x.ravel() makes it")
    if minlength < 1:
        raise ValueError(
            "np.bincount of a lazy array needs minlength=: one more than the largest integer, x.max().compute() + 1"
        )
    length = operator.index(minlength)
    found = None if weights is None else _weights(node, weights)
    if found is not None and not np.can_cast(found.dtype, np.float64):
        raise TypeError(
            f"bincount adds up weights in float64, not {found.dtype}; weights.astype('f8') casts them"
        )
    if found is None or not node.shape[0]:  # of nothing NumPy counts, with weights or not
        return binning.bincount(node, length, None)
    return binning.bincount(node, length, found, np.float64)


_KINDS = {"var": "biufc", "std": "biufc", "mean": "biufcm", "sum": "biufcm"}
"""Of which kinds of values a reduction by group is taken; the others are of all."""


def groupby_reduce(
    a: Any, labels: Any, how: How = "mean", axis: Axis = 0, num_groups: int | None = None, ddof: float = 0
) -> Node:
    """A reduction of the elements of each group along an axis; the result has one element a group there.

    `labels` is an array in memory of integers from 0 on, one for each index along the axis; what is negative
    belongs to no group. Raises ValueError for labels that do not fit.
    """
    node = as_node(a)
    where = axis_in(node, axis)
    given = np.asarray(labels)
    if given.shape != (node.shape[where],) or given.dtype.kind not in "iub":
        raise ValueError(
            f"labels are {node.shape[where]} integers, one for each index along axis {axis!r}; "
            f"these are {given.dtype}, of shape {given.shape}"
        )
    if how not in get_args(How):
        close = meant(how, get_args(How))
        hint = f". Did you mean {close}?" if close else ""
        raise ValueError(f"how={how!r}: {', '.join(get_args(How))}{hint}")
    if node.dtype.kind not in _KINDS.get(how, node.dtype.kind) or (
        how in ("min", "max") and reducing.is_text(node)
    ):
        raise TypeError(f"{how} of {node.dtype} values is not defined")
    most = int(given.max()) if given.size else -1
    count = most + 1 if num_groups is None else operator.index(num_groups)
    if most >= count:
        raise ValueError(f"a label is not below the number of groups, {count}")
    numbers = given.astype(np.int64)
    if how in ("first", "last"):
        return _one_of_each(node, numbers, count, where, how == "first")
    return groups.group_reduce(node, numbers, max(count, 1), how, where, ddof)


def _one_of_each(node: Node, labels: Any, count: int, axis: int, first: bool) -> Node:
    """The first or the last element of each group. Raises ValueError for a group that has none."""
    order = np.arange(len(labels))
    found = np.full(max(count, 1), -1)
    inside = labels >= 0
    walked = order[inside][::-1] if first else order[inside]
    found[labels[walked]] = walked
    if (found < 0).any():
        raise ValueError(
            f"group {int(np.argmin(found))} has no elements, and so no {'first' if first else 'last'}"
        )
    return points.take(node, found, axis)
