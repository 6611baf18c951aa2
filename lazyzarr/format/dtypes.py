"""Data types by the names that v2 and v3 metadata give them, and by what users call them.

Specifications: Zarr v2, "Data type encoding"; Zarr v3 core, "Data types"; zarr-extensions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import MetadataValidationError, UnknownDataTypeError
from .data_types.base import MAX_ITEMSIZE, DataType, Endian, is_integer, shown
from .data_types.foreign import foreign_type
from .data_types.raw import RawType, raw_type
from .data_types.records import RecordType, parse_v2_record, parse_v3_record, record_of
from .data_types.small import SMALL_NAMES, SmallType, is_small, small_type
from .data_types.vlen import BytesType, ObjectType, StringType, keeps_shape, object_type

__all__ = [
    "BytesType",
    "DataType",
    "Endian",
    "ObjectType",
    "RawType",
    "RecordType",
    "SmallType",
    "StringType",
    "data_type_of",
    "keeps_shape",
    "object_type",
    "parse_v2_dtype",
    "parse_v3_data_type",
]

_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16), "M": (8,), "m": (8,)}
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
_DEPTH = 32  # records within records

_V3_NAMES = {
    "bool": "?",
    **{f"{kind}{8 * size}": f"{kind[0]}{size}" for kind in ("int", "uint") for size in (1, 2, 4, 8)},
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
}
_V3_ALIASES = {
    "complex_float32": "complex64",
    "complex_float64": "complex128",
    "variable_length_bytes": "bytes",
    "binary": "bytes",
}
_V3_TIMES = {"numpy.datetime64": "M", "numpy.timedelta64": "m"}
_V3_STRINGS = {"fixed_length_utf32": "U", "null_terminated_bytes": "S"}
_RAW = re.compile(r"r([0-9]{1,11})")


def data_type_of(dtype: Any, object_codec: Any = None) -> DataType:
    """The data type of a NumPy dtype, or of what a user writes for one; the byte order is dropped.

    `str` and NumPy's StringDType are text of any length, `bytes` bytes of any length, "bfloat16" and "r24"
    what v3 calls so. `object_codec` says how Python objects are stored, as a v2 filter's document.

    Raises UnknownDataTypeError where Zarr has no name for it.

    >>> data_type_of(">f4").v3_name, data_type_of(str).v3_name
    ('float32', 'string')
    """
    if isinstance(dtype, DataType):
        return record_of(dtype.dtype, data_type_of) if isinstance(dtype, RecordType) else dtype
    named = _named(dtype)
    if named is not None:
        return named
    if not isinstance(dtype, np.dtype) and isinstance(dtype, str) and dtype.startswith("array:"):
        return object_type([{"id": "vlen-array", "dtype": np.dtype(dtype[6:]).str}])  # zarr-python 2's word
    try:
        given = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise UnknownDataTypeError(f"dtype={dtype!r} is no data type: {error}") from error
    if given.kind == "O":
        return _of_objects(object_codec)
    return _of_numpy(given, dtype)


def _named(dtype: Any) -> DataType | None:
    """The data types that have a name of their own, which NumPy does not know or takes for another one."""
    if (
        dtype is str
        or dtype is np.dtypes.StringDType
        or (isinstance(dtype, str) and dtype in ("str", "string"))
    ):
        return StringType()
    if dtype is bytes or (isinstance(dtype, str) and _V3_ALIASES.get(dtype, dtype) == "bytes"):
        return BytesType()
    if isinstance(dtype, str) and dtype in SMALL_NAMES:
        return small_type(dtype)
    if isinstance(dtype, str) and _RAW.fullmatch(dtype):
        return _raw_bits(dtype)
    if isinstance(dtype, Mapping) and "name" in dtype:
        return parse_v3_data_type(dict(dtype))
    if not isinstance(dtype, np.dtype | type) and hasattr(dtype, "to_native_dtype"):  # zarr-python's
        return parse_v3_data_type(json.loads(json.dumps(dtype.to_json(zarr_format=3))))
    return None


def _of_objects(object_codec: Any) -> DataType:
    if object_codec is None:
        raise UnknownDataTypeError(
            "dtype=object does not say how the objects are stored; write dtype=str for text, dtype=bytes for "
            'bytes, or object_codec={"id": "json2"} with zarr_format=2 for others'
        )
    return object_type([object_codec])


def _of_numpy(given: np.dtype[Any], shown_as: Any) -> DataType:
    if given.kind == "T":
        if hasattr(given, "na_object"):
            raise UnknownDataTypeError(
                f"the data type {given} has strings that are missing; dtype=str has none"
            )
        return StringType()
    small = is_small(given)
    if small is not None:
        return small_type(small)
    if given.names is not None:
        return record_of(given, data_type_of)
    if given.kind == "V" and given.subdtype is None and given.type is np.void:
        return raw_type(given.itemsize, shown_as)
    native = given.newbyteorder("=")
    if native.kind in "SU":
        if not native.itemsize:
            raise UnknownDataTypeError(
                f"dtype={shown_as!r} has no length; give one, as in {native.kind + '16'!r}, "
                f"or write dtype={'str' if native.kind == 'U' else 'bytes'} for any length"
            )
        if native.itemsize > MAX_ITEMSIZE:
            raise UnknownDataTypeError(
                f"dtype={shown_as!r} is longer than {MAX_ITEMSIZE:,} bytes an element; "
                f"write dtype={'str' if native.kind == 'U' else 'bytes'} for any length"
            )
    elif native.itemsize not in _SIZES.get(native.kind, ()):
        raise UnknownDataTypeError(
            f"the data type {native} cannot be stored; bool, integers, floats, complex, datetime64, "
            "timedelta64, text and bytes of fixed or any length, raw bytes, and records of them can"
        )
    elif native.kind not in "mM":
        # C's long long is another object than long, of the same meaning; one of them is enough here
        native = np.dtype(f"{native.kind}{native.itemsize}")
    return DataType(native)


_V2_DTYPE = re.compile(r"([<>|])([biufcmMSUV])([0-9]{1,10})(?:\[([0-9]{0,10})([A-Za-zµμ]+)\])?")


def parse_v2_dtype(name: Any, filters: Any = None) -> tuple[DataType, Endian]:
    """The data type and the byte order that the `dtype` member of a v2 document names.

    Of Python objects, "|O", the document's `filters` tell the rest. Raises UnknownDataTypeError,
    MetadataValidationError.

    >>> parse_v2_dtype(">i2")
    (DataType(dtype=dtype('int16')), 'big')
    """
    if isinstance(name, list):
        _check_depth(name)
        # the byte orders are in the fields' dtypes, so that the record's is the machine's
        return parse_v2_record(name, parse_v2_dtype), "little" if sys.byteorder == "little" else "big"
    if isinstance(name, str) and name in ("|O", "O", "|O8", "object"):
        return object_type(filters), "little"
    match = _V2_DTYPE.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise UnknownDataTypeError(f"the v2 dtype {shown(name)} is not known")
    order, kind, size, scale, unit = match.groups()
    if unit is not None and kind not in "mM":
        raise UnknownDataTypeError(f"the v2 dtype {name!r} is not known")
    data_type: DataType
    if kind == "V":
        data_type = raw_type(int(size), name)
    elif kind in "mM" and size == "8":
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

    Raises UnknownDataTypeError, MetadataValidationError.

    >>> parse_v3_data_type({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}})
    DataType(dtype=dtype('<M8[s]'))
    """
    name, configuration = _name_and_configuration(value)
    name = _V3_ALIASES.get(name, name)
    if name in _V3_NAMES:
        return DataType(np.dtype(_V3_NAMES[name]))
    if name in _V3_TIMES:
        unit, scale = configuration.get("unit"), configuration.get("scale_factor", 1)
        if not isinstance(unit, str) or not is_integer(scale):
            raise MetadataValidationError(f"the data type {shown(value)} needs a unit and a scale_factor")
        return _time_type(_V3_TIMES[name], unit, scale, value)
    if name in _V3_STRINGS:
        return _string_type(_V3_STRINGS[name], configuration.get("length_bytes"), value)
    return _v3_extension(name, configuration, value)


def _v3_extension(name: str, configuration: Mapping[str, Any], value: Any) -> DataType:
    if name == "string":
        return StringType()
    if name == "bytes":
        return BytesType()
    if name in ("struct", "structured"):
        _check_depth(value)
        return parse_v3_record(configuration, parse_v3_data_type)
    if name == "raw_bytes":
        return raw_type(configuration.get("length_bytes"), value)
    if name in SMALL_NAMES:
        return small_type(name)
    if _RAW.fullmatch(name):
        return _raw_bits(name)
    foreign = foreign_type(name, value)
    if foreign is None:
        raise UnknownDataTypeError(f"the data type {shown(value)} is not known")
    return foreign


def _raw_bits(name: str) -> RawType:
    bits = int(name[1:])
    return raw_type(bits // 8 if bits % 8 == 0 else None, name)


def _check_depth(value: Any) -> None:
    """Refuse records within records without end, before anything follows them down."""
    level = [value]
    for _ in range(4 * _DEPTH):
        level = [part for item in level for part in _parts(item)]
        if not level:
            return
    raise UnknownDataTypeError(f"records are nested deeper than {_DEPTH}")


def _parts(item: Any) -> list[Any]:
    values = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [value for value in values if isinstance(value, dict | list)]


def _name_and_configuration(value: Any) -> tuple[str, Mapping[str, Any]]:
    """An extension's name and configuration, from its object or its short-hand name."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        configuration = value.get("configuration", {})
        if isinstance(configuration, dict):
            return value["name"], configuration
    raise UnknownDataTypeError(f"the data type {shown(value)} is neither a name nor an object with a name")


def _time_type(kind: str, unit: str, scale: int, given: Any) -> DataType:
    unit = "us" if unit in ("µs", "μs") else unit
    if unit not in _UNITS or not 1 <= scale < 2**31:
        raise UnknownDataTypeError(f"the data type {shown(given)} has no time unit that NumPy knows")
    return DataType(np.dtype(f"{kind}8[{scale}{unit}]"))


def _string_type(kind: str, nbytes: Any, given: Any) -> DataType:
    width = 4 if kind == "U" else 1
    if not is_integer(nbytes) or nbytes % width or not 0 < nbytes <= MAX_ITEMSIZE:
        raise UnknownDataTypeError(
            f"the data type {shown(given)} has no length from 1 to {MAX_ITEMSIZE:,} bytes"
        )
    return DataType(np.dtype(f"{kind}{nbytes // width}"))
