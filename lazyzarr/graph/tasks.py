"""From a plan to Dask: the only file that imports Dask's types.

One task a block; one that joins the blocks of a stage that others read; one at the end that gathers or
commits. Keys read ("<operation>-<variable>-<token>", i, j, k).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from dask._expr import Expr
from dask.task_spec import DataNode, List, Task, TaskRef

from lazyzarr.graph.check import check
from lazyzarr.graph.evaluate import BlockResult
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.region import place
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.stage import Stage

__all__ = ["PlanExpr", "build_graph", "dask_array", "final_key", "join_blocks", "run_inline"]

Array = np.ndarray[Any, Any]
Key = str | tuple[Any, ...]
Commit = Callable[[], None]
# A description larger than this is sent once, as a value of its own, rather than with each task.
INLINE_BYTES = 64_000


def build_graph(spec: Spec, commit: Commit | None = None) -> dict[Key, Any]:
    """The tasks of a plan; `final_key(spec)` is the last one, which commits what was written."""
    graph: dict[Key, Any] = {}
    carried = _carry(spec, graph)
    joined: list[Any] = []
    last: list[Any] = []
    for number, stage in enumerate(spec.stages.stages):
        prefix = f"{_key_word(stage.name)}-{spec.token}-{number}"
        needs = List(*joined)
        keys: list[Key] = [(prefix, *index) for index in stage.blocks()]
        for key in keys:
            # Reads are marked as what produces data, so that a cluster starts no more than it has room for.
            graph[key] = Task(key, run_block, carried, number, key[1:], needs, _data_producer=True)
        if stage.kind != "map":
            key = f"join-{prefix}"
            graph[key] = Task(key, join_blocks, carried, number, List(*map(TaskRef, keys)))
            joined.append(TaskRef(key))
        last.extend(List(*map(TaskRef, keys)) for _ in (0,) if stage.kind == "map")
    graph[final_key(spec)] = Task(final_key(spec), finish, carried, List(*joined), List(*last), commit)
    return graph


def final_key(spec: Spec) -> str:
    """The key of the last task."""
    return f"finish-{spec.token}"


def _carry(spec: Spec, graph: dict[Key, Any]) -> Any:
    """The spec as an argument of tasks: itself, or a reference where it is large and may have to travel."""
    if spec.shared is not None or len(spec.pickled) < INLINE_BYTES:
        return spec
    key = f"plan-{spec.token}"
    graph[key] = DataNode(key, spec)
    return TaskRef(key)


def _key_word(name: str) -> str:
    """A name as dashboards group it: letters and dashes."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def run_block(
    spec: Spec, number: int, index: tuple[int, ...], joined: Sequence[list[Array] | None]
) -> BlockResult | None:
    """A block's values or states; None where they went into place."""
    result = spec.run_block(number, index, stage_values(spec, joined))
    return None if all(part is None for part in result) else result


def stage_values(spec: Spec, joined: Sequence[list[Array] | None]) -> Mapping[Node, Array]:
    """The finished reductions of earlier stages, shaped as their nodes are."""
    values: dict[Node, Array] = {}
    stages = [stage for stage in spec.stages.stages if stage.kind != "map"]
    for stage, results in zip(stages, joined, strict=False):
        for i, reduce in enumerate(stage.reduces):
            whole = results[i] if results is not None else _shared_values(spec)[reduce]
            values[reduce] = reduce.shaped(whole)
    return values


def _shared_values(spec: Spec) -> dict[Node, Array]:
    assert spec.shared is not None
    return spec.shared.values


def join_blocks(spec: Spec, number: int, parts: Sequence[BlockResult | None]) -> list[Array] | None:
    """The finished reductions of a stage, reduced axes kept; None where they went into place, or there are none."""
    stage = spec.stages.stages[number]
    places = None if spec.shared is None else spec.shared.values
    results = []
    for i, reduce in enumerate(stage.reduces):
        out = np.empty(reduce.kept_shape, reduce.dtype) if places is None else places[reduce]
        with np.errstate(**spec.errors):
            _join(stage, reduce, [None if part is None else part[i] for part in parts], out)
        results.append(out)
    return results if places is None and results else None


def _join(stage: Stage, reduce: Reduce, parts: Sequence[Any], out: Array) -> None:
    """Puts a reduction's blocks into its result, joining those that lie along reduced axes in their order."""
    if 0 in stage.domain:
        out[...] = reduce.finish(reduce.start(reduce.kept_shape), 0)
        return
    totals: dict[tuple[Any, ...], tuple[Any, int]] = {}
    for index, part in zip(stage.blocks(), parts, strict=True):
        if part is None:
            continue
        bounds = stage.layout.block(index)
        where_to = tuple(
            reduce.kept(axis) if axis in reduce.axes else slice(*b) for axis, b in enumerate(bounds)
        )
        if stage.whole_in_block(reduce):
            out[place(where_to)] = part
            continue
        count = reduce.count([high - low for low, high in bounds])
        where = tuple((s.start, s.stop) for s in where_to)
        if where in totals:
            state, before = totals[where]
            reduce.join(state, part, before, count)
            totals[where] = state, before + count
        else:
            # Parts are the scheduler's: a join that is run again finds them as they were.
            totals[where] = tuple(array.copy() for array in part), count
    for where, (state, count) in totals.items():
        out[place(slice(*b) for b in where)] = reduce.finish(state, count)


def finish(
    spec: Spec, joined: Sequence[list[Array] | None], blocks: Sequence[Sequence[Any]], commit: Commit | None
) -> list[Array | None]:
    """The answers, in the order of the outputs, None for those that were written; and the commit, last of all."""
    values = stage_values(spec, joined)
    maps = [stage for stage in spec.stages.stages if stage.kind == "map"]
    made: dict[Node, Array] = {}
    for stage, parts in zip(maps, blocks, strict=True):
        for i, root in enumerate(stage.roots):
            if stage.sinks[i] is None:
                made[root] = _assemble(spec, stage, i, root, parts)
    if commit is not None:
        with spec.running():
            commit()
    return [
        None if o.sink is not None else values[o.node] if isinstance(o.node, Reduce) else made[o.node]
        for o in spec.stages.made
    ]


def _assemble(spec: Spec, stage: Stage, i: int, root: Node, parts: Sequence[Any]) -> Array:
    """A root's values from its blocks, or where they already are."""
    if spec.shared is not None:
        return spec.shared.results[root]
    result = np.empty(root.shape, root.dtype)
    for index, part in zip(stage.blocks(), parts, strict=True):
        result[place(slice(*bounds) for bounds in stage.layout.block(index))] = part[i]
    return result


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


class PlanExpr(Expr):
    """The leaf that Dask sees of an expression: a name, and a spec that plans itself when tasks are asked for."""

    _parameters = ["name", "spec"]  # noqa: RUF012

    @property
    def _name(self) -> str:
        return self.operand("name")  # type: ignore[no-any-return, no-untyped-call]

    def __dask_tokenize__(self) -> Any:
        return self.operand("name")  # type: ignore[no-untyped-call]

    def _final(self) -> str:
        return f"value-{self._name}"

    def __dask_keys__(self) -> list[str]:
        """One key: the whole answer."""
        return [self._final()]

    def _layer(self) -> dict[Key, Any]:
        spec = self.operand("spec")  # type: ignore[no-untyped-call]
        check(spec.stages, "thread")
        graph = build_graph(spec)
        graph[self._final()] = Task(self._final(), _only, TaskRef(final_key(spec)))
        return graph


def _only(answers: Sequence[Array]) -> Any:
    """The answer of a plan with one output; a scalar where it has no axes."""
    return answers[0][()] if answers[0].ndim == 0 else answers[0]


def dask_array(source: Any, chunks: Any) -> Any:
    """A dask.array over what gives NumPy when it is sliced."""
    from dask.array import from_array

    meta = np.empty((0,) * source.ndim, source.dtype)
    return from_array(source, chunks=chunks, asarray=True, meta=meta)  # type: ignore[no-untyped-call]
