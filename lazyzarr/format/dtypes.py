"""Data types and their names in v2 and v3 metadata.

Specifications: Zarr v2, "Data type encoding"; Zarr v3 core, "Data types";
zarr-extensions (numpy.datetime64, numpy.timedelta64, fixed_length_utf32, null_terminated_bytes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from ..errors import MetadataValidationError, UnknownDataTypeError
from .fills import default_fill, fill_from_json, fill_of, fill_to_json

__all__ = ["DataType", "Endian", "data_type_of", "parse_v2_dtype", "parse_v3_data_type"]

Endian: TypeAlias = Literal["little", "big"]

_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16), "M": (8,), "m": (8,)}
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
_MAX_LENGTH = 2**31 - 1  # bytes of one element, NumPy's own limit

_V3_NAMES = {
    "bool": "?",
    **{f"{kind}{8 * size}": f"{kind[0]}{size}" for kind in ("int", "uint") for size in (1, 2, 4, 8)},
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
}
_V3_ALIASES = {"complex_float32": "complex64", "complex_float64": "complex128"}
_V3_TIMES = {"numpy.datetime64": "M", "numpy.timedelta64": "m"}
_V3_STRINGS = {"fixed_length_utf32": "U", "null_terminated_bytes": "S"}


@dataclass(frozen=True, slots=True)
class DataType:
    """One data type.

    >>> DataType(np.dtype("<i4")).v3_name, DataType(np.dtype("M8[10ns]")).v2_name("big")
    ('int32', '>M8[10ns]')
    """

    dtype: np.dtype[Any]
    """The NumPy dtype, in native byte order."""

    @property
    def byte_ordered(self) -> bool:
        """Whether an element's bytes have an order to choose."""
        return self.dtype.kind == "U" or (self.dtype.kind != "S" and self.dtype.itemsize > 1)

    @property
    def default_fill(self) -> np.generic:
        """What missing chunks read as when nobody chose: zero, an empty string, NaT."""
        return default_fill(self.dtype)

    @property
    def v3_name(self) -> str | dict[str, Any]:
        """The `data_type` member of a v3 document."""
        kind = self.dtype.kind
        if kind in "mM":
            unit, scale = np.datetime_data(self.dtype)
            name = "numpy.datetime64" if kind == "M" else "numpy.timedelta64"
            return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
        if kind in "SU":
            name = "fixed_length_utf32" if kind == "U" else "null_terminated_bytes"
            return {"name": name, "configuration": {"length_bytes": self.dtype.itemsize}}
        return self.dtype.name

    def v2_name(self, endian: Endian = "little") -> str:
        """The `dtype` member of a v2 document."""
        order = "|" if not self.byte_ordered else "<" if endian == "little" else ">"
        text = self.dtype.str[1:]
        if self.dtype.kind in "mM":
            unit, scale = np.datetime_data(self.dtype)
            # NumPy's own spelling drops the multiple of generic units.
            text = text.partition("[")[0]
            if (unit, scale) != ("generic", 1):
                text += f"[{'' if scale == 1 else scale}{unit}]"
        return order + text

    def fill_from_json(self, value: Any) -> np.generic:
        """The scalar that a document's `fill_value` spells; every spelling that writers are known to use.

        >>> DataType(np.dtype("f4")).fill_from_json("0x7fc00001").tobytes().hex()
        '0100c07f'
        """
        try:
            return fill_from_json(value, self.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise MetadataValidationError(
                f"the fill_value {_shown(value)} is no {self.dtype} value"
            ) from error

    def fill_to_json(self, value: np.generic, zarr_format: int = 3) -> Any:
        """The spelling of a fill value that all readers of the format know.

        v2 knows no spelling for a NaN other than NumPy's; it is written as "NaN".

        >>> DataType(np.dtype("f4")).fill_to_json(np.float32("-inf"))
        '-Infinity'
        """
        return fill_to_json(value, zarr_format)

    def fill_of(self, value: Any) -> np.generic:
        """What a user gave as fill value, as this data type; None is the default.

        Raises MetadataValidationError where the data type cannot hold it.

        >>> DataType(np.dtype("u1")).fill_of(7.0)
        np.uint8(7)
        """
        if value is None:
            return self.default_fill
        try:
            return fill_of(value, self.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise MetadataValidationError(
                f"fill_value={_shown(value)} is no {self.dtype} value; choose one that the data type holds"
            ) from error


def data_type_of(dtype: Any) -> DataType:
    """The data type of a NumPy dtype, or of what NumPy takes for one; the byte order is dropped.

    Raises UnknownDataTypeError where Zarr has no name for it.

    >>> data_type_of(">f4").v3_name
    'float32'
    """
    try:
        native = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError) as error:
        raise UnknownDataTypeError(f"dtype={dtype!r} is no data type: {error}") from error
    if native.kind in "SU":
        if not native.itemsize:
            raise UnknownDataTypeError(
                f"dtype={dtype!r} has no length; give one, as in {native.kind + '16'!r}"
            )
    elif native.itemsize not in _SIZES.get(native.kind, ()):
        raise UnknownDataTypeError(
            f"the data type {native} cannot be stored; bool, integers, floats, complex, datetime64, "
            "timedelta64, and fixed-length S and U can"
        )
    elif native.kind not in "mM":
        # C's long long is another object than long, of the same meaning; one of them is enough here
        native = np.dtype(f"{native.kind}{native.itemsize}")
    return DataType(native)


_V2_DTYPE = re.compile(r"([<>|])([biufcmMSU])([0-9]{1,10})(?:\[([0-9]{0,10})([A-Za-zµμ]+)\])?")


def parse_v2_dtype(name: Any) -> tuple[DataType, Endian]:
    """The data type and the byte order that the `dtype` member of a v2 document names.

    >>> parse_v2_dtype(">i2")
    (DataType(dtype=dtype('int16')), 'big')
    """
    match = _V2_DTYPE.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise UnknownDataTypeError(f"the v2 dtype {_shown(name)} is not known")
    order, kind, size, scale, unit = match.groups()
    if unit is not None and kind not in "mM":
        raise UnknownDataTypeError(f"the v2 dtype {name!r} is not known")
    if kind in "mM" and size == "8":
        data_type = _time_type(kind, unit or "generic", int(scale or 1), name)
    elif kind in "SU":
        data_type = _string_type(kind, int(size) * (4 if kind == "U" else 1), name)
    elif int(size) in _SIZES[kind]:
        data_type = DataType(np.dtype(kind + size))
    else:
        raise UnknownDataTypeError(f"the v2 dtype {name!r} is not known")
    if order == "|" and data_type.byte_ordered:
        raise MetadataValidationError(f"the v2 dtype {name!r} does not say its byte order, '<' or '>'")
    return data_type, "big" if order == ">" else "little"


def parse_v3_data_type(value: Any) -> DataType:
    """The data type that the `data_type` member of a v3 document names.

    >>> parse_v3_data_type({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}})
    DataType(dtype=dtype('<M8[s]'))
    """
    name, configuration = _name_and_configuration(value)
    name = _V3_ALIASES.get(name, name)
    if name in _V3_NAMES:
        return DataType(np.dtype(_V3_NAMES[name]))
    if name in _V3_TIMES:
        unit, scale = configuration.get("unit"), configuration.get("scale_factor", 1)
        if not isinstance(unit, str) or not _is_integer(scale):
            raise MetadataValidationError(f"the data type {_shown(value)} needs a unit and a scale_factor")
        return _time_type(_V3_TIMES[name], unit, scale, value)
    if name in _V3_STRINGS:
        return _string_type(_V3_STRINGS[name], configuration.get("length_bytes"), value)
    raise UnknownDataTypeError(f"the data type {_shown(value)} is not known")


def _name_and_configuration(value: Any) -> tuple[str, Mapping[str, Any]]:
    """An extension's name and configuration, from its object or its short-hand name."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        configuration = value.get("configuration", {})
        if isinstance(configuration, dict):
            return value["name"], configuration
    raise UnknownDataTypeError(f"the data type {_shown(value)} is neither a name nor an object with a name")


def _time_type(kind: str, unit: str, scale: int, shown: Any) -> DataType:
    unit = "us" if unit in ("µs", "μs") else unit
    if unit not in _UNITS or not 1 <= scale < 2**31:
        raise UnknownDataTypeError(f"the data type {_shown(shown)} has no time unit that NumPy knows")
    return DataType(np.dtype(f"{kind}8[{scale}{unit}]"))


def _string_type(kind: str, nbytes: Any, shown: Any) -> DataType:
    width = 4 if kind == "U" else 1
    if not _is_integer(nbytes) or nbytes % width or not 0 < nbytes <= _MAX_LENGTH:
        raise UnknownDataTypeError(f"the data type {_shown(shown)} has no length that NumPy knows")
    return DataType(np.dtype(f"{kind}{nbytes // width}"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
