"""Sums of float64 in two numbers, of which no rounding shows.

Each value is cut in two: a multiple of a step, and a rest of half a step of it at most. The step is as short as lets
float64 hold the sum of the multiples as it is, in whatever order they are added; of the rests' sum too little is left
for its rounding to count (J. Demmel, H. D. Nguyen, "Fast reproducible floating-point summation", 2013).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lazyzarr.graph.ops.double import parted
from lazyzarr.graph.ops.piecewise import PIECE, PLACES, pieces, scratch

__all__ = ["folding_bytes", "sums_of"]

Array = np.ndarray[Any, Any]

LARGEST = 2.0**900  # values beyond it leave no room for a step
SMALL = 2.0**-10  # of the largest value: a sum below it may be of values that want a shorter step
COPIES = 6  # arrays of so many elements that are made on the way


def folding_bytes(elements: int, dtype: np.dtype[Any]) -> int:
    """What `sums_of` makes on the way, of so many values."""
    return COPIES * min(elements * dtype.itemsize, PIECE * 8)


def sums_of(values: Array, axes: tuple[int, ...]) -> Iterator[tuple[Any, Array, Array | None]]:
    """Of each piece of float64 or complex128 values: which part of the sums over axes, kept with length 1, it goes to;
    its sum, and what that is short of: None where NumPy's sum is all there is, of what is not finite, or huge.
    """
    if values.size <= PIECE and values.size // max(_count(values, axes), 1) <= PLACES:
        yield (..., *_sum(values, axes))
        return
    for kept, piece in pieces(values.shape, axes):
        yield (kept, *_sum(values[piece], axes))


def _count(values: Array, axes: tuple[int, ...]) -> int:
    return math.prod(values.shape[axis] for axis in axes)


def _sum(values: Array, axes: tuple[int, ...]) -> tuple[Array, Array | None]:
    """The sum over axes in two numbers."""
    real = parted(values)
    top = max(float(real.max()), -float(real.min())) if values.size else 0.0
    if not 0 < top < LARGEST:
        return np.add.reduce(values, axis=axes, keepdims=True), None
    room = _count(values, axes).bit_length() + 1
    total, rest = _cut(real, math.ldexp(1.5, math.frexp(top)[1] + room), axes)
    if total.size > 1 and np.abs(total).min() < top * SMALL:
        each = np.maximum.reduce(np.abs(real), axis=axes, keepdims=True)
        total, rest = _cut(real, np.ldexp(1.5, np.frexp(each)[1] + room), axes)
    if values.dtype.kind == "c":
        # Of no axes they lie as the values do, which may be one number shown often.
        total, rest = map(np.ascontiguousarray, (total, rest))
        return total.view(values.dtype)[..., 0], rest.view(values.dtype)[..., 0]
    return total, rest


def _cut(values: Array, large: Any, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """The sums of multiples of a step, and of the rests; what is added to so large a number is rounded to the step."""
    cut, *_ = scratch.like(values)
    np.add(values, large, out=cut)
    np.subtract(cut, large, out=cut)
    total = np.add.reduce(cut, axis=axes, keepdims=True)
    return total, np.add.reduce(np.subtract(values, cut, out=cut), axis=axes, keepdims=True)
