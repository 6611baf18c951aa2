"""NumPy's functions on lazy arrays: `np.sqrt(x)`, `np.where(c, x, y)`, `np.mean(x, axis=0)` stay lazy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "apply_function"]

_NOT_GIVEN = getattr(np, "_NoValue", None)
Function = Callable[..., Any]


def _reduction(name: str) -> Function:
    """NumPy's signature of a reduction on the method that takes the same words; NumPy's `out` is refused."""

    def call(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **keywords: Any) -> Any:
        if out is not None:
            raise TypeError(f"np.{name} of a lazy array takes no out=; assign the computed result instead")
        words = {key: value for key, value in keywords.items() if value is not _NOT_GIVEN}
        if dtype is not None:
            words["dtype"] = dtype
        return getattr(a, name)(axis=axis, **words)

    return call


def _extremum(name: str) -> Function:
    def call(a: Any, axis: Any = None, out: Any = None, **keywords: Any) -> Any:
        return _reduction(name)(a, axis, None, out, **keywords)

    return call


def _variance(name: str) -> Function:
    def call(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, **keywords: Any
    ) -> Any:
        return _reduction(name)(a, axis, dtype, out, ddof=ddof, **keywords)

    return call


FUNCTIONS: dict[Function, Function] = {
    np.sum: _reduction("sum"),
    np.mean: _reduction("mean"),
    np.std: _variance("std"),
    np.var: _variance("var"),
    np.min: _extremum("min"),
    np.max: _extremum("max"),
    np.amin: _extremum("min"),
    np.amax: _extremum("max"),
    np.any: _extremum("any"),
    np.all: _extremum("all"),
    np.transpose: lambda a, axes=None: a.transpose(axes),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
}
"""What is lazy, besides np.where, which `lazy` adds."""


def apply_function(function: Function, types: Sequence[type], args: Any, keywords: Any) -> Any:
    """What a NumPy function gives for lazy arrays; TypeError, with the cure, for one that is not lazy."""
    lazy = FUNCTIONS.get(function)
    if lazy is None:
        name = getattr(function, "__name__", str(function))
        raise TypeError(
            f"np.{name} is not lazy here: np.{name}(x.compute(), ...) works in memory; x.map_blocks(...) "
            "works chunk by chunk"
        )
    return lazy(*args, **keywords)
