"""Stages: one walk over a domain each, its layout, and the memory that the walk takes."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lazyzarr.graph.access import decoded_bytes, held_bytes, leaf_name, ranked, read_bytes_bound
from lazyzarr.graph.below import Below, Path
from lazyzarr.graph.layout import Access, Cuts, Layout, Sharing
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.ops.views import View
from lazyzarr.graph.reading import Reading, readings, sources
from lazyzarr.graph.sink import Sink

__all__ = ["Budget", "Memory", "Stage", "partial_bytes", "spare_chunks"]


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
    below: tuple[Below, ...] = ()
    """The leaves below computed ones of which a task may keep more chunks than those of a box."""
    more: tuple[int, ...] = ()
    """For each of these, how many more."""
    reach: int | None = None
    """Where memory is short: along how many of the axes that are walked last these are kept; None: it is not."""
    ahead: tuple[tuple[Node, int], ...] = ()
    """For each leaf in a slow store, how many encoded chunks a task asks for ahead."""
    behind: tuple[int, ...] = ()
    """For each sink, how many encoded units of a task may be on their way; none of those in fast stores."""
    alone: tuple[bool, ...] = ()
    """For each access, whether tiles load once of that leaf, a stored array."""
    apart: tuple[bool, ...] = ()
    """For each access, whether tiles load several parts of what they span of it."""
    odd: tuple[bool, ...] = ()
    """For each access, whether cells end within its chunks, along several axes."""
    whole: frozenset[int] = frozenset()
    """Axes along which no block ends: a task walks all of them, with what came before in hand."""

    @property
    def domain(self) -> tuple[int, ...]:
        """The shape of the index space that is walked."""
        return self.layout.domain

    @property
    def readings(self) -> list[Reading]:
        """What is decoded of each source, below computed blocks too."""
        return self._readings(self.layout.blocks)

    def _readings(self, blocks: Sequence[Cuts]) -> list[Reading]:
        order = self.layout.order
        return readings(self.accesses, blocks, order, self.domain, self.made_below(blocks, order))

    def near(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """The axes along which chunks below computed leaves are kept for the next cell, walked in an order."""
        return order if self.reach is None else order[len(order) - self.reach :]

    def made_below(self, blocks: Sequence[Cuts], order: tuple[int, ...]) -> dict[tuple[Path, Node], int]:
        """Bytes decoded, or made, of each leaf below computed ones of which a task may keep more than a box."""
        near = self.near(order)
        cells = self.layout.cells
        cuts = [blocks[axis] if axis in near else own for axis, own in enumerate(cells)]
        return {
            (each.path, each.access.leaf): each.decoded_bytes(cuts, cells, order, self.domain)
            for each in self.below
        }

    @property
    def decode(self) -> int:
        """Bytes decoded of sources, at most."""
        return round(sum(reading.nbytes for reading in self.readings))

    @property
    def made(self) -> int:
        """Bytes of computed blocks that are made, at most."""
        return decoded_bytes(self._computed, self.layout.blocks, self.domain)

    @property
    def _computed(self) -> list[Access]:
        return [access for access in self.accesses if isinstance(access.leaf, Computed)]

    @property
    def least_task(self) -> int:
        """Bytes that a task holds however small its block is."""
        part = self.memory
        kept = sum(
            held_bytes(
                access, (1 if alone else math.prod(levels[-1].inner)) + spare_chunks(access, levels[-1])
            )
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
        read = sum(each.nbytes / each.chunk_nbytes for each in self.readings if each.chunk_nbytes)
        return round(read) or self.writers

    @functools.cached_property
    def least_decode(self) -> int:
        """Bytes decoded of sources where each chunk is decoded once."""
        return round(sum(reading.least for reading in self.readings))

    @property
    def least_work(self) -> float:
        """Bytes decoded, and made of computed blocks, where nothing is decoded or made twice."""
        return self.least_decode + sum(access.leaf.nbytes for access in self._computed)

    @functools.cached_property
    def work_in_one(self) -> float:
        """Bytes decoded, and made of computed blocks, if all of it were one block."""
        return self.work([np.array([0, n]) for n in self.domain])

    def work(self, blocks: Sequence[Cuts]) -> float:
        """Bytes decoded, and made of computed blocks, if these were the blocks."""
        made = decoded_bytes(self._computed, blocks, self.domain)
        return made + sum(reading.nbytes for reading in self._readings(blocks))

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
        read = [access.leaf for access in ranked(self.accesses, self.domain)[:1]]
        if read and leaf_name(read[0]) != label:
            return f"{label}-{leaf_name(sources(read[0])[0])}"
        return label

    def blocks(self) -> Iterator[tuple[int, ...]]:
        """The index of each block."""
        return itertools.product(*map(range, self.layout.numblocks))

    def whole_in_block(self, reduce: Reduce) -> bool:
        """Whether a block holds all of the reduced axes, so that its results need no other block."""
        return all(self.layout.numblocks[axis] == 1 for axis in reduce.axes)


def _label(node: Node) -> str:
    """The word for what makes a node's values: computed ones are called so however they are arranged."""
    made = node
    while isinstance(made, View):
        made = made.inputs[0]
    return made.label if isinstance(made, Computed) else node.label


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


def spare_chunks(access: Access, tiles: Sharing) -> int:
    """Chunks held besides those that are kept: one that a program still looks at, or of which a part is taken aside."""
    if not isinstance(access.leaf, ZarrSource):
        return 1
    # Programs look at buffers that are used again.
    parts = any(span.axis is None or abs(span.step) > 1 for span in access.region)
    return int(parts and math.prod(tiles.inner) > 1)
