"""A cluster of Dask's: its workers and their memory, what they see of a run's stores, and values as they arrive."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyzarr.errors import PlanError, StoreReachError
from lazyzarr.format.array import ArrayHandle
from lazyzarr.graph.ops.sources import facts_of
from lazyzarr.settings import available_memory

__all__ = [
    "Cluster",
    "cluster_of",
    "count_finished",
    "gather",
    "live_client",
    "look_around",
    "on_all_workers",
    "usable",
    "within_task",
]

Take = Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Cluster:
    """A Client, and its workers as a plan counts them."""

    client: Any
    address: str
    """Of the cluster's scheduler."""
    count: int
    """Workers."""
    threads: int
    """Of the worker that has most."""
    total: int
    """Threads of all."""
    memory: int
    """Bytes, of the one that may use least."""

    def __str__(self) -> str:
        workers = f"{self.count:,} worker" + "s" * (self.count > 1)
        return f"{workers} x {self.threads} thread" + "s" * (self.threads > 1)


def live_client() -> Any:
    """The distributed Client that is current in this thread, or None; distributed is never imported for it.

    Within a task it is the worker's.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        client = distributed.get_client() if within_task() else distributed.Client.current()
    except ValueError:
        return None
    return None if client.status == "closed" else client


def within_task() -> bool:
    """Whether this thread runs a task of a cluster's worker."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def usable(client: Any) -> Any:
    """The Client, where runs can use it. Raises ValueError for one that is closed or asynchronous."""
    if client.asynchronous:
        raise ValueError(
            "this Client is asynchronous, and a call that waits for its answer would block its event loop. Use "
            'Client(...) without asynchronous=True, or scheduler="threads" in a thread of its own: '
            'await asyncio.to_thread(y.compute, scheduler="threads")'
        )
    if client.status != "running":
        raise ValueError(
            f"this Client is {client.status}: make another one, client = Client(address), or name "
            'scheduler="threads"'
        )
    return client


def cluster_of(client: Any) -> Cluster:
    """The cluster of a Client: the workers that are there now, one of one thread where there are none yet."""
    found = list(client.scheduler_info(n_workers=-1)["workers"].values())
    threads = [int(worker["nthreads"]) for worker in found] or [1]
    limits = [int(worker["memory_limit"] or 0) for worker in found]
    return Cluster(
        client,
        client.scheduler.address,
        len(threads),
        max(threads),
        sum(threads),
        min((limit for limit in limits if limit), default=available_memory() // len(threads)),
    )


@contextmanager
def _waiting() -> Iterator[None]:
    """Within: where this thread runs a task of a worker, another one may run in its stead."""
    if not within_task():
        yield
        return
    import distributed

    distributed.secede()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        distributed.rejoin()  # type: ignore[no-untyped-call]


def gather(cluster: Cluster, expr: Any, keys: Sequence[Any], take: Take) -> None:
    """Runs an expression on a cluster and hands over each key's value when it is there, one at a time."""
    import distributed  # there is a Client, so it is loaded already

    client = cluster.client
    futures = client.get(expr, list(keys), sync=False)
    try:
        with _waiting():
            # The loop is named: the client need not be the current one.
            for future in distributed.as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
                take(future.key, future.result())
                future.release()
    except BaseException as error:
        if isinstance(error, distributed.KilledWorker):
            error.add_note(
                "Each worker that ran this task died, and nothing of this run was published. Out of memory? memory= is "
                "what a worker may use above what it holds already"
            )
        if client.status == "running":  # else its futures are cancelled, and a call would wait for ever
            with suppress(OSError, RuntimeError, ValueError):
                client.cancel(futures)
        raise


def count_finished(client: Any, groups: Sequence[str]) -> list[int] | None:
    """How many tasks of each group (of keys that begin alike) a cluster has finished; None where it does not say."""

    def count(names: list[str], dask_scheduler: Any = None) -> list[int]:
        found = [dask_scheduler.task_groups.get(name) for name in names]
        return [0 if group is None else group.states["memory"] + group.states["forgotten"] for group in found]

    try:
        return client.run_on_scheduler(count, list(groups))  # type: ignore[no-any-return]
    except Exception:  # a cluster that forbids it, or that is going away: the run itself tells what is wrong
        return None


def on_all_workers(cluster: Cluster, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a function gives in each worker that is there, called beside its tasks; errors are given, too.

    Where the Client is closed by now another one asks.
    """
    import asyncio  # a Client has loaded it

    import distributed

    async def call(dask_worker: Any) -> Any:
        if dask_worker.nanny is not None and threading.current_thread() is threading.main_thread():
            # Ctrl-C in a terminal reaches the processes of a LocalCluster, too, which end and are not replaced.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return await asyncio.to_thread(function, *arguments)

    try:
        if cluster.client.status == "running":
            return cluster.client.run(call, on_error="return")  # type: ignore[no-any-return]
        with distributed.Client(cluster.address, set_as_default=False, timeout=5) as other:  # type: ignore[no-untyped-call]
            return other.run(call, on_error="return")  # type: ignore[no-any-return]
    except (OSError, RuntimeError, ValueError):  # the cluster itself is gone
        return {}


def look_around(cluster: Cluster, handles: Sequence[ArrayHandle], folder: str) -> None:
    """Lets each worker look for the arrays of a run and its temporary folder, and compares versions, in one round.

    Raises StoreReachError for a worker that does not see one, PlanError for one with other versions.
    """
    places = [(handle, facts_of(handle.open().metadata)) for handle in handles]
    for worker, seen in sorted(on_all_workers(cluster, look, places, folder).items()):
        if isinstance(seen, BaseException):
            raise PlanError(
                f"worker {worker}: {type(seen).__name__}: {seen}. Nothing was written. Install there what is "
                f"installed here: {_versions()}"
            ) from seen
        versions, problems = seen
        if versions != _versions():
            raise PlanError(
                f"worker {worker}: {versions} there, {_versions()} here. Nothing was written. "
                "Install the same versions in both"
            )
        for url, problem in problems:
            raise StoreReachError(
                f"worker {worker}: {url.removeprefix('file://')} {problem}; use a path all workers see. "
                "Nothing was written"
            )


def look(
    places: Sequence[tuple[ArrayHandle, tuple[Any, ...]]], folder: str
) -> tuple[str, list[tuple[str, str]]]:
    """The versions in this process, and what it does not see: arrays as they are described, a run's folder."""
    problems = []
    if folder and not os.path.isdir(folder):
        problems.append((os.path.dirname(folder), "is not that of temp= there"))
    for handle, facts in places:
        try:
            if facts_of(handle.current()) != facts:
                problems.append((handle.url, "is another array there"))
        except FileNotFoundError:
            problems.append((handle.url, "does not exist there"))
        except OSError as error:
            problems.append((handle.url, f"cannot be opened there ({error})"))
    return _versions(), problems


def _versions() -> str:
    numpy = ".".join(np.__version__.split(".")[:2])
    return f"lazyzarr {sys.modules['lazyzarr'].__version__}, NumPy {numpy}"
