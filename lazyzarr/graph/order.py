"""The order of stages: what shares a pass, and what has to be there before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.temporary import Spill

__all__ = ["Group", "Output", "groups"]


@dataclass(frozen=True)
class Output:
    """A node whose values are wanted, and where they are to be written, if anywhere."""

    node: Node
    sink: Sink | None = None


class Group(NamedTuple):
    """What one stage does."""

    kind: str
    roots: tuple[Node, ...]
    reduces: tuple[Reduce, ...]
    sinks: tuple[Sink | None, ...]


def groups(outputs: Sequence[Output], spills: Sequence[Spill]) -> list[Group]:
    """What the stages do, in the order in which they can run: each finds what it reads when it begins."""
    return [*_needed_groups(outputs, spills), *_map_groups(outputs)]


def _needed_groups(outputs: Sequence[Output], spills: Sequence[Spill]) -> list[Group]:
    """Reductions and temporary arrays that can share a pass: the same depth and domain, the same units."""
    by_source: dict[Node, Spill] = {spill.source: spill for spill in spills}
    level: dict[Node, int] = {}
    reduces: dict[tuple[int, tuple[int, ...]], list[Reduce]] = {}
    written: dict[tuple[int, tuple[int, ...], tuple[int, ...]], list[Spill]] = {}
    inputs = _inputs(by_source)
    for node in walk([output.node for output in outputs], inputs):
        level[node] = max((level[source] for source in inputs(node)), default=0)
        if isinstance(node, Reduce):
            reduces.setdefault((level[node], node.operand.shape), []).append(node)
            level[node] += 1
        elif node in by_source:
            spill = by_source[node]
            written.setdefault((level[node], node.shape, spill.sink.unit), []).append(spill)
            level[node] += 1
    found = [(key[0], _reduce_group(group)) for key, group in reduces.items()]
    found += [(key[0], _spill_group(group)) for key, group in written.items()]
    return [group for _, group in sorted(found, key=lambda each: each[0])]


def _inputs(by_source: dict[Node, Spill]) -> Callable[[Node], Sequence[Node]]:
    """What has to be there before a node: of a temporary array what is written to it."""
    return lambda node: (by_source[node].node,) if node in by_source else node.inputs


def _reduce_group(reduces: Sequence[Reduce]) -> Group:
    roots = tuple(dict.fromkeys(reduce.operand for reduce in reduces))
    return Group("reduce", roots, tuple(reduces), ())


def _spill_group(spills: Sequence[Spill]) -> Group:
    return Group("spill", tuple(s.node for s in spills), (), tuple(s.sink for s in spills))


def _map_groups(outputs: Sequence[Output]) -> list[Group]:
    """Outputs that can share a pass: the same shape, written in the same units."""
    found: dict[object, list[Output]] = {}
    for output in outputs:
        if output.sink is None and isinstance(output.node, Reduce):
            continue  # its stage gives the answer itself
        sink = output.sink
        key = (output.node.shape, (sink.unit, sink.edges, sink.start) if sink else None)
        found.setdefault(key, []).append(output)
    return [
        Group("map", tuple(o.node for o in group), (), tuple(o.sink for o in group))
        for group in (_without_twins(group) for group in found.values())
    ]


def _without_twins(group: list[Output]) -> list[Output]:
    """Outputs without the second of two that ask the same answer."""
    return list(dict.fromkeys(group))
