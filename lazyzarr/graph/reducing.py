"""Reductions as users call them: NumPy's names, axes, dtypes and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyzarr.graph.chunking import axes_of
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import moments
from lazyzarr.graph.ops.elementwise import astype
from lazyzarr.graph.ops.joined import Extremum, Logical
from lazyzarr.graph.ops.positions import FirstExtremum
from lazyzarr.graph.ops.reductions import Reduce, reduce_node
from lazyzarr.graph.ops.sums import Mean, Sum
from lazyzarr.graph.ops.ufuncs import JOINABLE, UfuncReduce
from lazyzarr.graph.ops.variances import Variance

__all__ = ["extremum", "is_text", "joined", "logical", "mean", "picked_variance", "total", "variance"]

Axis = Any


def total(node: Node, axis: Axis, dtype: Any, keepdims: bool) -> Reduce:
    """The node of a sum, in NumPy's dtype for it."""
    if node.dtype.hasobject:
        raise TypeError(f"sum of {node.dtype} values is not computed here")
    own = np.add.reduce(np.zeros(1, node.dtype)).dtype  # TypeError for what has no sum
    # Sums of times are times whatever dtype= says.
    result = own if dtype is None or (own.kind == "m" and np.dtype(dtype).kind != "m") else np.dtype(dtype)
    operand = astype(node, result) if dtype is not None and _loses(node.dtype, result) else node
    return reduce_node(Sum, operand, axes_of(axis, node.dims), keepdims, result)


def _loses(given: np.dtype[Any], result: np.dtype[Any]) -> bool:
    """Whether values must be cast before they are summed, as NumPy does: the result's kind is a lesser one."""
    return not np.can_cast(given, result, "same_kind") or (
        given.kind in "fc" and result.itemsize < given.itemsize
    )


def mean(node: Node, axis: Axis, dtype: Any, keepdims: bool) -> Reduce:
    """The node of an arithmetic mean: float64 of integers and bools, else the dtype of the values."""
    kind = node.dtype.kind
    if kind not in "biufcm":
        raise TypeError(f"mean of {node.dtype} values is not defined")
    result = _averaged(node, dtype, "mean")
    operand = astype(node, result) if dtype is not None and _loses(node.dtype, result) else node
    return reduce_node(Mean, operand, axes_of(axis, node.dims), keepdims, result)


def _averaged(node: Node, dtype: Any, name: str) -> np.dtype[Any]:
    """The dtype that averages are taken in: as given, float64 for integers and bools, else the values' own."""
    kind = node.dtype.kind
    if dtype is None:
        return np.dtype(np.float64) if kind in "biu" else node.dtype.newbyteorder("=")
    result: np.dtype[Any] = np.dtype(dtype)
    wider = result.kind in "fc" and kind in "biuf" and (result.kind == "f" or name == "mean")
    if result.kind != kind and not wider:
        raise TypeError(
            f"{name} of {node.dtype} values in {result} is not computed: x.{name}(...).astype({result.name!r})"
        )
    if result.kind not in "fcm":
        raise TypeError(f"{name} in {result} would cut fractions off: x.{name}(...).astype({result.name!r})")
    return result


def variance(node: Node, axis: Axis, dtype: Any, ddof: float, keepdims: bool, root: bool) -> Reduce:
    """The node of a variance, or of its root: the standard deviation."""
    kind = node.dtype.kind
    if kind not in "biufc":
        raise TypeError(f"{'std' if root else 'var'} of {node.dtype} values is not defined")
    values = _averaged(node, dtype, "std" if root else "var")
    operand = astype(node, values) if dtype is not None and _loses(node.dtype, values) else node
    result = values if values.kind != "c" else np.zeros(0, values).real.dtype
    kind_of = moments.FineVariance if result.itemsize >= 8 else Variance
    return reduce_node(kind_of, operand, axes_of(axis, node.dims), keepdims, result, ddof, root)


def picked_variance(
    node: Node, counts: Node, axis: Axis, dtype: Any, ddof: float, keepdims: bool, root: bool, quiet: bool
) -> Reduce:
    """The node of the variance of those values that count, or of its root; `quiet`: NaN where too few do."""
    plain = variance(node, axis, dtype, ddof, keepdims, root)
    return moments.picked_variance(
        plain.operand, counts, plain.axes, keepdims, plain.dtype, ddof, root, quiet
    )


def joined(node: Node, axis: Axis, dtype: Any, keepdims: bool, function: np.ufunc) -> Reduce:
    """The node of all values joined by a ufunc, in NumPy's dtype for it; raises ValueError where there are none."""
    if function not in JOINABLE:
        raise TypeError(
            f"np.{function.__name__}.reduce depends on the order of the values and is not lazy; "
            f"np.{function.__name__}.reduce(x.compute()) works in memory"
        )
    axes = axes_of(axis, node.dims)
    sample = np.ones(1, node.dtype)
    result = function.reduce(sample, **({} if dtype is None else {"dtype": dtype})).dtype
    if function.identity is None and math.prod(node.shape[i] for i in axes) == 0:
        raise _nothing(node, function)
    if result.kind == "c" and function in (np.minimum, np.maximum, np.fmin, np.fmax):
        return extremum(astype(node, result), axis, keepdims, function)
    return reduce_node(UfuncReduce, node, axes, keepdims, result, function)


def _nothing(node: Node, function: np.ufunc) -> ValueError:
    return ValueError(
        f"zero-size array of shape {node.shape} to reduction operation {function.__name__} which has no identity"
    )


def is_text(node: Node) -> bool:
    """Whether values are text, bytes, objects or records, which have no extrema here."""
    return node.dtype.kind in "SUTO" or node.dtype.type is np.void


def extremum(node: Node, axis: Axis, keepdims: bool, function: np.ufunc) -> Reduce:
    """The node of a minimum or maximum; raises ValueError where there is nothing to compare."""
    axes = axes_of(axis, node.dims)
    if math.prod(node.shape[i] for i in axes) == 0:
        raise _nothing(node, function)
    if is_text(node):
        raise TypeError(f"{function.__name__} of {node.dtype} values is not computed here")
    if function in (np.fmin, np.fmax) and node.dtype.kind not in "fcmMV":  # V: bfloat16 and the like have NaN
        function = np.minimum if function is np.fmin else np.maximum
    dtype = node.dtype.newbyteorder("=")
    if dtype.kind == "c":
        pair = np.minimum if function in (np.minimum, np.fmin) else np.maximum
        passes_nan = function in (np.fmin, np.fmax)
        return reduce_node(FirstExtremum, node, axes, keepdims, dtype, pair, passes_nan)
    return reduce_node(Extremum, node, axes, keepdims, dtype, function)


def logical(node: Node, axis: Axis, keepdims: bool, function: np.ufunc) -> Reduce:
    """The node of all or any."""
    return reduce_node(Logical, node, axes_of(axis, node.dims), keepdims, np.dtype(bool), function)
