"""One file in, one file out: how the local store reads and writes one value.

Write (a reader sees the old value or the new one; a kill leaves nothing, or within step 3b one hidden name):

1. Open a file without a name (O_TMPFILE) in the key's folder; make the folder where it is missing.
2. Write every buffer.
3. a. Link it to the key's name. b. Where that is taken: link it to `__lazyzarr-<process>-<n>` beside it and
   rename that over the key.
4. Close.

Below a hidden folder, where an array is built that nobody sees yet, the file gets its own name at once.

Where the filesystem has no nameless files, the file bears the hidden name from step 1 on, and is closed
before it is renamed: some filesystems report a failed write only then.

Read: open, one readv into the caller's buffer, close. The file is asked for its size only where the read
cannot tell its end. Only "no such file" means missing: a folder, a file above it, a link to nothing raise.

Paths are relative to the directory descriptor `at`, or absolute where it is None. What fails is an OSError.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterable, Sequence

from .. import os_calls
from ..keys import RESERVED_PREFIX
from .folders import make_folders
from .protocol import Buffer, ByteRange

__all__ = [
    "TooLongError",
    "check_regular",
    "put",
    "put_new",
    "put_unseen",
    "read_into",
    "read_ranges",
    "read_ranges_into",
    "remove",
]

# O_NONBLOCK: a pipe in a chunk's place must not hang. O_NOFOLLOW: a link tells itself from "no such file".
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CLOEXEC
# A nameless file is given its name through /proc.
_NAMELESS = getattr(os, "O_TMPFILE", 0) if os.path.isdir("/proc/self/fd") else 0
_NO_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS}
_PAGE = 4095
_TRIES = 16
_MANY = 512  # buffers a writev; the system's limit is 1024

_run = os.urandom(4).hex()
_count = itertools.count()


class TooLongError(OSError):
    """A file that is longer than what it is read as can be; it was not read."""


def read_into(at: int | None, path: str, buffer: bytearray, limit: int | None = None) -> memoryview | None:
    """A file's bytes, in `buffer` or where they do not fit in a new one; None where there is no such file.

    Raises TooLongError for a file that fills the buffer and has more bytes than `limit`.
    """
    calls = os_calls.calls
    try:
        fd = calls.open(path, _READ, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as error:
        fd = _open_link(at, path, error)
    try:
        n = calls.readv(fd, (buffer,))
        # A read that ends within a page ended with the file; else it may have been cut short, or be full.
        if n & _PAGE == 0 or n == len(buffer):
            return _rest(fd, buffer, n, limit)
    finally:
        calls.close(fd)
    return memoryview(buffer)[:n]


def read_ranges(at: int | None, path: str, ranges: Sequence[ByteRange | None]) -> list[bytes] | None:
    """Byte ranges of a file (None: all of it), or None where there is no such file."""
    fd = _open(at, path)
    if fd is None:
        return None
    try:
        size = _regular_size(fd)
        return [_read_range(fd, *slice(*(wanted or (0, None))).indices(size)[:2]) for wanted in ranges]
    finally:
        os_calls.calls.close(fd)


def read_ranges_into(
    at: int | None, path: str, ranges: Sequence[ByteRange], rooms: Sequence[memoryview]
) -> list[int] | None:
    """Byte ranges of a file, each into a room of its length: how many bytes there were; None without the file."""
    fd = _open(at, path)
    if fd is None:
        return None
    try:
        size = _regular_size(fd)
        starts = [slice(*wanted).indices(size)[0] for wanted in ranges]
        return [_read_from(fd, start, room) for start, room in zip(starts, rooms, strict=True)]
    finally:
        os_calls.calls.close(fd)


def _open(at: int | None, path: str) -> int | None:
    """A file, open for reading; None where there is no such file."""
    try:
        return os_calls.calls.open(path, _READ, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _open_link(at, path, error)


def _open_link(at: int | None, path: str, error: OSError) -> int:
    """Open what a link leads to; a link that leads nowhere is a failure, not a missing file."""
    if error.errno != errno.ELOOP:
        raise error
    try:
        return os_calls.calls.open(path, _READ & ~os.O_NOFOLLOW, dir_fd=at)
    except FileNotFoundError as missing:
        raise OSError(errno.ELOOP, "a link that leads nowhere", path) from missing


def check_regular(info: os.stat_result) -> None:
    """Raise unless what was asked about is a file."""
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _regular_size(fd: int) -> int:
    info = os_calls.calls.fstat(fd)
    check_regular(info)
    return info.st_size


def _rest(fd: int, buffer: bytearray, n: int, limit: int | None) -> memoryview:
    """All of a file of which n bytes were read."""
    size = _regular_size(fd)
    if limit is not None and size > max(limit, len(buffer)):
        raise TooLongError(errno.EFBIG, f"{size:,} bytes are stored, the chunk can have {limit:,} at most")
    if size > len(buffer):
        larger = bytearray(size)
        larger[:n] = memoryview(buffer)[:n]
        buffer = larger
    view = memoryview(buffer)
    while n < size:
        more = os_calls.calls.readv(fd, (view[n:size],))
        if not more:
            break
        n += more
    return view[:n]


def _read_range(fd: int, start: int, stop: int) -> bytes:
    parts = []
    while start < stop:
        part = os_calls.calls.pread(fd, stop - start, start)
        if not part:
            break
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_from(fd: int, start: int, room: memoryview) -> int:
    """Fill the room with what is in a file from a place on; how many bytes there were."""
    done = 0
    while done < len(room):
        n = os_calls.calls.preadv(fd, (room[done:],), start + done)
        if not n:
            break
        done += n
    return done


def put(at: int | None, path: str, buffers: Iterable[Buffer], taken: bool = False) -> bool:
    """Store the buffers as a file, in one step; `taken` if the name may well be: then 3a is not tried first.

    Returns whether the name was taken, as far as it was seen: where one was, more are likely.
    """
    folder = path.rpartition("/")[0]
    fd = _open_nameless(at, folder)
    if fd is None:
        _rename(at, _write_hidden(at, folder, buffers), path)
        return taken
    try:
        _write_all(fd, buffers)
        taken = taken or not _link_nameless(fd, at, path)
        if taken:
            _link_over(fd, at, folder, path)
    finally:
        os_calls.calls.close(fd)
    return taken


def put_unseen(at: int | None, path: str, buffers: Iterable[Buffer]) -> bool:
    """Store the buffers as a file where nobody looks yet, in as many steps as it takes; False if it is there."""
    try:
        fd = _open_in(at, path.rpartition("/")[0], path, _WRITE | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    try:
        try:
            _write_all(fd, buffers)
        finally:
            os_calls.calls.close(fd)
    except BaseException:
        _forget(at, path)
        raise
    return True


def put_new(at: int | None, path: str, buffers: Iterable[Buffer]) -> bool:
    """Store the buffers as a file where there is none, in one step; whether there was none."""
    folder = path.rpartition("/")[0]
    fd = _open_nameless(at, folder)
    if fd is None:
        return _link_hidden(at, _write_hidden(at, folder, buffers), path)
    try:
        _write_all(fd, buffers)
        return _link_nameless(fd, at, path)
    finally:
        os_calls.calls.close(fd)


def _open_nameless(at: int | None, folder: str) -> int | None:
    """A file without a name in a folder, open for writing; None where the filesystem has no such files."""
    if not _NAMELESS:
        return None
    try:
        return _open_in(at, folder, folder or ".", _WRITE | _NAMELESS)
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise
        return None


def _link_over(fd: int, at: int | None, folder: str, path: str) -> None:
    """Give a nameless file a name that is taken: by way of a hidden one, of which nothing stays."""
    hidden = _hidden_name(folder)
    try:
        _link_nameless(fd, at, hidden)
    except BaseException:
        _forget(at, hidden)
        raise
    _rename(at, hidden, path)


def _forget(at: int | None, hidden: str) -> None:
    """Remove a hidden file, if it is there, on the way out of an error: that one is to be told, none of this."""
    with contextlib.suppress(OSError):
        os_calls.calls.unlink(hidden, dir_fd=at)


def _link_nameless(fd: int, at: int | None, path: str) -> bool:
    """Give a nameless file its name; False where that is taken."""
    try:
        # src_dir_fd means nothing beside an absolute path, but makes Python follow the link in /proc
        os_calls.calls.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, dst_dir_fd=at)
    except FileExistsError:
        return False
    return True


def _write_hidden(at: int | None, folder: str, buffers: Iterable[Buffer]) -> str:
    """Write the buffers to a file of a hidden name, which is returned."""
    hidden = _hidden_name(folder)
    fd = _open_in(at, folder, hidden, _WRITE | os.O_CREAT | os.O_EXCL)
    try:
        try:
            _write_all(fd, buffers)
        finally:
            os_calls.calls.close(fd)
    except BaseException:
        _forget(at, hidden)
        raise
    return hidden


def _link_hidden(at: int | None, hidden: str, path: str) -> bool:
    try:
        os_calls.calls.link(hidden, path, src_dir_fd=at, dst_dir_fd=at)
    except FileExistsError:
        return False
    finally:
        os_calls.calls.unlink(hidden, dir_fd=at)
    return True


def _rename(at: int | None, hidden: str, path: str) -> None:
    try:
        os_calls.calls.rename(hidden, path, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        _forget(at, hidden)
        raise


def _open_in(at: int | None, folder: str, path: str, flags: int) -> int:
    """Open for writing, the folder made where it is missing; others may remove it, as empty, meanwhile."""
    for _ in range(_TRIES):
        try:
            return os_calls.calls.open(path, flags, 0o666, dir_fd=at)
        except FileNotFoundError:
            make_folders(at, folder)
    return os_calls.calls.open(path, flags, 0o666, dir_fd=at)


def _hidden_name(folder: str) -> str:
    return f"{folder}{'/' if folder else ''}{RESERVED_PREFIX}{os.getpid()}-{_run}-{next(_count)}"


def _write_all(fd: int, buffers: Iterable[Buffer]) -> None:
    """Write buffers one behind the other; as one call where they are few and at hand."""
    if isinstance(buffers, (list, tuple)) and len(buffers) <= _MANY:
        _write_some(fd, buffers)
        return
    for buffer in buffers:
        _write_some(fd, (buffer,))


def _write_some(fd: int, buffers: Sequence[Buffer]) -> None:
    left = sum([memoryview(buffer).nbytes for buffer in buffers])
    left -= os_calls.calls.writev(fd, buffers) if left else 0
    if left:
        _write_end(fd, buffers, left)


def _write_end(fd: int, buffers: Sequence[Buffer], left: int) -> None:
    """Write the last `left` bytes of buffers of which the system took only a part."""
    views = [memoryview(buffer).cast("B") for buffer in buffers if memoryview(buffer).nbytes]
    skip = sum(map(len, views)) - left
    for view in views:
        start, skip = min(skip, len(view)), max(0, skip - len(view))
        while start < len(view):
            n = os_calls.calls.writev(fd, (view[start:],))
            if not n:
                raise OSError(errno.EIO, "the system took no byte of a write")
            start += n


def remove(at: int | None, path: str) -> None:
    """Remove a file; nothing happens where there is none."""
    try:
        os_calls.calls.unlink(path, dir_fd=at)
    except FileNotFoundError:
        return
