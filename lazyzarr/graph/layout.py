"""Layouts: where a stage's domain is cut into blocks, cells, units and tiles, and what of a leaf each touches.

    domain   all indices a stage walks
    block    one task
    cell     the stretch of a block after which no decoded chunk is needed again, where that can be
    unit     what is written at once (a chunk or shard of the target); the whole cell where nothing is written
    tile     what a program computes at once: small enough to stay in the processor's cache

Every cut of one level is a cut of the next, so only integers along each axis are kept.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.graph.node import Node
from lazyzarr.graph.region import Region, Span, ascending

__all__ = [
    "Access",
    "Cuts",
    "Layout",
    "Sharing",
    "capacity",
    "join_cuts",
    "most_chunks",
    "most_together",
    "passing",
    "sharing",
    "sizes_to_cuts",
    "split_blocks",
    "split_tiles",
    "thin",
]

Cuts = np.ndarray[Any, Any]
"""Positions along an axis, ascending, from 0 to its length."""


# Of fewer chunks than this a search costs nothing that shows.
MANY = 1000
# Chunks so large that they fall into more tiles than this fit no memory; they are left whole, to be refused.
MOST_CUTS = 50_000_000


def sizes_to_cuts(sizes: Sequence[int]) -> Cuts:
    """The boundaries of chunks of these sizes.

    >>> sizes_to_cuts((4, 4, 2)).tolist()
    [0, 4, 8, 10]
    """
    cuts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=cuts[1:])
    return cuts


def join_cuts(*cuts: Cuts) -> Cuts:
    """All boundaries of several.

    >>> join_cuts(np.array([0, 4, 10]), np.array([0, 5, 10])).tolist()
    [0, 4, 5, 10]
    """
    first, *others = cuts
    others = [other for other in others if other is not first and not np.array_equal(other, first)]
    return ascending(first, *others) if others else first


def thin(fine: Cuts, coarse: Cuts) -> Cuts:
    """Those of the fine cuts that come first at or after each coarse one.

    >>> thin(np.array([0, 3, 6, 9, 10]), np.array([0, 5, 10])).tolist()
    [0, 6, 10]
    """
    return ascending(fine[np.searchsorted(fine, coarse)])


# Of so many kinds of boxes, by what each access touches in them, the one that touches most is looked for.
MOST_KINDS = 1_000_000
# Seams are cut off where a chunk is this many times as long.
SEAM = 8


@dataclass(frozen=True, slots=True)
class Access:
    """What tiles of a stage need of a leaf: the region that the whole domain needs, and the leaf's chunks."""

    leaf: Node
    region: Region
    grid: tuple[Cuts, ...]
    chunk_nbytes: int
    decodes: bool

    def touched(self, axis: int, lows: Cuts, highs: Cuts, domain: Sequence[int]) -> tuple[Cuts, Cuts]:
        """The first and last chunk along an axis of the leaf that each interval of the domain touches.

        Where it touches none, the last is before the first.
        """
        span, cuts = self.region[axis], self.grid[axis]
        find = _finder(cuts, len(lows))
        if span.axis is None:
            first, last = np.full(len(lows), span.start), np.full(len(lows), span.last)
        else:
            extra = span.last - span.start - abs(span.rate) * (domain[span.axis] - 1)
            ends = span.rate * lows, span.rate * (highs - 1)
            shift = span.start - min(0, span.rate * (domain[span.axis] - 1))
            first = shift + np.minimum(*ends)
            last = shift + np.maximum(*ends) + extra
        if span.within is None:
            return find(first), find(last)
        low, high = span.within
        touched = find(np.clip(first, low, high)), find(np.clip(last, low, high))
        nothing = (first > high) | (last < low)
        return touched[0], np.where(nothing, touched[0] - 1, touched[1])

    def boundaries(self, axis: int, domain: Sequence[int]) -> Cuts | None:
        """The leaf's chunk boundaries as cuts of the domain's axis, or None where the leaf does not move with it."""
        for own, span in enumerate(self.region):
            if span.axis == axis and span.rate:
                return _as_domain_cuts(span, _ends_within(span, self.grid[own]), domain[axis])
        return None

    def seams(self, axis: int, domain: Sequence[int]) -> Cuts | None:
        """Where tiles end that need one chunk alone: those after it, up to the next chunk, need that one as well.

        None where each tile needs one chunk, or most of a chunk is needed together with the next one.
        """
        for own, span in enumerate(self.region):
            shared = span.count - domain[axis] if span.axis == axis and span.rate == span.step == 1 else 0
            cuts = self.boundaries(axis, domain) if shared > 0 else None
            if cuts is not None and len(cuts) > 2 and SEAM * shared < int(np.diff(self.grid[own]).min()):
                inside = cuts[1:-1] - shared
                return np.concatenate([[0], inside[inside > 0], [domain[axis]]])
        return None

    def reach(self, axis: int, domain: Sequence[int]) -> tuple[int, int]:
        """The part of the domain's axis, along which the leaf moves, in which it is needed."""
        for span in self.region:
            if span.axis == axis and span.within is not None:
                low, high = _domain_positions(
                    span, np.array([span.within[0], span.within[1] + 1]), domain[axis]
                )
                return int(low), int(high)
        return 0, domain[axis]


def _finder(cuts: Cuts, asked: int) -> Callable[[Cuts], Cuts]:
    """What gives the chunk that each position lies in: by division where many are asked of a long even axis."""
    edge = int(cuts[1] - cuts[0]) if len(cuts) > MANY and asked > MANY else 0
    if edge and (np.diff(cuts[:-1]) == edge).all():
        return lambda positions: np.minimum(positions // edge, len(cuts) - 2)
    return lambda positions: np.searchsorted(cuts, positions, "right") - 1


def _domain_positions(span: Span, positions: Cuts, n: int) -> Cuts:
    """Where in the domain, ascending, a moving span reaches these positions, or passes them."""
    shift = span.start - min(0, span.rate * (n - 1))
    cuts = -((shift - positions) // span.rate) if span.rate > 0 else (shift - positions) // -span.rate + 1
    clipped: Cuts = np.clip(cuts if span.rate > 0 else cuts[::-1], 0, n)
    return clipped


def _ends_within(span: Span, grid: Cuts) -> Cuts:
    """The boundaries of chunks as far as a span asks for them, and where that begins and ends."""
    if span.within is None:
        return grid
    low, high = span.within
    return np.concatenate([[low], grid[(grid > low) & (grid <= high)], [high + 1]])


def _as_domain_cuts(span: Span, grid: Cuts, n: int) -> Cuts:
    """Domain positions at which a moving span enters another chunk."""
    cuts = _domain_positions(span, grid, n)
    fresh = np.flatnonzero(np.diff(cuts)) + 1
    return np.concatenate([[0], cuts[fresh[cuts[fresh] < n]], [n]])


@dataclass(frozen=True)
class Layout:
    """The cuts of a stage along each axis of its domain, and the order in which axes are walked."""

    domain: tuple[int, ...]
    blocks: tuple[Cuts, ...]
    cells: tuple[Cuts, ...]
    units: tuple[Cuts, ...]
    tiles: tuple[Cuts, ...]
    order: tuple[int, ...]
    """Axes, outermost first, for the walk through cells, and through the tiles of each."""
    backward: frozenset[int] = frozenset()
    """Axes that are walked from their end."""

    @property
    def numblocks(self) -> tuple[int, ...]:
        """Blocks along each axis."""
        return tuple(len(cuts) - 1 for cuts in self.blocks)

    @property
    def tasks(self) -> int:
        """The number of blocks."""
        return math.prod(self.numblocks)

    def block(self, index: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Start and stop of a block along each axis."""
        return tuple((int(cuts[i]), int(cuts[i + 1])) for cuts, i in zip(self.blocks, index, strict=True))

    def largest_tile(self) -> tuple[int, ...]:
        """The largest extent of a tile along each axis."""
        return tuple(int(np.diff(cuts).max(initial=0)) for cuts in self.tiles)

    def largest(self, cuts: Sequence[Cuts]) -> int:
        """The number of elements in the largest box between these cuts."""
        return math.prod(int(np.diff(axis).max(initial=0)) for axis in cuts)

    def walk(self, index: Sequence[int]) -> Iterator[tuple[Coords, Coords, list[tuple[Coords, Coords]]]]:
        """Each unit of a block as (start, lengths), with its tiles, each as (start, lengths)."""
        bounds = self.block(index)
        # Cells of one unit each are walked in the order of the units of one cell.
        one = all(len(cells) == len(units) for cells, units in zip(self.cells, self.units, strict=True))
        cells = self.blocks if one else self.cells
        nested = [_nest(cells[a], self.units[a], self.tiles[a], *bounds[a]) for a in self.order]
        nested = [
            _turned(nest) if a in self.backward else nest for a, nest in zip(self.order, nested, strict=True)
        ]
        place = [self.order.index(a) for a in range(len(self.order))]
        in_order = place == sorted(place)
        for cell in itertools.product(*nested):
            boxes = _boxes(cell) if in_order else _reordered(_boxes(cell), place)
            if all(axis.single for axis in cell):
                for start, lengths in boxes:
                    yield start, lengths, [(start, lengths)]
                continue
            inside = itertools.product(*[axis.inside for axis in cell])
            for (start, lengths), axes in zip(boxes, inside, strict=True):
                tiles = _boxes(axes) if in_order else _reordered(_boxes(axes), place)
                yield start, lengths, list(tiles)


Coords = tuple[int, ...]


class _Intervals(NamedTuple):
    """Neighbouring intervals along one axis."""

    starts: list[int]
    lengths: list[int]


class _Units(NamedTuple):
    """The units of a cell along one axis."""

    starts: list[int]
    lengths: list[int]
    inside: list[_Intervals]
    """Of each unit, its tiles."""
    single: bool
    """Whether each unit is one tile."""


def _nest(cells: Cuts, units: Cuts, tiles: Cuts, low: int, high: int) -> list[_Units]:
    """The cells of an interval."""
    result = []
    for start, n in zip(*_intervals(cells, low, high), strict=True):
        inner = _intervals(units, start, start + n)
        if tiles is units:
            inside = [_Intervals([s], [m]) for s, m in zip(*inner, strict=True)]
        else:
            inside = [_intervals(tiles, s, s + m) for s, m in zip(*inner, strict=True)]
        result.append(_Units(*inner, inside, all(len(unit.starts) == 1 for unit in inside)))
    return result


def _turned(cells: list[_Units]) -> list[_Units]:
    """Cells from the last to the first, and so what is in them."""
    return [
        _Units(
            cell.starts[::-1],
            cell.lengths[::-1],
            [_Intervals(starts[::-1], lengths[::-1]) for starts, lengths in cell.inside[::-1]],
            cell.single,
        )
        for cell in cells[::-1]
    ]


def _intervals(cuts: Cuts, low: int, high: int) -> _Intervals:
    """The intervals between the cuts from low to high."""
    inside = cuts[np.searchsorted(cuts, low) : np.searchsorted(cuts, high, "right")]
    return _Intervals(inside[:-1].tolist(), np.diff(inside).tolist())


def _boxes(axes: Sequence[_Intervals | _Units]) -> Iterator[tuple[Coords, Coords]]:
    """The boxes of the intervals along each axis as (start, lengths); the last axis runs fastest."""
    return zip(
        itertools.product(*[axis.starts for axis in axes]),
        itertools.product(*[axis.lengths for axis in axes]),
        strict=True,
    )


def _reordered(boxes: Iterator[tuple[Coords, Coords]], place: list[int]) -> Iterator[tuple[Coords, Coords]]:
    """The boxes with their axes in another order."""
    return ((tuple([start[i] for i in place]), tuple([n[i] for i in place])) for start, n in boxes)


def split_tiles(cuts: Sequence[Cuts], limit: int, first: Sequence[int] = ()) -> tuple[Cuts, ...]:
    """The cuts with more between them, so that no tile holds more than `limit` elements: along the axes named
    `first`, then along leading ones.

    >>> [axis.tolist() for axis in split_tiles([np.array([0, 4]), np.array([0, 8])], 16)]
    [[0, 2, 4], [0, 8]]
    """
    extents = [int(np.diff(axis).max(initial=0)) for axis in cuts]
    result = list(cuts)
    for axis in dict.fromkeys([*first, *range(len(cuts))]):
        rest = math.prod(extents[:axis]) * math.prod(extents[axis + 1 :])
        if extents[axis] * rest <= limit:
            break
        result[axis] = _subdivide(cuts[axis], max(1, limit // max(rest, 1)))
        extents[axis] = int(np.diff(result[axis]).max(initial=0))
    return tuple(result)


def _subdivide(cuts: Cuts, most: int) -> Cuts:
    """The cuts with evenly many more in each interval, so that none is longer than `most`."""
    lengths = np.diff(cuts)
    counts = np.maximum(-(-lengths // most), 1)
    if int(counts.max(initial=1)) == 1 or int(counts.sum()) > MOST_CUTS:
        return cuts
    index = np.repeat(np.arange(len(lengths)), counts)
    inside = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = cuts[:-1][index] + inside * -(-lengths // counts)[index]
    return ascending(np.append(np.minimum(starts, cuts[1:][index]), cuts[-1]))


def split_blocks(cells: Sequence[Cuts], groups: Sequence[int]) -> tuple[Cuts, ...]:
    """Block boundaries: the cells along each axis in so many groups, as even as whole cells allow."""
    return tuple(cuts[_even(len(cuts) - 1, count)] for cuts, count in zip(cells, groups, strict=True))


@functools.lru_cache(256)
def _even(n: int, count: int) -> Cuts:
    """The numbers of the cuts between n cells that put them in so many groups, as even as can be."""
    picks = np.round(np.linspace(0, n, min(count, max(n, 1)) + 1)).astype(np.int64)
    return ascending(picks)


@dataclass(frozen=True, slots=True)
class Sharing:
    """How the boxes of one level of a walk share a leaf's chunks, for one outer box at most."""

    shares: tuple[int, ...]
    """Along each axis of the domain: how many chunks, one behind the other, two neighbouring inner boxes touch both."""
    inner: tuple[int, ...]
    """Along each axis of the leaf: the most chunks that an inner box touches."""
    outer: tuple[int, ...]
    """Along each axis of the leaf: the most chunks that an outer box touches."""


def sharing(
    access: Access,
    outer: Sequence[Cuts],
    inner: Sequence[Cuts],
    domain: Sequence[int],
    known: tuple[int, ...] | None = None,
) -> Sharing:
    """How inner boxes within outer ones share the leaf's chunks; `known`: the most that an inner box touches."""
    least = known or tuple(_touched_most(access, own, inner, domain) for own in range(len(access.region)))
    return Sharing(
        tuple(_shares(access, axis, outer[axis], inner[axis], domain) for axis in range(len(domain))),
        least,
        tuple(
            most
            if span.axis is None or outer[span.axis] is inner[span.axis]
            else _touched_most(access, own, outer, domain)
            for own, (span, most) in enumerate(zip(access.region, least, strict=True))
        ),
    )


def capacity(
    access: Access,
    levels: Sequence[Sharing],
    order: Sequence[int],
    alone: bool,
    apart: bool = False,
    odd: bool = False,
    sparing: bool = False,
) -> int:
    """How many decoded chunks of a leaf must be kept so that none is decoded twice in a block.

    At each level of the walk: where neighbouring steps along an axis share chunks, those of all axes
    walked inside it must stay; where none share, only what one step needs. That is one chunk where nothing else reads
    the leaf (`alone`): what lies in several is put together from one after the other. Where each step loads several
    parts of what it spans (`apart`), those of two steps beside each other: what the last part was loaded of was used
    as lately as what the first one was. More where cells end within chunks (`odd`). Fewer, and a chunk here and there
    is decoded twice, where memory is short (`sparing`).
    """
    least = 1 if alone else math.prod(levels[-1].inner)
    return max(
        least,
        *(_kept_between(access, levels[i:], order, alone, apart, odd, sparing) for i in range(len(levels))),
    )


def passing(
    levels: Sequence[Sharing], other: Access, others: Sequence[Sharing], order: Sequence[int], apart: bool
) -> int:
    """How many chunks another access of the leaf asks for, at most, between two uses of a chunk that one with these
    levels keeps; `apart`: its steps may load several parts."""
    return max(_passing(level, other, its, order, apart) for level, its in zip(levels, others, strict=True))


def _passing(level: Sharing, other: Access, its: Sharing, order: Sequence[int], apart: bool) -> int:
    shared_at = _shared_at(level, order)
    if shared_at is None:
        return 0
    # The end of one step and the beginning of the next are one step, but what lies across where they meet counts twice.
    inside = order[shared_at + 1 :]
    twice = _product(other, its, inside[1:]) if inside or apart else 0
    return _product(other, its, inside) + twice


def _shared_at(level: Sharing, order: Sequence[int]) -> int | None:
    """The first place in the order whose axis has steps that share chunks with the next."""
    return next((p for p, axis in enumerate(order) if level.shares[axis]), None)


def most_chunks(access: Access, boxes: Sequence[tuple[Cuts, Cuts]], domain: Sequence[int]) -> int:
    """The most chunks that one box touches, given the starts and stops of boxes along each axis."""
    return math.prod(_most_along(access, own, boxes, domain) for own in range(len(access.region)))


def most_together(found: Sequence[Access], boxes: Sequence[tuple[Cuts, Cuts]], domain: Sequence[int]) -> int:
    """The most chunks that one box touches by several accesses of a leaf, all of them together.

    Parts of a joined array are asked for in some boxes only, and seldom in the same ones.
    """
    if len(found) == 1:
        return most_chunks(found[0], boxes, domain)
    apart = sum(most_chunks(access, boxes, domain) for access in found)
    counts = np.ones((len(found), 1), np.int64)
    for axis in [None, *range(len(domain))]:
        along = np.unique([_touched_by_each(access, axis, boxes, domain) for access in found], axis=1)
        if counts.size * along.shape[1] > MOST_KINDS:
            return apart
        counts = (counts[:, :, None] * along[:, None, :]).reshape(len(found), -1)
    return max(int(counts.sum(axis=0).max(initial=0)), 1)


def _touched_by_each(
    access: Access, axis: int | None, boxes: Sequence[tuple[Cuts, Cuts]], domain: Sequence[int]
) -> Cuts:
    """How many chunks each interval along an axis touches, along those of the leaf that move with it."""
    starts, stops = (np.array([0]), np.array([1])) if axis is None else boxes[axis]
    count = np.ones(len(starts), np.int64)
    for own, span in enumerate(access.region):
        if span.axis == axis:
            first, last = access.touched(own, starts, stops, domain)
            most = max(span.count, 1) if axis is None else len(access.grid[own])
            count *= np.clip(last - first + 1, 0, most)
    return count


def _touched_most(access: Access, own: int, cuts: Sequence[Cuts], domain: Sequence[int]) -> int:
    return _most_along(access, own, [(axis[:-1], axis[1:]) for axis in cuts], domain)


def _most_along(access: Access, own: int, boxes: Sequence[tuple[Cuts, Cuts]], domain: Sequence[int]) -> int:
    span = access.region[own]
    starts, stops = (np.array([0]), np.array([1])) if span.axis is None else boxes[span.axis]
    first, last = access.touched(own, starts, stops, domain)
    most = int((last - first).max(initial=0)) + 1
    # Single places far from each other, as both ends, lie in no more chunks than there are of them.
    return min(most, max(span.count, 1)) if span.axis is None else most


def _kept_between(
    access: Access,
    levels: Sequence[Sharing],
    order: Sequence[int],
    alone: bool,
    apart: bool,
    odd: bool,
    sparing: bool,
) -> int:
    """Chunks to keep while the inner boxes of one outer box of the first level are walked, 1 where none is shared."""
    level = levels[0]
    shared_at = _shared_at(level, order)
    if shared_at is None:
        return 1
    axis, inside = order[shared_at], order[shared_at + 1 :]
    kept = _product(access, level, inside, axis if apart else None)
    if odd and any(each.shares[a] for each in levels[1:] for a in order if a != axis):
        # Within a box its chunks are not asked for one after the other, so those of the next one come between.
        kept += _product(access, level, (), axis) - _product(access, level, ())
    again = next((p for p, a in enumerate(inside) if level.shares[a]), None)
    if again is None:
        # Along a line of chunks the last ones of a step are the first of the next.
        line = [level.inner[own] for own in _moving(access, axis)]
        return level.shares[axis] if alone and line == [kept] else kept
    if sparing:
        return kept
    # Where two steps along an axis inside share chunks, too, those of both steps outside are held beside each other.
    beside = _product(access, level, inside[again + 1 :])
    return kept + _product(access, level, inside[again + 1 :], axis) - beside


def _product(access: Access, level: Sharing, all_along: Sequence[int], twice: int | None = None) -> int:
    """The chunks of an inner box, but along some axes of all of them, and along one of two neighbouring boxes."""
    return math.prod(
        most if span.axis in all_along else min(most, 2 * least - 1) if span.axis == twice else least
        for span, least, most in zip(access.region, level.inner, level.outer, strict=True)
    )


def _shares(access: Access, axis: int, outer: Cuts, inner: Cuts, domain: Sequence[int]) -> int:
    """How many chunks two neighbouring inner intervals, in one outer one, touch both, at most, along one axis."""
    if len(inner) == len(outer):
        return 0
    most = np.ones(len(inner) - 2, np.int64)
    for number, own in enumerate(_moving(access, axis)):
        first, last = access.touched(own, inner[:-1], inner[1:], domain)
        both = np.minimum(last[1:], last[:-1]) - np.maximum(first[1:], first[:-1]) + 1
        most = np.where(both > 0, np.maximum(both, most) if number else both, 0) * (most > 0)
    most[np.searchsorted(inner, outer[1:-1]) - 1] = 0
    return int(most.max(initial=0))


def _moving(access: Access, axis: int) -> list[int]:
    """The axes of the leaf that move along an axis of the domain."""
    return [own for own, span in enumerate(access.region) if span.axis == axis and span.rate]
