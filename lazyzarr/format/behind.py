"""Writing behind: encoded chunks on their way to a slow store, while the next ones are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future

from .stores.protocol import Buffer

__all__ = ["Behind"]


class Behind:
    """Writes that one thread hands on, at most so many of them under way or waiting.

    Parameters
    ----------
    write
        Stores buffers under a name.
    depth
        How many writes may be unfinished.
    pool
        The threads that wait for the answers.
    """

    def __init__(self, write: Callable[[str, Iterable[Buffer]], None], depth: int, pool: Executor) -> None:
        self._write, self._depth, self._pool = write, depth, pool
        self._pending: deque[Future[None]] = deque()

    def put(self, name: str, buffers: Iterable[Buffer]) -> None:
        """Store buffers, copied now; raises what an earlier write raised."""
        if len(self._pending) >= self._depth:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, name, (b"".join(buffers),)))

    def flush(self) -> None:
        """Wait for all writes; raises what the first of them that failed raised."""
        errors = [error for future in self._pending if (error := future.exception()) is not None]
        self._pending.clear()
        if errors:
            raise errors[0]

    def settle(self) -> None:
        """Begin no write that has not begun, and wait for the others."""
        for future in [future for future in self._pending if not future.cancel()]:
            future.exception()
        self._pending.clear()
