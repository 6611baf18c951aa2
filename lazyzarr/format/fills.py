"""Fill values: the scalar that a document's JSON or a user spells, and its JSON again, bit for bit.

Specifications: Zarr v2, "Fill value encoding"; Zarr v3 core, "Fill value" (with the hexadecimal NaNs).
The functions raise TypeError, ValueError or OverflowError; dtypes.py says whose fill value it was.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np

__all__ = ["default_fill", "fill_from_json", "fill_of", "fill_to_json"]


def default_fill(dtype: np.dtype[Any]) -> np.generic:
    """What missing chunks read as when nobody chose: zero, an empty string, NaT.

    >>> default_fill(np.dtype("f4")), default_fill(np.dtype("m8[s]"))
    (np.float32(0.0), np.timedelta64('NaT','s'))
    """
    # through integers: NumPy deprecates the generic unit, but arrays of it are stored
    return _read_time("NaT", dtype) if dtype.kind in "mM" else cast("np.generic", np.zeros((), dtype)[()])


def fill_from_json(value: Any, dtype: np.dtype[Any]) -> np.generic:
    """The scalar that the `fill_value` of a document spells, in any spelling writers are known to use.

    >>> fill_from_json("0x7fc00001", np.dtype("f4")).tobytes().hex()
    '0100c07f'
    """
    return _READERS[dtype.kind](value, dtype)


def fill_to_json(value: np.generic, zarr_format: int) -> Any:
    """The spelling of a fill value that all readers of the format know.

    v2 has no spelling for other NaNs than NumPy's own: they are written as "NaN".

    >>> fill_to_json(np.float32("-inf"), 2), fill_to_json(np.complex64(complex(1, -0.0)), 3)
    ('-Infinity', [1.0, -0.0])
    """
    return _WRITERS[value.dtype.kind](value, zarr_format)


_SPECIAL = {"NaN": np.nan, "Infinity": np.inf, "+Infinity": np.inf, "-Infinity": -np.inf}
_NAT = np.iinfo("i8").min
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{0,400})?([eE][-+]?[0-9]{1,4})?")


def _scalar(value: Any, dtype: np.dtype[Any]) -> np.generic:
    """A NumPy scalar of exactly this dtype; a larger finite number becomes infinite, as in NumPy."""
    cell = np.empty((), dtype)
    with np.errstate(over="ignore"):
        cell[()] = value
    return cast("np.generic", cell[()])


def _read_bool(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if not isinstance(value, bool | int | float) or value not in (0, 1):
        raise TypeError("neither true nor false")
    return np.bool_(value)


def _read_int(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("no integer")
    info = np.iinfo(dtype)
    if not info.min <= value <= info.max:
        raise OverflowError("out of range")
    return _scalar(value, dtype)


def _read_spelled_int(value: Any, dtype: np.dtype[Any]) -> np.generic:
    """An integer, or a string of one, as n5-zarr wrote them."""
    spelled = isinstance(value, str) and _DECIMAL.fullmatch(value)
    return _read_int(int(value) if spelled else value, dtype)


def _read_float(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if isinstance(value, str):
        if value in _SPECIAL:
            return _scalar(_SPECIAL[value], dtype)
        if _NUMBER.fullmatch(value):  # as n5-zarr wrote them
            return _scalar(float(value), dtype)
        if not _HEX.fullmatch(value):
            raise ValueError("no number")
        # the bit pattern, never through a Python float: that would make a signalling NaN a quiet one
        return _first(np.frombuffer(int(value, 16).to_bytes(dtype.itemsize, sys.byteorder), dtype))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    return _scalar(float(value), dtype)


def _read_complex(value: Any, dtype: np.dtype[Any]) -> np.generic:
    parts = value if isinstance(value, list) else [value, 0.0]
    if len(parts) != 2:
        raise ValueError("not two numbers")
    part = np.dtype(f"f{dtype.itemsize // 2}")
    both = np.empty(2, part)
    both[0], both[1] = _read_float(parts[0], part), _read_float(parts[1], part)
    return _first(both.view(dtype))


def _read_time(value: Any, dtype: np.dtype[Any]) -> np.generic:
    count = _NAT if value == "NaT" else _read_int(value, np.dtype("i8"))
    return _first(np.array([count], "i8").view(dtype))


def _read_bytes(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if value == 0 and not isinstance(value, str):  # zarr-python 2 wrote 0 for an empty string
        return _scalar(b"", dtype)
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    return _fitting(decoded, dtype)


def _read_string(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if value == 0 and not isinstance(value, str):
        return _scalar("", dtype)
    if not isinstance(value, str):
        raise TypeError("no string")
    return _fitting(value, dtype)


def _fitting(value: bytes | str, dtype: np.dtype[Any]) -> np.generic:
    if len(value) > dtype.itemsize // (4 if dtype.kind == "U" else 1):
        raise OverflowError("longer than the data type")
    return _scalar(value, dtype)


def _first(array: np.ndarray[Any, Any]) -> np.generic:
    scalar: np.generic = array[0]
    return scalar


_READERS: dict[str, Callable[[Any, np.dtype[Any]], np.generic]] = {
    "b": _read_bool,
    "i": _read_spelled_int,
    "u": _read_spelled_int,
    "f": _read_float,
    "c": _read_complex,
    "M": _read_time,
    "m": _read_time,
    "S": _read_bytes,
    "U": _read_string,
}


def fill_of(value: Any, dtype: np.dtype[Any]) -> np.generic:
    """The scalar that a user gave as fill value: only what the data type holds, rounding aside.

    >>> fill_of("2020-01-01", np.dtype("M8[D]")), fill_of("NaN", np.dtype("f2"))
    (np.datetime64('2020-01-01'), np.float16(nan))
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic):
        if value.dtype == dtype:
            return value
        value = value if value.dtype.kind in "mM" else value.item()
    if isinstance(value, str) and dtype.kind in "fc":
        return _READERS[dtype.kind](value, dtype)
    return _USER_FILLS[dtype.kind](value, dtype)


def _user_float(value: Any, dtype: np.dtype[Any]) -> np.generic:
    scalar = _scalar(float(value), dtype)
    if np.isinf(scalar) and not np.isinf(value):
        raise OverflowError("out of range")
    return scalar


def _user_complex(value: Any, dtype: np.dtype[Any]) -> np.generic:
    number = complex(*value) if isinstance(value, list | tuple) else complex(value)
    part = np.dtype(f"f{dtype.itemsize // 2}")
    parts = np.array([_user_float(number.real, part), _user_float(number.imag, part)])
    return _first(parts.view(dtype))


def _user_time(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if isinstance(value, bool | float):
        raise TypeError("no time")
    if value == "NaT":
        return _read_time(value, dtype)
    given = np.asarray(value)
    if given.dtype.kind in "mM":
        given = given.astype(dtype, casting="same_kind")
    return _scalar(given[()] if given.dtype.kind in "mM" else value, dtype)


def _user_bytes(value: Any, dtype: np.dtype[Any]) -> np.generic:
    if isinstance(value, str):
        value = value.encode("ascii")
    return _fitting(value, dtype) if isinstance(value, bytes) else _read_bytes(value, dtype)


_USER_FILLS: dict[str, Callable[[Any, np.dtype[Any]], np.generic]] = _READERS | {
    "i": _read_int,
    "u": _read_int,
    "f": _user_float,
    "c": _user_complex,
    "M": _user_time,
    "m": _user_time,
    "S": _user_bytes,
}


# Writing fill values, by kind of data type.


def _write_float(value: Any, zarr_format: int) -> Any:
    if np.isnan(value):
        plain = value.tobytes() == _scalar(np.nan, value.dtype).tobytes()
        if plain or zarr_format == 2:
            return "NaN"
        return f"0x{int.from_bytes(value.tobytes(), sys.byteorder):0{2 * value.itemsize}x}"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def _write_complex(value: Any, zarr_format: int) -> Any:
    parts = np.array([value]).view(f"f{value.itemsize // 2}")
    return [_write_float(parts[0], zarr_format), _write_float(parts[1], zarr_format)]


def _write_time(value: Any, zarr_format: int) -> Any:
    return "NaT" if np.isnat(value) else int(value.view("i8"))


_WRITERS: dict[str, Callable[[Any, int], Any]] = {
    "b": lambda value, zarr_format: bool(value),
    "i": lambda value, zarr_format: int(value),
    "u": lambda value, zarr_format: int(value),
    "f": _write_float,
    "c": _write_complex,
    "M": _write_time,
    "m": _write_time,
    "S": lambda value, zarr_format: base64.b64encode(bytes(value)).decode(),
    "U": lambda value, zarr_format: str(value),
}
