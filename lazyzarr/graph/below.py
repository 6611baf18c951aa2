"""Below computed blocks: what the tiles of a stage need of the arrays that blocks are made of, by way of the blocks.

Blocks that ask for overlapping boxes need chunks that the last ones needed; how a stage is cut and walked decides how
many of those are kept until then.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lazyzarr.graph.access import Look, by_leaf, is_each_once
from lazyzarr.graph.layout import Access, Cuts, Sharing, capacity, most_chunks, sharing
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Computed, Intervals
from lazyzarr.graph.region import Region, Span

__all__ = ["Below", "Path", "Through", "blocks_below"]

Path = tuple[Node, ...]
"""Computed nodes, each of which asks for boxes of the next one."""


@dataclass(frozen=True, slots=True)
class Through(Access):
    """What tiles need of a leaf by way of a computed node's blocks, of which each asks for its box of an input."""

    above: Access
    """What tiles need of the computed node."""
    boxes: tuple[Intervals, ...]
    own: Access
    """What boxes need of the leaf."""
    shape: tuple[int, ...]
    """The input's."""

    def touched(self, axis: int, lows: Cuts, highs: Cuts, domain: Sequence[int]) -> tuple[Cuts, Cuts]:
        """The first and last chunk along an axis of the leaf that the blocks of each interval touch."""
        along = self.own.region[axis].axis
        if along is None:
            nowhere = np.zeros(len(lows), np.int64)
            return self.own.touched(axis, nowhere, nowhere, self.shape)
        first, last = self.above.touched(along, lows, highs, domain)
        starts, stops = self.boxes[along]
        low, high = self.own.touched(axis, starts[first], stops[np.maximum(first, last)], self.shape)
        return low, np.where(last < first, low - 1, high)


@dataclass(frozen=True)
class Below:
    """A leaf below a computed node of a stage, as tiles need it."""

    path: Path
    """The computed nodes, from the stage's leaf to the one whose boxes need this leaf."""
    access: Through
    box: int
    """The most chunks that a box touches; they are kept in any case."""
    inside: tuple[Sharing, ...]
    """How chunks are shared within cells."""
    turned: bool
    """Whether blocks are walked against the order in which a box is put together."""
    odd: bool
    """Whether cells end within the blocks, along several axes."""
    others: tuple[Through, ...] = ()
    """What else tiles need of the leaf, as by other parts of a joined array."""

    def more(self, cells: Sharing, order: Sequence[int], near: Container[int], sparing: bool) -> int:
        """How many chunks are kept besides those of a box so that cells one behind the other along the near axes
        decode none twice, or few where that is `sparing`; `cells`: how they share chunks within blocks."""
        shares = tuple(n if axis in near else 0 for axis, n in enumerate(cells.shares))
        levels = (dataclasses.replace(cells, shares=shares), *self.inside)
        return max(capacity(self.access, levels, order, False, self.turned, self.odd, sparing) - self.box, 0)

    def decoded_bytes(
        self, blocks: Sequence[Cuts], cells: Sequence[Cuts], order: Sequence[int], domain: Sequence[int]
    ) -> int:
        """Bytes decoded when each block, walked cell by cell, decodes every chunk once that it touches.

        What other parts of a joined array need is kept until it is met again, but along the first axis, in the order of
        the walk, along which cells share chunks.
        """
        kinds = [self._kinds(own) for own in range(len(self.access.region))]
        several = any(len(each) > 1 for each in kinds)
        shares = sharing(self.access, blocks, cells, domain, self.inside[0].outer).shares if several else ()
        outermost = next((axis for axis in order if shares and shares[axis]), None)
        count, moved = self.access.chunk_nbytes, set()
        for own, found in enumerate(kinds):
            axis = next((span.axis for each in found if (span := each.region[own]).axis is not None), None)
            touched = [_touched(each, own, axis, blocks, domain) for each in found]
            count *= _chunks(touched, together=axis != outermost)
            moved.add(axis)
        return count * math.prod(len(cuts) - 1 for axis, cuts in enumerate(blocks) if axis not in moved)

    def _kinds(self, own: int) -> list[Through]:
        """What tiles need along an axis of the leaf, each way once: parts of joined arrays lie in all of them."""
        found = {(each.region[own], each.own.region[own]): each for each in (self.access, *self.others)}
        return list(found.values())


Touched = tuple[Cuts, Cuts]
"""Along an axis of a leaf, the first and the last chunk that each block touches."""


def _touched(
    access: Access, own: int, axis: int | None, blocks: Sequence[Cuts], domain: Sequence[int]
) -> Touched:
    cuts = np.array([0, 1]) if axis is None else blocks[axis]
    return access.touched(own, cuts[:-1], cuts[1:], domain)


def _chunks(touched: Sequence[Touched], together: bool) -> int:
    """How many chunks blocks touch, each for itself; what it touches in several ways counts once if `together`."""
    firsts, lasts = (np.stack(each) for each in zip(*touched, strict=True))
    if together and len(touched) > 1:
        order = np.argsort(firsts, axis=0)
        firsts, lasts = (np.take_along_axis(each, order, 0) for each in (firsts, lasts))
        known = np.maximum.accumulate(lasts, axis=0)
        firsts[1:] = np.maximum(firsts[1:], known[:-1] + 1)
    return int(np.maximum(lasts - firsts + 1, 0).sum())


def blocks_below(
    found: Sequence[Access],
    odd: Sequence[bool],
    levels: Sequence[tuple[Sequence[Cuts], Sequence[Cuts]]],
    domain: tuple[int, ...],
    look: Look,
) -> tuple[Below, ...]:
    """The leaves below the computed ones of a stage of which a block may need chunks that the last one needed."""
    below: list[Below] = []
    pending: list[tuple[Path, Access, bool]] = [
        ((), access, is_odd) for access, is_odd in zip(found, odd, strict=True)
    ]
    while pending:
        path, above, is_odd = pending.pop()
        node = above.leaf
        if not isinstance(node, Computed) or node.reads_itself or not _each_its_own(node):
            continue
        for access, box, others in _through(node, above, look):
            inside = tuple(sharing(access, *level, domain) for level in levels)
            turned = any(span.rate < 0 for span in above.region)
            below.append(Below((*path, node), access, box, inside, turned, is_odd, others))
            pending.append(((*path, node), access, is_odd))
    return tuple(below)


def _each_its_own(node: Computed) -> bool:
    """Whether the block at coordinates asks, of each input, for the box between the intervals of these numbers."""
    counts = [len(sizes) for sizes in node.chunks]
    return node.in_step and all([len(starts) for starts, _ in boxes] == counts for boxes in node.intervals())


def _through(node: Computed, above: Access, look: Look) -> Iterator[tuple[Through, int, tuple[Through, ...]]]:
    """What tiles need of each leaf below a computed node, and how many chunks of it a box touches; and what else
    of that leaf."""
    for source, boxes in zip(node.inputs, node.intervals(), strict=True):
        for own in by_leaf(access for access in look(source) if access.decodes).values():
            touched = [most_chunks(access, boxes, source.shape) for access in own]
            most = touched.index(max(touched))
            # What lies beyond the edges is made of chunks at the edges, which their blocks need at the same time.
            if not is_each_once(node, own[most], boxes):
                first, *others = (
                    _by_way_of(above, access, boxes, source.shape)
                    for access in (own[most], *own[:most], *own[most + 1 :])
                )
                yield first, touched[most], tuple(others)


def _by_way_of(above: Access, own: Access, boxes: tuple[Intervals, ...], shape: tuple[int, ...]) -> Through:
    """What tiles need of a leaf by way of boxes that blocks ask for."""
    region = _composed(own.region, above.region)
    return Through(own.leaf, region, own.grid, own.chunk_nbytes, True, above, boxes, own, shape)


def _composed(own: Region, above: Region) -> Region:
    """Along which axes of the domain, and in which direction, a leaf moves that moves with boxes."""
    over = [None if span.axis is None else above[span.axis] for span in own]
    return tuple(
        Span(0, 1, 1) if at is None else Span(0, 1, 1, at.axis, int(np.sign(span.rate * at.rate)))
        for span, at in zip(own, over, strict=True)
    )
