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
        self.array, self.lock = array, threading.RLock()
        self._own: bool | None = None
        """Whether slices were all arrays of their own, as far as is known."""

    def get(self, where: tuple[slice, ...]) -> Array:
        """A slice; a copy, where the object or anybody else can reach its memory.

        Until the first slice tells, and from the first one on that is somebody else's, no other thread asks meanwhile.
        """
        if self._own:
            values, own = self._ask(where)
            if own:
                return values
            self._own = False  # and what it gave may be another thread's
        with self.lock:
            values, own = self._ask(where)
            self._own = own and self._own is not False
            return values if own else values.copy()

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
        each.lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)
