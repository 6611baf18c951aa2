# What the slots bring at run time, as type checkers see it: `z + 1` is a LazyArray. No module imports upward for that;
# this stub alone names what stands above, and tests/typing holds it to the code.

from collections.abc import Callable
from typing import Any, overload

from ..graph.lazy import LazyArray as Lazy
from ..graph.masked import Masked as Masked
from .aio import AsyncArray as AsyncArray
from .aio import AsyncGroup as AsyncGroup
from .array_forms import ArrayForms
from .group import Group

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

lazy_factory: Callable[[Any], Any] | None
async_factory: Callable[[Any], Any] | None

def make_lazy(array: Any) -> Lazy: ...
@overload
def make_async(node: ArrayForms) -> AsyncArray: ...
@overload
def make_async(node: Group) -> AsyncGroup: ...
