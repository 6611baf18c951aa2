"""Long lines: how lines that no task can hold are sorted in runs, and these merged or looked up. Pure integers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lazyzarr.graph.access import accesses_below, read_bytes_bound
from lazyzarr.graph.draft import driver_cuts
from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.lines import Lines
from lazyzarr.graph.ops.merging import Merged, merged
from lazyzarr.graph.ops.ranked import ranked
from lazyzarr.graph.ops.runs import RunForm, Runs, can_run, runs_of
from lazyzarr.graph.ops.selecting import can_select
from lazyzarr.graph.ops.stored_runs import runs_bytes
from lazyzarr.graph.ops.views import Rechunk

__all__ = ["in_runs", "is_long", "smaller_blocks"]

# Bytes of a run, and of a block that is merged, at most: larger ones are no faster.
MOST_RUN, MOST_MERGED = 128_000_000, 256_000_000
# Parts of a task's memory that a run and all that is made of it may take.
RUN_SHARES = (0.8, 0.4, 0.1)
# The part that merging a block may take: what reads it needs the rest, and where that is not enough it is cut again.
MERGED_SHARE = 0.6
# A row of a run lies there as it is made, once more until nothing reads it, and on its way to the disk; blocks too.
ROWS, BLOCKS = 3, 2
# Of fewer values of each run no block is made, and no more runs than this are.
CRUMBS, MOST_RUNS = 16, 20_000
# What each file takes that is read or written, whatever its size.
FILE = 65536


def is_long(node: Lines, room: int) -> bool:
    """Whether lines are to be ordered of which a task that may take `room` bytes has none to spare for."""
    source, axis = node.inputs[0], node.axis
    can = can_run if node.ordering else can_select if node.ranking else None
    if can is None or not can(source.dtype) or 0 in node.shape:
        return False
    line = node.recut([n if i == axis else 1 for i, n in enumerate(source.shape)])
    made = BLOCKS * node.dtype.itemsize + source.dtype.itemsize
    return 2 * (source.shape[axis] * made + line.working_bytes) > room


def in_runs(node: Lines, room: int, units: Sequence[int] | None) -> Iterator[tuple[Node, Runs]]:
    """The same values from sorted runs, and these, which are to be stored; `units`: what is written at once."""
    positions, kind = node.ordering or (False, None)
    source, axis = node.inputs[0], node.axis
    base = source.inputs[0] if isinstance(source, Rechunk) else source
    found = accesses_below(base)
    reads = [int(np.diff(cuts).max(initial=1)) for cuts in driver_cuts(found, base.shape, frozenset())]
    reading = sum(access.chunk_nbytes for access in found) + max(map(read_bytes_bound, found), default=0)
    room = max(0, room - reading - 2 * FILE)
    native = base.dtype.newbyteorder("=")
    for share in RUN_SHARES:
        for beside in _beside(reads, axis):
            form = RunForm(native, axis, base.shape[axis], 1, positions, kind)
            length = _run_length(form, int(share * room), math.prod(beside), base.dtype.itemsize, reads[axis])
            form = form._replace(length=length)
            if form.size > MOST_RUNS * length or 2 * runs_bytes(form) > room:
                continue
            runs = runs_of(base, form, beside, node.origin)
            made = _made(node, runs, room - runs_bytes(form), units)
            if made is not None:
                yield make(Rechunk, (made,), (node.chunks,), node.origin), runs


def _made(node: Lines, runs: Runs, room: int, units: Sequence[int] | None) -> Node | None:
    """The node's values from runs; None where there is no room for blocks worth the name."""
    if node.ranking is not None:
        return ranked(runs, *node.ranking, node.dtype, node.shape[node.axis], node.dims)
    length = _merged_length(runs.form, node, int(MERGED_SHARE * room), units)
    return merged(runs, node.dtype, length, node.dims) if _is_worth(length, runs.form) else None


def _is_worth(length: int, form: RunForm) -> bool:
    """Whether a block of so many values takes more than crumbs of each run."""
    return length >= min(CRUMBS * len(form.lengths), form.size)


def _beside(reads: Sequence[int], axis: int) -> list[tuple[int, ...]]:
    """How many lines a block of runs may have along the other axes: as chunks have, or one."""
    whole = tuple(n for i, n in enumerate(reads) if i != axis)
    return list(dict.fromkeys([whole, (1,) * len(whole)]))


def _run_length(form: RunForm, room: int, lines: int, itemsize: int, chunk: int) -> int:
    """Values of a run of so many lines at once: whole chunks where one fits, else even parts of a chunk."""
    row = form.dtype.itemsize + 4 * form.positions
    most = room // (lines * (itemsize + ROWS * row) + form.working_bytes)
    most = max(1, min(most, MOST_RUN // (lines * row), form.size))
    return _even(form.size, most, chunk)


def _merged_length(form: RunForm, node: Lines, room: int, units: Sequence[int] | None) -> int:
    """Values of a block that is merged: whole units where one fits, else even parts of one."""
    most = room // (BLOCKS * node.dtype.itemsize + form.merging_bytes)
    most = max(1, min(most, MOST_MERGED // node.dtype.itemsize, form.size))
    return _even(form.size, most, min(units[form.axis], form.size) if units is not None else 1)


def _even(count: int, most: int, unit: int) -> int:
    """The length of as few parts as can be of at most so many values: whole units where one fits, else parts of it.

    >>> _even(1000, 390, 100), _even(1000, 30, 100)
    (300, 25)
    """
    if most < unit:
        return -(-unit // -(-unit // most))
    parts = -(-count // (most // unit * unit))
    return -(-count // (parts * unit)) * unit


def smaller_blocks(node: Merged) -> Iterator[Node]:
    """The same values merged in smaller blocks."""
    for parts in (2, 4):
        length = -(-node.length // parts)
        if _is_worth(length, node.form):
            runs = node.inputs[0]
            params = (*node.params[:3], length, *node.params[4:])
            yield make(Rechunk, (make(Merged, (runs,), params, node.origin),), (node.chunks,), node.origin)
