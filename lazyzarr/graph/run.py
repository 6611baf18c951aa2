"""Runs: a plan made, checked, run by a scheduler and guarded, so that nothing is written after the call is over."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyzarr.errors import SourceChangedError
from lazyzarr.graph.check import check
from lazyzarr.graph.node import token_of, walk
from lazyzarr.graph.ops.sources import MemorySource, ZarrSource
from lazyzarr.graph.optimize import optimize_outputs
from lazyzarr.graph.plan import Output
from lazyzarr.graph.progress import progress_bar
from lazyzarr.graph.schedule import Scheduler, choose_scheduler, gather_as_completed, on_all_workers
from lazyzarr.graph.spec import Shared, Spec, stop_run
from lazyzarr.graph.stage import Budget
from lazyzarr.graph.tasks import build_graph, final_key, run_inline
from lazyzarr.graph.temporary import choose_folder, temporary_folder
from lazyzarr.settings import available_memory, format_bytes, parse_bytes, setting

__all__ = ["Job", "make_spec", "run"]

Array = np.ndarray[Any, Any]
# Arrays captured by an expression travel with its plan; beyond this they would swamp the scheduler.
MOST_CAPTURED = 10_000_000
# What of a source's metadata the plan and the readers of a run rely on.
FACTS = ("shape", "dtype", "chunk_shape", "codecs")

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
    given = job.num_workers or setting("num_workers")
    tiny, folder = scheduler.name == "threads" and not given, choose_folder(job.temp) if guarded else ""
    budget = Budget(_budget_bytes(job.memory), scheduler.workers, tiny, folder)
    return Spec(optimize_outputs(outputs), budget, _run_token(outputs), dict(np.geterr())), scheduler


def _budget_bytes(memory: str | float | None) -> int:
    """The budget in bytes: as given, as set, or half of what is available."""
    memory = setting("memory") if memory is None else memory
    if memory is None:
        return available_memory() // 2
    words = isinstance(memory, (str, int, float, np.number)) and not isinstance(memory, bool)
    nbytes = parse_bytes(memory) if words and memory == memory else 0
    if nbytes <= 0:
        raise ValueError(f'memory={memory!r} is no budget; write it as "2GB", "500 MB" or in bytes')
    return nbytes


def _run_token(outputs: Sequence[Output]) -> str:
    """A token of this run alone, so that no two runs share a key on a cluster."""
    text = token_of(tuple(output.node.token for output in outputs))
    return f"{abs(hash(text)):016x}"[:8] + f"{os.getpid():x}{next(_runs):x}"


def run(outputs: Sequence[Output], job: Job, commit: Callable[[], None] | None = None) -> list[Array | None]:
    """The answers of the outputs, None for those that were written.

    When this returns or raises, no task of the run writes any more.
    """
    spec, scheduler = make_spec(outputs, job)
    check(spec.stages, scheduler.reach)
    refuse_changed_sources(outputs)
    folder = temporary_folder(spec.stages.folder) if spec.stages.spills else nullcontext()
    with folder, progress_bar(spec.stages, job.progress) as advance:
        spec.on_block = advance
        try:
            return _run(spec, scheduler, commit)
        except BaseException:
            spec.stop()
            if scheduler.client is not None:
                on_all_workers(scheduler.client, stop_run, spec.token)
            raise
        finally:
            spec.release()


def _run(spec: Spec, scheduler: Scheduler, commit: Callable[[], None] | None) -> list[Array | None]:
    if scheduler.shares_memory:
        spec.shared = Shared(spec.stages)
        with blas_threads_capped(spec):
            if all(stage.layout.tasks <= 1 for stage in spec.stages.stages):
                return run_inline(spec, commit)
            scheduler = choose_scheduler(scheduler.name, spec.stages.workers)
            return scheduler.get(build_graph(spec, commit), final_key(spec))  # type: ignore[no-any-return]
    _refuse_large_captures(spec)
    if scheduler.client is not None and commit is None:
        return _gather_from_cluster(spec, scheduler.client)
    return scheduler.get(build_graph(spec, commit), final_key(spec))  # type: ignore[no-any-return]


def _gather_from_cluster(spec: Spec, client: Any) -> list[Array | None]:
    """The answers from a cluster, each block copied into place as it arrives."""
    graph = build_graph(spec)
    finish = graph.pop(final_key(spec))
    gathered: dict[Any, Any] = {}
    gather_as_completed(client, graph, sorted(finish.dependencies, key=str), gathered.__setitem__)
    return finish({key: gathered[key] for key in finish.dependencies})  # type: ignore[no-any-return]


def refuse_changed_sources(outputs: Sequence[Output]) -> None:
    """Raises SourceChangedError where a source is no longer the array that the expression was made of."""
    for node in walk([output.node for output in outputs]):
        if isinstance(node, ZarrSource):
            now, then = node.handle.current(), node.array.metadata
            changed = [fact for fact in FACTS if getattr(now, fact) != getattr(then, fact)]
            if changed:
                was = ", ".join(f"{fact} {getattr(then, fact)} -> {getattr(now, fact)}" for fact in changed)
                raise SourceChangedError(
                    f"{node.handle.url} has changed since the expression was made: {was}. "
                    "Make the expression again: x = lz.from_zarr(...)"
                )


def _refuse_large_captures(spec: Spec) -> None:
    """Raises ValueError where arrays in memory are too large to travel with the plan."""
    held = [node for node in walk([output.node for output in spec.outputs]) if isinstance(node, MemorySource)]
    size = sum(node.array.nbytes for node in held)
    if size > MOST_CAPTURED:
        raise ValueError(
            f"this expression holds {format_bytes(size)} of arrays in memory, which every worker process "
            "would be sent. "
            'Store them where workers can read them: lz.save("a.zarr", a), then lz.from_zarr("a.zarr"); '
            'or use scheduler="threads"'
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
