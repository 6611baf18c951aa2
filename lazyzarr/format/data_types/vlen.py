"""Elements of any length: `string`, `bytes`, and v2's arrays of Python objects.

Specifications: zarr-extensions (string, bytes); Zarr v2 names them all "|O", and the first filter tells them
apart. Strings are NumPy's StringDType, as zarr-python gives them; everything else are Python objects.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MetadataValidationError, UnknownDataTypeError
from .base import DataType, Endian, is_integer, shown

__all__ = ["BytesType", "ObjectType", "StringType", "decoded_bytes", "keeps_shape", "object_type"]

STRING = np.dtypes.StringDType()
OBJECT = np.dtype(object)


@dataclass(frozen=True, slots=True)
class _VariableLength(DataType):
    """What elements of any length have in common."""

    @property
    def byte_ordered(self) -> bool:
        """Never: an element is no memory."""
        return False

    def v2_name(self, endian: Endian = "little") -> str:
        """`"|O"`, whatever the objects are."""
        return "|O"

    def cell(self, value: Any) -> NDArray[Any]:
        """A 0-d array that holds one element, a list or an array too."""
        cell = np.empty(1, self.dtype)
        cell[0] = value
        return cell.reshape(())

    def fill_bits(self, value: Any) -> bytes:
        """The value as JSON: its memory holds addresses."""
        return json.dumps(self._write_fill(value, 3)).encode()


@dataclass(frozen=True, slots=True)
class StringType(_VariableLength):
    """Text of any length.

    >>> StringType().v3_name, StringType().object_codec
    ('string', {'id': 'vlen-utf8'})
    """

    dtype: np.dtype[Any] = STRING

    @property
    def default_fill(self) -> str:
        """An empty string."""
        return ""

    @property
    def v3_name(self) -> str:
        """`"string"`."""
        return "string"

    @property
    def serializer(self) -> str:
        """`"vlen-utf8"`."""
        return "vlen-utf8"

    @property
    def object_codec(self) -> Mapping[str, Any]:
        """`{"id": "vlen-utf8"}`."""
        return {"id": "vlen-utf8"}

    def _read_fill(self, value: Any) -> str:
        if value == 0 and not isinstance(value, str):  # zarr-python 2 wrote 0 for an empty string
            return ""
        if not isinstance(value, str):
            raise TypeError("no string")
        value.encode()  # a lone surrogate is no text
        return value

    def _write_fill(self, value: str, zarr_format: int) -> str:
        return value

    def _user_fill(self, value: Any) -> str:
        value = _unwrapped(value)
        return self._read_fill(str(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        return "string"


@dataclass(frozen=True, slots=True)
class BytesType(_VariableLength):
    """Bytes of any length, as Python's `bytes`.

    >>> BytesType().fill_from_json([1, 2]), BytesType().fill_to_json(b"abc")
    (b'\\x01\\x02', 'YWJj')
    """

    dtype: np.dtype[Any] = OBJECT

    @property
    def default_fill(self) -> bytes:
        """No bytes."""
        return b""

    @property
    def v3_name(self) -> str:
        """`"bytes"`."""
        return "bytes"

    @property
    def serializer(self) -> str:
        """`"vlen-bytes"`."""
        return "vlen-bytes"

    @property
    def object_codec(self) -> Mapping[str, Any]:
        """`{"id": "vlen-bytes"}`."""
        return {"id": "vlen-bytes"}

    def _read_fill(self, value: Any) -> bytes:
        return b"" if value == 0 and not isinstance(value, str) else decoded_bytes(value)

    def _write_fill(self, value: bytes, zarr_format: int) -> str:
        return base64.b64encode(value).decode()

    def _user_fill(self, value: Any) -> bytes:
        value = _unwrapped(value)
        if isinstance(value, str):
            raise TypeError("text is no bytes")
        return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else self._read_fill(value)

    def __str__(self) -> str:
        return "bytes"


@dataclass(frozen=True, slots=True)
class ObjectType(_VariableLength):
    """v2's Python objects, by the codec that stores them.

    >>> str(ObjectType(OBJECT, {"id": "json2"}))
    'objects by json2'
    """

    codec: Mapping[str, Any] = field(hash=False)
    """The first filter, `{"id": ...}`."""

    @property
    def default_fill(self) -> Any:
        """None; an empty string or array, where only such can be stored."""
        match self.codec["id"]:
            case "vlen-array":
                return np.empty(0, self.codec["dtype"])
            case "categorize":
                return ""
        return None

    @property
    def v3_name(self) -> str:
        """None: raises UnknownDataTypeError."""
        raise UnknownDataTypeError(
            f"{self} have no data type in v3; use zarr_format=2, or dtype=str, which stores text"
        )

    @property
    def object_codec(self) -> Mapping[str, Any]:
        """The codec that stores the objects."""
        return self.codec

    def _read_fill(self, value: Any) -> Any:
        if self.codec["id"] == "vlen-array":
            # zarr-python 2 wrote 0 whatever the objects were
            given = [] if value is None or (is_integer(value) and value == 0) else value
            return np.array(given, self.codec["dtype"]).reshape(-1)
        if self.codec["id"] == "categorize" and not isinstance(value, str):
            return self.default_fill
        return value

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist() if value.size else None
        json.dumps(value)  # TypeError, for what JSON cannot hold
        return value

    def _user_fill(self, value: Any) -> Any:
        return self._read_fill(value.item() if isinstance(value, np.generic) else value)

    def __str__(self) -> str:
        return f"objects by {self.codec['id']}"


def _unwrapped(value: Any) -> Any:
    """A NumPy scalar or 0-d array as Python's own object."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def decoded_bytes(value: Any) -> bytes:
    """The bytes that a fill value spells: base64, or a list of integers.

    Raises TypeError or ValueError.

    >>> decoded_bytes("AQI="), decoded_bytes([1, 2])
    (b'\\x01\\x02', b'\\x01\\x02')
    """
    if isinstance(value, list):
        if any(isinstance(n, bool) or not isinstance(n, int) for n in value):
            raise TypeError("no list of integers")
        return bytes(value)
    if not isinstance(value, str):
        raise TypeError("neither base64 nor a list of integers")
    return base64.b64decode(value, validate=True)


def object_type(filters: Any) -> DataType:
    """The data type of a v2 array of objects, which its first filter tells.

    Raises MetadataValidationError where there is no such filter.

    >>> object_type([{"id": "vlen-utf8"}])
    StringType(dtype=StringDType())
    """
    first = filters[0] if isinstance(filters, list | tuple) and filters else None
    name = first.get("id") if isinstance(first, Mapping) else None
    if name == "vlen-utf8":
        return StringType()
    if name == "vlen-bytes":
        return BytesType()
    if name not in OBJECT_CODECS:
        raise MetadataValidationError(
            f"the v2 dtype '|O' needs a filter first that stores Python objects, one of "
            f"{', '.join(OBJECT_CODECS)}; the filters are {shown(filters)}"
        )
    assert isinstance(first, Mapping)
    if name == "vlen-array":
        _check_item(first.get("dtype"))
    if name == "categorize":
        _check_labels(first.get("labels"))
    return ObjectType(OBJECT, dict(first))


OBJECT_CODECS = ("vlen-utf8", "vlen-bytes", "vlen-array", "json2", "msgpack2", "pickle", "categorize")


def keeps_shape(object_codec: Mapping[str, Any] | None) -> bool:
    """Whether a v2 object codec stores the chunk's shape, and so its elements in C order whatever `order` is.

    >>> keeps_shape({"id": "json2"}), keeps_shape({"id": "vlen-utf8"}), keeps_shape(None)
    (True, False, False)
    """
    return object_codec is not None and object_codec["id"] in ("json2", "msgpack2", "pickle")


def _check_labels(labels: Any) -> None:
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        raise MetadataValidationError(f"the labels of categorize are {shown(labels)}, not a list of strings")


def _check_item(name: Any) -> None:
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.hasobject or not dtype.itemsize:
        raise MetadataValidationError(f"codec 'vlen-array': dtype is {shown(name)}; it is as in \"<i4\"")
