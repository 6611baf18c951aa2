"""The laws of a plan: each is checked after planning, and a plan that breaks one is refused before any I/O."""

from __future__ import annotations

import itertools
import os
import re
import textwrap
from collections.abc import Sequence

import numpy as np

from lazyzarr.errors import (
    MemoryBudgetError,
    PlanError,
    StoreReachError,
    TargetIsSourceError,
    TemporarySpaceError,
    WriteConflictError,
)
from lazyzarr.format.array import foreign_place
from lazyzarr.graph.blame import accusation
from lazyzarr.graph.cures import Cure, find_cures
from lazyzarr.graph.layout import Cuts
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.blocks import interval
from lazyzarr.graph.ops.sources import ForeignSource, ZarrSource
from lazyzarr.graph.plan import BASE, Stages
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.temporary import free_bytes
from lazyzarr.settings import format_bytes

__all__ = [
    "LAWS",
    "check",
    "cure_lines",
    "enough_memory",
    "enough_space",
    "one_writer",
    "rewrite_keeps",
    "stores_in_reach",
    "target_is_no_source",
]


# How wide lines are printed.
WIDTH = 100


def check(planned: Stages, reach: str) -> None:
    """Raises for the first law that the plan breaks; `reach`: where its tasks run (thread, host, anywhere)."""
    for law in LAWS:
        law(planned, reach)


def rewrite_keeps(rule: str, before: Node, after: Node) -> None:
    """What a rule makes of a node has its shape, dtype, chunks and names."""
    for fact in ("shape", "dtype", "chunks", "dims"):
        was, now = getattr(before, fact), getattr(after, fact)
        if was != now:
            raise PlanError(
                f"the rule {rule!r} made {fact} {now} of {was} ({before.label}). Nothing was computed. This is an "
                "error in the planning itself: please report it with the expression"
            )


def one_writer(planned: Stages, reach: str) -> None:
    """Every write unit has one writer: blocks end where units end, and no two targets meet in a unit."""
    for stage in planned.stages:
        for sink in filter(None, stage.sinks):
            for block, unit in zip(stage.layout.blocks, unit_cuts(sink, stage.domain), strict=True):
                if not np.isin(block, unit).all():
                    raise WriteConflictError(
                        f"{stage.name} would write parts of one chunk of {sink.url} from two tasks. "
                        "Nothing was written. "
                        "This is an error in the planning itself: please report it with the shapes and "
                        "chunks of both arrays"
                    )
    _no_two_in_a_unit(planned)


def unit_cuts(sink: Sink, domain: tuple[int, ...]) -> tuple[Cuts, ...]:
    """Where write units end, worked out again: the check trusts nothing of the planning."""
    result = []
    for axis, n in enumerate(domain):
        start, unit = sink.start[axis], sink.unit[axis]
        edges = None if sink.edges is None else sink.edges[axis]
        if isinstance(edges, tuple):
            ends = np.cumsum(edges) - start
        else:
            ends = np.arange(start - start % unit, start + n + unit, unit) - start
        result.append(np.array([0, *ends[(ends > 0) & (ends < n)], n]))
    return tuple(result)


def _no_two_in_a_unit(planned: Stages) -> None:
    """Raises where two outputs write to one unit of one array."""
    written = [(output.node, output.sink) for output in planned.outputs if output.sink is not None]
    for (a, first), (b, second) in itertools.combinations(written, 2):
        if first.handle.place != second.handle.place:
            continue
        shared = [_units_met(axis, a, first, b, second) for axis in range(len(first.shape))]
        if all(low <= high for low, high in shared):
            coords = tuple(low for low, _ in shared)
            raise WriteConflictError(_conflict(coords, a, first, b, second))


def _conflict(coords: tuple[int, ...], a: Node, first: Sink, b: Node, second: Sink) -> str:
    """What two outputs would both write, and what would keep them apart."""
    one, other = _said(a), _said(b)
    starts, extents = first.box(coords)
    where = ", ".join(f"{start}:{start + n}" for start, n in zip(starts, extents, strict=True))
    axis = next((i for i, (x, y) in enumerate(zip(first.start, second.start, strict=True)) if x != y), None)
    cure = f"Store np.concatenate([{one}, {other}]) instead"
    if axis is not None:
        ends = starts[axis], starts[axis] + extents[axis]
        cure += (
            f", or let the regions meet at {' or '.join(str(end) for end in ends if end)} along axis {axis}"
        )
    return (
        f"store() has two writers for chunk {coords} of {first.url}, [{where}]: "
        f"{one} -> {interval(first.start, a.shape)} and {other} -> {interval(second.start, b.shape)}. "
        f"Nothing was written. {cure}"
    )


def _said(node: Node) -> str:
    """The variable, or else the expression, that holds a node in the user's program."""
    place = node.place
    return (place.name or place.text if place else "") or node.label


def _units_met(axis: int, a: Node, first: Sink, b: Node, second: Sink) -> tuple[int, int]:
    """The first and last unit along an axis that both write to; the last is the smaller where there is none."""
    find = first.axes[axis].find
    ranges = [
        (find(s.start[axis]), find(s.start[axis] + node.shape[axis] - 1))
        for node, s in ((a, first), (b, second))
    ]
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def target_is_no_source(planned: Stages, reach: str) -> None:
    """What is read is not written meanwhile; a staged target is another array until the end."""
    targets = {sink.handle.place for output in planned.outputs if (sink := output.sink) and not sink.staged}
    nodes = walk([output.node for output in planned.outputs]) if targets else []
    for leaf in nodes:
        place, url = _read_from(leaf)
        if place in targets:
            raise TargetIsSourceError(
                f"{url} is read by {_reader(leaf, nodes)} while it would be written. "
                'to_zarr(..., mode="w") builds the new array beside it and swaps at the end; or choose another target'
            )


def _reader(leaf: Node, nodes: Sequence[Node]) -> str:
    """What the user calls on an array, and where."""
    users = [node for node in nodes if leaf in node.inputs] or [leaf]
    place = next((place for node in users if (place := node.place) is not None and place.text), None)
    return "this expression" if place is None else f"{place.text}, {place},"


def _read_from(leaf: Node) -> tuple[str | None, str | None]:
    """The place and the URL of the array that a leaf reads, be it one of zarr-python; None where there is none."""
    if isinstance(leaf, ZarrSource):
        return leaf.handle.place, leaf.handle.url
    place = foreign_place(leaf.array) if isinstance(leaf, ForeignSource) else None
    return place, place


_RANK = {"thread": 0, "host": 1, "anywhere": 2}


def stores_in_reach(planned: Stages, reach: str) -> None:
    """Every store can be seen from where the tasks run."""
    read = [(leaf.handle.url, leaf.handle.read_reach, _READ_ELSEWHERE) for leaf in _sources(planned)]
    written = [(o.sink.url, o.sink.handle.reach, _WRITTEN_ELSEWHERE) for o in planned.outputs if o.sink]
    for url, seen, cure in read + written:
        if _RANK[seen] < _RANK[reach]:
            raise StoreReachError(
                f"{url} lives in this process alone, where worker processes cannot see it. "
                f'Use scheduler="threads", or {cure}'
            )


_READ_ELSEWHERE = 'a store that they can open: lz.save("data.zarr", z[...])'
_WRITTEN_ELSEWHERE = 'write to one that they can open: x.to_zarr("data.zarr")'


def _sources(planned: Stages) -> Sequence[ZarrSource]:
    nodes = walk([output.node for output in planned.outputs])
    return [node for node in nodes if isinstance(node, ZarrSource)]


def enough_memory(planned: Stages, reach: str) -> None:
    """Every stage fits the budget."""
    needed, allowed = planned.peak_memory, planned.memory
    if needed <= allowed:
        return
    lines = [f"this needs {format_bytes(needed)} at its peak; memory= allows {format_bytes(allowed)}."]
    worst = max(planned.stages, key=planned.peak, default=None)
    if allowed <= BASE:
        lines.append(
            f"  Of any budget {format_bytes(BASE)} are for what no plan counts: tasks, small buffers, the allocator."
        )
    if worst is not None:
        words = f"{accusation(planned, worst)}."
        lines.extend(textwrap.wrap(words, WIDTH, initial_indent="  ", subsequent_indent="  "))
    cures = find_cures(planned, reach)
    lines.extend(cure_lines(cures))
    raise MemoryBudgetError("\n".join(lines), needed, allowed, tuple(cures))


def cure_lines(cures: Sequence[Cure]) -> list[str]:
    """Cures as aligned lines, the effect of one that is too long below it."""
    indent = " " * 14
    room = WIDTH - len(indent) - 2 - max((len(cure.effect) for cure in cures), default=0)
    width = max((len(cure.text) for cure in cures if len(cure.text) <= room), default=0)
    lines: list[str] = []
    for cure in cures:
        *first, last = _at_commas(cure.text, WIDTH - len(indent))
        lines += [f"{indent}{part}" for part in first]
        if not first and len(last) <= width:
            lines.append(f"{indent}{last:{width}}  {cure.effect}")
        else:
            lines += [f"{indent}{last}", f"{indent}{'':{width}}  {cure.effect}"]
    if lines:
        lines[0] = "  What fits:" + lines[0][12:]
    return lines


def _at_commas(text: str, width: int) -> list[str]:
    """A call in lines, cut where it can be pasted all the same.

    >>> _at_commas('x.rechunk({"time": -1, "lat": 240, "lon": 360})', 40)
    ['x.rechunk({"time": -1, "lat": 240,', '"lon": 360})']
    """
    lines = [""]
    for part in re.split(r"(?<=,) ", text):
        longer = f"{lines[-1]} {part}".lstrip()
        lines[-1:] = [longer] if len(longer) <= width or not lines[-1] else [lines[-1], part]
    return lines


def enough_space(planned: Stages, reach: str) -> None:
    """Temporary arrays fit the disk that they are to lie on."""
    if not planned.spills:
        return
    free, directory = free_bytes(planned.folder), os.path.dirname(planned.folder)
    if planned.temporary_bytes > free:
        raise TemporarySpaceError(
            f"temporary arrays of {format_bytes(planned.temporary_bytes)} do not fit {directory}, where "
            f"{format_bytes(free)} are free. "
            'Name a larger disk: temp="/scratch", or lz.config.set(temporary_directory="/scratch"); with more '
            "memory= there may be no need of them"
        )


LAWS = [one_writer, target_is_no_source, stores_in_reach, enough_memory, enough_space]
