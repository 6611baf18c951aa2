"""Stored runs: the sorted runs of lines in a temporary array, of which any stretch is read alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lazyzarr.format.chunk_stretch import StretchReader
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, within
from lazyzarr.graph.ops.ranks import SortedRuns, looked_at
from lazyzarr.graph.ops.runs import RunForm
from lazyzarr.graph.ops.sources import ZarrSource

__all__ = ["OfRuns", "StoredRuns", "runs_bytes"]

Array = np.ndarray[Any, Any]
Line = tuple[int, ...]
"""The position of a line along the other axes."""
# Of what is looked at for a rank: as it is read, put together, and in order.
LOOKED_AT = 3


class StoredRuns:
    """The runs of one line at a time, from the source that a plan put in the place of `Runs`."""

    def __init__(self, source: Node, form: RunForm, beside: tuple[int, ...]) -> None:
        assert isinstance(source, ZarrSource)
        self._form, self._beside, self._places = form, beside, form.places
        self._reader = StretchReader(source.array.reader())
        self._scratch = self._reader.new_scratch()
        self._line: Line | None = None

    def of(self, line: Line) -> SortedRuns:
        """The runs of a line, those of the last one again without a look."""
        if line != self._line:
            self._runs, self._line = self._known(line), line
        return self._runs

    def _known(self, line: Line) -> SortedRuns:
        """The runs of a line, with the values of them that stand at the ends of their rows."""
        form = self._form
        known = []
        for run, length in enumerate(form.lengths):
            values = np.empty(-(-length // form.distance), form.dtype)
            self._read(line, run, self._places[1], values)
            known.append(values)

        def read(run: int, first: int, stop: int) -> Array:
            values = np.empty(stop - first, form.dtype)
            self.values(line, run, first, values)
            return values

        return SortedRuns(form.lengths, known, form.distance, read)

    def values(self, line: Line, run: int, first: int, out: Array) -> None:
        """Fills an array with values of a run, from one on."""
        self._read(line, run, first * out.itemsize, out)

    def positions(self, line: Line, run: int, first: int, out: Array) -> None:
        """Fills an array with where values of a run stood in it, from one on."""
        self._read(line, run, self._places[0] + first * out.itemsize, out)

    def _read(self, line: Line, run: int, place: int, out: Array) -> None:
        """Fills an array with what stands in a row from a byte on."""
        if not len(out):
            return
        inside = [i % n for i, n in zip(line, self._beside, strict=True)]
        row = sum(i * math.prod(self._beside[axis + 1 :]) for axis, i in enumerate(inside))
        coords = (*(i // n for i, n in zip(line, self._beside, strict=True)), run, 0)
        low = row * self._places[-1] + place
        self._reader.read_stretch(coords, low, out.view(np.uint8), self._scratch)


def runs_bytes(form: RunForm) -> int:
    """Bytes that the runs of one line take: what is known of them, twice, and what is looked at for a rank."""
    known = 2 * -(-form.size // form.distance)
    return (known + LOOKED_AT * looked_at(len(form.lengths), form.distance)) * form.dtype.itemsize


class OfRuns(Computed):
    """What is made of lines from a stored array of their runs; the first two parameters: the form, and how many lines
    along each other axis a block of runs has."""

    __slots__ = ()

    @property
    def form(self) -> RunForm:
        """How the lines lie in the runs."""
        return self.params[0]  # type: ignore[no-any-return]

    @property
    def in_runs(self) -> str:
        """The beginning of how values are found, for plans."""
        form = self.form
        return (
            f"{self.label}: lines of {form.size:,} do not fit; each is sorted in {len(form.lengths):,} runs of "
            f"{form.length:,}"
        )

    @property
    def reads_itself(self) -> bool:
        """Always: of the runs no more is read than is needed, where it goes."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each chunk of the runs is looked at, if by several blocks."""
        return [within(self.inputs[0].chunks)]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The block, without what others know of its line."""
        return self.session()(coords, get)
