"""A store over any Store object of zarr-python: its own, icechunk's, a third party's.

Its coroutines run on zarr-python's loop, where they belong; stores that answer at once are asked directly.
They compare nothing, so changes of parts of chunks and of metadata are refused where other processes see the
store, too, unless the setting `locking` is "process". zarr-python is loaded when such a store is there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from ...errors import LazyzarrError, StoreError
from ...settings import setting
from ..keys import METADATA_KEYS, is_reserved, join_path, normalize_path, validate_key
from .carried import Carried, carry
from .filesystems import FsspecStore
from .local import LocalStore
from .protocol import Buffer, ByteRange, Generation, Reach, Store, StoreSpec, buffers_of

__all__ = ["ZarrPythonStore", "adapted"]

T = TypeVar("T")
_HERE = {"MemoryStore", "GpuMemoryStore", "ManagedMemoryStore", "ZipStore", "IcechunkStore"}
_NOT_FOUND = {"key-not-found", "node-not-found", "bad-key-prefix"}  # icechunk's words
_setting_if = threading.RLock()


def adapted(target: Any) -> tuple[Store, str] | None:
    """The store and path that an object of zarr-python names (a store, a place in one, a node), or None.

    A folder's becomes a LocalStore.
    """
    module = sys.modules.get("zarr.abc.store")
    kind = getattr(module, "Store", None)
    if kind is None:
        return None
    if isinstance(target, kind):
        return _store_of(target), ""
    store = getattr(target, "store", None)
    return (_store_of(store), normalize_path(target.path)) if isinstance(store, kind) else None


def _store_of(store: Any) -> Store:
    ours = getattr(store, "lazyzarr_store", None)
    if isinstance(ours, Store):
        return ours
    folder = _folder_of(store) if type(store).__module__.startswith("zarr.storage") else None
    return ZarrPythonStore(store) if folder is None else LocalStore(folder, read_only=store.read_only)


def _folder_of(store: Any) -> str | None:
    """The folder of this machine that a store of zarr-python's own lies in, whatever it reaches it by; else None."""
    kind = type(store).__name__
    if kind == "LocalStore":
        return str(store.root)
    if kind == "FsspecStore":
        return FsspecStore(getattr(store.fs, "sync_fs", store.fs), path=store.path).real_folder("")
    if kind == "ObjectStore" and type(store.store).__name__ == "LocalStore" and store.store.prefix:
        return str(store.store.prefix)
    return None


class ZarrPythonStore(Store):
    """A store over a Store object of zarr-python.

    Parameters
    ----------
    store : zarr.abc.store.Store
        zarr-python's.
    read_only : bool
        Refuse every write, as it is if zarr-python's store does.

    >>> import zarr
    >>> store = ZarrPythonStore(zarr.storage.MemoryStore())
    >>> store.set("a", b"123"); bytes(store.get("a", (1, 3)))
    b'23'
    """

    renames = False

    def __init__(self, store: Any, *, read_only: bool = False) -> None:
        import zarr.abc.store as abc
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        self.zarr_store = store
        self.read_only = read_only or store.read_only
        self._run = sync
        self._abc: Any = abc
        self._prototype = default_buffer_prototype()
        self._shown = str(store).partition("\n")[0]
        self._innermost = _innermost(store)
        self.transactional = type(self._innermost).__name__ == "IcechunkStore"
        self._carried = carry(store, travels=self.reach != "thread")
        self._notes: dict[str, bytes] = self._carried.__dict__.setdefault("notes", {})
        self._at_once = hasattr(store, "get_sync") and store is self._innermost

    @property
    def reach(self) -> Reach:  # type: ignore[override]
        """Who sees what is written: as the kind of the store says."""
        name = type(self._innermost).__name__
        return "thread" if name in _HERE else "host" if name == "LocalStore" else "anywhere"

    @property
    def in_flight(self) -> int:  # type: ignore[override]
        """Requests under way at once: the setting `async.concurrency`, where they take time."""
        return 0 if self._at_once or self.reach == "thread" else int(setting("async.concurrency"))

    @property
    def lost_updates(self) -> str | None:  # type: ignore[override]
        """Why processes could undo each other's changes."""
        return None if self.reach == "thread" else "zarr-python's stores have no conditional writes"

    def spec(self) -> StoreSpec:
        return _open_carried, (self._carried, self.read_only)

    def url(self, path: str = "") -> str:
        return self._shown + (f"/{path}" if path else "")

    def place(self, path: str) -> Hashable | None:
        """The path's URL: an array made in another's stead is told from it by its metadata."""
        return self.url(path)

    def real_folder(self, path: str) -> str | None:
        """What zarr-python's wrappers lie around, where that is a folder."""
        folder = _folder_of(self._innermost)
        return None if folder is None else join_path(folder, path) if path else folder

    # Reading.

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        validate_key(key)
        if byte_range is None:
            return self._get(key, None)
        start, stop = byte_range
        if stop is not None and stop <= start:
            return b"" if self.exists(key) else None
        kinds, last = self._abc, -start if stop is None else stop
        wanted = kinds.SuffixByteRequest(last) if stop is None else kinds.RangeByteRequest(start, stop)
        try:
            return self._get(key, wanted)
        except StoreError:  # it may reach beyond the end, which some refuse
            size = self.size(key)
            if size is None or last <= size:
                raise
            return self._cut(key, byte_range)

    def _cut(self, key: str, byte_range: ByteRange) -> Buffer | None:
        whole = self._get(key, None)
        return None if whole is None else memoryview(whole)[slice(*byte_range)]

    def _get(self, key: str, wanted: Any) -> Buffer | None:
        store, kind = self.zarr_store, self._prototype
        if self._is_note(key):
            return self._notes.get(key)
        if self._at_once:
            found: Any = self._told(
                "read", key, lambda: store.get_sync(key, prototype=kind, byte_range=wanted)
            )
        else:
            found = self._wait("read", key, lambda: store.get(key, kind, wanted))
        return None if found is None else memoryview(found.as_numpy_array()).cast("B").toreadonly()

    def get_ranges(self, key: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        first = ranges[:-1]
        if self._at_once or len(first) < 2 or any(stop is None or stop <= start for start, stop in first):
            return super().get_ranges(key, ranges)
        wanted = [(validate_key(key), self._abc.RangeByteRequest(*each)) for each in first]
        try:
            found = self._wait(
                "read", key, lambda: self.zarr_store.get_partial_values(self._prototype, wanted)
            )
        except StoreError:  # one of them may begin beyond the end
            return super().get_ranges(key, ranges)
        last = self.get(key, ranges[-1])
        if last is None or found is None or None in found:
            return None
        return [*(memoryview(each.as_numpy_array()).cast("B").toreadonly() for each in found), last]

    def exists(self, key: str) -> bool:
        if self._is_note(validate_key(key)):
            return key in self._notes
        return bool(self._wait("look for", key, lambda: self.zarr_store.exists(key)))

    def size(self, key: str) -> int | None:
        if self._is_note(validate_key(key)) or not self.exists(key):
            note = self._notes.get(key)
            return None if note is None else len(note)
        found = self._wait("read", key, lambda: self.zarr_store.getsize(key))
        return None if found is None else int(found)

    def generation(self, key: str) -> Generation | None:
        """The value itself: zarr-python's stores tell no other version."""
        stored = self.get(key)
        return None if stored is None else Generation(self.place(key.rpartition("/")[0]), bytes(stored))

    def list(self, path: str = "") -> Iterator[str]:
        path = normalize_path(path)
        prefix = f"{path}/" if path else ""
        found = self._wait("list", path, lambda: _collected(self.zarr_store.list_prefix(prefix)))
        return (key for key in found or () if not any(map(is_reserved, key[len(path) :].split("/"))))

    def list_dir(self, path: str = "") -> Sequence[str]:
        path = normalize_path(path)
        found = self._wait("list", path, lambda: _collected(self.zarr_store.list_dir(path)))
        return sorted({name for each in found or () if not is_reserved(name := each.strip("/"))})

    # Writing.

    def set(self, key: str, value: Buffer | Iterable[Buffer]) -> None:
        self.check_writable(validate_key(key))
        self._set(key, b"".join(buffers_of(value)))

    def _set(self, key: str, value: bytes) -> None:
        store, buffer = self.zarr_store, self._prototype.buffer.from_bytes(value)
        if self._is_note(key):
            self._notes[key] = value
        elif self._at_once:
            self._told("write", key, lambda: store.set_sync(key, buffer))
        else:
            self._wait("write", key, lambda: store.set(key, buffer))

    def set_if(self, key: str, value: Buffer | Iterable[Buffer], expected: Generation | None) -> bool:
        self.check_writable(validate_key(key))
        owned = b"".join(buffers_of(value))
        if expected is not None and self.reach != "thread":
            raise NotImplementedError("zarr-python's stores compare nothing")
        with _setting_if:
            if self.generation(key) != expected:
                return False
            self._set(key, owned)
        return True

    def delete(self, key: str) -> None:
        self.check_writable(validate_key(key))
        self._check_deletes(key)
        if self._is_note(key):
            self._notes.pop(key, None)
        else:
            self._wait("delete", key, lambda: self.zarr_store.delete(key))

    def delete_prefix(self, path: str) -> None:
        path = normalize_path(path)
        self.check_writable(path)
        self._check_deletes(path)
        for note in [note for note in self._notes if note.startswith(f"{path}/" if path else "")]:
            self._notes.pop(note, None)
        self._wait("delete", path, lambda: self.zarr_store.delete_dir(path))

    def _check_deletes(self, key: str) -> None:
        if not self.zarr_store.supports_deletes:
            raise StoreError(
                f"{self.url(key)} cannot be deleted: {type(self.zarr_store).__name__} deletes nothing", key
            )

    # How zarr-python is asked.

    def _is_note(self, key: str) -> bool:
        """Whether a key is a run's own note, of no array: kept here, as icechunk stores nothing but nodes."""
        parts = key.rsplit("/", 2)
        return (
            self.reach == "thread"
            and len(parts) > 1
            and is_reserved(parts[-2])
            and parts[-1] not in METADATA_KEYS
        )

    def _wait(self, verb: str, key: str, start: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self._told(verb, key, lambda: self._run(start()))

    def _told(self, verb: str, key: str, call: Callable[[], T]) -> T | None:
        """What a call gives, or None where it says that there is nothing."""
        try:
            return call()
        except LazyzarrError:
            raise
        except Exception as error:
            if isinstance(error, (FileNotFoundError, KeyError)) or getattr(error, "kind", None) in _NOT_FOUND:
                return None
            raise StoreError(f"could not {verb} {self.url(key)}: {error!r}", key) from error


async def _collected(names: Any) -> Sequence[str]:
    return [name async for name in names]


def _innermost(store: Any) -> Any:
    """What wrappers of zarr-python lie around."""
    while (
        type(store).__module__.startswith("zarr.")
        and hasattr(store, "_store")
        and hasattr(store, "_with_store")
    ):
        store = store._store
    return store


def _open_carried(carried: Carried, read_only: bool) -> ZarrPythonStore:
    return ZarrPythonStore(carried.value, read_only=read_only)
