"""Blosc compresses large chunks into the memory that is handed on: numcodecs' function copies what it made.

Measured with 64 MiB of noise, that copy is a seventh of the time, and half of the memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numcodecs import blosc

from .c_functions import address, c_function
from .protocol import Buffer

__all__ = ["compress_large"]

Compress = Callable[[Buffer, bytes, int, int, int, int], Buffer]
"""Data, compressor, level, shuffle, bytes of a block (0: Blosc chooses), bytes of an element."""


def _by_library() -> Compress:
    """What calls the library; AttributeError or OSError where it cannot be reached."""
    size, pointer, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
    arguments = (number, number, size, size, pointer, pointer, size, ctypes.c_char_p, size, number)
    encode = c_function(ctypes.CDLL(blosc.__file__).blosc_compress_ctx, number, *arguments)

    def compress(
        data: Buffer, cname: bytes, clevel: int, shuffle: int, blocksize: int, typesize: int
    ) -> Buffer:
        nbytes = memoryview(data).nbytes
        # Of what is not written to, nothing is in memory.
        out = np.empty(nbytes + blosc.MAX_OVERHEAD, np.uint8)
        memory = address(data), address(out), out.nbytes
        stored = encode(clevel, shuffle, typesize, nbytes, *memory, cname, blocksize, 1)
        if stored <= 0:
            raise RuntimeError(f"error during blosc compression: {stored}")
        return out[:stored].data

    return compress


def _found() -> Compress | None:
    try:
        return _by_library()
    except (AttributeError, OSError):  # built otherwise
        return None


compress_large: Compress | None = _found()
"""compress_large(data, cname, clevel, shuffle, blocksize, typesize), or None where the library is not to be reached."""
