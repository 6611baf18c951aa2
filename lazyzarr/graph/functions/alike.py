"""Facts of arrays that are no arrays, by NumPy's functions; and arrays of one value, like another one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import joining
from lazyzarr.graph.ops.views import rechunk

__all__ = [
    "can_cast",
    "copy",
    "empty_like",
    "full_like",
    "iscomplexobj",
    "isrealobj",
    "ndim",
    "ones_like",
    "result_type",
    "shape",
    "size",
    "zeros_like",
]


def shape(a: Any) -> tuple[int, ...]:
    """The length of each axis."""
    return lift(a).shape  # type: ignore[union-attr]


def ndim(a: Any) -> int:
    """The number of axes."""
    return len(shape(a))


def size(a: Any, axis: int | None = None) -> int:
    """The number of elements, or the length of one axis."""
    return int(np.prod(shape(a), dtype=np.int64)) if axis is None else shape(a)[axis]


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype that NumPy gives what is made of all of these."""
    return np.result_type(*map(_told, arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether values may be cast to a dtype by a rule."""
    return np.can_cast(_told(from_), _told(to), casting)  # type: ignore[arg-type]


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is a complex one."""
    return as_node(x).dtype.kind == "c"


def isrealobj(x: Any) -> bool:
    """Whether the dtype is none of the complex ones."""
    return not iscomplexobj(x)


def _told(value: Any) -> Any:
    """The dtype of a lazy array, where there is one."""
    node = getattr(value, "__lazyzarr_node__", value)
    return node.dtype if isinstance(node, Node) else value


def copy(a: Any, order: str = "K") -> Node:
    """The same values, by another name; where they will lie in memory is not known yet."""
    return as_node(a)


def full_like(a: Any, fill_value: Any, dtype: DTypeLike | None = None) -> Node:
    """One value in the shape, dtype and chunks of another array; one element is held in memory."""
    node = as_node(a)
    result = node.dtype if dtype is None else np.dtype(dtype)
    return rechunk(joining.full(node.shape, fill_value, result), node.chunks)


def zeros_like(a: Any, dtype: DTypeLike | None = None) -> Node:
    """Zeros in the shape, dtype and chunks of another array."""
    return full_like(a, 0, dtype)


def ones_like(a: Any, dtype: DTypeLike | None = None) -> Node:
    """Ones in the shape, dtype and chunks of another array."""
    return full_like(a, 1, dtype)


empty_like = zeros_like
