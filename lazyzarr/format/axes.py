"""Axes by number or dimension name, as users say them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lazyzarr.meant import meant

__all__ = ["Dims", "axes_of", "axis_of", "by_axis"]

Dims = Sequence[str | None]


def axis_of(axis: int | str, dims: Dims) -> int:
    """The position of an axis given by number (negative from the end) or dimension name.

    >>> axis_of(-1, ("time", "x")), axis_of("time", ("time", "x"))
    (1, 0)
    """
    if isinstance(axis, str):
        if axis in dims:
            return list(dims).index(axis)
        names = [name for name in dims if name]
        close = meant(axis, names)
        hint = f". Did you mean {close}?" if close else ""
        raise ValueError(
            f"no dimension is named {axis!r}; this array has {', '.join(names) or 'no names'}{hint}"
        )
    if isinstance(axis, bool):
        raise TypeError("an axis is an integer or a dimension name, not True or False")
    index = operator.index(axis)
    if not -len(dims) <= index < len(dims):
        raise np.exceptions.AxisError(index, len(dims))
    return index % len(dims)


def axes_of(axis: Any, dims: Dims) -> tuple[int, ...]:
    """The positions of one axis, several, or all (None), sorted, each once.

    >>> axes_of(None, ("t", "x")), axes_of((-1, "t"), ("t", "x"))
    ((0, 1), (0, 1))
    """
    if axis is None:
        return tuple(range(len(dims)))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = [axis_of(item, dims) for item in given]
    if len(set(found)) != len(found):
        raise ValueError(f"axis {axis!r} names one axis twice")
    return tuple(sorted(found))


def by_axis(given: Mapping[Any, Any], dims: Dims) -> dict[int, Any]:
    """What a mapping by axis number or dimension name says, by position. Raises ValueError for an axis named twice.

    >>> by_axis({-1: 5, "time": 2}, ("time", "x"))
    {1: 5, 0: 2}
    """
    axes_of(tuple(given), dims)
    return {axis_of(axis, dims): value for axis, value in given.items()}
