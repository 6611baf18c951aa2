"""NumPy's ufuncs on nodes: called, and by their methods `reduce`, `accumulate` and `outer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lazyzarr.graph import reducing
from lazyzarr.graph.functions import lines, reductions
from lazyzarr.graph.functions.arguments import as_node, first_or_all
from lazyzarr.graph.functions.values import where as choose
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import views
from lazyzarr.graph.ops.elementwise import Constant, astype, ufunc
from lazyzarr.graph.ops.joining import part
from lazyzarr.graph.ops.ufuncs import ufunc_outputs
from lazyzarr.graph.wrapping import called

__all__ = ["METHODS", "apply_ufunc"]

Answer = Node | tuple[Node, ...]


def apply_ufunc(function: np.ufunc, method: str, inputs: Any, keywords: dict[str, Any]) -> Answer:
    """What a ufunc, or one of its methods, gives for lazy arrays: a node, or several.

    Raises TypeError, with the cure, for what is not lazy.
    """
    if keywords.pop("out", None) is not None:
        raise TypeError(f"np.{function.__name__} of a lazy array takes no out=; assign the result instead")
    lazy = METHODS.get(method)
    if lazy is None:
        raise TypeError(
            f"np.{function.__name__}.{method} is not lazy; x.compute() gives NumPy, or use reduce, accumulate, outer"
        )
    return lazy(function, *inputs, **keywords)


def _called(function: np.ufunc, *inputs: Any, **keywords: Any) -> Answer:
    if "where" in keywords:
        raise TypeError(
            f"np.{function.__name__} of a lazy array takes no where=; use np.where(condition, a, b)"
        )
    if function is np.matmul and not keywords:
        return lines.matmul(*inputs)
    operands = [lift(each) for each in inputs]
    if function is np.divmod and not keywords:
        return ufunc(np.floor_divide, *operands), ufunc(np.remainder, *operands)
    if function.nout > 1 and not keywords:
        return ufunc_outputs(function, *operands)
    return called(function, *operands, **keywords)


_NAMED: dict[np.ufunc, Callable[..., Node]] = {
    np.maximum: reductions.max,
    np.minimum: reductions.min,
    np.fmax: reductions.nanmax,
    np.fmin: reductions.nanmin,
}


def _reduce(
    function: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Node:
    """All values over axes joined by a ufunc; NumPy's default is the first axis."""
    node = as_node(array)
    if function in (np.add, np.multiply):
        named = reductions.sum if function is np.add else reductions.prod
        return named(node, axis, dtype, keepdims, initial, where)
    if function in _NAMED:
        node = node if dtype is None else astype(node, dtype)
        return _NAMED[function](node, axis, keepdims, initial=initial, where=where)
    if function in (np.logical_and, np.logical_or) and initial is None:
        function.reduce(np.ones(1, node.dtype), dtype=dtype)  # TypeError for a dtype that it does not give
        return (reductions.all if function is np.logical_and else reductions.any)(
            node, axis, keepdims, where=where
        )
    if where is not True:
        # A ufunc without an identity may take its initial value as often as it likes: max(i, i) is i.
        start = initial if function.identity is None else function.identity
        if start is None:
            raise ValueError(
                f"reduction operation {function.__name__!r} does not have an identity, so to use a where mask one "
                "has to specify 'initial'"
            )
        mask = views.broadcast_to(as_node(where), node.shape)
        # False as text is true.
        other = np.asarray(start).astype(node.dtype) if start else np.zeros((), node.dtype)
        node = choose(mask, node, Constant(other[()]))
    found: Node = reducing.joined(node, first_or_all(node, axis), dtype, bool(keepdims), function)
    return found if initial is None else ufunc(function, Constant(found.dtype.type(initial)), found)


def _accumulate(function: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None) -> Node:
    """What a ufunc gives for the values up to each one along an axis."""
    return lines.accumulated(as_node(array), axis, dtype, function)


def _outer(function: np.ufunc, a: Any, b: Any, **keywords: Any) -> Answer:
    """A ufunc of each value of one array with each of another."""
    one, other = as_node(a), as_node(b)
    spread = part(one, (..., *(None,) * other.ndim))
    return _called(function, spread, other, **keywords)


METHODS: dict[str, Callable[..., Answer]] = {
    "__call__": _called,
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
}
"""What is lazy of a ufunc, by the name of the method."""
