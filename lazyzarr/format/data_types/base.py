"""What a data type is; and those whose elements NumPy holds by itself: numbers, times, fixed-length text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import MetadataValidationError
from ..fills import default_fill, fill_from_json, fill_of, fill_to_json

__all__ = ["MAX_ITEMSIZE", "DataType", "Endian", "is_integer", "shown"]

MAX_ITEMSIZE = (
    1 << 24
)  # bytes of one element: a few letters of a document must not take a fill value of gigabytes

Endian: TypeAlias = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class DataType:
    """One data type.

    >>> DataType(np.dtype("<i4")).v3_name, DataType(np.dtype("M8[10ns]")).v2_name("big")
    ('int32', '>M8[10ns]')
    """

    dtype: np.dtype[Any]
    """The NumPy dtype of the elements, in native byte order."""

    @property
    def byte_ordered(self) -> bool:
        """Whether an element's bytes have an order to choose."""
        return self.dtype.kind == "U" or (self.dtype.kind != "S" and self.dtype.itemsize > 1)

    @property
    def default_fill(self) -> Any:
        """What missing chunks read as when nobody chose: zero, an empty string, NaT."""
        return default_fill(self.dtype)

    @property
    def v3_name(self) -> str | dict[str, Any]:
        """The `data_type` member of a v3 document. Raises UnknownDataTypeError where v3 has none."""
        kind = self.dtype.kind
        if kind in "mM":
            unit, scale = np.datetime_data(self.dtype)
            name = "numpy.datetime64" if kind == "M" else "numpy.timedelta64"
            return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
        if kind in "SU":
            name = "fixed_length_utf32" if kind == "U" else "null_terminated_bytes"
            return {"name": name, "configuration": {"length_bytes": self.dtype.itemsize}}
        return self.dtype.name

    def v2_name(self, endian: Endian = "little") -> Any:
        """The `dtype` member of a v2 document. Raises UnknownDataTypeError where v2 has none."""
        order = "|" if not self.byte_ordered else "<" if endian == "little" else ">"
        text = self.dtype.str[1:]
        if self.dtype.kind in "mM":
            unit, scale = np.datetime_data(self.dtype)
            # NumPy's own spelling drops the multiple of generic units.
            text = text.partition("[")[0]
            if (unit, scale) != ("generic", 1):
                text += f"[{'' if scale == 1 else scale}{unit}]"
        return order + text

    @property
    def serializer(self) -> str:
        """The name of v3's codec that turns elements into bytes, where nobody chose one."""
        return "bytes"

    @property
    def object_codec(self) -> Mapping[str, Any] | None:
        """v2's first filter, which turns Python objects into bytes; None where elements are memory."""
        return None

    def cell(self, value: Any) -> NDArray[Any]:
        """A 0-d array that holds one element."""
        cell = np.empty((), self.dtype)
        cell[()] = value
        return cell

    def fill_bits(self, value: Any) -> bytes:
        """Bytes that two fill values share where they are the same, bit for bit."""
        return self.cell(value).tobytes()

    def fill_from_json(self, value: Any) -> Any:
        """The scalar that a document's `fill_value` spells; every spelling that writers are known to use.

        >>> DataType(np.dtype("f4")).fill_from_json("0x7fc00001").tobytes().hex()
        '0100c07f'
        """
        try:
            return self._read_fill(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise MetadataValidationError(f"the fill_value {shown(value)} is no {self} value") from error

    def fill_to_json(self, value: Any, zarr_format: int = 3) -> Any:
        """The spelling of a fill value that all readers of the format know.

        v2 knows no spelling for a NaN other than NumPy's; it is written as "NaN".

        >>> DataType(np.dtype("f4")).fill_to_json(np.float32("-inf"))
        '-Infinity'
        """
        try:
            return self._write_fill(value, zarr_format)
        except (TypeError, ValueError) as error:
            raise MetadataValidationError(
                f"fill_value={shown(value)} cannot be written in metadata: {error}"
            ) from error

    def fill_of(self, value: Any) -> Any:
        """What a user gave as fill value, as this data type; None is the default.

        Raises MetadataValidationError where the data type cannot hold it.

        >>> DataType(np.dtype("u1")).fill_of(7.0)
        np.uint8(7)
        """
        if value is None:
            return self.default_fill
        try:
            return self._user_fill(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise MetadataValidationError(
                f"fill_value={shown(value)} is no {self} value; choose one that the data type holds"
            ) from error

    # What a family of data types says of its fill values; these raise TypeError, ValueError, OverflowError.

    def _read_fill(self, value: Any) -> Any:
        return fill_from_json(value, self.dtype)

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        return fill_to_json(value, zarr_format)

    def _user_fill(self, value: Any) -> Any:
        return fill_of(value, self.dtype)

    def __str__(self) -> str:
        return str(self.dtype)


def shown(value: Any) -> str:
    """A value for an error's text, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer.

    >>> is_integer(1), is_integer(True)
    (True, False)
    """
    return isinstance(value, int) and not isinstance(value, bool)
