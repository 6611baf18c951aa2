"""Where a program's loads lie: in one chunk of a grid, or in several, for a tile at any origin. Integers only."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

from lazyzarr.graph.region import Region, Span, place

__all__ = ["Found", "Locator", "Locators", "Part", "locator", "moved"]

Coords = tuple[int, ...]
Grid = tuple[list[int] | int, ...]
"""Along each axis the chunks' one length, or every boundary."""


class Part(NamedTuple):
    """What a span picks of one chunk along an axis."""

    chunk: int
    inside: slice
    where: slice
    """Where in the load it goes."""
    own: bool
    """Whether no other tile picks anything of the chunk along this axis."""
    whole: bool
    """Whether it is all of the chunk."""


class Found(NamedTuple):
    """Where a load lies for one tile."""

    coords: Coords
    """The chunk, where one is enough."""
    inside: tuple[slice, ...] | None
    """The part of it; None: all of it."""
    parts: list[list[Part]] | None
    """Where one is not enough, along each axis the parts in several chunks."""

    def chunks(self) -> Iterator[Coords]:
        """The coordinates of all chunks that the load touches."""
        if self.parts is None:
            return iter((self.coords,))
        return itertools.product(*[[part.chunk for part in axis] for axis in self.parts])


class Locator:
    """Where in a grid a region lies for a tile; loads of one region from arrays of one grid share it."""

    __slots__ = ("_axes", "_found", "_origin")

    def __init__(self, region: Region, grid: Grid, tile: Coords, domain: Coords) -> None:
        self._axes = [
            (span.axis, _Entries(span, cuts, tile, domain)) for span, cuts in zip(region, grid, strict=True)
        ]
        self._origin: Coords | None = None
        self._found = Found((), None, None)

    def __call__(self, origin: Coords) -> Found:
        """Where the region lies for a tile at an origin."""
        if origin is self._origin:
            return self._found
        entries = [table[0 if axis is None else origin[axis]] for axis, table in self._axes]
        self._origin = origin
        self._found = self._in_one(entries) or Found((), None, [parts for parts, _ in entries])
        return self._found

    @staticmethod
    def _in_one(entries: list[Entry]) -> Found | None:
        """Where all lies in one chunk; None where it does not, and where there is nothing."""
        coords, inside, all_of_it = [], [], True
        for parts, whole in entries:
            if len(parts) != 1:
                return None
            part = parts[0]
            coords.append(part.chunk)
            inside.append(part.inside)
            all_of_it = all_of_it and whole
        return Found(tuple(coords), None if all_of_it else place(inside), None)


Locators = dict[Any, Locator]
"""Locators by region and grid."""


def locator(known: Locators, region: Region, grid: Grid, tile: Coords, domain: Coords) -> Locator:
    """The locator of a region for tiles of a shape, cut of a domain of one: one that is known, or a new one."""
    key = (region, tuple(cuts if isinstance(cuts, int) else id(cuts) for cuts in grid))
    found = known.get(key)
    if found is None:
        found = known[key] = Locator(region, grid, tile, domain)
    return found


def moved(span: Span, origin: Coords) -> slice:
    """The elements of a span for a tile at an origin."""
    start = _start(span, 0 if span.axis is None else origin[span.axis])
    return slice(start, start + (span.count - 1) * span.step + 1, span.step)


def _start(span: Span, origin: int) -> int:
    return span.start if span.axis is None else span.start + span.rate * origin


Entry = tuple[list[Part], bool]
"""The parts along one axis, and whether these are one whole chunk."""


class _Entries(dict[int, Entry]):
    """Where a span lies, by the tile's origin along its axis; computed when first asked."""

    def __init__(self, span: Span, cuts: list[int] | int, tile: Coords, domain: Coords) -> None:
        self._span, self._cuts = span, cuts
        # Neighbouring tiles pick the same elements where a span is longer than the tile.
        shared = 0 if span.axis is None else span.count - tile[span.axis]
        in_order = span.axis is not None and span.rate == span.step
        self._own = (shared, span.count - shared) if in_order else (0, -1)
        others = 0 if span.axis is None else domain[span.axis] - tile[span.axis]
        self._reach = (
            span.start,
            span.last + span.rate * others,
        )  # of all tiles, where they are walked in order

    def __missing__(self, origin: int) -> Entry:
        entry = self[origin] = self._at(_start(self._span, origin))
        return entry

    def _at(self, start: int) -> Entry:
        span, cuts, (alone, together) = self._span, self._cuts, self._own
        fixed = (
            span.axis is None
        )  # tiles that are not at the same place pick of other chunks along other axes
        first, last = _chunk_at(cuts, start), _chunk_at(cuts, start + span.step * (span.count - 1))
        parts, done, whole = [], 0, False
        for chunk in range(first, last + 1):
            low, high = _bounds(cuts, chunk)
            position = start + done * span.step
            count = min(-(-(high - position) // span.step), span.count - done)
            if count > 0:
                inside = slice(position - low, position - low + (count - 1) * span.step + 1, span.step)
                whole = inside == slice(0, high - low, 1)
                before, after = position - span.step, position + count * span.step
                ends = before < max(low, self._reach[0]) and after > min(high - 1, self._reach[1])
                own = fixed or (ends and done >= alone and done + count <= together)
                parts.append(Part(chunk, inside, slice(done, done + count), own, whole))
                done += count
        # A walk towards the start shares its first chunk with the next tile: used last, it is the one kept.
        return (parts if span.rate >= 0 else parts[::-1]), whole and len(parts) == 1


def _chunk_at(cuts: list[int] | int, position: int) -> int:
    return position // cuts if isinstance(cuts, int) else bisect_right(cuts, position) - 1


def _bounds(cuts: list[int] | int, chunk: int) -> tuple[int, int]:
    return (chunk * cuts, (chunk + 1) * cuts) if isinstance(cuts, int) else (cuts[chunk], cuts[chunk + 1])
