"""What NumPy's ufuncs have besides one value for each: reductions by any of them, and several outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, Elementwise, call
from lazyzarr.graph.ops.joined import Joined
from lazyzarr.graph.ops.reductions import State, Tile

__all__ = ["JOINABLE", "UfuncReduce", "ufunc_outputs"]

Array = np.ndarray[Any, Any]

# Ufuncs that give the same, but for rounding, in whatever order and groups they take the values.
JOINABLE = {
    *(np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin),
    *(np.logical_and, np.logical_or, np.logical_xor),
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor),
    *(np.logaddexp, np.logaddexp2, np.hypot, np.gcd, np.lcm),
}


class UfuncReduce(Joined):
    """All values joined by a ufunc that may join them in any order; options: the ufunc."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The ufunc's name."""
        return self._ufunc.__name__

    def start(self, shape: tuple[int, ...]) -> State:
        """What the ufunc gives for no values, where that is defined."""
        identity = np.asarray(0 if self._ufunc.identity is None else self._ufunc.identity)
        return (
            np.full(shape, identity.astype(self.dtype)),
        )  # all bits are -1, and the greatest unsigned number

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Joins what the tile gives."""
        part = self._ufunc.reduce(tile.values, axis=self.axes, dtype=self.dtype, keepdims=True)
        self.join(state, (part,), before, 0)


class UfuncOutput(Elementwise):
    """One of a ufunc's outputs; parameters as Elementwise."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The ufunc's name."""
        return dict(self.params[2])["function"].__name__  # type: ignore[no-any-return]


def output_of(*operands: Any, function: np.ufunc, number: int) -> Any:
    """One output of a ufunc that has several."""
    return function(*operands)[number]


def ufunc_outputs(function: np.ufunc, *operands: Node | Constant) -> tuple[Node, ...]:
    """The nodes of the outputs of a ufunc that has several."""
    return tuple(
        call(UfuncOutput, output_of, operands, (("function", function), ("number", number)), None)
        for number in range(function.nout)
    )
