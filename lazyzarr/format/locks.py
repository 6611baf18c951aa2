"""The write lock of an array: every set and delete of a write unit, and every edit of metadata, takes it.

1. Three ways to hold it. *whole*: whole units are written; any threads and processes at once, as each write
   is atomic. *partial*: units are read, changed and written back; the threads of one process, each unit by
   one of them at a time (`unit`). *alone*: metadata is changed, or the array replaced; one thread. The three
   exclude each other, between threads and between processes.
2. Between processes it is flock on the array's folder: shared for whole, exclusive for the others. So it is
   freed by a kill, and leaves nothing in the store.
3. Within a process there is one gate an array, whoever opened it. The first thread in takes the flock, the
   last one out frees it, and those who wait for another way of holding it come first then.
4. Who waits for the flock keeps a second one meanwhile, on the metadata file; each process takes that one
   first, writers of whole units not again for a short while. So one that waits for an exclusive lock is not
   passed by others for ever. Threads that keep coming into a gate ask there as often whether somebody waits,
   and let the gate run empty then. Only the order hangs on it, so it does no harm that the file is replaced.
5. Whoever takes the flock looks whether the path still names the folder that was locked; if not, the array
   was replaced meanwhile, and it is refused (ArrayReplacedError). As a writer takes the lock before it first
   looks at the array, it writes to the folder that it locked.
6. A thread takes one lock at a time, and none within another.
7. An interrupt (Ctrl-C) may come between any two steps. So who is within, and who waits, is known by the
   object that holds it for them: where `leave` was not reached, that object's end is the leaving.
8. A child that was forked forgets the locks its parent holds, and takes its own.

A filesystem without flock (some NFS, Lustre) refuses partial and alone, unless the setting `locking` is
"process": then they are safe between the threads of one process only. Stores without folders have the gate
alone in memory, elsewhere what leases.py says.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from ..errors import ArrayReplacedError, StoreError
from . import os_calls
from .gates import ALONE, PARTIAL, WHOLE, Gate, after_fork, find_gate, open_gate
from .leases import guard_of
from .stores.protocol import Store

__all__ = ["ArrayLock", "HeldLock", "array_lock"]

_opening = threading.Lock()
# Gates hold a descriptor each, which are a process's and often 1,024 in all: only so many locks keep theirs.
_MOST_OPEN = 64
_kept: deque[weakref.ref[ArrayLock]] = deque()


def _after_fork() -> None:
    """In a child: nothing is held, and nothing is half done."""
    global _opening
    after_fork()
    _kept.clear()
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


class ArrayLock:
    """The write lock of one array (or, for its metadata, one group): see the head of this file.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> lock = array_lock(MemoryStore(), "u")
    >>> with lock.partial(), lock.unit((0, 1)):
    ...     pass  # read the chunk (0, 1), change it, write it
    """

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        self._gate: Gate | None = None
        self._place: Hashable | None = None

    def whole(self) -> AbstractContextManager[object]:
        """Hold it to write and delete whole units."""
        return _Hold(self, WHOLE)

    def partial(self) -> AbstractContextManager[object]:
        """Hold it to change units: each of them within `unit` too, the whole ones among them as well."""
        return _Hold(self, PARTIAL)

    def alone(self) -> AbstractContextManager[HeldLock]:
        """Hold it to change metadata, or several keys at once; gives the lock for the writes within."""
        return _Hold(self, ALONE)

    def unit(self, coords: tuple[int, ...]) -> threading.Lock:
        """The lock of one unit between the threads that hold the array's lock in this process."""
        return self.found().unit(coords)

    def found(self) -> Gate:
        """The gate of the array: the one that is kept, unless a fork took it away, or one opened now."""
        gate = self._gate
        return gate if gate is not None and find_gate(gate.place) is gate else self._open()

    def _keep(self, gate: Gate) -> None:
        """Keeps the gate open; the lock that opened one first lets go of it where there are too many."""
        self._gate = gate
        _kept.append(weakref.ref(self))
        while len(_kept) > _MOST_OPEN:
            first = _kept.popleft()()
            if first is not None and first is not self:
                first._gate = None

    def _open(self) -> Gate:
        """The gate of the array, found or made; always of the folder that it was when it was first asked."""
        with _opening:
            place, folder = self._open_folder()
            if self._place is None:
                self._place = place
            guard = guard_of(self._store, self._path) if folder is None else None
            gate = open_gate(place, folder, guard)
            self._keep(gate)
            return gate

    def _open_folder(self) -> tuple[Hashable, int | None]:
        path = self._store.directory(self._path)
        if path is None:
            return self._store.place(self._path), None
        calls = os_calls.calls
        try:
            folder = calls.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            info = calls.fstat(folder)
        except FileNotFoundError as error:
            raise self._replaced() from error
        except OSError as error:
            url = self._store.url(self._path)
            raise StoreError(f"could not open {url} to lock it: {error.strerror}", self._path) from error
        return (info.st_dev, info.st_ino), folder

    def check(self) -> None:
        """Raise ArrayReplacedError unless the path still names the folder that was locked."""
        if self._store.place(self._path) != self._place:
            raise self._replaced()

    def _replaced(self) -> ArrayReplacedError:
        return ArrayReplacedError(
            f"{self._store.url(self._path)} was deleted or replaced since it was opened, so nothing more is "
            "written to it; open it again"
        )


class HeldLock:
    """The lock as one sees it who holds it alone: whole and partial are granted already."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def whole(self) -> AbstractContextManager[object]:
        """Granted."""
        return nullcontext()

    def partial(self) -> AbstractContextManager[object]:
        """Granted."""
        return nullcontext()

    def unit(self, coords: tuple[int, ...]) -> threading.Lock:
        """The lock of one unit between the threads that work for the holder."""
        return self._gate.unit(coords)


class _Hold(AbstractContextManager[HeldLock]):
    """The lock held one way, as a context; it is let go at the latest when this object is."""

    __slots__ = ("_gate", "_lock", "_way")

    def __init__(self, lock: ArrayLock, way: int) -> None:
        self._gate: Gate | None = None
        self._lock = lock
        self._way = way

    def __enter__(self) -> HeldLock:
        self._gate = gate = self._lock.found()
        gate.enter(id(self), self._way, self._lock.check)
        return HeldLock(gate)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        gate = self._gate
        if gate is not None:
            gate.leave(id(self))
            self._gate = None


def array_lock(store: Store, path: str) -> ArrayLock:
    """The write lock of the array at a path of a store. Nothing is opened or taken yet."""
    return ArrayLock(store, path)
