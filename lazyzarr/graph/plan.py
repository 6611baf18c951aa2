"""The plan: stages in the order they run, with their tasks, bytes, memory and writers, before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from lazyzarr.graph.draft import draft_stage
from lazyzarr.graph.exchange import Cut, proposals, work
from lazyzarr.graph.in_flight import with_read_ahead
from lazyzarr.graph.layout import Access
from lazyzarr.graph.node import substitute
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.order import Output, groups
from lazyzarr.graph.reading import below
from lazyzarr.graph.spreading import (
    PARTIAL_SHARE,
    keeping_less,
    split_further,
    spread,
    with_groups,
    with_smallest_blocks,
)
from lazyzarr.graph.stack import least_shared
from lazyzarr.graph.stage import Budget, Stage, partial_bytes
from lazyzarr.graph.temporary import Spill, make_spill
from lazyzarr.settings import format_bytes

__all__ = ["BASE", "Budget", "Output", "Stages", "handed_on", "plan_stages"]

# What a run needs besides what is counted: task objects, small buffers, the allocator's leftovers.
BASE = 32_000_000
# Temporary arrays put into a plan, at most: each is tried with all that is planned before it.
MOST_EXCHANGES = 12
# A temporary array has to save this much: the disk it is written to may be slower than what is decoded.
WORTH_IT = 0.75
# What is decoded more often than this is said to be.
LEAST_TIMES = 1.1
# Costs that differ less are alike: the last of even parts may hold a little of nothing.
NEAR = 1.05


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
    made: tuple[Output, ...] = ()
    """The outputs as they are made: read from temporary arrays where stages write some."""
    spills: tuple[Spill, ...] = ()
    """The temporary arrays."""
    folder: str = ""
    """The folder that they lie in."""
    spills_why: tuple[str, ...] = ()
    """Why they are there."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "made", self.made or self.outputs)

    @property
    def temporary_bytes(self) -> int:
        """Bytes that temporary arrays take on disk."""
        return sum(spill.nbytes for spill in self.spills)

    @property
    def answers(self) -> int:
        """Bytes of all answers."""
        return sum(output.node.nbytes for output in self.outputs if output.sink is None)

    @property
    def results(self) -> int:
        """Bytes of all answers, and of reductions that later stages read (R)."""
        reduced = {reduce for stage in self.stages for reduce in stage.reduces}
        spread = [o.node.nbytes for o in self.made if o.sink is None and o.node not in reduced]
        return -(-sum(spread) // self.asked.holders) + sum(node.nbytes for node in reduced)

    def at_once(self, stage: Stage) -> int:
        """Tasks of a stage at once that share the memory (W)."""
        return min(self.asked.sharing or self.workers, stage.layout.tasks)

    def peak(self, stage: Stage) -> int:
        """Bytes in use while a stage runs: R + H + W * (D + C + G + A + S) + the base."""
        return (
            self.results
            + partial_bytes(stage.reduces, stage.layout.numblocks)
            + self.at_once(stage) * (stage.memory.task + self.asked.copies * handed_on(stage))
            + BASE
        )

    def can_fit(self, stage: Stage) -> bool:
        """Whether there may be blocks in which a stage fits; it is alone then, but for what shares its worker."""
        at_once = self.at_once(stage) if self.asked.sharing else 1
        return self.results + at_once * stage.least_task + BASE <= self.memory

    @property
    def chunks_fit(self) -> bool:
        """Whether one chunk of each source fits: if not, neither other blocks nor temporary arrays help."""
        most = max((stage.least_read for stage in self.stages), default=0)
        return self.answers // self.asked.holders + most + BASE <= self.memory

    @property
    def peak_memory(self) -> int:
        """Bytes in use at the most."""
        return max((self.peak(stage) for stage in self.stages), default=self.results + BASE)


def handed_on(stage: Stage) -> int:
    """Bytes of the values that a task of a stage gives, at most."""
    if stage.kind == "reduce":
        return stage.memory.accumulators // 2
    block = stage.layout.largest(stage.layout.blocks)
    return sum(
        block * root.dtype.itemsize
        for root, sink in zip(stage.roots, stage.sinks, strict=True)
        if sink is None
    )


def plan_stages(outputs: Sequence[Output], budget: Budget) -> Stages:
    """The stages of the outputs, in blocks that fit the budget where they can.

    Where a stage does not fit, or decodes its sources again and again, and the budget names a folder,
    it is tried with temporary arrays before it.
    """
    first = planned = _planned(Stages(tuple(outputs), (), budget.workers, budget.memory, budget), budget)
    for _ in range(MOST_EXCHANGES if budget.folder and first.chunks_fit else 0):
        better = _exchanged(planned, budget)
        if better is None:
            break
        planned = better
    return planned if planned.peak_memory <= planned.memory else first


def _planned(draft: Stages, budget: Budget) -> Stages:
    """The draft with the stages of its outputs and temporary arrays."""
    made = groups(draft.made, draft.spills)
    if any(sink for *_, sinks in made for sink in sinks):
        budget = dataclasses.replace(budget, fewer_if_tiny=False)
    stages = [draft_stage(*group, budget) for group in made]
    why = ""
    if budget.fewer_if_tiny and budget.workers > 1 and (tiny := _tiny_chunks(stages)):
        budget = dataclasses.replace(budget, workers=1)
        why = f"1 thread: chunks are smaller than {format_bytes(tiny)}, where a second one only waits for the first"
    return _fit(
        dataclasses.replace(
            draft,
            stages=tuple(spread(stage, budget) for stage in stages),
            workers=budget.workers,
            workers_why=why,
            folder=budget.folder,
        )
    )


def _exchanged(planned: Stages, budget: Budget) -> Stages | None:
    """The plan with temporary arrays before one of its stages, where that is better; else None."""
    tiny = planned.workers_why.startswith("1 thread")
    at_once = planned.workers if tiny else budget.workers
    room = max(0, planned.memory - planned.results - BASE)
    for stage in planned.stages:
        fits = planned.peak(stage) <= planned.memory and planned.workers == at_once
        # Where tasks at once have too little, one at a time may have enough.
        cuts = [cut for part in dict.fromkeys((at_once, 1)) for cut in proposals(stage, room // part, fits)]
        tried = [_planned(_changed(planned, cut), budget) for cut in cuts]
        best = _first_of_the_best(tried)
        if best is not None and _is_better(best, planned):
            why = (_why(planned, stage, best),) if len(best.spills) > len(planned.spills) else ()
            return dataclasses.replace(best, spills_why=(*planned.spills_why, *why))
    return None


def _why(planned: Stages, stage: Stage, better: Stages) -> str:
    """Why a stage is given temporary arrays to read."""
    more = len(better.stages) - len(planned.stages) + 1
    stages = {2: "two stages", 3: "three stages"}.get(more, f"{more} stages")
    if planned.peak(stage) > planned.memory:
        return f"{stages}, because {stage.name} alone would need {format_bytes(planned.peak(stage))}"
    nbytes = work(stage) - stage.write
    times = nbytes / max(stage.least_work, 1)
    if times < LEAST_TIMES:
        return f"{stages}, because in one only {planned.workers} at once would fit the memory"
    return f"{stages}, because in one each source chunk would be decoded {times:.1f} times ({format_bytes(nbytes)})"


def _changed(planned: Stages, cut: Cut) -> Stages:
    """The draft of a plan in which other nodes, and temporary arrays, take the place of some."""
    first = len(planned.spills)
    new = [
        make_spill(node, chunks, planned.folder, first + i)
        for i, (node, chunks) in enumerate(cut.spills.items())
    ]
    nodes = substitute([o.node for o in planned.made] + [s.node for s in planned.spills], cut.others)
    nodes = substitute(nodes, {spill.node: spill.source for spill in new})
    outputs = [Output(node, o.sink) for node, o in zip(nodes, planned.made, strict=False)]
    old = [
        dataclasses.replace(spill, node=node)
        for node, spill in zip(nodes[len(outputs) :], planned.spills, strict=True)
    ]
    return dataclasses.replace(planned, made=tuple(outputs), spills=(*old, *new))


def _rank(planned: Stages) -> tuple[int, float]:
    """What is better: first that little is over the budget, then that each worker decodes and writes little."""
    over = sum(max(0, planned.peak(stage) - planned.memory) for stage in planned.stages)
    return over, sum(
        work(stage) / max(1, min(planned.workers, stage.layout.tasks)) for stage in planned.stages
    )


def _first_of_the_best(tried: Sequence[Stages]) -> Stages | None:
    """The plan that ranks first; of those that cost nearly as little the one that was proposed first."""
    ranks = [_rank(planned) for planned in tried]
    over, cost = min(ranks, default=(0, 0.0))
    near = (each for each, rank in zip(tried, ranks, strict=True) if rank <= (over, NEAR * cost))
    return next(near, None)


def _is_better(new: Stages, old: Stages) -> bool:
    """Whether a plan is better by more than estimates are wrong."""
    (over, cost), (over_before, cost_before) = _rank(new), _rank(old)
    return over < over_before or (over == over_before and cost < WORTH_IT * cost_before)


def _tiny_chunks(stages: Sequence[Stage]) -> int:
    """The size from which on a second thread pays, where what is decoded at once is smaller; else 0."""
    found = [
        (nbytes, least_shared(levels[-1]))
        for stage in stages
        for access, levels in zip(stage.accesses, stage.inside, strict=True)
        for nbytes in _decoded_at_once(access)
    ]
    tiny = all(nbytes < least for nbytes, least in found)
    return max((least for _, least in found), default=0) if tiny else 0


def _decoded_at_once(access: Access) -> list[int]:
    """Bytes of a chunk of each source that an access makes a task decode."""
    if isinstance(access.leaf, Computed):
        return [reading.chunk_nbytes for reading in below(access.leaf)]
    return [access.chunk_nbytes] if access.decodes else []


def _fit(planned: Stages) -> Stages:
    """The plan with smaller blocks and then fewer workers, until it fits or cannot be made smaller."""
    stages = tuple(_fitting(planned, stage) for stage in planned.stages)
    planned = dataclasses.replace(planned, stages=stages)
    # How many tasks a cluster's worker runs at once is its own affair.
    while planned.asked.sharing is None and planned.peak_memory > planned.memory and planned.workers > 1:
        planned = dataclasses.replace(
            planned,
            workers=planned.workers - 1,
            workers_why=f"{planned.workers - 1} at once: more would not fit the memory",
        )
    return dataclasses.replace(planned, stages=tuple(_ahead(planned, stage) for stage in planned.stages))


def _ahead(planned: Stages, stage: Stage) -> Stage:
    """The stage reading ahead in slow stores, with the memory that the plan leaves over."""
    at_once = max(1, planned.at_once(stage))
    return with_read_ahead(stage, max(0, planned.memory - planned.peak(stage)) // at_once, at_once)


def _fitting(planned: Stages, stage: Stage) -> Stage:
    """The stage in smaller blocks, or keeping less, where it does not fit: what decodes least of those that do."""
    smaller = _smaller_until(planned, stage)
    if planned.peak(stage) <= planned.memory or not stage.below:
        return smaller
    budget = dataclasses.replace(planned.asked, workers=planned.workers)
    tried = [smaller, *(_smaller_until(planned, less) for less in keeping_less(stage, budget))]
    fit = [each for each in tried if planned.peak(each) <= planned.memory]
    if not fit:
        return min(tried, key=planned.peak)
    return min(fit, key=lambda each: each.work(each.layout.blocks))


def _smaller_until(planned: Stages, stage: Stage) -> Stage:
    """The stage in smaller blocks, as long as that makes its peak smaller and it does not fit."""
    if planned.results + BASE > planned.memory:
        return stage  # however small the blocks are, the results do not fit
    if not planned.can_fit(stage):
        return min(stage, with_smallest_blocks(stage), key=planned.peak)
    best = stage
    while planned.peak(stage) > planned.memory:
        groups = split_further(stage, stage.groups, states=planned.memory // PARTIAL_SHARE)
        if groups is None:
            break
        stage = with_groups(stage, groups)
        best = min(best, stage, key=planned.peak)
    return stage if planned.peak(stage) <= planned.memory else best
