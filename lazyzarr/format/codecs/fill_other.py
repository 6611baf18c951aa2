"""Whether a chunk of strings, Python objects or records holds nothing but the fill value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data_types.records import packed

__all__ = ["other_test"]

BLOCK = 65536  # elements compared at a time
# Objects that are the fill value where they are equal to it and of its type; floats are not: -0.0 is no 0.0.
COMPARED = (str, bytes, int, bool, type(None))


def other_test(value: NDArray[Any]) -> Callable[[NDArray[Any]], bool] | None:
    """The test for chunks of elements that are no plain memory; `value` holds the fill value once.

    >>> test = other_test(np.array(["a"], np.dtypes.StringDType()))
    >>> test(np.array(["a", "a"], np.dtypes.StringDType()))
    True
    >>> other_test(np.zeros(1))
    """
    if value.dtype.kind == "T":
        return lambda chunk: _strings(chunk.reshape(-1), value)
    if value.dtype.kind == "O":
        return lambda chunk: all(_same(item, value[0]) for item in chunk.flat)
    if value.dtype.names is None:
        return None
    plain = packed(value.dtype)
    row = _bits(value, plain)
    return lambda chunk: _records(chunk.reshape(-1), plain, row)


def _strings(flat: NDArray[Any], value: NDArray[Any]) -> bool:
    if flat[0] != value[0]:  # mostly one look is enough
        return False
    return all(bool((flat[at : at + BLOCK] == value).all()) for at in range(0, len(flat), BLOCK))


def _same(item: Any, fill: Any) -> bool:
    if isinstance(fill, np.ndarray):
        return (
            isinstance(item, np.ndarray)
            and (item.dtype, item.shape) == (fill.dtype, fill.shape)
            and item.tobytes() == fill.tobytes()
        )
    return item is fill or (type(item) is type(fill) and type(fill) in COMPARED and item == fill)


def _records(flat: NDArray[Any], plain: np.dtype[Any], row: NDArray[np.uint8]) -> bool:
    return all(
        bool((_bits(flat[at : at + BLOCK], plain).reshape(-1, row.size) == row).all())
        for at in range(0, len(flat), BLOCK)
    )


def _bits(records: NDArray[Any], plain: np.dtype[Any]) -> NDArray[np.uint8]:
    """The records' bytes without padding, which has no meaning."""
    return records.astype(plain, copy=False).view(np.uint8)
