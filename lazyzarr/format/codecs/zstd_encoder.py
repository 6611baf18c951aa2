"""Zstandard compresses large chunks into the memory that is handed on: other ways hold the frame twice for a moment.

Both Python's and numcodecs' functions copy what they made once they know how long it is: with chunks of hundreds of
megabytes that is what a job's peak is made of, and with 64 MiB of noise half of Python's time. The library that
numcodecs carries writes where it is told.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from .c_functions import address, c_function
from .protocol import Buffer
from .zstd_functions import POINTER, SIZE, ZstdFunctions

__all__ = ["compress_large"]

Compress = Callable[[Buffer, int, bool], Buffer]
_LEVEL, _CHECKSUM = 100, 201  # ZSTD_c_compressionLevel, ZSTD_c_checksumFlag


class _Library(ZstdFunctions):
    """The functions of libzstd that encode; AttributeError or OSError where they cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        library, number = self.library, ctypes.c_int
        self.create = c_function(library.ZSTD_createCCtx, POINTER)
        self.free = c_function(library.ZSTD_freeCCtx, SIZE, POINTER)
        self.set = c_function(library.ZSTD_CCtx_setParameter, SIZE, POINTER, number, number)
        self.encode = c_function(library.ZSTD_compress2, SIZE, POINTER, POINTER, SIZE, POINTER, SIZE)
        self.bound = c_function(library.ZSTD_compressBound, SIZE, SIZE)

    def checked(self, size: int) -> int:
        """What a function returned; RuntimeError where that is an error."""
        if self.failed(size):
            raise self.error("compression", size)
        return size


def _by_library(library: _Library) -> Compress:
    def compress(data: Buffer, level: int, checksum: bool) -> Buffer:
        # Of what is not written to, nothing is in memory.
        nbytes = memoryview(data).nbytes
        out = np.empty(library.bound(nbytes), np.uint8)
        context = library.create()
        if not context:
            raise MemoryError("no memory for an encoder's context")
        try:
            for parameter, value in ((_LEVEL, level), (_CHECKSUM, int(checksum))):
                library.checked(library.set(context, parameter, value))
            size = library.encode(context, address(out), out.nbytes, address(data), nbytes)
            return out[: library.checked(size)].data
        finally:
            library.free(context)

    return compress


def _found() -> Compress | None:
    try:
        return _by_library(_Library())
    except (AttributeError, OSError):  # built otherwise
        return None


compress_large: Compress | None = _found()
"""compress_large(data, level, checksum) -> one frame, or None where the library's functions are not to be found."""
