"""Zstandard compresses large chunks into the memory that is handed on: other ways hold the frame twice for a moment.

Both Python's and numcodecs' functions copy what they made once they know how long it is: with chunks of hundreds of
megabytes that is what a job's peak is made of, and with 64 MiB of noise half of Python's time. The library that
numcodecs carries writes where it is told.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import cast

import numpy as np
from numcodecs import zstd

from .c_functions import address, c_function
from .protocol import Buffer

__all__ = ["compress_large"]

Compress = Callable[[Buffer, int, bool], Buffer]
_LEVEL, _CHECKSUM = 100, 201  # ZSTD_c_compressionLevel, ZSTD_c_checksumFlag
_SIZE, _POINTER = ctypes.c_size_t, ctypes.c_void_p


class _Library:
    """The functions of libzstd that encode; AttributeError or OSError where they cannot be reached."""

    def __init__(self) -> None:
        library = ctypes.CDLL(zstd.__file__)
        self.create = c_function(library.ZSTD_createCCtx, _POINTER)
        self.free = c_function(library.ZSTD_freeCCtx, _SIZE, _POINTER)
        self.set = c_function(library.ZSTD_CCtx_setParameter, _SIZE, _POINTER, ctypes.c_int, ctypes.c_int)
        self.encode = c_function(library.ZSTD_compress2, _SIZE, _POINTER, _POINTER, _SIZE, _POINTER, _SIZE)
        self.bound = c_function(library.ZSTD_compressBound, _SIZE, _SIZE)
        self.failed = c_function(library.ZSTD_isError, ctypes.c_uint, _SIZE)
        self.error_name = c_function(library.ZSTD_getErrorName, ctypes.c_char_p, _SIZE)

    def checked(self, size: int) -> int:
        """What a function returned; RuntimeError where that is an error."""
        if self.failed(size):
            raise RuntimeError(f"Zstd compression error: {cast('bytes', self.error_name(size)).decode()}")
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
