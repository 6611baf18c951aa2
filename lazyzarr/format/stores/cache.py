"""Stores that keep what was read: encoded values as they are stored, or decoded chunks.

Metadata is never kept: it is read again each time, as it may be edited by anyone. What is written through a
caching store is seen at once, as is an array that was replaced, once it is opened again; chunks that others
change meanwhile are seen when they are read again from the store within. So who changes a part of a chunk
reads it there (`update_files`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence

from ..keys import METADATA_KEYS, join_path, normalize_path
from .lru import LastUsed
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec
from .wrappers import WrapperStore

__all__ = ["CacheStore", "ChunkCacheStore"]


_shared: weakref.WeakValueDictionary[StoreSpec, LastUsed] = weakref.WeakValueDictionary()


class _CachingStore(WrapperStore):
    """A store that forgets what it keeps when it is changed; equal ones keep it together."""

    def __init__(self, store: Store, max_size: float | str | None) -> None:
        super().__init__(store)
        self.max_size = max_size
        self.kept = _shared.setdefault(_CachingStore.spec(self), LastUsed(max_size))

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.max_size)

    def wrap(self, store: Store) -> Store:
        return type(self)(store, self.max_size)

    @property
    def hits(self) -> int:
        """How often something was found."""
        return self.kept.hits

    @property
    def misses(self) -> int:
        """How often something had to be read from the store within."""
        return self.kept.misses

    def invalidate(self) -> None:
        """Forget all that is kept."""
        self.kept.drop_below("")

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        try:
            self._store.set(key, value)
        finally:
            self.kept.drop(key)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        try:
            return self._store.set_if(key, value, expected)
        finally:
            self.kept.drop(key)

    def delete(self, key: str) -> None:
        try:
            self._store.delete(key)
        finally:
            self.kept.drop(key)

    def delete_prefix(self, path: str) -> None:
        try:
            self._store.delete_prefix(path)
        finally:
            self.kept.drop_below(normalize_path(path))

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        try:
            return self._store.swap_prefix(new, target, replace)
        finally:
            self.kept.drop_below(normalize_path(new))
            self.kept.drop_below(normalize_path(target))

    def around(self, files: ChunkFiles, path: str) -> ChunkFiles:
        return _ForgettingFiles(files, normalize_path(path), self.kept)


class CacheStore(_CachingStore):
    """A store that keeps the values it read last, as they are stored.

    Parameters
    ----------
    store : Store
        The store within.
    max_size : int or str, optional
        Bytes that are kept at most, as 256_000_000 or "256MB"; None: any number.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> store = CacheStore(MemoryStore({"c/0": b"1"}), "1MB")
    >>> bytes(store.get("c/0")), bytes(store.get("c/0")), store.hits
    (b'1', b'1', 1)
    """

    def __init__(self, store: Store, max_size: float | str | None = "256MB") -> None:
        super().__init__(store, max_size)

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        if key.rpartition("/")[2] in METADATA_KEYS:
            return self._store.get(key, byte_range)
        return _through(self.kept, key, byte_range, lambda: self._store.get(key, byte_range))

    def chunk_files(self, path: str) -> ChunkFiles:
        return _CachedFiles(self._store.chunk_files(path), normalize_path(path), self.kept)

    def invalidate_values(self) -> None:
        """Forget all that is kept; zarr-python 2's word."""
        self.invalidate()


class ChunkCacheStore(_CachingStore):
    """A store whose arrays keep the chunks they decoded last.

    Parameters
    ----------
    store : Store
        The store within.
    max_size : int or str, optional
        Bytes of decoded chunks that are kept at most, of all arrays together; None: any number.

    >>> import lazyzarr as lz
    >>> store = ChunkCacheStore(lz.storage.MemoryStore(), "1MB")
    >>> z = lz.create_array(store, data=[[1, 2], [3, 4]])
    >>> z[0].tolist(), z[1].tolist(), store.hits
    ([1, 2], [3, 4], 1)
    """

    def __init__(self, store: Store, max_size: float | str | None = "256MB") -> None:
        super().__init__(store, max_size)

    @property
    def decoded(self) -> LastUsed:  # type: ignore[override]
        """The decoded chunks."""
        return self.kept


class _ForgettingFiles(ChunkFiles):
    """The chunks of one array; what is written is forgotten."""

    def __init__(self, files: ChunkFiles, path: str, kept: LastUsed) -> None:
        self._files = files
        self._path = path
        self._kept = kept
        self.compares = files.compares

    def changing(self, name: str, change: Callable[[], int]) -> int:
        return self._files.changing(name, change)

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        self._files.limit = self.limit
        return self._files.read(name, buffer)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._files.read_ranges(name, ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        try:
            self._files.write(name, buffers)
        finally:
            self._kept.drop(join_path(self._path, name))

    def delete(self, name: str) -> None:
        try:
            self._files.delete(name)
        finally:
            self._kept.drop(join_path(self._path, name))

    def generation(self) -> Generation | None:
        return self._files.generation()

    def close(self) -> None:
        self._files.close()


class _CachedFiles(_ForgettingFiles):
    """The chunks of one array, as they are stored; what an array of another generation stored is not its."""

    def __init__(self, files: ChunkFiles, path: str, kept: LastUsed) -> None:
        super().__init__(files, path, kept)
        self._of: tuple[Generation | None] | None = None

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        self._files.limit = self.limit

        def read() -> Buffer | None:
            found = self._files.read(name, buffer)
            return None if found is None else bytes(found)

        stored = _through(self._kept, join_path(self._path, name), self._part(None), read)
        return None if stored is None else memoryview(stored)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        """All of them as they were at one time: where one is not kept, all are read again."""
        key, parts = join_path(self._path, name), [self._part(each) for each in ranges]
        since = self._kept.changes
        kept: list[Buffer | None] = [self._kept.get(key, part) for part in parts]
        if None not in kept:
            return [each for each in kept if each is not None]
        found = self._files.read_ranges(name, ranges)
        if found is None:
            return None
        owned = [bytes(each) for each in found]
        if any(old is not None and old != new for old, new in zip(kept, owned, strict=True)):
            self._kept.drop(key)
            since = self._kept.changes
        for part, value in zip(parts, owned, strict=True):
            self._kept.put(key, part, value, len(value), since)
        return owned

    def _part(self, byte_range: ByteRange | None) -> Hashable:
        if self._of is None:
            self._of = (self._files.generation(),)
        return self._of[0], byte_range


def _through(kept: LastUsed, key: str, part: Hashable, read: Callable[[], Buffer | None]) -> Buffer | None:
    """What is kept, or what is read now, and kept from now on."""
    since = kept.changes
    found: Buffer | None = kept.get(key, part)
    if found is None and (found := read()) is not None:
        found = bytes(found)
        kept.put(key, part, found, len(found), since)
    return found
