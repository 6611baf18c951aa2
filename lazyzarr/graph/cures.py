"""Cures: changes that make a plan fit its memory, each of them planned before it is named."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import LazyzarrError, UnknownDataTypeError
from lazyzarr.format.resolve import folder_store
from lazyzarr.graph.blame import Holding, blame
from lazyzarr.graph.chunking import normalize_chunks
from lazyzarr.graph.node import Node, make, walk
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.views import Rechunk, rechunk
from lazyzarr.graph.plan import Output, Stages, plan_stages
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.targets import TargetOptions, new_target, stored_type
from lazyzarr.settings import available_memory, format_bytes, parse_bytes

__all__ = ["Cure", "decoded", "find_cures", "with_less_decoding"]

# How often chunks are halved before it is given up.
MOST_HALVINGS = 40
# How often the range is halved in which a budget is looked for.
HALVINGS = 2


class Cure(NamedTuple):
    """A change to the user's program after which the plan fits."""

    text: str
    effect: str


def find_cures(planned: Stages, reach: str) -> list[Cure]:
    """What would fit, the best first: each was planned and does."""
    worst = max(planned.stages, key=planned.peak, default=None)
    found: list[Cure] = []
    if worst is not None and planned.chunks_fit:
        holding = blame(planned, worst)
        for cure in _CURES.get(holding.kind, ()):
            found.extend(cure(planned, holding))
    if not found or planned.results > planned.memory // 4:
        found.extend(_stored_instead(planned))
    found.extend(_alone(planned))
    found.extend(_more_memory(planned, reach))
    return list(dict.fromkeys(found))


def decoded(planned: Stages) -> int:
    """Bytes that a plan decodes, at most."""
    return sum(stage.decode for stage in planned.stages)


def with_less_decoding(planned: Stages) -> Cure | None:
    """A budget with which half as much is decoded, or less; None where eight times the memory is none."""
    for times in (2, 4, 8):
        text = _rounded_up(times * planned.memory)
        again = plan_stages(planned.outputs, dataclasses.replace(planned.asked, memory=parse_bytes(text)))
        if _fits(again) and 2 * decoded(again) <= decoded(planned):
            return Cure(f'memory="{text}"', f"{format_bytes(decoded(again))}, {_effect(again)}")
    return None


def _fits(planned: Stages) -> bool:
    return planned.peak_memory <= planned.memory


def _again(planned: Stages, outputs: Sequence[Output]) -> Stages | None:
    """The plan of other outputs within the same budget, or None where they do not plan."""
    try:
        return plan_stages(outputs, planned.asked)
    except (LazyzarrError, ValueError, MemoryError):
        return None


def _effect(planned: Stages) -> str:
    count = len(planned.stages)
    stages = "one stage" if count == 1 else "two stages" if count == 2 else f"{count} stages"
    return f"peak {format_bytes(planned.peak_memory)}, {stages}"


def _name(node: Node, default: str) -> str:
    """The variable that holds a node in the user's program."""
    place = node.place
    return place.name if place is not None and place.name else default


def _more_memory(planned: Stages, reach: str) -> Iterator[Cure]:
    """The budget that is enough."""
    text = _with_temporary_arrays(planned) or _without_temporary_arrays(planned)
    if text:
        yield Cure(f'memory="{text}"', _free(parse_bytes(text), reach))


def _with_temporary_arrays(planned: Stages) -> str:
    """A budget far below the plan's peak that is enough with temporary arrays, to a quarter; empty where none is."""
    least = most = planned.memory
    while True:
        most *= 2
        if not planned.asked.folder or most >= planned.peak_memory:
            return ""
        if _fits_within(planned, most):
            break
        least = most
    for _ in range(HALVINGS):
        middle = (least + most) // 2
        least, most = (least, middle) if _fits_within(planned, middle) else (middle, most)
    return _rounded_up(most)


def _without_temporary_arrays(planned: Stages) -> str:
    """A budget of about the plan's peak that is enough; empty where none is found."""
    wanted = planned.peak_memory
    for _ in range(5):
        text = _rounded_up(wanted)
        # What fits without temporary arrays does with them, and is found sooner.
        budget = dataclasses.replace(planned.asked, memory=parse_bytes(text), folder="")
        again = plan_stages(planned.outputs, budget)
        if _fits(again):
            return text
        wanted = max(again.peak_memory, wanted + wanted // 8)
    return ""


def _fits_within(planned: Stages, memory: int) -> bool:
    """Whether a plan of the same outputs fits a budget."""
    budget = dataclasses.replace(planned.asked, memory=parse_bytes(_rounded_up(memory)))
    return _fits(plan_stages(planned.outputs, budget))


def _free(nbytes: int, reach: str) -> str:
    """What this machine has of the memory that is wanted."""
    if reach != "thread":
        return "for each worker"
    free = available_memory()
    size = format_bytes(free)
    return f"{size} are free here" if free >= nbytes else f"more than the {size} that are free here"


def _rounded_up(nbytes: int) -> str:
    """A size in words with three digits, which is no less.

    >>> _rounded_up(12_160_000_001), _rounded_up(45_000_000)
    ('12.2GB', '45MB')
    """
    unit, scale = next((unit, scale) for unit, scale in _SCALES if nbytes >= scale)
    tenths = math.ceil(nbytes * 10 / scale)
    return f"{tenths // 10}{unit}" if tenths % 10 == 0 else f"{tenths / 10:.1f}{unit}"


_SCALES = [("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1)]


def _stored_instead(planned: Stages) -> Iterator[Cure]:
    """A result that is written, instead of held in memory."""
    if len(planned.outputs) != 1 or planned.outputs[0].sink is not None:
        return
    node = planned.outputs[0].node
    # Of Python objects nobody knows yet how they are stored: the different values of an array, before they are found.
    if stored_type(node) == np.dtype(object):
        return
    try:
        target = new_target(node, folder_store(os.getcwd()), "result", _DEFAULTS)
    except UnknownDataTypeError:  # longdouble, which can be computed and not stored
        return
    again = _again(planned, [Output(node, target.planned())])
    if again is not None and _fits(again):
        name = _name(node, "y")
        yield Cure(f"{name}.to_zarr(...) instead of {name}.compute()", _effect(again))


_DEFAULTS = TargetOptions("keep", None, "auto", "auto", "auto", None, None, None, None, "w-")


def _alone(planned: Stages) -> Iterator[Cure]:
    """Several answers one after the other."""
    if len(planned.outputs) < 2:
        return
    each = [_again(planned, [output]) for output in planned.outputs]
    if all(again is not None and _fits(again) for again in each):
        most = max(again.peak_memory for again in each if again is not None)
        yield Cure("one call for each of the results", f"peak {format_bytes(most)}")


def _smaller_chunks(planned: Stages, holding: Holding) -> Iterator[Cure]:
    """A user's function given smaller chunks, whole along the axis that was made whole for it."""
    node = holding.node
    if not isinstance(node, MapBlocks) or not _may_be_cut(planned, node):
        return
    source = node.inputs[0]
    base = source.inputs[0] if isinstance(source, Rechunk) else source
    for kept in _axes_to_keep(source, base):
        lengths = [max(sizes, default=1) for sizes in source.chunks]
        for _ in range(MOST_HALVINGS):
            axis = max((axis for axis in range(len(lengths)) if axis not in kept), key=lengths.__getitem__)
            if lengths[axis] == 1:
                break
            lengths[axis] = -(-lengths[axis] // 2)
            if math.prod(lengths) * (node.dtype.itemsize + source.dtype.itemsize) > planned.memory:
                continue
            outputs = _with_chunks(planned.outputs, node, lengths)
            for changed, kept_too in _with_kept_chunks(planned.outputs, outputs):
                again = _again(planned, changed)
                if again is not None and _fits(again):
                    yield Cure(_rechunk_text(base, kept, lengths) + kept_too, _effect(again))
                    return


def _may_be_cut(planned: Stages, node: MapBlocks) -> bool:
    """Whether a function can be called with other chunks without another meaning of what is done with its results."""
    first = node.inputs[0]
    alike = all(source.chunks == first.chunks for source in node.inputs)
    above: set[Node] = {node}
    for other in walk([output.node for output in planned.outputs]):
        if not above.isdisjoint(other.inputs):
            above.add(other)
    blocks = any(isinstance(other, Computed) for other in above - {node})
    return alike and node.chunks == first.chunks and node.ndim > 0 and not blocks


def _axes_to_keep(source: Node, base: Node) -> list[frozenset[int]]:
    """Sets of axes that may have to stay whole: those that a rechunk joined; each of them, where it joined all."""
    whole = {axis for axis, sizes in enumerate(source.chunks) if len(sizes) == 1}
    joined = frozenset(axis for axis in whole if len(base.chunks[axis]) > 1)
    if len(joined) < source.ndim and joined:
        return [joined]
    return [frozenset([axis]) for axis in sorted(whole)] if source.ndim > 1 else []


def _with_chunks(outputs: Sequence[Output], node: MapBlocks, lengths: Sequence[int]) -> list[Output]:
    """The outputs with a function called on chunks of other lengths."""
    source = node.inputs[0]
    grid = normalize_chunks(tuple(lengths), source.shape, source.dtype.itemsize, source.dims, source.chunks)
    inputs = tuple(
        rechunk(each.inputs[0] if isinstance(each, Rechunk) else each, grid) for each in node.inputs
    )
    function, operands, keywords, dtype, _, wants = node.params
    made: dict[Node, Node] = {
        node: make(MapBlocks, inputs, (function, operands, keywords, dtype, grid, wants), node.origin)
    }
    for other in walk([output.node for output in outputs]):
        if other not in made:
            changed = tuple(made[each] for each in other.inputs)
            made[other] = (
                other if changed == other.inputs else make(type(other), changed, other.params, other.origin)
            )
    return [Output(made[output.node], output.sink) for output in outputs]


def _with_kept_chunks(
    before: Sequence[Output], after: Sequence[Output]
) -> Iterator[tuple[Sequence[Output], str]]:
    """The changed outputs as they are; and with new arrays that have their chunks, where they had those of before."""
    yield after, ""
    kept = [
        Output(new.node, _cut(new.sink, _largest(new.node)) if _keeps_chunks(old) else new.sink)
        for old, new in zip(before, after, strict=True)
    ]
    if kept != list(after):
        yield kept, ', chunks="keep"'


def _keeps_chunks(output: Output) -> bool:
    sink = output.sink
    return sink is not None and sink.staged and sink.edges is None and sink.unit == _largest(output.node)


def _largest(node: Node) -> tuple[int, ...]:
    return tuple(max(sizes, default=1) for sizes in node.chunks)


def _rechunk_text(base: Node, kept: frozenset[int], lengths: Sequence[int]) -> str:
    """The call that makes these chunks, with dimension names where all axes have one."""
    named = all(base.dims)
    keys: list[Any] = list(base.dims) if named else list(range(base.ndim))
    entries = [
        f'"{key}": {-1 if axis in kept else n}' if named else f"{key}: {-1 if axis in kept else n}"
        for axis, (key, n) in enumerate(zip(keys, lengths, strict=True))
    ]
    return f"{_name(base, 'x')}.rechunk({{{', '.join(entries)}}})"


def _smaller_units(planned: Stages, holding: Holding) -> Iterator[Cure]:
    """A new array with smaller chunks or shards."""
    sinks = [output.sink for output in planned.outputs if output.sink is not None]
    if len(sinks) != 1 or not sinks[0].staged or sinks[0].edges is not None:
        return
    (sink,) = sinks
    array = sink.handle.open()
    inner = array.chunks if array.shards else (1,) * len(sink.unit)
    counts = [n // m for n, m in zip(sink.unit, inner, strict=True)]
    for _ in range(MOST_HALVINGS):
        axis = max(range(len(counts)), key=lambda axis: counts[axis] * inner[axis] * (counts[axis] > 1))
        if counts[axis] == 1:
            return
        counts[axis] = -(-counts[axis] // 2)
        unit = tuple(n * m for n, m in zip(counts, inner, strict=True))
        again = _again(planned, [Output(o.node, _cut(o.sink, unit)) for o in planned.outputs])
        if again is not None and _fits(again):
            yield Cure(f"{'shards' if array.shards else 'chunks'}={unit}", _effect(again))
            return


def _cut(sink: Sink | None, unit: tuple[int, ...]) -> Sink | None:
    return None if sink is None else dataclasses.replace(sink, unit=unit)


_CURES = {"blocks": (_smaller_chunks,), "unit": (_smaller_units,)}
