"""The one seam between the halves: who makes a lazy array of a stored one.

`lazyzarr/__init__` fills the slot, so that `z + 1` and `z.lazy()` reach the compute half, while no module of
`lazyzarr/format` imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = [
    "AsyncArray",
    "AsyncGroup",
    "Lazy",
    "Masked",
    "async_factory",
    "lazy_factory",
    "make_async",
    "make_lazy",
]

# What stands above, by names for annotations: slots.pyi says to type checkers which classes they are.
Lazy: TypeAlias = Any
Masked: TypeAlias = Any
AsyncArray: TypeAlias = Any
AsyncGroup: TypeAlias = Any

lazy_factory: Callable[[Any], Any] | None = None
async_factory: Callable[[Any], Any] | None = None


def make_lazy(array: Any) -> Lazy:
    """The LazyArray over a stored Array, of the same shape, dtype and chunks.

    >>> make_lazy(lz.zeros((4,), chunks=(2,), dtype="i4")).shape
    (4,)
    """
    if lazy_factory is None:
        raise RuntimeError("lazyzarr.format was imported without lazyzarr: import lazyzarr first")
    return lazy_factory(array)


def make_async(node: Any) -> AsyncArray | AsyncGroup:
    """The AsyncArray or AsyncGroup over an Array or Group.

    >>> make_async(lz.group()).path
    ''
    """
    if async_factory is None:
        raise RuntimeError("lazyzarr.format was imported without lazyzarr: import lazyzarr first")
    return async_factory(node)
