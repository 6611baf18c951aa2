"""Coarsening: windows that lie side by side, each of which becomes one value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of
from lazyzarr.graph.ops.lending import Loan, answer
from lazyzarr.graph.ops.reductions import accumulator
from lazyzarr.graph.ops.user import note_user_error, promised, user_call

__all__ = ["Coarsen", "coarsen"]

Array = np.ndarray[Any, Any]
# Windows of up to so many elements are joined element by element: NumPy's reductions over axes that are so short cost
# more than that.
SMALL = 64
_JOINS: dict[Callable[..., Any], np.ufunc] = {
    np.sum: np.add,
    np.mean: np.add,
    np.min: np.minimum,
    np.max: np.maximum,
    np.any: np.logical_or,
    np.all: np.logical_and,
}


class Coarsen(Computed):
    """A reduction of windows; parameters: the function, its keywords, the windows' lengths, dtype, whether values are
    rounded to it, chunks."""

    __slots__ = ()
    calls_user: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """The word for this operation, and the function's name."""
        return f"coarsen-{getattr(self.params[0], '__name__', 'function').strip('<>')}"

    def infer(self) -> None:
        """One element a window."""
        _, _, _, dtype, _, self.chunks = self.params
        self.shape, self.dims = tuple(map(sum, self.chunks)), self.inputs[0].dims
        self.dtype = np.dtype(dtype)

    @property
    def in_place(self) -> bool:
        """Always: boxes are the windows of blocks."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for the windows of its elements."""
        pairs = zip(map(cuts_of, self.chunks), self.params[2], strict=True)
        return [tuple((cuts[:-1] * n, cuts[1:] * n) for cuts, n in pairs)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The value of each window, rounded where it is to be."""
        _, _, lengths, _, rounds, _ = self.params
        starts, extents = self.box(coords)
        box = (
            tuple(s * n for s, n in zip(starts, lengths, strict=True)),
            tuple(e * n for e, n in zip(extents, lengths, strict=True)),
        )
        values = self._joined(get(0, box), extents)
        if rounds:
            values = np.rint(values)
        return values.astype(self.dtype, copy=False)

    def _joined(self, piece: Array, extents: tuple[int, ...]) -> Array:
        """The value of each window, in memory of its own."""
        function, keywords, lengths, *_ = self.params
        join = _JOINS.get(function)
        if join is not None and not keywords and math.prod(lengths) <= SMALL and piece.dtype.kind in "biuf":
            return self._element_by_element(piece, join)
        folded = piece.reshape([n for pair in zip(extents, lengths, strict=True) for n in pair])
        with Loan([folded]) as lent:
            return self._folded(lent, extents)

    def _folded(self, lent: Sequence[Array], extents: tuple[int, ...]) -> Array:
        """What the user's function gives for windows that lie along every other axis."""
        function, keywords, *_ = self.params
        axes = tuple(range(1, 2 * len(extents), 2))
        try:
            values, alone = answer(function, lent, {"axis": axes, **dict(keywords)})
        except Exception as error:
            note_user_error(error, self._where())
            raise
        cure = "; it reduces the axes that axis= says"
        return promised(values, extents, values.dtype, self._where, cure, copy=not alone)

    def _where(self) -> str:
        return f"{user_call('coarsen', self)}, windows of {self.params[2]}"

    def _element_by_element(self, piece: Array, join: np.ufunc) -> Array:
        """The first elements of all windows, joined with the second ones, and so on."""
        function, _, lengths, *_ = self.params
        mean = function is np.mean
        if mean and piece.dtype.kind in "biu":
            wide = np.dtype(np.float64)
        else:
            own = join.reduce(np.zeros(1, piece.dtype)).dtype
            wide = accumulator(own) if join is np.add else own
        places = list(itertools.product(*map(range, lengths)))
        parts = [
            piece[tuple(slice(at, None, n) for at, n in zip(place, lengths, strict=True))] for place in places
        ]
        total = parts[0].astype(wide)
        for part in parts[1:]:
            join(total, part, out=total, casting="unsafe")
        if mean:
            return np.divide(total, len(places)).astype(piece.dtype if piece.dtype.kind == "f" else wide)
        return total.astype(join.reduce(np.zeros(1, piece.dtype)).dtype, copy=False)


def coarsen(
    node: Node,
    function: Callable[..., Any],
    lengths: Sequence[int],
    keywords: dict[str, Any],
    dtype: np.dtype[Any] | None,
) -> Coarsen:
    """The node of a function of windows of these lengths, one along each axis; what is left at the ends is cut off."""
    try:
        with np.errstate(all="ignore"):
            ones = np.ones((1, 1) * node.ndim, node.dtype)
            natural = np.asarray(function(ones, axis=tuple(range(1, 2 * node.ndim, 2)), **keywords)).dtype
    except Exception as error:
        error.add_note("coarsen called the function with ones to learn its dtype: it is to take axis=")
        raise
    result = natural if dtype is None else dtype
    rounds = result.kind in "iu" and natural.kind == "f"
    chunks = tuple(_chunks(sizes, n) for sizes, n in zip(node.chunks, lengths, strict=True))
    words = tuple(keywords.items())
    return make(Coarsen, (node,), (function, words, tuple(lengths), result, rounds, chunks))


def _chunks(sizes: tuple[int, ...], length: int) -> tuple[int, ...]:
    """The chunks of the result along an axis: the windows that end in each chunk."""
    if length == 1:
        return sizes
    counts = np.diff(cuts_of(sizes) // length)
    return tuple(counts[counts > 0].tolist()) or (0,)
