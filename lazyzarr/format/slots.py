"""The one seam between the halves: who makes a lazy array of a stored one.

`lazyzarr/__init__` fills the slot, so that `z + 1` and `z.lazy()` reach the compute half, while no module of
`lazyzarr/format` imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["async_factory", "lazy_factory", "make_async", "make_lazy"]

lazy_factory: Callable[[Any], Any] | None = None
async_factory: Callable[[Any], Any] | None = None


def make_lazy(array: Any) -> Any:
    """The LazyArray over a stored Array, of the same shape, dtype and chunks.

    >>> make_lazy(lz.zeros((4,), chunks=(2,), dtype="i4")).shape
    (4,)
    """
    if lazy_factory is None:
        raise RuntimeError("lazyzarr.format was imported without lazyzarr: import lazyzarr first")
    return lazy_factory(array)


def make_async(node: Any) -> Any:
    """The AsyncArray or AsyncGroup over an Array or Group.

    >>> make_async(lz.group()).path
    ''
    """
    if async_factory is None:
        raise RuntimeError("lazyzarr.format was imported without lazyzarr: import lazyzarr first")
    return async_factory(node)
