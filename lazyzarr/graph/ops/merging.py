"""Merging: sorted lines put together from their runs, block by block, each from a stretch of every run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.format.chunk_stretch import StretchReader
from lazyzarr.graph.node import make, pieces_of
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, Session, within
from lazyzarr.graph.ops.ranks import SortedRuns, looked_at
from lazyzarr.graph.ops.runs import RunForm, Runs, positions_type
from lazyzarr.graph.ops.sources import ZarrSource

__all__ = ["Merged", "merged"]

Array = np.ndarray[Any, Any]
# Splits that are remembered: one block ends where the next begins, and blocks of several lines may take turns.
MOST_SPLITS = 64
# Of what is looked at for a split: as it is read, put together, and in order.
LOOKED_AT = 3


class Merged(Computed):
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
        runs, blocks = len(self.form.lengths), len(self.chunks[self.form.axis])
        return (
            f"{self.label}: lines of {self.form.size:,} do not fit; each is sorted in {runs:,} runs of "
            f"{self.form.length:,}, which are merged in {blocks:,} blocks"
        )

    @property
    def form(self) -> RunForm:
        """How the lines lie in the runs."""
        return self.params[0]  # type: ignore[no-any-return]

    @property
    def length(self) -> int:
        """The values in a block."""
        return self.params[3]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Shape and dims are those of the lines."""
        form, _, self.dtype, length, self.shape, self.dims = self.params
        self.chunks = tuple(pieces_of(n, length if i == form.axis else 1) for i, n in enumerate(self.shape))

    @property
    def reads_itself(self) -> bool:
        """Always: stretches of the runs go where they are sorted."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each chunk is read once, if by several blocks."""
        return [within(self.inputs[0].chunks)]

    @property
    def working_bytes(self) -> int:
        """What is known of the runs of one line, what is looked at for a split, and what sorting a block takes."""
        form, runs = self.form, len(self.form.lengths)
        known = 2 * -(-form.size // form.distance) * form.dtype.itemsize
        looked = LOOKED_AT * looked_at(runs, form.distance) * form.dtype.itemsize
        splits = MOST_SPLITS * runs * 40
        return known + looked + splits + self.length * form.merging_bytes

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, without what others know of its line."""
        return self.session()(coords, get)

    def session(self) -> Session:
        """What makes blocks one after the other, and knows where the last ones ended."""
        (source,) = self.inputs
        assert isinstance(source, ZarrSource)
        merger = _Merger(self, source)

        def block(coords: tuple[int, ...], get: Get) -> Array:
            start, extents = self.box(coords)
            return merger.block(start, extents)

        return block


class _Merger:
    """Reads runs, and merges blocks of them."""

    def __init__(self, node: Merged, source: ZarrSource) -> None:
        self._form, self._beside, self._dtype = node.form, node.params[1], node.dtype
        self._reader = StretchReader(source.array.reader())
        self._scratch = self._reader.new_scratch()
        self._line: tuple[int, ...] | None = None
        self._splits: dict[tuple[tuple[int, ...], int], list[int]] = {}
        self._places = self._form.places
        self._starts = list(itertools.accumulate(self._form.lengths, initial=0))

    def block(self, start: Sequence[int], extents: tuple[int, ...]) -> Array:
        """The values of a box that is a part of one line."""
        axis, form = self._form.axis, self._form
        line = (*start[:axis], *start[axis + 1 :])
        low, high = start[axis], start[axis] + extents[axis]
        stretches = list(zip(self._split(line, low), self._split(line, high), strict=True))
        values = np.empty(high - low, form.dtype)
        at = 0
        for run, (first, stop) in enumerate(stretches):
            self._read(line, run, first, values[at : at + stop - first])
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
            self._read(line, run, first, part, self._places[0])
            np.add(part, self._starts[run], out=given[at : at + len(part)], dtype=np.intp)
            at += len(part)
        return np.take(given, order, mode="clip")

    def _split(self, line: tuple[int, ...], rank: int) -> list[int]:
        """Where the runs of a line are split at a rank."""
        found = self._splits.get((line, rank))
        if found is None:
            if line != self._line:
                self._runs, self._line = self._known(line), line
            if len(self._splits) >= MOST_SPLITS:
                del self._splits[next(iter(self._splits))]
            found = self._splits[line, rank] = self._runs.split(rank)
        return found

    def _known(self, line: tuple[int, ...]) -> SortedRuns:
        """The runs of a line, with the values of them that stand at the ends of their rows."""
        form = self._form
        known = []
        for run, length in enumerate(form.lengths):
            values = np.empty(-(-length // form.distance), form.dtype)
            self._read(line, run, 0, values, self._places[1])
            known.append(values)

        def read(run: int, first: int, stop: int) -> Array:
            values = np.empty(stop - first, form.dtype)
            self._read(line, run, first, values)
            return values

        return SortedRuns(form.lengths, known, form.distance, read)

    def _read(self, line: tuple[int, ...], run: int, first: int, out: Array, place: int = 0) -> None:
        """Fills an array with what stands in the row of a run, from a place on, `first` elements further."""
        if not len(out):
            return
        inside = [i % n for i, n in zip(line, self._beside, strict=True)]
        row = sum(i * math.prod(self._beside[axis + 1 :]) for axis, i in enumerate(inside))
        low = row * self._places[-1] + place + first * out.itemsize
        coords = (*(i // n for i, n in zip(line, self._beside, strict=True)), run, 0)
        self._reader.read_stretch(coords, low, out.view(np.uint8), self._scratch)


def merged(runs: Runs, dtype: np.dtype[Any], length: int, dims: tuple[str | None, ...]) -> Merged:
    """The lines of runs in order, or their positions, in blocks of a length."""
    form, beside = runs.params
    return make(Merged, (runs,), (form, beside, dtype, length, runs.inputs[0].shape, dims), runs.origin)
