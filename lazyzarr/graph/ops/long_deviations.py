"""Deviations of longdouble: the mean and squared deviations of each part, joined in two numbers each.

Those of two parts are joined as T. F. Chan, G. H. Golub, R. J. LeVeque do (1979). What rounding takes from the mean and
from the squares at each joint is kept beside them: however many parts there are, the error is that of one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.ops.double import two_sum
from lazyzarr.graph.ops.reductions import sum_of_sums

__all__ = ["folding_bytes", "join", "of", "put", "variance"]

Array = np.ndarray[Any, Any]
Parts = tuple[Array, ...]
"""The mean and what it is short of, the sum of squared deviations and what that is short of."""


def folding_bytes(elements: int, wide: np.dtype[Any]) -> int:
    """What `of` makes on the way, of so many values: them as they are wide, where they count, what they are apart, and
    its squares."""
    return 4 * elements * wide.itemsize


def of(values: Array, axes: tuple[int, ...], number: Any, mask: Array | None) -> Parts:
    """What is known of wide values over axes, which are kept with length 1; `number` of them count for each place."""
    number = np.maximum(number, 1)
    mean = _sum(values, axes, mask) / number
    apart = np.asarray(values - mean)
    rest = _finite(_sum(apart, axes, mask) / number)
    squares = _sum(np.asarray(_squared(apart)), axes, mask)
    # What the mean was off by.
    return mean, rest, squares - _finite(number * _squared(rest)), np.zeros_like(squares)


def _sum(values: Array, axes: tuple[int, ...], mask: Array | None) -> Array:
    return sum_of_sums(values if mask is None else np.where(mask, values, 0), axes)


def _squared(apart: Any) -> Any:
    """The squares of what is apart, of complex numbers those of both parts."""
    return apart.real**2 + apart.imag**2 if apart.dtype.kind == "c" else apart * apart


def _finite(number: Any) -> Any:
    """A number; 0 where it says no more than that there are infinite ones."""
    return np.where(np.isfinite(number), number, 0)


def join(own: Parts, other: Parts, before: Any, count: Any) -> Parts:
    """What is known of `before` values and of `count` others: numbers, or arrays of them."""
    mean, rest, squares, squares_rest = own
    share = count / np.asarray(np.maximum(before + count, 1), squares.dtype)
    apart, low = two_sum(other[0], -mean)
    apart = apart + (_finite(low) + (other[1] - rest))
    mean, low = two_sum(mean, apart * share)
    mean, rest = two_sum(mean, _finite(low) + rest)
    squares, lost = two_sum(squares, other[2])
    squares, more = two_sum(squares, _squared(apart) * share * before)
    squares_rest = squares_rest + other[3] + _finite(lost) + _finite(more)
    return mean, _finite(rest), squares, squares_rest


def put(own: Parts, other: Parts, before: Any, count: Any) -> None:
    """Takes what is known of `count` other values into that of `before`."""
    joined = join(own, other, before, count)
    for mine, both, theirs in zip(own, joined, other, strict=True):
        np.copyto(mine, np.where(np.equal(before, 0), theirs, both), where=np.greater(count, 0))


def variance(parts: Parts, free: Any, rooted: bool) -> Array:
    """Squared deviations over the degrees of freedom, or the root of that."""
    found: Array = np.true_divide(np.maximum(parts[2] + parts[3], 0), free)
    return np.sqrt(found) if rooted else found
