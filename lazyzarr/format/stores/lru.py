"""What was used last, kept up to so many bytes: the parts of values, by the key of the value.

What was read before a value changed must not be kept after it: who reads notes `changes` first, and `put`
keeps nothing if it is another number by then. Whoever changes a value calls `drop` when that is done.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from ...settings import parse_bytes

__all__ = ["LastUsed"]

_all: weakref.WeakSet[LastUsed] = weakref.WeakSet()


class LastUsed:
    """Parts of values by key and part, no more than `max_size` bytes in all (None: any number).

    >>> kept = LastUsed("1kB")
    >>> kept.put("a", 0, "value", 400, kept.changes)
    >>> kept.get("a", 0), kept.get("a", 1), kept.nbytes
    ('value', None, 400)
    """

    def __init__(self, max_size: float | str | None) -> None:
        self.max_size = None if max_size is None else parse_bytes(max_size)
        self.changes = 0
        """How often something was dropped because it changed."""
        self.hits = 0
        self.misses = 0
        self.nbytes = 0
        self._parts: OrderedDict[tuple[str, Hashable], tuple[Any, int]] = OrderedDict()
        self._of: dict[str, set[Hashable]] = {}
        self._lock = threading.Lock()
        _all.add(self)

    def get(self, key: str, part: Hashable) -> Any | None:
        """What is kept, or None."""
        with self._lock:
            found = self._parts.get((key, part))
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._parts.move_to_end((key, part))
            return found[0]

    def takes(self, nbytes: int) -> bool:
        """Whether so many bytes can be kept at all."""
        return self.max_size is None or nbytes <= self.max_size

    def put(self, key: str, part: Hashable, value: Any, nbytes: int, since: int) -> None:
        """Keep a value of so many bytes that was read since `changes` was the number given."""
        with self._lock:
            if since != self.changes or not self.takes(nbytes):
                return
            self._remove(key, part)
            self._parts[key, part] = value, nbytes
            self._of.setdefault(key, set()).add(part)
            self.nbytes += nbytes
            while self.max_size is not None and self.nbytes > self.max_size:
                self._remove(*next(iter(self._parts)))

    def drop(self, key: str) -> None:
        """Forget all parts of a value, which has changed."""
        with self._lock:
            self.changes += 1
            for part in list(self._of.get(key, ())):
                self._remove(key, part)

    def drop_below(self, path: str) -> None:
        """Forget all values below a path, which have changed."""
        with self._lock:
            self.changes += 1
            for key, part in list(self._parts):
                if not path or key.startswith(f"{path}/"):
                    self._remove(key, part)

    def _remove(self, key: str, part: Hashable) -> None:
        found = self._parts.pop((key, part), None)
        if found is not None:
            self.nbytes -= found[1]
            self._of[key].discard(part)
            if not self._of[key]:
                del self._of[key]


def _after_fork() -> None:
    """In a child a lock may be held by a thread that is not there."""
    for kept in list(_all):
        kept._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
