"""The chunks of one array below one directory handle: open, read and close is all that a chunk costs.

1. The handle is opened on first use and stays on the folder it found (another one than that whose
   `generation` was asked before is refused). When the array is replaced, it goes on naming the old folder.
   So a writer takes the write lock before its first write, and the lock looks at the path each time; and a
   reader that misses a chunk asks `generation`, which looks at the path again.
2. Names are relative to the handle, as deep as they are: no path is joined, none is resolved from the root.
3. The handle closes when the last reader or writer that uses it lets go of it, never under one of them.
4. No more than MOST_OPEN are kept in a process: the one opened first is let go, and opened again when asked.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from ...errors import ArrayReplacedError, StoreError
from .. import os_calls
from ..keys import RESERVED_PREFIX
from . import files
from .failures import identity_of, reason
from .folders import check_missing, make_folders
from .protocol import METADATA_OF_ARRAY, Buffer, ByteRange, ChunkFiles, Generation, Store

__all__ = ["LocalFiles"]

_KNOWN_FOLDERS = 4096  # remembered as not being links that lead nowhere


class _Folder:
    """A directory handle; it is closed when the last who uses it lets go."""

    __slots__ = ("__weakref__", "fd", "identity")

    def __init__(self, path: str) -> None:
        calls = os_calls.calls
        self.fd = -1
        self.fd = calls.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.identity = identity_of(calls.fstat(self.fd))

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


# Descriptors are a process's, and often 1,024 in all: thousands of arrays may be open, few are at work.
MOST_OPEN = 128

_kept: deque[weakref.ref[LocalFiles]] = deque()


def _keep(files: LocalFiles) -> None:
    """Counts one more handle, and lets the one opened first go where there are too many."""
    _kept.append(weakref.ref(files))
    while len(_kept) > MOST_OPEN:
        first = _kept.popleft()()
        if first is not None and first is not files:
            first.close()


class LocalFiles(ChunkFiles):
    """The chunks of one array below one directory handle."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        self._folder: _Folder | None = None
        self._opening = threading.Lock()
        self._known: set[str] = set()
        self._place: Hashable | None = None  # of the array when its generation was first asked
        self._taken = False  # a chunk that was written had been there before
        self._unseen = path.startswith(RESERVED_PREFIX) or f"/{RESERVED_PREFIX}" in path

    def read(self, name: str, buffer: bytearray) -> memoryview | None:
        folder = self._folder or self._open()
        if folder is None:
            return None
        try:
            found = files.read_into(folder.fd, name, buffer, self.limit)
            if found is None:
                self._check_missing(folder, name)
        except OSError as error:
            raise self._failed("read", name, error) from error
        return found

    def read_ranges(self, name: str, ranges: Sequence[ByteRange]) -> Sequence[Buffer] | None:
        return self._ranges(name, files.read_ranges, ranges)

    def read_ranges_into(
        self, name: str, ranges: Sequence[ByteRange], rooms: Sequence[memoryview]
    ) -> list[int] | None:
        return self._ranges(name, files.read_ranges_into, ranges, rooms)

    def _ranges(self, name: str, read: Callable[..., list[Any] | None], *what: object) -> list[Any] | None:
        """What a function reads of a chunk's file."""
        folder = self._folder or self._open()
        if folder is None:
            return None
        try:
            found = read(folder.fd, name, *what)
            if found is None:
                self._check_missing(folder, name)
        except OSError as error:
            raise self._failed("read", name, error) from error
        return found

    def write(self, name: str, buffers: Iterable[Buffer]) -> None:
        self._store.check_writable(self._path)
        folder = self._folder or self._make()
        try:
            if self._unseen and not self._taken:
                self._taken = not files.put_unseen(folder.fd, name, buffers)
                if not self._taken:
                    return
            self._taken = files.put(folder.fd, name, buffers, self._taken)
        except FileNotFoundError as error:
            raise self._replaced() from error
        except OSError as error:
            raise self._failed("write", name, error) from error

    def delete(self, name: str) -> None:
        self._store.check_writable(self._path)
        folder = self._folder or self._open()
        if folder is None:
            return
        try:
            files.remove(folder.fd, name)
        except OSError as error:
            raise self._failed("delete", name, error) from error

    def generation(self) -> Generation | None:
        for name in METADATA_OF_ARRAY:
            found = self._store.generation(f"{self._path}/{name}" if self._path else name)
            if found is not None:
                self._place = self._place or found.place
                return found
        return None

    def close(self) -> None:
        self._folder = None

    def _open(self) -> _Folder | None:
        """The handle, opened; None where the array's folder does not exist."""
        path = self._store.directory(self._path) or ""
        with self._opening:
            if self._folder is not None:
                return self._folder
            try:
                folder = _Folder(path)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._failed("open", "", error) from error
            if self._place not in (None, folder.identity):
                raise self._replaced()
            self._folder = folder
        _keep(self)
        return folder

    def _make(self) -> _Folder:
        try:
            make_folders(None, self._store.directory(self._path) or "")
        except OSError as error:
            raise self._failed("write", "", error) from error
        folder = self._open()
        if folder is None:
            raise self._replaced()
        return folder

    def _check_missing(self, folder: _Folder, name: str) -> None:
        """Raise if what leads to a missing chunk is a link that leads nowhere; asked once a folder."""
        above = os.path.dirname(name)
        if above in self._known:
            return
        check_missing(folder.fd, above)
        if len(self._known) >= _KNOWN_FOLDERS:
            self._known.clear()
        self._known.add(above)

    def _failed(self, verb: str, name: str, error: OSError) -> StoreError:
        key = f"{self._path}/{name}".strip("/")
        return StoreError(f"could not {verb} {self._store.url(key)}: {reason(error)}", key)

    def _replaced(self) -> ArrayReplacedError:
        return ArrayReplacedError(
            f"{self._store.url(self._path)} was deleted or replaced while it was open; open it again"
        )
