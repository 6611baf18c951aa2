"""Blosc decodes by the library's own function: numcodecs' asks what its arguments are, which takes 5 us a chunk.

numcodecs carries libblosc within its own module, where the library's stable functions can be called: measured
with chunks of 16 KiB and 128 KiB, 7.2 and 23.4 us became 5.7 and 17.7, all of the difference with the GIL held.
Where they are not to be found, numcodecs' function is used.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

from numcodecs import blosc
from numpy.typing import NDArray

from .c_functions import address, c_function
from .protocol import Buffer

__all__ = ["decode_into"]

DecodeInto = Callable[[Buffer, NDArray[Any]], object]


def _by_library() -> DecodeInto:
    """What calls the library; AttributeError or OSError where it cannot be reached."""
    pointer = ctypes.c_void_p
    decompress = c_function(
        ctypes.CDLL(blosc.__file__).blosc_decompress_ctx,
        ctypes.c_int,
        pointer,
        pointer,
        ctypes.c_size_t,
        ctypes.c_int,
    )

    def decode_into(buffer: Buffer, out: NDArray[Any]) -> None:
        size = decompress(address(buffer), address(out), out.nbytes, 1)
        if size != out.nbytes:
            raise RuntimeError(f"error during blosc decompression: {size}")

    return decode_into


def _chosen() -> DecodeInto:
    try:
        return _by_library()
    except (AttributeError, OSError):  # built otherwise
        return cast("DecodeInto", blosc.decompress)


decode_into: DecodeInto = _chosen()
"""decode_into(buffer, out): fill a C-contiguous array, exactly, from what a header says so of; else RuntimeError."""
