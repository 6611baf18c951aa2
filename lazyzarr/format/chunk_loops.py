"""Whole selections in and out: the loops over the chunks they touch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..settings import cpu_count
from .chunk import ChunkReader, ChunkWriter
from .chunk_source import ShardSource
from .fancy import PointSelection, Selection
from .grid import Grid, RegularGrid
from .locks import ArrayLock, HeldLock
from .pieces import Coords, Piece, ascending, count_pieces, pieces, point_pieces, point_units, units
from .selection import Range
from .workers import in_order, spread

__all__ = ["read_selection", "write_selection"]

ENCODING = 2  # encoding a chunk is the work of decoding that many (measured: lz4, 16 KiB to 2 MiB)
# Chunks below the one want the other in all for a second thread to be worth its waking. Of 128 KiB, a line of each read
# after other work: 32 take 1.3 ms with one thread and 0.9 to 1.9 with two, 64 take 2.3 and 1.9.
LONG_WORK, LEAST_WORK = 250_000, 6_000_000
TURN = 8 * 1024 * 1024  # decoded bytes of inner chunks that a thread takes out of a shard at a time


class _Cuts(NamedTuple):
    """A selection, ready to be cut by grids, and the values that the pieces' `where` is about."""

    values: NDArray[Any]
    sliced: bool
    """Whether every index is made of slices: then values[where] is a view."""
    pieces: Callable[[Grid], Iterator[Piece]]
    units: Callable[[Grid, Grid], Iterator[tuple[Coords, Iterator[Piece]]]]
    count: Callable[[Grid], int]
    """At most how many pieces there are."""


def _cuts(selection: Selection, values: NDArray[Any]) -> _Cuts:
    """The cuts of a selection, and its values in the order of the elements along each axis; a view.

    Values may have more axes than the selection, behind its own: those of fields that are arrays.
    """
    inner = values.shape[len(selection.out_shape) :]
    if isinstance(selection, PointSelection):
        points = selection.points
        return _Cuts(
            values.reshape((-1, *inner)),
            False,
            lambda grid: point_pieces(points, grid),
            lambda outer, inner: point_units(points, outer, inner),
            lambda grid: len(points[0]),
        )
    picks, turn = ascending(selection.ranges)
    values = values.reshape((*selection.counts, *inner))  # only axes of length 1 come and go: a view
    return _Cuts(
        values[turn] if turn else values,
        all(type(pick) is Range for pick in picks),
        lambda grid: pieces(picks, grid),
        lambda outer, inner: units(picks, outer, inner),
        lambda grid: count_pieces(picks, grid),
    )


def read_selection(reader: ChunkReader, selection: Selection, out: NDArray[Any]) -> None:
    """Read a selection into `out`, of its `out_shape`; any strides, but C-contiguous for points.

    Raises ChunkDecodeError, StoreError, ArrayReplacedError, ChunkNotFoundError; `out` is half filled then.
    """
    if out.size == 0:
        return
    cuts = _cuts(selection, out)
    if not reader.grid.ndim:
        _read_one(reader, cuts.values)
    elif isinstance(reader.source, ShardSource):
        _read_shards(reader, cuts)
    else:
        even = isinstance(reader.grid, RegularGrid)
        read = _read_chunks if cuts.sliced and even else _read_pieces
        if reader.in_flight < 2:
            read(reader, cuts)
            return
        ahead = reader.reading_ahead(piece[0] for piece in cuts.pieces(reader.grid))
        try:
            read(ahead, cuts)
        finally:
            ahead.close()


def _read_one(reader: ChunkReader, target: NDArray[Any]) -> None:
    scratch = reader.new_scratch()
    reader.read_into((), target, scratch)
    reader.check(scratch)


def _read_chunks(reader: ChunkReader, cuts: _Cuts) -> None:
    shape, target = reader.chunk_shape, cuts.values
    even = not any(map(operator.mod, reader.grid.shape, shape))  # no chunk reaches beyond the array
    corner = target[tuple(map(slice, shape))]
    direct = corner.shape == shape and reader.decodes_into(corner)

    def batch(work: Iterator[Piece]) -> None:
        scratch = reader.new_scratch()
        for coords, inside, where, whole in work:
            view = target[where]
            full = whole and (even or view.shape == shape)
            if full and direct:
                reader.read_into(coords, view, scratch)
            else:
                reader.read_part(coords, None if full else inside, view, scratch)
        reader.check(scratch)

    _spread(batch, reader, cuts)


def _read_pieces(reader: ChunkReader, cuts: _Cuts) -> None:
    def batch(work: Iterator[Piece]) -> None:
        scratch = reader.new_scratch()
        for piece in work:
            reader.read_piece(piece, cuts.values, scratch)
        reader.check(scratch)

    _spread(batch, reader, cuts)


def _spread(batch: Callable[[Iterator[Piece]], None], reader: ChunkReader, cuts: _Cuts) -> None:
    """Calls `batch` with iterators over all pieces, in as many threads as pay."""
    count, nbytes = cuts.count(reader.grid), reader.nbytes
    least = LEAST_WORK if nbytes < LONG_WORK else 0
    spread(batch, cuts.pieces(reader.grid), count, nbytes, reader.waiting(2 * nbytes), least)


def _read_shards(reader: ChunkReader, cuts: _Cuts) -> None:
    count = cuts.count(reader.grid)
    # Enough turns for threads to share them evenly, where that makes none of them small.
    several = max(1, min(TURN // reader.nbytes, max(16, count // 16)))

    def turns() -> Iterator[tuple[Coords, list[Piece]]]:
        for unit, within in cuts.units(reader.units, reader.grid):
            while turn := list(islice(within, several)):
                yield unit, turn

    def batch(work: Iterator[tuple[Coords, list[Piece]]]) -> None:
        scratch = reader.new_scratch()
        for unit, turn in work:
            reader.read_inner(unit, turn, cuts.values, scratch, cuts.sliced)
        reader.check(scratch)

    most = max(-(-count // several), cuts.count(reader.units))
    spread(batch, turns(), most, reader.nbytes, reader.waiting(2 * several * reader.nbytes))


def write_selection(
    writer: ChunkWriter,
    lock: ArrayLock | HeldLock,
    selection: Selection,
    value: NDArray[Any],
    field: str | None = None,
) -> None:
    """Write values, which broadcast to the selection's `out_shape`: whole units first, then parts of units.

    With `field` only that field of the elements is set; where the field is an array, its axes come last. Raises
    ChunkEncodeError, ChunkDecodeError (a damaged chunk of which a part is written), StoreError,
    ArrayReplacedError, LockUnavailableError. Units are written one by one: a failure leaves some written.
    """
    inner = () if field is None else writer.dtype[field].shape
    values = np.broadcast_to(value, (*selection.out_shape, *inner))
    if values.size == 0:
        return
    cuts = _cuts(selection, values)
    touched = list(cuts.pieces(writer.grid))
    if writer.shares_edge:
        touched = [(*piece[:3], piece[3] and writer.is_whole(piece[0])) for piece in touched]
    whole = [piece for piece in touched if piece[3]] if field is None else []
    if whole:
        _write_units(writer, lock, whole, cuts.values)
    if len(whole) < len(touched):
        _update_units(writer, lock, list(_parts(writer, cuts, touched, field)), cuts.values, field)


def _parts(
    writer: ChunkWriter, cuts: _Cuts, touched: list[Piece], field: str | None
) -> Iterator[tuple[Coords, list[Piece]]]:
    """The units that are changed in part, each with the pieces that `update_pieces` takes."""
    if writer.inner is None:
        yield from ((piece[0], [piece]) for piece in touched if field is not None or not piece[3])
        return
    whole = {piece[0] for piece in touched if piece[3] and field is None}
    keeps = field is not None or writer.shares_edge  # then even what is selected as a whole is read first
    for unit, within in cuts.units(writer.grid, writer.inner):
        if unit not in whole:
            yield unit, [(*piece[:3], False) if keeps else piece for piece in within]


def _write_units(
    writer: ChunkWriter, lock: ArrayLock | HeldLock, whole: list[Piece], values: NDArray[Any]
) -> None:
    nbytes = ENCODING * writer.nbytes
    few = len(whole) < cpu_count()  # shards: then threads share each
    several = max(cpu_count(), min(64, TURN // writer.nbytes))

    def batch(work: Iterator[Piece]) -> None:
        scratch = writer.new_scratch()
        if few:
            scratch.each = lambda function, parts: in_order(function, parts, nbytes, several)
        for coords, _, where, _ in work:
            # An index of () would give a scalar, not a 0-d array.
            writer.write_unit(coords, values[where] if where else values, scratch)

    with lock.whole():
        writer.check()
        spread(batch, whole, len(whole), nbytes, writer.waiting())


def _update_units(
    writer: ChunkWriter,
    lock: ArrayLock | HeldLock,
    parts: list[tuple[Coords, list[Piece]]],
    values: NDArray[Any],
    field: str | None,
) -> None:
    def batch(work: Iterator[tuple[Coords, list[Piece]]]) -> None:
        scratch = writer.new_scratch()
        for unit, within in work:
            with lock.unit(unit):
                writer.update_pieces(unit, within, values, scratch, field)

    with lock.partial():
        writer.check()
        spread(batch, parts, len(parts), ENCODING * writer.nbytes, writer.waiting())
