"""Reading ahead: the bytes of chunks are asked for before they are wanted, many at once, where answers take long.

What is to be read is known in advance: its coordinates, in the order in which they will be asked for. Some of
them, `depth`, are under way or have arrived; each that is taken lets the next one set out. Who asks for others,
or in another order, gets them too, without help.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future

from .chunk_source import FileSource, Scratch, ShardSource
from .stores.protocol import Buffer

__all__ = ["ROOM", "Ahead", "depth_for"]

ROOM = 128 * 1024 * 1024
"""Bytes of encoded chunks that an eager read may have under way or waiting."""

Coords = tuple[int, ...]


def depth_for(in_flight: int, nbytes: int, room: int = ROOM) -> int:
    """How many chunks of so many bytes are asked for ahead, where a store wants so many requests in flight."""
    return max(1, min(in_flight, room // max(nbytes, 1)))


class Ahead:
    """Chunks of a source, asked for ahead; any number of threads take them.

    Parameters
    ----------
    source
        Where the encoded bytes are.
    order
        The coordinates of the chunks, as they will be asked for.
    depth
        How many of them are asked for ahead.
    pool
        The threads that wait for the answers.
    new_scratch
        What each of those threads needs.
    """

    def __init__(
        self,
        source: FileSource | ShardSource,
        order: Iterable[Coords],
        depth: int,
        pool: Executor,
        new_scratch: Callable[[], Scratch],
    ) -> None:
        self._source, self.key = source, source.key
        self._pool, self._new_scratch = pool, new_scratch
        self._own = threading.local()
        self._lock = threading.Lock()
        self._window: dict[Coords, Future[Buffer | None]] = {}
        self.begin(order, depth)

    def begin(self, order: Iterable[Coords], depth: int) -> None:
        """Ask for other chunks from now on; what has not set out yet does not."""
        with self._lock:
            for future in self._window.values():
                future.cancel()
            self._window.clear()
            self._order: Iterator[Coords] = iter(order)
            self._depth, self._ended = depth, not depth
            self._next: Coords | None = None
            self._passed: dict[Coords, int] = {}

    def __call__(self, coords: Coords, scratch: Scratch) -> Buffer | None:
        """The encoded bytes of a chunk, or None."""
        with self._lock:
            self._fill()
            future = self._window.pop(coords, None)
            if future is None and not self._ended:
                self._passed[coords] = self._passed.get(coords, 0) + 1
        if future is None:
            return self._source(coords, scratch)
        raw = future.result()
        with self._lock:
            self._fill()
        if raw is None:
            scratch.empties += 1
        return raw

    def _fill(self) -> None:
        """Let more chunks set out, up to the depth."""
        while len(self._window) < self._depth and not self._ended:
            coords = next(self._order, None) if self._next is None else self._next
            self._next = None
            if coords is None:
                self._ended = True
            elif self._passed.get(coords, 0):  # somebody could not wait for it
                self._passed[coords] -= 1
            elif coords in self._window:  # wanted twice: the first has to be taken before
                self._next = coords
                return
            else:
                self._window[coords] = self._pool.submit(self._fetch, coords)

    def _fetch(self, coords: Coords) -> Buffer | None:
        scratch: Scratch | None = getattr(self._own, "scratch", None)
        if scratch is None:
            scratch = self._own.scratch = self._new_scratch()
        return self._source(coords, scratch)
