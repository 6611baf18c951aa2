"""Reductions: what is kept of each tile, how two of them join, and what the whole amounts to.

Sums of floats are carried in float64, and those of float64 with the rounding error of each joint
(T. J. Dekker, "A floating-point technique for extending the available precision", 1971); variances are
joined by the pairwise update of T. F. Chan, G. H. Golub, R. J. LeVeque (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops import fine_sums
from lazyzarr.graph.ops.double import over, parted, two_sum
from lazyzarr.graph.region import Region

__all__ = [
    "Extremum",
    "Joined",
    "Logical",
    "Mean",
    "Product",
    "Reduce",
    "State",
    "Sum",
    "Tile",
    "Variance",
    "WideReduce",
    "reduce_node",
    "sum_of_sums",
]

Array = np.ndarray[Any, Any]
ROW = 128  # elements that float32 can add up without losing anything that counts
FEW, MANY, PARTS = (
    8,
    512,
    32,
)  # float64 that are added one after the other: of many, in so many parts of a tile
MANY_TILES = 8  # what one of so many rounds away, even of a mean, is little of the total
MANY_SQUARES = 64  # what one of so many rounds away in float32 is little of their mean
State = tuple[Array, ...]
"""Accumulators: arrays of the kept shape (reduced axes have length 1)."""


class Tile:
    """A tile of an operand, and what several reductions want to know of it."""

    __slots__ = ("_sums", "origin", "values")

    def __init__(self, values: Array, origin: tuple[int, ...]) -> None:
        self.values, self.origin = values, origin
        self._sums: dict[tuple[tuple[int, ...], np.dtype[Any]], Array] = {}

    def sum(self, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The sum over axes in a dtype, axes kept with length 1."""
        found = self._sums.get((axes, dtype))
        if found is None:
            found = self._sums[axes, dtype] = _sum(self.values, axes, dtype)
        return found


def _sum(values: Array, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if values.dtype == bool and len(axes) == values.ndim and dtype.kind in "iu":
        return np.full((1,) * values.ndim, np.count_nonzero(values), dtype)
    if dtype in (np.float64, np.complex128) and values.dtype == dtype:
        return sum_of_sums(values, axes)
    # Times have no other dtype to be summed in, and NumPy takes no unit here.
    return np.add.reduce(values, axis=axes, dtype=None if dtype.kind in "mM" else dtype, keepdims=True)


def sum_of_sums(values: Array, axes: tuple[int, ...]) -> Array:
    """The sum in the values' own dtype. Along all axes but the last one NumPy adds one after the other, and what each
    step rounds grows with their number: here few are, and then their sums in pairs."""
    if len(axes) == values.ndim and values.flags.c_contiguous:
        return np.add.reduce(values, axis=axes, keepdims=True)
    for axis in reversed(axes):
        n = values.shape[axis]
        own = n if axis == values.ndim - 1 else max(FEW, min(MANY, -(-n // PARTS)))
        front = (slice(None),) * axis
        parts = [
            np.add.reduce(values[(*front, slice(low, low + own))], axis=axis, keepdims=True)
            for low in range(0, max(n, 1), max(own, 1))
        ]
        while len(parts) > 1:
            odd = parts[-1:] if len(parts) % 2 else []
            parts = [*map(np.add, parts[:-1:2], parts[1::2]), *odd]
        values = parts[0]
    return values


class Reduce(Node):
    """A reduction; parameters: axes (sorted), keepdims, dtype of the result, options.

    Tiles of the operand are folded into a state with `fold`, states of two parts of the operand into
    one with `join`, and `finish` makes the result. Axes are kept with length 1 until then.
    """

    __slots__ = ()
    name = ""
    copies = 0
    """How many arrays as large as a tile are made while it is folded."""

    def folding_bytes(self, elements: int) -> int:
        """Bytes that are made on the way while a tile of so many elements is folded."""
        return self.copies * elements * max(self.operand.dtype.itemsize, 8)

    @property
    def label(self) -> str:
        """The operation's name."""
        return self.name

    @property
    def is_leaf(self) -> bool:
        """Always: what uses a reduction reads its finished result."""
        return True

    @property
    def axes(self) -> tuple[int, ...]:
        """The reduced axes of the operand."""
        return self.params[0]  # type: ignore[no-any-return]

    @property
    def operand(self) -> Node:
        """What is reduced."""
        return self.inputs[0]

    @property
    def width(self) -> int:
        """The length of the first reduced axis in states and results: 1, but for what sorts values apart."""
        return 1

    def kept(self, axis: int) -> slice:
        """Where along a reduced axis of states and results the values are."""
        return slice(0, self.width if axis == self.axes[0] else 1)

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """The operand's shape with reduced axes of length 1, the first of them of `width`."""
        return tuple(
            self.kept(axis).stop if axis in self.axes else n for axis, n in enumerate(self.operand.shape)
        )

    def infer(self) -> None:
        """The operand's kept axes, or all with length 1 where dimensions are kept."""
        axes, keepdims, dtype, _ = self.params
        source = self.operand
        kept = [axis for axis in range(source.ndim) if keepdims or axis not in axes]
        self.shape = tuple(1 if axis in axes else source.shape[axis] for axis in kept)
        self.chunks = tuple((1,) if axis in axes else source.chunks[axis] for axis in kept)
        self.dims = tuple(source.dims[axis] for axis in kept)
        self.dtype = np.dtype(dtype)

    def pull(self, region: Region) -> list[Region]:
        """Never asked: a reduction iterates its operand's index space."""
        raise NotImplementedError

    def count(self, extents: Sequence[int]) -> int:
        """The number of elements that a part of these extents folds into one."""
        return math.prod(extents[axis] for axis in self.axes)

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The dtypes of the accumulators."""
        raise NotImplementedError

    def start(self, shape: tuple[int, ...]) -> State:
        """The state of no element at all."""
        return tuple(np.zeros(shape, dtype) for dtype in self.state_dtypes())

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Takes a tile into the state, which holds `before` elements of each result so far."""
        raise NotImplementedError

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Takes a state of `count` elements into one of `before`."""
        raise NotImplementedError

    def finish(self, state: State, count: int) -> Array:
        """The result from the state of all `count` elements, reduced axes still there with length 1."""
        raise NotImplementedError

    def shaped(self, result: Array) -> Array:
        """A finished result without the reduced axes, unless they are kept."""
        if self.params[1]:
            return result
        return result.reshape(tuple(n for axis, n in enumerate(result.shape) if axis not in self.axes))


class WideReduce(Reduce):
    """A reduction along one axis, of which `width` elements are left."""

    __slots__ = ()

    def infer(self) -> None:
        """The operand's axes, the one that is reduced with `width` elements."""
        source, (axis,) = self.operand, self.axes
        self.shape = (*source.shape[:axis], self.width, *source.shape[axis + 1 :])
        self.chunks = (*source.chunks[:axis], (self.width,), *source.chunks[axis + 1 :])
        self.dims, self.dtype = source.dims, np.dtype(self.params[2])


class Sum(Reduce):
    """The sum."""

    __slots__ = ()
    name = "sum"

    @property
    def _exact(self) -> bool:
        """Whether additions of accumulators have no rounding error worth carrying."""
        return not (self.dtype.kind in "fc" and accumulator(self.dtype) == self.dtype)

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The sum, and the error of its joints where it has the result's own precision."""
        wide = accumulator(self.dtype)
        return (wide,) if self._exact else (wide, wide)

    @property
    def _fine(self) -> bool:
        """Whether a tile's sum is found in two numbers."""
        return not self._exact and self.operand.dtype == self.dtype in (np.float64, np.complex128)

    def folding_bytes(self, elements: int) -> int:
        """What finding the sum of a tile in two numbers takes."""
        return fine_sums.folding_bytes(elements, self.dtype) if self._fine else 0

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Adds the tile's sum: in two numbers, where it is one of few. Of many each rounds away little of the total."""
        many = MANY_TILES * self.count(tile.values.shape) <= self.count(self.operand.shape)
        if many or not self._fine:
            _add(state, tile.sum(self.axes, state[0].dtype))
            return
        for kept, total, rest in fine_sums.sums_of(tile.values, self.axes):
            own = tuple([part[kept] for part in state])
            _add(own, total)
            if rest is not None:
                np.add(own[1], rest, out=own[1])

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Adds the other's sum."""
        for part in other:
            _add(state, part)

    def finish(self, state: State, count: int) -> Array:
        """The sum in the result's dtype."""
        return _total(state).astype(self.dtype)


class Mean(Sum):
    """The arithmetic mean."""

    __slots__ = ()
    name = "mean"

    def finish(self, state: State, count: int) -> Array:
        """The sum over the count; NaN with NumPy's warning where there is nothing."""
        total = _total(state)
        if total.dtype.kind == "m":
            return (total / count).astype(self.dtype)
        found = np.true_divide(total, count, dtype=total.dtype)
        if self._fine and count:
            with np.errstate(all="ignore"):
                near = over(two_sum(*map(parted, state)), float(count))[0]
            # What is not finite, or so large that it has no second number, is as NumPy divides it.
            near = np.where(np.isfinite(near), near, parted(found))
            found = near.view(total.dtype)[..., 0] if total.dtype.kind == "c" else near
        return found.astype(self.dtype)


class Variance(Reduce):
    """The variance or standard deviation, in less than float64; options: ddof, whether the root is taken."""

    __slots__ = ()
    copies = 2

    @property
    def label(self) -> str:
        """var or std."""
        return "std" if self.params[3][1] else "var"

    @property
    def _mean_dtype(self) -> np.dtype[Any]:
        kind = self.operand.dtype.kind
        return (
            np.result_type(accumulator(self.dtype), np.complex128) if kind == "c" else accumulator(self.dtype)
        )

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The mean, and the sum of squared deviations."""
        return self._mean_dtype, accumulator(self.dtype)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Joins the tile's own mean and squared deviations."""
        many = self.count(self.operand.shape) >= MANY_SQUARES
        if many and len(self.axes) == tile.values.ndim and tile.values.dtype == self.dtype == np.float32:
            self._fold_number(state, tile, before)
            return
        count = self.count(tile.values.shape)
        mean, values = self._mean(tile, count), tile.values
        # Deviations from the mean as the tile's own dtype holds it are nearly exact and need no wider
        # tile, unless there are few or a wider result was asked for; what that mean was off by is put right
        # afterwards.
        own = many and values.dtype.itemsize > 2 and values.real.dtype == self.dtype
        centre = mean.astype(values.dtype) if own else mean
        # Without axes NumPy gives a scalar, which nothing can be put into.
        total = self._squares(np.asarray(np.subtract(values, centre)), state[1].dtype)
        off = np.abs(mean - centre)
        total -= count * off * off
        _merge(state, mean, total, mean - state[0], before, count)

    def _fold_number(self, state: State, tile: Tile, before: int) -> None:
        """The same where all becomes one number: small tiles would spend their time on arrays of one element."""
        count = tile.values.size
        mean = float(tile.sum(self.axes, state[0].dtype).item()) / count
        centre = np.float32(mean)
        total, off = _sum_of_squares(np.subtract(tile.values, centre)), mean - float(centre)
        total -= count * off * off
        if before == 0:
            state[0][...], state[1][...] = mean, total
            return
        apart, all_of_them = mean - state[0].item(), before + count
        state[0][...] += apart * (count / all_of_them)
        state[1][...] += total + apart * apart * (before * count / all_of_them)

    def _mean(self, tile: Tile, count: int) -> Array:
        return tile.sum(self.axes, self._mean_dtype) / count

    def _squares(self, deviation: Array, dtype: np.dtype[Any]) -> Array:
        """The sum of squares; the deviations are overwritten."""
        real = deviation.dtype.kind != "c"
        squares = np.multiply(deviation, deviation, out=deviation) if real else np.square(np.abs(deviation))
        return _sum(squares, self.axes, dtype)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """The pairwise update of means and squared deviations."""
        mean, total = other
        _merge(state, mean, total, mean - state[0], before, count)

    def finish(self, state: State, count: int) -> Array:
        """The squared deviations over count - ddof, never below zero, and their root where asked for."""
        ddof, root = self.params[3]
        result = np.true_divide(np.maximum(state[1], 0), max(count - ddof, 0))
        return (np.sqrt(result) if root else result).astype(self.dtype)


class Joined(Reduce):
    """Values joined by a ufunc that takes two states as it takes two values; options: which ufunc."""

    __slots__ = ()

    @property
    def _ufunc(self) -> np.ufunc:
        return self.params[3][0]  # type: ignore[no-any-return]

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """What the values so far give."""
        return (self.dtype,)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Both by the ufunc."""
        if before == 0:
            state[0][...] = other[0]
        else:
            self._ufunc(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """What all values give."""
        return state[0]


class Extremum(Joined):
    """The minimum or maximum."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """min or max, or with NaN passed over nanmin or nanmax."""
        return _EXTREMA[self._ufunc.__name__]

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Compares with the tile's extremum; NaN and NaT win, as in NumPy."""
        axes, ufunc = self.params[0], self._ufunc
        if before == 0:
            ufunc.reduce(tile.values, axis=axes, keepdims=True, out=state[0])
        else:
            ufunc(state[0], ufunc.reduce(tile.values, axis=axes, keepdims=True), out=state[0])


_EXTREMA = {"minimum": "min", "maximum": "max", "fmin": "nanmin", "fmax": "nanmax"}


class Product(Reduce):
    """The product."""

    __slots__ = ()
    name = "prod"

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The product so far."""
        return (accumulator(self.dtype),)

    def start(self, shape: tuple[int, ...]) -> State:
        """One, for nothing."""
        return (np.ones(shape, self.state_dtypes()[0]),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Multiplies by the tile's product."""
        part = np.multiply.reduce(tile.values, axis=self.axes, dtype=state[0].dtype, keepdims=True)
        self.join(state, (part,), before, 0)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Multiplies by the other's product."""
        np.multiply(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The product in the result's dtype."""
        return state[0].astype(self.dtype)


class Logical(Reduce):
    """Whether all or any of the values are true; options: which ufunc."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """all or any."""
        return {"logical_and": "all", "logical_or": "any"}[self._ufunc.__name__]

    @property
    def _ufunc(self) -> np.ufunc:
        return self.params[3][0]  # type: ignore[no-any-return]

    def state_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The truth so far."""
        return (np.dtype(bool),)

    def start(self, shape: tuple[int, ...]) -> State:
        """True for all of nothing, false for any of nothing."""
        return (np.full(shape, self._ufunc.identity, bool),)

    def fold(self, state: State, tile: Tile, before: int) -> None:
        """Combines with the tile's truth."""
        self.join(state, (self._ufunc.reduce(tile.values, axis=self.axes, keepdims=True),), before, 0)

    def join(self, state: State, other: State, before: int, count: int) -> None:
        """Both, or either."""
        self._ufunc(state[0], other[0], out=state[0])

    def finish(self, state: State, count: int) -> Array:
        """The truth."""
        return state[0]


def _sum_of_squares(values: Array) -> float:
    """Of float32: short rows in float32 and their sum in float64, as exact, and with no float64 copy of the tile."""
    flat = values.reshape(-1)
    whole = flat.size - flat.size % ROW
    rows = flat[:whole].reshape(-1, ROW)
    total = float(np.add.reduce(np.vecdot(rows, rows), dtype=np.float64))
    return total + float(np.dot(flat[whole:], flat[whole:])) if whole < flat.size else total


def _merge(state: State, mean: Array, total: Array, delta: Array, before: int, count: int) -> None:
    """Takes the mean and squared deviations of `count` values into those of `before`; `delta`: how far "
    "they are apart."""
    if before == 0:
        state[0][...], state[1][...] = mean, total
        return
    state[0][...] += delta * (count / (before + count))
    state[1][...] += total + np.square(np.abs(delta)) * (before * count / (before + count))


def reduce_node(
    kind: type[Reduce],
    operand: Node,
    axes: tuple[int, ...],
    keepdims: bool,
    dtype: np.dtype[Any],
    *options: Any,
) -> Reduce:
    """The node of a reduction over these axes (sorted, not negative)."""
    return make(kind, (operand,), (axes, keepdims, dtype, options))


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which values of a result dtype are summed: float64 at least for floats.

    >>> accumulator(np.dtype("f4")), accumulator(np.dtype("i8"))
    (dtype('float64'), dtype('int64'))
    """
    if dtype.kind == "f":
        return np.result_type(dtype, np.float64)
    return np.result_type(dtype, np.complex128) if dtype.kind == "c" else dtype


def _add(state: State, part: Array) -> None:
    """Adds to a sum, and what rounding lost to its second array, where it has one (TwoSum)."""
    total = state[0]
    if len(state) == 1:
        np.add(total, part, out=total)
        return
    if total.size == 1 and total.dtype == np.float64:
        whole, lost = _two_sum(total.item(), part.item())
        total[...] = whole
        if lost:
            state[1][...] += lost
        return
    with np.errstate(invalid="ignore", over="ignore"):
        new = total + part
        shadow = new - total
        error = (total - (new - shadow)) + (part - shadow)
        # Beyond infinity there is no error to carry, only NaN from inf - inf.
        state[1][...] += np.where(np.isfinite(error), error, 0)
    total[...] = new


def _two_sum(a: float, b: float) -> tuple[float, float]:
    """The sum as it is rounded, and what rounding took from it: nothing where there is no number left.

    >>> _two_sum(1.0, 2.0**-60) == (1.0, 2.0**-60)
    True
    """
    new = a + b
    shadow = new - a
    lost = (a - (new - shadow)) + (b - shadow)
    return new, lost if math.isfinite(lost) else 0.0


def _total(state: State) -> Array:
    """The sum with its carried error."""
    return state[0] + state[1] if len(state) == 2 else state[0]
