"""What numbers a data type has: integers of so many bits, or floats with so many in the mantissa."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Integers", "numbers_of"]

_SMALL_INTEGERS = re.compile(r"(u?)int([24])")  # of ml_dtypes, one to a byte
_SMALL_FLOATS = re.compile(r"bfloat16|float[468]_e[0-9]+m[0-9]+[a-z0-9]*")


@dataclass(frozen=True)
class Integers:
    """The integers of one data type."""

    dtype: np.dtype[Any]
    bits: int
    signed: bool

    @property
    def least(self) -> int:
        """The least number there is."""
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def greatest(self) -> int:
        """The greatest number there is."""
        return (1 << self.bits - self.signed) - 1

    @property
    def memory(self) -> np.dtype[Any]:
        """NumPy's own integers that hold them."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.dtype.itemsize}")


@dataclass(frozen=True)
class Floats:
    """The floating-point numbers of one data type."""

    dtype: np.dtype[Any]
    mantissa: int
    """Bits of it that are stored."""

    @property
    def bits(self) -> np.dtype[Any]:
        """NumPy's unsigned integers of the same size."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @property
    def values(self) -> NDArray[np.float64]:
        """The finite numbers from the least to the greatest, of data types with few; no -0.0."""
        return _values(self.dtype)


@cache
def _values(dtype: np.dtype[Any]) -> NDArray[np.float64]:
    codes = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    with np.errstate(all="ignore"):
        every = codes.view(dtype).astype(np.float64)
    return np.unique(every[np.isfinite(every)])


@cache
def numbers_of(dtype: np.dtype[Any]) -> Integers | Floats | None:
    """The numbers of a data type; None where it has none, or complex ones.

    >>> numbers_of(np.dtype("i2")).greatest, numbers_of(np.dtype("f4")).mantissa, numbers_of(np.dtype("?"))
    (32767, 23, None)
    """
    if dtype.kind in "iu":
        return Integers(dtype, 8 * dtype.itemsize, dtype.kind == "i")
    if dtype.kind == "f" and dtype.isbuiltin == 1 and dtype.itemsize <= 8:
        return Floats(dtype, np.finfo(dtype).nmant)
    small = _SMALL_INTEGERS.fullmatch(dtype.name)
    if small:
        return Integers(dtype, int(small[2]), not small[1])
    if _SMALL_FLOATS.fullmatch(dtype.name):
        mantissa = 7 if dtype.name == "bfloat16" else int(dtype.name.split("m")[1][0])
        return Floats(dtype, mantissa)
    return None
