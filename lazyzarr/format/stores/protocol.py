"""The store protocol: keys to bytes. `None` means "not found" and nothing else does; every failure raises.

What every store promises, and the layers above build on:

1. `set` is atomic: a reader sees the old value or the new one, never a mix; a failed `set` changes nothing.
2. A value belongs to the store: changing the memory that was given, or got, changes nothing stored.
3. A key that could lead out of the store is refused (InvalidKeyError) before anything is touched.
4. Names that begin with `__lazyzarr-` (RESERVED_PREFIX) are never listed.
5. Opening a store creates nothing.
6. Any failure but "no such key" is a StoreError that names the key, with the cause chained to it.

Behaviours are wrappers around a store (wrappers.py), not flags; only `read_only` is a fact of each store.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Self

from ...errors import ReadOnlyStoreError
from ..keys import join_path, normalize_path
from .lru import LastUsed

__all__ = [
    "METADATA_OF_ARRAY",
    "Buffer",
    "ByteRange",
    "ChunkFiles",
    "Generation",
    "KeyFiles",
    "Reach",
    "Store",
    "StoreSpec",
    "buffers_of",
    "open_spec",
]

Buffer = bytes | bytearray | memoryview
ByteRange = tuple[int, int | None]  # (start, stop), or (-n, None): the last n bytes
Reach = Literal["thread", "host", "anywhere"]
StoreSpec = tuple[Callable[..., "Store"], tuple[Any, ...]]


class Generation(NamedTuple):
    """What tells one state of a stored thing from the next; equal means unchanged."""

    place: Hashable
    """Where it is stored: for an array, another place means another array, made in its stead."""
    version: Hashable
    """Which value is stored there."""


class Store(ABC):
    """Keys to bytes, with the promises at the head of this file."""

    reach: Reach = "anywhere"
    """Who sees what is written: "thread" (this process), "host" (its processes), "anywhere"."""
    read_only: bool = False
    dimension_separator: str | None = None
    """What new arrays have between the coordinates in their chunks' names; None: what the format has."""
    transactional: bool = False
    """Whether others see what is written after a commit of the store's own, which takes chunks of arrays alone."""
    decoded: LastUsed | None = None
    """Where decoded chunks are kept, if they are."""
    lists: bool = True
    """Whether it tells which keys there are: a plain web server does not."""
    in_flight: int = 0
    """Requests that are worth having under way at once; 0 where answers come at once."""
    gathers: bool = False
    """Whether `set` makes one copy of all that it is given."""
    compares: bool = False
    """Whether `set_if` takes any generation and decides for all who write, wherever they run."""
    renames: bool = True
    """Whether a path is moved in one step; else each key of it is copied."""
    lost_updates: str | None = None
    """Why processes that change one key side by side could undo each other's changes; None: they cannot."""

    @property
    def read_reach(self) -> Reach:
        """Who sees what is stored now; more than those who see what is written from now on, in an archive."""
        return self.reach

    @abstractmethod
    def spec(self) -> StoreSpec:
        """What opens the same store again: a function and its arguments; hashable, and it pickles."""

    @abstractmethod
    def url(self, path: str = "") -> str:
        """The store, or what it holds at a path, as people name it: for messages, never to be parsed."""

    @abstractmethod
    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        """The bytes under a key, or None where there is none.

        `byte_range` is (start, stop) or (-n, None), the last n bytes; as with slices, what lies beyond
        the end is left out. Raises StoreError where the bytes are there and cannot be read, InvalidKeyError
        for what is no key.
        """

    @abstractmethod
    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        """Store bytes, or the buffers of an iterable one behind the other, under a key: all or nothing.

        Raises StoreError where they cannot be stored, ReadOnlyStoreError, InvalidKeyError.
        """

    @abstractmethod
    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        """Store if the key's generation is the expected one (None: there is no such key); whether it was.

        Raises NotImplementedError where the store can tell "no such key" only.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove a key; nothing happens where there is none. Raises StoreError, ReadOnlyStoreError."""

    @abstractmethod
    def delete_prefix(self, path: str) -> None:
        """Remove every key below a path, what is reserved too. Raises StoreError, ReadOnlyStoreError."""

    @abstractmethod
    def list(self, path: str = "") -> Iterator[str]:
        """The keys below a path, whole; in no order. Raises StoreError where they cannot be listed."""

    @abstractmethod
    def list_dir(self, path: str = "") -> Sequence[str]:
        """The names one level below a path, of keys and of what holds keys; sorted. Raises StoreError."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """The number of bytes under a key, or None. Raises StoreError where that cannot be told."""

    @abstractmethod
    def generation(self, key: str) -> Generation | None:
        """Which value is stored under a key now, or None. Raises StoreError where that cannot be told."""

    def get_known(self, key: str) -> tuple[Buffer, Generation] | None:
        """The bytes under a key and their generation, or None where there is none."""
        while (before := self.generation(key)) is not None:
            found = self.get(key)
            if found is not None and self.generation(key) == before:
                return found, before
        return None

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        """Several byte ranges of one value, or None where there is none; the last is read after the others."""
        found = [self.get(key, byte_range) for byte_range in ranges]
        return None if None in found else [buffer for buffer in found if buffer is not None]

    def exists(self, key: str) -> bool:
        """Whether something is stored under a key."""
        return self.size(key) is not None

    def copy_key(self, key: str, to: str) -> None:
        """Copy a value to another key; nothing happens where there is none. Raises StoreError."""
        found = self.get(key)
        if found is not None:
            self.set(to, found)

    def swap_prefix(self, new: str, target: str, replace: bool) -> bool:
        """Make what lies below the path `new` the content of `target`, in one step; whether it was done.

        What `target` held lies below `new` afterwards. Without `replace`, a target that holds anything is
        left alone and False is returned. Raises NotImplementedError where no single step does it.
        """
        raise NotImplementedError(f"{self.url()} cannot replace a whole node in one step")

    def beside(self, path: str) -> tuple[Store, str]:
        """A store and path that name the same node as `path` here, and where something can lie beside it."""
        return self, normalize_path(path)

    def directory(self, path: str) -> str | None:
        """The directory of this host's filesystem that holds a node, if one does: the lock is on it."""
        return None

    def real_folder(self, path: str) -> str | None:
        """The folder of this machine that a node's keys are files of, if so, whatever library reaches them."""
        return self.directory(path)

    def place(self, path: str) -> Hashable | None:
        """Where a node is stored: another one than before means another node, made in its stead.

        None where there is none (a store that cannot tell gives the same for each path always). Raises
        StoreError where it cannot be looked up.
        """
        return ""

    def mark(self, key: str) -> object:
        """What stays equal while a metadata document is surely as it was, told without a look; None: none is known."""
        return None

    def chunk_files(self, path: str) -> ChunkFiles:
        """The fast face on the chunks of one array, names relative to it. Does no I/O yet."""
        return KeyFiles(self, path)

    def update_files(self, path: str) -> ChunkFiles:
        """The face for who changes parts of chunks: what it reads is what is stored now, never kept."""
        return self.chunk_files(path)

    def close(self) -> None:  # noqa: B027  most stores have nothing to do
        """Finish what is unfinished and give back what is held open; the next use opens it again.

        Most stores finish each write at once. Raises StoreError where an archive cannot be completed.
        """

    def check_writable(self, key: str) -> None:
        """Raise ReadOnlyStoreError if this store is not to be written."""
        if self.read_only:
            raise ReadOnlyStoreError(
                f'{self.url(key)} was opened read-only and is not written; open it with mode="r+"', key
            )

    # A mapping of keys to bytes, as stores are in zarr-python 2.

    def __getitem__(self, key: str) -> Buffer:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: str, value: Buffer) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if not self.exists(key):
            raise KeyError(key)
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.exists(key)

    def __iter__(self) -> Iterator[str]:
        return self.list()

    def __len__(self) -> int:
        return sum(1 for _ in self.list())

    def __bool__(self) -> bool:
        return True

    def keys(self) -> Iterator[str]:
        """All keys."""
        return self.list()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[StoreSpec], Store], tuple[StoreSpec]]:
        return open_spec, (self.spec(),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash(self.spec())


class ChunkFiles(ABC):
    """The chunks of one array, by name: what is opened once and then read and written many times.

    It takes its place on first use. Where an array was replaced since, it goes on seeing the old place, so
    a writer takes the write lock first, and a reader that misses a chunk asks `generation` again.
    """

    limit: int | None = None
    """Bytes that a chunk can have; where it is known, `read` may refuse a longer one instead of reading it."""
    compares: bool = False
    """Whether `changing` notices what others changed meanwhile, so that no lock between processes is needed."""

    def changing(self, name: str, change: Callable[[], int]) -> int:
        """What `change` returns, which reads a chunk and writes it back; called again if others were faster.

        Where `compares` is false it is called once, and the caller holds the lock.
        """
        return change()

    @abstractmethod
    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        """A chunk's stored bytes, or None where there is none.

        They are read into `buffer`, or where it is too small into a new one, and stay valid until the next
        read into the same buffer. A buffer a little larger than the largest chunk makes one read of each.
        """

    @abstractmethod
    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        """Several byte ranges of one chunk, (-n, None) for its last n bytes, or None where there is none."""

    def read_ranges_into(
        self, name: str, ranges: Sequence[ByteRange], rooms: Sequence[memoryview]
    ) -> list[int] | None:
        """Several byte ranges of one chunk, each into a room of its length: how many bytes there were; or None."""
        found = self.read_ranges(name, ranges)
        if found is None:
            return None
        for piece, room in zip(found, rooms, strict=True):
            room[: len(piece)] = piece
        return list(map(len, found))

    @abstractmethod
    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        """Store the buffers, one behind the other, as a chunk: a reader sees the old one or the new."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a chunk; nothing happens where there is none."""

    @abstractmethod
    def generation(self) -> Generation | None:
        """The array's metadata as it is stored at the array's path now, or None where it is gone.

        Another `place` than before means another array; another `version` alone, edited metadata.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what is held open; the next use opens it again."""


METADATA_OF_ARRAY = ("zarr.json", ".zarray")


class KeyFiles(ChunkFiles):
    """The chunks of one array over a store's own verbs."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        stored = self._store.get(join_path(self._path, name))
        return None if stored is None else memoryview(stored)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._store.get_ranges(join_path(self._path, name), ranges)

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        self._store.set(join_path(self._path, name), buffers)

    def delete(self, name: str) -> None:
        self._store.delete(join_path(self._path, name))

    def generation(self) -> Generation | None:
        for name in METADATA_OF_ARRAY:
            found = self._store.generation(join_path(self._path, name))
            if found is not None:
                return found
        return None

    def close(self) -> None:
        """Nothing is held open."""


_open_stores: weakref.WeakValueDictionary[StoreSpec, Store] = weakref.WeakValueDictionary()


def open_spec(spec: StoreSpec) -> Store:
    """The store that a spec describes; the same object as long as one is in use in this process.

    Raises StoreReachError for a store that lives in another process.
    """
    store = _open_stores.get(spec)
    if store is None:
        function, arguments = spec
        store = _open_stores.setdefault(spec, function(*arguments))
    return store


def buffers_of(value: Buffer | Iterable[Buffer]) -> Iterable[Buffer]:
    """The buffers of a value given as one buffer or as several."""
    return (value,) if isinstance(value, (bytes, bytearray, memoryview)) else value
