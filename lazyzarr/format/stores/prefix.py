"""A part of a store as a store of its own: what lies below a path, by names that begin there."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from ..keys import join_path, normalize_path, validate_key
from .protocol import Buffer, ByteRange, ChunkFiles, Generation, Store, StoreSpec
from .wrappers import WrapperStore

__all__ = ["PrefixStore"]


class PrefixStore(WrapperStore):
    """What a store holds below a path.

    Parameters
    ----------
    store : Store
        The store within.
    prefix : str
        The path in it.

    >>> from lazyzarr.format.stores.memory import MemoryStore
    >>> PrefixStore(MemoryStore({"a/b": b"1", "c": b"2"}), "a").get("b")
    b'1'
    """

    def __init__(self, store: Store, prefix: str) -> None:
        super().__init__(store)
        self.prefix = normalize_path(prefix)

    def spec(self) -> StoreSpec:
        return type(self), (self._store, self.prefix)

    def wrap(self, store: Store) -> Store:
        return type(self)(store, self.prefix)

    def url(self, path: str = "") -> str:
        return self._store.url(join_path(self.prefix, path))

    def place(self, path: str) -> Hashable | None:
        return self._store.place(self._below(path))

    def mark(self, key: str) -> object:
        return self._store.mark(self._key(key))

    def directory(self, path: str) -> str | None:
        return self._store.directory(self._below(path))

    def real_folder(self, path: str) -> str | None:
        return self._store.real_folder(self._below(path))

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        return self._store.get(self._key(key), byte_range)

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        return self._store.get_known(self._key(key))

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._store.get_ranges(self._key(key), ranges)

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self._store.set(self._key(key), value)

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        return self._store.set_if(self._key(key), value, expected)

    def delete(self, key: str) -> None:
        self._store.delete(self._key(key))

    def delete_prefix(self, path: str) -> None:
        self._store.delete_prefix(self._below(path))

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        return self._store.swap_prefix(self._below(new), self._below(target), replace)

    def beside(self, path: str) -> tuple[Store, str]:
        """In the store within, where the root of this one has something beside it, too."""
        return self._store.beside(self._below(path))

    def list(self, path: str = "") -> Iterator[str]:
        start = len(self.prefix) + bool(self.prefix)
        return (key[start:] for key in self._store.list(self._below(path)))

    def list_dir(self, path: str = "") -> Sequence[str]:
        return self._store.list_dir(self._below(path))

    def exists(self, key: str) -> bool:
        return self._store.exists(self._key(key))

    def size(self, key: str) -> int | None:
        return self._store.size(self._key(key))

    def generation(self, key: str) -> Generation | None:
        return self._store.generation(self._key(key))

    def chunk_files(self, path: str) -> ChunkFiles:
        return self._store.chunk_files(self._below(path))

    def update_files(self, path: str) -> ChunkFiles:
        return self._store.update_files(self._below(path))

    @property
    def decoded(self) -> None:  # type: ignore[override]
        """None: they are kept by keys of the store within."""
        return None

    def _key(self, key: str) -> str:
        return join_path(self.prefix, validate_key(key))

    def _below(self, path: str) -> str:
        return join_path(self.prefix, normalize_path(path))
