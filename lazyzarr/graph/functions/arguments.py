"""Arguments of NumPy's functions: arrays of any kind as nodes, axes by number or name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.chunking import axes_of, axis_of
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant
from lazyzarr.graph.ops.sources import memory

__all__ = [
    "as_node",
    "as_nodes",
    "assigned",
    "axes_in",
    "axis_in",
    "first_or_all",
    "new_axes",
    "no_axis",
    "several",
]


def as_node(value: Any) -> Node:
    """The node of an array of any kind, or of a number."""
    lifted = lift(value)
    return memory(np.asarray(lifted.value), (), ()) if isinstance(lifted, Constant) else lifted


def as_nodes(values: Any) -> list[Node]:
    """The nodes of a sequence of arrays; an array is the sequence of what it has along its first axis."""
    return [as_node(value) for value in values]


def assigned(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A number, text or list in a dtype, as NumPy's assignment converts it.

    Raises OverflowError, ValueError or TypeError for what does not fit.
    """
    if not isinstance(value, np.generic):
        return np.array(value, dtype)
    held = np.empty((), dtype)
    held[...] = value
    return held


def axis_in(node: Node, axis: Any) -> int:
    """The position of an axis. Raises AxisError, ValueError for a name that there is not."""
    return axis_of(axis, node.dims)


def axes_in(node: Node, axis: Any) -> tuple[int, ...]:
    """The positions of one axis or several, sorted; all for None."""
    return axes_of(axis, node.dims)


def first_or_all(node: Node, axis: Any) -> Any:
    """The axis, or None for 0 and -1 of an array of no axes: NumPy's reductions and others take it to have one then."""
    return None if not node.ndim and axis in (0, -1) and not isinstance(axis, bool) else axis


def several(given: Any) -> tuple[Any, ...]:
    """What is given once or as a sequence, a tuple, list or array, as a tuple.

    >>> several(-1), several("time"), several([0, -1])
    ((-1,), ('time',), (0, -1))
    """
    return tuple(given) if np.iterable(given) and not isinstance(given, str) else (given,)


def no_axis(axis: Any, ndim: int) -> int:
    """The place of a new axis among `ndim` ones. Raises AxisError."""
    place = operator.index(axis)
    if not -ndim <= place < ndim:
        raise np.exceptions.AxisError(place, ndim)
    return place % ndim


def new_axes(axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """The places of new axes in an array that has `ndim` besides, sorted."""
    given = several(axis)
    places = tuple(sorted(no_axis(each, ndim + len(given)) for each in given))
    if len(set(places)) != len(places):
        raise ValueError("repeated axis")
    return places
