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
    if isinstance(values, (str, bytes)):  # of one line alone, which does not tell its dtype
        values = np.array(values, lines.dtype)
    return values[..., None] if one else np.moveaxis(values, 0, -1)


def passes_over_nan(function: Callable[..., Any]) -> bool:
    """Whether one of NumPy's functions passes over NaN."""
    return function.__name__.startswith("nan")


def places_of(function: Callable[..., Any], q: Any, method: str) -> list[tuple[Place, Between]]:
    """For each quantile that one of NumPy's functions is asked for, or its median: where it lies, and what is there."""
    if "median" in function.__name__:
        return [(_middle, _mean_of_middle)]
    wanted = np.asarray(q)
    shares = np.ravel(wanted / 100 if "percentile" in function.__name__ else wanted)
    between = _between_weakly if type(q) in (int, float) else np.quantile
    if method in _ONE_OF_THEM:
        between = _the_only_one
    return [(functools.partial(_place, share, method), between) for share in shares]


def _middle(count: int) -> tuple[int, int, Any]:
    """The ranks of the one value in the middle, or of the two."""
    return (count - 1) // 2, count // 2, count % 2 == 0


def _mean_of_middle(pair: Any, even: bool) -> Any:
    return np.median(pair if even else pair[:1])


# By R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", 1996: what is added to ranks for the two ends.
_ENDS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_ROUNDED: dict[str, Callable[..., Any]] = {"lower": np.floor, "higher": np.ceil, "nearest": np.around}
_ONE_OF_THEM = ("inverted_cdf", "closest_observation", *_ROUNDED)


def _place(share: Any, method: str, count: int) -> tuple[int, int, Any]:
    """The ranks around a quantile as NumPy places it by one of its methods."""
    at = _position(share, method, count)
    if at < 0:
        return 0, 0, at * 0
    low = min(int(np.floor(at)), count - 1)
    return low, min(low + 1, count - 1), at - low


def _position(share: Any, method: str, count: int) -> Any:
    """Where a quantile lies among so many ordered values, of which the first lies at 0."""
    if method in _ENDS:
        first, last = _ENDS[method]
        return count * share + (first + share * (1 - first - last)) - 1
    if method.endswith("inverted_cdf"):
        at = count * share - 1
        halfway = 0.5 if method.startswith("averaged") and at >= 0 and at == np.floor(at) else 0.0
        return np.ceil(at) + halfway
    if method == "closest_observation":
        at = count * share - 1 - 0.5
        return np.floor(at) + (at != np.floor(at) or np.floor(at) % 2 == 0)
    at = (count - 1) * share
    if method in _ROUNDED:
        return _ROUNDED[method](at)
    return at if method == "linear" else 0.5 * (np.floor(at) + np.ceil(at))


def _the_only_one(pair: Any, distance: Any) -> Any:
    return pair[0]


def _between_weakly(pair: Any, distance: Any) -> Any:
    return np.quantile(pair, float(distance))
