"""What stores share whose keys stand in one table of this process: places, listings, a path moved or deleted.

What deletes or moves a path counts up the path's place, so that a handle opened before can tell the array it
was opened on from one made in its stead.
"""

from __future__ import annotations

import threading
import uuid
from abc import abstractmethod
from collections.abc import Hashable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..keys import is_reserved, normalize_path, validate_key
from .protocol import Store

__all__ = ["KeyedStore", "Places", "hidden"]


class Places:
    """How often each path was deleted or moved, and the lock under which that is done."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.token = uuid.uuid4().int >> 81  # as many digits as an address; never another store's
        self.changes = 0
        """How often any path was."""
        self._counts: dict[str, int] = {}

    def of(self, path: str) -> Hashable:
        """The place of a path: another one once the path, or one above it, was deleted or moved."""
        parts = normalize_path(path).split("/") if path else []
        above = ("/".join(parts[:n]) for n in range(len(parts) + 1))
        return self.token, path, *(self._counts.get(name, 0) for name in above)

    def leave(self, path: str) -> None:
        """Count up a path: what comes there next is something else."""
        self._counts[path] = self._counts.get(path, 0) + 1
        self.changes += 1


class KeyedStore(Store):
    """A store whose keys stand in one table."""

    @property
    @abstractmethod
    def _places(self) -> Places:
        """The places, shared by all stores over one table."""

    @abstractmethod
    def _table(self) -> MutableMapping[str, Any]:
        """The keys, with what stands for their values."""

    @abstractmethod
    def _changing(self) -> AbstractContextManager[object]:
        """Held while the table is changed; it is exclusive, and may be entered again within."""

    def place(self, path: str) -> Hashable | None:
        """How often the path, and each one above it, was deleted or swapped; with the store's own number."""
        return self._places.of(path)

    def mark(self, key: str) -> object:
        """The place of the key's node."""
        return self._places.of(key.rpartition("/")[0])

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        if key in self._table():
            with self._changing():
                self._table().pop(key, None)

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        if not self._keys(path):
            return
        with self._changing():
            self._places.leave(path)
            table = self._table()
            for key in self._keys(path):
                table.pop(key, None)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        new, target = normalize_path(new), normalize_path(target)
        self.check_writable(target)
        with self._changing():
            table = self._table()
            moving = self._keys(new)
            ahead = set(moving)
            there = [key for key in self._keys(target) if key not in ahead and not hidden(key, target)]
            if there and not replace:
                return False
            self._places.leave(target)
            self._places.leave(new)
            old = {_moved(key, target, new): table[key] for key in there}
            made = {_moved(key, new, target): table[key] for key in moving}
            self._exchange([*there, *moving], made | old)
        return True

    def _exchange(self, gone: Sequence[str], new: dict[str, Any]) -> None:
        """Remove keys, and store others in their stead."""
        table = self._table()
        for key in gone:
            del table[key]
        table.update(new)

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        return (key for key in self._keys(path) if not hidden(key, path))

    def list_dir(self, path: str = "") -> Sequence[str]:
        start = len(path := normalize_path(path)) + bool(path)
        return sorted({key[start:].partition("/")[0] for key in self._keys(path) if not hidden(key, path)})

    def _keys(self, path: str) -> Sequence[str]:
        """The keys below a path, reserved ones too; a copy, so that threads may write meanwhile."""
        # list() of a dict's keys is one step under the GIL; a comprehension over the dict is not
        prefix = f"{path}/" if path else ""
        return [key for key in tuple(self._table()) if key.startswith(prefix)]


def hidden(key: str, path: str) -> bool:
    """Whether a key below a path is reserved, seen from there.

    >>> hidden("a/__lazyzarr-1/b", "a"), hidden("__lazyzarr-1/b", "__lazyzarr-1")
    (True, False)
    """
    return any(map(is_reserved, key[len(path) :].split("/")))


def _moved(key: str, path: str, to: str) -> str:
    return f"{to}/{key[len(path) + bool(path) :]}".removeprefix("/")
