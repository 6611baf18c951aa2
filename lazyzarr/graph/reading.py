"""Reading: what a stage decodes of each source, for its tiles or for the computed blocks that they are made of."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lazyzarr.graph.access import accesses_below, decoded_in, whole_box
from lazyzarr.graph.below import Path
from lazyzarr.graph.layout import Access, Cuts
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Computed, Intervals
from lazyzarr.graph.region import Region, Span

__all__ = ["Reading", "below", "bytes_below", "readings", "sources"]


class Reading(NamedTuple):
    """What is decoded of one source."""

    leaf: Node
    chunk_nbytes: int
    nbytes: float
    """Bytes decoded, at most."""
    least: float
    """Bytes decoded where each chunk that is needed is decoded once."""


def readings(
    found: Sequence[Access],
    blocks: Sequence[Cuts],
    order: Sequence[int],
    domain: tuple[int, ...],
    kept: Mapping[tuple[Path, Node], float],
) -> list[Reading]:
    """What is decoded of the sources of a stage whose tasks walk its blocks in this order of axes.

    `kept`: bytes decoded or made of leaves below computed ones of which more is kept than one box.
    """
    boxes, all_of_it = [(cuts[:-1], cuts[1:]) for cuts in blocks], whole_box(domain)
    result: list[Reading] = []
    for access in found:
        if not access.decodes:
            continue
        nbytes, least = (decoded_in(access, each, domain) for each in (boxes, all_of_it))
        if isinstance(access.leaf, Computed):
            made, needed = (each / _all_blocks(access.leaf, access.chunk_nbytes) for each in (nbytes, least))
            walk = _Walk(access, boxes, order, domain) if access.leaf.in_step else None
            result += _scaled(access.leaf, made, needed, walk, kept)
        else:
            result.append(Reading(access.leaf, access.chunk_nbytes, nbytes, least))
    return result


def below(node: Computed) -> list[Reading]:
    """What is decoded of the sources below a computed node when each of its blocks is made once, for itself."""
    return list(_scaled(node, 1.0, 1.0))


def sources(leaf: Node) -> list[Node]:
    """What is read for a leaf: itself, or the sources of a computed node, if it has some."""
    read = [reading.leaf for reading in below(leaf)] if isinstance(leaf, Computed) else []
    return list(dict.fromkeys(read)) or [leaf]


def bytes_below(node: Computed) -> tuple[float, float]:
    """Bytes decoded below a computed node when each of its blocks is made for itself; and if nothing were twice."""
    found = below(node)
    return sum(each.nbytes for each in found), sum(each.least for each in found)


def _scaled(
    node: Computed,
    made: float,
    needed: float,
    walk: _Walk | None = None,
    kept: Mapping[tuple[Path, Node], float] = MappingProxyType({}),
    above: Path = (),
) -> Iterator[Reading]:
    """What is decoded below a computed node that is made so many times over, and of which so much is needed."""
    path = (*above, node)
    for leaf, reading in _of_each_leaf(node, made, needed, walk).items():
        nbytes = min(reading.nbytes, kept.get((path, leaf), math.inf))
        if isinstance(leaf, Computed):
            whole = _all_blocks(leaf, reading.chunk_nbytes)
            yield from _scaled(leaf, nbytes / whole, reading.least / whole, None, kept, path)
        else:
            yield reading._replace(nbytes=nbytes)


def _of_each_leaf(node: Computed, made: float, needed: float, walk: _Walk | None) -> dict[Node, Reading]:
    """What is decoded, or made, of each leaf right below a computed node."""
    found: dict[Node, Reading] = {}
    for under in _under(node):
        leaf, nbytes = under.access.leaf, under.nbytes * made
        nbytes = nbytes if walk is None else min(nbytes, walk.decoded(under))
        before = found.get(leaf, Reading(leaf, under.access.chunk_nbytes, 0, 0))
        least = max(before.least, under.least * needed)
        found[leaf] = before._replace(nbytes=before.nbytes + nbytes, least=least)
    return found


def _all_blocks(node: Computed, chunk_nbytes: int) -> int:
    """Bytes of all blocks of a computed node, each counted as one of the longest."""
    return max(math.prod(map(len, node.chunks)) * chunk_nbytes, 1)


class _Under(NamedTuple):
    """What the blocks of a computed node ask for of a leaf of one of its inputs."""

    access: Access
    intervals: tuple[Intervals, ...]
    shape: tuple[int, ...]
    """The input's."""
    nbytes: float
    """Bytes decoded, or made, when each block is made once, for itself."""
    least: float


_known: weakref.WeakKeyDictionary[Node, list[_Under]] = weakref.WeakKeyDictionary()


def _under(node: Computed) -> list[_Under]:
    found = _known.get(node)
    if found is None:
        found = _known[node] = list(_look_under(node))
    return found


def _look_under(node: Computed) -> Iterator[_Under]:
    for i, (source, intervals) in enumerate(zip(node.inputs, node.intervals(), strict=True)):
        if 0 in source.shape:
            continue
        for access in accesses_below(source):
            if access.decodes:
                asked = decoded_in(access, intervals, source.shape) * node.passes(i)
                least = decoded_in(access, whole_box(source.shape), source.shape) * node.uses(i)
                yield _Under(access, intervals, source.shape, asked, least)


_ONE = np.array([0]), np.array([1])
"""The interval of what does not move."""


class _Walk:
    """The blocks of a computed node as tasks make them: each finds the chunks that it shares with the one before."""

    def __init__(
        self,
        access: Access,
        boxes: Sequence[tuple[Cuts, Cuts]],
        order: Sequence[int],
        domain: tuple[int, ...],
    ) -> None:
        self._order = order
        self._axes = axes = [span.axis for span in access.region]
        self._tasks = math.prod(len(boxes[axis][0]) for axis in range(len(domain)) if axis not in axes)
        asked = [_ONE if axis is None else boxes[axis] for axis in axes]
        self._numbers = [access.touched(own, box[0], box[1], domain) for own, box in enumerate(asked)]
        self._counts = [len(sizes) for sizes in access.leaf.chunks]

    def decoded(self, under: _Under) -> float:
        """Bytes decoded of a leaf right below, all tasks together; infinite where boxes are not asked for in step."""
        counts = [len(starts) for starts, _ in under.intervals]
        if len(counts) != len(self._counts) or any(
            n not in (1, own) for n, own in zip(counts, self._counts, strict=True)
        ):
            return math.inf
        total, shared = under.access.chunk_nbytes * self._tasks, True
        for own, span in self._innermost_first(under.access.region):
            first, last = (_ONE[0], _ONE[0]) if span.axis is None else self._numbers[span.axis]
            apart, together, same = _touched(under, own, first, last)
            total *= together if shared else apart
            # What comes between has driven out what blocks along outer axes would ask for again.
            shared = shared and same
        return total

    def _innermost_first(self, region: Region) -> list[tuple[int, Span]]:
        """The axes of a region, and how they move with the blocks: those first along which blocks are walked first."""

        def place(numbered: tuple[int, Span]) -> int:
            axis = None if numbered[1].axis is None else self._axes[numbered[1].axis]
            return len(self._order) if axis is None else self._order.index(axis)

        return sorted(enumerate(region), key=place, reverse=True)


def _touched(under: _Under, own: int, first: Cuts, last: Cuts) -> tuple[int, int, bool]:
    """How many chunks along an axis the blocks of these numbers ask for in all tasks: each for itself, and a task's
    together; and whether in each task all of them ask for the same."""
    access = under.access
    axis = access.region[own].axis
    starts, stops = _ONE if axis is None else under.intervals[axis]
    low, high = access.touched(own, starts, stops, under.shape)
    each = high - low + 1
    ends = (first, last) if len(each) > 1 else (np.zeros_like(first), np.zeros_like(last))
    passed = np.concatenate([[0], np.cumsum(each)])
    apart = passed[last + 1] - passed[first] if len(each) > 1 else (last - first + 1) * each[0]
    reach = np.maximum(*(high[end] for end in ends)) - np.minimum(*(low[end] for end in ends)) + 1
    together = np.minimum(reach, apart)
    return int(apart.sum()), int(together.sum()), bool((together <= each[ends[0]]).all())
