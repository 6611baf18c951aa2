"""A store in this process's memory: a dict of keys to bytes.

1. `set` copies what it is given into `bytes`, then puts it into the dict: one step, and never changed again.
2. What changes several keys, or looks before it writes, does so under the lock that all stores over one
   dict share.
3. What deletes or swaps a path counts up the path's place, so that a handle opened before can tell the array
   it was opened on from one made in its stead.

It is reached from the threads of the process that made it; pickled, it opens only there.
"""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections.abc import Hashable, Iterable, Iterator, MutableMapping, Sequence

from ...errors import StoreError, StoreReachError
from ..keys import is_reserved, normalize_path, validate_key
from .protocol import (
    Buffer,
    ByteRange,
    ChunkFiles,
    Generation,
    KeyFiles,
    Store,
    StoreSpec,
    buffers_of,
)

__all__ = ["MemoryStore"]


class _Memory:
    """What the stores over one dict share."""

    def __init__(self, contents: MutableMapping[str, Buffer]) -> None:
        self.contents = contents
        self.lock = threading.RLock()
        self.places: dict[str, int] = {}
        self.process = os.getpid()
        self.token = uuid.uuid4().int >> 81  # as many digits as an address; never another store's


_by_dict: weakref.WeakValueDictionary[int, _Memory] = weakref.WeakValueDictionary()
_by_token: weakref.WeakValueDictionary[int, _Memory] = weakref.WeakValueDictionary()
_registering = threading.Lock()


def _memory_of(contents: MutableMapping[str, Buffer]) -> _Memory:
    with _registering:
        memory = _by_dict.get(id(contents))  # it holds the dict, so the id is not another one's
        if memory is None:
            memory = _by_dict[id(contents)] = _Memory(contents)
            _by_token[memory.token] = memory
        return memory


class MemoryStore(Store):
    """A store in memory, over a new dict or one that is given.

    Parameters
    ----------
    store_dict : mutable mapping of str to bytes, optional
        What holds the bytes; another store over the same one sees the same.
    read_only : bool
        Refuse every write.

    >>> store = MemoryStore()
    >>> store.set("a/b", b"123")
    >>> bytes(store.get("a/b")), store.get("a/c"), list(store.list())
    (b'123', None, ['a/b'])
    """

    reach = "thread"

    def __init__(
        self, store_dict: MutableMapping[str, Buffer] | None = None, *, read_only: bool = False
    ) -> None:
        self.read_only = read_only
        self._memory = _memory_of({} if store_dict is None else store_dict)
        self._contents = self._memory.contents

    def spec(self) -> StoreSpec:
        return _open_memory, (self._memory.token, self._memory.process, self.read_only)

    def url(self, path: str = "") -> str:
        return f"memory://{self._memory.token}" + (f"/{path}" if path else "")

    def place(self, path: str) -> Hashable | None:
        """How often the path, and each one above it, was deleted or swapped; with the store's own number."""
        parts = normalize_path(path).split("/") if path else []
        above = ("/".join(parts[:n]) for n in range(len(parts) + 1))
        return self._memory.token, path, *(self._memory.places.get(name, 0) for name in above)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        stored = self._contents.get(validate_key(key))
        if stored is None:
            return None
        if not isinstance(stored, (bytes, bytearray, memoryview)):
            raise StoreError(f"{self.url(key)} holds a {type(stored).__name__}, not bytes", key)
        return stored if byte_range is None else memoryview(stored)[slice(*byte_range)]

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        self._contents[key] = _owned(value)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        owned = _owned(value)
        with self._memory.lock:
            if self.generation(key) != expected:
                return False
            self._contents[key] = owned
        return True

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        with self._memory.lock:
            self._contents.pop(key, None)

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        with self._memory.lock:
            self._count_up(path)
            for key in self._keys(path):
                self._contents.pop(key, None)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        new, target = normalize_path(new), normalize_path(target)
        self.check_writable(target)
        with self._memory.lock:
            moving = self._keys(new)
            ahead = set(moving)
            there = [key for key in self._keys(target) if key not in ahead and not _hidden(key, target)]
            if there and not replace:
                return False
            self._count_up(target)
            self._count_up(new)
            old = {_moved(key, target, new): self._contents.pop(key) for key in there}
            made = {_moved(key, new, target): self._contents.pop(key) for key in moving}
            self._contents.update(made | old)
        return True

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        return (key for key in self._keys(path) if not _hidden(key, path))

    def list_dir(self, path: str = "") -> Sequence[str]:
        start = len(path := normalize_path(path)) + bool(path)
        return sorted({key[start:].partition("/")[0] for key in self._keys(path) if not _hidden(key, path)})

    def size(self, key: str) -> int | None:
        stored = self.get(key)
        return None if stored is None else memoryview(stored).nbytes

    def generation(self, key: str) -> Generation | None:
        with self._memory.lock:
            stored = self.get(key)
            return None if stored is None else Generation(self.place(key.rpartition("/")[0]), bytes(stored))

    def chunk_files(self, path: str) -> ChunkFiles:
        return _MemoryFiles(self, normalize_path(path), self._contents)

    def _keys(self, path: str) -> Sequence[str]:
        """The keys below a path, reserved ones too; a copy, so that threads may write meanwhile."""
        # list() of a dict's keys is one step under the GIL; a comprehension over the dict is not
        prefix = f"{path}/" if path else ""
        return [key for key in tuple(self._contents) if key.startswith(prefix)]

    def _count_up(self, path: str) -> None:
        self._memory.places[path] = self._memory.places.get(path, 0) + 1


class _MemoryFiles(KeyFiles):
    """The chunks of one array, read from the dict itself: keys are not validated again each time."""

    def __init__(self, store: Store, path: str, contents: MutableMapping[str, Buffer]) -> None:
        super().__init__(store, path)
        self._contents = contents
        self._prefix = f"{path}/" if path else ""

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        stored = self._contents.get(self._prefix + name)
        return None if stored is None else memoryview(stored)


def _open_memory(token: int, process: int, read_only: bool) -> MemoryStore:
    memory = _by_token.get(token)
    if memory is None and process == os.getpid():
        raise StoreReachError(
            f"memory://{token} was let go: keep the store, or an array of it, while it is needed"
        )
    if memory is None or process != os.getpid():
        raise StoreReachError(
            f"memory://{token} is in the memory of process {process}, and this is process {os.getpid()}; "
            'use the threads scheduler, or a store on disk: LocalStore("data.zarr")'
        )
    return MemoryStore(memory.contents, read_only=read_only)


def _owned(value: Buffer | Iterable[Buffer]) -> bytes:
    """The bytes of a value, in memory that nobody else holds."""
    return b"".join(buffers_of(value)) if not isinstance(value, bytes) else value


def _hidden(key: str, path: str) -> bool:
    """Whether a key below a path is reserved, seen from there."""
    return any(map(is_reserved, key[len(path) :].split("/")))


def _moved(key: str, path: str, to: str) -> str:
    return f"{to}/{key[len(path) + bool(path) :]}".removeprefix("/")
