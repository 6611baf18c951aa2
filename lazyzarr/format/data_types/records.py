"""Records: elements of named fields, NumPy's structured dtypes, nested to any depth.

Specifications: zarr-extensions (struct, and the older `structured`, which is read); Zarr v2, "Data type
encoding". v3 packs the fields; v2 also has fields that are arrays, and unnamed ones that are padding.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import MetadataValidationError, UnknownDataTypeError
from .base import MAX_ITEMSIZE, DataType, Endian, is_integer, shown

__all__ = ["Field", "RecordType", "packed", "parse_v2_record", "parse_v3_record", "record_of"]

_MAX_AXES = 32  # of a field; NumPy has 64 for the array's and the field's together


class Field(NamedTuple):
    """One field of a record."""

    name: str
    data_type: DataType
    shape: tuple[int, ...] = ()
    """Where the field is an array of elements, how many along each axis."""

    @property
    def dtype(self) -> Any:
        """What NumPy takes for the field's dtype."""
        return (self.data_type.dtype, self.shape) if self.shape else self.data_type.dtype


@dataclass(frozen=True, slots=True)
class RecordType(DataType):
    """Elements of named fields.

    >>> record_of(np.dtype([("x", "f4"), ("n", "i2")]), lambda dtype: DataType(np.dtype(dtype))).v2_name()
    [['x', '<f4'], ['n', '<i2']]
    """

    fields: tuple[Field, ...]

    @property
    def byte_ordered(self) -> bool:
        """Whether any field's bytes have an order to choose."""
        return any(field.data_type.byte_ordered for field in self.fields)

    @property
    def default_fill(self) -> Any:
        """Each field's default."""
        return self._built({field.name: field.data_type.default_fill for field in self.fields})

    @property
    def v3_name(self) -> dict[str, Any]:
        """`struct` with its fields. Raises UnknownDataTypeError for fields that are arrays."""
        fields = []
        for field in self.fields:
            if field.shape:
                raise UnknownDataTypeError(
                    f"v3 has no fields that are arrays, as {field.name!r} of shape {field.shape} is; "
                    "use zarr_format=2, or a field for each element"
                )
            fields.append({"name": field.name, "data_type": field.data_type.v3_name})
        return {"name": "struct", "configuration": {"fields": fields}}

    def v2_name(self, endian: Endian = "little") -> list[Any]:
        """Each field as [name, dtype] or [name, dtype, shape], packed."""
        return [
            [field.name, field.data_type.v2_name(endian), *([list(field.shape)] if field.shape else [])]
            for field in self.fields
        ]

    def _built(self, values: Mapping[str, Any]) -> Any:
        cell = np.zeros((), self.dtype)
        for field in self.fields:
            cell[field.name] = values[field.name]
        return cell[()]

    def cell(self, value: Any) -> NDArray[Any]:
        """A 0-d array that holds one element, its padding too."""
        return np.frombuffer(value.tobytes(), self.dtype).reshape(()).copy()

    def _read_fill(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._of_fields(value, lambda data_type, part: data_type.fill_from_json(part))
        if is_integer(value) and value == 0:
            return np.zeros((), self.dtype)[()]
        if not isinstance(value, str):
            raise TypeError("neither an object nor base64")
        record = base64.b64decode(value, validate=True)
        if len(record) != self.dtype.itemsize:
            raise ValueError("of another length than the record")
        return np.frombuffer(record, self.dtype)[0]

    def _of_fields(self, values: Mapping[str, Any], read: Callable[[DataType, Any], Any]) -> Any:
        names = [field.name for field in self.fields]
        if set(names) != set(values):
            raise ValueError(f"its fields are not {names}")
        return self._built({field.name: _each(field, values[field.name], read) for field in self.fields})

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        if zarr_format == 2:
            return base64.b64encode(value.tobytes()).decode()
        return {
            field.name: field.data_type.fill_to_json(_scalar_of(value[field.name]), 3)
            for field in self.fields
        }

    def _user_fill(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, np.void):
            if value.dtype == self.dtype:
                return value
            value = {name: value[name] for name in value.dtype.names or ()}
        if isinstance(value, tuple) and len(value) == len(self.fields):
            value = {field.name: part for field, part in zip(self.fields, value, strict=True)}
        if isinstance(value, str | bytes):
            return self._read_fill(value if isinstance(value, str) else base64.b64encode(value).decode())
        if not isinstance(value, Mapping):  # one value for all fields, as np.full takes it
            value = {field.name: value for field in self.fields}
        return self._of_fields(value, lambda data_type, part: data_type.fill_of(part))


def _each(field: Field, value: Any, read: Callable[[DataType, Any], Any]) -> Any:
    """A field's fill value; that of an array of elements is an array, or one value for all of them."""
    if not field.shape:
        return read(field.data_type, value)
    given = np.empty(field.shape, object)
    given[...] = value.tolist() if isinstance(value, np.ndarray) else value
    flat = [read(field.data_type, part) for part in given.flat]
    return np.array(flat, field.data_type.dtype).reshape(field.shape)


def _scalar_of(value: Any) -> Any:
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def _record(fields: Sequence[Field], what: Any) -> RecordType:
    """The packed record of those fields."""
    names = [field.name for field in fields]
    if not fields or len(set(names)) < len(names) or not all(names):
        raise MetadataValidationError(f"the data type {shown(what)} needs fields, each of a name of its own")
    for field in fields:
        if field.data_type.dtype.hasobject:
            raise UnknownDataTypeError(
                f"the field {field.name!r} has no fixed length, and records hold only such as have one"
            )
    dtype = np.dtype([(field.name, field.dtype) for field in fields])
    if dtype.itemsize > MAX_ITEMSIZE:
        raise UnknownDataTypeError(f"the data type {shown(what)} is longer than {MAX_ITEMSIZE:,} bytes")
    return RecordType(dtype, tuple(fields))


def record_of(dtype: np.dtype[Any], data_type_of: Callable[[Any], DataType]) -> RecordType:
    """The record type of NumPy's, packed and in native byte order.

    Raises UnknownDataTypeError for fields that cannot be stored, MetadataValidationError for titles.
    """
    fields = []
    members = {} if dtype.fields is None else dtype.fields
    for name in dtype.names or ():
        entry = members[name]
        if len(entry) > 2:
            raise UnknownDataTypeError(
                f"the field {name!r} has the title {entry[2]!r}, which metadata cannot hold; leave titles out"
            )
        fields.append(Field(name, data_type_of(entry[0].base), entry[0].shape))
    return _record(fields, dtype)


def parse_v3_record(configuration: Mapping[str, Any], parse: Callable[[Any], DataType]) -> RecordType:
    """The record of a v3 document; fields in the older form, [name, data type], too.

    Raises MetadataValidationError, UnknownDataTypeError.
    """
    fields = configuration.get("fields")
    if not isinstance(fields, list):
        raise MetadataValidationError(f"the fields of a struct are {shown(fields)}, not a list")
    return _record([_v3_field(field, parse) for field in fields], fields)


def _v3_field(field: Any, parse: Callable[[Any], DataType]) -> Field:
    match field:
        case {"name": str(name), "data_type": data_type} if len(field) == 2:
            return Field(name, parse(data_type))
        case [str(name), data_type]:
            return Field(name, parse(data_type))
    raise MetadataValidationError(
        f'the field {shown(field)} is not as in {{"name": "x", "data_type": "float32"}}'
    )


def parse_v2_record(entries: list[Any], parse: Callable[[Any], tuple[DataType, Endian]]) -> RecordType:
    """The record of a v2 document, as it lies in the file: byte orders, and padding, are the dtype's own.

    Raises MetadataValidationError, UnknownDataTypeError.
    """
    fields: list[Field] = []
    offsets: list[int] = []
    at = 0
    for entry in entries:
        name, data_type, shape = _v2_field(entry, parse)
        field = Field(name, data_type, shape)
        if name or data_type.dtype.kind != "V" or data_type.dtype.names:
            fields.append(field)
            offsets.append(at)
        at += data_type.dtype.itemsize * math.prod(shape)
        if at > MAX_ITEMSIZE:
            raise UnknownDataTypeError(
                f"the data type {shown(entries)} is longer than {MAX_ITEMSIZE:,} bytes"
            )
    record = _record(fields, entries)
    if at == record.dtype.itemsize:
        return record
    layout = {
        "names": [field.name for field in fields],
        "formats": [field.dtype for field in fields],
        "offsets": offsets,
        "itemsize": at,
    }
    return RecordType(np.dtype(layout), tuple(fields))  # type: ignore[call-overload]


def _v2_field(entry: Any, parse: Callable[[Any], tuple[DataType, Endian]]) -> Field:
    match entry:
        case [str(name), dtype]:
            shape: tuple[int, ...] = ()
        case [str(name), dtype, int(n)]:
            shape = (n,)
        case [str(name), dtype, list(lengths)]:
            shape = tuple(lengths)
        case _:
            raise UnknownDataTypeError(f'the field {shown(entry)} is not as in ["x", "<f4"], with no title')
    if len(shape) > _MAX_AXES or not all(is_integer(n) and 0 <= n <= MAX_ITEMSIZE for n in shape):
        raise MetadataValidationError(f"the shape of the field {shown(entry)} is none")
    data_type, endian = parse(dtype)
    if data_type.byte_ordered and not isinstance(data_type, RecordType):
        data_type = DataType(data_type.dtype.newbyteorder(">" if endian == "big" else "<"))
    return Field(name, data_type, shape)


def packed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same record without padding.

    >>> packed(np.dtype([("a", "u1"), ("b", "f8")], align=True)).itemsize
    9
    """
    if dtype.names is None or dtype.fields is None:
        return np.dtype((packed(dtype.base), dtype.shape)) if dtype.subdtype else dtype
    return np.dtype([(name, packed(dtype.fields[name][0])) for name in dtype.names])
