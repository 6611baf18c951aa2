"""A plan as text: a table of its stages, and what is worth knowing about them, in lines of 100 characters."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence

from lazyzarr.format.grid import Axis
from lazyzarr.graph.access import leaf_name
from lazyzarr.graph.check import WIDTH, cure_lines
from lazyzarr.graph.cures import Cure, with_less_decoding
from lazyzarr.graph.law import Bound
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.overlap import MapOverlap
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.origins import Place
from lazyzarr.graph.outline import StageFacts, decoded_once, expression, line_of, source_name, target_name
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.stage import Stage
from lazyzarr.graph.temporary import free_bytes
from lazyzarr.settings import format_bytes

__all__ = ["COLUMNS", "heading", "in_one_pass", "notes", "plan_text", "rows"]

COLUMNS = ("", "stage", "tasks", "decode", "amp", "write", "peak", "what it does")
# Words stand to the left in their columns, numbers to the right.
_WORDS = {1, len(COLUMNS) - 1}
_NAME = 1
# What a column of words has at least, however long the names before it are.
_LEAST = 30
_SHORT = len("total")
# Of what takes fewer seconds nobody asks what bounds it.
_AT_ONCE = 1e-3
# How often a stage decodes its chunks when a plan says so in words.
MANY_TIMES = 4
# What is decoded so often is called once.
LITTLE_MORE = 1.01
# Sources that are named, at most.
MOST_NAMES = 4


def plan_text(
    planned: Stages, facts: Sequence[StageFacts], cures: Sequence[Cure], refusal: str, bound: Bound | None
) -> str:
    """The plan as it is printed."""
    lines = [*heading(planned), *_table(rows(planned, facts))]
    lines += [line for note in notes(planned, facts, bound) for line in _wrapped(note)]
    if cures:
        lines += cure_lines(cures)
    elif refusal:
        first, *more = refusal.splitlines()
        lines += [*_wrapped(f"refused: {first}"), *(part for line in more for part in _wrapped(line))]
    return "\n".join(lines)


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(
        note,
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def heading(planned: Stages) -> list[str]:
    """For each output: where it goes, the user's expression, what comes of it, and the line."""
    lines: list[str] = []
    for output in planned.outputs:
        words, place = expression(output.node)
        target = f"{target_name(output.sink.url)} <- " if output.sink else ""
        facts = f"{output.node.shape} {output.node.dtype}, {format_bytes(output.node.nbytes)}"
        whole = "   ".join(filter(None, [f"{target}{words}", facts, str(place or "")]))
        if len(whole) <= WIDTH:
            lines.append(whole)
            continue
        apart = target and len(target) + len(words) > WIDTH
        lines += [target.rstrip(), f"  {words}"] if apart else [f"{target}{words}"]
        lines.append(f"  {facts}   {place or ''}".rstrip())
    return lines


def rows(planned: Stages, facts: Sequence[StageFacts]) -> list[tuple[str, ...]]:
    """The cells of each stage's row, and of the total's."""
    head = planned.outputs[0].node.place if planned.outputs else None
    found = [_row(number, stage, head) for number, stage in enumerate(facts, 1)]
    written = sum(stage.write for stage in facts)
    total = (
        "",
        "total",
        f"{sum(stage.tasks for stage in facts):,}",
        *_sizes(sum(stage.decode for stage in facts), sum(decoded_once(planned.stages).values()), written),
        format_bytes(planned.peak_memory),
        f"of {format_bytes(planned.memory)}, {planned.workers} at once",
    )
    return [*found, total]


def _row(number: int, stage: StageFacts, head: Place | None) -> tuple[str, ...]:
    least = round(stage.decode / stage.amplification)
    line = line_of(stage.place, head)
    what = stage.why or stage.what + (f", {line}" if line else "")
    sizes = _sizes(stage.decode, least, stage.write)
    return (str(number), stage.name, f"{stage.tasks:,}", *sizes, format_bytes(stage.peak), what)


def _sizes(decode: int, least: float, write: int) -> tuple[str, str, str]:
    """Decoded bytes, amplification and written bytes, as words."""
    return (
        format_bytes(decode) if decode else "-",
        f"{decode / least:.2f}" if least else "-",
        format_bytes(write) if write else "-",
    )


def _table(cells: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines, the last column wrapped; names too long for their column have a line of their own."""
    cells = [COLUMNS, *cells]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS) - 1)]
    most = WIDTH - _LEAST - (2 + sum(widths) + 2 * len(widths)) + widths[_NAME]
    widths[_NAME] = max(len(row[_NAME]) for row in cells if len(row[_NAME]) <= max(most, _SHORT))
    indent = " " * (2 + sum(widths) + 2 * len(widths))
    room = max(WIDTH - len(indent), _LEAST)
    lines = []
    for *row, what in cells:
        if len(row[_NAME]) > widths[_NAME]:
            lines.append(f"  {row[0].rjust(widths[0])}  {row[_NAME]}")
            row[: _NAME + 1] = [""] * (_NAME + 1)
        start = "  ".join(
            cell.ljust(w) if i in _WORDS else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        first, *more = textwrap.wrap(what, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"  {start}  {first}".rstrip(), *(indent + line for line in more)]
    return lines


def notes(planned: Stages, facts: Sequence[StageFacts], bound: Bound | None) -> list[str]:
    """What the table does not say."""
    fits = planned.peak_memory <= planned.memory
    found = [planned.workers_why] if planned.workers_why and fits else []
    found += _temporary(planned)
    found += _decoded_again(planned.stages)
    found += _halos(planned.stages)
    found += _over_and_over(planned) if fits else []
    found += in_one_pass(planned)
    found += _ends_within(planned)
    writers = sum(stage.writers for stage in facts)
    if writers:
        first = next(number for number, stage in enumerate(facts, 1) if stage.writers)
        later = f"; nothing is written before stage {first}" if first > 1 else ""
        found.append(f"{_units(planned, writers)} written, one writer each{later}")
    made = [output.node for output in (*planned.outputs, *planned.made)]
    hints = (node.hint for node in walk([*made, *(spill.node for spill in planned.spills)]))
    found += dict.fromkeys(filter(None, hints))
    return [*found, str(bound)] if bound is not None and bound.total > _AT_ONCE else found


def _units(planned: Stages, count: int) -> str:
    """So many write units, by the words for them."""
    sinks = [sink for stage in planned.stages for sink in stage.sinks if sink]
    kinds = sorted({"shard" if sink.sharded else "chunk" for sink in sinks})
    if count == 1:
        return f"one {kinds[0]}"
    return f"{count:,} {' and '.join(f'{kind}s' for kind in kinds)}"


def _temporary(planned: Stages) -> list[str]:
    """Why there are temporary arrays, and the disk that they take."""
    if not planned.spills:
        return []
    needs, free = format_bytes(planned.temporary_bytes), format_bytes(free_bytes(planned.folder))
    return [*planned.spills_why, f"{os.path.dirname(planned.folder)}: needs {needs}, {free} free"]


def in_one_pass(planned: Stages) -> list[str]:
    """A line for several arrays that are written while their sources are decoded once."""
    written = {output.sink.handle.place for output in planned.outputs if output.sink is not None}
    read: dict[ZarrSource, float] = {}
    word = "arrays"
    for stage in planned.stages:
        for reading in stage.readings:
            if not isinstance(reading.leaf, ZarrSource):
                continue
            if reading.leaf.handle.place in written:
                word = "levels"
            else:
                read[reading.leaf] = read.get(reading.leaf, 0) + reading.nbytes / max(reading.least, 1)
    if len(written) < 2 or not read or max(read.values()) > LITTLE_MORE:
        return []
    names = list(dict.fromkeys(map(source_name, read)))
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    tasks = sum(stage.layout.tasks for stage in planned.stages)
    once = f"{', '.join(names[:MOST_NAMES])}{more} decoded once ({max(read.values()):.2f}x)"
    return [f"{len(written)} {word} in one pass: {once}, {tasks:,} task{'s' * (tasks != 1)}"]


def _ends_within(planned: Stages) -> list[str]:
    """A line for each end of a written region that lies within a chunk or shard of the target."""
    found = []
    for output in planned.outputs:
        if output.sink is not None:
            names = output.sink.handle.open().dimension_names or output.node.dims
            ends = zip(names, output.sink.start, output.node.shape, output.sink.axes, strict=True)
            for axis, (name, start, n, cuts) in enumerate(ends):
                for at in _within_units(start, start + n, cuts):
                    low = cuts.start(at)
                    high = min(low + cuts.stored(at), cuts.n)
                    ends_there = [("begins", low < start), ("ends", start + n < high)]
                    words = " and ".join(word for word, is_so in ends_there if is_so)
                    region = f"region {name or f'axis {axis}'} {start}:{start + n}"
                    where = f"{words} inside chunk {at} ({low}:{high})"
                    found.append(f"{region} {where}: read, merged and written by one task")
    return found


def _within_units(start: int, stop: int, cuts: Axis) -> list[int]:
    """The units that an interval begins or ends in the middle of."""
    if start == stop:
        return []
    first, last = cuts.find(start), cuts.find(stop - 1)
    ends = min(cuts.start(last) + cuts.stored(last), cuts.n)
    return list(dict.fromkeys([first] * (cuts.start(first) < start) + [last] * (stop < ends)))


def _halos(stages: Sequence[Stage]) -> list[str]:
    """A line for each halo of a map_overlap, and how often its stage decodes a chunk."""
    found: dict[str, float] = {}
    for stage in stages:
        for halo in filter(None, map(_halo, _made_in(stage))):
            found[halo] = max(found.get(halo, 0), _times(stage))
    why = "a halo is a larger region: no rechunk, neighbours shared inside a task"
    return [f"halo {halo}: decodes {times:.2f}x ({why})" for halo, times in found.items()]


def _made_in(stage: Stage) -> list[Node]:
    """The nodes that a stage's computed blocks are made of; reductions are made in others."""
    computed = [access.leaf for access in stage.accesses if isinstance(access.leaf, Computed)]
    return walk(computed, lambda node: () if isinstance(node, Reduce) else node.inputs)


def _halo(node: Node) -> str:
    """How many elements each block of a map_overlap has around it, axis by axis where they differ; else nothing."""
    if not isinstance(node, MapOverlap) or not any(map(any, node.depth)):
        return ""
    sides = [str(less) if less == more else f"({less}, {more})" for less, more in node.depth]
    if len(set(sides)) == 1:
        return sides[0]
    named = zip(node.dims, range(node.ndim), sides, node.depth, strict=True)
    return ", ".join(f"{name or f'axis {axis}'} {side}" for name, axis, side, depth in named if any(depth))


def _over_and_over(planned: Stages) -> list[str]:
    """A line for the stage that decodes the same chunks many times, and the memory that would spare it, if any."""
    worst = max(planned.stages, key=_times, default=None)
    if worst is None or _times(worst) < MANY_TIMES:
        return []
    cure = with_less_decoding(planned)
    instead = f"; {cure.text} would decode {cure.effect}" if cure is not None else ""
    return [f"{worst.name} decodes each chunk about {_times(worst):,.0f} times{instead}"]


def _times(stage: Stage) -> float:
    return stage.decode / stage.least_decode if stage.least_decode else 1.0


def _decoded_again(stages: Sequence[Stage]) -> list[str]:
    """A line for each source that more than one stage reads."""
    readers: dict[Node, list[Stage]] = {}
    for stage in stages:
        for leaf in dict.fromkeys(reading.leaf for reading in stage.readings):
            readers.setdefault(leaf, []).append(stage)
    return [_again(leaf, found) for leaf, found in readers.items() if len(found) > 1]


def _again(leaf: Node, readers: Sequence[Stage]) -> str:
    times = "twice" if len(readers) == 2 else f"{len(readers)} times"
    names = [stage.name for stage in readers]
    waits = [stage for stage in readers[1:] if any(isinstance(node, Reduce) for node in walk(stage.roots))]
    if not waits:
        return f"{leaf_name(leaf)} is decoded {times}: by {', '.join(names[:-1])} and {names[-1]}"
    return f"{leaf_name(leaf)} is decoded {times}: all of it is in {names[0]} before {waits[0].name} begins"
