"""Raw bits: elements that are so many bytes and nothing else, NumPy's V.

Specification: Zarr v3 core, "Data types", r*; zarr-python writes the same as `raw_bytes`, which is read.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UnknownDataTypeError
from .base import MAX_ITEMSIZE, DataType, Endian, is_integer, shown
from .vlen import decoded_bytes

__all__ = ["RawType", "raw_type"]


@dataclass(frozen=True, slots=True)
class RawType(DataType):
    """So many bytes.

    >>> raw_type(3, "r24").v3_name, raw_type(3, "r24").fill_from_json([1, 2, 255])
    ('r24', np.void(b'\\x01\\x02\\xFF'))
    """

    @property
    def byte_ordered(self) -> bool:
        """Never: bytes stand as they are."""
        return False

    @property
    def default_fill(self) -> Any:
        """Bytes of zero."""
        return np.void(bytes(self.dtype.itemsize))

    @property
    def v3_name(self) -> str:
        """`"r24"` for three bytes."""
        return f"r{8 * self.dtype.itemsize}"

    def v2_name(self, endian: Endian = "little") -> str:
        """`"|V3"` for three bytes."""
        return f"|V{self.dtype.itemsize}"

    def _read_fill(self, value: Any) -> Any:
        if is_integer(value) and value == 0:  # zarr-python 2 wrote 0
            return self.default_fill
        return self._exactly(decoded_bytes(value))

    def _exactly(self, value: bytes) -> Any:
        if len(value) != self.dtype.itemsize:
            raise ValueError("of another length than the data type")
        return np.void(value)

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        return list(value.tobytes()) if zarr_format == 3 else base64.b64encode(value.tobytes()).decode()

    def _user_fill(self, value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray) and value.dtype.kind == "V":
            return self._exactly(value.tobytes())
        if isinstance(value, bytes):
            return self._exactly(value.ljust(self.dtype.itemsize, b"\0"))
        return self._read_fill(value)


def raw_type(nbytes: Any, given: Any) -> RawType:
    """The data type of so many bytes; `given` is what an error shows.

    Raises UnknownDataTypeError.

    >>> raw_type(3, "r24").dtype
    dtype('V3')
    """
    if not is_integer(nbytes) or not 0 < nbytes <= MAX_ITEMSIZE:
        raise UnknownDataTypeError(
            f"the data type {shown(given)} has no length from 1 to {MAX_ITEMSIZE:,} bytes"
        )
    return RawType(np.dtype(f"V{nbytes}"))
