"""The plan: stages in the order they run, with their tasks, bytes, memory and writers, before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.stage import (
    Budget,
    Stage,
    make_stage,
    partial_bytes,
    respread,
    split_further,
    with_groups,
    with_read_ahead,
)
from lazyzarr.settings import SMALL_CHUNK, format_bytes

__all__ = ["BASE", "Budget", "Output", "Stages", "plan_stages"]

# What a run needs besides what is counted: task objects, small buffers, the allocator's leftovers.
BASE = 32_000_000


@dataclass(frozen=True)
class Output:
    """A node whose values are wanted, and where they are to be written, if anywhere."""

    node: Node
    sink: Sink | None = None


@dataclass(frozen=True)
class Stages:
    """Stages for a budget and a number of workers, whether or not they fit."""

    outputs: tuple[Output, ...]
    stages: tuple[Stage, ...]
    workers: int
    memory: int
    asked: Budget
    """What it was planned for; `workers` may be fewer."""
    workers_why: str = ""

    @property
    def results(self) -> int:
        """Bytes of all answers, and of reductions that later stages read (R)."""
        answers = sum(output.node.nbytes for output in self.outputs if output.sink is None)
        inner = {reduce for stage in self.stages for reduce in stage.reduces} - {
            output.node for output in self.outputs
        }
        return answers + sum(node.nbytes for node in inner)

    def peak(self, stage: Stage) -> int:
        """Bytes in use while a stage runs: R + H + W * (D + C + G + A + S) + the base."""
        at_once = min(self.workers, stage.layout.tasks)
        return (
            self.results
            + partial_bytes(stage.reduces, stage.layout.numblocks)
            + at_once * stage.memory.task
            + BASE
        )

    @property
    def peak_memory(self) -> int:
        """Bytes in use at the most."""
        return max((self.peak(stage) for stage in self.stages), default=self.results + BASE)


def plan_stages(outputs: Sequence[Output], budget: Budget) -> Stages:
    """The stages of the outputs, in blocks that fit the budget where they can."""
    asked = budget
    groups = [*_reduce_groups(outputs), *_map_groups(outputs)]
    stages = [make_stage(kind, roots, reduces, sinks, budget) for kind, roots, reduces, sinks in groups]
    why = ""
    if budget.fewer_if_tiny and budget.workers > 1 and _tiny_chunks(stages):
        budget = dataclasses.replace(budget, workers=1)
        stages = [respread(stage, budget) for stage in stages]
        small = format_bytes(SMALL_CHUNK)
        why = f"1 thread: chunks are smaller than {small}, where a second one only waits for the first"
    return _fit(Stages(tuple(outputs), tuple(stages), budget.workers, budget.memory, asked, why))


Group = tuple[str, tuple[Node, ...], tuple[Reduce, ...], tuple[Sink | None, ...]]


def _reduce_groups(outputs: Sequence[Output]) -> list[Group]:
    """Reductions that can share a pass, in the order in which they can run: the same depth and domain."""
    level: dict[Node, int] = {}
    groups: dict[tuple[int, tuple[int, ...]], list[Reduce]] = {}
    for node in walk([output.node for output in outputs]):
        level[node] = max((level[source] for source in node.inputs), default=0)
        if isinstance(node, Reduce):
            groups.setdefault((level[node], node.operand.shape), []).append(node)
            level[node] += 1
    result: list[Group] = []
    for key in sorted(groups, key=lambda key: key[0]):
        reduces = tuple(groups[key])
        roots = tuple(dict.fromkeys(reduce.operand for reduce in reduces))
        result.append(("reduce", roots, reduces, ()))
    return result


def _map_groups(outputs: Sequence[Output]) -> list[Group]:
    """Outputs that can share a pass: the same shape, written in the same units."""
    groups: dict[object, list[Output]] = {}
    for output in outputs:
        if output.sink is None and isinstance(output.node, Reduce):
            continue  # its stage gives the answer itself
        sink = output.sink
        key = (output.node.shape, (sink.unit, sink.edges, sink.start) if sink else None)
        groups.setdefault(key, []).append(output)
    return [
        ("map", tuple(o.node for o in group), (), tuple(o.sink for o in group))
        for group in (_without_twins(group) for group in groups.values())
    ]


def _without_twins(group: list[Output]) -> list[Output]:
    """Outputs without the second of two that ask the same answer."""
    return list(dict.fromkeys(group))


def _tiny_chunks(stages: Sequence[Stage]) -> bool:
    """Whether decoding is most of the work, and is done in pieces too small for a second thread."""
    if any(stage.write for stage in stages):
        return False
    sizes = [access.chunk_nbytes for stage in stages for access in stage.accesses if access.decodes]
    return bool(sizes) and max(sizes) < SMALL_CHUNK


def _fit(planned: Stages) -> Stages:
    """The plan with smaller blocks and then fewer workers, until it fits or cannot be made smaller."""
    stages = tuple(_smaller_until(planned, stage) for stage in planned.stages)
    planned = dataclasses.replace(planned, stages=stages)
    while planned.peak_memory > planned.memory and planned.workers > 1:
        planned = dataclasses.replace(
            planned,
            workers=planned.workers - 1,
            workers_why=f"{planned.workers - 1} at once: more would not fit the memory",
        )
    return dataclasses.replace(planned, stages=tuple(_ahead(planned, stage) for stage in planned.stages))


def _ahead(planned: Stages, stage: Stage) -> Stage:
    """The stage reading ahead in slow stores, with the memory that the plan leaves over."""
    at_once = max(1, min(planned.workers, stage.layout.tasks))
    return with_read_ahead(stage, max(0, planned.memory - planned.peak(stage)) // at_once, at_once)


def _smaller_until(planned: Stages, stage: Stage) -> Stage:
    """The stage in smaller blocks, as long as that makes its peak smaller and it does not fit."""
    best = stage
    while planned.peak(stage) > planned.memory:
        groups = split_further(stage, stage.groups)
        if groups is None:
            break
        stage = with_groups(stage, groups)
        best = min(best, stage, key=planned.peak)
    return stage if planned.peak(stage) <= planned.memory else best
