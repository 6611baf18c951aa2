"""Behaviours as wrappers around a store: read-only, and faults on command.

A wrapper passes every verb on; a behaviour overrides the few that it changes. The chunks of an array go
through it too: `chunk_files` is a verb like the others, and what it gives is wrapped where that matters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ..keys import join_path
from .lru import LastUsed
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Reach, Store, StoreSpec

__all__ = ["DROP", "FaultStore", "ReadOnlyStore", "WrapperStore"]

DROP = "drop"
"""What a FaultStore's script returns to have a write swallowed: it does nothing and succeeds."""

Script = Callable[[str, str, int], object]


class WrapperStore(Store):
    """A store that passes every verb on to another one.

    Parameters
    ----------
    store : Store
        The store within.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """Who sees what is written: as the store within."""
        return self._store.reach

    @property
    def read_reach(self) -> Reach:
        """Who sees what is stored now: as the store within."""
        return self._store.read_reach

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Whether every write is refused: as the store within."""
        return self._store.read_only

    @property
    def dimension_separator(self) -> str | None:  # type: ignore[override]
        """What new arrays have between coordinates: as the store within."""
        return self._store.dimension_separator

    @property
    def transactional(self) -> bool:  # type: ignore[override]
        """Whether the store has a commit of its own: as the store within."""
        return self._store.transactional

    @property
    def decoded(self) -> LastUsed | None:  # type: ignore[override]
        """Where decoded chunks are kept: as the store within."""
        return self._store.decoded

    @property
    def lists(self) -> bool:  # type: ignore[override]
        """Whether it tells which keys there are: as the store within."""
        return self._store.lists

    @property
    def in_flight(self) -> int:  # type: ignore[override]
        """Requests that are worth having under way at once: as the store within."""
        return self._store.in_flight

    @property
    def gathers(self) -> bool:  # type: ignore[override]
        """Whether `set` makes one copy of all that it is given: as the store within."""
        return self._store.gathers

    @property
    def renames(self) -> bool:  # type: ignore[override]
        """Whether a path is moved in one step: as the store within."""
        return self._store.renames

    @property
    def compares(self) -> bool:  # type: ignore[override]
        """Whether `set_if` decides for all who write: as the store within."""
        return self._store.compares

    @property
    def lost_updates(self) -> str | None:  # type: ignore[override]
        """Why processes could undo each other's changes: as the store within."""
        return self._store.lost_updates

    def spec(self) -> StoreSpec:
        return type(self), (self._store,)

    def url(self, path: str = "") -> str:
        return self._store.url(path)

    def place(self, path: str) -> Hashable | None:
        return self._store.place(path)

    def mark(self, key: str) -> object:
        return self._store.mark(key)

    def directory(self, path: str) -> str | None:
        return self._store.directory(path)

    def real_folder(self, path: str) -> str | None:
        return self._store.real_folder(path)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self._store.get(key, byte_range)

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._store.get_ranges(key, ranges)

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        return self._store.get_known(key)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self._store.set(key, value)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        return self._store.set_if(key, value, expected)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def delete_prefix(self, path: str) -> None:
        self._store.delete_prefix(path)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        return self._store.swap_prefix(new, target, replace)

    def beside(self, path: str) -> tuple[Store, str]:
        store, path = self._store.beside(path)
        return (self if store is self._store else self.wrap(store)), path

    def list(self, path: str = "") -> Iterator[str]:
        return self._store.list(path)

    def list_dir(self, path: str = "") -> Sequence[str]:
        return self._store.list_dir(path)

    def exists(self, key: str) -> bool:
        return self._store.exists(key)

    def size(self, key: str) -> int | None:
        return self._store.size(key)

    def generation(self, key: str) -> Generation | None:
        return self._store.generation(key)

    def chunk_files(self, path: str) -> ChunkFiles:
        return self.around(self._store.chunk_files(path), path)

    def update_files(self, path: str) -> ChunkFiles:
        return self.around(self._store.update_files(path), path)

    def around(self, files: ChunkFiles, path: str) -> ChunkFiles:
        """The behaviour around the chunks of one array."""
        return files

    def close(self) -> None:
        self._store.close()

    def wrap(self, store: Store) -> Store:
        """The same behaviour around another store."""
        return type(self)(store)


class ReadOnlyStore(WrapperStore):
    """A store that is read and refuses every write.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> ReadOnlyStore(MemoryStore({"a": b"1"})).get("a")
    b'1'
    """

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Always: what this store is for."""
        return True

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(key)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(key)
        return False

    def delete(self, key: str) -> None:
        self.check_writable(key)

    def delete_prefix(self, path: str) -> None:
        self.check_writable(path)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        self.check_writable(target)
        return False

    def around(self, files: ChunkFiles, path: str) -> ChunkFiles:
        return _WatchedFiles(files, path, self._watch)

    def _watch(self, verb: str, key: str) -> bool:
        if verb in ("set", "delete"):
            self.check_writable(key)
        return True


class FaultStore(WrapperStore):
    """A store that asks a script before each call: to count, fail, wait, or swallow what is written.

    Parameters
    ----------
    store : Store
        The store within.
    script : callable(verb, key, n)
        Called before the n-th call (from 1), "get", "set", "delete", "delete_prefix", "swap_prefix", "list",
        "size" or "generation". What it raises, the call raises; DROP makes a write do nothing.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> calls = []
    >>> store = FaultStore(MemoryStore(), lambda verb, key, n: calls.append((verb, key, n)))
    >>> store.set("a", b"1"); store.get("a")
    b'1'
    >>> calls
    [('set', 'a', 1), ('get', 'a', 2)]
    """

    def __init__(self, store: Store, script: Script) -> None:
        super().__init__(store)
        self.script = script
        self._count = itertools.count(1)

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.script)

    def wrap(self, store: Store) -> Store:
        wrapped = type(self)(store, self.script)
        wrapped._count = self._count
        return wrapped

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        self._ask("get", key)
        return super().get(key, byte_range)

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        self._ask("get", key)
        return super().get_known(key)

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        self._ask("get", key)
        return super().get_ranges(key, ranges)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        if self._ask("set", key):
            super().set(key, value)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        return not self._ask("set", key) or super().set_if(key, value, expected)

    def delete(self, key: str) -> None:
        if self._ask("delete", key):
            super().delete(key)

    def delete_prefix(self, path: str) -> None:
        if self._ask("delete_prefix", path):
            super().delete_prefix(path)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        return not self._ask("swap_prefix", target) or super().swap_prefix(new, target, replace)

    def list(self, path: str = "") -> Iterator[str]:
        self._ask("list", path)
        return super().list(path)

    def list_dir(self, path: str = "") -> Sequence[str]:
        self._ask("list", path)
        return super().list_dir(path)

    def exists(self, key: str) -> bool:
        self._ask("size", key)
        return super().exists(key)

    def size(self, key: str) -> int | None:
        self._ask("size", key)
        return super().size(key)

    def generation(self, key: str) -> Generation | None:
        self._ask("generation", key)
        return super().generation(key)

    def around(self, files: ChunkFiles, path: str) -> ChunkFiles:
        return _WatchedFiles(files, path, self._ask)

    def _ask(self, verb: str, key: str) -> bool:
        """Let the script have its say; whether a write is to be done."""
        return self.script(verb, key, next(self._count)) is not DROP


class _WatchedFiles(ChunkFiles):
    """The chunks of one array, each call shown to a wrapper first."""

    def __init__(self, files: ChunkFiles, path: str, ask: Callable[[str, str], bool]) -> None:
        self._files = files
        self._path = path
        self._ask = ask
        self.compares = files.compares

    def changing(self, name: str, change: Callable[[], int]) -> int:
        return self._files.changing(name, change)

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        self._ask("get", join_path(self._path, name))
        return self._files.read(name, buffer)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        self._ask("get", join_path(self._path, name))
        return self._files.read_ranges(name, ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        if self._ask("set", join_path(self._path, name)):
            self._files.write(name, buffers)

    def delete(self, name: str) -> None:
        if self._ask("delete", join_path(self._path, name)):
            self._files.delete(name)

    def generation(self) -> Generation | None:
        self._ask("generation", self._path)
        return self._files.generation()

    def close(self) -> None:
        self._files.close()
