"""Whole selections in and out: the loops over the chunks they touch."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chunk import ChunkReader, ChunkWriter
from .chunk_source import ShardSource
from .grid import RegularGrid
from .locks import ArrayLock, HeldLock
from .selection import BasicSelection, Piece, Range, ascending, count_pieces, pieces
from .workers import spread

__all__ = ["read_selection", "write_selection"]

ENCODING = 2  # encoding a chunk is the work of decoding that many (measured: lz4, 16 KiB to 2 MiB)
TURN = 8 * 1024 * 1024  # decoded bytes of inner chunks that a thread takes out of a shard at a time


def read_selection(reader: ChunkReader, selection: BasicSelection, out: NDArray[Any]) -> None:
    """Read a selection into `out`, of its `out_shape` and any strides.

    Raises ChunkDecodeError, StoreError, ArrayReplacedError, ChunkNotFoundError; `out` is half filled then.
    """
    if out.size == 0:
        return
    ranges, turn = ascending(selection.ranges)
    target = out.reshape(selection.counts)  # only axes of length 1 come and go: a view
    if turn:
        target = target[turn]
    if not ranges:
        _read_one(reader, target)
    elif isinstance(reader.source, ShardSource):
        _read_shards(reader, ranges, target)
    else:
        _read_chunks(reader, ranges, target)


def _read_one(reader: ChunkReader, target: NDArray[Any]) -> None:
    scratch = reader.new_scratch()
    reader.read_into((), target, scratch)
    reader.check(scratch)


def _read_chunks(reader: ChunkReader, ranges: Sequence[Range], target: NDArray[Any]) -> None:
    shape = reader.chunk_shape
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

    spread(batch, pieces(ranges, reader.grid), count_pieces(ranges, reader.grid), reader.nbytes)


def _read_shards(reader: ChunkReader, ranges: Sequence[Range], target: NDArray[Any]) -> None:
    inner = RegularGrid(reader.units.chunk_shape, reader.chunk_shape)
    several = max(1, TURN // reader.nbytes)

    def turns() -> Iterator[tuple[tuple[int, ...], list[Piece], tuple[slice, ...]]]:
        for unit, inside, where, _ in pieces(ranges, reader.units):
            within = list(pieces([_range(axis) for axis in inside], inner))
            for first in range(0, len(within), several):
                yield unit, within[first : first + several], where

    def batch(work: Iterator[tuple[tuple[int, ...], list[Piece], tuple[slice, ...]]]) -> None:
        scratch = reader.new_scratch()
        for unit, within, where in work:
            reader.read_inner(unit, within, target[where], scratch)
        reader.check(scratch)

    spread(batch, turns(), -(-count_pieces(ranges, reader.grid) // several), reader.nbytes)


def _range(axis: slice) -> Range:
    return Range(axis.start, axis.step, len(range(axis.start, axis.stop, axis.step)))


def write_selection(
    writer: ChunkWriter, lock: ArrayLock | HeldLock, selection: BasicSelection, value: NDArray[Any]
) -> None:
    """Write values, which broadcast to the selection's `out_shape`: whole units first, then parts of units.

    Raises ChunkEncodeError, ChunkDecodeError (a damaged chunk of which a part is written), StoreError,
    ArrayReplacedError, LockUnavailableError. Units are written one by one: a failure leaves some written.
    """
    values = np.broadcast_to(value, selection.out_shape)
    if values.size == 0:
        return
    ranges, turn = ascending(selection.ranges)
    values = values.reshape(selection.counts)
    if turn:
        values = values[turn]
    touched = list(pieces(ranges, writer.grid))
    whole = [piece for piece in touched if piece[3]]
    if whole:
        _write_units(writer, lock, whole, values)
    if len(whole) < len(touched):
        _update_units(writer, lock, [piece for piece in touched if not piece[3]], values)


def _write_units(
    writer: ChunkWriter, lock: ArrayLock | HeldLock, whole: list[Piece], values: NDArray[Any]
) -> None:
    def batch(work: Iterator[Piece]) -> None:
        scratch = writer.new_scratch()
        for coords, _, where, _ in work:
            # An index of () would give a scalar, not a 0-d array.
            writer.write_unit(coords, values[where] if where else values, scratch)

    with lock.whole():
        writer.check()
        spread(batch, whole, len(whole), ENCODING * writer.nbytes)


def _update_units(
    writer: ChunkWriter, lock: ArrayLock | HeldLock, parts: list[Piece], values: NDArray[Any]
) -> None:
    def batch(work: Iterator[Piece]) -> None:
        scratch = writer.new_scratch()
        for coords, inside, where, _ in work:
            with lock.unit(coords):
                writer.update_unit(coords, inside, values[where], scratch)

    with lock.partial():
        writer.check()
        spread(batch, parts, len(parts), ENCODING * writer.nbytes)
