"""Work over chunks on one thread or on all cores: batches for the threads of one call, never a future a chunk.

Chunks of little work are done by the calling thread alone: each of their short releases of the GIL would
start a convoy, and a second thread cost more than it brings. Where threads pay they are new ones, and the caller waits:
a kept thread that is woken by one who goes on working was queued behind it on the same core (eight chunks of 4 MiB:
10 ms with one thread, 10 with the caller and a kept one, 8 with two kept ones, 5.5 with two new ones).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from itertools import islice
from typing import TypeVar

from ..settings import cpu_count

__all__ = ["in_order", "spread"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Bytes of a chunk from which on threads pay. Measured for a chunk that is read and copied, with one thread and
# with two, on two cores: 32 KiB 35 and 35 us, 64 KiB 60 and 49, 128 KiB 115 and 74; written: 75 and 75, 124
# and 91, 216 and 125.
SMALL_WORK = 100_000


def spread(
    batch: Callable[[Iterator[Item]], None],
    items: Iterable[Item],
    count: int,
    nbytes: int,
    waiting: tuple[Executor, int] | None = None,
    least: int = 0,
) -> None:
    """Call `batch` with an iterator over the items, in several threads with shares of them if that pays.

    Parameters
    ----------
    batch
        Works through the iterator it is given.
    items, count
        What is to be done, and at most how many.
    nbytes
        Decoded bytes of the work on a chunk.
    waiting
        Where most of the time is waiting: the threads to use instead, and how many of them.
    least
        Decoded bytes in all, below which other threads are not worth waking.

    The first exception ends the others' work too, and is raised when all have come to rest.
    """
    pays = nbytes >= SMALL_WORK and count * nbytes >= least
    pool, most = (None, cpu_count() if pays else 1) if waiting is None else waiting
    threads = min(most, count)
    if threads < 2:
        batch(iter(items))
        return
    # `next` of a list's iterator is one step for the interpreter, so threads can share it.
    shared = iter(list(items))

    def stop() -> None:
        for _ in shared:  # leaves the others nothing to do
            pass

    def work() -> None:
        try:
            batch(shared)
        except BaseException:
            stop()
            raise

    with ThreadPoolExecutor(threads, "lazyzarr") if pool is None else nullcontext(pool) as chosen:
        futures = _submit(work, threads if pool is None else threads - 1, chosen)
        try:
            if pool is None and futures:
                wait(futures)
            else:
                work()
        except BaseException:
            stop()
            raise
        finally:
            # What the pool has not begun, it need not: nothing is left to be done.
            running = [future for future in futures if not future.cancel()]
            errors = [error for future in running if (error := future.exception()) is not None]
    if errors:
        raise errors[0]


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], nbytes: int, several: int
) -> Iterator[Result]:
    """The function's results for all items, in their order, worked out in several threads if that pays.

    So many items are worked on together; `nbytes` are the decoded bytes of the work on one.
    """
    rest = iter(items)
    while together := list(islice(rest, several)):
        results: dict[int, Result] = {}

        def batch(work: Iterator[tuple[int, Item]], results: dict[int, Result] = results) -> None:
            for number, item in work:
                results[number] = function(item)

        spread(batch, enumerate(together), len(together), nbytes)
        yield from (results[number] for number in range(len(together)))


def _submit(work: Callable[[], None], count: int, pool: Executor) -> list[Future[None]]:
    """The work under way in so many threads of a pool, or in fewer, where there are no more."""
    futures: list[Future[None]] = []
    with suppress(RuntimeError):  # the interpreter is shutting down, or gives no more threads
        futures.extend(pool.submit(work) for _ in range(count))
    return futures
