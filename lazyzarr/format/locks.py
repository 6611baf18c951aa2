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
"process": then they are safe between the threads of one process only. Stores without folders (MemoryStore)
have the gate alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from ..errors import ArrayReplacedError, LockUnavailableError, StoreError
from ..settings import setting
from . import os_calls
from .stores.protocol import Store

__all__ = ["ArrayLock", "HeldLock", "array_lock"]

_NO_FLOCK = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF}
_QUEUES = ("zarr.json", ".zarray", ".zgroup")
_ROUND = 0.05  # seconds for which threads come in without asking whether another process waits
_UNITS = 127  # locks for the units of an array; units that share one wait for each other, no more


_WHOLE, _PARTIAL, _ALONE = range(3)


class _Gate:
    """The lock of one array within this process; `folder` is the descriptor whose flock it takes, or None."""

    def __init__(self, place: Hashable, folder: int | None) -> None:
        self.place = place
        self.folder = folder
        # Not by __del__: while that runs, the dict of gates still gives the gate to other threads.
        self._close = None if folder is None else weakref.finalize(self, os.close, folder)
        self._units: dict[int, threading.Lock] = {}
        self._changed = threading.Condition(threading.Lock())
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
            return way == self._way and way != _ALONE and not others and not self._is_waited_for()
        return self._turn in (-1, way) or self._turn not in others

    def _is_waited_for(self) -> bool:
        """Whether another process waits for this one to let go, asked once in a while."""
        if self.folder is None or time.monotonic() < self._ask_at:
            return False
        with _queue(self.folder) as queue:
            try:
                if queue is not None:
                    shared = fcntl.LOCK_SH if self._way == _WHOLE else fcntl.LOCK_EX
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
        if self.folder is None:
            return
        operation = fcntl.LOCK_SH if way == _WHOLE else fcntl.LOCK_EX
        in_turn = way == _WHOLE and time.monotonic() < self._ask_at
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
            if way != _WHOLE and setting("locking") != "process":
                raise LockUnavailableError(
                    "this filesystem has no flock, so changing part of a chunk could undo another process's "
                    "change; write whole chunks, or if no other process writes: "
                    'lazyzarr.config.set({"locking": "process"})'
                ) from error

    def _unlock(self) -> None:
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
        self.folder = None


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
_gates: weakref.WeakValueDictionary[Hashable, _Gate] = weakref.WeakValueDictionary()
_opening = threading.Lock()
# Gates hold a descriptor each, which are a process's and often 1,024 in all: only so many locks keep theirs.
_MOST_OPEN = 64
_kept: deque[weakref.ref[ArrayLock]] = deque()


def _after_fork() -> None:
    """In a child: its descriptors share the parent's locks, so they are closed, and nothing is held."""
    global _gates, _opening
    for gate in list(_gates.values()):
        gate.forget()
    for queue in _queues:
        os.close(queue)
    _queues.clear()
    _kept.clear()
    _gates, _opening = weakref.WeakValueDictionary(), threading.Lock()


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
        self._gate: _Gate | None = None
        self._place: Hashable | None = None

    def whole(self) -> AbstractContextManager[object]:
        """Hold it to write and delete whole units."""
        return _Hold(self, _WHOLE)

    def partial(self) -> AbstractContextManager[object]:
        """Hold it to change units: each of them within `unit` too, the whole ones among them as well."""
        return _Hold(self, _PARTIAL)

    def alone(self) -> AbstractContextManager[HeldLock]:
        """Hold it to change metadata, or several keys at once; gives the lock for the writes within."""
        return _Hold(self, _ALONE)

    def unit(self, coords: tuple[int, ...]) -> threading.Lock:
        """The lock of one unit between the threads that hold the array's lock in this process."""
        return self.found().unit(coords)

    def found(self) -> _Gate:
        """The gate of the array: the one that is kept, unless a fork took it away, or one opened now."""
        gate = self._gate
        return gate if gate is not None and _gates.get(gate.place) is gate else self._open()

    def _keep(self, gate: _Gate) -> None:
        """Keeps the gate open; the lock that opened one first lets go of it where there are too many."""
        self._gate = gate
        _kept.append(weakref.ref(self))
        while len(_kept) > _MOST_OPEN:
            first = _kept.popleft()()
            if first is not None and first is not self:
                first._gate = None

    def _open(self) -> _Gate:
        """The gate of the array, found or made; always of the folder that it was when it was first asked."""
        with _opening:
            place, folder = self._open_folder()
            if self._place is None:
                self._place = place
            gate = _gates.get(place)
            if gate is None:
                gate = _gates[place] = _Gate(place, folder)
            elif folder is not None:
                os_calls.calls.close(folder)
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

    def __init__(self, gate: _Gate) -> None:
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
        self._gate: _Gate | None = None
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
