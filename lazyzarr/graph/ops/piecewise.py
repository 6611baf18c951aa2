"""Tiles piece by piece: parts that stay in a core's cache, and arrays to work in, which each thread keeps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from lazyzarr.graph.ops.strips import shorten, slices_of

__all__ = ["PIECE", "PLACES", "pieces", "scratch"]

Array = np.ndarray[Any, Any]

PIECE = 65536  # elements that are worked on at once
PLACES = 8192  # sums that are


def pieces(shape: tuple[int, ...], axes: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
    """Parts of a shape that are small enough, each with the part of the sums that it goes to."""
    lengths = list(shape)
    kept_axes = [axis for axis in range(len(shape)) if axis not in axes]
    for inside, most in ((kept_axes, PLACES), (range(len(shape)), PIECE)):
        shorten(lengths, inside, most)
    for piece in itertools.product(*slices_of(shape, lengths)):
        kept = tuple(slice(None) if axis in axes else part for axis, part in enumerate(piece))
        yield (*kept, ...), piece  # a view, of arrays without axes, too


class _Scratch(threading.local):
    """Arrays that a thread works in: new ones would cost more than what is done in them."""

    def __init__(self) -> None:
        self._flat = np.empty((3, PIECE))
        self._known: tuple[Any, list[Array]] = (None, [])

    def like(self, values: Array) -> list[Array]:
        """Three of an array's shape, which lie in memory as it does."""
        if values.size > PIECE:
            return [np.empty(values.shape) for _ in range(3)]
        key, found = self._known
        if key != (values.shape, values.strides):
            order = sorted(range(values.ndim), key=lambda axis: -abs(values.strides[axis]))
            turned = [values.shape[axis] for axis in order]
            back = [order.index(axis) for axis in range(values.ndim)]
            found = [flat[: values.size].reshape(turned).transpose(back) for flat in self._flat]
            self._known = (values.shape, values.strides), found
        return found


scratch = _Scratch()
