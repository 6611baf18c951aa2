"""Stages: one walk over a domain each, its layout, and the memory that the walk takes."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lazyzarr.graph.access import decoded_bytes, held_bytes, leaf_name, ranked, read_bytes_bound
from lazyzarr.graph.below import Below
from lazyzarr.graph.layout import Access, Layout, Sharing
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.lines import Lines
from lazyzarr.graph.ops.merging import Merged
from lazyzarr.graph.ops.ranked import Ranked
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.ops.views import Rechunk
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
    def decode(self) -> int:
        """Bytes decoded, at most."""
        return decoded_bytes(self.accesses, self.layout.blocks, self.domain)

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
