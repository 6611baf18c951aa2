"""Numbers of a few bits, and others that NumPy lacks: bfloat16, float8_*, int4 and so on, by ml_dtypes.

Specification: zarr-extensions; the package is loaded when such a data type is first met.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UnknownDataTypeError
from .base import DataType, Endian

__all__ = ["SMALL_NAMES", "SmallType", "is_small", "small_type"]

_FLOATS = (
    *("bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3b11fnuz", "float8_e4m3fnuz"),
    *("float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"),
)
_INTEGERS = ("int2", "int4", "uint2", "uint4")
# Where neither NumPy nor ml_dtypes has a complex type of them, two parts make a record.
_COMPLEX = {f"complex_{name}": name for name in _FLOATS} | {"complex_float16": "float16"}
_OWN_COMPLEX = {"complex_float16": "complex32", "complex_bfloat16": "bcomplex32"}
SMALL_NAMES = frozenset((*_FLOATS, *_INTEGERS, *_COMPLEX))

_SPECIAL = {"NaN": np.nan, "Infinity": np.inf, "+Infinity": np.inf, "-Infinity": -np.inf}


@dataclass(frozen=True, slots=True)
class SmallType(DataType):
    """One data type of ml_dtypes.

    >>> small_type("bfloat16").fill_from_json("0x7fc1").tobytes().hex()
    'c17f'
    """

    name: str
    """Its name in v3."""

    @property
    def byte_ordered(self) -> bool:
        """Whether a number has more than a byte."""
        return self._part.itemsize > 1

    @property
    def _part(self) -> np.dtype[Any]:
        """The data type of the number, or of a complex one's parts."""
        return _numpy(_COMPLEX.get(self.name, self.name))

    @property
    def is_complex(self) -> bool:
        """Whether an element has two parts."""
        return self.name in _COMPLEX

    @property
    def rounds(self) -> bool:
        """Whether numbers may be rounded to it; integers are not."""
        return self.name not in _INTEGERS

    @property
    def default_fill(self) -> Any:
        """Zero; the least number, for what has no zero."""
        return _first(np.zeros(self.dtype.itemsize, "u1").view(self.dtype))

    @property
    def v3_name(self) -> str:
        """The name itself."""
        return self.name

    def v2_name(self, endian: Endian = "little") -> str:
        """None: raises UnknownDataTypeError."""
        raise UnknownDataTypeError(f"v2 has no data type {self.name}; use zarr_format=3")

    def _read_fill(self, value: Any) -> Any:
        if self.name in _COMPLEX:
            parts = value if isinstance(value, list) else [value, 0.0]
            if len(parts) != 2:
                raise ValueError("not two numbers")
            both = np.array([_read_number(part, self._part) for part in parts])
            return _first(both.view(self.dtype))
        return _read_number(value, self.dtype)

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        numbers = np.array([value], self.dtype).view(self._part)
        written = [_write_number(number) for number in numbers]
        return written if self.name in _COMPLEX else written[0]

    def _user_fill(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if getattr(value, "dtype", None) == self.dtype:
            return value
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, complex) and self.name in _COMPLEX:
            value = [value.real, value.imag]
        return self._read_fill(list(value) if isinstance(value, tuple) else value)

    def __str__(self) -> str:
        return self.name


def _read_number(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number of the data type: it may be rounded, and must not become another kind of number."""
    if isinstance(value, str) and value[:2] in ("0x", "0X"):
        return _first(np.frombuffer(int(value, 16).to_bytes(dtype.itemsize, sys.byteorder), dtype))
    value = _SPECIAL.get(value, value) if isinstance(value, str) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    if value == 0 and dtype.name == "float8_e8m0fnu":  # without a zero; tensorstore writes 0 for no bits set
        return _first(np.zeros(1, "u1").view(dtype))
    number = _first(np.array([value], np.float64).astype(dtype))
    back = float(number)
    integral = dtype.name in _INTEGERS
    if (integral and back != value) or np.isnan(back) != np.isnan(value) or np.isinf(back) != np.isinf(value):
        raise OverflowError("out of range")
    return number


def _write_number(number: Any) -> Any:
    if number.dtype.name in _INTEGERS:
        return int(number)
    value = float(number)
    if np.isnan(value):
        plain = number.tobytes() == np.array([np.nan]).astype(number.dtype).tobytes()
        bits = int.from_bytes(number.tobytes(), sys.byteorder)
        return "NaN" if plain else f"0x{bits:0{2 * number.dtype.itemsize}x}"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _first(array: np.ndarray[Any, Any]) -> Any:
    return array[0]


def small_type(name: str) -> SmallType:
    """The data type of that name.

    Raises UnknownDataTypeError where ml_dtypes is not there.
    """
    if name in _COMPLEX and name not in _OWN_COMPLEX:
        part = _numpy(_COMPLEX[name])
        return SmallType(np.dtype([("real", part), ("imag", part)]), name)
    return SmallType(_numpy(_OWN_COMPLEX.get(name, name)), name)


def _numpy(name: str) -> np.dtype[Any]:
    if name == "float16":
        return np.dtype("f2")
    try:
        import ml_dtypes
    except ImportError as error:
        raise UnknownDataTypeError(
            f"the data type {name!r} needs the package ml_dtypes: pip install 'lazyzarr[ml_dtypes]'"
        ) from error
    if not hasattr(ml_dtypes, name):
        raise UnknownDataTypeError(
            f"the data type {name!r} needs a newer ml_dtypes: pip install -U ml_dtypes"
        )
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return dtype


def is_small(dtype: np.dtype[Any]) -> str | None:
    """The v3 name of a NumPy dtype that is ml_dtypes'; None for others.

    >>> is_small(np.dtype("f2"))
    """
    if dtype.type.__module__.partition(".")[0] != "ml_dtypes":
        return None
    by_numpy = {numpy: name for name, numpy in _OWN_COMPLEX.items()}
    name = by_numpy.get(dtype.name, dtype.name)
    return name if name in SMALL_NAMES else None
