"""Places: between which ranks of ordered values a median or a quantile lies, and what it is there, as NumPy says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Between", "Place", "by_ranks", "passes_over_nan", "places_of"]

Array = np.ndarray[Any, Any]
Between = Callable[[Array, Any], Any]
"""The answer from the two values around a place between ranks, and how far it is from the lower one."""
Place = Callable[[int], tuple[int, int, Any]]
"""For so many values, the ranks around the place that is looked for, and how far it is from the lower one."""


def by_ranks(lines: Any, function: Callable[..., Any], words: dict[str, Any], one: bool) -> Any:
    """One of NumPy's functions of ordered values over the last axis, with its results along that."""
    values = function(lines, axis=-1, **words)
    return values[..., None] if one else np.moveaxis(values, 0, -1)


def passes_over_nan(function: Callable[..., Any]) -> bool:
    """Whether one of NumPy's functions passes over NaN."""
    return function.__name__.startswith("nan")


def places_of(function: Callable[..., Any], q: Any) -> list[tuple[Place, Between]]:
    """For each quantile that one of NumPy's functions is asked for, or its median: where it lies, and what is there."""
    if "median" in function.__name__:
        return [(_middle, _mean_of_middle)]
    wanted = np.asarray(q)
    shares = np.ravel(wanted / 100 if "percentile" in function.__name__ else wanted).tolist()
    between = _between_weakly if type(q) in (int, float) else np.quantile
    return [(functools.partial(_place, share), between) for share in shares]


def _middle(count: int) -> tuple[int, int, Any]:
    """The ranks of the one value in the middle, or of the two."""
    return (count - 1) // 2, count // 2, count % 2 == 0


def _mean_of_middle(pair: Any, even: bool) -> Any:
    return np.median(pair if even else pair[:1])


def _place(share: float, count: int) -> tuple[int, int, Any]:
    """The ranks around a quantile as NumPy places it by default."""
    at = (count - 1) * np.float64(share)
    low = int(np.floor(at))
    return low, min(low + 1, count - 1), at - low


def _between_weakly(pair: Any, distance: Any) -> Any:
    return np.quantile(pair, float(distance))
