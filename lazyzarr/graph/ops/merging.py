"""Merging: sorted lines put together from their runs, block by block, each from a stretch of every run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import make, pieces_of
from lazyzarr.graph.ops.computed import Get, Session
from lazyzarr.graph.ops.runs import Runs, positions_type
from lazyzarr.graph.ops.stored_runs import OfRuns, StoredRuns, runs_bytes

__all__ = ["Merged", "merged"]

Array = np.ndarray[Any, Any]
# Splits that are remembered: one block ends where the next begins, and blocks of several lines may take turns.
MOST_SPLITS = 64


class Merged(OfRuns):
    """Lines in order, or where their values stood, from a stored array of their runs; parameters: the form, how many
    lines along each other axis a block of runs has, dtype, the values in a block, shape, dims.

    A block is a part of one line. It reads no more of the runs than it is made of.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """NumPy's name for it."""
        return "argsort" if self.form.positions else "sort"

    @property
    def hint(self) -> str:
        """How the lines are sorted."""
        return f"{self.in_runs}, which are merged in {len(self.chunks[self.form.axis]):,} blocks"

    @property
    def length(self) -> int:
        """The values in a block."""
        return self.params[3]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Shape and dims are those of the lines."""
        form, _, self.dtype, length, self.shape, self.dims = self.params
        self.chunks = tuple(pieces_of(n, length if i == form.axis else 1) for i, n in enumerate(self.shape))

    @property
    def working_bytes(self) -> int:
        """What is known of the runs of one line, what is looked at for a split, and what sorting a block takes."""
        splits = MOST_SPLITS * len(self.form.lengths) * 8
        return runs_bytes(self.form) + splits + self.length * self.form.merging_bytes

    def session(self) -> Session:
        """What makes blocks one after the other, and knows where the last ones ended."""
        merger = _Merger(self)

        def block(coords: tuple[int, ...], get: Get) -> Array:
            start, extents = self.box(coords)
            return merger.block(start, extents)

        return block


class _Merger:
    """Puts blocks together, and knows where the last ones ended."""

    def __init__(self, node: Merged) -> None:
        self._form, self._dtype = node.form, node.dtype
        self._runs = StoredRuns(node.inputs[0], node.form, node.params[1])
        self._splits: dict[tuple[tuple[int, ...], int], Array] = {}
        self._starts = list(itertools.accumulate(self._form.lengths, initial=0))

    def block(self, start: Sequence[int], extents: tuple[int, ...]) -> Array:
        """The values of a box that is a part of one line."""
        axis, form = self._form.axis, self._form
        line = (*start[:axis], *start[axis + 1 :])
        low, high = start[axis], start[axis] + extents[axis]
        first, last = self._split(line, low), self._split(line, high)
        stretches = list(zip(first.tolist(), last.tolist(), strict=True))
        values = np.empty(high - low, form.dtype)
        at = 0
        for run, (first, stop) in enumerate(stretches):
            self._runs.values(line, run, first, values[at : at + stop - first])
            at += stop - first
        if form.positions:
            values = self._positions(line, stretches, values)
        else:
            values.sort(kind=form.merging)
        return values.astype(self._dtype, copy=False).reshape(extents)

    def _positions(self, line: tuple[int, ...], stretches: Sequence[tuple[int, int]], values: Array) -> Array:
        """Where the values of stretches stood, in the order of these."""
        order = np.argsort(values, kind="stable")
        given = np.empty(len(values), np.intp)
        own, at = positions_type(self._form.length), 0
        for run, (first, stop) in enumerate(stretches):
            part = np.empty(stop - first, own)
            self._runs.positions(line, run, first, part)
            np.add(part, self._starts[run], out=given[at : at + len(part)], dtype=np.intp)
            at += len(part)
        return np.take(given, order, mode="clip")

    def _split(self, line: tuple[int, ...], rank: int) -> Array:
        """Where the runs of a line are split at a rank."""
        found = self._splits.get((line, rank))
        if found is None:
            if len(self._splits) >= MOST_SPLITS:
                del self._splits[next(iter(self._splits))]
            found = np.array(self._runs.of(line).split(rank), np.int64)
            self._splits[line, rank] = found
        return found


def merged(runs: Runs, dtype: np.dtype[Any], length: int, dims: tuple[str | None, ...]) -> Merged:
    """The lines of runs in order, or their positions, in blocks of a length."""
    form, beside = runs.params
    return make(Merged, (runs,), (form, beside, dtype, length, runs.inputs[0].shape, dims), runs.origin)
