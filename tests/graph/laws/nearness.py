"""How near totals, means and variances of floats are to what is exact, and two plans to each other."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.lift import array_node
from tests.graph.laws.sources import Sliced, chunk_sizes
from tests.graph.laws.values import quiet

__all__ = ["NAMES", "floats", "near_the_truth"]

NAMES = ["sum", "mean", "var", "std", "nansum", "nanmean", "nanvar", "cumsum", "cumprod"]
SCANS = ("cumsum", "cumprod")
MOST_UNITS, MOST_APART = 4, 2


@st.composite
def floats(draw: st.DrawFn) -> tuple[LazyArray, LazyArray, np.ndarray]:
    """Floats that are hard to add up, in two ways of chunks."""
    shape = draw(st.sampled_from([(150,), (40, 7), (5, 60), (3, 4, 11), (1,), (128, 2)]))
    dtype = draw(st.sampled_from(["f2", "f4", "f4", "f8", "f8"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a = rng.normal(size=shape)
    kind = draw(st.sampled_from(["spread", "far", "positive", "wide", "cancelling"]))
    if kind == "far":
        a += 1000
    elif kind == "positive":
        a = np.abs(a)
    elif kind == "wide":
        a *= 10.0 ** rng.integers(-4, 4, shape)
    elif kind == "cancelling":
        a += np.where(rng.random(shape) < 0.5, 100, -100)
    held = a.astype(dtype)
    held.flags.writeable = False
    ways = [LazyArray(array_node(Sliced(held), chunk_sizes(draw, shape), None)) for _ in range(2)]
    return ways[0], ways[1], held


def near_the_truth(name: str, arrays: tuple[Any, Any, np.ndarray], axis: Any) -> None:
    """What both ways give is as near to the truth as what NumPy gives, or within four units of the last place.

    Of float64 that cancels the units are those of the sum of magnitudes: no sum in float64 alone keeps others.
    """
    one, other, held = arrays
    if name == "cumprod":  # of numbers near 1, so that products are numbers
        one, other, held = one * 2**-12 + 1, other * 2**-12 + 1, held * 2**-12 + 1
    axis = -1 if name in SCANS and axis is None and held.ndim > 1 else axis
    with quiet():
        answers = [
            np.asarray(getattr(np, name)(each, axis=axis).compute(scheduler="sync")) for each in (one, other)
        ]
        theirs = np.asarray(getattr(np, name)(held, axis=axis))
        truth, units = _exact(name, held, axis)
        finite = [
            np.isfinite(each).all() for each in (theirs, *answers, truth.astype(float).astype(held.dtype))
        ]
    if not all(finite):
        return
    *mine, numpys = [_errors(answer, truth) / units for answer in (*answers, theirs)]
    # What is added up in float64 and rounded once is as near as can be, and so are variances and scans of float64.
    sums = name in ("sum", "mean", "nansum")
    rounded_once = name in SCANS or (sums if held.dtype != np.float64 else not (sums or name == "nanmean"))
    for wrong in mine:
        assert (wrong <= np.maximum(numpys, 0.5001 if rounded_once else MOST_UNITS)).all(), (
            wrong.max(),
            numpys.max(),
        )
        assert (wrong <= np.maximum(numpys, MOST_UNITS)).all()
    apart = np.abs(answers[0].astype(float) - answers[1].astype(float)) / units
    assert (apart <= MOST_APART).all(), apart.max()


def _errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far each value is from the truth."""
    pairs = zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True)
    return np.array([float(abs(Fraction(a) - b)) for a, b in pairs]).reshape(found.shape)


def _exact(name: str, held: np.ndarray, axis: Any) -> tuple[np.ndarray, np.ndarray]:
    """The exact values as fractions, and the unit in the last place by which an error is counted."""
    plain = name.removeprefix("nan")
    rows = held.reshape(1, -1) if axis is None else np.moveaxis(held, axis, -1).reshape(-1, held.shape[axis])
    totals, units = [], []
    for row in rows:
        exact = [Fraction(value) for value in row.tolist()]
        for truth, scale in _truths(plain, exact):
            totals.append(truth)
            size = (
                scale
                if held.dtype == np.float64 and plain in ("sum", "mean", "cumsum")
                else abs(float(truth))
            )
            units.append(float(np.spacing(np.array(size, held.dtype))))
    if plain not in SCANS:
        shape = () if axis is None else np.delete(np.array(held.shape), axis)
        return np.array(totals, object).reshape(shape), np.array(units).reshape(shape)
    moved = np.moveaxis(held, axis or 0, -1).shape
    found = (np.array(totals, object).reshape(moved), np.array(units).reshape(moved))
    return np.moveaxis(found[0], -1, axis or 0), np.moveaxis(found[1], -1, axis or 0)


def _truths(name: str, exact: list[Fraction]) -> list[tuple[Fraction, float]]:
    """The exact results of a row, each with the same of magnitudes."""
    n, magnitude = len(exact), sum(map(abs, exact))
    if name == "cumsum":
        return [(sum(exact[: i + 1], Fraction(0)), float(sum(map(abs, exact[: i + 1])))) for i in range(n)]
    if name == "cumprod":
        return [(math.prod(exact[: i + 1], start=Fraction(1)), 0.0) for i in range(n)]
    total = sum(exact, Fraction(0))
    if name == "sum":
        return [(total, float(magnitude))]
    if name == "mean":
        return [(total / n, float(magnitude / n))]
    variance = sum((value - total / n) ** 2 for value in exact) / n
    return [(variance if name == "var" else _root(variance), 0.0)]


def _root(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 60
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
