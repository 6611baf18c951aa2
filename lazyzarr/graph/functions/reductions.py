"""NumPy's reductions: totals, averages, extrema and their places, with `where=`, `initial=` and the nan-forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.graph import reducing
from lazyzarr.graph.functions.arguments import as_node, assigned, axes_in, axis_in, first_or_all, several
from lazyzarr.graph.functions.values import where as choose
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import joining, views
from lazyzarr.graph.ops.elementwise import Constant, astype, call, ufunc
from lazyzarr.graph.ops.joined import Product
from lazyzarr.graph.ops.positions import Position
from lazyzarr.graph.ops.reductions import accumulator, reduce_node
from lazyzarr.graph.ops.user import UserElementwise
from lazyzarr.graph.words import Axes

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "average",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]

_NONE: Any = getattr(np, "_NoValue", None)


def _given(value: Any) -> bool:
    """Whether a keyword was given."""
    return value is not None and value is not _NONE


def _where(node: Node, where: Any, other: Any) -> Node:
    """The values where they count, elsewhere another; the array itself where all count."""
    if not _given(where) or where is True:
        return node
    return choose(views.broadcast_to(_mask(where), node.shape), node, _as(other, node.dtype))


def _mask(where: Any) -> Node:
    mask = as_node(where)
    if mask.dtype != bool:
        raise TypeError(f"where= takes a mask of bools, not of {mask.dtype}")
    return mask


def _as(value: Any, dtype: np.dtype[Any]) -> Constant:
    return Constant(assigned(value, dtype)[()])


def _start(node: Node, function: np.ufunc, initial: Any) -> Node:
    """A result joined with the value that the reduction starts from."""
    return ufunc(function, _as(initial, node.dtype), node) if _given(initial) else node


def sum(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Node:
    """The sum over axes, in NumPy's dtype for it; floats are summed in float64 at least."""
    node = as_node(a)
    total = reducing.total(_where(node, where, 0), first_or_all(node, axis), dtype, bool(keepdims))
    return _start(total, np.add, initial)


def prod(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Node:
    """The product over axes, in NumPy's dtype for it."""
    node = _where(as_node(a), where, 1)
    own = np.multiply.reduce(np.zeros(1, node.dtype)).dtype  # TypeError for what has no product
    result = own if dtype is None else np.dtype(dtype)
    operand = astype(node, result) if dtype is not None else node
    product = reduce_node(Product, operand, axes_in(node, first_or_all(node, axis)), bool(keepdims), result)
    return _start(product, np.multiply, initial)


def mean(
    a: Any, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False, where: Any = True
) -> Node:
    """The arithmetic mean over axes: float64 of integers and bools, else in the values' own dtype."""
    node = as_node(a)
    plain = reducing.mean(node, axis, dtype, bool(keepdims))
    if where is True or not _given(where):
        return plain
    wide = accumulator(plain.dtype)
    counted = sum(views.broadcast_to(as_node(where), node.shape), axis, None, keepdims)
    return astype(ufunc(np.true_divide, sum(node, axis, wide, keepdims, None, where), counted), plain.dtype)


def var(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: Any = None,
) -> Node:
    """The variance over axes, with `ddof` taken from the count."""
    return _variance(as_node(a), axis, dtype, ddof, keepdims, where, correction, False)


def std(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: Any = None,
) -> Node:
    """The standard deviation over axes, with `ddof` taken from the count."""
    return _variance(as_node(a), axis, dtype, ddof, keepdims, where, correction, True)


def _variance(
    node: Node,
    axis: Axes,
    dtype: Any,
    ddof: float,
    keepdims: Any,
    where: Any,
    correction: Any,
    root: bool,
    quiet: bool = False,
) -> Node:
    ddof = correction if _given(correction) else ddof
    if where is True or not _given(where):
        return reducing.variance(node, axis, dtype, ddof, bool(keepdims), root)
    counts = views.broadcast_to(_mask(where), node.shape)
    quiet = quiet and node.dtype.kind in "fc"  # NumPy's forms for NaN leave other numbers to the plain ones
    return reducing.picked_variance(node, counts, axis, dtype, ddof, bool(keepdims), root, quiet)


def min(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Node:
    """The minimum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
    return _extremum(as_node(a), axis, keepdims, initial, where, np.minimum, np.minimum)


def max(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Node:
    """The maximum over axes; NaN where there is one. Raises ValueError where there is nothing to compare."""
    return _extremum(as_node(a), axis, keepdims, initial, where, np.maximum, np.maximum)


def _extremum(
    node: Node, axis: Axes, keepdims: bool, initial: Any, where: Any, function: np.ufunc, pair: np.ufunc
) -> Node:
    if _given(where) and where is not True and not _given(initial):
        raise ValueError(
            f"reduction operation {pair.__name__!r} does not have an identity, so to use a where mask one has to "
            "specify 'initial'"
        )
    node, axis = _where(node, where, initial), first_or_all(node, axis)
    axes = axes_in(node, axis)
    if _given(initial) and not math.prod(node.shape[i] for i in axes):
        kept = [1 if i in axes else n for i, n in enumerate(node.shape) if keepdims or i not in axes]
        return joining.full(tuple(kept), initial, node.dtype.newbyteorder("="))
    found = reducing.extremum(node, axis, bool(keepdims), function)
    return _start(found, pair, initial)


def ptp(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """The maximum less the minimum over axes."""
    node = as_node(a)
    return ufunc(np.subtract, max(node, axis, keepdims), min(node, axis, keepdims))


def any(a: Any, axis: Axes = None, keepdims: bool = False, where: Any = True) -> Node:
    """Whether any value is true, over axes."""
    node = as_node(a)
    none = np.zeros((), node.dtype)[()]  # False as text is true
    return reducing.logical(
        _where(node, where, none), first_or_all(node, axis), bool(keepdims), np.logical_or
    )


def all(a: Any, axis: Axes = None, keepdims: bool = False, where: Any = True) -> Node:
    """Whether all values are true, over axes."""
    node = as_node(a)
    return reducing.logical(
        _where(node, where, True), first_or_all(node, axis), bool(keepdims), np.logical_and
    )


def count_nonzero(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """How many values are not zero, over axes."""
    node = as_node(a)
    true = node if node.dtype == bool else astype(node, np.dtype(bool))
    return sum(true, axis, np.intp, keepdims)


def average(a: Any, axis: Axes = None, weights: Any = None, keepdims: bool = False) -> Node:
    """The mean over axes, with weights of the array's shape, or of that which it has along these axes."""
    node = as_node(a)
    if weights is None:
        return mean(node, axis, None, keepdims)
    given = as_node(weights)
    if given.shape != node.shape:
        given = _along(given, node, axis)
    dtype = np.result_type(node.dtype, given.dtype, "f8" if node.dtype.kind in "biu" else node.dtype)
    total = sum(ufunc(np.multiply, node, given, dtype=dtype), axis, None, keepdims)
    weight = sum(given, axis, dtype, keepdims)
    return ufunc(np.true_divide, total, call(UserElementwise, _some_weight, [weight], (), weight.dtype))


def _along(weights: Node, node: Node, axis: Axes) -> Node:
    """Weights for the axes of an array that are named, in this order, with ones for its other axes."""
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    places = [axis_in(node, each) for each in several(axis)]
    shape = tuple(node.shape[place] for place in places)
    if weights.shape != shape:
        raise ValueError(f"weights of shape {weights.shape} do not fit {node.shape} along axis {axis}")
    if 0 in shape:
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    ordered = views.transpose(weights, [places.index(i) for i in axes_in(node, tuple(places))])
    return joining.part(ordered, tuple(slice(None) if i in places else None for i in range(node.ndim)))


def _some_weight(weight: Any) -> Any:
    """The sums of weights. Raises ZeroDivisionError for one that is zero, as NumPy does."""
    if np.size(weight) and not np.all(weight):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    return weight


def argmin(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """Where the first minimum stands along an axis; None: in the raveled array."""
    return _position(as_node(a), axis, keepdims, np.minimum, False)


def argmax(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """Where the first maximum stands along an axis; None: in the raveled array."""
    return _position(as_node(a), axis, keepdims, np.maximum, False)


def nanargmin(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """As argmin, NaN passed over. Computing raises ValueError where there is nothing else."""
    return _position(as_node(a), axis, keepdims, np.minimum, True)


def nanargmax(a: Any, axis: Axes = None, keepdims: bool = False) -> Node:
    """As argmax, NaN passed over. Computing raises ValueError where there is nothing else."""
    return _position(as_node(a), axis, keepdims, np.maximum, True)


def _position(node: Node, axis: Axes, keepdims: Any, function: np.ufunc, passes_nan: bool) -> Node:
    axis = first_or_all(node, axis)
    axes = axes_in(node, axis)
    if axis is not None and len(axes) != 1:
        raise TypeError("argmin and argmax take one axis, or None for all")
    if not math.prod(node.shape[i] for i in axes):
        raise ValueError(f"attempt to get arg{function.__name__[:3]} of an empty sequence")
    if reducing.is_text(node):
        raise TypeError(f"positions of extremal {node.dtype} values are not computed here")
    if not node.ndim:
        node, axes, keepdims = joining.part(node, None), (0,), False
    return reduce_node(Position, node, axes, keepdims is True, np.dtype(np.intp), function, passes_nan)


def _numbers(node: Node) -> Node | None:
    """Whether values are numbers rather than NaN; None where all are: NumPy's sums do not pass over NaT."""
    return ufunc(np.logical_not, ufunc(np.isnan, node)) if node.dtype.kind in "fc" else None


def nansum(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Node:
    """As sum, NaN counted as 0."""
    node = as_node(a)
    return sum(_where(node, _numbers(node), 0), axis, dtype, keepdims, initial, where)


def nanprod(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Node:
    """As prod, NaN counted as 1."""
    node = as_node(a)
    return prod(_where(node, _numbers(node), 1), axis, dtype, keepdims, initial, where)


def nanmean(
    a: Any, axis: Axes = None, dtype: DTypeLike | None = None, keepdims: bool = False, where: Any = True
) -> Node:
    """As mean, NaN passed over; NaN where there is nothing else."""
    node = as_node(a)
    return mean(node, axis, dtype, keepdims, _both(_numbers(node), where))


def nanvar(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: Any = None,
) -> Node:
    """As var, NaN passed over; NaN where too few numbers are left."""
    node = as_node(a)
    where = _both(_numbers(node), where)
    return _variance(node, axis, dtype, ddof, keepdims, where, correction, False, True)


def nanstd(
    a: Any,
    axis: Axes = None,
    dtype: DTypeLike | None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    correction: Any = None,
) -> Node:
    """As std, NaN passed over; NaN where too few numbers are left."""
    node = as_node(a)
    where = _both(_numbers(node), where)
    return _variance(node, axis, dtype, ddof, keepdims, where, correction, True, True)


def _both(one: Node | None, where: Any) -> Any:
    if one is None:
        return where
    if where is True or not _given(where):
        return one
    return ufunc(np.logical_and, one, as_node(where))


def nanmin(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Node:
    """As min, NaN passed over; NaN where there is nothing else."""
    return _extremum(as_node(a), axis, keepdims, initial, where, np.fmin, np.fmin)


def nanmax(a: Any, axis: Axes = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Node:
    """As max, NaN passed over; NaN where there is nothing else."""
    return _extremum(as_node(a), axis, keepdims, initial, where, np.fmax, np.fmax)
