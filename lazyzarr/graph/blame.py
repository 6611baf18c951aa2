"""Blame: what takes most of the memory of a step, in the words of the user's program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lazyzarr.graph.access import leaf_name, read_bytes_bound
from lazyzarr.graph.layout import Access
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.views import Rechunk
from lazyzarr.graph.origins import Place
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.stage import Stage, partial_bytes
from lazyzarr.settings import format_bytes

__all__ = ["Holding", "accusation", "blame", "called", "holdings", "nearby"]


class Holding(NamedTuple):
    """Memory that a stage holds for one reason."""

    nbytes: int
    kind: str
    """results, states, chunks, blocks, values, or unit."""
    node: Node | None
    words: str


def blame(planned: Stages, stage: Stage) -> Holding:
    """The largest holding of a stage."""
    return max(holdings(planned, stage), key=lambda holding: holding.nbytes)


def accusation(planned: Stages, stage: Stage) -> str:
    """What does not fit: the step by its name, the user's line, and what takes the memory."""
    holding = blame(planned, stage)
    makers: Sequence[Node] = stage.reduces or stage.roots
    place = next((place for node in makers if (place := node.place) is not None), None)
    told = place is None or str(place) in holding.words
    return f"{stage.name}{'' if told else f', {place}'}: {holding.words}"


def holdings(planned: Stages, stage: Stage) -> Iterator[Holding]:
    """What a stage holds while it runs, over all tasks at once."""
    at_once, part = planned.at_once(stage), stage.memory
    yield _results(planned)
    states = partial_bytes(stage.reduces, stage.layout.numblocks)
    label = ", ".join(dict.fromkeys(reduce.label for reduce in stage.reduces))
    yield Holding(states, "states", None, f"the states of {label} that tasks hand on take {_size(states)}")
    functions = list(_by_function(stage, at_once))
    yield from functions
    for access, kept in zip(stage.accesses, stage.capacities, strict=False):
        if access.decodes and not isinstance(access.leaf, MapBlocks):
            yield _kept(access, kept, at_once)
    inside = sum(
        holding.nbytes if holding.node in stage.inline else at_once * holding.node.working_bytes
        for holding in functions
        if isinstance(holding.node, MapBlocks)
    )
    values = at_once * (part.registers + part.accumulators) - inside
    yield Holding(values, "values", None, f"values between the chunks and the result take {_size(values)}")
    unit = at_once * part.unit
    targets = ", ".join(f"{sink.url.removeprefix('file://')} {sink.unit}" for sink in stage.sinks if sink)
    yield Holding(unit, "unit", None, f"chunks or shards on their way to {targets} take {_size(unit)}")


def _results(planned: Stages) -> Holding:
    nodes = [output.node for output in planned.outputs if output.sink is None]
    largest = max(nodes, key=lambda node: node.nbytes, default=None)
    size = _size(planned.results)
    if largest is None or largest.nbytes < planned.results // 2:
        return Holding(planned.results, "results", None, f"the results take {size} and stay in memory")
    words = f"the result, {largest.shape} {largest.dtype}, is {_size(largest.nbytes)} and stays in memory"
    return Holding(planned.results, "results", largest, words)


def _by_function(stage: Stage, at_once: int) -> Iterator[Holding]:
    """The chunks that users' functions see and give."""
    leaves = {access.leaf: kept for access, kept in zip(stage.accesses, stage.capacities, strict=False)}
    for node in dict.fromkeys([*leaves, *stage.inline]):
        if isinstance(node, MapBlocks):
            given = sum(_chunk_bytes(source) for source in node.inputs)
            made = _chunk_bytes(node) * leaves.get(node, 1)
            seen = max((_largest(source) for source in node.inputs), key=math.prod)
            words = (
                f"{called(node)} sees chunks of {seen}{_made_by(node)}: {_size(given)} in, {_size(made)} out"
            )
            yield Holding(at_once * (given + made + node.working_bytes), "blocks", node, words)


def called(node: Node) -> str:
    """A node as its user would name it: the operation and the line."""
    name = f"map_blocks({node.label})" if isinstance(node, MapBlocks) else node.label
    return f"{name}, {node.place}," if node.place else name


def _made_by(node: Node) -> str:
    """Which rechunk of the user's gave a function its chunks."""
    for source in node.inputs:
        place = source.place
        if isinstance(source, Rechunk) and place is not None and place.text and place != node.place:
            return f", made by {place.text}, {nearby(place, node.place)}"
    return ""


def nearby(place: Place, other: Place | None) -> str:
    """A line, without the file where it is the same as another's."""
    return f"line {place.line}" if other is not None and place.file == other.file else str(place)


def _kept(access: Access, kept: int, at_once: int) -> Holding:
    """Chunks of a source, and the one that is being decoded; or blocks of a computed node."""
    leaf, held = access.leaf, kept * at_once
    each = f"{_largest_of(access)}, {_size(access.chunk_nbytes)} each"
    nbytes = held * access.chunk_nbytes + at_once * read_bytes_bound(access)
    if isinstance(leaf, Computed):
        return Holding(nbytes, "blocks", leaf, f"{called(leaf)} is made in blocks of {each}, {held} at once")
    name = leaf.label if isinstance(leaf, Reduce) else leaf_name(leaf)
    return Holding(nbytes, "chunks", leaf, f"{name} has chunks of {each}, {held} in use at once")


def _largest_of(access: Access) -> tuple[int, ...]:
    return tuple(int(np.diff(cuts).max(initial=0)) for cuts in access.grid)


def _largest(node: Node) -> tuple[int, ...]:
    return tuple(max(sizes, default=0) for sizes in node.chunks)


def _chunk_bytes(node: Node) -> int:
    return math.prod(_largest(node)) * node.dtype.itemsize


def _size(nbytes: float) -> str:
    return format_bytes(nbytes)
