"""What the names of lazyzarr.numpy stand for: NumPy's functions made lazy, and dask.array's; the others, refused."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from lazyzarr import creating, verbs
from lazyzarr.graph.functions import blockwise, grouping, lines
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.functions.ufuncs import METHODS, apply_ufunc
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import lift
from lazyzarr.graph.node import Node
from lazyzarr.graph.numpy_dispatch import FUNCTIONS
from lazyzarr.graph.xarray_words import told
from lazyzarr.meant import meant

__all__ = ["CURES", "NAMES", "found"]


def _is_function(own: Any) -> bool:
    return callable(own) and not isinstance(own, type)


# What gives lazy arrays as it is: with chunks= that NumPy has not, or by the names that dask.array gives it.
_PLAIN: dict[str, Any] = {name: getattr(creating, name) for name in creating.__all__}
_PLAIN |= {name: getattr(verbs, name) for name in verbs.__all__}
_PLAIN |= {"array": creating.asarray, "asanyarray": creating.asarray}

# Names that dask.array, xarray or nobody has; NumPy's own are those of FUNCTIONS.
_BESIDE = (
    *(blockwise.coarsen, blockwise.map_blocks, blockwise.map_overlap, grouping.groupby_reduce),
    *(lines.apply_along_axis, lines.argtopk, lines.bfill, lines.ffill, lines.topk),
)
_LAZY = {function.__name__: lazy for function, lazy in FUNCTIONS.items()} | {
    function.__name__: function for function in _BESIDE
}
# A function may have several names: concat and concatenate.
_LAZY |= {name: FUNCTIONS[own] for name, own in vars(np).items() if _is_function(own) and own in FUNCTIONS}
_UFUNCS = {name: own for name, own in vars(np).items() if isinstance(own, np.ufunc)}

NAMES = sorted({*_PLAIN, *_LAZY, *_UFUNCS})
"""What is lazy; of other names those of NumPy are there that are no functions of arrays."""

# NumPy's functions and modules that know nothing of arrays' values.
_OWN = frozenset(
    "broadcast_shapes dtypes exceptions isdtype isscalar issubdtype iterable promote_types".split()
)
CURES = {
    "blockwise": "x.map_blocks(f, y) calls f chunk by chunk, lz.apply_gufunc(f, '(i),(i)->()', x, y) with whole axes",
    "fft": "lz.from_dask_array(dask.array.fft.fft(x.to_dask_array())) is Dask's, and lazy",
    "from_delayed": "lz.from_map(f, shape, dtype, chunks) calls f for each chunk",
    "linalg": "lnp.matmul, lnp.dot and lnp.tensordot are; dask.array.linalg.svd(x.to_dask_array()) is Dask's, and lazy",
    "ma": "lnp.where(mask, np.nan, x) and x.mean(where=~mask) do without masked arrays",
    "random": "lz.from_dask_array(dask.array.random.random((1000, 1000))) is Dask's, and lazy",
}


@functools.cache
def found(name: str) -> Any:
    """What a name stands for: a lazy function, or what NumPy has that is no function of arrays.

    Raises AttributeError, with the cure, for what is not lazy.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    if name in _LAZY:
        return _wrapped(_LAZY[name], name)
    if name in _UFUNCS:
        return _ufunc(_UFUNCS[name], name)
    # numpy.__path__ would make a package of what has this name.
    if name in CURES or name.startswith("_") or not hasattr(np, name):
        raise AttributeError(f"lazyzarr.numpy has no {name!r}{_hint(name)}", name=name)
    own = getattr(np, name)
    if name not in _OWN and isinstance(own, ModuleType):
        raise AttributeError(
            f"np.{name} is not lazy: x.map_blocks calls its functions chunk by chunk", name=name
        )
    if name not in _OWN and _is_function(own):
        raise AttributeError(
            f"np.{name} is not lazy: numpy.{name}(x.compute()) works in memory, x.map_blocks chunk by chunk",
            name=name,
        )
    return own


def _hint(name: str) -> str:
    """Where else it is, what does the same, or which name was meant."""
    if name in CURES:
        return f" that is lazy; {CURES[name]}"
    if hasattr(LazyArray, name) and not name.startswith("_"):
        return f"; it is a method, x.{name}(...)"
    close = meant(name, NAMES)
    return f"; did you mean {close}?" if close else ""


def _wrapped(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with a lazy array as its result."""

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        return LazyArray._wrapped(function(*args, **keywords))

    signature = inspect.signature(function)
    gives = re.sub(r"\bNode\b", "LazyArray", str(signature.return_annotation))
    call.__signature__ = signature.replace(return_annotation=gives)  # type: ignore[attr-defined]
    return _public(told(call), name)


def _ufunc(function: np.ufunc, name: str) -> Callable[..., Any]:
    """A ufunc of lazy arrays, with those of its methods that are lazy."""

    def lazily(method: str, *operands: Any, **keywords: Any) -> Any:
        if not any(isinstance(lift(operand), Node) for operand in operands):
            operands = tuple(map(as_node, operands))
        return LazyArray._wrapped(apply_ufunc(function, method, operands, keywords))

    def call(*operands: Any, **keywords: Any) -> Any:
        return lazily("__call__", *operands, **keywords)

    call.__doc__ = function.__doc__
    for method in METHODS.keys() - {"__call__"}:
        setattr(call, method, functools.partial(lazily, method))
    return _public(call, name)


def _public(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function that says where its users find it."""
    call.__module__, call.__name__, call.__qualname__ = "lazyzarr.numpy", name, name
    return call
