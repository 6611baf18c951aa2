"""A store in this process's memory: a dict of keys to bytes.

1. `set` copies what it is given into `bytes`, then puts it into the dict: one step, and never changed again.
2. What changes several keys, or looks before it writes, does so under the lock that all stores over one
   dict share.

It is reached from the threads of the process that made it; pickled, it opens only there.
"""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from ...errors import StoreError, StoreReachError
from ..keys import normalize_path, validate_key
from .keyed import KeyedStore, Places
from .protocol import (
    Buffer,
    ByteRange,
    ChunkFiles,
    Generation,
    KeyFiles,
    Reach,
    Store,
    StoreSpec,
    buffers_of,
)

__all__ = ["MemoryStore"]


class _Memory:
    """What the stores over one dict share."""

    def __init__(self, contents: MutableMapping[str, Buffer], places: Places) -> None:
        self.contents = contents
        self.places = places
        self.token = uuid.uuid4().int >> 81 if places.token in _by_token else places.token
        self.process = os.getpid()


_by_dict: weakref.WeakValueDictionary[int, _Memory] = weakref.WeakValueDictionary()
_by_token: weakref.WeakValueDictionary[int, _Memory] = weakref.WeakValueDictionary()
_places: weakref.WeakValueDictionary[int, Places] = weakref.WeakValueDictionary()
_registering = threading.Lock()


def _memory_of(contents: MutableMapping[str, Buffer]) -> _Memory:
    with _registering:
        memory = _by_dict.get(id(contents))  # it holds the dict, so the id is not another one's
        if memory is None:
            # A mapping that is checked on its way is the same place as the mapping itself: locks are on places.
            within = id(getattr(contents, "checked", contents))
            places = _places.get(within) or _places.setdefault(within, Places())
            memory = _by_dict[id(contents)] = _Memory(contents, places)
            _by_token[memory.token] = memory
        return memory


class MemoryStore(KeyedStore):
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

    reach: Reach = "thread"
    gathers = True

    def __init__(
        self, store_dict: MutableMapping[str, Buffer] | None = None, *, read_only: bool = False
    ) -> None:
        self.read_only = read_only
        self._memory = _memory_of({} if store_dict is None else store_dict)
        self._contents = self._memory.contents

    def spec(self) -> StoreSpec:
        return _open_memory, (self._memory.token, self._memory.process, self.read_only)

    def url(self, path: str = "") -> str:
        return f"memory://{self._memory.places.token}" + (f"/{path}" if path else "")

    @property
    def _places(self) -> Places:
        return self._memory.places

    def _table(self) -> MutableMapping[str, Any]:
        return self._contents

    def _changing(self) -> AbstractContextManager[object]:
        return self._memory.places.lock

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
        with self._memory.places.lock:
            if self.generation(key) != expected:
                return False
            self._contents[key] = owned
        return True

    def size(self, key: str) -> int | None:
        stored = self.get(key)
        return None if stored is None else memoryview(stored).nbytes

    def generation(self, key: str) -> Generation | None:
        with self._memory.places.lock:
            stored = self.get(key)
            return None if stored is None else Generation(self.place(key.rpartition("/")[0]), bytes(stored))

    def mark(self, key: str) -> object:
        """The document, which whoever changes a dict by other means changes too; and how often any path was left."""
        if type(self._contents) is not dict:
            return super().mark(key)
        return self._memory.places.changes, self._contents.get(key)

    def chunk_files(self, path: str) -> ChunkFiles:
        return _MemoryFiles(self, normalize_path(path), self._contents)


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
