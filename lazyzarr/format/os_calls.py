"""The one seam to the operating system: every call the local store and the write lock make of it.

Tests put another object in the place of `calls` (one that fails its Nth call, say) before a store or an
array is opened; hot paths bind its methods once, when they are set up. POSIX: paths are given relative to
directory descriptors, and locks are flock's.

>>> calls.stat(".").st_size >= 0
True
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import sys
from collections.abc import Callable

__all__ = ["OsCalls", "calls"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class OsCalls:
    """The calls, each as `os` and `fcntl` have it."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    readv = staticmethod(os.readv)
    pread = staticmethod(os.pread)
    preadv = staticmethod(os.preadv)
    writev = staticmethod(os.writev)
    pwritev = staticmethod(os.pwritev)
    ftruncate = staticmethod(os.ftruncate)
    fsync = staticmethod(os.fsync)
    link = staticmethod(os.link)
    rename = staticmethod(os.rename)
    unlink = staticmethod(os.unlink)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    stat = staticmethod(os.stat)
    fstat = staticmethod(os.fstat)
    flock = staticmethod(fcntl.flock)

    @staticmethod
    def scandir(folder: str) -> list[os.DirEntry[str]]:
        """What lies in a folder."""
        with os.scandir(folder) as entries:
            return list(entries)

    @staticmethod
    def exchange(one: str, other: str) -> None:
        """Let two paths of one filesystem trade what they name, in one step.

        OSError with ENOSYS or EINVAL where the system or the filesystem cannot.
        """
        rename = _renameat2()
        if rename is None:
            raise OSError(errno.ENOSYS, "this system cannot exchange two paths in one step", one, None, other)
        if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), one, None, other)


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """Linux's renameat2, where the C library has it."""
    if not sys.platform.startswith("linux"):
        return None
    function: ctypes._NamedFuncPointer | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


calls = OsCalls()
