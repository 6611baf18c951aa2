"""Schedulers: which of Dask's runs a graph, and how it is called."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import Pool as MultiprocessingPool
from typing import Any

import dask
import dask.local
import dask.threaded
from dask.callbacks import Callback

from lazyzarr.graph.cluster import Cluster, cluster_of, live_client, usable, within_task
from lazyzarr.settings import cpu_count, setting

__all__ = ["Scheduler", "choose_scheduler", "threads"]

Get = Callable[[Mapping[Any, Any], Any], Any]
# What `dask.compute` runs a collection on that is told nothing else.
threads = dask.threaded.get


@dataclass(frozen=True)
class Scheduler:
    """A way to run a graph."""

    name: str
    workers: int
    get: Get | None
    """`get(graph, key or keys)` gives their values, where one function does it all."""
    cluster: Cluster | None = None
    """The cluster of a distributed Client, where it is one."""

    @property
    def shares_memory(self) -> bool:
        """Whether tasks run in this process, and so can write into its arrays."""
        return self.name in ("threads", "sync")

    @property
    def is_usual(self) -> bool:
        """Whether tasks would run on a thread of this process for each core, and nobody is told of them."""
        watched = dask.config.get("pool", None) is not None or Callback.active
        return self.name == "threads" and self.workers == cpu_count() and not watched

    @property
    def reach(self) -> str:
        """How far a store must be seen from: this thread's process, or others."""
        return "thread" if self.shares_memory else "host"


def choose_scheduler(scheduler: Any = None, num_workers: int | None = None) -> Scheduler:
    """The scheduler asked for; else the one set in lazyzarr.config or Dask's, a live Client, threads.

    Within a task of a cluster it is "sync": the other workers have work of their own. Raises ValueError for a name
    that Dask does not know, and for a Client that cannot be used.
    """
    asked = scheduler if scheduler is not None else setting("scheduler")
    if asked is None:
        asked = "sync" if within_task() else _dasks_choice()
    if num_workers is not None and (not isinstance(num_workers, int) or num_workers < 1):
        raise ValueError(
            f"num_workers={num_workers!r}: at least one task runs at once; leave it out for one a core"
        )
    given = num_workers or setting("num_workers")
    workers = given or dask.config.get("num_workers", None) or cpu_count()
    if hasattr(asked, "scheduler_info"):
        return _distributed(asked)
    if isinstance(asked, Executor):
        raise ValueError(
            "scheduler= takes a name or a distributed Client, no executor; name threads or processes and "
            "give num_workers="
        )
    name = _NAMES.get(id(asked), asked)
    if callable(name):
        return Scheduler("callable", workers, name)
    return _named(str(name).lower(), workers, given)


# Dask's own functions, which may be set in the place of their names.
_NAMES = {id(threads): "threads", id(dask.local.get_sync): "sync"}


def _dasks_choice() -> Any:
    """What Dask would run on: what is set for it (as a Client that is made sets itself), a live Client, threads."""
    return dask.config.get("scheduler", None) or live_client() or "threads"


def _named(name: str, workers: int, given: int | None) -> Scheduler:
    if name in ("threads", "threading"):
        size = getattr(_pool_set(), "_max_workers", None)
        workers = min(given or size, size) if size else workers
        return Scheduler("threads", workers, partial(_on_threads, workers))
    if name in ("sync", "synchronous", "single-threaded"):
        return Scheduler("sync", 1, dask.local.get_sync)
    if name in ("processes", "multiprocessing"):
        if multiprocessing.current_process().daemon:
            raise ValueError(
                'scheduler="processes" within a worker process, which may start none: use "threads" there'
            )
        return Scheduler("processes", workers, None)
    if name in ("distributed", "dask.distributed"):
        client = live_client()
        if client is None:
            raise ValueError(
                'scheduler="distributed" needs a live Client: from distributed import Client; client = Client()'
            )
        return _distributed(client)
    raise ValueError(
        f'scheduler={name!r} is not known: "threads", "sync", "processes", "distributed", or a Client'
    )


def _pool_set() -> Executor | None:
    """The pool that is set for Dask's threads, if one is."""
    pool = dask.config.get("pool", None)
    if isinstance(pool, MultiprocessingPool):
        return dask.local.MultiprocessingPoolExecutor(pool)  # type: ignore[no-untyped-call]
    return pool  # type: ignore[no-any-return]


class _Pool(Executor):
    """A pool that is handed so many tasks at once, and runs them in the caller's context."""

    def __init__(self, pool: Executor, tasks: int) -> None:
        self._pool = pool
        self._max_workers = tasks  # what Dask asks how many it may hand out

    def submit(self, function: Callable[..., Any], /, *args: Any, **words: Any) -> Future[Any]:
        """A future of the call, in the context of the caller."""
        return self._pool.submit(contextvars.copy_context().run, function, *args, **words)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads when they have no work any more."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _on_threads(workers: int, graph: Mapping[Any, Any], keys: Any) -> Any:
    """The values of keys, by Dask's scheduler for threads; on the pool that is set for it, if one is.

    Raises ValueError for a pool of processes.
    """
    others = _pool_set()
    if others is not None:
        if others.submit(os.getpid).result() != os.getpid():
            raise ValueError(
                f"the pool that is set for Dask, {others}, runs tasks in other processes, and these cannot put values "
                'into the memory of this one: compute(scheduler="processes", num_workers=...) starts its own'
            )
        # As many as the plan counts, whose memory they are to share.
        return dask.threaded.get(graph, keys, pool=_Pool(others, workers))
    # Twice as many as there are threads: Dask hands out a task when it has been told that another one is over, and
    # where the GIL is wanted by all, the thread that does so gets it after 5 ms.
    pool = _Pool(ThreadPoolExecutor(workers, "lazyzarr-run"), 2 * workers)
    try:
        return dask.threaded.get(graph, keys, pool=pool)
    finally:
        # After a failure no other block is to begin; those that run are stopped and waited for elsewhere.
        pool.shutdown(wait=False, cancel_futures=True)


def _distributed(client: Any) -> Scheduler:
    cluster = cluster_of(usable(client))
    return Scheduler("distributed", cluster.total, None, cluster)
