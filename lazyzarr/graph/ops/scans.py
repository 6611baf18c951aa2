"""Scans: running totals and extrema along an axis, block by block, with what the blocks before amount to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, Session, within
from lazyzarr.graph.ops.double import parted
from lazyzarr.graph.ops.reductions import accumulator
from lazyzarr.graph.ops.running import running, working_bytes

__all__ = ["Scan", "scan"]

Array = np.ndarray[Any, Any]
Carry = Any
"""What the blocks before amount to."""
# Lines that are not walked one after the other are begun anew once so much is in hand of others.
CARRIED_BYTES = 8_000_000


class Scan(Computed):
    """What a ufunc gives for the values up to each one along an axis; parameters: the ufunc, axis, dtype."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """cumsum, cumprod, or the ufunc's name."""
        name: str = self.params[0].__name__
        return {"add": "cumsum", "multiply": "cumprod"}.get(name, f"{name}-accumulate")

    @property
    def axis(self) -> int:
        """The axis that is walked from its start to its end."""
        return self.params[1]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """All but the dtype is the input's."""
        source = self.inputs[0]
        self.shape, self.chunks, self.dims = source.shape, source.chunks, source.dims
        self.dtype = np.dtype(self.params[2])

    @property
    def in_step(self) -> bool:
        """Always."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for its chunk, and perhaps for those before it."""
        return [within(self.inputs[0].chunks)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, counted from the start of the axis."""
        return self.session()(coords, get)

    def session(self) -> Session:
        """What makes blocks, and knows what the one before amounted to: in ascending order each is read once."""
        carried: dict[tuple[int, ...], tuple[int, Carry | None]] = {}
        most = max(2 * max(map(len, self.chunks)), CARRIED_BYTES // max(self._carry_bytes, 1))

        def block(coords: tuple[int, ...], get: Get) -> Array:
            axis, beside = self.axis, (*coords[: self.axis], *coords[self.axis + 1 :])
            number, carry = carried.get(beside, (0, None))
            if number > coords[axis]:
                number, carry = 0, None
            while True:
                at = (*coords[:axis], number, *coords[axis + 1 :])
                values, carry = self._block(at, get, carry)
                number += 1
                if number > coords[axis]:
                    break
            if len(carried) >= most:
                carried.pop(next(iter(carried)))
            carried[beside] = number, carry
            return values.astype(self.dtype, copy=False)

        return block

    def _block(self, coords: tuple[int, ...], get: Get, carry: Carry | None) -> tuple[Array, Carry]:
        """A block's running totals, and the last of them."""
        function: np.ufunc = self.params[0]
        piece = get(0, self.box(coords))
        if self._fine:
            return self._compensated(piece, carry)
        wide = accumulator(self.dtype) if function in (np.add, np.multiply) else self.dtype
        # Times have no other dtype to be summed in, and NumPy takes no unit here.
        given = None if wide.kind in "mM" or piece.dtype == wide else wide
        values = function.accumulate(piece, axis=self.axis, dtype=given)
        if carry is not None:
            function(carry, values, out=values)  # in this order: of several complex NaN the first one counts
        return values, values[(*(slice(None),) * self.axis, slice(-1, None))].copy()

    @property
    def _carry_bytes(self) -> int:
        """Bytes that are in hand of a line between two of its blocks, at most."""
        across = math.prod(max(sizes, default=0) for i, sizes in enumerate(self.chunks) if i != self.axis)
        return 2 * across * accumulator(self.dtype).itemsize

    @property
    def _fine(self) -> bool:
        """Whether the rounding of each step is worth carrying: totals are as precise as what adds them up."""
        kinds = {np.add: "fc", np.multiply: "f"}.get(self.params[0], "")
        return self.dtype.kind in kinds and self.dtype in (np.float64, np.complex128)

    @property
    def working_bytes(self) -> int:
        """What carrying the rounding takes."""
        return working_bytes(math.prod(max(sizes, default=0) for sizes in self.chunks)) if self._fine else 0

    def _compensated(self, piece: Array, carry: Carry | None) -> tuple[Array, Carry]:
        """A block's running totals with what rounding took from each step, and both of the last of them."""
        values = parted(np.asarray(piece, self.dtype))
        totals, end = running(self.params[0], values, self.axis, carry)
        return (totals.view(self.dtype)[..., 0] if self.dtype.kind == "c" else totals), end


def scan(node: Node, function: np.ufunc, axis: int, dtype: np.dtype[Any]) -> Node:
    """The running totals of a node along an axis."""
    return make(Scan, (node,), (function, axis, dtype))
