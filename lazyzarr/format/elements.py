"""What may be assigned to arrays whose elements are no plain numbers: text, bytes, objects, records, raw bits.

Each of these gives an array of the data type that holds what was given, or says which element it cannot hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataTypeMismatchError, MetadataValidationError
from .dtypes import BytesType, DataType, ObjectType, RecordType, SmallType, data_type_of, object_type

__all__ = ["castable", "checked_elements", "elements_type", "holds_objects", "is_plain", "plain_values"]

Checked = Callable[[Any, np.dtype[Any], str], NDArray[Any]]


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether elements are NumPy's own numbers, times, or text of a fixed length.

    >>> is_plain(np.dtype("f4")), is_plain(np.dtype([("x", "f4")]))
    (True, False)
    """
    return dtype.kind in "biufcmMSU" and dtype.type.__module__ == "numpy"


def castable(given: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    """Whether values that nobody has looked at may be stored as another data type: of their kind, and no shorter.

    >>> castable(np.dtype("i8"), np.dtype("f4")), castable(np.dtype("i8"), np.dtypes.StringDType())
    (True, False)
    """
    if given == dtype:
        return True
    if dtype.kind == "T" or given.kind == "T":
        return dtype.kind == "T" and given.kind in "TU"
    if dtype.hasobject or given.hasobject:
        return dtype.hasobject and given.kind == "S"
    if dtype.names != given.names or (dtype.names is None and dtype.type is np.void):
        return False
    if dtype.kind in "SU" or given.kind in "SU":
        return dtype.kind == given.kind and given.itemsize <= dtype.itemsize
    integral = dtype.type.__module__ == "ml_dtypes" and "int" in dtype.name
    return np.can_cast(given, dtype, "same_kind") and (given.kind in "biu" or not integral)


def plain_values(values: NDArray[Any]) -> NDArray[Any]:
    """Values of a data type that NumPy's casts treat badly, as one that they treat well.

    >>> plain_values(np.array(["a"], np.dtypes.StringDType())).dtype
    dtype('O')
    """
    if values.dtype.kind == "T":
        return values.astype(object)
    if values.dtype.type.__module__ == "ml_dtypes":
        return values.astype(np.complex128 if values.dtype.name.endswith("complex32") else np.float64)
    return values


def checked_elements(
    value: Any, data_type: DataType, where: str, ndim: int | None, checked: Checked
) -> NDArray[Any]:
    """The value as an array of the data type; `checked` does the same for plain ones.

    `ndim` is how many axes the selection has: a list below them is an element. Raises DataTypeMismatchError.
    """
    if isinstance(data_type, ObjectType):
        return _objects(value, data_type, where, ndim, checked)
    if isinstance(data_type, BytesType):
        return _bytes(value, where)
    if data_type.dtype.kind == "T":
        return _strings(value, where)
    if isinstance(data_type, SmallType):
        return _small(value, data_type, where)
    if isinstance(data_type, RecordType):
        return _records(value, data_type.dtype, where, checked)
    return _raw(value, data_type.dtype, where)


def _strings(value: Any, where: str) -> NDArray[Any]:
    given = value if isinstance(value, np.ndarray | np.generic) else _of_python(value)
    dtype = np.dtypes.StringDType()
    if given.dtype == dtype:
        return np.asarray(given)
    if given.dtype.kind == "O":
        _check_each(given, str, "strings", where)
    elif given.dtype.kind not in "TU":
        raise DataTypeMismatchError(
            f"{where} holds strings, the value is {given.dtype}; convert it first, as in "
            "z[...] = np.asarray(value).astype(str)"
        )
    try:
        return np.asarray(given).astype(dtype, copy=False)
    except (ValueError, TypeError) as error:  # a lone surrogate; a string that is missing
        raise DataTypeMismatchError(f"{where} holds strings; the value does not convert: {error}") from error


def _of_python(value: Any) -> NDArray[Any]:
    """Nested lists as an array of Python's objects, none of them converted."""
    if hasattr(value, "__array__"):
        return np.asarray(value)
    return np.array(value, object)


def _check_each(given: Any, wanted: type | tuple[type, ...], what: str, where: str) -> None:
    for index, item in np.ndenumerate(given):
        if not isinstance(item, wanted):
            at = f" at index {index}" if index else ""
            raise DataTypeMismatchError(
                f"{where} holds {what}, which {item!r}{at} is not; nothing was written. Replace it first"
            )


def _bytes(value: Any, where: str) -> NDArray[Any]:
    given = value if isinstance(value, np.ndarray | np.generic) else _of_python(value)
    if given.dtype.kind == "S":
        return np.asarray(given).astype(object)
    if given.dtype.kind != "O":
        raise DataTypeMismatchError(f"{where} holds bytes, the value is {given.dtype}; nothing was written")
    _check_each(given, (bytes, bytearray), "bytes", where)
    return _each(np.asarray(given), bytes)


def _each(given: NDArray[Any], made: Callable[[Any], Any]) -> NDArray[Any]:
    """An array of what is made of each object."""
    out = np.empty(given.size, object)
    for i, item in enumerate(given.flat):
        out[i] = made(item)
    return out.reshape(given.shape)


def _objects(
    value: Any, data_type: ObjectType, where: str, ndim: int | None, checked: Checked
) -> NDArray[Any]:
    given = _nested(value, ndim)
    if data_type.codec["id"] == "categorize":
        known = {"", *data_type.codec.get("labels", ())}
        for item in given.flat:
            if not isinstance(item, str) or item not in known:
                raise DataTypeMismatchError(f"{where}: {item!r} is none of its labels; nothing was written")
    if data_type.codec["id"] == "vlen-array":
        dtype = np.dtype(data_type.codec["dtype"])

        def row(item: Any) -> NDArray[Any]:
            values = checked([] if item is None else item, dtype, where)
            if values.ndim != 1:
                raise DataTypeMismatchError(
                    f"{where} holds arrays of one axis, not {item!r}; nothing was written"
                )
            return values

        return _each(given, row)
    return given


def _nested(value: Any, ndim: int | None) -> NDArray[Any]:
    """Nested lists as an array of at most so many axes; what lies deeper are its objects."""
    if isinstance(value, np.ndarray):
        if value.dtype == object or ndim is None or value.ndim <= ndim:
            return value.astype(object, copy=False)
        value = list(value)
    shape: list[int] = []
    flat = [value]
    while len(shape) < (32 if ndim is None else ndim) and _all_lists(flat):
        shape.append(len(flat[0]))
        flat = [item for part in flat for item in part]
    out = np.empty(len(flat), object)
    for i, item in enumerate(flat):
        out[i] = item
    return out.reshape(shape) if math.prod(shape) == len(flat) else out


def _all_lists(flat: list[Any]) -> bool:
    return bool(flat) and all(isinstance(item, list) and len(item) == len(flat[0]) for item in flat)


def _records(value: Any, dtype: np.dtype[Any], where: str, checked: Checked) -> NDArray[Any]:
    names = dtype.names or ()
    if isinstance(value, list | tuple):
        shape, leaves = _leaves(value)
        if any(not isinstance(leaf, tuple) or len(leaf) != len(names) for leaf in leaves):
            raise DataTypeMismatchError(
                f"{where} holds records of {', '.join(names)}; give a tuple of {len(names)} for each"
            )
        columns: dict[str, Any] = {name: [leaf[i] for leaf in leaves] for i, name in enumerate(names)}
    else:
        given = np.asarray(value)
        if given.dtype == dtype:
            return given
        if given.dtype.names is not None and set(given.dtype.names) != set(names):
            raise DataTypeMismatchError(
                f"{where} holds records of {', '.join(names)}, the value's fields are "
                f"{', '.join(given.dtype.names)}; nothing was written"
            )
        shape = given.shape
        own = given.dtype.names is not None
        columns = {name: given[name] if own else given for name in names}
    out = np.zeros(shape, dtype)
    for name in names:
        field = (dtype.fields or {})[name][0]  # type: ignore[index]
        out[name] = np.reshape(checked(columns[name], field.base, where), (*shape, *field.shape))
    return out


def _leaves(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Nested lists of tuples: the shape of the lists, and the tuples one after the other."""
    shape: list[int] = []
    flat = [value]
    while _all_lists(flat):
        shape.append(len(flat[0]))
        flat = [item for part in flat for item in part]
    return tuple(shape), flat


def _small(value: Any, data_type: SmallType, where: str) -> NDArray[Any]:
    """Numbers rounded to the data type; none may become another kind of number."""
    dtype = data_type.dtype
    values = np.asarray(value)
    if values.dtype == dtype:
        return values
    values = plain_values(values)
    if values.dtype.kind not in "biufc" or (values.dtype.kind == "c" and not data_type.is_complex):
        raise DataTypeMismatchError(f"{where} holds {data_type}, the value is {values.dtype}")
    with np.errstate(all="ignore"):
        if dtype.names:
            cast = _parts_cast(values, data_type)
            back = cast["real"].astype(float) + 1j * cast["imag"].astype(float)
        else:
            cast = values.astype(dtype)
            back = plain_values(cast)
        lost = _other_kind(values, back) if data_type.rounds else back != values
    if lost.any():
        index = tuple(map(int, np.argwhere(lost)[0])) if values.ndim else ()
        raise DataTypeMismatchError(
            f"{where} holds {data_type}, which cannot hold {values[index]!s}; nothing was written"
        )
    return cast


def _other_kind(values: NDArray[Any], back: NDArray[Any]) -> Any:
    """Which numbers became infinite or NaN, or are no longer."""
    return (np.isfinite(values) != np.isfinite(back)) | (np.isnan(values) != np.isnan(back))


def _parts_cast(values: NDArray[Any], data_type: SmallType) -> NDArray[Any]:
    out = np.zeros(values.shape, data_type.dtype)
    out["real"], out["imag"] = values.real, values.imag
    return out


def _raw(value: Any, dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    given = value if isinstance(value, np.ndarray | np.generic) else _of_python(value)
    if given.dtype == dtype:
        return np.asarray(given)
    if given.dtype.kind == "O" and all(_is_raw(item, dtype.itemsize) for item in given.flat):
        return np.array([np.void(_octets(item)) for item in given.flat], dtype).reshape(given.shape)
    raise DataTypeMismatchError(
        f"{where} holds raw elements of {dtype.itemsize} bytes, the value is {given.dtype}; give "
        f"z[...] = np.asarray(value).view('V{dtype.itemsize}'), or bytes of that length"
    )


def _is_raw(item: Any, nbytes: int) -> bool:
    return isinstance(item, bytes | bytearray | np.void) and len(_octets(item)) == nbytes


def _octets(item: Any) -> bytes:
    return bytes(item)


def elements_type(values: Any) -> DataType | None:
    """The data type of Python objects that are all text, or all bytes; None for others.

    >>> elements_type(np.array(["a", "bc"], object))
    StringType(dtype=StringDType())
    """
    found = {type(item) for item in values.flat}
    if found and all(issubclass(kind, str) for kind in found):
        return data_type_of(str)
    if found and all(issubclass(kind, bytes) for kind in found):
        return object_type([{"id": "vlen-bytes"}])
    return None


def holds_objects(dtype: Any) -> bool:
    """Whether a data type, as a user writes it, is of text, bytes or objects of any length.

    >>> holds_objects(str), holds_objects("U5"), holds_objects(None)
    (True, False, False)
    """
    if dtype is None:
        return False
    try:
        return data_type_of(dtype, {"id": "json2"}).dtype.hasobject
    except MetadataValidationError:
        return False
