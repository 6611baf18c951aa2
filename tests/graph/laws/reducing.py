"""Steps of the law machine that reduce, accumulate, order, multiply and count."""

from __future__ import annotations

from typing import Any

import numpy as np

import lazyzarr.numpy as lnp
from tests.graph.laws.pool import Pool, exact
from tests.graph.laws.values import Value, both, quiet, whole_numbers

__all__ = ["STEPS"]

TOTALS = [
    "sum",
    "nansum",
    "mean",
    "nanmean",
    "count_nonzero",
    "any",
    "all",
    "max",
    "min",
    "ptp",
    "nanmax",
    "nanmin",
]


def reduction(pool: Pool) -> Value | None:
    """A reduction over axes."""
    name = pool.pick(TOTALS)
    value = exact(pool) if name in ("sum", "nansum", "mean", "nanmean") else pool.any("biufcmM", near=False)
    if value is None:
        return None
    axis, words = pool.axes(value), {"keepdims": True} if pool.coin() else {}
    near = "mean" in name and value.held.dtype.kind == "c"
    return both(lambda v: getattr(np, name)(v, axis=axis, **words), value, near=near)


def guarded(pool: Pool) -> Value | None:
    """A reduction of those elements where a mask holds."""
    name = pool.pick(["sum", "mean", "any", "all", "max", "min", "nanmax", "nansum"])
    value = exact(pool)
    if value is None:
        return None
    chosen, axis = pool.fitting(value, "b"), pool.axes(value)
    words: dict[str, Any] = (
        {"initial": pool.pick([0, 3, -5])}
        if name in ("max", "min", "nanmax") or (name == "sum" and pool.coin())
        else {}
    )
    near = "mean" in name and value.held.dtype.kind == "c"
    return both(lambda v, m: getattr(np, name)(v, axis=axis, where=m, **words), value, chosen, near=near)


def product(pool: Pool) -> Value | None:
    """A product; of integers, which wrap."""
    value = pool.any("biu", near=False)
    if value is None:
        return None
    axis = pool.axes(value)
    return both(lambda v: np.prod(v, axis=axis), value)


def position(pool: Pool) -> Value | None:
    """Where an extremum stands."""
    name, value = pool.pick(["argmin", "argmax", "nanargmin", "nanargmax"]), pool.any("biufmM", near=False)
    if value is None:
        return None
    axis = pool.axis(value) if value.held.ndim and pool.coin() else None
    return both(lambda v: getattr(np, name)(v, axis=axis), value)


def average(pool: Pool) -> Value | None:
    """A weighted mean."""
    value = exact(pool)
    if value is None or not value.held.ndim:
        return None
    axis = pool.axis(value)
    weights = np.arange(1, value.held.shape[axis] + 1)
    return both(lambda v: np.average(v, axis, weights), value, near=True)


def scan(pool: Pool) -> Value | None:
    """Running totals."""
    name = pool.pick(["cumsum", "nancumsum", "cumprod"])
    value = pool.any("biu", near=False) if name == "cumprod" else exact(pool)
    if value is None:
        return None
    axis = pool.axis(value) if value.held.ndim and pool.coin() else None
    return both(lambda v: getattr(np, name)(v, axis), value)


def filled(pool: Pool) -> Value | None:
    """NaN and NaT filled by what stands before, or behind."""
    value = pool.any("fmM", near=False)
    if value is None or not value.held.ndim:
        return None
    axis, limit, back = pool.axis(value), pool.pick([None, None, 1, 3]), pool.coin()

    def fill(v: Any) -> Any:
        if isinstance(v, np.ndarray):
            return _filled(v, axis, limit, back)
        return v.bfill(axis, limit) if back else v.ffill(axis, limit)

    return both(fill, value)


def _filled(values: np.ndarray, axis: int, limit: int | None, back: bool) -> np.ndarray:
    """The same, element by element."""
    lines = np.moveaxis(values.copy(), axis, -1)
    for index in np.ndindex(lines.shape[:-1]):
        line = lines[index][::-1] if back else lines[index]
        last, steps = None, 0
        for i, each in enumerate(line):
            if each == each:  # neither NaN nor NaT
                last, steps = each, 0
            elif last is not None and (limit is None or steps < limit):
                line[i], steps = last, steps + 1
            else:
                steps += 1
    return np.moveaxis(lines, -1, axis)


def ordered(pool: Pool) -> Value | None:
    """Sorted values, medians and quantiles."""
    value = pool.any("biuf", near=False)
    if value is None or not value.held.ndim:
        return None
    axis, all_or_one = pool.axis(value), None
    if pool.coin():
        all_or_one = axis
    name = pool.pick(["sort", "argsort", "median", "nanmedian", "quantile", "percentile"])
    if name == "sort":
        return both(lambda v: np.sort(v, all_or_one), value)
    if name == "argsort":
        return both(lambda v: np.argsort(v, axis, stable=True), value)
    if 0 in value.held.shape:
        return None
    if name in ("median", "nanmedian"):
        return both(lambda v: getattr(np, name)(v, all_or_one), value, near=True)
    q = pool.pick([0.5, [0.1, 0.9], 0.0, [[0.25], [1.0]]])
    with quiet():
        finite = value.held.dtype.kind != "f" or bool(np.isfinite(value.held).all())
    if not finite or value.held.dtype.kind == "b":
        return None
    factor = 100 if name == "percentile" else 1
    return both(lambda v: getattr(np, name)(v, np.multiply(q, factor), all_or_one), value, near=True)


def multiply(pool: Pool) -> Value | None:
    """Products of matrices."""
    value = exact(pool)
    if value is None or not value.held.ndim or abs(value.held).max(initial=0) > 1000:
        return None
    n = value.held.shape[-1]
    other = pool.source((n, pool.integer(1, 4)) if pool.coin() else (n,), ["i4", "f4", "f8"])
    if not whole_numbers(other) or value.held.dtype.kind == "b":
        return None
    functions: list[Any] = [np.matmul, np.dot, lambda v, w: np.tensordot(v, w, 1), lambda v, w: v @ w]
    return both(
        pool.pick(functions),
        value,
        other,
        near=value.held.dtype.kind in "fc" or other.held.dtype.kind in "fc",
    )


def count(pool: Pool) -> Value | None:
    """Histograms and counts."""
    value = pool.any("iuf", near=False)
    if value is None:
        return None
    with quiet():
        if value.held.dtype.kind == "f" and not np.isfinite(value.held).all():
            return None
    if pool.coin() or value.held.dtype.kind == "f":
        bins = pool.pick([3, 10, [0, 5, 20, 21, 90]])
        return both(lambda v: np.histogram(v, bins, range=(0, 50))[0], value)
    if (
        value.held.ndim != 1
        or value.held.dtype == np.uint64
        or value.held.min(initial=0) < 0
        or value.held.max(initial=0) > 300
    ):
        return None
    return both(lambda v: np.bincount(v, minlength=301), value)


def group(pool: Pool) -> Value | None:
    """Totals and extrema of groups along an axis."""
    value = exact(pool)
    if value is None or not value.held.ndim or 0 in value.held.shape or value.held.dtype.kind == "b":
        return None
    axis = pool.axis(value)
    labels = np.arange(value.held.shape[axis]) % pool.integer(1, 3)
    how = pool.pick(["sum", "max", "min", "mean"] if value.held.dtype.kind != "c" else ["sum"])

    def grouped(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return v.groupby_reduce(labels, how, axis)
        parts = [np.take(v, np.flatnonzero(labels == label), axis) for label in range(labels.max() + 1)]
        return np.stack([getattr(part, how)(axis) for part in parts], axis)

    return both(grouped, value)


def by_ufunc(pool: Pool) -> Value | None:
    """Ufuncs' own methods, and those with several outputs."""
    value = pool.any("iu", near=False)
    if value is None or not value.held.ndim:
        return None
    axis, which = pool.axis(value), pool.integer(0, 1)
    words: dict[str, Any] = {"keepdims": True} if pool.coin() else {}
    functions: list[Any] = [
        lambda v: np.add.reduce(v, axis, **words),
        lambda v: np.bitwise_xor.reduce(v, axis, **words),
        lambda v: np.maximum.reduce(v, axis, **words),
        lambda v: np.maximum.accumulate(v, axis),
        lambda v: np.bitwise_or.accumulate(v, axis),
        lambda v: np.subtract.outer(v, np.arange(3)),
        lambda v: np.divmod(v, 7)[which],
        lambda v: np.modf(v)[which],
    ]
    return both(pool.pick(functions), value)


def unknown_length(pool: Pool) -> Value | None:
    """Totals of what a lazy mask picks."""
    value = pool.any("iu", near=False)
    name = pool.pick(["sum", "max", "min", "any", "all"])
    return value and both(lambda v: getattr(v[v > 20], name)(), value)


def coarser(pool: Pool) -> Value | None:
    """Totals of neighbours, and the largest values."""
    value, k = pool.any("iu", near=False), pool.integer(1, 3)
    if value is None or not value.held.ndim or value.held.shape[0] < k:
        return None

    def totals(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return v.coarsen(np.sum, {0: k}, trim_excess=True)
        whole = v[: len(v) // k * k]
        return whole.reshape(len(v) // k, k, *v.shape[1:]).sum(1)

    def largest(v: Any) -> Any:
        return lnp.topk(v, k, 0) if not isinstance(v, np.ndarray) else np.flip(np.sort(v, 0), 0)[:k]

    return both(pool.pick([totals, largest]), value)


STEPS = [
    by_ufunc,
    unknown_length,
    coarser,
    reduction,
    reduction,
    reduction,
    guarded,
    product,
    position,
    average,
    scan,
    filled,
    ordered,
    multiply,
    count,
    group,
]
