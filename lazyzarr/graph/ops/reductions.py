"""Reductions: what is kept of each tile, how two of them join, and what the whole amounts to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lazyzarr.graph.node import Node, make
from lazyzarr.graph.region import Region

__all__ = ["Reduce", "State", "Tile", "WideReduce", "accumulator", "reduce_node", "sum_of_sums", "sum_over"]

Array = np.ndarray[Any, Any]
# float64 that are added one after the other: of many, in so many parts of a tile.
FEW, MANY, PARTS = 8, 512, 32
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
            found = self._sums[axes, dtype] = sum_over(self.values, axes, dtype)
        return found


def sum_over(values: Array, axes: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The sum over axes in a dtype, axes kept with length 1."""
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
        return math.prod([extents[axis] for axis in self.params[0]])

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
