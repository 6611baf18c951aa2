"""Worker processes: kept pools, one task at a time to each process; a failed run leaves them at rest."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask.multiprocessing
import dask.threaded
from dask.callbacks import Callback

from lazyzarr.graph.findings import Findings, Told
from lazyzarr.graph.spec import found_for, obey

__all__ = ["run_in_processes"]

Take = Callable[[Any, Any], bool]


class Pool:
    """Processes that wait for tasks, and a table in memory shared with them of the runs that were stopped."""

    def __init__(self, workers: int) -> None:
        context = dask.multiprocessing.get_context()  # type: ignore[no-untyped-call]
        self._stopped = context.RawArray("Q", 16)
        self._next = 0
        self._executor = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_begin, initargs=(self._stopped,)
        )

    @property
    def broken(self) -> bool:
        """Whether a process has died."""
        return bool(getattr(self._executor, "_broken", False))

    def stop(self, token: str) -> None:
        """Lets the tasks of a run end before they write again."""
        self._stopped[self._next % len(self._stopped)] = _number(token)
        self._next += 1

    @contextmanager
    def run(self, token: str, findings: Findings) -> Iterator[Submitted]:
        """Within: the pool as one run sees it. Where that fails it has no task left when this is over."""
        submitted = Submitted(self._executor, token, findings)
        try:
            yield submitted
        except BaseException:
            self.stop(token)
            submitted.settle()
            raise

    def close(self) -> None:
        """Ends the processes when they are at rest."""
        self._executor.shutdown(cancel_futures=True)


class Submitted:
    """An executor, as Dask asks of one, that knows which of its tasks are not over, and takes what they have found."""

    def __init__(self, executor: ProcessPoolExecutor, token: str, findings: Findings) -> None:
        self._executor, self._token, self._findings = executor, token, findings
        self._futures: set[Future[Any]] = set()
        self._max_workers = executor._max_workers  # type: ignore[attr-defined]

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Lets a process call a function."""
        answer: Future[Any] = Future()
        future = self._executor.submit(_called, self._token, function, *args)
        self._futures.add(future)
        future.add_done_callback(partial(self._hand_on, answer))
        return answer

    def _hand_on(self, answer: Future[Any], future: Future[Any]) -> None:
        """Gives a task's answer to whoever waits for it, when all else of the task is here."""
        self._futures.discard(future)
        if future.cancelled():
            answer.cancel()
            return
        error = future.exception()
        if error is not None:
            answer.set_exception(error)
            return
        value, told = future.result()
        self._findings.take(told)
        answer.set_result(value)

    def settle(self) -> None:
        """Waits until no task is under way; an interrupt meanwhile is raised after that."""
        interrupted: KeyboardInterrupt | None = None
        while True:
            try:
                futures = list(self._futures)
                for future in futures:
                    future.cancel()
                wait(futures)
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted


def _called(token: str, function: Callable[..., Any], *args: Any) -> tuple[Any, Told]:
    """What a function gives, and what it has found for a run meanwhile."""
    return function(*args), found_for(token)


_pools: dict[int, Pool] = {}
_making = threading.Lock()
# Pools of the process that this one was forked from: its processes are not ours to end.
_of_the_parent: list[Any] = []


def run_in_processes(
    workers: int, graph: Mapping[Any, Any], keys: Sequence[Any], token: str, take: Take, findings: Findings
) -> None:
    """Runs a graph in a kept pool and hands over the value of each task; one that was taken is not kept.

    What goes wrong in floating point is put into `findings`.
    """

    def taken(key: Any, value: Any, _graph: Any, state: Any, _worker: Any) -> None:
        if take(key, value):
            state["cache"][key] = None

    callbacks = [*Callback.active, (None, None, None, taken, None)]  # Dask's progress bar is one
    with _pool(workers).run(token, findings) as pool:
        try:
            dask.multiprocessing.get(
                graph, list(keys), pool=pool, chunksize=1, optimize_graph=False, callbacks=callbacks
            )
        except BrokenProcessPool as error:
            error.add_note(
                "A worker process died; nothing of this run was published. Out of memory? Give memory= less, or fewer "
                "num_workers=. A script that uses processes needs its work under: if __name__ == '__main__':"
            )
            raise
        except BaseException as error:
            # Dask hands over a stand-in, without the notes; the error itself lies within.
            original = getattr(error, "exception", None)
            if isinstance(original, BaseException):
                raise original from error
            raise


def _pool(workers: int) -> Pool:
    with _making:
        pool = _pools.get(workers)
        if pool is None or pool.broken:
            pool = _pools[workers] = Pool(workers)
        return pool


def _number(token: str) -> int:
    return int.from_bytes(token.encode()[-8:], "big") or 1


def _begin(stopped: Any) -> None:
    """What a worker process does first: Ctrl-C is the business of the one that asked for the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    dask.multiprocessing.initialize_worker_process()  # type: ignore[no-untyped-call]
    obey(lambda token: _number(token) in stopped[:])
    threading.Thread(target=_end_with_parent, name="lazyzarr-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that it works for is gone: if killed, that tells it nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@atexit.register
def _close_pools() -> None:
    for pool in _pools.values():
        pool.close()


def _after_fork() -> None:
    """A forked child has none of the threads and processes that its parent's pools are made of."""
    global _making
    _making = threading.Lock()
    _of_the_parent.append((dict(_pools), dict(dask.threaded.pools), dask.threaded.default_pool))
    _pools.clear()
    dask.threaded.pools.clear()
    dask.threaded.default_pool = None
    dask.threaded.pools_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
