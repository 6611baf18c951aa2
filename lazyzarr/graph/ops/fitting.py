"""Fitting: values as those of a stored array that they are written to; floats may round, nothing else may change."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.errors import DataTypeMismatchError
from lazyzarr.format.assign import checked_values
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Elementwise, astype, call
from lazyzarr.graph.ops.strips import shorten, slices_of

__all__ = ["fitted_to"]

Array = np.ndarray[Any, Any]

# Elements that are looked at at once: what is made of them on the way stays in a core's cache.
AT_ONCE = 16384


class Fitted(Elementwise):
    """Another dtype, in which the values are the same but for rounding; `where` says what holds them then."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "astype"

    def apply(self, pieces: Sequence[Any], out: Array | None) -> Array:
        """The piece in the other dtype. Raises DataTypeMismatchError for what that cannot hold."""
        piece = np.asarray(pieces[0])
        result = np.empty(piece.shape, self.dtype) if out is None else out
        lengths = list(piece.shape)
        shorten(lengths, range(piece.ndim), AT_ONCE)
        for part in itertools.product(*slices_of(piece.shape, [max(n, 1) for n in lengths])):
            result[part] = _fitted(piece[part], self.dtype, dict(self.params[2])["where"])
        return result


def _fitted(values: Array, dtype: np.dtype[Any], where: str) -> Array:
    try:
        return checked_values(values, dtype, where)
    except DataTypeMismatchError as error:
        error.add_note(
            f"an index counts within a part of shape {np.shape(values)}; x.astype({dtype.name!r}) lets NumPy convert"
        )
        raise


def fitted_to(node: Node, dtype: np.dtype[Any], where: str) -> Node:
    """The node in the dtype of what it is written to, which `where` names: cast, and looked at where it may not fit."""
    looked_at = node.dtype.kind in "biufcmMV" and node.dtype != dtype
    if looked_at and (dtype.kind in "mM" or not np.can_cast(node.dtype, dtype, "safe")):
        return call(Fitted, checked_values, [node], (("where", where),), dtype)
    return astype(node, dtype)
