"""Functions of the C libraries that numcodecs carries within its modules, called by ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .protocol import Buffer

__all__ = ["address", "c_function"]

# An object of no length borrows a buffer whatever its length is, for as long as it lives.
_borrow: Callable[[Any], Any] = (ctypes.c_char * 0).from_buffer


def c_function(function: Any, result: Any, *arguments: Any) -> Any:
    """The function, told of the types that it returns and takes."""
    function.restype, function.argtypes = result, arguments
    return function


def address(memory: Buffer | NDArray[Any]) -> Any:
    """What a C function takes as the address of a buffer, or of a contiguous array that it is to fill.

    It is good as long as the memory is held. Raises ValueError for an array that may not be changed.
    """
    if type(memory) is bytes:
        return memory
    try:
        return _borrow(memory)
    except (TypeError, ValueError):  # not writable, or of elements that make no buffer
        return _address(memory)


def _address(memory: Buffer | NDArray[Any]) -> int:
    if not isinstance(memory, np.ndarray):
        stored = np.frombuffer(cast("bytes", memory), np.uint8)
        return cast("int", stored.__array_interface__["data"][0])
    if not memory.flags.writeable:
        raise ValueError("the array is read-only")
    return cast("int", memory.__array_interface__["data"][0])
