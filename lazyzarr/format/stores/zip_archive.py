"""One zip archive of this process: its members as they are now, and how a changed archive takes its place.

1. The file at the path is opened when it is first looked at, and read until it is replaced from here.
2. What is set lies in a nameless file beside it (chunks) or in memory (metadata documents); a reader of this
   process sees it at once, others see the archive as it was.
3. The first change makes `__lazyzarr-<name>` beside the archive and locks it (flock). Who finds it locked is
   refused: two writers would undo each other's work. One that a kill left is not locked, and is used again.
4. `complete` writes the members that are left, one a name, to that file, syncs it, and renames it over the
   path. A kill leaves the old archive or the new one.
5. An archive with changes is kept until it is completed: by `close`, when the last store that uses it is let
   go, or at the interpreter's exit. A child that was forked completes nothing of its parent's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import threading
import weakref
import zipfile
import zlib
from collections.abc import Hashable, Iterable, Iterator, MutableMapping

from ...errors import InvalidKeyError, StoreError
from .. import os_calls
from ..keys import METADATA_KEYS, validate_key
from .failures import reason
from .files import check_regular
from .folders import make_folders
from .keyed import Places, hidden
from .protocol import Buffer
from .zip_files import (
    drop_aside,
    identity_at,
    identity_of_file,
    lock_aside,
    name_aside,
    open_nameless,
    sync_folder,
    write_archive,
    write_at,
)
from .zip_format import DiskFile, Entry, Readable, read_directory
from .zip_spool import Spool, Spooled

__all__ = ["Archive", "find_archive"]


class Archive:
    """The members of one archive; all stores of a process on one path share it.

    Parameters
    ----------
    path
        The archive's place, all links in it followed; None where it is given by `file`.
    file
        What it is read from, where it has no place of its own.
    """

    def __init__(self, path: str | None, file: Readable | None = None) -> None:
        self.path = path
        self.places = Places()
        self.changed = False
        self._holders: set[object] = set()
        self.comment = b""
        self._file = file
        self._seen: Hashable | None = None  # which file was at the path when it was looked at
        self._members: dict[str, Entry] | None = None
        self._aside: int | None = None  # descriptor of the locked file that the changed archive is written to
        self._spool: Spool | None = None
        self._process = os.getpid()
        self._mode: int | None = None  # permissions of the file that is replaced
        self._foreign: dict[str, Entry] = {}  # members whose names are no keys: kept, never shown
        _all.add(self)

    # Looking.

    def members(self) -> MutableMapping[str, Entry]:
        """The members by name. Raises StoreError for a file that is no archive."""
        found = self._members
        return self._load() if found is None else found

    def is_current(self) -> bool:
        """Whether this is what who opens the path now should see."""
        if self.changed:
            return self._process == os.getpid()
        return self._members is None or self._seen == identity_at(self.path)

    def _load(self) -> dict[str, Entry]:
        with self.places.lock:
            if self._members is not None:
                return self._members
            file = self._file or self._open()
            try:
                found, self.comment = ({}, b"") if file is None else read_directory(file)
            except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
                raise StoreError(
                    f"{self.path or self._file} is no zip archive, or its end is missing: {error}; bring it from "
                    'where it came from again; ZipStore(path, mode="w") makes a new one in its place'
                ) from error
            except OSError as error:
                raise StoreError(f"could not read {self.path or self._file}: {reason(error)}") from error
            self._foreign = {name: found.pop(name) for name in [name for name in found if not _is_key(name)]}
            self._members = found
            return found

    def _open(self) -> DiskFile | None:
        assert self.path is not None
        try:
            file = DiskFile(os_calls.calls.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
            info = os_calls.calls.fstat(file.fd)
            check_regular(info)
        except FileNotFoundError:
            self._seen = None
            return None
        self._seen = identity_of_file(info)
        self._mode = info.st_mode & 0o777
        return file

    # Changing; under the lock.

    @contextlib.contextmanager
    def changing(self) -> Iterator[MutableMapping[str, Entry]]:
        """The members, to be changed by one thread; raises StoreError where another process changes them."""
        with self.places.lock:
            self._begin()
            self._change()
            yield self.members()

    def clear(self) -> None:
        """Forget all members, whatever the file at the path holds, when the archive is completed."""
        with self.places.lock:
            if self._members is None:
                self._seen = identity_at(self.path)
            self._members, self._foreign, self.comment = {}, {}, b""
            self.places.leave("")
            if self._seen is not None:
                self._begin()
                self._change()

    def put(self, name: str, buffers: Iterable[Buffer], compression: int) -> Entry:
        """Bytes as an entry that is not yet a member."""
        parts = buffers if isinstance(buffers, (list, tuple)) else list(buffers)
        size, crc = 0, 0
        for part in parts:
            crc = zlib.crc32(part, crc)
            size += memoryview(part).nbytes
        stored = size
        if compression == zipfile.ZIP_DEFLATED:
            deflate = zlib.compressobj(wbits=-15)
            parts = [*map(deflate.compress, parts), deflate.flush()]
            stored = sum(map(len, parts))
        if name.rpartition("/")[2] in METADATA_KEYS:
            return Entry(b"".join(parts), size=size, crc=crc, stored=stored, method=compression)
        with self.places.lock:
            self._begin()
            assert self.path is not None
            if self._spool is None:
                self._spool = Spool(open_nameless(os.path.dirname(self.path)))
            spool = self._spool
            at = spool.reserve(stored)
            entry = Spooled(spool, size=size, crc=crc, stored=stored, data=at, method=compression)
        write_at(spool.fd, parts, at)
        entry.checked = True
        return entry

    def _change(self) -> None:
        assert self.path is not None
        self.changed = True
        _unfinished[self.path] = self

    def _begin(self) -> None:
        """Take the archive for this process, unless it is taken already."""
        assert self.path is not None
        if self._process != os.getpid():
            if self.changed:
                raise StoreError(f"{self.path} is being written by the process that this one was forked from")
            self._process, self._aside, self._spool = os.getpid(), None, None
        if self._aside is not None:
            return
        self.members()
        make_folders(None, os.path.dirname(self.path))
        aside = lock_aside(self.path)
        try:
            if identity_at(self.path) != self._seen:
                raise StoreError(
                    f"{self.path} was replaced since it was opened, and nothing was changed; open it again"
                )
        except BaseException:
            drop_aside(self.path, aside)
            raise
        self._aside = aside

    # Completing.

    def complete(self) -> None:
        """Put the archive in its place, with all that was set and nothing else; nothing where nothing changed.

        Raises StoreError; what was set is kept then, and it may be completed again.
        """
        with self.places.lock:
            if self._process != os.getpid() or self._aside is None:
                return
            try:
                if self.changed and (self._visible() or self._seen is not None):
                    self._replace()
                else:
                    assert self.path is not None
                    drop_aside(self.path, self._aside)
            except OSError as error:
                if isinstance(error, StoreError):
                    raise
                raise StoreError(f"could not complete {self.path}: {reason(error)}") from error
            self._aside, self.changed = None, False
            _unfinished.pop(self.path or "", None)
            if not any(entry.file is self._spool for entry in self.members().values()):
                self._spool = None

    def forget(self) -> None:
        """Let the open file go, unless something is unfinished; the next use looks at the path again."""
        with self.places.lock:
            if self.path is not None and not self.changed and self._spool is None:
                self._members = None

    def hold(self, holder: object) -> None:
        """Complete the archive when the last of its holders is let go."""
        one = object()
        self._holders.add(one)
        weakref.finalize(holder, self._let_go, one).atexit = False

    def _let_go(self, one: object) -> None:
        # Without the lock, as garbage may be collected while any thread holds any other archive's; where
        # nobody holds this one any more, nobody works on it.
        self._holders.discard(one)
        if not self._holders:
            self.complete()

    def _visible(self) -> list[tuple[str, Entry]]:
        shown = [item for item in self.members().items() if not hidden(item[0], "")]
        return sorted([*shown, *self._foreign.items()], key=lambda item: item[0])

    def _replace(self) -> None:
        assert self._aside is not None
        assert self.path is not None
        calls = os_calls.calls
        if (placed_already := identity_of_file(calls.fstat(self._aside))) == identity_at(self.path):
            # An interrupt came right after the renaming: what was built is the archive now, and is left alone.
            calls.close(self._aside)
            self._seen, self._aside = placed_already, lock_aside(self.path)
        placed = write_archive(self._aside, self._visible(), self.comment)
        if self._mode is not None:
            os.fchmod(self._aside, self._mode)
        calls.fsync(self._aside)
        if identity_at(self.path) != self._seen:
            raise StoreError(
                f"{self.path} was replaced by another program while it was changed here; it was left alone"
            )
        calls.rename(name_aside(self.path), self.path)
        sync_folder(os.path.dirname(self.path))
        calls.flock(self._aside, fcntl.LOCK_UN)
        self._seen = identity_of_file(calls.fstat(self._aside))
        file = DiskFile(self._aside)
        for name, at, old in placed:
            table = self._foreign if name in self._foreign else self.members()
            table[name] = old.moved(file, at)


_finding = threading.Lock()
_current: weakref.WeakValueDictionary[str, Archive] = weakref.WeakValueDictionary()
_unfinished: dict[str, Archive] = {}
_all: weakref.WeakSet[Archive] = weakref.WeakSet()


def find_archive(path: str) -> Archive:
    """The archive at a path, with what this process has set in it; one as it is on disk now, if nothing."""
    with _finding:
        found = _unfinished.get(path) or _current.get(path)
        if found is None or not found.is_current():
            found = _current[path] = Archive(path)
        return found


@atexit.register
def _complete_all() -> None:
    """Whatever fails, the others are completed."""
    with contextlib.ExitStack() as stack:
        for archive in list(_all):
            stack.callback(archive.complete)


def _after_fork() -> None:
    """In a child: what is unfinished is the parent's, and no lock is held."""
    global _finding
    _finding = threading.Lock()
    _unfinished.clear()
    for archive in list(_all):
        archive.places.lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _is_key(name: str) -> bool:
    try:
        return bool(validate_key(name))
    except InvalidKeyError:
        return False
