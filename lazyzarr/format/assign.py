"""What may be assigned to a selection: values the data type holds, in a shape that fits."""

from __future__ import annotations

import datetime
from numbers import Number
from typing import Any

import numpy as np

from ..errors import DataTypeMismatchError, LazyzarrError, ShapeMismatchError
from .dtypes import DataType, data_type_of, object_type
from .elements import checked_elements, is_plain, plain_values

__all__ = ["as_array", "checked_values", "fitted"]

NUMBERS = "biufc"
TEXT = "SU"


def as_array(value: Any, where: str) -> np.ndarray[Any, Any]:
    """The value as a NumPy array; ShapeMismatchError for rows that differ in length.

    >>> as_array([[1, 2], [3]], "z")
    Traceback (most recent call last):
    lazyzarr.errors.ShapeMismatchError: z: the value is no array: setting an array element with a sequence...
    """
    try:
        return np.asarray(value)
    except LazyzarrError:
        raise
    except ValueError as error:
        raise ShapeMismatchError(
            f"{where}: the value is no array: {error}; give rows of one length. Nothing was written"
        ) from error


def checked_values(
    value: Any,
    dtype: np.dtype[Any],
    where: str,
    data_type: DataType | None = None,
    ndim: int | None = None,
) -> np.ndarray[Any, Any]:
    """The value as an array of `dtype`: floats may round, nothing else may change.

    Of Python objects `data_type` says which they may be, and `ndim` how deep lists are no elements themselves.

    Raises DataTypeMismatchError where NumPy would wrap, truncate, drop an imaginary part or cut a string,
    ShapeMismatchError for lists that make no array.

    >>> checked_values([1.0, 2.0], np.dtype("i4"), "z")
    array([1, 2], dtype=int32)
    >>> checked_values(1.5, np.dtype("i4"), "z")
    Traceback (most recent call last):
    lazyzarr.errors.DataTypeMismatchError: z holds int32, which cannot hold 1.5 (a float64); to let NumPy...
    """
    if not is_plain(dtype):
        known = data_type or (object_type([{"id": "json2"}]) if dtype.kind == "O" else data_type_of(dtype))
        return checked_elements(value, known, where, ndim, checked_values)
    values = as_array(value, where)
    if values.dtype == dtype:
        return values
    values = plain_values(values)
    if values.dtype.hasobject:
        values = _without_objects(values, dtype, where)
    if _rounds_at_most(values.dtype, dtype):
        return _rounded(values, dtype, where)
    if values.dtype.kind == "U" and dtype.kind == "M":
        return _converted(values, dtype, where)
    if not _comparable(values.dtype, dtype):
        raise DataTypeMismatchError(
            f"{where} holds {dtype}, the value is {values.dtype}; "
            f"convert it first, as in z[...] = np.asarray(value).astype({_name(dtype)!r})"
        )
    return _exactly(values, dtype, where)


def _without_objects(values: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """An array of Python objects as NumPy reads the list of them; what stays objects is refused."""
    if dtype.kind in "mM" and all(isinstance(value, _TIMES_OF_PYTHON[dtype.kind]) for value in values.flat):
        return _converted(values, np.dtype(f"{dtype.kind}8[us]"), where)  # Python's own unit
    try:
        cast = values.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataTypeMismatchError(
            f"{where} holds {dtype}; the value holds Python objects that do not convert: {error}"
        ) from error
    kept = np.asarray(cast == values, bool)
    if dtype.kind in "fc":  # those may round
        numbers = np.array([isinstance(value, Number) for value in values.flat], bool).reshape(values.shape)
        kept |= numbers & (np.isfinite(cast) | np.asarray(values != values, bool))
    if not kept.all():
        raise _lossy(values, ~kept, dtype, where)
    return cast


_TIMES_OF_PYTHON = {"M": (datetime.date, type(None)), "m": (datetime.timedelta, type(None))}


def _rounds_at_most(given: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    # NumPy calls it safe to count times in a finer unit, and before 2.5 did not tell where there are too many.
    if given.kind in "mM" or (given.kind in NUMBERS and dtype.kind in TEXT):
        return False
    return np.can_cast(given, dtype, "safe") or (
        dtype.kind in "fc" and given.kind in NUMBERS and np.can_cast(given, dtype, "same_kind")
    )


def _rounded(values: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """The values in a type that keeps them but for rounding; one beyond its range is refused."""
    with np.errstate(over="ignore"):
        cast = _converted(values, dtype, where)
    if not np.can_cast(values.dtype, dtype, "safe") and not (finite := np.isfinite(cast)).all():
        lost = ~finite & np.isfinite(values)
        if lost.any():
            raise _lossy(values, lost, dtype, where)
    return cast


def _converted(values: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    try:
        return values.astype(dtype)
    except (ValueError, OverflowError) as error:
        raise DataTypeMismatchError(f"{where} holds {dtype}; the value does not convert: {error}") from error


def _comparable(given: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    kinds = given.kind + dtype.kind
    return all(kind in NUMBERS for kind in kinds) or all(kind in TEXT for kind in kinds) or kinds in _TIMES


_TIMES = frozenset({"mm", "MM", "im", "um", "iM", "uM"})


def _exactly(values: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """The values in a narrower type, if each comes back the same."""
    try:
        with np.errstate(all="ignore"):
            # the imaginary part is compared below; NumPy would warn of dropping it
            real = values.real if values.dtype.kind == "c" and dtype.kind != "c" else values
            cast = real.astype(dtype)
            # both ways: -1 becomes 255 and comes back; a float beyond the range comes back by chance
            changed = (cast.astype(values.dtype) != values) | np.logical_not(_within(real, dtype))
    except (ValueError, OverflowError) as error:
        raise DataTypeMismatchError(f"{where} holds {dtype}; the value does not convert: {error}") from error
    if values.dtype.kind in "mM":
        changed &= ~np.isnat(values)
    elif dtype.kind in "mM":  # the least integer is how NaT is stored
        changed |= np.isnat(cast)
    if np.any(changed):
        raise _lossy(values, changed, dtype, where)
    return cast


def _within(values: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> Any:
    """Which numbers lie within the range of an integer type; all, for other types."""
    if dtype.kind not in "iu" or values.dtype.kind not in "iuf":
        return True
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f":
        # The first integers beyond are powers of two, which float64 holds exactly; in float16 they are infinite.
        return (values >= np.float64(limits.min)) & (values < np.float64(limits.max + 1))
    return (values >= limits.min) & (values <= limits.max)


def _name(dtype: np.dtype[Any]) -> str:
    """What NumPy takes for the data type, as short as one writes it."""
    return dtype.str[1:] if dtype.kind in TEXT else dtype.name


def _lossy(
    values: np.ndarray[Any, Any], changed: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str
) -> DataTypeMismatchError:
    index = tuple(int(i) for i in np.argwhere(changed)[0]) if values.ndim else ()
    at = f"at index {index} of the {values.dtype} value" if values.ndim else f"a {values.dtype}"
    return DataTypeMismatchError(
        f"{where} holds {dtype}, which cannot hold {values[index]!s} ({at}); "
        f"to let NumPy convert it: z[...] = np.asarray(value).astype({_name(dtype)!r})"
    )


def fitted(values: np.ndarray[Any, Any], shape: tuple[int, ...], where: str) -> np.ndarray[Any, Any]:
    """A view of the values broadcast to the shape of a selection, by the rules of NumPy's assignment.

    Raises ShapeMismatchError where they do not broadcast.

    >>> fitted(np.ones((1, 3)), (2, 3), "z").shape
    (2, 3)
    """
    extra = values.ndim - len(shape)
    if extra > 0 and all(n == 1 for n in values.shape[:extra]):
        values = values.reshape(values.shape[extra:])
    if values.shape == shape:
        return values
    try:
        return np.broadcast_to(values, shape)
    except ValueError as error:
        raise ShapeMismatchError(
            f"{where}: a value of shape {values.shape} does not fit the selection, which has shape {shape}; "
            "nothing was written"
        ) from error
