"""NumPy's names, lazily: `import lazyzarr.numpy as lnp` computes with stored arrays as `numpy` does with its own.

Functions take arrays of any kind (lazy, stored, NumPy's, lists) and give lazy ones; what makes arrays takes
`chunks=`. Names that are no functions of arrays (dtypes, constants, `newaxis`) are NumPy's own.

>>> import lazyzarr.numpy as lnp
>>> lnp.concatenate([lnp.zeros(2), lnp.arange(3)]).compute()
array([0., 0., 0., 1., 2.])
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy
from numpy.typing import DTypeLike

from lazyzarr.graph.chunking import normalize_chunks
from lazyzarr.graph.functions import blockwise, grouping, gufunc, lines
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.functions.ufuncs import METHODS, apply_ufunc
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.numpy_dispatch import FUNCTIONS
from lazyzarr.graph.ops import elementwise
from lazyzarr.graph.ops.joining import full as full_node
from lazyzarr.graph.ops.joining import part
from lazyzarr.graph.ops.sources import memory
from lazyzarr.graph.ops.views import rechunk

__all__ = [
    "arange",
    "asarray",
    "empty",
    "eye",
    "full",
    "linspace",
    "ones",
    "zeros",
]

# Names that dask.array, xarray or nobody has; NumPy's own are those of FUNCTIONS.
_BESIDE = (
    *(
        blockwise.coarsen,
        blockwise.from_map,
        blockwise.map_blocks,
        blockwise.map_overlap,
        blockwise.reduction,
    ),
    *(gufunc.apply_gufunc, grouping.groupby_reduce),
    *(lines.apply_along_axis, lines.argtopk, lines.bfill, lines.ffill, lines.topk),
)
_LAZY = {function.__name__: lazy for function, lazy in FUNCTIONS.items()} | {
    function.__name__: function for function in _BESIDE
}


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a lazy array as its result."""

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        found = function(*args, **keywords)
        if isinstance(found, (list, tuple)) and found and isinstance(found[0], Node):
            return type(found)(LazyArray(node) for node in found)
        return LazyArray(found) if isinstance(found, Node) else found

    return call


def _ufunc(function: numpy.ufunc) -> Callable[..., Any]:
    """A ufunc of lazy arrays, with those of its methods that are lazy."""

    def lazily(method: str, *operands: Any, **keywords: Any) -> Any:
        if not any(isinstance(lift(operand), Node) for operand in operands):
            operands = tuple(map(as_node, operands))
        return apply_ufunc(function, method, operands, keywords)

    def call(*operands: Any, **keywords: Any) -> Any:
        return _wrapped(lazily)("__call__", *operands, **keywords)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    for method in METHODS.keys() - {"__call__"}:
        setattr(call, method, functools.partial(_wrapped(lazily), method))
    return call


def __getattr__(name: str) -> Any:
    # Not put among this module's globals, where `any` or `sum` would take the place of Python's.
    return _found(name)


@functools.cache
def _found(name: str) -> Any:
    """What a name stands for: a lazy function, or what NumPy has that is no function of arrays."""
    if name in _LAZY:
        return _wrapped(_LAZY[name])
    own = getattr(numpy, name, None)
    if own is None and not hasattr(numpy, name):
        raise AttributeError(f"lazyzarr.numpy has no {name!r}", name=name)
    if isinstance(own, numpy.ufunc):
        return _ufunc(own)
    if callable(own) and not isinstance(own, type) and getattr(own, "__module__", "").startswith("numpy"):
        raise AttributeError(
            f"np.{name} is not lazy: numpy.{name}(x.compute()) works in memory, x.map_blocks chunk by chunk",
            name=name,
        )
    return own


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def asarray(a: Any, dtype: DTypeLike | None = None) -> LazyArray:
    """The lazy array over an array of any kind."""
    node = as_node(a)
    return LazyArray(node if dtype is None else elementwise.astype(node, numpy.dtype(dtype)))


def _filled(shape: Any, value: Any, dtype: numpy.dtype[Any], chunks: Any) -> LazyArray:
    lengths = (
        tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    )
    node = full_node(lengths, value, dtype)
    grid = normalize_chunks(chunks, lengths, dtype.itemsize, (None,) * len(lengths), node.chunks)
    return LazyArray(rechunk(node, grid))


def zeros(shape: Any, dtype: DTypeLike = float, chunks: Any = "auto") -> LazyArray:
    """An array of zeros, of which one element is held in memory."""
    return _filled(shape, 0, numpy.dtype(dtype), chunks)


def ones(shape: Any, dtype: DTypeLike = float, chunks: Any = "auto") -> LazyArray:
    """An array of ones, of which one element is held in memory."""
    return _filled(shape, 1, numpy.dtype(dtype), chunks)


def full(shape: Any, fill_value: Any, dtype: DTypeLike | None = None, chunks: Any = "auto") -> LazyArray:
    """An array of one value, of which one element is held in memory."""
    result = numpy.asarray(fill_value).dtype if dtype is None else numpy.dtype(dtype)
    return _filled(shape, fill_value, result, chunks)


empty = zeros


def arange(*args: Any, dtype: DTypeLike | None = None, chunks: Any = "auto") -> LazyArray:
    """Evenly spaced values, as NumPy makes them; they are held in memory."""
    return _held(numpy.arange(*args, dtype=dtype), chunks)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, chunks: Any = "auto") -> LazyArray:
    """So many evenly spaced values from start to stop; they are held in memory."""
    return _held(numpy.linspace(start, stop, num, endpoint), chunks)


def _held(values: Any, chunks: Any) -> LazyArray:
    grid = normalize_chunks(chunks, values.shape, values.dtype.itemsize, (None,), ((len(values),),))
    return LazyArray(memory(values, grid, (None,)))


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = float, chunks: Any = "auto"
) -> LazyArray:
    """Ones on the k-th diagonal, elsewhere zeros."""
    rows, columns = (memory(numpy.arange(n), ((n,),), (None,)) for n in (N, N if M is None else M))
    row = part(elementwise.ufunc(numpy.add, rows, elementwise.Constant(k)), (slice(None), None))
    node = elementwise.astype(elementwise.ufunc(numpy.equal, row, columns), numpy.dtype(dtype))
    return LazyArray(node).rechunk(chunks)
