"""Strips: parts of a shape that are small enough to be worked on at once, as lengths and as slices."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["shorten", "slices_of"]


def shorten(lengths: list[int], axes: Sequence[int], most: int) -> None:
    """Makes lengths smaller along these axes, until they hold so many elements together: whole lines where that can be.

    >>> lengths = [6, 8, 10]
    >>> shorten(lengths, (0, 2), 30)
    >>> lengths
    [3, 8, 10]
    """
    for axis in axes:
        rest = math.prod(lengths[other] for other in axes if other != axis)
        lengths[axis] = max(1, min(lengths[axis], most // max(rest, 1)))


def slices_of(shape: Sequence[int], lengths: Sequence[int]) -> list[list[slice]]:
    """Along each axis the slices that cut a shape into parts of these lengths, the last one of what is left.

    >>> slices_of((5,), (3,))
    [[slice(0, 3, None), slice(3, 6, None)]]
    """
    return [
        [slice(low, low + length) for low in range(0, n, length)]
        for n, length in zip(shape, lengths, strict=True)
    ]
