"""A part of a shard changed: inner chunks that it does not touch are kept as they are stored, not decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from numpy.typing import NDArray

from .chunk_source import InnerPlaces
from .codecs.chain import CodecChain
from .codecs.protocol import Buffer, Spare
from .codecs.sharding import Shard
from .grid import RegularGrid
from .selection import Range, pieces

__all__ = ["ShardUpdate", "clear_beyond"]

Coords = tuple[int, ...]
Slices = tuple[slice, ...]


def clear_beyond(chunk: NDArray[Any], lengths: Sequence[int], fill: NDArray[Any]) -> None:
    """Set what lies beyond the array's edge to fill: a later growth must not bring back old elements."""
    for axis, length in enumerate(lengths):
        if length < chunk.shape[axis]:
            chunk[(slice(None),) * axis + (slice(max(length, 0), None),)] = fill


class ShardUpdate:
    """Changes parts of the shards of one array."""

    def __init__(self, chain: CodecChain, shard: Shard, inner: CodecChain, write_empty: bool) -> None:
        self._chain = chain
        self._shard = shard
        self._places = InnerPlaces(chain, shard)
        self._grid = RegularGrid(chain.shape, inner.shape)
        self._write_empty = write_empty

    def stream(
        self, raw: Buffer | None, lengths: Sequence[int], inside: Slices, value: NDArray[Any]
    ) -> Iterator[Buffer]:
        """The bytes of the changed shard; none at all where there is nothing but fill.

        `raw` is the shard as it is stored, or None; `lengths` how much of it lies within the array.
        Raises ChunkDecodeError for a damaged index, or a damaged inner chunk that is touched.
        """
        touched = self._touched(lengths, inside)
        return self._shard.assemble(self._chunks(raw, lengths, touched, value))

    def _touched(
        self, lengths: Sequence[int], inside: Slices
    ) -> dict[int, tuple[Coords, tuple[Slices, Slices] | None]]:
        """The inner chunks to be changed by position: coordinates, and what of them is what of the value.

        Those at the array's edge are among them, as what lies beyond it is set to fill.
        """
        touched: dict[int, tuple[Coords, tuple[Slices, Slices] | None]] = {}
        if tuple(lengths) != self._grid.shape:
            for coords in product(*map(range, self._grid.grid_shape)):
                ends = [stop for _, stop in self._grid.extent(coords)]
                if any(end > length for end, length in zip(ends, lengths, strict=True)):
                    touched[self._places.position(coords)] = coords, None
        bounds = [axis.indices(n) for axis, n in zip(inside, self._grid.shape, strict=True)]
        ranges = [Range(start, step, len(range(start, stop, step))) for start, stop, step in bounds]
        for coords, part, where, _ in pieces(ranges, self._grid):
            touched[self._places.position(coords)] = coords, (part, where)
        return touched

    def _chunks(
        self,
        raw: Buffer | None,
        lengths: Sequence[int],
        touched: dict[int, tuple[Coords, tuple[Slices, Slices] | None]],
        value: NDArray[Any],
    ) -> Iterator[tuple[int, list[Buffer]]]:
        """(position, encoded bytes) of the inner chunks that the changed shard has."""
        index = None if raw is None else self._shard.whole_index(raw)
        spare = Spare(self._shard.inner.new_chunk)
        for position in range(self._grid.nchunks):
            span = None if index is None else index.span(position)
            stored = None if raw is None or span is None else memoryview(raw)[slice(*span)]
            if position in touched:
                encoded = self._changed(stored, lengths, *touched[position], value, spare)
            else:
                encoded = None if stored is None else [stored]
            if encoded is not None:
                yield position, encoded

    def _changed(
        self,
        stored: Buffer | None,
        lengths: Sequence[int],
        coords: Coords,
        part: tuple[Slices, Slices] | None,
        value: NDArray[Any],
        spare: Spare,
    ) -> list[Buffer] | None:
        """The bytes of a changed inner chunk; None for one of fill, or beyond the array's edge."""
        left = [length - start for length, (start, _) in zip(lengths, self._grid.extent(coords), strict=True)]
        if min(left, default=1) <= 0:
            return None
        chunk = spare.chunk
        if stored is None:
            chunk[...] = self._chain.fill
        else:
            self._shard.inner.decode_into(stored, chunk)
        view = self._chain.decode_view(chunk)  # as the array sees it
        if part is not None:
            view[part[0]] = value[part[1]]
        clear_beyond(view, left, self._chain.fill)
        return self._shard.encode_inner(chunk, spare, self._write_empty)
