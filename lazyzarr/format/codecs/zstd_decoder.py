"""Zstandard decodes with contexts that threads keep: numcodecs makes one for each chunk, and again for the next.

numcodecs carries libzstd within its own module, where the library's stable functions can be called: measured with
chunks of 4 KiB to 128 KiB, that saves 13 us a chunk. Where they are not to be found, numcodecs' function is used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from numcodecs import zstd
from numpy.typing import NDArray

from .c_functions import address, c_function
from .protocol import Buffer
from .zstd_functions import POINTER, SIZE, ZstdFunctions

__all__ = ["decode_into"]

DecodeInto = Callable[[Buffer, NDArray[Any]], object]


class _Library(ZstdFunctions):
    """The functions of libzstd that decode; AttributeError or OSError where they cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.create = c_function(self.library.ZSTD_createDCtx, POINTER)
        self.free = c_function(self.library.ZSTD_freeDCtx, SIZE, POINTER)
        self.decode = c_function(
            self.library.ZSTD_decompressDCtx, SIZE, POINTER, POINTER, SIZE, POINTER, SIZE
        )


class _Context:
    """A decoder's memory."""

    def __init__(self, library: _Library) -> None:
        self._free = library.free
        self.address = library.create()
        if not self.address:
            raise MemoryError("no memory for a decoder's context")

    def __del__(self) -> None:
        if self.address:
            self._free(self.address)


class _Contexts(threading.local):
    """A thread's context, given back when the thread ends."""

    def __init__(self, library: _Library) -> None:
        self.own = _Context(library)


def _by_context(library: _Library) -> DecodeInto:
    decode, failed, contexts = library.decode, library.failed, _Contexts(library)

    def decode_into(buffer: Buffer, out: NDArray[Any]) -> None:
        size = decode(contexts.own.address, address(out), out.nbytes, address(buffer), len(buffer))
        if failed(size):
            raise library.error("decompression", size)
        if size != out.nbytes:
            raise RuntimeError(f"{size:,} bytes are stored, where {out.nbytes:,} have to be")

    return decode_into


def _chosen() -> DecodeInto:
    try:
        return _by_context(_Library())
    except (AttributeError, OSError):  # built otherwise
        return cast("DecodeInto", zstd.decompress)


decode_into: DecodeInto = _chosen()
"""decode_into(buffer, out): fill a C-contiguous array, exactly, from frames; RuntimeError where they do not."""
