"""Runs: lines cut in pieces that are sorted one by one, as bytes for a temporary array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.node import Chunks, Node, make, pieces_of
from lazyzarr.graph.ops.computed import Computed, Get, Intervals, cuts_of
from lazyzarr.graph.ops.ranks import distance_for
from lazyzarr.graph.origins import Origin

__all__ = ["RunForm", "Runs", "can_run", "positions_type", "runs_of"]

Array = np.ndarray[Any, Any]
ROW = 64  # bytes that rows are a multiple of, so that each begins as an array of its own would


class RunForm(NamedTuple):
    """How lines lie in runs: each run is a row of bytes, of its values in order, where these stood in the run if that
    is asked for, and some of the values again."""

    dtype: np.dtype[Any]
    """That of the values, in this machine's byte order."""
    axis: int
    """Along which the lines lie."""
    size: int
    """Values of a line."""
    length: int
    """Values of a run; the last may have fewer."""
    positions: bool
    """Whether it is told where the values stood."""
    kind: str | None
    """As NumPy's sort takes it."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """The values of each run."""
        return pieces_of(self.size, self.length)

    @property
    def distance(self) -> int:
        """How far apart the values lie that stand at the end of a row again."""
        return distance_for(self.length)

    @property
    def places(self) -> tuple[int, int, int]:
        """Where in a row the positions begin, the values that stand there again, and the next row."""
        values = self.length * self.dtype.itemsize
        again = values + self.length * positions_type(self.length).itemsize * self.positions
        end = again + -(-self.length // self.distance) * self.dtype.itemsize
        return values, again, -(-end // ROW) * ROW

    @property
    def by_vectors(self) -> bool:
        """Whether NumPy sorts such values by vectors, which is faster than to merge what lies in order."""
        return self.dtype.kind in "iuf" and self.dtype.itemsize in (2, 4, 8) and self.dtype != np.float16

    @property
    def sorting(self) -> Any:
        """NumPy's word for how runs are sorted. Its quicksort leaves float16 out of order where there are both zeros
        (seen with NumPy 2.4.6 and 2.5.5)."""
        return "stable" if self.dtype == np.float16 else self.kind

    @property
    def merging(self) -> Any:
        """NumPy's word for how runs that lie one after the other are put in order."""
        return self.kind if self.by_vectors else "stable"

    @property
    def working_bytes(self) -> int:
        """Bytes that sorting a run takes, besides its values and its row."""
        if self.positions:
            return self.length * (2 * self.dtype.itemsize + 2 * np.dtype(np.intp).itemsize)
        return 0 if self.sorting is None else self.length * self.dtype.itemsize

    @property
    def merging_bytes(self) -> int:
        """Bytes that merging takes for each value of a block, besides the block."""
        if self.positions:
            return self.dtype.itemsize + 4 * np.dtype(np.intp).itemsize
        return 0 if self.merging is None else self.dtype.itemsize

    def fill(self, row: Array, values: Array) -> None:
        """Fills a row with the run of some values."""
        positions, again, _ = self.places
        ordered = row[: len(values) * self.dtype.itemsize].view(self.dtype)
        if self.positions:
            values = np.ascontiguousarray(values, self.dtype)
            order = np.argsort(values, kind="stable")
            np.take(values, order, out=ordered, mode="clip")
            own = positions_type(self.length)
            row[positions : positions + len(values) * own.itemsize].view(own)[...] = order
        else:
            ordered[...] = values
            ordered.sort(kind=self.sorting)
        known = ordered[:: self.distance]
        row[again : again + known.nbytes].view(self.dtype)[...] = known


class Runs(Computed):
    """Lines in sorted runs; parameters: the form, and how many lines along each other axis a block has.

    The axes are the other ones of the input, one of runs, and one of the bytes of a run.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "sorted-runs"

    @property
    def form(self) -> RunForm:
        """How the lines lie in the runs."""
        return self.params[0]  # type: ignore[no-any-return]

    def infer(self) -> None:
        """Rows of bytes."""
        form, beside = self.params
        source = self.inputs[0]
        others = [n for i, n in enumerate(source.shape) if i != form.axis]
        lines = tuple(pieces_of(n, size) for n, size in zip(others, beside, strict=True))
        self.chunks = (*lines, (1,) * len(form.lengths), (form.places[-1],))
        self.shape = tuple(map(sum, self.chunks))
        self.dtype, self.dims = np.dtype(np.uint8), (None,) * len(self.shape)

    @property
    def unit(self) -> tuple[int, ...]:
        """The shape of a block, as a chunk to be stored."""
        return tuple(sizes[0] for sizes in self.chunks)

    @property
    def working_bytes(self) -> int:
        """What sorting one run takes."""
        return self.form.working_bytes

    def _source_chunks(self) -> Chunks:
        """The boxes of the input that blocks are made of, as its chunks."""
        axis, lines = self.form.axis, self.chunks[:-2]
        return (*lines[:axis], self.form.lengths, *lines[axis:])

    @property
    def in_step(self) -> bool:
        """Always."""
        return True

    def intervals(self) -> list[tuple[Intervals, ...]]:
        """Each block asks for one run of some lines."""
        return [tuple((cuts[:-1], cuts[1:]) for cuts in map(cuts_of, self._source_chunks()))]

    def compute(self, coords: tuple[int, ...], get: Get) -> Array:
        """The rows of one run of some lines."""
        axis, (*lines, run, _) = self.form.axis, coords
        at = (*lines[:axis], run, *lines[axis:])
        chunks = self._source_chunks()
        box = (
            tuple(int(cuts_of(sizes)[i]) for sizes, i in zip(chunks, at, strict=True)),
            tuple(sizes[i] for sizes, i in zip(chunks, at, strict=True)),
        )
        values = np.moveaxis(get(0, box), axis, -1)
        # What a shorter run leaves over of its row is written, too.
        new = np.empty if values.shape[-1] == self.form.length else np.zeros
        rows = new((*values.shape[:-1], 1, self.shape[-1]), np.uint8)
        for line in np.ndindex(values.shape[:-1]):
            self.form.fill(rows[(*line, 0)], values[line])
        return rows


def can_run(dtype: np.dtype[Any]) -> bool:
    """Whether values of a dtype can be sorted in runs: NumPy compares them, and memory holds them."""
    return dtype.kind in "biufcmMSU" and dtype.itemsize > 0


def positions_type(length: int) -> np.dtype[Any]:
    """The dtype of positions within runs of a length.

    >>> positions_type(70_000).name
    'uint32'
    """
    return np.min_scalar_type(max(length - 1, 0))


def runs_of(node: Node, form: RunForm, beside: tuple[int, ...], origin: Origin | None) -> Runs:
    """The sorted runs of a node's lines, in blocks of so many lines along the other axes."""
    return make(Runs, (node,), (form, beside), origin)
