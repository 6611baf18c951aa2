"""NumPy's functions that work value by value and are no ufuncs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy._core import umath

from lazyzarr.graph import reducing
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import elementwise, joining, sources
from lazyzarr.graph.ops.elementwise import Constant, Elementwise, call, ufunc

__all__ = [
    "allclose",
    "angle",
    "around",
    "array_equal",
    "astype",
    "clip",
    "digitize",
    "imag",
    "interp",
    "isclose",
    "isin",
    "nan_to_num",
    "real",
    "round",
    "searchsorted",
    "select",
    "tril",
    "triu",
    "where",
]

_CLIP: np.ufunc = umath.clip  # type: ignore[attr-defined]  # what np.clip calls has no public name


def where(condition: Any, *choices: Any) -> Node:
    """One of two values, in NumPy's common dtype. Raises TypeError where there are no choices."""
    if len(choices) != 2:
        raise TypeError(
            "np.where of a lazy array takes a condition and two choices; the positions of true values are not lazy"
        )
    return elementwise.where(lift(condition), *map(lift, choices))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Node:
    """For each element the choice of the first condition that holds, else the default."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError("list of cases must be same length as list of conditions, and not empty")
    dtype = np.result_type(*[_weak(choice) for choice in (*choicelist, default)])
    result: Any = Constant(np.asarray(default).astype(dtype)[()]) if np.isscalar(default) else lift(default)
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = elementwise.where(lift(condition), lift(choice), result)
    return elementwise.astype(as_node_of(result), dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Node:
    """The values in another dtype; neither `copy` nor `device` makes a difference to an expression."""
    return elementwise.astype(as_node(x), np.dtype(dtype))


def _weak(value: Any) -> Any:
    lifted = lift(value)
    if not isinstance(lifted, Constant):
        return lifted.dtype
    # NumPy takes a text for the name of a dtype.
    return np.asarray(lifted.value) if isinstance(lifted.value, (str, bytes)) else lifted.value


def as_node_of(value: Node | Constant) -> Node:
    """The node of what was lifted."""
    return sources.memory(np.asarray(value.value), (), ()) if isinstance(value, Constant) else value


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Node:
    """The values no less than one bound and no greater than the other; the upper one wins."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    node = as_node(a)
    if node.dtype.kind in "iu":  # Python integers beyond what the dtype holds bound nothing, as in NumPy
        ends = np.iinfo(node.dtype)
        low = None if type(low) is int and low <= ends.min else low
        high = None if type(high) is int and high >= ends.max else high
    if low is None and high is None:
        return ufunc(np.positive, node)
    if low is None or high is None:
        return ufunc(np.minimum, node, lift(high)) if low is None else ufunc(np.maximum, node, lift(low))
    # Of both bounds at once, as they say together what the dtype is.
    return ufunc(_CLIP, node, lift(low), lift(high))


def _by_value(function: Callable[..., Any], *arrays: Any, **keywords: Any) -> Node:
    """A NumPy function that works value by value."""
    return call(Elementwise, function, [lift(array) for array in arrays], tuple(keywords.items()), None)


def round(a: Any, decimals: int = 0) -> Node:
    """The values rounded to so many decimals, halves to even."""
    return _by_value(np.round, as_node(a), decimals=int(decimals))


around = round


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Node:
    """Whether each value is among those of an array in memory."""
    return _by_value(
        np.isin,
        as_node(element),
        test_elements=np.asarray(test_elements),
        assume_unique=assume_unique,
        invert=invert,
        kind=kind,
    )


def digitize(x: Any, bins: Any, right: bool = False) -> Node:
    """The number of the bin that each value lies in; the bins' edges are in memory."""
    return _by_value(np.digitize, as_node(x), bins=_in_memory("bins", bins), right=right)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Node:
    """Where in a sorted array in memory each value belongs."""
    held = _in_memory("a", a)
    held = held if sorter is None else held[np.asarray(sorter)]
    return _by_value(places_in, as_node(v), a=held, side=side)


def places_in(values: Any, a: np.ndarray[Any, Any], side: Any) -> Any:
    """Where in a sorted array values belong."""
    return np.searchsorted(a, values, side=side)


places_in.__name__ = "searchsorted"  # what plans and errors call it


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Node:
    """The values at each x of the line through points in memory."""
    points = {"xp": _in_memory("xp", xp), "fp": _in_memory("fp", fp)}
    return _by_value(np.interp, as_node(x), **points, left=left, right=right, period=period)


def _in_memory(word: str, value: Any) -> np.ndarray[Any, Any]:
    """An argument as an array; raises TypeError for a lazy one, of which every task would need all."""
    if hasattr(value, "__lazyzarr_node__"):
        raise TypeError(f"{word} is looked through for each value and has to be in memory: {word}.compute()")
    return np.asarray(value)


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Node:
    """Whether two arrays have the same shape and elements; NaN are equal where that is said."""
    one, other = as_node(a1), as_node(a2)
    if one.shape != other.shape:
        return sources.memory(np.asarray(False), (), ())
    same: Node = ufunc(np.equal, one, other)
    if equal_nan:  # NaN and NaT are what does not equal itself
        # A text that is missing is neither equal nor unequal to itself.
        there = [ufunc(np.equal, node, node) for node in (one, other)]
        same = ufunc(np.logical_or, same, ufunc(np.logical_not, ufunc(np.logical_or, *there)))
    return reducing.logical(same, None, False, np.logical_and)


def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Node:
    """Whether all values are equal within a tolerance."""
    return reducing.logical(isclose(a, b, rtol, atol, equal_nan), None, False, np.logical_and)


def isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Node:
    """Whether values are equal within a tolerance."""
    return _by_value(np.isclose, as_node(a), b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Node:
    """The values with numbers in the place of NaN and of the infinities."""
    return _by_value(np.nan_to_num, as_node(x), nan=nan, posinf=posinf, neginf=neginf)


def real(val: Any) -> Node:
    """The real part."""
    node = as_node(val)
    return _by_value(np.real, node) if node.dtype.kind == "c" else node


def imag(val: Any) -> Node:
    """The imaginary part."""
    return _by_value(np.imag, as_node(val))


def conj(node: Node) -> Node:
    """The complex conjugate, by the rules of NumPy's method: other numbers stay as they are, bools too."""
    if node.dtype.kind not in "biufc":
        raise TypeError(f"cannot conjugate non-numeric dtype {node.dtype}")
    return ufunc(np.conjugate, node) if node.dtype.kind == "c" else node


def angle(z: Any, deg: bool = False) -> Node:
    """The angle of complex values."""
    return _by_value(np.angle, as_node(z), deg=deg)


def tril(m: Any, k: int = 0) -> Node:
    """The values on and below the k-th diagonal of the last two axes, elsewhere 0."""
    return _triangle(as_node(m), k, np.greater_equal)


def triu(m: Any, k: int = 0) -> Node:
    """The values on and above the k-th diagonal of the last two axes, elsewhere 0."""
    return _triangle(as_node(m), k, np.less_equal)


def _triangle(node: Node, k: int, function: np.ufunc) -> Node:
    if not node.ndim:
        raise TypeError("a triangle is that of two axes, or of one that is repeated; this array has none")
    chunks = node.chunks[-2:] if node.ndim > 1 else node.chunks * 2
    rows, columns = (np.arange(sum(sizes)) for sizes in chunks)
    row = joining.part(sources.memory(rows + k, (chunks[0],), (None,)), (slice(None), None))
    inside = ufunc(function, row, sources.memory(columns, (chunks[1],), (None,)))
    return elementwise.where(inside, node, Constant(np.zeros((), node.dtype)[()]))
