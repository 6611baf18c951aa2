"""Drafts: stages of one block, cut in cells, units and tiles by what they read and write, yet to be spread."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from lazyzarr.graph.access import (
    Look,
    accesses,
    accesses_below,
    block_capacities,
    held_bytes,
    inline_nodes,
    programs_below,
    ranked,
    read_bytes_bound,
)
from lazyzarr.graph.below import blocks_below
from lazyzarr.graph.layout import Access, Cuts, Layout, join_cuts, sharing, sizes_to_cuts, split_tiles, thin
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.scans import Scan
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.program import Load, Programs, compile_program
from lazyzarr.graph.region import Region
from lazyzarr.graph.registers import register_bytes
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.stack import TINY_CHUNK, stacked
from lazyzarr.graph.stage import Budget, Memory, Stage

__all__ = ["TILE_BYTES", "draft_stage", "driver_cuts"]

# A tile and what is made of it should stay near a core, and be worth its calls of Python: half as large ones took four
# reductions at once 1.1 times as long, and ones twice as large long chains a little longer.
TILE_BYTES = 2 * 1024 * 1024


def draft_stage(
    kind: str,
    roots: tuple[Node, ...],
    reduces: tuple[Reduce, ...],
    sinks: tuple[Sink | None, ...],
    budget: Budget,
) -> Stage:
    """The stage of one block, which is yet to be `spread`."""
    domain = roots[0].shape
    if 0 in domain:
        return _empty_stage(kind, roots, reduces, sinks)
    targets = [sink for sink in sinks if sink]
    units = targets[0].cuts(domain) if targets else None
    calls, inline = inline_nodes(roots, domain, units)
    found = accesses(roots, domain, inline)
    drive = driver_cuts(found, domain, inline)
    if not inline and (units is None or all(map(np.array_equal, units, drive))):
        drive = _stacked(found, domain, drive, len(targets), budget)
        units = None if units is None else drive
    cells = tuple(thin(unit, cut) for unit, cut in zip(units, drive, strict=True)) if units else drive
    tiles = tuple(map(join_cuts, units, drive)) if units else drive
    if found and not calls:
        tiles = tuple(_with_seams(ranked(found, domain)[0], tiles, domain))
    if not calls and _needs_small_tiles(roots, reduces, tiles, inline):
        tiles = split_tiles(tiles, _tile_elements(roots), _shared_axes(reduces, len(domain)))
    order = tuple(range(len(domain)))
    layout = Layout(domain, cells, cells, units or cells, tiles, order, _backward_axes(found))
    programs = Programs(roots, inline)
    look = functools.cache(accesses_below)
    fixed = _fixed_memory(programs, found, layout, look)
    levels = [(layout.cells, layout.units), (layout.units, layout.tiles)]
    loads = _tile_loads(programs, layout)
    inside = tuple(tuple(sharing(access, *level, domain) for level in levels) for access in found)
    odd = tuple(_is_odd(access, layout) for access in found)
    return Stage(
        kind,
        roots,
        reduces,
        sinks,
        inline,
        tuple(found),
        layout,
        (1,) * len(domain),
        fixed,
        inside,
        alone=_alone(found, loads),
        apart=tuple(any(_loads_apart(access, each) for each in loads) for access in found),
        odd=odd,
        whole=_whole_axes(found),
        below=blocks_below(found, odd, levels, domain, look),
    )


def _empty_stage(
    kind: str, roots: tuple[Node, ...], reduces: tuple[Reduce, ...], sinks: tuple[Sink | None, ...]
) -> Stage:
    """A stage without any element: no blocks, nothing to read."""
    domain = roots[0].shape
    cuts = tuple(np.array([0, n] if n else [0]) for n in domain)
    layout = Layout(domain, cuts, cuts, cuts, cuts, tuple(range(len(domain))))
    return Stage(
        kind, roots, reduces, sinks, frozenset(), (), layout, (1,) * len(domain), Memory(0, 0, 0, 0, 0)
    )


def _stacked(
    found: Sequence[Access], domain: tuple[int, ...], cuts: tuple[Cuts, ...], targets: int, budget: Budget
) -> tuple[Cuts, ...]:
    """The cuts with small chunks put together, as many as the threads that will work want."""
    arrays = targets + sum(access.decodes for access in found)
    tiny = all(access.chunk_nbytes < TINY_CHUNK for access in found)
    alone = budget.workers == 1 or (budget.fewer_if_tiny and tiny)
    memory = budget.memory // budget.workers
    return stacked(found, domain, cuts, arrays, memory, 1 if alone else budget.workers)


def driver_cuts(
    found: Sequence[Access], domain: tuple[int, ...], inline: frozenset[Node]
) -> tuple[Cuts, ...]:
    """Cuts of the domain at the chunk boundaries of the leaf that costs most, axis by axis."""
    call = next((node for node in inline if isinstance(node, MapBlocks)), None)
    if call is not None:
        return tuple(map(sizes_to_cuts, call.chunks))
    order = ranked(found, domain)
    return tuple(_driver_cuts(order, axis, domain) for axis in range(len(domain)))


def _driver_cuts(order: Sequence[Access], axis: int, domain: tuple[int, ...]) -> Cuts:
    """Cuts of an axis at chunk boundaries: where arrays are joined, of each where it lies."""
    cuts = np.array([0, domain[axis]])
    taken: list[tuple[int, int]] = []
    for access in order:
        own = access.boundaries(axis, domain)
        if own is None:
            continue
        low, high = access.reach(axis, domain)
        free = (own >= low) & (own <= high)
        for start, stop in taken:
            free &= (own <= start) | (own >= stop)
        cuts = join_cuts(cuts, own[free])
        taken.append((low, high))
        if (low, high) == (0, domain[axis]):
            break
    return cuts


def _with_seams(access: Access, tiles: Sequence[Cuts], domain: tuple[int, ...]) -> Iterator[Cuts]:
    """The tiles with those cut off for which parts of two chunks have to be put together."""
    for axis, cuts in enumerate(tiles):
        large = access.chunk_nbytes * 4 >= TILE_BYTES  # of smaller ones a copy costs less than another tile
        seams = access.seams(axis, domain) if large else None
        yield cuts if seams is None else join_cuts(cuts, seams)


def _needs_small_tiles(
    roots: Sequence[Node], reduces: Sequence[Reduce], tiles: Sequence[Cuts], joined: frozenset[Node]
) -> bool:
    """Whether a program makes values between the chunk and the result, which should not leave the cache."""
    if any(reduce.folding_bytes(1) for reduce in reduces):
        return True
    return compile_program(roots, tuple(int(np.diff(cuts).max(initial=0)) for cuts in tiles), joined).computes


def _tile_elements(roots: Sequence[Node]) -> int:
    return max(1, TILE_BYTES // max(max(root.dtype.itemsize for root in roots), 1))


def _shared_axes(reduces: Sequence[Reduce], ndim: int) -> list[int]:
    """Axes along which tiles are cut first: those that no reduction folds, so that a tile brings many values for each
    result. But not the last one, along which values lie side by side."""
    return [
        axis for axis in range(ndim - 1) if reduces and not any(axis in reduce.axes for reduce in reduces)
    ]


def _whole_axes(found: Sequence[Access]) -> frozenset[int]:
    """The axes of the domain that move along the axis of a scan."""
    axes = {access.region[access.leaf.axis].axis for access in found if isinstance(access.leaf, Scan)}
    return frozenset(axis for axis in axes if axis is not None)


def _backward_axes(found: Sequence[Access]) -> frozenset[int]:
    """The axes of the domain along which scans are asked for from their ends alone."""
    spans = [access.region[access.leaf.axis] for access in found if isinstance(access.leaf, Scan)]
    forward = {span.axis for span in spans if span.rate >= 0}
    return frozenset(span.axis for span in spans if span.axis is not None) - forward


def _tile_loads(programs: Programs, layout: Layout) -> list[list[Load]]:
    """What the largest and the smallest tiles load."""
    lengths = [np.diff(cuts) for cuts in layout.tiles]
    shapes = {tuple(int(pick(axis)) for axis in lengths) for pick in (np.max, np.min)}
    return [programs.at(shape, (0,) * len(shape)).loads for shape in shapes]


def _alone(found: Sequence[Access], loads: Sequence[Sequence[Load]]) -> tuple[bool, ...]:
    """For each access, whether tiles load once of that leaf, a stored array, and of no chunk that one without a gap
    would not need."""
    return tuple(
        isinstance(access.leaf, ZarrSource)
        and all(span.within is None for span in access.region)
        and all(_loads_once(access.leaf, each) for each in loads)
        for access in found
    )


def _loads_once(leaf: Node, loads: Sequence[Load]) -> bool:
    own = [load.region for load in loads if load.leaf is leaf]
    return len(own) == 1 and all(span.step in (1, abs(span.rate)) for span in own[0])


def _loads_apart(access: Access, loads: Sequence[Load]) -> bool:
    """Whether several loads lie in what an access spans of a leaf, one behind the other, or one that leaves gaps."""
    own = [load.region for load in loads if load.leaf is access.leaf and _lies_in(load.region, access.region)]
    spans = itertools.chain(*own)
    return len(own) > 1 or any(s.axis is not None and s.step not in (1, abs(s.rate)) for s in spans)


def _is_odd(access: Access, layout: Layout) -> bool:
    """Whether units, or cells, end within chunks of the leaf along several axes."""
    return (
        sum(_ends_within_chunks(access, axis, cuts, layout.domain) for axis, cuts in enumerate(layout.units))
        > 1
    )


def _ends_within_chunks(access: Access, axis: int, cuts: Cuts, domain: tuple[int, ...]) -> bool:
    own = access.boundaries(axis, domain)
    return own is not None and not np.isin(cuts, own).all()


def _lies_in(region: Region, other: Region) -> bool:
    """Whether a region that a tile needs is of one that all of them do, which moves as it does."""
    return all(
        (part.axis, part.rate) == (span.axis, span.rate)
        and part.start >= span.start
        and part.last <= span.last
        for part, span in zip(region, other, strict=True)
    )


def _fixed_memory(programs: Programs, found: Sequence[Access], layout: Layout, look: Look) -> Memory:
    """What one task holds however its block is cut."""
    boxes = [(cuts[:-1], cuts[1:]) for cuts in layout.tiles]
    chunks, encoded, registers = 0, _encoded(found), register_bytes(programs, boxes)
    for access in found:
        if isinstance(access.leaf, Computed):
            inner = _block_memory(access.leaf, look)
            chunks, encoded, registers = (
                chunks + inner.chunks,
                encoded + inner.encoded,
                registers + inner.registers,
            )
    return Memory(chunks, encoded, registers, 0, 0, chunks)


def _block_memory(leaf: Computed, look: Look) -> Memory:
    """What computing one block of a computed node takes besides the block."""
    chunks = encoded = registers = 0
    pending: list[Computed] = [leaf]
    while pending:
        node = pending.pop()
        kept = block_capacities(node, look)
        registers += node.working_bytes
        given = () if node.reads_itself else zip(node.inputs, node.intervals(), strict=True)
        for source, intervals in given:
            registers += register_bytes(programs_below(source), intervals)
            found = look(source)
            encoded = max(encoded, _encoded(found))
            chunks += sum(held_bytes(access, kept.pop(access.leaf, 0)) for access in found if access.decodes)
            pending.extend(access.leaf for access in found if isinstance(access.leaf, Computed))
    return Memory(chunks, encoded, registers, 0, 0)


def _encoded(found: Sequence[Access]) -> int:
    return max((read_bytes_bound(access) for access in found), default=0)
