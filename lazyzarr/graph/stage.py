"""Stages: one walk over a domain each, its layout, and the memory that the walk takes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lazyzarr.graph.access import (
    accesses,
    accesses_below,
    block_capacities,
    decoded_bytes,
    held_bytes,
    inline_nodes,
    leaf_name,
    programs_below,
    ranked,
    read_bytes_bound,
)
from lazyzarr.graph.layout import (
    Access,
    Cuts,
    Layout,
    Sharing,
    capacity,
    join_cuts,
    sharing,
    sizes_to_cuts,
    split_blocks,
    split_tiles,
    thin,
)
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.lines import Lines
from lazyzarr.graph.ops.merging import Merged
from lazyzarr.graph.ops.ranked import Ranked
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.scans import Scan
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.ops.views import Rechunk
from lazyzarr.graph.program import Load, Programs, compile_program
from lazyzarr.graph.region import Region
from lazyzarr.graph.registers import register_bytes
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.stack import TINY_CHUNK, stacked

__all__ = [
    "BLOCK_BYTES",
    "TILE_BYTES",
    "Budget",
    "Memory",
    "Stage",
    "draft_stage",
    "driver_cuts",
    "partial_bytes",
    "split_further",
    "spread",
    "with_groups",
    "with_read_ahead",
    "with_smallest_blocks",
]

# A tile and what is made of it should stay in a core's second-level cache.
TILE_BYTES = 1024 * 1024
# A task decodes this much, or half of it: Dask's cost of a task then does not show, nor what a cluster is sent of it.
BLOCK_BYTES = 128_000_000
# Below this much a task's own cost does.
LEAST_BLOCK_BYTES = 1_000_000
# Blocks are made smaller than there are workers for as long as this little is decoded more for it.
MOST_SPREAD = 1.25
# States that tasks hand on may take this part of the budget.
PARTIAL_SHARE = 8


@dataclass(frozen=True)
class Budget:
    """What a run may use."""

    memory: int
    """Bytes."""
    workers: int
    """Tasks at once, at most."""
    fewer_if_tiny: bool = False
    """Whether one task at once is enough where chunks are tiny: the user named no number."""
    folder: str = ""
    """The folder for temporary arrays; empty: there may be none."""
    sharing: int | None = None
    """Tasks at once that share the memory: those of one worker of a cluster; None: all."""
    copies: int = 0
    """How often the values that a task hands on are held until they have arrived: none where it puts them in place."""
    holders: int = 1
    """Among how many processes the answers are spread until they are handed over: a cluster's workers."""


@dataclass(frozen=True)
class Memory:
    """Bytes that one task of a stage holds at most, by what holds them."""

    chunks: int
    encoded: int
    registers: int
    accumulators: int
    unit: int
    nested: int = 0
    """Of the chunks, those that blocks of map_blocks read."""

    @property
    def task(self) -> int:
        """All of it."""
        return self.chunks + self.encoded + self.registers + self.accumulators + self.unit


@dataclass(frozen=True)
class Stage:
    """A walk over one domain: `map` computes roots, `reduce` folds operands into accumulators, `spill` writes
    roots to temporary arrays that later stages read."""

    kind: str
    roots: tuple[Node, ...]
    """What is evaluated for each tile; in a reduce stage the operand of each reduction."""
    reduces: tuple[Reduce, ...]
    sinks: tuple[Sink | None, ...]
    """Where each root of a map stage is written; None: it is part of the answer."""
    inline: frozenset[Node]
    accesses: tuple[Access, ...]
    layout: Layout
    groups: tuple[int, ...]
    """Blocks asked for along each axis."""
    memory: Memory
    inside: tuple[tuple[Sharing, ...], ...] = ()
    """For each access, how chunks are shared within cells: that does not depend on the blocks."""
    capacities: tuple[int, ...] = ()
    """For each access, how many decoded chunks a task keeps."""
    ahead: tuple[tuple[Node, int], ...] = ()
    """For each leaf in a slow store, how many encoded chunks a task asks for ahead."""
    behind: tuple[int, ...] = ()
    """For each sink, how many encoded units of a task may be on their way; none of those in fast stores."""
    alone: tuple[bool, ...] = ()
    """For each access, whether tiles load once of that leaf, a stored array."""
    apart: tuple[bool, ...] = ()
    """For each access, whether tiles load several parts of what they span of it."""
    whole: frozenset[int] = frozenset()
    """Axes along which no block ends: a task walks all of them, with what came before in hand."""

    @property
    def domain(self) -> tuple[int, ...]:
        """The shape of the index space that is walked."""
        return self.layout.domain

    @property
    def decode(self) -> int:
        """Bytes decoded, at most."""
        return decoded_bytes(self.accesses, self.layout.blocks, self.domain)

    @property
    def least_task(self) -> int:
        """Bytes that a task holds however small its block is."""
        part = self.memory
        kept = sum(
            held_bytes(access, (1 if alone else math.prod(levels[-1].inner)) + _spare(access, levels[-1]))
            for access, levels, alone in zip(self.accesses, self.inside, self.alone, strict=True)
        )
        return part.nested + kept + part.encoded + part.registers + part.unit

    @property
    def least_read(self) -> int:
        """Bytes that it takes to decode one chunk of a source: no plan of the same values takes less."""
        sources = [access for access in self.accesses if isinstance(access.leaf, ZarrSource)]
        own = max((access.chunk_nbytes + read_bytes_bound(access) for access in sources), default=0)
        return max(own, self.memory.encoded)  # which knows of the sources of computed blocks, too

    @property
    def chunks(self) -> int:
        """Chunks decoded, at most, or written where none are decoded."""
        read = sum(
            decoded_bytes([access], self.layout.blocks, self.domain) // access.chunk_nbytes
            for access in self.accesses
            if access.chunk_nbytes
        )
        return read or self.writers

    @functools.cached_property
    def least_decode(self) -> int:
        """Bytes decoded where each chunk is decoded once."""
        return decoded_bytes(self.accesses, [np.array([0, n]) for n in self.domain], self.domain)

    @property
    def write(self) -> int:
        """Bytes written, before they are encoded."""
        return sum(math.prod(self.domain) * sink.itemsize for sink in self.sinks if sink)

    @property
    def writers(self) -> int:
        """Write units, each of which has one writer."""
        return sum(math.prod(len(cuts) - 1 for cuts in sink.cuts(self.domain)) for sink in self.sinks if sink)

    @property
    def name(self) -> str:
        """The operation and the variable it is done to."""
        what = self.reduces if self.reduces else self.roots
        label = "-".join(dict.fromkeys(map(_label, what))) if len(what) <= 4 else f"{len(what)}-results"
        leaf = ranked(self.accesses, self.domain)[:1]
        variable = leaf_name(leaf[0].leaf) if leaf else ""
        return f"{label}-{variable}" if variable and variable != label else label

    def blocks(self) -> Iterator[tuple[int, ...]]:
        """The index of each block."""
        return itertools.product(*map(range, self.layout.numblocks))

    def whole_in_block(self, reduce: Reduce) -> bool:
        """Whether a block holds all of the reduced axes, so that its results need no other block."""
        return all(self.layout.numblocks[axis] == 1 for axis in reduce.axes)


def _label(node: Node) -> str:
    """The word for what makes a node's values: what the plan cuts otherwise itself is called what it is."""
    made = node
    while isinstance(made, Rechunk):
        made = made.inputs[0]
    return made.label if isinstance(made, (Lines, Merged, Ranked)) else node.label


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
    fixed = _fixed_memory(programs, found, layout)
    levels = [(layout.cells, layout.units), (layout.units, layout.tiles)]
    loads = _tile_loads(programs, layout)
    inside = tuple(tuple(sharing(access, *level, domain) for level in levels) for access in found)
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
        whole=_whole_axes(found),
    )


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


def _loads_apart(access: Access, loads: Sequence[Load]) -> bool:
    """Whether several loads lie in what an access spans of a leaf, one behind the other, or one that leaves gaps."""
    own = [load.region for load in loads if load.leaf is access.leaf and _lies_in(load.region, access.region)]
    spans = itertools.chain(*own)
    return len(own) > 1 or any(s.axis is not None and s.step not in (1, abs(s.rate)) for s in spans)


def _lies_in(region: Region, other: Region) -> bool:
    """Whether a region that a tile needs is of one that all of them do, which moves as it does."""
    return all(
        (part.axis, part.rate) == (span.axis, span.rate)
        and part.start >= span.start
        and part.last <= span.last
        for part, span in zip(region, other, strict=True)
    )


def _loads_once(leaf: Node, loads: Sequence[Load]) -> bool:
    own = [load.region for load in loads if load.leaf is leaf]
    return len(own) == 1 and all(span.step in (1, abs(span.rate)) for span in own[0])


def _with_seams(access: Access, tiles: Sequence[Cuts], domain: tuple[int, ...]) -> Iterator[Cuts]:
    """The tiles with those cut off for which parts of two chunks have to be put together."""
    for axis, cuts in enumerate(tiles):
        large = access.chunk_nbytes * 2 >= TILE_BYTES  # of smaller ones a copy costs less than another tile
        seams = access.seams(axis, domain) if large else None
        yield cuts if seams is None else join_cuts(cuts, seams)


def _whole_axes(found: Sequence[Access]) -> frozenset[int]:
    """The axes of the domain that move along the axis of a scan."""
    axes = {access.region[access.leaf.axis].axis for access in found if isinstance(access.leaf, Scan)}
    return frozenset(axis for axis in axes if axis is not None)


def _backward_axes(found: Sequence[Access]) -> frozenset[int]:
    """The axes of the domain along which scans are asked for from their ends alone."""
    spans = [access.region[access.leaf.axis] for access in found if isinstance(access.leaf, Scan)]
    forward = {span.axis for span in spans if span.rate >= 0}
    return frozenset(span.axis for span in spans if span.axis is not None) - forward


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


def _needs_small_tiles(
    roots: Sequence[Node], reduces: Sequence[Reduce], tiles: Sequence[Cuts], joined: frozenset[Node]
) -> bool:
    """Whether a program makes values between the chunk and the result, which should not leave the cache."""
    if any(reduce.folding_bytes(1) for reduce in reduces):
        return True
    return compile_program(roots, tuple(int(np.diff(cuts).max(initial=0)) for cuts in tiles), joined).computes


def _shared_axes(reduces: Sequence[Reduce], ndim: int) -> list[int]:
    """Axes along which tiles are cut first: those that no reduction folds, so that a tile brings many values for each
    result. But not the last one, along which values lie side by side."""
    return [
        axis for axis in range(ndim - 1) if reduces and not any(axis in reduce.axes for reduce in reduces)
    ]


def _stacked(
    found: Sequence[Access], domain: tuple[int, ...], cuts: tuple[Cuts, ...], targets: int, budget: Budget
) -> tuple[Cuts, ...]:
    """The cuts with small chunks put together, as many as the threads that will work want."""
    arrays = targets + sum(access.decodes for access in found)
    tiny = all(access.chunk_nbytes < TINY_CHUNK for access in found)
    alone = budget.workers == 1 or (budget.fewer_if_tiny and tiny)
    memory = budget.memory // budget.workers
    return stacked(found, domain, cuts, arrays, memory, 1 if alone else budget.workers)


def _tile_elements(roots: Sequence[Node]) -> int:
    return max(1, TILE_BYTES // max(max(root.dtype.itemsize for root in roots), 1))


def spread(stage: Stage, budget: Budget) -> Stage:
    """The stage in blocks for the budget's workers."""
    return with_groups(stage, _groups_for(stage, budget)) if 0 not in stage.domain else stage


def _groups_for(stage: Stage, budget: Budget) -> tuple[int, ...]:
    """How many blocks along each axis: enough for the workers and small enough for a task.

    Blocks along reduced axes leave states to be joined; those must stay small beside the budget.
    """
    groups = (1,) * len(stage.domain)
    size = stage.least_decode or sum(root.nbytes for root in stage.roots)
    # One worker has nobody to share the work with.
    least = 4 * budget.workers if budget.workers > 1 else 1
    wanted = min(max(least, size / BLOCK_BYTES), max(1.0, size / LEAST_BLOCK_BYTES))
    while math.prod(groups) < wanted:
        choice = split_further(stage, groups, max(least, 2 * size / BLOCK_BYTES))
        if choice is None or partial_bytes(stage.reduces, choice) > budget.memory // PARTIAL_SHARE:
            break
        if math.prod(groups) >= least and _decodes_again(stage, choice):
            break
        groups = choice
    return groups


def _decodes_again(stage: Stage, groups: tuple[int, ...]) -> bool:
    """Whether blocks would cut through many chunks, each of which is decoded once for each of its parts."""
    blocks = split_blocks(stage.layout.cells, groups)
    return decoded_bytes(stage.accesses, blocks, stage.domain) > MOST_SPREAD * stage.least_decode


def partial_bytes(reduces: Sequence[Reduce], numblocks: Sequence[int]) -> int:
    """Bytes of the states that tasks hand on to be joined."""
    total = 0
    for reduce in reduces:
        parts = math.prod(numblocks[axis] for axis in reduce.axes)
        if parts > 1:
            total += (
                parts * math.prod(reduce.kept_shape) * sum(dtype.itemsize for dtype in reduce.state_dtypes())
            )
    return total


def split_further(stage: Stage, groups: tuple[int, ...], limit: float = math.inf) -> tuple[int, ...] | None:
    """Twice the blocks, or `limit`, along the axis where that costs least; None where every block is one cell."""
    options = []
    for axis, count in enumerate(groups):
        most = min(len(stage.layout.cells[axis]) - 1, limit * count / math.prod(groups))
        further = int(min(2 * count, most))
        if further > count and axis not in stage.whole:
            option = (*groups[:axis], further, *groups[axis + 1 :])
            blocks = split_blocks(stage.layout.cells, option)
            partial = any(axis in reduce.axes for reduce in stage.reduces)
            options.append((decoded_bytes(stage.accesses, blocks, stage.domain), partial, axis, option))
    return min(options)[-1] if options else None


def with_smallest_blocks(stage: Stage) -> Stage:
    """The stage with a block for each cell."""
    counts = (1 if axis in stage.whole else len(cuts) - 1 for axis, cuts in enumerate(stage.layout.cells))
    return with_groups(stage, tuple(counts))


def with_groups(stage: Stage, groups: tuple[int, ...]) -> Stage:
    """The stage with so many blocks along each axis, walked in the order that keeps the fewest chunks."""
    layout = dataclasses.replace(stage.layout, blocks=split_blocks(stage.layout.cells, groups))
    levels = [
        (sharing(access, layout.blocks, layout.cells, stage.domain, inside[0].outer), *inside)
        for access, inside in zip(stage.accesses, stage.inside, strict=True)
    ]

    read = list(zip(stage.accesses, levels, stage.alone, stage.apart, strict=True))

    def kept(order: tuple[int, ...]) -> int:
        return sum(
            held_bytes(access, capacity(access, level, order, *how) + _spare(access, level[-1]))
            for access, level, *how in read
        )

    order = min(_orders(len(stage.domain)), key=kept)
    layout = dataclasses.replace(layout, order=order)
    capacities = tuple(capacity(access, level, order, *how) for access, level, *how in read)
    return dataclasses.replace(
        stage, layout=layout, groups=groups, capacities=capacities, memory=_memory(stage, layout, kept(order))
    )


def with_read_ahead(stage: Stage, spare: int, at_once: int) -> Stage:
    """The stage with chunks of slow stores asked for ahead and written behind, as `spare` bytes a task allow.

    `at_once` tasks share the requests that a store is worth.
    """
    slow = {
        access.leaf: (read_bytes_bound(access), access.leaf.array.reader().in_flight)
        for access in stage.accesses
        if isinstance(access.leaf, ZarrSource) and access.leaf.array.reader().in_flight > 1
    }
    ahead = tuple(
        (leaf, max(1, min(-(-wanted // at_once), spare // len(slow) // nbytes)))
        for leaf, (nbytes, wanted) in slow.items()
    )
    held = sum(depth * slow[leaf][0] for leaf, depth in ahead if depth > 1)
    behind, written = _behind(stage, spare - held, at_once)
    if not slow and not written:
        return stage
    memory = dataclasses.replace(
        stage.memory, encoded=stage.memory.encoded + held, unit=stage.memory.unit + written
    )
    return dataclasses.replace(stage, ahead=ahead, behind=behind, memory=memory)


def _behind(stage: Stage, spare: int, at_once: int) -> tuple[tuple[int, ...], int]:
    """How many encoded units of each sink may be on their way from a task, and their bytes."""
    depths, held = [], 0
    for sink in stage.sinks:
        wanted = sink.handle.in_flight if sink is not None and sink.staged and sink.edges is None else 0
        depth = 0
        if sink is not None and wanted > 1:
            nbytes = math.prod(sink.unit) * sink.itemsize * 9 // 8 + 65536
            depth = min(-(-wanted // at_once), spare // len(stage.sinks) // nbytes)
            held += depth * nbytes
        depths.append(depth)
    return tuple(depths), held


def _spare(access: Access, tiles: Sharing) -> int:
    """Chunks held besides those that are kept: one that a program still looks at, or of which a part is taken aside."""
    if not isinstance(access.leaf, ZarrSource):
        return 1
    # Programs look at buffers that are used again.
    parts = any(span.axis is None or abs(span.step) > 1 for span in access.region)
    return int(parts and math.prod(tiles.inner) > 1)


def _orders(ndim: int) -> list[tuple[int, ...]]:
    """Axis orders to choose from: all of few axes, else each axis last in turn."""
    if ndim <= 4:
        return list(itertools.permutations(range(ndim)))
    axes = tuple(range(ndim))
    return [axes, *((*axes[:i], *axes[i + 1 :], i) for i in range(ndim - 1))]


def _fixed_memory(programs: Programs, found: Sequence[Access], layout: Layout) -> Memory:
    """What one task holds however its block is cut."""
    boxes = [(cuts[:-1], cuts[1:]) for cuts in layout.tiles]
    chunks, encoded, registers = 0, _encoded(found), register_bytes(programs, boxes)
    for access in found:
        if isinstance(access.leaf, Computed):
            inner = _block_memory(access.leaf)
            chunks, encoded, registers = (
                chunks + inner.chunks,
                encoded + inner.encoded,
                registers + inner.registers,
            )
    return Memory(chunks, encoded, registers, 0, 0, chunks)


def _memory(stage: Stage, layout: Layout, kept: int) -> Memory:
    """What one task holds at most, with its block as the layout cuts it."""
    tile = math.prod(layout.largest_tile())
    accumulators = 0
    for reduce in stage.reduces:
        extents = [
            reduce.kept_shape[axis] if axis in reduce.axes else int(np.diff(cuts).max(initial=0))
            for axis, cuts in enumerate(layout.blocks)
        ]
        state = math.prod(extents) * sum(dtype.itemsize for dtype in reduce.state_dtypes())
        # The state, a finished copy, and what folding a tile makes on the way.
        accumulators += 2 * state + reduce.folding_bytes(tile)
    largest = layout.largest(layout.units)
    unit = sum(sink.writing_bytes(largest, layout.domain) + 65536 for sink in stage.sinks if sink)
    chunks = stage.memory.nested + kept
    return dataclasses.replace(stage.memory, chunks=chunks, accumulators=accumulators, unit=unit)


def _encoded(found: Sequence[Access]) -> int:
    return max((read_bytes_bound(access) for access in found), default=0)


def _block_memory(leaf: Computed) -> Memory:
    """What computing one block of a computed node takes besides the block."""
    chunks = encoded = registers = 0
    pending: list[Computed] = [leaf]
    while pending:
        node = pending.pop()
        kept = block_capacities(node)
        registers += node.working_bytes
        given = () if node.reads_itself else zip(node.inputs, node.intervals(), strict=True)
        for source, intervals in given:
            registers += register_bytes(programs_below(source), intervals)
            found = accesses_below(source)
            encoded = max(encoded, _encoded(found))
            chunks += sum(held_bytes(access, kept.pop(access.leaf, 0)) for access in found if access.decodes)
            pending.extend(access.leaf for access in found if isinstance(access.leaf, Computed))
    return Memory(chunks, encoded, registers, 0, 0)
