"""From a plan to Dask: the only file that imports Dask's types.

One task a block; those that join the blocks of a stage that others read; one at the end that gathers or
commits. Keys read ("<operation>-<variable>-<token>", i, j, k).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dask._expr import Expr
from dask._task_spec import convert_legacy_graph
from dask.task_spec import DataNode, List, Task, TaskRef

from lazyzarr.graph.check import check
from lazyzarr.graph.combine import (
    Commit,
    complete,
    cut,
    cut_answer,
    finish,
    handed_over,
    join_blocks,
    merge_blocks,
    put_block,
    run_block,
)
from lazyzarr.graph.given import Needs, dask_sources
from lazyzarr.graph.layout import sizes_to_cuts
from lazyzarr.graph.node import Chunks, Node
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.sources import DaskBlocks, DaskSource, from_dask
from lazyzarr.graph.region import place
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.stage import Stage

__all__ = [
    "Answers",
    "PlanExpr",
    "RunExpr",
    "answer_keys",
    "block_chunks",
    "build_graph",
    "chunk_keys",
    "chunk_name",
    "dask_array",
    "dask_source",
    "final_key",
    "foreign_tasks",
    "given_tasks",
    "stage_key",
]

Array = np.ndarray[Any, Any]
Key = str | tuple[Any, ...]
# A description larger than this is sent once, as a value of its own, rather than with each task.
INLINE_BYTES = 16_000
# Of more blocks than this no one task joins the states: groups of them are joined before.
MOST_PARTS = 64


def build_graph(spec: Spec, commit: Commit | None = None, gathered: bool = False) -> dict[Key, Any]:
    """The tasks of a plan; `final_key(spec)` is the last one, which gives the answers and commits what was written.

    Where answers are `gathered` from the tasks that have them (see `Answers`), it only waits for all that write.
    """
    graph: dict[Key, Any] = {}
    carried = _carry(spec, graph)
    parts_are_answers = {number for number, parts in handed_over(spec) if parts and gathered}
    joined: list[Any] = []
    last: list[Any] = []
    for number, stage in enumerate(spec.stages.stages):
        needs = List(*joined)
        keys = block_keys(spec, number)
        wanted = spec.needs(number)
        for block in keys:
            # Reads are marked as what produces data, so that a cluster starts no more than it has room for.
            given = [List(*_given(wanted, block[1:]))] if wanted else []
            graph[block] = Task(
                block, run_block, carried, number, block[1:], needs, *given, _data_producer=not wanted
            )
        if stage.kind == "map" and number not in parts_are_answers:
            last.append(List(*map(TaskRef, keys)))
        elif stage.kind != "map" and number in parts_are_answers:
            joined.append(None)
        elif stage.kind != "map":
            key, parts = join_key(spec, number), _merged(spec, number, keys, carried, graph)
            graph[key] = Task(key, join_blocks, carried, number, List(*map(TaskRef, parts)))
            joined.append(TaskRef(key))
    end = final_key(spec)
    if not gathered:
        graph[end] = Task(end, finish, carried, List(*joined), List(*last), commit)
    elif last:
        graph[end] = Task(end, complete, carried, List(*last))
    return graph


def _given(wanted: Needs, index: tuple[int, ...]) -> list[TaskRef]:
    """The chunks of Dask's arrays that a block needs."""
    return [TaskRef(source.blocks.key(c)) for source, coords in wanted.at(index).items() for c in coords]


def foreign_tasks(roots: Sequence[Node], here: bool = True) -> dict[Key, Any]:
    """The tasks of Dask's arrays below the roots; `here`: with the values of futures, which a cluster has itself."""
    tasks: dict[Key, Any] = {}
    for key, task in given_tasks(roots).items():
        if not hasattr(task, "add_done_callback"):
            tasks[key] = task
        elif here:
            tasks[key] = DataNode(key, task.result())
    return dict(convert_legacy_graph(tasks))


def given_tasks(roots: Sequence[Node]) -> dict[Key, Any]:
    """The tasks and futures of Dask's arrays below the roots, as they are."""
    return {key: task for source in dask_sources(roots) for key, task in source.blocks.tasks.items()}


def culled(graph: dict[Key, Any], keys: Sequence[Key]) -> dict[Key, Any]:
    """What the keys need of a graph: a cluster culls nothing of an expression, and may have the rest itself."""
    needed: dict[Key, Any] = {}
    left = list(keys)
    while left:
        key = left.pop()
        if key not in needed and key in graph:
            needed[key] = graph[key]
            left.extend(graph[key].dependencies)
    return needed


def final_key(spec: Spec) -> str:
    """The key of the last task."""
    return f"finish-{spec.token}"


def join_key(spec: Spec, number: int) -> str:
    """The key of the task that has a stage's reductions."""
    return f"join-{stage_key(spec, number)}"


def block_keys(spec: Spec, number: int) -> list[tuple[Any, ...]]:
    """The keys of a stage's blocks, in their order."""
    prefix = stage_key(spec, number)
    return [(prefix, *index) for index in spec.stages.stages[number].blocks()]


def stage_key(spec: Spec, number: int) -> str:
    """A stage's name as dashboards group it, of letters and dashes, and what makes it unique."""
    return f"{_word(spec.stages.stages[number].name)}-{spec.token}-{number}"


def _word(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def _carry(spec: Spec, graph: dict[Key, Any]) -> Any:
    """The spec as an argument of tasks: itself, or a reference where it is large and may have to travel."""
    if spec.shared is not None or len(spec.pickled) < INLINE_BYTES:
        return spec
    key = f"plan-{spec.token}"
    graph[key] = DataNode(key, spec)
    return TaskRef(key)


def _merged(
    spec: Spec, number: int, keys: Sequence[Key], carried: Any, graph: dict[Key, Any]
) -> Sequence[Key]:
    """The keys of what a join is given: a stage's blocks, or, where these are many, groups of them, merged."""
    stage = spec.stages.stages[number]
    if spec.shared is not None or all(map(stage.whole_in_block, stage.reduces)):
        return keys
    level = 0
    while len(keys) > MOST_PARTS:
        level += 1
        merged: list[Key] = []
        for first in range(0, len(keys), MOST_PARTS):
            key = (f"merge-{stage_key(spec, number)}", level, first // MOST_PARTS)
            parts = List(*map(TaskRef, keys[first : first + MOST_PARTS]))
            graph[key] = Task(key, merge_blocks, carried, number, first, parts)
            merged.append(key)
        keys = merged
    return keys


def answer_keys(spec: Spec) -> list[Key]:
    """The keys that a run waits for: of the tasks that have answers, and of the last one of a write."""
    keys: list[Key] = []
    for number, parts in handed_over(spec):
        keys.extend(block_keys(spec, number) if parts else [join_key(spec, number)])
    return [*keys, final_key(spec)] if any(output.sink is not None for output in spec.stages.made) else keys


class Answers:
    """The answers of a run whose tasks hand their values on: each is copied into place when it arrives."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._values: dict[Node, Array] = {}
        self._joins: dict[Key, int] = {}
        self._numbers: dict[Key, int] = {}
        for number, parts in handed_over(spec):
            stage = spec.stages.stages[number]
            if not parts:
                self._joins[join_key(spec, number)] = number
                continue
            self._numbers[stage_key(spec, number)] = number
            nodes = stage.roots if stage.kind == "map" else stage.reduces
            shapes = [getattr(node, "kept_shape", node.shape) for node in nodes]
            self._values |= {n: np.empty(shape, n.dtype) for n, shape in zip(nodes, shapes, strict=True)}

    def take(self, key: Key, value: Any) -> bool:
        """Takes over a task's value; whether it was copied, and need not be held any longer."""
        if key in self._joins:
            reduces = self._spec.stages.stages[self._joins[key]].reduces
            self._values |= dict(zip(reduces, value, strict=True))
        elif key[0] in self._numbers:
            put_block(self._spec.stages.stages[self._numbers[key[0]]], key[1:], value, self._values)  # type: ignore[arg-type]
            return True
        return False

    def in_order(self) -> list[Array | None]:
        """All answers, in the order of the outputs; None for those that were written."""
        return [None if o.sink is not None else self._shaped(o.node) for o in self._spec.stages.made]

    def _shaped(self, node: Node) -> Array:
        values = self._values[node]
        return node.shaped(values) if isinstance(node, Reduce) else values


class RunExpr(Expr):
    """A run as a cluster is sent it: a few kilobytes, which become tasks where its scheduler is.

    `tasks` are those of Dask's arrays that it reads; `chunks`: what is asked for are these chunks of the only output.
    """

    _parameters = ["name", "spec", "tasks", "chunks"]  # noqa: RUF012
    _defaults = {"tasks": {}, "chunks": None}  # noqa: RUF012

    @property
    def _name(self) -> str:
        return self.operand("name")  # type: ignore[no-any-return, no-untyped-call]

    def __dask_tokenize__(self) -> Any:
        return self.operand("name")  # type: ignore[no-untyped-call]

    def __dask_keys__(self) -> list[Key]:
        """The keys that a run waits for."""
        spec, chunks = self.operand("spec"), self.operand("chunks")  # type: ignore[no-untyped-call]
        return answer_keys(spec) if chunks is None else chunk_keys(spec, chunks)

    def _layer(self) -> dict[Key, Any]:
        spec, chunks = self.operand("spec"), self.operand("chunks")  # type: ignore[no-untyped-call]
        graph = build_graph(spec, gathered=True) if chunks is None else chunk_graph(spec, chunks)
        tasks = self.operand("tasks")  # type: ignore[no-untyped-call]
        return culled(graph | tasks, self.__dask_keys__()) if tasks else graph


class PlanExpr(Expr):
    """The leaf that Dask sees of an expression: a name, and a spec that plans itself when tasks are asked for.

    `key` is that of the answer; by default one that belongs to this leaf alone.
    """

    _parameters = ["name", "spec", "tasks", "key"]  # noqa: RUF012
    _defaults = {"key": None}  # noqa: RUF012

    @property
    def _name(self) -> str:
        return self.operand("name")  # type: ignore[no-any-return, no-untyped-call]

    def __dask_tokenize__(self) -> Any:
        return self.operand("name")  # type: ignore[no-untyped-call]

    def _final(self) -> str:
        return self.operand("key") or f"value-{self._name}"  # type: ignore[no-untyped-call]

    def __dask_keys__(self) -> list[str]:
        """One key: the whole answer."""
        return [self._final()]

    def _layer(self) -> dict[Key, Any]:
        spec = self.operand("spec")  # type: ignore[no-untyped-call]
        check(spec.stages, "thread")
        graph = build_graph(spec)
        graph[self._final()] = Task(self._final(), _only, TaskRef(final_key(spec)))
        return graph | self.operand("tasks")  # type: ignore[no-any-return, no-untyped-call]


def _only(answers: Sequence[Array]) -> Any:
    """The answer of a plan with one output; a scalar where it has no axes."""
    return answers[0][()] if answers[0].ndim == 0 else answers[0]


def chunk_name(spec: Spec) -> str:
    """The name of the only output of a spec as a Dask array."""
    return f"{_word(spec.outputs[0].node.label)}-chunks-{spec.token}"


def chunk_keys(spec: Spec, chunks: Chunks) -> list[Key]:
    """The keys of the chunks of the only output."""
    return [(chunk_name(spec), *index) for index in itertools.product(*(range(len(c)) for c in chunks))]


def chunk_graph(spec: Spec, chunks: Chunks) -> dict[Key, Any]:
    """The tasks of a plan, and those that cut the only output into chunks."""
    node, (stage, number) = spec.outputs[0].node, _last_map(spec)
    graph = build_graph(spec, gathered=stage is not None)
    cuts = [sizes_to_cuts(sizes) for sizes in chunks]
    for key in chunk_keys(spec, chunks):
        bounds = [(int(c[i]), int(c[i + 1])) for c, i in zip(cuts, key[1:], strict=True)]
        where = place(slice(*b) for b in bounds)
        if stage is None:
            graph[key] = Task(key, cut_answer, where, TaskRef(final_key(spec)))
            continue
        places, parts = [], []
        for index, here, there in _parts(stage, bounds):
            places.append((place(here), place(there)))
            parts.append(TaskRef((stage_key(spec, number), *index)))
        shape = tuple(high - low for low, high in bounds)
        graph[key] = Task(key, cut, shape, node.dtype, places, List(*parts))
    return graph


def _last_map(spec: Spec) -> tuple[Stage | None, int]:
    """The stage whose blocks are parts of the only output, and its number; none where that is a reduction."""
    stages = spec.stages.stages
    last = stages[-1]
    return (last if last.kind == "map" else None), len(stages) - 1


def _parts(
    stage: Stage, bounds: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, ...], list[slice], list[slice]]]:
    """The blocks of a stage that a box meets: their index, the part of the box, the part of the block."""
    axes = []
    for cuts, (low, high) in zip(stage.layout.blocks, bounds, strict=True):
        first = int(np.searchsorted(cuts, low, "right")) - 1
        last = int(np.searchsorted(cuts, high, "left"))
        axes.append(
            [
                (
                    i,
                    slice(max(int(cuts[i]), low) - low, min(int(cuts[i + 1]), high) - low),
                    slice(max(int(cuts[i]), low) - int(cuts[i]), min(int(cuts[i + 1]), high) - int(cuts[i])),
                )
                for i in range(first, max(last, first + 1))
            ]
        )
    for parts in itertools.product(*axes):
        yield tuple(p[0] for p in parts), [p[1] for p in parts], [p[2] for p in parts]


def block_chunks(spec: Spec) -> Chunks:
    """The chunks of the only output as its tasks have them: a plan's blocks; its own, where it is a reduction."""
    stage, _ = _last_map(spec)
    if stage is None:
        return spec.outputs[0].node.chunks
    return tuple(tuple(np.diff(cuts).tolist()) for cuts in stage.layout.blocks)


def dask_array(spec: Spec, chunks: Chunks) -> Any:
    """The only output of a spec as a dask.array with these chunks."""
    from dask.array import Array as DaskArray
    from dask.highlevelgraph import HighLevelGraph

    node = spec.outputs[0].node
    graph = chunk_graph(spec, chunks) | foreign_tasks([node])
    name = chunk_name(spec)
    layers = HighLevelGraph.from_collections(name, graph, dependencies=[])  # type: ignore[arg-type]
    meta = np.empty((0,) * node.ndim, node.dtype)
    return DaskArray(layers, name, chunks, meta=meta)  # type: ignore[no-untyped-call]


def dask_source(array: Any, dims: tuple[str | None, ...] | None) -> DaskSource:
    """The node of a dask.array, each of whose chunks Dask computes once. Raises ValueError for unknown chunk sizes."""
    import dask

    chunks = tuple(tuple(sizes) for sizes in array.chunks)
    if not all(isinstance(size, (int, np.integer)) for sizes in chunks for size in sizes):
        raise ValueError(
            f"the dask array's chunk sizes are not known: {chunks}. x.compute_chunk_sizes() finds them"
        )
    (optimized,) = dask.optimize(array)  # type: ignore[no-untyped-call, attr-defined]
    blocks = DaskBlocks(optimized.name, dict(optimized.__dask_graph__()))
    sizes = tuple(tuple(map(int, axis)) for axis in chunks)
    return from_dask(blocks, array.dtype, sizes, dims or (None,) * array.ndim)
