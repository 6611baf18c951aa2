"""Packing: numbers as integers that count steps from an offset; what has no such integer is refused, by its place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lazyzarr.errors import DataTypeMismatchError
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Elementwise, call
from lazyzarr.graph.ops.piecewise import scratch
from lazyzarr.graph.ops.strips import shorten, slices_of
from lazyzarr.graph.origins import on_behalf

__all__ = ["Packed", "Scale", "packed"]

Array = np.ndarray[Any, Any]

# Elements that are looked at at once: what is made of them on the way stays in a core's cache.
AT_ONCE = 16384
# Integers beyond are not all float64.
EXACT = 2**53


class Scale(NamedTuple):
    """How values are packed: stored * factor + offset is the value. None: there is none."""

    factor: float | None
    offset: float | None
    fill: Any
    """What is stored for NaN, as a Python number."""

    def stored(self, values: Any) -> Any:
        """What numbers come to before they are rounded, as NumPy computes it."""
        if self.offset is not None:
            values = np.subtract(values, self.offset)
        return values if self.factor is None else np.divide(values, self.factor)

    def value(self, stored: Any) -> float:
        """The number that a stored one stands for."""
        return float(stored) * (1.0 if self.factor is None else self.factor) + (self.offset or 0.0)


class Packed(Elementwise):
    """Numbers as those of another dtype, packed; parameters as Elementwise, with a `scale`, and for errors `where`
    they go and what their `maker` is, where it is known."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The word for this operation."""
        return "pack"

    @property
    def hint(self) -> str:
        """How values are packed."""
        factor, offset, fill_value = self.scale
        less = "x" if offset is None else f"x - {offset!r}" if factor is None else f"(x - {offset!r})"
        words = less if factor is None else f"{less} / {factor!r}"
        fill = "" if fill_value is None else f"; NaN is stored as {fill_value!r}"
        return f"packed as {self.dtype}: {words}{', rounded' if self._whole else ''}{fill}"

    @property
    def scale(self) -> Scale:
        """How values are packed."""
        return Scale(*dict(self.params[2])["scale"])

    @property
    def maker(self) -> str:
        """What gives the values, and the user's line."""
        source = self.inputs[0]
        line = f", {source.place}," if source.place else ""
        return dict(self.params[2])["maker"] or f"{source.label}{line}"

    @property
    def sent(self) -> tuple[Any, ...]:
        """With the user's line, which workers do not know."""
        function, operands, keywords, dtype = self.params
        return function, operands, tuple({**dict(keywords), "maker": self.maker}.items()), dtype

    @property
    def _whole(self) -> bool:
        return self.dtype.kind in "iu"

    @property
    def in_place(self) -> bool:
        """Values are looked at again where one is refused."""
        return False

    def apply(self, pieces: Sequence[Any], out: Array | None) -> Array:
        """The piece packed. Raises DataTypeMismatchError for what has no place in the dtype."""
        piece = np.asarray(pieces[0])
        result = np.empty(piece.shape, self.dtype) if out is None else out
        self.put(piece, result, (0,) * piece.ndim)
        return result

    def put(self, piece: Array, out: Array, origin: tuple[int, ...]) -> None:
        """Packs a piece, whose first element is the one at `origin`, into an array.

        Raises DataTypeMismatchError for what has no place in the dtype.
        """
        lengths = list(piece.shape)
        shorten(lengths, range(piece.ndim), AT_ONCE)
        scale, parts = self.scale, slices_of(piece.shape, [max(n, 1) for n in lengths])
        with np.errstate(all="ignore"):  # what overflows is refused, NaN is looked for
            for part in itertools.product(*parts):
                where: Any = (*part, ...)  # a view, of arrays without axes, too
                if not self.take(piece[where], out[where], scale):
                    start = [low + each.start for low, each in zip(origin, part, strict=True)]
                    raise _Refusal(self).error(piece[where], start)

    def take(self, values: Array, out: Array, scale: Scale) -> bool:
        """Puts values into an array, packed; whether all of them have a place there."""
        return self._whole_numbers(values, out, scale) if self._whole else self._floats(values, out, scale)

    def _whole_numbers(self, values: Array, out: Array, scale: Scale) -> bool:
        """Puts values into an array of integers; whether all of them have a place there."""
        stored, missing = _rounded(values, scale), None
        low, high = stored.min(), stored.max()
        if low != low:
            if scale.fill is None:
                return False
            missing = np.isnan(stored)
            np.copyto(stored, 0, where=missing)
            low, high = stored.min(), stored.max()
        if not _holds(self.dtype, low, high):
            return False
        np.copyto(out, stored, casting="unsafe")
        if scale.fill is None:
            return True
        if int(low) <= scale.fill <= int(high):  # NumPy compares longdouble with no large integer
            taken = out == scale.fill
            if np.any(taken if missing is None else taken & ~missing):
                return False
        if missing is not None:
            np.copyto(out, scale.fill, where=missing)
        return True

    def _floats(self, values: Array, out: Array, scale: Scale) -> bool:
        """Puts values into an array of floats; whether all of them have a place there."""
        np.copyto(out, _scaled(values, scale), casting="unsafe")
        if not np.isfinite(out).all() and np.any(np.isinf(out) & np.isfinite(values)):
            return False
        if scale.fill is None or scale.fill != scale.fill:
            return True
        if np.any(out == scale.fill):
            return False
        np.copyto(out, scale.fill, where=np.isnan(out))
        return True


def _scaled(values: Array, scale: Scale) -> Array:
    """Values less the offset, by the factor: in float64, or in longdouble where they are that."""
    if scale.factor is None and scale.offset is None:
        return values
    if values.dtype == np.longdouble:
        return np.asarray(scale.stored(values))
    work = scratch.like(values)[0]
    if scale.offset is not None:
        np.subtract(values, scale.offset, out=work, dtype=np.float64, casting="unsafe")
    if scale.factor is not None:
        first = values if scale.offset is None else work
        np.divide(first, scale.factor, out=work, dtype=np.float64, casting="unsafe")
    return work


def _rounded(values: Array, scale: Scale) -> Array:
    """What values come to as whole numbers, halves to even; integers that nothing is done to stay as they are."""
    scaled = _scaled(values, scale)
    if values.dtype.kind in "biu":
        if scaled is values:
            return values
        if values.dtype.itemsize == 8 and np.any(large := (values > EXACT) | (values < -EXACT)):
            return np.rint(np.where(large, scale.stored(values.astype(np.longdouble)), scaled))
    if values.dtype == np.longdouble:
        return np.asarray(np.rint(scaled))
    rounded: Array = np.rint(scaled, out=scratch.like(values)[0])
    return rounded


def _holds(dtype: np.dtype[Any], low: Any, high: Any) -> bool:
    """Whether an integer dtype holds all whole numbers between two."""
    ends = np.iinfo(dtype)
    finite = math.isfinite(low) and math.isfinite(high)
    return finite and int(low) >= ends.min and int(high) <= ends.max


def packed(node: Node, dtype: np.dtype[Any], scale: Scale, where: str) -> Node:
    """The node packed as numbers of a dtype, for the place that errors name.

    Raises DataTypeMismatchError for what is no real number.
    """
    if not np.can_cast(node.dtype, np.longdouble):
        raise DataTypeMismatchError(
            f"{where}: pack= packs numbers, and {node.label} gives {node.dtype}; {_cure(node.dtype)}"
        )
    with on_behalf(node.origin):  # plans show the user's expression
        return call(
            Packed, np.rint, [node], (("scale", tuple(scale)), ("where", where), ("maker", "")), dtype
        )


def _cure(dtype: np.dtype[Any]) -> str:
    """How to make numbers of what is none."""
    if dtype.kind == "M":
        return "count them first: (x - np.datetime64('2000-01-01')) / np.timedelta64(1, 's')"
    if dtype.kind == "m":
        return "count them first: x / np.timedelta64(1, 's')"
    if dtype.kind == "c":
        return "pack the parts by themselves: np.real(x) and np.imag(x)"
    return "convert them first: x.astype('f8')"


class _Refusal:
    """What is said of the first value that has no place in a packed array."""

    def __init__(self, node: Packed) -> None:
        self._node, self._scale, self._dtype = node, node.scale, node.dtype

    def error(self, values: Array, start: Sequence[int]) -> DataTypeMismatchError:
        """The error for a part of the array, of which the place of the first element is given."""
        first = np.unravel_index(self._first(values.ravel()), values.shape)
        index = tuple(int(low + i) for low, i in zip(start, first, strict=True))
        where = dict(self._node.params[2])["where"]
        why, *cures = self._why(values[first])
        return DataTypeMismatchError(
            f"{where}: {self._node.maker} gives {values[first]!s}{f' at index {index}' if index else ''}, {why}. "
            f"Nothing was written. What fits: {', or '.join(cures)}"
        )

    def _first(self, values: Array) -> int:
        """Where the first value stands that has no place: halves are tried."""
        low, high = 0, values.size
        while high - low > 1:
            middle = (low + high) // 2
            if self._node.take(values[low:middle], np.empty(middle - low, self._dtype), self._scale):
                low = middle
            else:
                high = middle
        return low

    def _why(self, value: Any) -> list[str]:
        """Why a value has no place, and what to do."""
        low, high = self._ends()
        clipped = f"x.clip({self._limit(low, high)!r}, {self._limit(high, low)!r})"
        if math.isnan(value):
            return [
                f"and what {self._dtype} holds for NaN is not said",
                f"fill_value={low}",
                "np.nan_to_num(x)",
            ]
        if math.isinf(value):
            masked = "np.where(np.isfinite(x), x, np.nan) with a fill_value="
            return [f"which {self._dtype} has no number for", clipped, masked]
        stored = _stored(value, self._dtype, self._scale)
        if stored == self._scale.fill:
            apart = [clipped] if stored < low or stored > high else []
            return [
                f"which would be stored as {stored!s}, the fill_value= of NaN",
                "another fill_value=",
                *apart,
            ]
        wider = [f"pack={name!r}" for name in _wider(self._dtype, stored)]
        held = f"{self._dtype} holds {low} to {high}"
        return [f"which would be stored as {stored!s}; {held}", *wider, "a larger scale_factor=", clipped]

    def _ends(self) -> tuple[Any, Any]:
        """The least and the greatest number that the dtype holds besides what is stored for NaN."""
        if self._dtype.kind == "f":
            limits = np.finfo(self._dtype)
            return float(limits.min), float(limits.max)
        ends = np.iinfo(self._dtype)
        return ends.min + (self._scale.fill == ends.min), ends.max - (self._scale.fill == ends.max)

    def _limit(self, stored: float, other: float) -> float:
        """The value of the last number on a side, or one near it that is packed as no other."""
        value = self._scale.value(stored)
        for _ in range(4):
            if self._node.take(np.array([value]), np.empty(1, self._dtype), self._scale):
                break
            value = float(np.nextafter(value, self._scale.value(other)))
        return value


def _stored(value: Any, dtype: np.dtype[Any], scale: Scale) -> Any:
    """What a value comes to, as a number of any size."""
    with np.errstate(all="ignore"):
        one = np.array([value])
        found = (_scaled(one, scale) if dtype.kind == "f" else _rounded(one, scale))[0]
    return found if dtype.kind == "f" or not math.isfinite(found) else int(found)


def _wider(dtype: np.dtype[Any], stored: Any) -> list[str]:
    """The data types that hold a number which another one does not: the first of them."""
    kinds = {
        "f": ["float32", "float64"],
        "i": ["int16", "int32", "int64"],
        "u": ["uint16", "uint32", "uint64"],
    }
    names = [name for name in kinds[dtype.kind] + kinds["i"] if np.can_cast(dtype, name) and dtype != name]
    if not math.isfinite(stored):
        return []
    if dtype.kind == "f":
        return [name for name in names if abs(stored) <= np.finfo(name).max][:1]
    return [name for name in names if _holds(np.dtype(name), stored, stored)][:1]
