"""Histograms, counts and reductions by group, in NumPy's signatures where NumPy has them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from lazyzarr.graph.functions.arguments import as_node, axis_in
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import groups
from lazyzarr.graph.ops.groups import How
from lazyzarr.graph.ops.sources import memory

__all__ = ["bincount", "groupby_reduce", "histogram"]


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None) -> tuple[Node, Any]:
    """The counts of values in bins, and the bins' edges; the range is needed where bins is a number.

    Raises ValueError where there is no range, or the edges do not ascend.
    """
    node = as_node(a)
    if node.dtype.kind not in "biuf":
        raise TypeError(f"a histogram of {node.dtype} values is not computed lazily")
    if isinstance(bins, str) or density:
        raise TypeError(
            "np.histogram(bins='...') and density= are not lazy; give edges, or a number and a range"
        )
    if isinstance(bins, (int, np.integer)):
        if range is None:
            raise ValueError(
                "np.histogram of a lazy array needs range=(low, high): lz.compute(x.min(), x.max()) finds it"
            )
        edges = np.histogram_bin_edges(np.empty(0, node.dtype), operator.index(bins), range)
    else:
        edges = np.asarray(bins)
        if edges.ndim != 1 or (np.diff(edges) < 0).any():
            raise ValueError("`bins` must increase monotonically, when an array")
    chunks = ((len(edges),),)
    return groups.histogram(node, edges), memory(edges, chunks, (None,))


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Node:
    """How often each integer from 0 to minlength - 1 occurs. Raises ValueError without minlength."""
    node = as_node(x)
    if weights is not None:
        raise TypeError("np.bincount(weights=) is not lazy: groupby_reduce sums by group")
    if node.dtype.kind not in "biu":
        raise TypeError(f"bincount counts integers, not {node.dtype}")
    if minlength < 1:
        raise ValueError("np.bincount of a lazy array needs minlength=: one more than the largest integer")
    return groups.bincount(node, operator.index(minlength))


def groupby_reduce(
    a: Any, labels: Any, how: How = "mean", axis: Any = 0, num_groups: int | None = None
) -> Node:
    """A reduction of the elements of each group along an axis; the result has one element a group there.

    `labels` is an array in memory of integers from 0 on, one for each index along the axis; what is negative
    belongs to no group. Raises ValueError for labels that do not fit.
    """
    node = as_node(a)
    where = axis_in(node, axis)
    given = np.asarray(labels)
    if given.shape != (node.shape[where],) or given.dtype.kind not in "iu":
        raise ValueError(f"labels are {node.shape[where]} integers, one for each index along axis {axis!r}")
    if how not in ("sum", "mean", "min", "max", "count"):
        raise ValueError(f"how={how!r}: sum, mean, min, max or count")
    count = int(given.max(initial=-1)) + 1 if num_groups is None else num_groups
    if (given >= count).any():
        raise ValueError(f"a label is not below the number of groups, {count}")
    return groups.group_reduce(node, given.astype(np.int64), max(count, 1), how, where)
