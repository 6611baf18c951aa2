"""Runs: a plan made, checked, run by a scheduler and guarded, so that nothing is written after the call is over."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lazyzarr.errors import MemoryBudgetError, SourceChangedError
from lazyzarr.format.array import ArrayHandle
from lazyzarr.graph.check import check
from lazyzarr.graph.cluster import Cluster, count_finished, gather, look_around, on_all_workers, within_task
from lazyzarr.graph.combine import Commit, commit_run, run_inline
from lazyzarr.graph.direct import direct_read
from lazyzarr.graph.findings import Findings, Told
from lazyzarr.graph.floating import how_set
from lazyzarr.graph.node import Node, token_of, walk
from lazyzarr.graph.ops.sources import FACTS, DaskBlocks, MemorySource, ZarrSource, facts_of, from_dask
from lazyzarr.graph.ops.views import rechunk
from lazyzarr.graph.optimize import optimize_outputs
from lazyzarr.graph.plan import Output, Stages
from lazyzarr.graph.processes import run_in_processes
from lazyzarr.graph.progress import progress_shown, progress_wanted
from lazyzarr.graph.schedule import Scheduler, choose_scheduler
from lazyzarr.graph.spec import Shared, Spec, end_run, stop_run
from lazyzarr.graph.stage import Budget
from lazyzarr.graph.tally import Tally
from lazyzarr.graph.tasks import (
    Answers,
    RunExpr,
    answer_keys,
    block_chunks,
    build_graph,
    chunk_keys,
    chunk_name,
    final_key,
    foreign_tasks,
    given_tasks,
    stage_key,
)
from lazyzarr.graph.temporary import choose_folder, temporary_folder
from lazyzarr.settings import available_memory, format_bytes, parse_bytes, setting

__all__ = ["Job", "make_spec", "persist", "refuse_changed_sources", "run", "where_it_runs"]

Array = np.ndarray[Any, Any]
# Arrays captured by an expression travel with its plan; beyond this they would swamp the scheduler.
MOST_CAPTURED = 10_000_000

_runs = itertools.count()


@dataclass(frozen=True)
class Job:
    """How to run: the options that every verb of the surface shares."""

    scheduler: Any = None
    num_workers: int | None = None
    memory: str | float | None = None
    progress: bool | None = None
    temp: str | os.PathLike[str] | None = None
    """The directory for temporary arrays; None: that of the settings, or the system's."""


def make_spec(outputs: Sequence[Output], job: Job, guarded: bool = True) -> tuple[Spec, Scheduler]:
    """The spec of a run, planned but not checked, and the scheduler that is to run it.

    Only what `run` guards may write temporary arrays: it removes them.
    """
    scheduler = choose_scheduler(job.scheduler, job.num_workers)
    return _spec_for(scheduler, outputs, job, guarded), scheduler


def _spec_for(scheduler: Scheduler, outputs: Sequence[Output], job: Job, guarded: bool = True) -> Spec:
    budget = _budget(job, scheduler, choose_folder(job.temp) if guarded else "")
    return Spec(optimize_outputs(outputs), budget, _run_token(outputs), how_set())


def _budget(job: Job, scheduler: Scheduler, folder: str) -> Budget:
    """What a run may use: this process and those that it starts, or each worker of a cluster."""
    given = job.num_workers or setting("num_workers")
    if scheduler.cluster is None:
        memory = _budget_bytes(job.memory)
        # What a process gives lies there, in the pipe and here.
        copies = 0 if scheduler.shares_memory else 3
        return Budget(
            memory, scheduler.workers, scheduler.name == "threads" and not given, folder, copies=copies
        )
    cluster = scheduler.cluster
    memory = _budget_bytes(job.memory, cluster.memory)
    if memory > cluster.memory:
        raise ValueError(
            f"memory={format_bytes(memory)} is what each worker may use, and their own limit is "
            f"{format_bytes(cluster.memory)}, at which they are killed; give less, or workers a larger memory_limit"
        )
    return Budget(
        memory, cluster.total, folder=folder, sharing=cluster.threads, copies=2, holders=cluster.count
    )


def where_it_runs(spec: Spec, scheduler: Scheduler) -> str:
    """The first line of a plan on a cluster: its workers, their memory, the tasks and what is sent; else empty."""
    if scheduler.cluster is None:
        return ""
    graph = build_graph(spec, gathered=True)
    sent = len(pickle.dumps((spec, answer_keys(spec))))
    each = format_bytes(spec.stages.memory)
    return f"{scheduler.cluster}, {each} each, {len(graph):,} tasks, graph {format_bytes(sent)}"


def _budget_bytes(memory: str | float | None, there: int | None = None) -> int:
    """The budget in bytes: as given, as set, or half of what is there, which is what this machine has left."""
    memory = setting("memory") if memory is None else memory
    if memory is None:
        return (available_memory() if there is None else there) // 2
    words = isinstance(memory, (str, int, float, np.number)) and not isinstance(memory, bool)
    nbytes = parse_bytes(memory) if words and memory == memory else 0
    if nbytes <= 0:
        raise ValueError(f'memory={memory!r} is no budget; write it as "2GB", "500 MB" or in bytes')
    return nbytes


def _run_token(outputs: Sequence[Output]) -> str:
    """A token of this run alone, so that no two runs share a key on a cluster."""
    text = token_of(tuple(output.node.token for output in outputs))
    return f"{abs(hash(text)):016x}"[:8] + f"{os.getpid():x}{next(_runs):x}"


def run(
    outputs: Sequence[Output],
    job: Job,
    commit: Commit | None = None,
    stored: Callable[[], int | None] | None = None,
) -> list[Array | None]:
    """The answers of the outputs, None for those that were written.

    `commit` is the last task; `stored` is asked after it how many bytes were stored, for whoever wants to know.
    When this returns or raises, no task of the run writes any more.
    """
    scheduler = choose_scheduler(job.scheduler, job.num_workers)
    refuse_changed_sources(outputs)
    if commit is None and not progress_wanted(job.progress):
        read = direct_read(outputs, scheduler, partial(_budget_bytes, job.memory))
        if read is not None:
            return [read.values()]
    spec = _spec_for(scheduler, outputs, job)
    check(spec.stages, scheduler.reach)
    _refuse_futures_elsewhere(_roots(spec), scheduler.cluster)
    if scheduler.get is None or scheduler.shares_memory:
        spec.findings = Findings()
    cluster, temporary = scheduler.cluster, spec.stages.folder if spec.stages.spills else ""
    folder = temporary_folder(temporary) if temporary else nullcontext()
    with folder, progress_shown(spec.stages, job.progress, stored) as tally:
        if cluster is not None:
            look_around(cluster, _handles(spec.outputs), temporary)
        if tally is not None:
            _follow(spec, scheduler, tally)
        try:
            answers = _run(
                spec, scheduler, None if commit is None else partial(_commit_after_telling, spec, commit)
            )
            spec.tell()
            return answers
        except BaseException:
            _end_failed(spec, cluster)
            raise
        finally:
            spec.release()


def _end_failed(spec: Spec, cluster: Cluster | None) -> None:
    """Lets no task of a run that failed go on, and tells of what it has found; what went wrong first is raised."""
    try:
        spec.stop()
    finally:
        if cluster is not None:
            _ask_workers(cluster, stop_run, spec)
    with suppress(Warning):
        spec.tell()


def _commit_after_telling(spec: Spec, commit: Commit) -> None:
    """What warnings are errors for is not published."""
    spec.tell()
    commit()


def _ask_workers(cluster: Cluster, function: Callable[[str], Told], spec: Spec) -> None:
    """Lets each worker end or stop a run, and takes over what it has found."""
    for told in on_all_workers(cluster, function, spec.token).values():
        if spec.findings is not None and not isinstance(told, BaseException):
            spec.findings.take(told)


def _follow(spec: Spec, scheduler: Scheduler, tally: Tally) -> None:
    """Lets the tally be told of each block, or ask for them, wherever they run."""
    if scheduler.cluster is not None:
        keys = [stage_key(spec, number) for number in range(len(spec.stages.stages))]
        tally.watch = partial(count_finished, scheduler.cluster.client, keys)
        return
    tally.elsewhere = not scheduler.shares_memory
    spec.on_block = tally.advance
    if scheduler.shares_memory:
        tally.decoded = spec.decoded


def _run(spec: Spec, scheduler: Scheduler, commit: Commit | None) -> list[Array | None]:
    if scheduler.shares_memory:
        spec.shared = Shared(spec.stages)
        with blas_threads_capped(spec):
            given = foreign_tasks(_roots(spec))
            if not given and all(stage.layout.tasks <= 1 for stage in spec.stages.stages):
                return run_inline(spec, commit)
            scheduler = choose_scheduler(scheduler.name, spec.stages.workers)
            assert scheduler.get is not None
            return scheduler.get(build_graph(spec, commit) | given, final_key(spec))  # type: ignore[no-any-return]
    _refuse_large_captures(spec)
    if scheduler.get is not None:
        return scheduler.get(build_graph(spec, commit) | foreign_tasks(_roots(spec)), final_key(spec))  # type: ignore[no-any-return]
    return _run_elsewhere(spec, scheduler, commit)


def _run_elsewhere(spec: Spec, scheduler: Scheduler, commit: Commit | None) -> list[Array | None]:
    """The answers of a plan whose tasks run in other processes; each part is put into place when it arrives."""
    _refuse_large_answers(spec.stages)
    answers, keys = Answers(spec), answer_keys(spec)
    if scheduler.cluster is not None:
        sent = RunExpr(f"run-{spec.token}", spec, foreign_tasks(_roots(spec), here=False))  # type: ignore[no-untyped-call]
        gather(scheduler.cluster, sent, keys, answers.take)
        _ask_workers(scheduler.cluster, end_run, spec)
    else:
        graph = build_graph(spec, gathered=True) | foreign_tasks(_roots(spec))
        assert spec.findings is not None
        run_in_processes(
            spec.stages.workers, graph, keys, spec.token, _told(spec, answers.take), spec.findings
        )
    spec.tell()
    if commit is not None:
        # In a thread of its own an interrupt does not cut it in two; leaving the pool waits for it.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(commit_run, spec, commit).result()
    return answers.in_order()


def _told(spec: Spec, take: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """`take`, which lets it be known of each block, too."""
    told = spec.on_block
    if told is None:
        return take
    numbers = {stage_key(spec, number): number for number in range(len(spec.stages.stages))}

    def taken(key: Any, value: Any) -> bool:
        if isinstance(key, tuple) and key[0] in numbers:
            told(numbers[key[0]])
        return take(key, value)

    return taken


def persist(node: Node, job: Job) -> Node | None:
    """The node over its values as futures of a cluster's workers, which begin to compute them; None on no cluster."""
    outputs = [Output(node)]
    spec, scheduler = make_spec(outputs, job, guarded=False)
    if scheduler.cluster is None:
        return None
    check(spec.stages, scheduler.reach)
    refuse_changed_sources(outputs)
    _refuse_futures_elsewhere([node], scheduler.cluster)
    look_around(scheduler.cluster, _handles(spec.outputs), "")
    _refuse_large_captures(spec)
    chunks, name = block_chunks(spec), chunk_name(spec)
    sent = RunExpr(f"run-{spec.token}", spec, foreign_tasks([node], here=False), chunks)  # type: ignore[no-untyped-call]
    futures = scheduler.cluster.client.get(sent, keys := chunk_keys(spec, chunks), sync=False)
    blocks = DaskBlocks(name, dict(zip(keys, futures, strict=True)))
    return rechunk(from_dask(blocks, node.dtype, chunks, node.dims), node.chunks)


def _roots(spec: Spec) -> list[Node]:
    return [output.node for output in spec.outputs]


def _handles(outputs: Sequence[Output]) -> list[ArrayHandle]:
    """The arrays that a run reads and writes."""
    nodes = walk([output.node for output in outputs])
    read = [node.handle for node in nodes if isinstance(node, ZarrSource)]
    return list(dict.fromkeys([*read, *(output.sink.handle for output in outputs if output.sink)]))


def _refuse_large_answers(planned: Stages) -> None:
    """Raises MemoryBudgetError where this process, to which workers hand the answers, cannot hold them."""
    if planned.answers > available_memory():
        raise MemoryBudgetError(
            f"the result takes {format_bytes(planned.answers)}; this process, which workers hand it to, has "
            f"{format_bytes(available_memory())}.\n  What fits:  y.to_zarr(...) instead of y.compute()"
        )


def refuse_changed_sources(outputs: Sequence[Output]) -> None:
    """Raises SourceChangedError where a source is no longer the array that the expression was made of."""
    for node in walk([output.node for output in outputs]):
        if isinstance(node, ZarrSource) and not node.handle.is_current():
            pairs = zip(FACTS, facts_of(node.array.metadata), facts_of(node.handle.current()), strict=True)
            changed = [f"{fact} {then} -> {now}" for fact, then, now in pairs if then != now]
            if changed:
                raise SourceChangedError(
                    f"{node.handle.url} has changed since the expression was made: {', '.join(changed)}. "
                    "Make the expression again: x = lz.from_zarr(...)"
                )


def _refuse_futures_elsewhere(roots: Sequence[Node], cluster: Cluster | None) -> None:
    """Raises ValueError where values were left with workers that let go of them, or that are not those of the run."""
    for task in given_tasks(roots).values():
        if not hasattr(task, "add_done_callback"):
            continue
        client = task.client
        if client is None or task.cancelled():
            state = "unknown in this process" if client is None else client.status
            raise ValueError(
                "this expression is made of values that were left with workers (persist), which have let go of them: "
                f"their Client is {state}. Make it again"
            )
        here = client.scheduler.address
        if cluster is not None and not within_task() and here != cluster.address:
            raise ValueError(
                f"this expression is made of values that lie with the workers of {here} (persist), and those of "
                f"{cluster.address} are to compute it: name the Client that has them, scheduler=client; or write them "
                'where both can read them: x.to_zarr("x.zarr")'
            )


def _refuse_large_captures(spec: Spec) -> None:
    """Raises ValueError where arrays in memory, or what functions hold, are too large to travel with the plan."""
    held = [node for node in walk(_roots(spec)) if isinstance(node, MemorySource)]
    size = sum(node.array.nbytes for node in held)
    if size <= MOST_CAPTURED:
        size = len(spec.pickled)
    if size > MOST_CAPTURED:
        raise ValueError(
            f"this expression holds {format_bytes(size)} of arrays in memory, of its own or of its functions, which "
            'every worker process would be sent. Store them where workers can read them: lz.save("a.zarr", a), then '
            'lz.from_zarr("a.zarr"); or use scheduler="threads"'
        )


@contextmanager
def blas_threads_capped(spec: Spec) -> Iterator[None]:
    """Within: BLAS uses one thread a task, where several tasks may call it: only users' functions do."""
    called = any(node.calls_user for node in walk([output.node for output in spec.outputs]))
    if not called or spec.stages.workers == 1 or threading.current_thread() is not threading.main_thread():
        yield
        return
    import threadpoolctl  # loaded on first use: a plain import of lazyzarr needs no BLAS

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield
