"""Data types of third parties: those that a package registers for zarr-python, asked through its interface.

Entry points of the group "zarr.data_type" name their classes, as zarr-python reads them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from ...errors import MetadataValidationError, UnknownDataTypeError
from .base import DataType, Endian, shown

__all__ = ["ForeignType", "foreign_type"]


@dataclass(frozen=True, slots=True)
class ForeignType(DataType):
    """A data type object of zarr-python's kind, whose elements are memory."""

    theirs: Any

    @property
    def default_fill(self) -> Any:
        """As the data type says."""
        return self.theirs.default_scalar()

    @property
    def v3_name(self) -> Any:
        """As the data type says."""
        return self.theirs.to_json(zarr_format=3)

    def v2_name(self, endian: Endian = "little") -> Any:
        """None: raises UnknownDataTypeError."""
        raise UnknownDataTypeError(f"{self.theirs} is not written in v2; use zarr_format=3")

    def _read_fill(self, value: Any) -> Any:
        return self.theirs.from_json_scalar(value, zarr_format=3)

    def _write_fill(self, value: Any, zarr_format: int) -> Any:
        return self.theirs.to_json_scalar(value, zarr_format=3)

    def _user_fill(self, value: Any) -> Any:
        return self.theirs.cast_scalar(value)


def foreign_type(name: str, value: Any) -> DataType | None:
    """The data type that an installed package, or zarr-python's registry, has under a name; None if none has.

    Raises MetadataValidationError where it refuses what the document says, UnknownDataTypeError for elements
    that are no memory.
    """
    found = next((each for each in _classes() if getattr(each, "_zarr_v3_name", None) == name), None)
    if found is None:
        return None
    document = value if isinstance(value, str) or value.get("configuration") else name
    try:
        theirs = found.from_json(document, zarr_format=3)
        dtype = theirs.to_native_dtype()
    except Exception as error:
        raise MetadataValidationError(f"the data type {shown(value)}: {error}") from error
    if dtype.hasobject:
        raise UnknownDataTypeError(f"the data type {shown(value)} has elements that are no memory")
    return ForeignType(dtype, theirs)


def _classes() -> Iterator[Any]:
    for entry in entry_points(group="zarr.data_type"):
        try:
            yield entry.load()
        except Exception as error:
            raise UnknownDataTypeError(
                f"the package that registers the data type {entry.name!r} cannot be loaded: {error}"
            ) from error
    registry = getattr(sys.modules.get("zarr.dtype"), "data_type_registry", None)
    # what was registered while zarr-python was at work; its own are known here
    yield from () if registry is None else registry.contents.values()
