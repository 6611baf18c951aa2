"""A part of a shard changed: inner chunks that it does not touch are kept as they are stored, not decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Any

from numpy.typing import NDArray

from .chunk_source import InnerPlaces, Scratch, ShardSource
from .codecs.chain import CodecChain
from .codecs.protocol import Buffer
from .codecs.sharding import Shard
from .grid import RegularGrid
from .pieces import Coords, Piece, pieces
from .selection import slice_range

__all__ = ["WINDOW", "ShardUpdate", "clear_beyond"]

WINDOW = 4 * 1024 * 1024  # decoded bytes of inner chunks whose stored ones are read in one go


def clear_beyond(chunk: NDArray[Any], lengths: Sequence[int], fill: NDArray[Any]) -> None:
    """Set what lies beyond the array's edge to fill: a later growth must not bring back old elements."""
    for axis, length in enumerate(lengths):
        if length < chunk.shape[axis]:
            chunk[(slice(None),) * axis + (slice(max(length, 0), None),)] = fill


class ShardUpdate:
    """Changes parts of the shards of one array."""

    def __init__(
        self, chain: CodecChain, shard: Shard, inner: CodecChain, source: ShardSource, write_empty: bool
    ) -> None:
        self._chain = chain
        self._shard = shard
        self._source = source
        self._places = InnerPlaces(chain, shard)
        self._grid = RegularGrid(chain.shape, inner.shape)
        self._write_empty = write_empty
        self._window = max(1, WINDOW // max(1, inner.nbytes))

    def pieces(self, inside: Sequence[slice]) -> Iterator[Piece]:
        """What of which inner chunk a part of a shard is."""
        return pieces(list(map(slice_range, inside, self._grid.shape)), self._grid)

    def stream(
        self,
        unit: Coords,
        lengths: Sequence[int],
        parts: Iterable[Piece],
        values: NDArray[Any],
        field: str | None,
        scratch: Scratch,
    ) -> Iterator[Buffer]:
        """The bytes of the changed shard; none at all where there is nothing but fill.

        `lengths` say how much of the shard lies within the array; `parts` what of `values` goes to which inner
        chunk, at most one for each. Inner chunks that are set as a whole are not read. Raises ChunkDecodeError
        for a damaged index, or a damaged inner chunk of which a part is set.
        """
        touched: dict[Coords, Piece | None] = dict.fromkeys(self._at_edge(lengths))
        touched.update((part[0], part) for part in parts)
        return self._shard.assemble(self._chunks(unit, lengths, touched, values, field, scratch))

    def _at_edge(self, lengths: Sequence[int]) -> Iterator[Coords]:
        """The inner chunks that reach beyond the array, in which that is to be set to fill."""
        if tuple(lengths) == self._grid.shape:
            return
        for coords in product(*map(range, self._grid.grid_shape)):
            ends = [stop for _, stop in self._grid.extent(coords)]
            if any(end > length for end, length in zip(ends, lengths, strict=True)):
                yield coords

    def _chunks(
        self,
        unit: Coords,
        lengths: Sequence[int],
        touched: dict[Coords, Piece | None],
        values: NDArray[Any],
        field: str | None,
        scratch: Scratch,
    ) -> Iterator[tuple[int, list[Buffer]]]:
        """(position, encoded bytes) of the inner chunks that the changed shard has."""
        for coords, stored in self._stored(unit, touched, scratch):
            if coords in touched:
                encoded = self._changed(stored, lengths, coords, touched[coords], values, field, scratch)
            else:
                encoded = None if stored is None else [stored]
            if encoded is not None:
                yield self._places.position(coords), encoded

    def _stored(
        self, unit: Coords, touched: dict[Coords, Piece | None], scratch: Scratch
    ) -> Iterator[tuple[Coords, Buffer | None]]:
        """Every inner chunk in order, with its stored bytes where it has some and they are needed."""
        everything = iter(sorted(product(*map(range, self._places.counts)), key=self._places.position))
        while window := list(islice(everything, self._window)):
            needed = [coords for coords in window if not ((part := touched.get(coords)) and part[3])]
            found = {needed[number]: raw for number, raw in self._source.read(unit, needed, scratch)}
            yield from ((coords, found.get(coords)) for coords in window)
        self._source.forget(unit, scratch)  # it is about to be replaced

    def _changed(
        self,
        stored: Buffer | None,
        lengths: Sequence[int],
        coords: Coords,
        part: Piece | None,
        values: NDArray[Any],
        field: str | None,
        scratch: Scratch,
    ) -> list[Buffer] | None:
        """The bytes of a changed inner chunk; None for one of fill, or beyond the array's edge."""
        left = [length - start for length, (start, _) in zip(lengths, self._grid.extent(coords), strict=True)]
        if min(left, default=1) <= 0:
            return None
        inner, chunk = self._shard.inner, scratch.chunk
        if stored is not None:
            inner.decode_into(stored, chunk)
        elif part is None or not part[3]:
            chunk[...] = self._chain.fill
        view = self._chain.decode_view(chunk)  # as the array sees it
        if part is not None:
            (view if field is None else view[field])[part[1]] = values[part[2]]
        clear_beyond(view, left, self._chain.fill)
        return self._shard.encode_inner(chunk, scratch, self._write_empty)
