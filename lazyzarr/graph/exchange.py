"""Exchange: where a stage would do better to read a temporary array, and how that is cut into chunks.

Pure integers. What is proposed here the plan tries, and keeps where it fits the budget or costs less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lazyzarr.graph.access import accesses_below, decoded_bytes
from lazyzarr.graph.draft import driver_cuts
from lazyzarr.graph.layout import Cuts
from lazyzarr.graph.long_lines import in_runs, is_long, smaller_blocks
from lazyzarr.graph.node import Chunks, Node, make
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.joining import Concatenate
from lazyzarr.graph.ops.lines import Lines
from lazyzarr.graph.ops.merging import Merged
from lazyzarr.graph.ops.points import Take
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.ops.views import Rechunk
from lazyzarr.graph.reading import bytes_below
from lazyzarr.graph.region import Span
from lazyzarr.graph.stage import Stage
from lazyzarr.graph.temporary import can_spill

__all__ = ["Cut", "between", "proposals", "work"]


class Cut(NamedTuple):
    """A change to a plan."""

    spills: dict[Node, tuple[int, ...]]
    """Nodes that temporary arrays take the place of, and the chunks of these."""
    others: dict[Node, Node] = {}  # noqa: RUF012
    """Nodes that others of the same values take the place of, before."""


# A chunk of a temporary array is a file: below this many bytes opening it costs more than reading it.
ENOUGH = 2_000_000
# More files than this that are so small take longer to make and to remove than there are bytes to read.
MOST_FILES, LEAST_FILE = 100_000, 500_000
# Rows that are picked one by one are stored one by one from this many bytes on.
LEAST_ROW = 16_000
# Amplification below this is not worth a look.
LEAST_AMPLIFICATION = 1.3
# Parts of a task's memory that a block may take on its way into a temporary array, and out of it: the larger, the fewer
# files; but what is written may have to be held twice.
SHARES = (2, 4, 10)
# A block of lines is put together, and what is made of it lies here once, and once more until nothing reads it; the
# rest is a little. Smaller blocks leave room for others of the same step.
LINES_PUT_TOGETHER, LINES_MADE, LINES_SHARE = 1.25, 2, 8


def proposals(stage: Stage, room: int, fits: bool) -> Iterator[Cut]:
    """What may be changed for the sake of a stage, whose tasks may take `room` bytes each."""
    return (cut for cut in _proposals(stage, room, fits) if not _is_dust(cut))


def _is_dust(cut: Cut) -> bool:
    """Whether a temporary array would be of too many small chunks, each of which is a file."""
    return any(
        math.prod(chunks) * node.dtype.itemsize < LEAST_FILE
        and math.prod(-(-n // own) for n, own in zip(node.shape, chunks, strict=True)) > MOST_FILES
        for node, chunks in cut.spills.items()
    )


def _proposals(stage: Stage, room: int, fits: bool) -> Iterator[Cut]:
    if not fits or stage.decode >= LEAST_AMPLIFICATION * stage.least_decode:
        yield from _before_writing(stage, room)
        yield from _before_reading(stage, room)
    for node in _computed(stage):
        if not fits:
            yield from _before_merging(stage, node, room)
        again, once = bytes_below(node)
        if not fits or again >= LEAST_AMPLIFICATION * once:
            yield from _before_computing(node, room)


def work(stage: Stage) -> float:
    """Bytes that a stage decodes, makes of computed blocks, and writes."""
    return stage.decode + stage.made + stage.write


def _computed(stage: Stage) -> list[Computed]:
    """The computed nodes of a stage, and those below them."""
    found: dict[Computed, None] = {}
    pending = [
        node
        for node in [*(a.leaf for a in stage.accesses), *stage.inline]
        if isinstance(node, Computed) and not (node in stage.inline and isinstance(node, Concatenate))
    ]
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            for source in node.inputs:
                below = accesses_below(source)
                pending += [access.leaf for access in below if isinstance(access.leaf, Computed)]
    return list(found)


def _before_computing(node: Computed, room: int) -> Iterator[Cut]:
    """Blocks of lines cut smaller; and what blocks are made of, written first in chunks that suit them."""
    if isinstance(node, Take):
        yield from _before_picking(node)
        return
    if isinstance(node, Lines):
        others: dict[Node, Node] = {}
        for sizes in _line_sizes(node, room):
            made = node.recut(sizes)
            if made is not node:
                others = {node: make(Rechunk, (made,), (node.chunks,), node.origin)}
                yield Cut({}, others)
            yield from _before_blocks(made, others, room)
        return
    yield from _before_blocks(node, {}, room)


def _before_blocks(made: Computed, others: dict[Node, Node], room: int) -> Iterator[Cut]:
    """What blocks are made of, written first in chunks that suit them."""
    for source, intervals in zip(made.inputs, made.intervals(), strict=True):
        base = source.inputs[0] if isinstance(source, Rechunk) else source
        found = accesses_below(base)
        if not can_spill(base) or not any(access.decodes for access in found):
            continue
        reads = _lengths(driver_cuts(found, base.shape, frozenset()))
        wants = [int((stops - starts).max(initial=1)) for starts, stops in intervals]
        for share in SHARES if any(r > w for r, w in zip(reads, wants, strict=True)) else ():
            chunks = between(base.shape, reads, wants, base.dtype.itemsize, room // share, fixed=True)
            yield Cut({base: chunks}, others)


def _before_merging(stage: Stage, node: Computed, room: int) -> Iterator[Cut]:
    """Lines too long for a task, in runs that are written first; and those that are, merged in smaller blocks."""
    if isinstance(node, Lines) and is_long(node, room):
        for other, runs in in_runs(node, room, _units(stage, node)):
            yield Cut({runs: runs.unit}, {node: other})
    if isinstance(node, Merged):
        for other in smaller_blocks(node):
            yield Cut({}, {node: other})


def _units(stage: Stage, node: Node) -> tuple[int, ...] | None:
    """What the stage writes at once, where that is of the node's shape."""
    sink = next(filter(None, stage.sinks), None)
    return sink.unit if sink is not None and stage.domain == node.shape else None


def _before_picking(node: Take) -> Iterator[Cut]:
    """What is picked from in no order, written first in chunks of single rows, where these are worth a file."""
    axis, source = node.params[0], node.inputs[0]
    base = source.inputs[0] if isinstance(source, Rechunk) else source
    found = accesses_below(base)
    if not can_spill(base) or not any(access.decodes for access in found):
        return
    reads = _lengths(driver_cuts(found, base.shape, frozenset()))
    wants = [1 if i == axis else length for i, length in enumerate(reads)]
    if math.prod(wants) * base.dtype.itemsize < LEAST_ROW or reads[axis] == 1:
        return
    rows = (1,) * base.shape[axis]
    picked = node.from_chunks(make(Rechunk, (base,), (_replaced(source.chunks, axis, rows),), source.origin))
    yield Cut({base: tuple(wants)}, {node: picked})


def _replaced(chunks: Chunks, axis: int, sizes: tuple[int, ...]) -> Chunks:
    return (*chunks[:axis], sizes, *chunks[axis + 1 :])


def _line_sizes(node: Lines, room: int) -> list[list[int]]:
    """Lengths of blocks of whole lines that may fit: as large ones as can, and smaller ones."""
    source = node.inputs[0]
    read = source.dtype.itemsize * max(source.shape[node.axis], 1)
    made = node.dtype.itemsize * node.shape[node.axis] / read
    shares = LINES_PUT_TOGETHER + LINES_MADE * made, LINES_SHARE * max(made, 1)
    found = [_line_sizes_within(node, int(room / share)) for share in shares]
    return [sizes for i, sizes in enumerate(found) if sizes is not None and sizes not in found[:i]]


def _line_sizes_within(node: Lines, limit: int) -> list[int] | None:
    """Lengths of blocks of whole lines, whole chunks of what is read where they fit, else parts; None: not one does."""
    source = node.inputs[0]
    found = accesses_below(source)
    sizes = _lengths(driver_cuts(found, source.shape, frozenset()))
    sizes[node.axis] = source.shape[node.axis]
    while math.prod(sizes) * source.dtype.itemsize > limit:
        axis = next((i for i, n in enumerate(sizes) if i != node.axis and n > 1), None)
        if axis is None:
            return None
        sizes[axis] = -(-sizes[axis] // 2)
    return sizes


def _lengths(cuts: Sequence[Cuts]) -> list[int]:
    """The longest stretch between cuts along each axis."""
    return [int(np.diff(axis).max(initial=1)) for axis in cuts]


def _before_reading(stage: Stage, room: int) -> Iterator[Cut]:
    """Each source that is decoded again and again, copied in chunks between its own and what the blocks read."""
    for access in stage.accesses:
        if not isinstance(access.leaf, ZarrSource) or not can_spill(access.leaf):
            continue
        once = decoded_bytes([access], [np.array([0, n]) for n in stage.domain], stage.domain)
        again = decoded_bytes([access], stage.layout.blocks, stage.domain)
        if again < LEAST_AMPLIFICATION * once or 2 * once < access.leaf.nbytes:
            continue
        reads = _lengths(access.grid)
        wants = [_extent(span, stage) for span in access.region]
        chunks = between(access.leaf.shape, reads, wants, access.leaf.dtype.itemsize, room // SHARES[1])
        yield Cut({access.leaf: chunks})


def _extent(span: Span, stage: Stage) -> int:
    """How far a cell of a stage reaches along an axis of a leaf."""
    if span.axis is None:
        return abs(span.last - span.start) + 1
    beyond = abs(span.last - span.start) + 1 - abs(span.rate) * stage.domain[span.axis]
    return abs(span.rate) * int(np.diff(stage.layout.cells[span.axis]).max(initial=1)) + max(0, beyond)


def _before_writing(stage: Stage, room: int) -> Iterator[Cut]:
    """What the stage writes, written first in chunks between those of its sources and those of its targets."""
    targets = [sink for sink in stage.sinks if sink]
    if not targets or len(targets) < len(stage.roots) or not all(map(can_spill, stage.roots)):
        return
    reads = _lengths(driver_cuts(stage.accesses, stage.domain, stage.inline))
    itemsize = sum(root.dtype.itemsize for root in stage.roots)
    tried = set()
    for share in SHARES:
        chunks = between(stage.domain, reads, targets[0].unit, itemsize, room // share)
        if chunks not in tried:
            tried.add(chunks)
            yield Cut(dict.fromkeys(stage.roots, chunks))


def between(
    shape: Sequence[int],
    reads: Sequence[int],
    writes: Sequence[int],
    itemsize: int,
    room: int,
    fixed: bool = False,
) -> tuple[int, ...]:
    """Chunks that can be written from blocks of whole chunks of the one kind, and read for blocks of the other.

    Blocks are single chunks to begin with, and grow up to `room` bytes as long as the chunks in between
    are small; where they are `fixed`, only the former do.

    >>> between((512, 512, 512), (1, 512, 512), (512, 32, 32), 4, 4_000_000)
    (2, 32, 32)
    >>> between((512, 512, 512), (1, 512, 512), (512, 32, 32), 4, 16_000_000)
    (8, 128, 32)
    """
    sides = [[min(n, max(own, 1)) for n, own in zip(shape, side, strict=True)] for side in (reads, writes)]
    while True:
        chunk = [min(pair) for pair in zip(*sides, strict=True)]
        options = [
            (math.prod(side), i, axis)
            for i, side in enumerate(sides[:1] if fixed else sides)
            for axis in range(len(shape))
            if side[axis] < sides[1 - i][axis] and 2 * math.prod(side) * itemsize <= room
        ]
        if not options or math.prod(chunk) * itemsize >= ENOUGH:
            return tuple(_even(n, own) for n, own in zip(shape, chunk, strict=True))
        _, i, axis = min(options)
        sides[i][axis] = min(2 * sides[i][axis], sides[1 - i][axis])


def _even(n: int, length: int) -> int:
    """The length, or a shorter one for as many chunks where the last would be mostly empty: it is stored in full."""
    count = -(-n // length)
    return length if count * length <= 1.25 * n else -(-n // count)
