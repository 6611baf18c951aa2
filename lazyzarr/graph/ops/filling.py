"""Filling: what is missing along an axis takes the last value before it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Get
from lazyzarr.graph.ops.scans import Scan

__all__ = ["Fill", "fill"]

Array = np.ndarray[Any, Any]


class Last(NamedTuple):
    """The last value of each line that is not missing, and how many steps back it stands; -1 where there is none."""

    values: Array
    age: Array


class Fill(Scan):
    """Values with NaN (NaT) replaced by the last one before; parameters: how many steps on at most (None: all), the
    axis, dtype."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "ffill"

    def _block(self, coords: tuple[int, ...], get: Get, carry: Last | None) -> tuple[Array, Last]:
        """A block, filled, and the last values of its lines."""
        limit: int | None = self.params[0]
        piece = get(0, self.box(coords))
        n, axis = piece.shape[self.axis], self.axis
        line = np.arange(n).reshape(-1, *(1,) * (piece.ndim - axis - 1))
        missing = np.isnat(piece) if piece.dtype.kind in "mM" else np.isnan(piece)
        found = np.maximum.accumulate(np.where(missing, -1, line), axis=axis)
        values = np.take_along_axis(piece, np.maximum(found, 0), axis)
        age = np.where(found < 0, -1, line - found)
        if carry is not None:
            older = (found < 0) & (carry.age >= 0)
            np.copyto(values, carry.values, where=older)
            np.copyto(age, carry.age + line + 1, where=older)
        if limit is not None:
            values = np.where(age > limit, piece, values)
        end = (*(slice(None),) * axis, slice(-1, None))
        return values, Last(values[end].copy(), age[end].copy())


def fill(node: Node, axis: int, limit: int | None) -> Node:
    """The node with what is missing filled along an axis; itself where nothing can be missing."""
    # bfloat16 and the like are of the kind V, as records are, of which none is missing.
    if node.dtype.kind not in "fcmMV" or issubclass(node.dtype.type, np.void):
        return node
    return make(Fill, (node,), (limit, axis, node.dtype))
