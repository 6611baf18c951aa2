"""Registers: the bytes that the programs of a walk need for values, however seams cut its tiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Intervals
from lazyzarr.graph.program import Program, Programs

__all__ = ["register_bytes"]

# Programs looked at, at most, for what they need: so many seams cut tiles in ways that are much alike.
MOST_LOOKED_AT = 200


def register_bytes(programs: Programs, boxes: Sequence[Intervals]) -> int:
    """Bytes of slots, of what is put together from several chunks, and of what functions return.

    Along each axis the starts and stops of tiles are given; all programs of them share one arena.
    """
    slots: list[int] = []
    loads: list[int] = []
    returned = 0
    for program in _different(programs, boxes):
        slots = [max(pair) for pair in itertools.zip_longest(slots, program.slots, fillvalue=0)]
        sizes = [load.nbytes for load in program.loads]
        loads = [max(pair) for pair in itertools.zip_longest(loads, sizes, fillvalue=0)]
        calls = [(step, step.node) for step in program.steps if isinstance(step.node, MapBlocks)]
        returned = max(returned, sum(step.nbytes + node.working_bytes for step, node in calls))
    return sum(slots) + sum(loads) + returned


def _different(programs: Programs, boxes: Sequence[Intervals]) -> Iterator[Program]:
    """The program of the largest tile, and those of tiles that seams cut otherwise."""
    largest = tuple(int((stops - starts).max(initial=0)) for starts, stops in boxes)
    places = [[(0, n)] for n in largest]
    first = programs.at(largest, (0,) * len(largest))
    found, pending, done = {first: None}, [*first.limits], set()
    while pending:
        axis = pending.pop()
        if axis in done:
            continue
        done.add(axis)
        for program in _along(programs, boxes, places, axis):
            found[program] = None
            pending.extend(program.limits)
    for tile in itertools.islice(itertools.product(*places) if len(done) > 1 else (), MOST_LOOKED_AT):
        found[programs.at(tuple(n for _, n in tile), tuple(start for start, _ in tile))] = None
    yield from found


def _along(
    programs: Programs, boxes: Sequence[Intervals], places: list[list[tuple[int, int]]], axis: int
) -> Iterator[Program]:
    """The programs of tiles along an axis that differ; their places are noted."""
    starts, stops = boxes[axis]
    lengths = stops - starts
    while len(starts) and len(places[axis]) < MOST_LOOKED_AT:
        start, n = int(starts[0]), int(lengths[0])
        places[axis].append((start, n))
        tile = [place[0] for place in places]
        tile[axis] = start, n
        program = programs.at(tuple(n for _, n in tile), tuple(start for start, _ in tile))
        low, high = program.limits.get(axis, (0, starts[-1]))
        other = (lengths != n) | (starts < low) | (starts > high)
        other[0] = False
        starts, lengths = starts[other], lengths[other]
        yield program
