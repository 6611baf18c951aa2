"""Words that xarray's methods take and NumPy's do not: refused with what says the same here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from lazyzarr.graph.numpy_dispatch import FUNCTIONS

__all__ = ["told", "told_by_methods"]

Class = TypeVar("Class", bound=type)
_FUNCTIONS = frozenset(function.__name__ for function in FUNCTIONS)


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of an axis, whose refusal of xarray's `dim=` and `skipna=` says what to write.

    >>> told(lambda x, axis=None: axis)(0, dim="time")
    Traceback (most recent call last):
    TypeError: <lambda>() got an unexpected keyword argument 'dim'; axis='time' says so, by name or number
    """
    own = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        for word in ("dim", "skipna"):
            if word in keywords and word not in own:
                raise TypeError(
                    f"{call.__qualname__.removeprefix('told.<locals>.')}() got an unexpected keyword argument {word!r}"
                    f"{_cure(call.__name__, word, keywords[word])}"
                )
        return function(*args, **keywords)

    return call if own.keys() & {"axis", "axes"} else function


def _cure(name: str, word: str, value: Any) -> str:
    """What says the same in NumPy's words; empty where nothing does."""
    if word == "dim":
        return f"; axis={value!r} says so, by name or number"
    return f"; np.nan{name}(x) passes over NaN" if f"nan{name}" in _FUNCTIONS else ""


def told_by_methods(whole: Class) -> Class:
    """The class, whose methods of an axis refuse xarray's words as `told` does."""
    for part in whole.__mro__[1:-1]:
        for name, method in vars(part).items():
            if inspect.isfunction(method) and getattr(whole, name) is method:
                setattr(whole, name, told(method))
    return whole
