"""Spreading: a stage cut into blocks, many enough for the workers and small enough for the memory of a task."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from lazyzarr.graph.access import held_bytes
from lazyzarr.graph.layout import Layout, Sharing, capacity, passing, sharing, split_blocks
from lazyzarr.graph.node import Node
from lazyzarr.graph.stage import Budget, Memory, Stage, partial_bytes, spare_chunks

__all__ = [
    "BLOCK_BYTES",
    "LEAST_BLOCK_BYTES",
    "PARTIAL_SHARE",
    "keeping_less",
    "split_further",
    "spread",
    "with_groups",
    "with_smallest_blocks",
]

# A task decodes this much, or half of it: Dask's cost of a task then does not show, nor what a cluster is sent of it.
BLOCK_BYTES = 128_000_000
# Below this much a task's own cost does.
LEAST_BLOCK_BYTES = 1_000_000
# Blocks are made smaller than there are workers for as long as this little is decoded more for it.
MOST_SPREAD = 1.25
# States that tasks hand on may take this part of the budget.
PARTIAL_SHARE = 8


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
        if math.prod(groups) >= least and (_decodes_again(stage, choice) or _joins_much(stage, choice, size)):
            break
        if _costs_much(stage, groups, choice, budget.workers):
            break
        groups = choice
    return groups


def _joins_much(stage: Stage, groups: tuple[int, ...], size: int) -> bool:
    """Whether the states of so many blocks are no small part of what is read: to make and join them takes as long."""
    return PARTIAL_SHARE * partial_bytes(stage.reduces, groups) > size


def _decodes_again(stage: Stage, groups: tuple[int, ...]) -> bool:
    """Whether blocks would cut through many chunks, each of which is decoded once for each of its parts."""
    return stage.work(split_blocks(stage.layout.cells, groups)) > MOST_SPREAD * stage.work_in_one


def _costs_much(stage: Stage, groups: tuple[int, ...], further: tuple[int, ...], workers: int) -> bool:
    """Whether more blocks would decode much that lies around them, and every worker has as many of these as others."""
    if math.prod(groups) % workers:
        return False
    now, then = (stage.work(split_blocks(stage.layout.cells, each)) for each in (groups, further))
    return then > MOST_SPREAD * now


def split_further(
    stage: Stage, groups: tuple[int, ...], limit: float = math.inf, states: float = math.inf
) -> tuple[int, ...] | None:
    """Twice the blocks, or `limit`, along the axis where that costs least; None where every block is one cell.

    Along axes for which no more than so many bytes of `states` are handed on, if there are such.
    """
    options = []
    for axis, count in enumerate(groups):
        most = min(len(stage.layout.cells[axis]) - 1, limit * count / math.prod(groups))
        further = int(min(2 * count, most))
        if further > count and axis not in stage.whole:
            option = (*groups[:axis], further, *groups[axis + 1 :])
            blocks = split_blocks(stage.layout.cells, option)
            partial = any(axis in reduce.axes for reduce in stage.reduces)
            options.append((stage.work(blocks), partial, axis, option))
    lean = [each for each in options if partial_bytes(stage.reduces, each[-1]) <= states]
    return min(lean or options)[-1] if options else None


def keeping_less(stage: Stage, budget: Budget) -> Iterator[Stage]:
    """The stage in other blocks, for which less is kept of what lies below computed leaves: along fewer axes."""
    for reach in reversed(range(len(stage.domain) + 1)):
        # In the order of a single block: to cut along axes for which nothing is kept costs nothing.
        single = with_groups(dataclasses.replace(stage, reach=reach), (1,) * len(stage.domain))
        yield spread(single, budget)


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

    below = [
        (each, sharing(each.access, layout.blocks, layout.cells, stage.domain, each.inside[0].outer))
        for each in stage.below
    ]

    def more(order: tuple[int, ...]) -> tuple[int, ...]:
        near, sparing = stage.near(order), stage.reach is not None
        return tuple(each.more(cells, order, near, sparing) for each, cells in below)

    def kept(order: tuple[int, ...]) -> int:
        chunks = _capacities(stage, levels, order)
        under = zip(stage.below, more(order), strict=True)
        return sum(
            held_bytes(access, count + spare_chunks(access, level[-1]))
            for access, level, count in zip(stage.accesses, levels, chunks, strict=True)
        ) + sum(each.access.chunk_nbytes * count for each, count in under)

    def again(order: tuple[int, ...]) -> int:
        return 0 if stage.reach is None else sum(stage.made_below(layout.blocks, order).values())

    def across(order: tuple[int, ...]) -> int:
        # Of lines that are walked one after the other only one is in hand.
        return -sum(map(order.index, stage.whole))

    orders = _orders(len(stage.domain))
    order = min(orders, key=lambda order: (again(order), kept(order), across(order)))
    layout = dataclasses.replace(layout, order=order)
    capacities = _capacities(stage, levels, order)
    return dataclasses.replace(
        stage,
        layout=layout,
        groups=groups,
        capacities=capacities,
        more=more(order),
        memory=_memory(stage, layout, kept(order)),
    )


def _capacities(stage: Stage, levels: Sequence[Sequence[Sharing]], order: tuple[int, ...]) -> tuple[int, ...]:
    """How many chunks each access keeps so that none is decoded twice in a block."""
    read = zip(stage.accesses, levels, stage.alone, stage.apart, stage.odd, strict=True)
    own = [capacity(access, level, order, *how) for access, level, *how in read]
    for among in _read_several_times(stage):
        # What one keeps stays only if the memory also holds what the others ask for in between.
        most = max(
            own[i]
            + sum(
                passing(levels[i], stage.accesses[j], levels[j], order, stage.apart[j])
                for j in among
                if j != i
            )
            for i in among
        )
        own[among[0]] += max(most - sum(own[i] for i in among), 0)
    return tuple(own)


def _read_several_times(stage: Stage) -> list[list[int]]:
    """The numbers of the accesses of each leaf that has several."""
    found: dict[Node, list[int]] = {}
    for i, access in enumerate(stage.accesses):
        found.setdefault(access.leaf, []).append(i)
    return [among for among in found.values() if len(among) > 1]


def _orders(ndim: int) -> list[tuple[int, ...]]:
    """Axis orders to choose from: all of few axes, else each axis last in turn."""
    if ndim <= 4:
        return list(itertools.permutations(range(ndim)))
    axes = tuple(range(ndim))
    return [axes, *((*axes[:i], *axes[i + 1 :], i) for i in range(ndim - 1))]


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
