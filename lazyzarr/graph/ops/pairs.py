"""Pairs: two values at each place as one record, so that a reduction of both reads each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, Elementwise, call

__all__ = ["Pair", "pair", "parted"]

Array = np.ndarray[Any, Any]


class Pair(Elementwise):
    """Records of two operands' values; parameters as Elementwise."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The first operand's word: the second goes with it."""
        return self.inputs[0].label

    @property
    def in_place(self) -> bool:
        """Records are longer than what they are made of."""
        return False

    def apply(self, pieces: Sequence[Any], out: Array | None) -> Any:
        """The records."""
        values, beside = self._arguments(pieces)
        if out is None:
            return together(values, beside)
        out["value"], out["beside"] = values, beside
        return out


def together(values: Any, beside: Any) -> Array:
    """Records of the values of two arrays."""
    shape = np.broadcast_shapes(np.shape(values), np.shape(beside))
    kinds = np.asarray(values).dtype, np.asarray(beside).dtype
    records = np.empty(shape, [("value", kinds[0]), ("beside", kinds[1])])
    records["value"], records["beside"] = values, beside
    return records


def pair(values: Node, beside: Node | Constant) -> Pair:
    """The node of records of values and of what goes with each."""
    return call(Pair, together, [values, beside], (), None)  # type: ignore[return-value]


def parted(records: Array) -> tuple[Array, Array]:
    """The values of records, and what goes with them."""
    return records["value"], records["beside"]
