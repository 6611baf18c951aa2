"""The gate of one array within this process, and the flock that it takes on the array's folder.

The protocol stands at the head of locks.py; this is its points 2 to 4, 7 and 8.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator

from ..errors import LockUnavailableError, StoreError
from ..settings import setting
from . import os_calls
from .leases import Guard

__all__ = ["ALONE", "PARTIAL", "WHOLE", "Gate", "after_fork", "find_gate", "open_gate"]

_NO_FLOCK = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF}
_QUEUES = ("zarr.json", ".zarray", ".zgroup")
_ROUND = 0.05  # seconds for which threads come in without asking whether another process waits
_UNITS = 127  # locks for the units of an array; units that share one wait for each other, no more

WHOLE, PARTIAL, ALONE = range(3)
"""The ways to hold an array's lock."""


class Gate:
    """The lock of one array within this process.

    `folder` is the descriptor whose flock it takes, or None; `guard` what it asks where there is no folder.
    """

    def __init__(self, place: Hashable, folder: int | None, guard: Guard | None = None) -> None:
        self.place = place
        self.folder = folder
        self.guard = guard
        # Not by __del__: while that runs, the dict of gates still gives the gate to other threads.
        self._close = None if folder is None else weakref.finalize(self, os.close, folder)
        self._units: dict[int, threading.Lock] = {}
        self._changed = threading.Condition()  # of a lock that its holder may take again: __del__ leaves
        self._way = -1
        self._inside: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._turn = -1
        self._flocked = False
        self._ask_at = 0.0

    def unit(self, coords: tuple[int, ...]) -> threading.Lock:
        """The lock of one unit between the threads of this process."""
        return self._units.setdefault(hash(coords) % _UNITS, threading.Lock())

    def enter(self, owner: int, way: int, check: Callable[[], None]) -> None:
        """Come in as soon as may be; the first one in takes the flock and calls `check`, which may refuse."""
        with self._changed:
            if not self._admits(owner, way):
                self._waiting[owner] = way
                self._changed.wait_for(lambda: self._admits(owner, way))
            self._waiting.pop(owner, None)
            if not self._inside:
                self._lock(way, check)
                self._way = way
            self._inside.add(owner)

    def leave(self, owner: int) -> None:
        """Go out, or wait no more; the last one out frees the flock, unless a fork took the gate away."""
        if _gates.get(self.place) is not self:
            return
        with self._changed:
            self._waiting.pop(owner, None)
            if self._inside <= {owner}:
                self._unlock()
            self._inside.discard(owner)
            if self._waiting:
                self._changed.notify_all()

    def _admits(self, owner: int, way: int) -> bool:
        others = {asked for waiting, asked in self._waiting.items() if waiting != owner} - {way}
        if self._inside:
            return way == self._way and way != ALONE and not others and not self._is_waited_for()
        return self._turn in (-1, way) or self._turn not in others

    def _is_waited_for(self) -> bool:
        """Whether another process waits for this one to let go, asked once in a while."""
        if self.folder is None or time.monotonic() < self._ask_at:
            return False
        with _queue(self.folder) as queue:
            try:
                if queue is not None:
                    shared = fcntl.LOCK_SH if self._way == WHOLE else fcntl.LOCK_EX
                    os_calls.calls.flock(queue, shared | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:  # no flock here
                pass
        self._ask_at = time.monotonic() + _ROUND
        return False

    def _lock(self, way: int, check: Callable[[], None]) -> None:
        try:
            self._flock(way)
            check()
        except BaseException:
            self._unlock()
            raise

    def _flock(self, way: int) -> None:
        if self.guard is not None:
            self.guard.take(way == WHOLE, way == ALONE)
        if self.folder is None:
            return
        operation = fcntl.LOCK_SH if way == WHOLE else fcntl.LOCK_EX
        in_turn = way == WHOLE and time.monotonic() < self._ask_at
        try:
            with contextlib.nullcontext() if in_turn else _queue(self.folder) as queue:
                if queue is not None:
                    os_calls.calls.flock(queue, operation)
                os_calls.calls.flock(self.folder, operation)
                self._flocked = True
            if not in_turn:
                self._ask_at = time.monotonic() + _ROUND
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise StoreError(f"could not lock the array's folder: {error.strerror}") from error
            if way != WHOLE and setting("locking") != "process":
                raise LockUnavailableError(
                    "this filesystem has no flock, so changing part of a chunk could undo another process's "
                    "change; write whole chunks, or if no other process writes: "
                    'lazyzarr.config.set({"locking": "process"})'
                ) from error

    def _unlock(self) -> None:
        if self.guard is not None:
            self.guard.free()
        if self.folder is not None:
            try:
                # Even where it seems not to be held: an interrupt may have come just as it was got.
                os_calls.calls.flock(self.folder, fcntl.LOCK_UN)
            except OSError:
                if self._flocked:
                    raise
            self._flocked = False
        asked = set(self._waiting.values())
        after = [(self._way + 1) % 3, (self._way + 2) % 3]  # in a circle, so that each way gets its turn
        self._turn = next((way for way in after if way in asked), -1)
        self._changed.notify_all()

    def forget(self) -> None:
        """Close the folder, in a forked child: its descriptor shares the parent's lock."""
        if self._close is not None:
            self._close()
        self.folder = self.guard = None


@contextlib.contextmanager
def _queue(folder: int) -> Iterator[int | None]:
    """The descriptor of the file at which processes queue for an array's flock; None where there is none."""
    queue = None
    for name in _QUEUES:
        try:
            queue = os_calls.calls.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            _queues.add(queue)
            break
        except OSError:  # v2 has another name; who cannot open it does not queue
            continue
    try:
        yield queue
    finally:
        if queue is not None:
            _queues.discard(queue)
            with contextlib.suppress(OSError):  # a forked child may have the descriptor too
                os_calls.calls.flock(queue, fcntl.LOCK_UN)
            os_calls.calls.close(queue)


_queues: set[int] = set()
_gates: weakref.WeakValueDictionary[Hashable, Gate] = weakref.WeakValueDictionary()


def find_gate(place: Hashable) -> Gate | None:
    """The gate of the array at a place, if someone holds one."""
    return _gates.get(place)


def open_gate(place: Hashable, folder: int | None, guard: Guard | None = None) -> Gate:
    """The gate of the array at a place; `folder`, a descriptor, is its from now on, or closed."""
    gate = _gates.get(place)
    if gate is None:
        gate = _gates[place] = Gate(place, folder, guard)
    elif folder is not None:
        os_calls.calls.close(folder)
    return gate


def after_fork() -> None:
    """In a child: its descriptors share the parent's locks, so they are closed, and nothing is held."""
    global _gates
    for gate in list(_gates.values()):
        gate.forget()
    for queue in _queues:
        os.close(queue)
    _queues.clear()
    _gates = weakref.WeakValueDictionary()
