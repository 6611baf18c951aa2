"""What tasks do: blocks of stages, the joins of what they hand on, the answers; no scheduler is known here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.evaluate import BlockResult
from lazyzarr.graph.floating import now
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.region import place
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.stage import Stage

__all__ = [
    "Commit",
    "commit_run",
    "complete",
    "cut",
    "cut_answer",
    "finish",
    "handed_over",
    "join_blocks",
    "merge_blocks",
    "put_block",
    "run_block",
    "run_inline",
]

Array = np.ndarray[Any, Any]
Commit = Callable[[], None]
Joined = Sequence[list[Array] | None]
"""For each reduce stage its finished reductions; None where they went into place, or no task asks for them."""
Bounds = tuple[tuple[int, int], ...]


class Totals(dict[Bounds, tuple[Any, int]]):
    """What blocks of a reduction amount to: the state and the count of each place along the kept axes."""

    def add(self, reduce: Reduce, other: Totals) -> None:
        """Joins what later blocks amount to."""
        for where, (state, count) in other.items():
            known = self.get(where)
            if known is None:
                # Parts are the scheduler's: a join that is run again finds them as they were.
                self[where] = tuple(array.copy() for array in state), count
            else:
                reduce.join(known[0], state, known[1], count)
                self[where] = known[0], known[1] + count


def run_block(
    spec: Spec, number: int, index: tuple[int, ...], joined: Joined, given: Sequence[Any] = ()
) -> BlockResult | None:
    """A block's values or states; None where they went into place.

    `given`: the chunks of Dask's arrays that it needs.
    """
    values = dict[Node, Any](stage_values(spec, joined))
    if given:
        values |= spec.needs(number).values(index, given)
    result = spec.run_block(number, index, values)
    return None if all(part is None for part in result) else result


def stage_values(spec: Spec, joined: Joined) -> Mapping[Node, Array]:
    """The finished reductions of earlier stages, shaped as their nodes are."""
    values: dict[Node, Array] = {}
    stages = [stage for stage in spec.stages.stages if stage.kind != "map"]
    for stage, results in zip(stages, joined, strict=False):
        for i, reduce in enumerate(stage.reduces):
            if results is not None:
                values[reduce] = reduce.shaped(results[i])
            elif spec.shared is not None:
                values[reduce] = reduce.shaped(spec.shared.values[reduce])
    return values


def merge_blocks(spec: Spec, number: int, first: int, parts: Sequence[Any]) -> tuple[Totals, ...]:
    """What some blocks of a stage amount to: the one of a number, and those after it; or merged ones."""
    with spec.watched(number, ("merge", first, len(parts))):
        return _merge(spec.stages.stages[number], first, parts)


def join_blocks(spec: Spec, number: int, parts: Sequence[Any]) -> list[Array] | None:
    """The finished reductions of a stage, reduced axes kept; None where they went into place, or there are none."""
    stage = spec.stages.stages[number]
    places = None if spec.shared is None else spec.shared.values
    results = []
    with spec.watched(number, ("join",)):
        for reduce, totals in zip(stage.reduces, _merge(stage, 0, parts), strict=True):
            now.node = reduce
            out = np.empty(reduce.kept_shape, reduce.dtype) if places is None else places[reduce]
            if 0 in stage.domain:
                out[...] = reduce.finish(reduce.start(reduce.kept_shape), 0)
            for where, (state, count) in totals.items():
                whole = stage.whole_in_block(reduce)
                out[_slices(where)] = state[0] if whole else reduce.finish(state, count)
            results.append(out)
    return results if places is None and results else None


def _merge(stage: Stage, first: int, parts: Sequence[Any]) -> tuple[Totals, ...]:
    result = tuple(Totals() for _ in stage.reduces)
    blocks = itertools.islice(stage.blocks(), first, None)
    for part in parts:
        own = part if isinstance(part, tuple) else _block_totals(stage, next(blocks), part)
        for reduce, totals, more in zip(stage.reduces, result, own, strict=True):
            now.node = reduce
            totals.add(reduce, more)
    return result


def _block_totals(stage: Stage, index: tuple[int, ...], part: BlockResult | None) -> tuple[Totals, ...]:
    """A block's states by their places; a block that holds all that is reduced has the results themselves."""
    bounds = stage.layout.block(index)
    result = tuple(Totals() for _ in stage.reduces)
    for i, (reduce, totals) in enumerate(zip(stage.reduces, result, strict=True)):
        if part is None or part[i] is None:
            continue
        state = (part[i],) if stage.whole_in_block(reduce) else part[i]
        totals[_kept_bounds(reduce, bounds)] = state, reduce.count([high - low for low, high in bounds])
    return result


def _kept_bounds(reduce: Reduce, bounds: Bounds) -> Bounds:
    """Where a block's results lie, the reduced axes kept."""
    kept = [reduce.kept(axis) if axis in reduce.axes else slice(*b) for axis, b in enumerate(bounds)]
    return tuple((part.start, part.stop) for part in kept)


def _slices(bounds: Bounds) -> Any:
    return place(slice(*each) for each in bounds)


def handed_over(spec: Spec) -> list[tuple[int, bool]]:
    """The stages whose values are answers: by number, and whether each block holds a part of them, in place."""
    stages = spec.stages.stages
    read = {
        node for node in walk([root for stage in stages for root in stage.roots]) if isinstance(node, Reduce)
    }
    answers = {output.node for output in spec.stages.made if output.sink is None}
    result = []
    for number, stage in enumerate(stages):
        if stage.kind == "map" and not any(stage.sinks):
            result.append((number, True))
        elif not answers.isdisjoint(stage.reduces):
            alone = read.isdisjoint(stage.reduces) and stage.layout.tasks > 0
            result.append((number, alone and all(map(stage.whole_in_block, stage.reduces))))
    return result


def put_block(stage: Stage, index: tuple[int, ...], part: BlockResult, values: Mapping[Node, Array]) -> None:
    """Puts what a block gave into the answers that it is a part of."""
    bounds = stage.layout.block(index)
    if stage.kind == "map":
        for root, value in zip(stage.roots, part, strict=True):
            values[root][_slices(bounds)] = value
    else:
        for reduce, value in zip(stage.reduces, part, strict=True):
            values[reduce][_slices(_kept_bounds(reduce, bounds))] = value


def cut(
    shape: tuple[int, ...], dtype: np.dtype[Any], places: Sequence[tuple[Any, Any]], parts: Sequence[Any]
) -> Array:
    """A chunk put together from parts of blocks: where each goes, and which part of the block it is."""
    if len(places) == 1:
        return parts[0][0][places[0][1]]  # type: ignore[no-any-return]
    chunk = np.empty(shape, dtype)
    for (where, part), (values,) in zip(places, parts, strict=True):
        chunk[where] = values[part]
    return chunk


def cut_answer(where: Any, answers: Sequence[Array]) -> Array:
    """A chunk of the only answer of a run."""
    return answers[0][where]  # type: ignore[no-any-return]


def finish(
    spec: Spec, joined: Joined, blocks: Sequence[Sequence[Any]], commit: Commit | None
) -> list[Array | None]:
    """The answers, in the order of the outputs, None for those that were written; and the commit, last of all."""
    values = dict(stage_values(spec, joined))
    maps = [stage for stage in spec.stages.stages if stage.kind == "map"]
    for stage, parts in zip(maps, blocks, strict=True):
        if any(stage.sinks):
            continue
        if spec.shared is not None:
            values |= {root: spec.shared.results[root] for root in stage.roots}
            continue
        values |= {root: np.empty(root.shape, root.dtype) for root in stage.roots}
        for index, part in zip(stage.blocks(), parts, strict=True):
            put_block(stage, index, part, values)
    if commit is not None:
        commit_run(spec, commit)
    return [None if o.sink is not None else values[o.node] for o in spec.stages.made]


def commit_run(spec: Spec, commit: Commit) -> None:
    """What comes after all blocks: `Spec.stop` waits for it. Raises Stopped where the run was stopped."""
    with spec.running():
        commit()


def complete(_spec: Spec, _blocks: Sequence[Any]) -> None:
    """Nothing: what waits for this waits for all blocks that write."""


def run_inline(spec: Spec, commit: Commit | None) -> list[Array | None]:
    """The answers of a plan run here and now, block after block, without a scheduler."""
    joined: list[list[Array] | None] = []
    blocks = []
    for number, stage in enumerate(spec.stages.stages):
        parts = [run_block(spec, number, index, joined) for index in stage.blocks()]
        if stage.kind != "map":
            joined.append(join_blocks(spec, number, parts))
        else:
            blocks.append(parts)
    return finish(spec, joined, blocks, commit)
