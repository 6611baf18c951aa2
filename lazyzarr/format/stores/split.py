"""Metadata in one store and chunks in another: what zarr-python 2 calls `chunk_store=`."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ..keys import METADATA_KEYS, is_reserved
from .lru import LastUsed
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Reach, Store, StoreSpec
from .wrappers import WrapperStore

__all__ = ["SplitStore"]

_NARROW: list[Reach] = ["thread", "host", "anywhere"]


class SplitStore(WrapperStore):
    """Metadata documents in one store, and all else in another, by the same keys.

    Nothing is moved in both in one step, so nodes are made and replaced key by key.

    Parameters
    ----------
    store, chunk_store : Store
        Where the metadata lies, and where the chunks do.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> store = SplitStore(MemoryStore({"u/zarr.json": b"{}"}), MemoryStore({"u/c/0": b"1"}))
    >>> sorted(store.list()), bytes(store.get("u/c/0"))
    (['u/c/0', 'u/zarr.json'], b'1')
    """

    renames = False
    transactional = False

    def __init__(self, store: Store, chunk_store: Store) -> None:
        super().__init__(store)
        self.chunk_store = chunk_store

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.chunk_store)

    def wrap(self, store: Store) -> Store:
        return type(self)(store, self.chunk_store)

    # What both are.

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """Who sees what is written: those who see both."""
        return min(self._store.reach, self.chunk_store.reach, key=_NARROW.index)

    @property
    def read_reach(self) -> Reach:
        """Who sees what is stored now: those who see both."""
        return min(self._store.read_reach, self.chunk_store.read_reach, key=_NARROW.index)

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Whether every write is refused: if either does."""
        return self._store.read_only or self.chunk_store.read_only

    @property
    def in_flight(self) -> int:  # type: ignore[override]
        """Requests that are worth having under way at once."""
        return max(self._store.in_flight, self.chunk_store.in_flight)

    @property
    def gathers(self) -> bool:  # type: ignore[override]
        """Whether `set` makes one copy of all that it is given: as the store of chunks."""
        return self.chunk_store.gathers

    @property
    def compares(self) -> bool:  # type: ignore[override]
        """Whether both store on condition."""
        return self._store.compares and self.chunk_store.compares

    @property
    def lost_updates(self) -> str | None:  # type: ignore[override]
        """Why processes could undo each other's changes: the reason of either."""
        return self._store.lost_updates or self.chunk_store.lost_updates

    @property
    def decoded(self) -> LastUsed | None:  # type: ignore[override]
        """Where decoded chunks are kept: as the store of the chunks."""
        return self.chunk_store.decoded

    # Keys.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self._of(key).get(key, byte_range)

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        return self._of(key).get_known(key)

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._of(key).get_ranges(key, ranges)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self._of(key).set(key, value)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        return self._of(key).set_if(key, value, expected)

    def copy_key(self, key: str, to: str) -> None:
        of = self._of(key)
        of.copy_key(key, to) if of is self._of(to) else Store.copy_key(self, key, to)

    def delete(self, key: str) -> None:
        self._of(key).delete(key)

    def exists(self, key: str) -> bool:
        return self._of(key).exists(key)

    def size(self, key: str) -> int | None:
        return self._of(key).size(key)

    def generation(self, key: str) -> Generation | None:
        return self._of(key).generation(key)

    # Paths.

    def place(self, path: str) -> Hashable | None:
        return self._store.place(path)

    def directory(self, path: str) -> str | None:
        """The metadata's, where it is there already: nodes are made key by key, before they have one."""
        folder = self._store.directory(path)
        return folder if folder is not None and os.path.isdir(folder) else None

    def real_folder(self, path: str) -> str | None:
        """The metadata's."""
        return self._store.real_folder(path)

    def beside(self, path: str) -> tuple[Store, str]:
        return Store.beside(self, path)

    def delete_prefix(self, path: str) -> None:
        """Metadata first: chunks without it are no array."""
        self._store.delete_prefix(path)
        self.chunk_store.delete_prefix(path)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        return Store.swap_prefix(self, new, target, replace)

    def list(self, path: str = "") -> Iterator[str]:
        yield from self._store.list(path)
        if self.chunk_store != self._store:
            yield from self.chunk_store.list(path)

    def list_dir(self, path: str = "") -> Sequence[str]:
        return sorted({*self._store.list_dir(path), *self.chunk_store.list_dir(path)})

    def chunk_files(self, path: str) -> ChunkFiles:
        return _SplitFiles(self._store.chunk_files(path), self.chunk_store.chunk_files(path))

    def update_files(self, path: str) -> ChunkFiles:
        return _SplitFiles(self._store.update_files(path), self.chunk_store.update_files(path))

    def close(self) -> None:
        self.chunk_store.close()
        self._store.close()

    def _of(self, key: str) -> Store:
        parts = key.rsplit("/", 2)
        is_note = len(parts) > 1 and is_reserved(parts[-2])  # a run's: it lies where the run's folder does
        return self._store if is_note or parts[-1] in METADATA_KEYS else self.chunk_store


class _SplitFiles(ChunkFiles):
    """The chunks of one array in one store, and its metadata in another."""

    def __init__(self, metadata: ChunkFiles, chunks: ChunkFiles) -> None:
        self._metadata = metadata
        self._chunks = chunks
        self.compares = metadata.compares and chunks.compares

    def changing(self, name: str, change: Callable[[], int]) -> int:
        return self._chunks.changing(name, change)

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        self._chunks.limit = self.limit
        return self._chunks.read(name, buffer)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._chunks.read_ranges(name, ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        self._chunks.write(name, buffers)

    def delete(self, name: str) -> None:
        self._chunks.delete(name)

    def generation(self) -> Generation | None:
        return self._metadata.generation()

    def close(self) -> None:
        self._metadata.close()
        self._chunks.close()
