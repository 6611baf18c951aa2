"""Classes put together from others: their methods go by the name of the whole."""

from __future__ import annotations

import inspect
from typing import TypeVar

__all__ = ["named_as_one"]

Class = TypeVar("Class", bound=type)


def named_as_one(whole: Class) -> Class:
    """The class, with its name before the names of all methods: Python's own errors of wrong arguments show it.

    >>> class Part:
    ...     def mean(self): ...
    >>> @named_as_one
    ... class Whole(Part): ...
    >>> Whole.mean.__qualname__
    'Whole.mean'
    """
    for part in whole.__mro__[1:-1]:
        for method in vars(part).values():
            if inspect.isfunction(method):
                method.__qualname__ = f"{whole.__qualname__}.{method.__name__}"
                method.__module__ = whole.__module__
    return whole
