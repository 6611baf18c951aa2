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

from lazyzarr.graph.access import Look, is_each_once
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

    def more(self, cells: Sharing, order: Sequence[int], near: Container[int], sparing: bool) -> int:
        """How many chunks are kept besides those of a box so that cells one behind the other along the near axes
        decode none twice, or few where that is `sparing`; `cells`: how they share chunks within blocks."""
        shares = tuple(n if axis in near else 0 for axis, n in enumerate(cells.shares))
        levels = (dataclasses.replace(cells, shares=shares), *self.inside)
        return max(capacity(self.access, levels, order, False, self.turned, self.odd, sparing) - self.box, 0)

    def decoded_bytes(self, blocks: Sequence[Cuts], domain: Sequence[int]) -> int:
        """Bytes decoded when each block of the stage decodes every chunk that it touches once."""
        count, moved = self.access.chunk_nbytes, set()
        for own, span in enumerate(self.access.region):
            cuts = np.array([0, 1]) if span.axis is None else blocks[span.axis]
            first, last = self.access.touched(own, cuts[:-1], cuts[1:], domain)
            count *= int((last - first + 1).sum())
            moved.add(span.axis)
        return count * math.prod(len(cuts) - 1 for axis, cuts in enumerate(blocks) if axis not in moved)


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
        for access, box in _through(node, above, look):
            inside = tuple(sharing(access, *level, domain) for level in levels)
            turned = any(span.rate < 0 for span in above.region)
            below.append(Below((*path, node), access, box, inside, turned, is_odd))
            pending.append(((*path, node), access, is_odd))
    return tuple(below)


def _each_its_own(node: Computed) -> bool:
    """Whether the block at coordinates asks, of each input, for the box between the intervals of these numbers."""
    counts = [len(sizes) for sizes in node.chunks]
    return node.in_step and all([len(starts) for starts, _ in boxes] == counts for boxes in node.intervals())


def _through(node: Computed, above: Access, look: Look) -> Iterator[tuple[Through, int]]:
    """What tiles need of each leaf below a computed node, and how many chunks of it a box touches."""
    for source, boxes in zip(node.inputs, node.intervals(), strict=True):
        most: dict[Node, tuple[int, Access]] = {}
        found = [access for access in look(source) if access.decodes]
        for access in found:
            box = most_chunks(access, boxes, source.shape)
            # What lies beyond the edges is made of chunks at the edges, which their blocks need at the same time.
            if box > most.get(access.leaf, (0, access))[0] and not is_each_once(node, access, boxes):
                most[access.leaf] = box, access
        for box, own in most.values():
            region = _composed(own.region, above.region)
            grid, nbytes = own.grid, own.chunk_nbytes
            yield Through(own.leaf, region, grid, nbytes, True, above, boxes, own, source.shape), box


def _composed(own: Region, above: Region) -> Region:
    """Along which axes of the domain, and in which direction, a leaf moves that moves with boxes."""
    over = [None if span.axis is None else above[span.axis] for span in own]
    return tuple(
        Span(0, 1, 1) if at is None else Span(0, 1, 1, at.axis, int(np.sign(span.rate * at.rate)))
        for span, at in zip(own, over, strict=True)
    )
