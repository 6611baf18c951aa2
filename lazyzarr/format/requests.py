"""Many requests at once: a pool of threads that a slow store owns, which wait for its answers.

Threads here spend their time waiting, so there are as many as the store wants requests in flight; work on what
they bring is done elsewhere, on as many threads as there are cores (workers.py).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from .stores.protocol import Store

__all__ = ["at_once", "pool_of"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_pools: weakref.WeakKeyDictionary[Store, ThreadPoolExecutor] = weakref.WeakKeyDictionary()
_making = threading.Lock()
_thread = threading.local()


def _mark() -> None:
    _thread.waits = True


def pool_of(store: Store) -> ThreadPoolExecutor | None:
    """The pool of a store, made on first use; None where answers come at once.

    None in the threads of a pool, too: one that waited there for another one's work could wait for ever.
    """
    if store.in_flight < 2 or getattr(_thread, "waits", False):
        return None
    with _making:
        pool = _pools.get(store)
        if pool is None:
            pool = _pools[store] = ThreadPoolExecutor(store.in_flight, "lazyzarr-requests", _mark)
        return pool


def at_once(store: Store, ask: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `ask` gives for each item, in their order; in a slow store many are asked for at once.

    The first exception is raised when all that were begun have come to rest, and the others are not begun.
    """
    pool = pool_of(store)
    if pool is None:
        return [ask(item) for item in items]
    failed = threading.Event()

    def one(item: Item) -> Result | None:
        if failed.is_set():
            return None
        try:
            return ask(item)
        except BaseException:
            failed.set()
            raise

    futures: list[Future[Result | None]] = [pool.submit(one, item) for item in items]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    return [future.result() for future in futures]  # type: ignore[misc]


def _after_fork() -> None:
    """In a child the pools have no threads."""
    global _pools, _making
    _pools, _making = weakref.WeakKeyDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
