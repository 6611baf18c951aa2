"""Whether a chunk holds nothing but the fill value, bit for bit: -0.0 is not 0.0, NaNs differ by payload."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fill_other import other_test

__all__ = ["FillTest"]

BLOCK = 65536  # elements compared at a time: a chunk that is not empty is known as such early


class FillTest:
    """A test for chunks of one dtype.

    >>> test = FillTest(np.float32(0))
    >>> test(np.zeros((2, 2), "f4")), test(np.full((2, 2), -0.0, "f4"))
    (True, False)
    """

    def __init__(self, fill: Any) -> None:
        value = np.ascontiguousarray(fill).reshape(1)
        self._other = other_test(value)
        if self._other is not None:
            self._integers: str | None = "none"
            return
        # Not all times are datetime's, nor all code units characters: as items they are integers.
        self._integers = {"m": "i8", "M": "i8", "U": "u4"}.get(value.dtype.kind)
        self._size = value.dtype.itemsize
        self._item = (value.view(self._integers) if self._integers else value).item(0)
        # Elements as numbers where there are numbers of that size, else as rows of bytes.
        self._bits = np.dtype(f"u{self._size}" if self._size in (1, 2, 4, 8) else "u1")
        self._row = value.view(self._bits)

    def __call__(self, chunk: NDArray[Any]) -> bool:
        """Whether every element of a C-contiguous chunk is the fill value; mostly one look is enough."""
        if self._integers:
            if self._other is not None:
                return self._other(chunk)
            chunk = chunk.reshape(-1).view(self._integers)
        first = chunk.item(0)
        # Equal bits make equal items, or two NaNs: anything else is settled here.
        if first != self._item and first == first:
            return False
        return self._all(chunk)

    def _all(self, chunk: NDArray[Any]) -> bool:
        bits = chunk.reshape(-1).view(self._bits).reshape(-1, len(self._row))
        if not (bits[[len(bits) // 2, -1]] == self._row).all():
            return False
        return all((bits[at : at + BLOCK] == self._row).all() for at in range(0, len(bits), BLOCK))
