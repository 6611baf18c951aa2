"""Slices of array-likes: values of their own, whatever the object does with the memory in which it gave them."""

from __future__ import annotations

import operator
import os
import threading
import weakref
from typing import Any

import numpy as np

from lazyzarr.graph.ops.lending import answer

__all__ = ["Sliced", "sliced"]

Array = np.ndarray[Any, Any]


class Sliced:
    """An object that is sliced, from several threads; of those who fill one buffer again, one at a time."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self._own: bool | None = None
        """Whether slices were all arrays of their own, as far as is known."""
        self.forget_threads()

    def forget_threads(self) -> None:
        """Nobody asks: as it begins, and in a child process, which has none of the others' threads."""
        self._lock = threading.RLock()
        self._gone = threading.Condition(self._lock)
        self._free: list[int] = []
        """The threads that ask side by side."""

    def get(self, where: tuple[slice, ...]) -> Array:
        """A slice; a copy, where the object or anybody else can reach its memory.

        Until the first slice tells, and from the first one on that is somebody else's, no other thread asks meanwhile.
        """
        if self._is_free():
            own = True
            try:
                values, own = self._ask(where)
            finally:
                self._leave(own)
            if own:
                return values
        with self._lock:
            # Who began before that one was known may fill the same memory; a slice may be asked for within a slice.
            while any(thread != threading.get_ident() for thread in self._free):
                self._gone.wait()
            values, own = self._ask(where)
            self._own = own and self._own is not False
            return values if own else values.copy()

    def _is_free(self) -> bool:
        """Whether this thread may ask beside others; then it is to `_leave`."""
        with self._lock:
            if self._own:
                self._free.append(threading.get_ident())
            return bool(self._own)

    def _leave(self, own: bool) -> None:
        """Tells who waits that this thread asks no more, and whether what it was given is its own."""
        with self._lock:
            if threading.get_ident() in self._free:
                self._free.remove(threading.get_ident())
            if not own:
                self._own = False  # and what it gave may be another thread's
            self._gone.notify_all()

    def _ask(self, where: tuple[slice, ...]) -> tuple[Array, bool]:
        return answer(operator.getitem, (self.array, where), {})


_known: weakref.WeakValueDictionary[int, Sliced] = weakref.WeakValueDictionary()


def sliced(array: Any) -> Sliced:
    """What slices an object: the same for all who hold it, as long as anybody does."""
    found = _known.get(id(array))
    return _known.setdefault(id(array), Sliced(array)) if found is None else found


def _after_fork() -> None:
    """In a child: no other thread asks."""
    for each in list(_known.values()):
        each.forget_threads()


os.register_at_fork(after_in_child=_after_fork)
