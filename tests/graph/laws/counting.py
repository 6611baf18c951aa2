"""Steps of the law machine that count: histograms, different values, weights, what a lazy mask picks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lazyzarr.graph.lazy import LazyArray
from tests.graph.laws.pool import Pool, exact
from tests.graph.laws.values import Value, both, quiet, refused_alike, whole_numbers

__all__ = ["STEPS"]


def _finite(pool: Pool, kinds: str = "iuf") -> Value | None:
    """A value of numbers that are finite."""
    value = pool.any(kinds, near=False)
    with quiet():
        return value if value is not None and bool(np.isfinite(value.held).all()) else None


def _weights(pool: Pool, value: Value) -> Value | None:
    """Numbers of a value's shape, all of whose sums are exact."""
    weights = pool.source(value.held.shape, ["i4", "f4", "f8", "u1"])
    # Of sums that int32 does not hold NumPy makes what the processor makes of them.
    held = weights.held.dtype != np.int32 or np.abs(weights.held.astype("f8")).sum() < 2**31
    return weights if held and whole_numbers(weights) else None


def found_range(pool: Pool) -> Value | None:
    """A histogram whose range is found first: its counts, or its edges."""
    value, bins, which = _finite(pool, "iufb"), pool.integer(1, 7), pool.integer(0, 1)
    if value is None or not value.held.ndim or value.held.dtype == bool:
        return None
    return both(lambda v: np.histogram(v, bins)[which], value)


def weighed(pool: Pool) -> Value | None:
    """A histogram, or counts of integers, of weights."""
    value = _finite(pool)
    weights = None if value is None else _weights(pool, value)
    if value is None or weights is None or not value.held.ndim:
        return None
    bins, span = pool.pick([(3, (0, 50)), (4, None), ([0, 5, 20, 21, 90], None)])
    if pool.coin():
        return both(lambda v, w: np.histogram(v, bins, span, weights=w)[0], value, weights)
    if value.held.dtype.kind != "i" or value.held.ndim != 1 or value.held.max(initial=0) > 300:
        return both(
            # Of the least integer there is no absolute value, and of sums that overflow NumPy makes what it likes.
            lambda v, w: np.histogram(v, bins, span, density=True, weights=abs(w.astype("f8")) + 1)[0],
            value,
            weights,
            near=True,
        )
    return both(lambda v, w: np.bincount(v, w, 301), value, weights)


def weighted_mean(pool: Pool) -> Value | None:
    """A mean with a weight for each value."""
    value = exact(pool)
    weights = None if value is None else _weights(pool, value)
    if value is None or weights is None or not value.held.ndim:
        return None
    axis = pool.pick([None, pool.axis(value)])
    with quiet():
        if value.near or abs(value.held).max(initial=0) > 1e6 or (weights.held < 0).any():
            return None
    return both(lambda v, w: np.average(v, axis, w), value, weights, near=True)


def distinct(pool: Pool) -> Value | None:
    """The different values, how often they occur, and where first."""
    value = pool.any("biufmMUS", near=False)
    if value is None:
        return None
    words = {word: True for word in ("return_counts", "return_index") if pool.coin()}
    _computed(lambda v: np.unique(v, **words), value)
    return None


def picked(pool: Pool) -> Value | None:
    """What a lazy mask picks: reduced, or put together."""
    value = pool.any("biuf", near=False)
    name = pool.pick(["sum", "mean", "min", "max", "any", "all", "prod", "compute", "std", "histogram"])
    if name in ("sum", "mean"):
        value = exact(pool)
    if value is None or not value.held.ndim or value.held.dtype.kind == "c":
        return None
    if name in ("prod", "std", "histogram") and value.held.dtype.kind not in "iu":
        return None
    bound, factor = pool.pick([-1, 5, 50, 1000]), pool.pick([1, 2])

    def reduced(v: Any) -> Any:
        some = v[v > bound] * factor if v.dtype.kind != "b" else v[v]
        if name == "histogram":
            return np.histogram(some, 3, range=(0, 60))[0]
        return getattr(np, name)(some)

    if name == "compute":
        _computed(lambda v: v[v > bound] * factor, value)
        return None
    return both(reduced, value, near=name == "std")


def _computed(function: Callable[..., Any], value: Value) -> None:
    """What a function gives that is known when it is computed alone is NumPy's."""
    with quiet():
        try:
            expected = function(value.held)
        except (TypeError, ValueError) as refused:
            refused_alike(function, (value,), refused)
            return
        found = function(value.lazy)
        found, expected = (each if isinstance(each, tuple) else (each,) for each in (found, expected))
        for one, other in zip(found, expected, strict=True):
            assert not isinstance(one, LazyArray)
            values = one.compute(scheduler="sync")
            # A stored array has the machine's order of bytes when it is lazy.
            assert values.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
            np.testing.assert_array_equal(values, other)


STEPS = [found_range, weighed, weighted_mean, distinct, picked]
