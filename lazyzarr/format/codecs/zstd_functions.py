"""libzstd as numcodecs carries it within its own module: what its encoder and its decoder have in common."""

from __future__ import annotations

import ctypes
from typing import cast

from numcodecs import zstd

from .c_functions import c_function

__all__ = ["POINTER", "SIZE", "ZstdFunctions"]

SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p


class ZstdFunctions:
    """The library, and the functions that tell of failures; AttributeError or OSError where it cannot be reached."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(zstd.__file__)
        self.failed = c_function(self.library.ZSTD_isError, ctypes.c_uint, SIZE)
        self._error_name = c_function(self.library.ZSTD_getErrorName, ctypes.c_char_p, SIZE)

    def error(self, doing: str, size: int) -> RuntimeError:
        """The error that a function returned in the place of a size."""
        return RuntimeError(f"Zstd {doing} error: {cast('bytes', self._error_name(size)).decode()}")
