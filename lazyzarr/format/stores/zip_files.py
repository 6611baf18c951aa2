"""The files around a zip archive: the locked one in which a new archive is built, and the nameless spool.

`__lazyzarr-<name>` lies beside an archive while a process has changes for it, locked with flock. What a kill
leaves of it is not locked, and is used again by the next who writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Hashable, Iterable, Sequence

from ...errors import StoreError
from .. import os_calls
from ..keys import RESERVED_PREFIX
from .failures import identity_of, reason, version_of
from .protocol import Buffer
from .zip_format import Entry, directory, local_header

__all__ = [
    "drop_aside",
    "identity_at",
    "identity_of_file",
    "is_being_written",
    "lock_aside",
    "name_aside",
    "open_nameless",
    "sync_folder",
    "write_archive",
    "write_at",
]

_COPIED = 8 * 1024 * 1024  # bytes that are copied at a time
_TRIES = 16
_MANY = 512  # buffers a write; the system's limit is 1024


def write_archive(
    fd: int, members: Sequence[tuple[str, Entry]], comment: bytes
) -> list[tuple[str, int, Entry]]:
    """Write a whole archive into a file; name, offset of the bytes, and entry of each member.

    Raises StoreError for a member that is cut short.
    """
    os_calls.calls.ftruncate(fd, 0)
    out = _Output(fd)
    listed, placed = [], []
    for name, entry in members:
        listed.append((name, out.at, entry))
        out.write(local_header(name, entry))
        placed.append((name, out.at, entry))
        for start in range(0, entry.stored, _COPIED):
            stop = min(start + _COPIED, entry.stored)
            part = entry.raw(name, start, stop)
            if len(part) != stop - start:
                raise StoreError(f"{name} is cut short in the archive, and nothing was changed", name)
            out.write(part)
    for tail in directory(listed, out.at, comment):
        out.write(tail)
    out.flush()
    return placed


class _Output:
    """A file written from its beginning on, some MB at a time."""

    def __init__(self, fd: int) -> None:
        self.at = 0
        self._fd = fd
        self._parts: list[Buffer] = []
        self._waiting = 0

    def write(self, part: Buffer) -> None:
        self._parts.append(part)
        self._waiting += len(part)
        self.at += len(part)
        if self._waiting >= _COPIED or len(self._parts) >= _MANY:
            self.flush()

    def flush(self) -> None:
        write_at(self._fd, self._parts, self.at - self._waiting)
        self._parts, self._waiting = [], 0


def write_at(fd: int, parts: Iterable[Buffer], at: int) -> None:
    """Write buffers one behind the other at a place of a file."""
    views = [memoryview(part).cast("B") for part in parts if memoryview(part).nbytes]
    while views:
        n = os_calls.calls.pwritev(fd, views[:_MANY], at)
        at += n
        while n:
            taken = min(n, len(views[0]))
            views[0] = views[0][taken:]
            n -= taken
            if not views[0]:
                del views[0]


def name_aside(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, RESERVED_PREFIX + name)


def lock_aside(path: str) -> int:
    """The locked file beside an archive that a changed one is written to. Raises StoreError where it is locked."""
    calls, name = os_calls.calls, name_aside(path)
    for _ in range(_TRIES):
        try:
            fd = calls.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise StoreError(f"could not write beside {path}: {reason(error)}") from error
        try:
            if _lock(fd, path) and identity_of(calls.fstat(fd)) == _folder_entry(name):
                return fd
        except BaseException:
            calls.close(fd)
            raise
        calls.close(fd)  # it was renamed to the archive meanwhile
    raise StoreError(f"{path} is replaced by others again and again")


def _lock(fd: int, path: str) -> bool:
    try:
        os_calls.calls.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"{path} is being written by another process: two writers of one archive would undo each other's "
            "work; close it there first, or write to a folder"
        ) from error
    except OSError:  # no flock here
        pass
    return True


def drop_aside(path: str, fd: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os_calls.calls.unlink(name_aside(path))
    os_calls.calls.close(fd)


def is_being_written(path: str) -> bool:
    """Whether some process has set what is not in the archive yet."""
    calls = os_calls.calls
    try:
        fd = calls.open(name_aside(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        calls.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        calls.close(fd)
    return False


def open_nameless(folder: str) -> int:
    """A file without a name in a folder."""
    calls = os_calls.calls
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return calls.open(folder, flags | os.O_TMPFILE, 0o600)
    except (OSError, AttributeError):  # neither every filesystem nor every system has them
        name = os.path.join(folder, f"{RESERVED_PREFIX}{os.urandom(8).hex()}")
        fd = calls.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
        calls.unlink(name)
        return fd


def sync_folder(folder: str) -> None:
    with contextlib.suppress(OSError):  # some filesystems cannot
        fd = os_calls.calls.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os_calls.calls.fsync(fd)
        finally:
            os_calls.calls.close(fd)


def identity_of_file(info: os.stat_result) -> Hashable:
    return identity_of(info), version_of(info)


def _folder_entry(path: str) -> Hashable | None:
    try:
        return identity_of(os_calls.calls.stat(path))
    except OSError:
        return None


def identity_at(path: str | None) -> Hashable | None:
    """Which file is at a path, or None."""
    if path is None:
        return None
    try:
        return identity_of_file(os_calls.calls.stat(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"could not look at {path}: {reason(error)}") from error
