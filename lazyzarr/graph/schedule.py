"""Schedulers: which of Dask's runs a graph, and how it is called; the only file that calls one."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import dask
import dask.local
import dask.multiprocessing
import dask.threaded

from lazyzarr.settings import cpu_count, setting

__all__ = ["Scheduler", "choose_scheduler", "gather_as_completed", "on_all_workers", "threads"]

Get = Callable[[Mapping[Any, Any], Any], Any]
# What `dask.compute` runs a collection on that is told nothing else.
threads = dask.threaded.get


@dataclass(frozen=True)
class Scheduler:
    """A way to run a graph."""

    name: str
    workers: int
    get: Get
    """`get(graph, key or keys)` gives their values."""
    client: Any = None
    """The distributed Client, where it is one."""

    @property
    def shares_memory(self) -> bool:
        """Whether tasks run in this process, and so can write into its arrays."""
        return self.name in ("threads", "sync")

    @property
    def reach(self) -> str:
        """How far a store must be seen from: this thread's process, or others."""
        return "thread" if self.shares_memory else "host"


def choose_scheduler(scheduler: Any = None, num_workers: int | None = None) -> Scheduler:
    """The scheduler asked for; else the one set in lazyzarr.config, a live Client, Dask's setting, threads.

    Raises ValueError for a name that Dask does not know.
    """
    asked = scheduler if scheduler is not None else setting("scheduler")
    if asked is None:
        client = _live_client()
        asked = client if client is not None else dask.config.get("scheduler", None) or "threads"
    if num_workers is not None and (not isinstance(num_workers, int) or num_workers < 1):
        raise ValueError(
            f"num_workers={num_workers!r}: at least one task runs at once; leave it out for one a core"
        )
    workers = num_workers or setting("num_workers") or dask.config.get("num_workers", None) or cpu_count()
    if hasattr(asked, "scheduler_info"):
        return _distributed(asked)
    if isinstance(asked, Executor):
        raise ValueError(
            "scheduler= takes a name or a distributed Client, no executor; name threads or processes and "
            "give num_workers="
        )
    if callable(asked):
        return Scheduler("callable", workers, asked)
    return _named(str(asked).lower(), workers)


def _named(name: str, workers: int) -> Scheduler:
    if name in ("threads", "threading"):
        return Scheduler("threads", workers, partial(dask.threaded.get, num_workers=workers))
    if name in ("sync", "synchronous", "single-threaded"):
        return Scheduler("sync", 1, dask.local.get_sync)
    if name in ("processes", "multiprocessing"):
        return Scheduler("processes", workers, partial(_get_in_processes, workers))
    if name in ("distributed", "dask.distributed"):
        client = _live_client()
        if client is None:
            raise ValueError(
                'scheduler="distributed" needs a live Client: from distributed import Client; client = Client()'
            )
        return _distributed(client)
    raise ValueError(
        f'scheduler={name!r} is not known: "threads", "sync", "processes", "distributed", or a Client'
    )


def _live_client() -> Any:
    """The distributed Client that is current in this thread, or None; distributed is never imported for it."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def _distributed(client: Any) -> Scheduler:
    workers = sum(client.nthreads().values()) or 1
    return Scheduler("distributed", workers, client.get, client)


_pools: dict[int, ProcessPoolExecutor] = {}


def _get_in_processes(workers: int, graph: Mapping[Any, Any], keys: Any) -> Any:
    """Runs a graph in a kept pool of processes, one task at a time to each."""
    pool = _pools.get(workers)
    if pool is None or getattr(pool, "_broken", False):
        context = dask.multiprocessing.get_context()  # type: ignore[no-untyped-call]
        pool = _pools[workers] = ProcessPoolExecutor(
            workers, mp_context=context, initializer=dask.multiprocessing.initialize_worker_process
        )
    try:
        return dask.multiprocessing.get(graph, keys, pool=pool, chunksize=1, optimize_graph=False)
    except BaseException as error:
        # Other tasks still run: whoever called may remove what they write to.
        _pools.pop(workers).shutdown(cancel_futures=True)
        # Dask hands over a stand-in, without the notes; the error itself lies within.
        original = getattr(error, "exception", None)
        if isinstance(original, BaseException):
            raise original from error
        raise


@atexit.register
def _close_pools() -> None:
    for pool in _pools.values():
        pool.shutdown(cancel_futures=True)


def gather_as_completed(
    client: Any, graph: Mapping[Any, Any], keys: Sequence[Any], take: Callable[[Any, Any], None]
) -> None:
    """Runs a graph on a cluster and hands over each key's value as soon as it is there."""
    import distributed  # there is a Client, so it is loaded already

    futures = client.get(graph, list(keys), sync=False)
    try:
        # The loop is named: the client need not be the current one.
        arriving = distributed.as_completed(futures, loop=client.loop, with_results=True)  # type: ignore[no-untyped-call]
        for future, value in arriving:
            take(future.key, value)
            future.release()
    except BaseException:
        client.cancel(futures)
        raise


def on_all_workers(client: Any, function: Callable[[str], None], argument: str) -> None:
    """Calls a function in each worker of a cluster, beside its tasks, and waits for all that are there."""
    import asyncio  # a Client has loaded it

    async def call() -> None:
        await asyncio.to_thread(function, argument)

    with suppress(OSError, RuntimeError, ValueError):  # the cluster itself is gone
        client.run(call, on_error="ignore")
